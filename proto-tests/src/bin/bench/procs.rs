//! The programs under test: started on free loopback ports, accounted by /proc, stopped by their own process ids.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::identity::Identity;
use crate::tokens::Issuer;
use crate::{Res, USER};

mod store;
mod tls;
mod tokens;

pub use store::StoreFront;
pub use tls::Front;

/// Process ids of what runs, for `stop_on_signal`.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Ctrl-C or SIGTERM end what was started too, not only the bench.
pub fn stop_on_signal() -> Res<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
                return;
            };
            tokio::select! { _ = int.recv() => (), _ = term.recv() => () }
            for pid in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                send(pid, Signal::TERM);
            }
            std::process::exit(130);
        });
    });
    Ok(())
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        let _ = kill_process(pid, signal);
    }
}

/// A started program; dropping it ends it.
pub struct Proc {
    name: &'static str,
    child: Child,
}

impl Proc {
    /// Starts `command` with its output in `log`, and waits until `ready`.
    fn start(name: &'static str, command: &mut Command, log: &Path, ready: impl Fn() -> bool) -> Res<Self> {
        // Opened to append: a second process of the same program may write there while the first still does.
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out).spawn();
        let child = child.map_err(|e| format!("{name} cannot be started ({:?}): {e}", command.get_program()))?;
        let mut proc = Self { name, child };
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(proc.pid());
        let start = Instant::now();
        while !ready() {
            let ended = proc.child.try_wait()?;
            if ended.is_some() || start.elapsed() > Duration::from_secs(90) {
                let said = fs::read_to_string(log).unwrap_or_default();
                let end = said.len().saturating_sub(2000);
                let tail = String::from_utf8_lossy(&said.as_bytes()[end..]).into_owned();
                return Err(format!("{name} did not get ready (ended: {ended:?}). Its output ends:\n{tail}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("bench: {name} is process {}", proc.pid());
        Ok(proc)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, at once or as one is asked to, and waits until it is gone.
    pub fn end(&mut self, kill: bool) -> Res<()> {
        send(self.pid(), if kill { Signal::KILL } else { Signal::TERM });
        self.child.wait()?;
        Ok(())
    }

    /// CPU seconds so far, user and system. The scheduler's own accounts (schedstat, nanoseconds) of all threads where the
    /// kernel keeps them: the same time as utime + stime of /proc/PID/stat, without its steps of 10 ms.
    pub fn cpu(&self) -> Res<f64> {
        let mut nanos = 0u64;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            // A thread may end between the listing and the reading.
            match fs::read_to_string(task?.path().join("schedstat")) {
                Ok(text) => nanos += text.split(' ').next().unwrap_or_default().parse::<u64>()?,
                Err(_) => continue,
            }
        }
        if nanos == 0 { self.cpu_by_ticks() } else { Ok(nanos as f64 / 1e9) }
    }

    /// The same by `cpu_by_ticks`.
    pub fn cpu_by_ticks(&self) -> Res<f64> {
        cpu_by_ticks(&self.pid().to_string())
    }

    /// Proportional set size in bytes.
    pub fn pss(&self) -> Res<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let line = rollup.lines().find(|l| l.starts_with("Pss:")).ok_or("no Pss in smaps_rollup")?;
        let kib: f64 = line.split_whitespace().nth(1).ok_or("no value of Pss")?.parse()?;
        Ok(kib * 1024.0)
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // Its number may be another's already when it has been waited for.
        if matches!(self.child.try_wait(), Ok(None)) {
            send(self.pid(), Signal::TERM);
        }
        let start = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if start.elapsed() > Duration::from_secs(20) {
                eprintln!("bench: {} does not end by SIGTERM: killed", self.name);
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = self.pid();
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != pid);
    }
}

/// utime + stime of /proc/PID/stat, in seconds: threads that have ended count too, as a JVM's do.
pub fn cpu_by_ticks(pid: &str) -> Res<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command's name, in parentheses, may hold blanks.
    let rest = stat.rsplit_once(") ").ok_or("unreadable /proc/PID/stat")?.1;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Where the programs are and where their files go.
pub struct Places {
    pub kafka_home: PathBuf,
    pub doorkeeper: PathBuf,
    pub haproxy: PathBuf,
    /// None where it cannot be had: the rows that it would fill then say so.
    pub envoy: Option<PathBuf>,
    pub work: PathBuf,
    /// key=value for doorkeeper.
    pub overrides: Vec<String>,
}

/// One broker with a listener of each protocol.
pub struct Kafka {
    pub proc: Proc,
    pub plain: SocketAddr,
    pub sasl: SocketAddr,
    pub ssl: SocketAddr,
    pub sasl_ssl: SocketAddr,
    /// Takes tokens, where there is an issuer.
    pub tokens: SocketAddr,
}

impl Places {
    pub fn start_kafka(&self, identity: &Identity, issuer: Option<&Issuer>) -> Res<Kafka> {
        let port = free_ports(6)?;
        let (data, file) = (self.work.join("kafka-data"), self.work.join("broker.properties"));
        let names = ["PLAINTEXT", "SASL_PLAINTEXT", "CONTROLLER", "SSL", "SASL_SSL", "TOKENS"];
        let names = &names[..if issuer.is_some() { 6 } else { 5 }];
        let listeners: Vec<_> =
            names.iter().zip(port..).map(|(name, port)| format!("{name}://127.0.0.1:{port}")).collect();
        fs::write(
            &file,
            format!(
                "process.roles=broker,controller\nnode.id=1\n\
                 listeners={listeners}\nadvertised.listeners={listeners}\n\
                 controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:{ctl}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,\
                 CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,TOKENS:SASL_PLAINTEXT\n\
                 inter.broker.listener.name=PLAINTEXT\nsasl.enabled.mechanisms=PLAIN\n{scram}{tokens}\
                 listener.name.sasl_plaintext.plain.sasl.jaas.config={jaas}\n\
                 listener.name.sasl_ssl.plain.sasl.jaas.config={jaas}\n{ssl}\
                 log.dirs={data}\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n\
                 auto.create.topics.enable=false\nlog.retention.check.interval.ms=5000\n\
                 log.segment.delete.delay.ms=500\nconnections.max.idle.ms=3600000\n",
                listeners = listeners.join(","),
                ctl = port + 2,
                jaas = jaas(),
                ssl = tls::ssl_keys("", identity),
                scram = store::scram_keys(),
                tokens = issuer.map_or_else(String::new, |issuer| tokens::oauthbearer_keys("tokens", issuer)),
                data = data.display(),
            ),
        )?;
        let bin = self.kafka_home.join("bin");
        let format = Command::new(bin.join("kafka-storage.sh"))
            .args(["format", "--standalone", "-t", "doorkeeper-bench-00000", "-c"])
            .arg(&file)
            .output()?;
        if !format.status.success() {
            return Err(format!("kafka-storage.sh: {}", String::from_utf8_lossy(&format.stderr)).into());
        }
        let log = self.work.join("kafka.log");
        let proc = Proc::start(
            "Kafka",
            Command::new(bin.join("kafka-server-start.sh"))
                .arg(&file)
                .env("KAFKA_HEAP_OPTS", "-Xmx1g -Xms1g")
                .env("KAFKA_OPTS", issuer.map_or_else(String::new, tokens::allowed_urls)),
            &log,
            || fs::read_to_string(&log).is_ok_and(|said| said.contains("Kafka Server started")),
        )?;
        let [plain, sasl, ssl, sasl_ssl, tokens] = [0, 1, 3, 4, 5].map(|n| local(port + n));
        Ok(Kafka { proc, plain, sasl, ssl, sasl_ssl, tokens })
    }

    pub fn start_doorkeeper(&self, backend: SocketAddr) -> Res<(Proc, SocketAddr)> {
        // The listener's own port and one for each of the default 32 nodes.
        let port = free_ports(33)?;
        let file = self.work.join("doorkeeper.properties");
        fs::write(
            &file,
            format!(
                "listeners=SASL_PLAINTEXT://127.0.0.1:{port}\nsasl.enabled.mechanisms=PLAIN\n\
                 listener.name.sasl_plaintext.plain.sasl.jaas.config={jaas}\n\
                 backend.bootstrap.servers={backend}\nconnections.max.idle.ms=3600000\n",
                jaas = jaas(),
            ),
        )?;
        Ok((self.serve(&file, port)?, local(port)))
    }

    fn serve(&self, file: &Path, port: u16) -> Res<Proc> {
        Proc::start(
            "doorkeeper",
            Command::new(&self.doorkeeper)
                .arg("serve")
                .arg(file)
                .args(self.overrides.iter().flat_map(|setting| ["--override", setting])),
            &self.work.join("doorkeeper.log"),
            || answers(local(port)),
        )
    }

    pub fn start_haproxy(&self, backend: SocketAddr) -> Res<(Proc, SocketAddr)> {
        let port = free_ports(1)?;
        let file = self.work.join("haproxy.cfg");
        fs::write(
            &file,
            format!(
                "global\n    maxconn 5000\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n    \
                 timeout server 1h\n    option splice-auto\n    option splice-request\n    option splice-response\n\
                 listen kafka\n    bind 127.0.0.1:{port}\n    server kafka {backend}\n"
            ),
        )?;
        Ok((self.run_haproxy(&file, port)?, local(port)))
    }

    fn run_haproxy(&self, file: &Path, port: u16) -> Res<Proc> {
        Proc::start(
            "HAProxy",
            // -db: one process in the foreground
            Command::new(&self.haproxy).arg("-db").arg("-f").arg(file),
            &self.work.join("haproxy.log"),
            || answers(local(port)),
        )
    }
}

fn jaas() -> String {
    format!("org.apache.kafka.common.security.plain.PlainLoginModule required user_{}=\"{}\";", USER.0, USER.1)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn answers(addr: SocketAddr) -> bool {
    TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_ok()
}

/// The first of `n` neighbouring ports that are all free, below those that the kernel gives to clients.
fn free_ports(n: u16) -> Res<u16> {
    (20_000..32_000)
        .step_by(usize::from(n))
        .find(|first| (*first..first + n).all(|port| TcpListener::bind(local(port)).is_ok()))
        .ok_or_else(|| format!("no {n} neighbouring ports are free").into())
}
