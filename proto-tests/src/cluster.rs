//! The backend: three brokers of a real Apache Kafka (KRaft, combined roles), started once for a run.
//!
//! Each broker has three listeners without TLS on its own address, PLAIN (no authentication), SASL (SASL/PLAIN) and CONTROLLER,
//! and those of [`Tls`].

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use kafka_protocol::messages::{ListTransactionsRequest, MetadataResponse};

use crate::pki::{self, stores};
use crate::process::{self, Background};
use crate::wire::{Conn, requests};
use crate::{Context, Result, address, check_eq, progress, scratch, wait_for};

/// The users of the backend's SASL listener and of every doorkeeper.
pub const USERS: [(&str, &str); 4] =
    [("alice", "alice-secret"), ("bob", "bob-secret"), ("front", "front-secret"), ("empty", "")];
/// One more user, whose name ends with U+FFFD: what a lossy reading makes of a byte that is not UTF-8.
const LOSSY: &str = "user_lossy\\uFFFD=\"lossy-secret\"";
/// Milliseconds by which a broker (and the doorkeeper that is compared with it) holds back a refusal. Long, so that "at once"
/// and "after the delay" are told apart on a busy machine.
pub const FAILURE_DELAY: u64 = 1500;
const CLUSTER_ID: &str = "proto-tests-cluster--A";
const DIRECTORY_IDS: [&str; 3] = ["dirA-of-proto-tests--A", "dirB-of-proto-tests--A", "dirC-of-proto-tests--A"];

/// The listeners with TLS. What they ask of clients stands with the listener's prefix; without one, `ssl.client.auth` is
/// `required`, which a SASL_SSL listener ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// SSL, no client certificates.
    None,
    /// SSL, `requested`.
    Requested,
    /// SSL, `required`.
    Required,
    /// SSL, `requested`, with [`MAPPING_RULES`].
    Rules,
    /// SASL_SSL with PLAIN.
    Sasl,
}

impl Tls {
    pub const ALL: [Tls; 5] = [Tls::None, Tls::Requested, Tls::Required, Tls::Rules, Tls::Sasl];

    pub fn name(self) -> &'static str {
        match self {
            Tls::None => "TLSNONE",
            Tls::Requested => "TLSREQUESTED",
            Tls::Required => "TLSREQUIRED",
            Tls::Rules => "TLSRULES",
            Tls::Sasl => "TLSSASL",
        }
    }

    fn config(self) -> String {
        let key = format!("listener.name.{}", self.name().to_lowercase());
        match self {
            Tls::None => format!("{key}.ssl.client.auth=none\n"),
            Tls::Requested => format!("{key}.ssl.client.auth=requested\n"),
            Tls::Required => format!("{key}.ssl.client.auth=required\n"),
            Tls::Rules => {
                format!("{key}.ssl.client.auth=requested\n{key}.ssl.principal.mapping.rules={MAPPING_RULES}\n")
            }
            Tls::Sasl => format!("{key}.plain.sasl.jaas.config={}\n", jaas()),
        }
    }
}

/// `ssl.principal.mapping.rules` as they stand in a file. A name that fits none has no principal.
pub const MAPPING_RULES: &str = r"RULE:^CN=([^,]+),OU=Service,.*$/$1@service/L, \
  RULE:^UID=(\\w+)(,.*)?$/uid-$1-$7/U,RULE:^(O)=(.*),C=..$/$2\\/$1/,\
  RULE:^CN=plain.*$/DEFAULT/,RULE:^.*OU=Upper.*$/$0/U";

/// The JAAS entry with all users.
pub fn jaas() -> String {
    let users: Vec<String> = USERS.iter().map(|(u, p)| format!("user_{u}=\"{p}\"")).collect();
    format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"front\" password=\"front-secret\" {} {LOSSY};",
        users.join(" ")
    )
}

pub struct Broker {
    pub id: i32,
    pub host: Ipv4Addr,
    pub plain: SocketAddr,
    pub sasl: SocketAddr,
    controller: SocketAddr,
    tls: u16,
    dir: PathBuf,
    process: Mutex<Option<Background>>,
}

pub struct Cluster {
    pub home: PathBuf,
    pub brokers: Vec<Broker>,
    gate: RwLock<()>,
}

impl Cluster {
    /// Gets Kafka, formats and starts three brokers, and waits until they serve.
    pub fn start() -> Result<Cluster> {
        let begin = Instant::now();
        progress("getting Apache Kafka (once; kept in the cache)");
        let home = kafka_home()?;
        let brokers: Vec<Broker> = (1..=3).map(Broker::new).collect::<Result<_>>()?;
        let cluster = Cluster { home, brokers, gate: RwLock::new(()) };
        progress("formatting and starting three brokers");
        std::thread::scope(|scope| {
            let starts: Vec<_> = cluster
                .brokers
                .iter()
                .map(|b| {
                    let cluster = &cluster;
                    scope.spawn(move || {
                        cluster.write_config(b)?;
                        cluster.format(b)?;
                        b.start(&cluster.home)
                    })
                })
                .collect();
            starts.into_iter().try_for_each(|s| s.join().expect("a start does not panic"))
        })?;
        cluster.wait_ready()?;
        progress(format!("three brokers serve after {:.1} s", begin.elapsed().as_secs_f32()));
        Ok(cluster)
    }

    pub fn broker(&self, id: i32) -> &Broker {
        self.brokers.iter().find(|b| b.id == id).expect("brokers are 1, 2 and 3")
    }

    /// `host:port,...` of the listeners without authentication.
    pub fn bootstrap(&self) -> String {
        join(self.brokers.iter().map(|b| b.plain))
    }

    pub fn sasl_bootstrap(&self) -> String {
        join(self.brokers.iter().map(|b| b.sasl))
    }

    /// `host:port,...` of a listener with TLS.
    pub fn tls_bootstrap(&self, listener: Tls) -> String {
        join(self.brokers.iter().map(|b| b.tls(listener)))
    }

    /// Held by a trial that needs all brokers up.
    pub fn steady(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(|e| e.into_inner())
    }

    /// Held by a trial that takes brokers down: nothing else runs meanwhile.
    pub fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(|e| e.into_inner())
    }

    /// A tool of the distribution, ready for its arguments.
    pub fn tool(&self, name: &str) -> Command {
        process::command(self.home.join("bin").join(name))
    }

    /// Starts the brokers that are down and waits until all serve.
    pub fn revive(&self) -> Result<()> {
        for broker in self.brokers.iter().filter(|b| b.alive().is_err()) {
            broker.start(&self.home)?;
        }
        self.wait_ready()
    }

    /// Waits until every broker sees all three, and the offsets and transaction topics exist.
    pub fn wait_ready(&self) -> Result<()> {
        for broker in &self.brokers {
            wait_for(&format!("broker {} to serve", broker.id), Duration::from_secs(120), || {
                broker.alive()?;
                let seen = Conn::open(broker.plain)?.call(12, &requests::metadata(&[]))?;
                check_eq!(seen.brokers.len(), 3, "brokers that {} sees", broker.id);
                Conn::open(broker.plain)?.call(0, &ListTransactionsRequest::default())?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Creates a topic and waits until every broker knows it and each partition has a leader and its replicas in sync.
    pub fn create_topic(
        &self,
        name: &str,
        assignment: &[&[i32]],
        configs: &[(&str, &str)],
    ) -> Result<MetadataResponse> {
        let request = requests::create_topic(name, assignment, configs);
        let reply = Conn::open(self.brokers[0].plain)?.call(7, &request)?;
        check_eq!(reply.topics[0].error_code, 0, "creation of {name}: {:?}", reply.topics[0].error_message);
        let mut last = None;
        for broker in &self.brokers {
            last = Some(wait_for(&format!("{name} on broker {}", broker.id), Duration::from_secs(30), || {
                let seen = Conn::open(broker.plain)?.call(12, &requests::metadata(&[name]))?;
                check_eq!(seen.topics[0].error_code, 0, "error of {name}");
                for (partition, nodes) in seen.topics[0].partitions.iter().zip(assignment) {
                    check_eq!(partition.error_code, 0, "error of a partition of {name}");
                    check_eq!(partition.isr_nodes.len(), nodes.len(), "replicas in sync of {name}");
                }
                Ok(seen)
            })?);
        }
        Ok(last.expect("there are brokers"))
    }

    fn write_config(&self, b: &Broker) -> Result<()> {
        let data = b.dir.join("data");
        let quorum = join(self.brokers.iter().map(|b| b.controller));
        let pki = pki::get()?;
        let server = pki.ca.server(&format!("broker-{}", b.id), &[&b.host.to_string()])?;
        let stores = broker_stores(b.id, &server, pki.ca.certificate())?;
        let listeners: String = Tls::ALL.iter().map(|l| format!(",{}://{}", l.name(), b.tls(*l))).collect();
        let protocols: String = Tls::ALL
            .iter()
            .map(|l| format!(",{}:{}", l.name(), if *l == Tls::Sasl { "SASL_SSL" } else { "SSL" }))
            .collect();
        let text = format!(
            "process.roles=broker,controller\nnode.id={id}\nbroker.rack=rack-{id}\n\
             listeners=PLAIN://{plain},SASL://{sasl},CONTROLLER://{controller}{listeners}\n\
             listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n\
             {stores}ssl.client.auth=required\n{tls}\
             delegation.token.secret.key=token-secret\n\
             inter.broker.listener.name=PLAIN\ncontroller.listener.names=CONTROLLER\n\
             controller.quorum.bootstrap.servers={quorum}\n\
             sasl.enabled.mechanisms=PLAIN\nlistener.name.sasl.plain.sasl.jaas.config={jaas}\n\
             connection.failed.authentication.delay.ms={FAILURE_DELAY}\n\
             log.dirs={data}\nnum.partitions=1\ndefault.replication.factor=3\nmin.insync.replicas=2\n\
             auto.create.topics.enable=false\n\
             offsets.topic.num.partitions=3\noffsets.topic.replication.factor=3\n\
             transaction.state.log.num.partitions=3\ntransaction.state.log.replication.factor=3\n\
             transaction.state.log.min.isr=2\n\
             share.coordinator.state.topic.num.partitions=3\nshare.coordinator.state.topic.replication.factor=3\n\
             share.coordinator.state.topic.min.isr=2\n\
             group.initial.rebalance.delay.ms=0\ngroup.consumer.min.heartbeat.interval.ms=500\n\
             group.share.min.heartbeat.interval.ms=500\n\
             broker.session.timeout.ms=6000\ncontrolled.shutdown.enable=true\n\
             num.network.threads=2\nnum.io.threads=4\nbackground.threads=2\nlog.cleaner.enable=false\nlog.retention.ms=-1\n\
             auto.leader.rebalance.enable=false\n",
            id = b.id,
            plain = b.plain,
            sasl = b.sasl,
            controller = b.controller,
            jaas = jaas(),
            data = data.display(),
            tls = Tls::ALL.map(Tls::config).concat(),
        );
        fs::write(b.file(), text).context("write the broker's configuration")
    }

    fn format(&self, b: &Broker) -> Result<()> {
        let voters: Vec<String> =
            self.brokers.iter().zip(DIRECTORY_IDS).map(|(b, dir)| format!("{}@{}:{dir}", b.id, b.controller)).collect();
        let mut command = self.tool("kafka-storage.sh");
        command.args(["format", "-t", CLUSTER_ID, "--initial-controllers", &voters.join(","), "-c"]);
        command.arg(b.file());
        process::run("kafka-storage", command, "", Duration::from_secs(120))?.ok().context("format a broker")?;
        Ok(())
    }
}

impl Broker {
    fn new(n: u8) -> Result<Broker> {
        let host = address::broker(n);
        let port = address::free_ports(host, 19_000 + u16::from(n) * 100, 3 + Tls::ALL.len() as u16)?;
        let at = |offset| SocketAddr::from((host, port + offset));
        Ok(Broker {
            id: n.into(),
            host,
            plain: at(0),
            sasl: at(1),
            controller: at(2),
            tls: port + 3,
            dir: scratch::dir(&format!("broker-{n}")),
            process: Mutex::new(None),
        })
    }

    pub fn tls(&self, listener: Tls) -> SocketAddr {
        (self.host, self.tls + listener as u16).into()
    }

    /// Its server.properties.
    pub fn file(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    fn process(&self) -> MutexGuard<'_, Option<Background>> {
        self.process.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Starts the broker, for the first time or again.
    pub fn start(&self, home: &Path) -> Result<()> {
        let mut command = process::command(home.join("bin/kafka-server-start.sh"));
        command
            .arg(self.file())
            .env("KAFKA_HEAP_OPTS", "-Xms128m -Xmx640m")
            .env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto");
        let log = self.dir.join("broker.log");
        *self.process() = Some(Background::start(&format!("broker {}", self.id), command, &log)?);
        Ok(())
    }

    /// Ends the broker as a power cut would.
    pub fn kill(&self) {
        *self.process() = None;
    }

    fn alive(&self) -> Result<()> {
        match &mut *self.process() {
            None => Err(format!("broker {} was not started", self.id)),
            Some(p) => match p.ended() {
                Some(status) => Err(format!("broker {} ended with {status}\n{}", self.id, process::tail(&p.output()))),
                None => Ok(()),
            },
        }
    }
}

/// The keys that name a broker's stores: PEM for the first broker, PKCS#12 for the second, JKS for the third.
fn broker_stores(id: i32, server: &pki::Leaf, trusted: &[u8]) -> Result<String> {
    let name = format!("broker-{id}");
    let (kind, key, trust) = match id {
        1 => {
            let trust = stores::file("broker-1-trust.pem", &pki::der::pem("CERTIFICATE", trusted))?;
            ("PEM", stores::pem(server, &name)?, trust)
        }
        2 => ("PKCS12", stores::pkcs12(server, &name)?, stores::trust(trusted, "PKCS12", &name)?),
        _ => ("JKS", stores::jks(server, &name)?, stores::trust(trusted, "JKS", &name)?),
    };
    let mut text = format!(
        "ssl.keystore.type={kind}\nssl.keystore.location={}\nssl.truststore.type={kind}\nssl.truststore.location={}\n",
        key.display(),
        trust.display()
    );
    if kind != "PEM" {
        text += &format!("ssl.keystore.password={0}\nssl.truststore.password={0}\n", stores::PASSWORD);
    }
    if kind == "JKS" {
        text += &format!("ssl.key.password={}\n", stores::KEY_PASSWORD);
    }
    Ok(text)
}

fn join(all: impl Iterator<Item = SocketAddr>) -> String {
    all.map(|a| a.to_string()).collect::<Vec<_>>().join(",")
}

/// The distribution, from the cache or fetched now.
pub fn kafka_home() -> Result<PathBuf> {
    let script = scratch::checkout().join("scripts/get-kafka.sh");
    let said = process::run("get-kafka.sh", process::command(script), "", Duration::from_secs(600))?;
    if !said.stderr.is_empty() {
        progress(said.stderr.trim_end());
    }
    Ok(PathBuf::from(said.ok().context("get Apache Kafka")?.trim()))
}
