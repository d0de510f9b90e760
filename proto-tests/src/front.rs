//! A doorkeeper with a generated configuration.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::pki::{self, stores};
use crate::process::{self, Background, Output};
use crate::{Context, Result, address, cluster, scratch, wait_for};

/// What a doorkeeper is started with. Starts from one SASL_PLAINTEXT listener with PLAIN and the users of [`cluster::USERS`].
pub struct Spec {
    n: u8,
    host: Ipv4Addr,
    port: u16,
    /// Name and port of each listener that was added.
    added: Vec<(String, u16)>,
    lines: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    /// The program that it is started by, with its arguments; none as a rule.
    under: Vec<String>,
}

/// Ports for added listeners: each takes its own and one for each of the nodes 1 to 3.
const ADDED: u16 = 16 * 4;

impl Spec {
    /// A doorkeeper before that backend (`host:port,...`, a listener without authentication).
    pub fn new(backend: &str) -> Result<Spec> {
        let n = address::next(address::Role::Front);
        let host = address::front(n);
        let port = address::free_ports(host, 21_000, 2 * address::BLOCK + ADDED)?;
        let mut spec =
            Spec { n, host, port, added: Vec::new(), lines: Vec::new(), environment: Vec::new(), under: Vec::new() };
        Ok(spec
            .set("listeners", &format!("SASL_PLAINTEXT://{host}:{port}"))
            .set("sasl.enabled.mechanisms", "PLAIN")
            .set("listener.name.sasl_plaintext.plain.sasl.jaas.config", &cluster::jaas())
            .set("backend.bootstrap.servers", backend)
            // Trials send wrong passwords by the hundred, all from one address; those that are about that set limits.
            .set("sasl.failed.logins.per.minute.per.address", "0")
            .set("sasl.failed.logins.per.minute.per.account", "0")
            .take())
    }

    /// Sets a key; the last word counts.
    pub fn set(&mut self, key: &str, value: &str) -> &mut Spec {
        self.lines.retain(|(k, _)| k != key);
        self.lines.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a key out.
    pub fn unset(&mut self, key: &str) -> &mut Spec {
        self.lines.retain(|(k, _)| k != key);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Spec {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has another program start it, as a debugger does. That one's end is its end too.
    pub fn under(&mut self, program: &[&str]) -> &mut Spec {
        self.under = program.iter().map(|word| word.to_string()).collect();
        self
    }

    pub fn take(&mut self) -> Spec {
        Spec {
            n: self.n,
            host: self.host,
            port: self.port,
            added: std::mem::take(&mut self.added),
            lines: std::mem::take(&mut self.lines),
            environment: std::mem::take(&mut self.environment),
            under: std::mem::take(&mut self.under),
        }
    }

    /// A second listener, without authentication, one block behind the first.
    pub fn with_plaintext(&mut self) -> &mut Spec {
        let (host, port) = (self.host, self.port);
        self.set("listeners", &format!("SASL_PLAINTEXT://{host}:{port},PLAINTEXT://{host}:{}", port + address::BLOCK))
    }

    /// One more listener of that security protocol, with PLAIN where it is one with SASL, for the nodes 1 to 3.
    pub fn listener(&mut self, name: &str, protocol: &str) -> &mut Spec {
        let port = self.port + 2 * address::BLOCK + 4 * self.added.len() as u16;
        assert!(self.added.len() < usize::from(ADDED) / 4, "no ports are left for {name}");
        self.added.push((name.to_owned(), port));
        let listeners = format!("{},{name}://{}:{port}", self.get("listeners"), self.host);
        let protocols = match self.get("listener.security.protocol.map") {
            "" => "SASL_PLAINTEXT:SASL_PLAINTEXT,PLAINTEXT:PLAINTEXT",
            set => set,
        };
        let protocols = format!("{protocols},{name}:{protocol}");
        self.set("listeners", &listeners).set("listener.security.protocol.map", &protocols);
        let key = format!("listener.name.{}", name.to_lowercase());
        if protocol.starts_with("SASL") {
            self.set(&format!("{key}.plain.sasl.jaas.config"), &cluster::jaas());
        }
        self.set(&format!("{key}.node.id.ranges"), "1-3")
    }

    /// One more listener with TLS: a P-256 certificate for this doorkeeper's address in a PEM file, and trust in the run's
    /// authority.
    pub fn tls_listener(&mut self, name: &str, protocol: &str) -> Result<&mut Spec> {
        let pki = pki::get()?;
        let server = pki.ca.server(&format!("front-{}", self.n), &[&self.host.to_string(), "localhost"])?;
        let keystore = stores::pem(&server, &format!("front-{}-{name}", self.n))?;
        let truststore = stores::file(&format!("front-{}-{name}-trust.pem", self.n), &pki.ca.pem())?;
        let key = format!("listener.name.{}.ssl", name.to_lowercase());
        Ok(self
            .listener(name, protocol)
            .set(&format!("{key}.keystore.type"), "PEM")
            .set(&format!("{key}.keystore.location"), stores::text(&keystore))
            .set(&format!("{key}.truststore.type"), "PEM")
            .set(&format!("{key}.truststore.location"), stores::text(&truststore)))
    }

    /// TLS towards the brokers, with that protocol, trust in the run's authority and, where the brokers demand one, a certificate.
    pub fn tls_backend(&mut self, protocol: &str, with_certificate: bool) -> Result<&mut Spec> {
        let pki = pki::get()?;
        let truststore = stores::file(&format!("front-{}-backend-trust.pem", self.n), &pki.ca.pem())?;
        self.set("backend.security.protocol", protocol)
            .set("backend.ssl.truststore.type", "PEM")
            .set("backend.ssl.truststore.location", stores::text(&truststore));
        if with_certificate {
            let client = pki.ca.client("CN=front,OU=Doorkeepers,O=Example")?;
            let keystore = stores::pem(&client, &format!("front-{}-backend", self.n))?;
            self.set("backend.ssl.keystore.type", "PEM").set("backend.ssl.keystore.location", stores::text(&keystore));
        }
        if protocol.starts_with("SASL") {
            let login = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"front\" \
                         password=\"front-secret\";";
            self.set("backend.sasl.mechanism", "PLAIN").set("backend.sasl.jaas.config", login);
        }
        Ok(self)
    }

    fn get(&self, key: &str) -> &str {
        self.lines.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v)
    }

    /// Where it will listen.
    pub fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// The bootstrap port of the first listener.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The bootstrap port of a listener that was added.
    pub fn at(&self, listener: &str) -> SocketAddr {
        at(self.host, &self.added, listener)
    }

    /// Tells clients to come to the tap's address, same ports.
    pub fn advertised_at(&mut self, host: Ipv4Addr) -> &mut Spec {
        let port = self.port;
        self.set("advertised.listeners", &format!("SASL_PLAINTEXT://{host}:{port}"))
    }

    pub fn number(&self) -> u8 {
        self.n
    }

    pub fn properties(&self) -> String {
        self.lines.iter().map(|(k, v)| format!("{k}={v}\n")).collect()
    }

    /// Starts it and waits until it says that it is ready and that it has reached its backend.
    pub fn start(&self) -> Result<Front> {
        let mut front = self.launch()?;
        front.process.wait_output("\"ready\"", Duration::from_secs(30))?;
        front.process.wait_output("the backend is reachable", Duration::from_secs(30))?;
        Ok(front)
    }

    /// Starts it without waiting.
    pub fn launch(&self) -> Result<Front> {
        let dir = scratch::dir(&format!("front-{}", self.n));
        let file = dir.join("server.properties");
        fs::write(&file, self.properties()).context("write doorkeeper's configuration")?;
        let mut command = match self.under.split_first() {
            None => process::command(binary()?),
            Some((program, arguments)) => {
                let mut command = process::command(program);
                command.args(arguments).args(["setpriv", "--pdeathsig", "KILL", "--"]).arg(binary()?);
                command
            }
        };
        command.arg("serve").arg(&file).env("DOORKEEPER_LOG_FORMAT", "json").env_remove("KAFKA_OPTS");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // A log for each start: what the last one said must not be taken for a word of this one.
        let start = (1..).find(|i| !dir.join(format!("log.{i}")).exists()).unwrap_or(0);
        let process = Background::start("doorkeeper", command, &dir.join(format!("log.{start}")))?;
        Ok(Front { process, file, host: self.host, port: self.port, added: self.added.clone() })
    }
}

/// A doorkeeper that runs. Dropping it kills it.
pub struct Front {
    pub process: Background,
    file: PathBuf,
    host: Ipv4Addr,
    port: u16,
    added: Vec<(String, u16)>,
}

impl Front {
    /// Puts another configuration into its file and has it reload. Gives what it says has changed.
    pub fn reload(&self, spec: &Spec) -> Result<String> {
        self.write(&spec.properties())?;
        let line = self.hang_up()?;
        let changed = line["changed"].as_str().map(str::to_owned);
        changed.ok_or_else(|| format!("not reloaded: {:?}", self.refusals().unwrap_or_default()))
    }

    /// The same with a configuration that must be refused; gives the reasons.
    pub fn refuse(&self, text: &str) -> Result<Vec<String>> {
        self.write(text)?;
        let before = self.refusals()?.len();
        let line = self.hang_up()?;
        match line["changed"].as_str() {
            None => Ok(self.refusals()?.split_off(before)),
            Some(changed) => Err(format!("reloaded, changed: {changed}")),
        }
    }

    /// Puts another configuration file in the place of its own, whole.
    pub fn write(&self, text: &str) -> Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &self.file)).context("write doorkeeper's configuration")
    }

    /// Its configuration file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Has it reload, and waits for the line that says how that went.
    fn hang_up(&self) -> Result<Value> {
        let ends = |log: Vec<Value>| -> Vec<Value> {
            let is_end = |line: &Value| {
                let message = line["message"].as_str().unwrap_or_default();
                message == "reloaded" || message.starts_with("the configuration was not reloaded")
            };
            log.into_iter().filter(is_end).collect()
        };
        let before = ends(self.log()?).len();
        self.process.signal(Signal::HUP);
        wait_for("the end of a reload", Duration::from_secs(30), || {
            ends(self.log()?).get(before).cloned().ok_or_else(|| "it does not end".into())
        })
    }

    fn refusals(&self) -> Result<Vec<String>> {
        let reason = |line: Value| line["message"].as_str()?.strip_prefix("not reloaded: ").map(str::to_owned);
        Ok(self.log()?.into_iter().filter_map(reason).collect())
    }

    /// The bootstrap port of a listener that was added.
    pub fn at(&self, listener: &str) -> SocketAddr {
        at(self.host, &self.added, listener)
    }

    /// The port of a node at a listener that was added.
    pub fn node_at(&self, listener: &str, id: i32) -> SocketAddr {
        let at = self.at(listener);
        (self.host, at.port() + id as u16).into()
    }

    /// The log line of the end of that client's connection to that listener. (Connections to other listeners may have come from
    /// the same port.)
    pub fn closed(&self, listener: &str, peer: SocketAddr) -> Result<Value> {
        let peer = peer.to_string();
        crate::wait_for(&format!("a line about the end of {peer}"), Duration::from_secs(20), || {
            let lines = self.log()?;
            let mine = |l: &Value| {
                l["message"] == "connection closed" && l["listener"] == listener && l["peer"] == peer.as_str()
            };
            let line = lines.into_iter().rfind(mine);
            line.ok_or_else(|| process::tail(&self.process.output()))
        })
    }

    /// The bootstrap port of the SASL_PLAINTEXT listener.
    pub fn sasl(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    /// The bootstrap port of the PLAINTEXT listener, where there is one.
    pub fn plain(&self) -> SocketAddr {
        (self.host, self.port + address::BLOCK).into()
    }

    /// The port of a node at the SASL_PLAINTEXT listener.
    pub fn node(&self, id: i32) -> SocketAddr {
        (self.host, self.port + 1 + id as u16).into()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.process.pid())).context("list descriptors")?.count())
    }

    /// Its log as JSON objects; a line that is none is an error. One that is still being written is not there yet.
    pub fn log(&self) -> Result<Vec<Value>> {
        let output = self.process.output();
        let whole = output.rfind('\n').map_or("", |end| &output[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).context(format!("a log line is not JSON: {line:?}")))
            .collect()
    }
}

fn at(host: Ipv4Addr, added: &[(String, u16)], listener: &str) -> SocketAddr {
    let (_, port) = added.iter().find(|(name, _)| name == listener).expect("a listener that was added");
    (host, *port).into()
}

/// The program under test.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("DOORKEEPER_BIN") {
        return Ok(path.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| scratch::checkout().join("target"), PathBuf::from);
    let newest = ["release", "debug"]
        .iter()
        .map(|profile| target.join(profile).join("doorkeeper"))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max();
    newest
        .map(|(_, path)| path)
        .ok_or_else(|| "no doorkeeper is built: run `cargo build` first or set DOORKEEPER_BIN".into())
}

/// Runs `doorkeeper ARGS` to its end.
pub fn command(args: &[&str]) -> Result<Output> {
    let mut command: Command = process::command(binary()?);
    command.args(args).env_remove("KAFKA_OPTS");
    process::run("doorkeeper", command, "", Duration::from_secs(30))
}

/// Runs `doorkeeper check` on a file with that text.
pub fn check_file(name: &str, text: &str) -> Result<(PathBuf, Output)> {
    let file: PathBuf = scratch::dir("check").join(name);
    fs::write(&file, text).context("write a configuration")?;
    let said = command(&["check", path_text(&file)])?;
    Ok((file, said))
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("the scratch directory's name is plain text")
}
