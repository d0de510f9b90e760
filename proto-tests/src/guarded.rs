//! One broker of its own with Kafka's authorizer and SCRAM: the judge of SCRAM logins, and of who may administer credentials.
//!
//! Its administrators are [`ADMIN`] (PLAIN) and the user [`ROOT`], who may come with SCRAM. Everybody else may do everything with
//! topics and groups, and nothing with the cluster.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kafka_protocol::messages::CreateAclsRequest;
use kafka_protocol::messages::create_acls_request::AclCreation;

use crate::cluster::{FAILURE_DELAY, jaas, kafka_home};
use crate::pki::{self, stores};
use crate::process::{self, Background};
use crate::wire::{Conn, requests};
use crate::{Context, Result, address, check_eq, progress, scratch, wait_for};

/// The administrator of the backend and of every doorkeeper before it, by PLAIN.
pub const ADMIN: (&str, &str) = ("front", "front-secret");
/// A user that is an administrator as soon as somebody gives it a credential.
pub const ROOT: &str = "root";
/// `super.users` of the broker and of the doorkeepers that are compared with it.
pub const SUPER_USERS: &str = "User:front;User:root";
/// `sasl.enabled.mechanisms` of both.
pub const MECHANISMS: &str = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512";
/// The JAAS entry of a listener for SCRAM.
pub const SCRAM_JAAS: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required;";

/// `connections.max.reauth.ms` of a listener, and of SCRAM-SHA-512 on it, with sessions that no trial sees the end of.
pub const SESSIONS: (u64, u64) = (60_000, 30_000);
/// The same where trials wait for the end. The second is less than what has to lie between two re-authentications.
pub const BRIEF_SESSIONS: (u64, u64) = (1_500, 400);

/// The keys that set the sessions of a listener, named in lower case.
pub fn session_keys(listener: &str, (all, sha_512): (u64, u64)) -> [(String, String); 2] {
    let key = |mechanism: &str| format!("listener.name.{listener}.{mechanism}connections.max.reauth.ms");
    [(key(""), all.to_string()), (key("scram-sha-512."), sha_512.to_string())]
}

/// A real broker, controller included.
pub struct Guarded {
    pub home: PathBuf,
    /// No authentication: everybody is `User:ANONYMOUS`.
    pub plaintext: SocketAddr,
    pub sasl: SocketAddr,
    pub sasl_ssl: SocketAddr,
    /// The controller's, SASL_PLAINTEXT with PLAIN.
    pub controller: SocketAddr,
    /// SASL_PLAINTEXT with the sessions of [`SESSIONS`].
    pub sessions: SocketAddr,
    /// SASL_PLAINTEXT with those of [`BRIEF_SESSIONS`].
    pub brief_sessions: SocketAddr,
    /// Kept while it serves.
    process: Mutex<Option<Background>>,
}

impl Guarded {
    /// Formats and starts it, waits until it serves, and lets everybody use topics and groups.
    pub fn start() -> Result<Guarded> {
        let begin = Instant::now();
        progress("formatting and starting a broker with an authorizer and SCRAM");
        let home = kafka_home()?;
        let host = address::broker(9);
        let port = address::free_ports(host, 19_900, 6)?;
        let at = |offset| SocketAddr::from((host, port + offset));
        let dir = scratch::dir("guarded");
        let pki = pki::get()?;
        let keys = stores::pem(&pki.ca.server("guarded", &[&host.to_string()])?, "guarded")?;
        let scram = |listener: &str| {
            ["256", "512"]
                .map(|bits| format!("listener.name.{listener}.scram-sha-{bits}.sasl.jaas.config={SCRAM_JAAS}\n"))
                .concat()
        };
        let sessions = |listener: &str, of: (u64, u64)| {
            let keys = session_keys(listener, of).map(|(key, value)| format!("{key}={value}\n")).concat();
            format!("{keys}listener.name.{listener}.plain.sasl.jaas.config={}\n{}", jaas(), scram(listener))
        };
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=PLAINTEXT://{},SASL://{},TLSSASL://{},SESSIONS://{},BRIEF://{},CONTROLLER://{controller}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLSSASL:SASL_SSL,\
             SESSIONS:SASL_PLAINTEXT,BRIEF:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT\n\
             inter.broker.listener.name=SASL\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
             controller.listener.names=CONTROLLER\nsasl.mechanism.controller.protocol=PLAIN\n\
             controller.quorum.bootstrap.servers={controller}\n\
             sasl.enabled.mechanisms={MECHANISMS}\nlistener.name.controller.sasl.enabled.mechanisms=PLAIN\n\
             listener.name.sasl.plain.sasl.jaas.config={jaas}\nlistener.name.tlssasl.plain.sasl.jaas.config={jaas}\n\
             listener.name.controller.plain.sasl.jaas.config={jaas}\n{}{}{sessions}\
             ssl.keystore.type=PEM\nssl.keystore.location={}\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users={SUPER_USERS}\n\
             connection.failed.authentication.delay.ms={FAILURE_DELAY}\n\
             log.dirs={}\nauto.create.topics.enable=false\n\
             offsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n\
             num.network.threads=2\nnum.io.threads=2\nbackground.threads=1\nlog.cleaner.enable=false\n",
            at(0),
            at(1),
            at(2),
            at(4),
            at(5),
            scram("sasl"),
            scram("tlssasl"),
            stores::text(&keys),
            dir.join("data").display(),
            sessions = sessions("sessions", SESSIONS) + &sessions("brief", BRIEF_SESSIONS),
            controller = at(3),
            jaas = jaas(),
        );
        let file = dir.join("server.properties");
        fs::write(&file, text).context("write the broker's configuration")?;
        let mut format = process::command(home.join("bin/kafka-storage.sh"));
        format.args(["format", "-t", "guarded-of-proto-tests", "--standalone", "-c"]).arg(&file);
        process::run("kafka-storage", format, "", Duration::from_secs(120))?.ok().context("format a broker")?;
        let mut serve = process::command(home.join("bin/kafka-server-start.sh"));
        serve
            .arg(&file)
            .env("KAFKA_HEAP_OPTS", "-Xms128m -Xmx512m")
            .env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto");
        let process = Background::start("the guarded broker", serve, &dir.join("broker.log"))?;
        let broker = Guarded {
            home,
            plaintext: at(0),
            sasl: at(1),
            sasl_ssl: at(2),
            controller: at(3),
            sessions: at(4),
            brief_sessions: at(5),
            process: Mutex::new(Some(process)),
        };
        broker.open_topics()?;
        progress(format!("it serves after {:.1} s", begin.elapsed().as_secs_f32()));
        Ok(broker)
    }

    /// Everybody may do everything with topics, groups and transactions.
    fn open_topics(&self) -> Result<()> {
        wait_for("the guarded broker to serve", Duration::from_secs(120), || {
            self.alive()?;
            let mut conn = Conn::login(self.sasl, ADMIN.0, ADMIN.1)?;
            check_eq!(conn.call(12, &requests::metadata(&[]))?.brokers.len(), 1, "brokers");
            // TOPIC, GROUP and TRANSACTIONAL_ID; LITERAL; ALL; ALLOW.
            let open = |kind: i8| {
                AclCreation::default()
                    .with_resource_type(kind)
                    .with_resource_name(requests::text("*"))
                    .with_resource_pattern_type(3)
                    .with_principal(requests::text("User:*"))
                    .with_host(requests::text("*"))
                    .with_operation(2)
                    .with_permission_type(3)
            };
            let reply = conn.call(2, &CreateAclsRequest::default().with_creations([2, 3, 5].map(open).to_vec()))?;
            check_eq!(reply.results.iter().map(|r| r.error_code).collect::<Vec<_>>(), [0; 3], "{reply:?}");
            Ok(())
        })
    }

    /// A topic with one partition.
    pub fn create_topic(&self, name: &str) -> Result<()> {
        let mut conn = Conn::login(self.sasl, ADMIN.0, ADMIN.1)?;
        let reply = conn.call(7, &requests::create_topic(name, &[&[1]], &[]))?;
        check_eq!(reply.topics[0].error_code, 0, "creation of {name}: {:?}", reply.topics[0].error_message);
        wait_for(&format!("a leader of {name}"), Duration::from_secs(30), || {
            let seen = conn.call(12, &requests::metadata(&[name]))?;
            check_eq!(seen.topics[0].error_code, 0, "error of {name}");
            check_eq!(seen.topics[0].partitions[0].error_code, 0, "error of its partition");
            Ok(())
        })
    }

    fn alive(&self) -> Result<()> {
        match &mut *self.process.lock().unwrap_or_else(|e| e.into_inner()) {
            None => Err("it was ended".into()),
            Some(p) => match p.ended() {
                Some(status) => Err(format!("it ended with {status}\n{}", process::tail(&p.output()))),
                None => Ok(()),
            },
        }
    }

    /// Ends it as a power cut would.
    pub fn kill(&self) {
        *self.process.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }
}
