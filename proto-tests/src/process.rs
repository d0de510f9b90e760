//! Programs that a run starts. Each dies with this process, however that ends: the kernel kills it when the thread that forked
//! it is gone (`setpriv --pdeathsig`), so all forks happen on one thread that lives as long as the process.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Context, Result, wait_for};

type Order = (Command, Sender<std::io::Result<Child>>);

fn spawn(command: Command) -> std::io::Result<Child> {
    static FORKER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, answer) = channel();
    forker.lock().expect("no holder panics").send((command, reply)).expect("the forking thread lives on");
    answer.recv().expect("the forking thread answers")
}

/// A command that ends with this process.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).stdin(Stdio::null());
    command
}

/// A program in the background, whose output goes to a file. Dropping it kills it.
pub struct Background {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Background {
    /// Starts `command` with both outputs appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log).context(format!("open {}", log.display()))?;
        command.stdout(out.try_clone().context("share the log")?).stderr(out);
        let child = spawn(command).context(format!("start {name}"))?;
        Ok(Background { child, log: log.to_path_buf(), name: name.to_owned() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a child has a pid");
        let _ = kill_process(pid, signal);
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        wait_for(&format!("{name} to end"), limit, || self.ended().ok_or_else(|| "it runs".into()))
    }

    /// Waits until its output holds `text`; fails at once when it ends before.
    pub fn wait_output(&mut self, text: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let output = self.output();
            if output.contains(text) {
                return Ok(());
            }
            if let Some(status) = self.ended() {
                // Its last words may have come since.
                let output = self.output();
                return match output.contains(text) {
                    true => Ok(()),
                    false => {
                        Err(format!("{} ended with {status} before it said {text:?}:\n{}", self.name, tail(&output)))
                    }
                };
            }
            if Instant::now() > end {
                return Err(format!("{} did not say {text:?} within {limit:?}:\n{}", self.name, tail(&output)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it, if it runs.
    pub fn stop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// CPU time that it has used, in its own code and in the kernel.
    pub fn cpu(&self) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid())).context("read the process's times")?;
        // Behind the name, which may hold anything but ends with the last bracket; utime and stime in ticks.
        let behind = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// Resident memory in bytes, now.
    pub fn resident(&self) -> Result<u64> {
        status_kib(self.child.id(), "VmRSS:")
    }

    /// The most resident memory that it ever had, in bytes.
    pub fn peak_resident(&self) -> Result<u64> {
        status_kib(self.child.id(), "VmHWM:")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

fn status_kib(pid: u32, field: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("read the process status")?;
    let line = text.lines().find_map(|l| l.strip_prefix(field)).ok_or("no such line in the process status")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("a number of KiB")?;
    Ok(kib * 1024)
}

/// The last lines of a log, for an error message.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// What a program that ran to its end said.
#[derive(Debug, Clone)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Its standard output, if it ended well.
    pub fn ok(self) -> Result<String> {
        match self.code {
            Some(0) => Ok(self.stdout),
            code => Err(format!("exit {code:?}\n{}\n{}", tail(&self.stdout), tail(&self.stderr))),
        }
    }
}

/// Runs a command to its end with `input` as its standard input, and kills it after `limit`.
pub fn run(name: &str, mut command: Command, input: &str, limit: Duration) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command).context(format!("start {name}"))?;
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let out = collect(child.stdout.take().expect("piped"));
    let err = collect(child.stderr.take().expect("piped"));
    let end = wait_for(&format!("{name} to end"), limit, || match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        Ok(None) => Err("it runs".into()),
        Err(e) => Err(e.to_string()),
    });
    if end.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |t: std::thread::JoinHandle<String>| t.join().unwrap_or_default();
    let (stdout, stderr) = (text(out), text(err));
    match end {
        Ok(status) => Ok(Output { code: status.code(), stdout, stderr }),
        Err(why) => Err(format!("{why}\n{}\n{}", tail(&stdout), tail(&stderr))),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
