//! One broker of its own with OAUTHBEARER: the judge of token logins. Beside it each of its listeners takes PLAIN, with the users of
//! [`crate::cluster::USERS`], and SCRAM-SHA-256, with [`SCRAM_USER`].

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::cluster::{self, kafka_home};
use crate::guarded::SCRAM_JAAS;
use crate::issuer::{self, AUDIENCE, Issuer};
use crate::pki::{self, stores};
use crate::process::{self, Background};
use crate::wire::{Conn, requests};
use crate::{Context, Result, address, check, check_eq, odd_keys, progress, scratch, wait_for};

/// `sasl.enabled.mechanisms` of every listener.
pub const MECHANISMS: &str = "OAUTHBEARER,PLAIN,SCRAM-SHA-256";
pub const SCRAM_USER: (&str, &str) = ("carol", "carol-secret");
/// `connections.max.reauth.ms` of [`Listener::Reauth`], for all its mechanisms.
pub const REAUTH_MS: u64 = 5000;
/// Kafka's own validator for production.
pub const VALIDATOR: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler";
/// The JAAS entry of a listener for OAUTHBEARER.
pub const JAAS: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;";
/// The one of [`Listener::Options`]: all that the unsecured validator can be told. (A broker that is told anything also wants a
/// name for itself.)
pub const JAAS_OPTIONS: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
     unsecuredValidatorPrincipalClaimName=\"name\" unsecuredValidatorScopeClaimName=\"roles\" \
     unsecuredValidatorRequiredScope=\"read write\" unsecuredValidatorAllowableClockSkewMs=\"5000\" \
     unsecuredLoginPrincipalClaimName=\"name\" unsecuredLoginStringClaim_name=\"broker\";";

/// Its listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// SASL_PLAINTEXT with the unsecured validator.
    Unsecured,
    /// The same inside TLS.
    UnsecuredTls,
    /// SASL_PLAINTEXT with the unsecured validator and [`JAAS_OPTIONS`].
    Options,
    /// SASL_PLAINTEXT with the production validator: keys by http, issuer and audience of the shared issuer.
    Secured,
    /// The same inside TLS, with the keys by https.
    SecuredTls,
    /// As `Secured`, with `connections.max.reauth.ms` of [`REAUTH_MS`].
    Reauth,
    /// As `Secured`, with the keys of [`crate::odd_keys`] out of a file.
    OddKeys,
}

impl Listener {
    pub const ALL: [Listener; 7] = [
        Listener::Unsecured,
        Listener::UnsecuredTls,
        Listener::Options,
        Listener::Secured,
        Listener::SecuredTls,
        Listener::Reauth,
        Listener::OddKeys,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Listener::Unsecured => "UNSECURED",
            Listener::UnsecuredTls => "UNSECUREDTLS",
            Listener::Options => "OPTIONS",
            Listener::Secured => "SECURED",
            Listener::SecuredTls => "SECUREDTLS",
            Listener::Reauth => "REAUTH",
            Listener::OddKeys => "ODDKEYS",
        }
    }

    pub fn protocol(self) -> &'static str {
        match self {
            Listener::UnsecuredTls | Listener::SecuredTls => "SASL_SSL",
            _ => "SASL_PLAINTEXT",
        }
    }

    /// Its keys, without those that say where it listens. A doorkeeper takes the same.
    pub fn config(self, issuer: &Issuer, odd_keys: &str) -> Result<Vec<(String, String)>> {
        let (jaas, keys) = match self {
            Listener::Unsecured | Listener::UnsecuredTls => (JAAS.to_owned(), None),
            Listener::Options => (JAAS_OPTIONS.to_owned(), None),
            Listener::SecuredTls => (https_jaas()?, Some(issuer.jwks_url_https())),
            Listener::OddKeys => (JAAS.to_owned(), Some(odd_keys.to_owned())),
            Listener::Secured | Listener::Reauth => (JAAS.to_owned(), Some(issuer.jwks_url())),
        };
        let mut lines = vec![
            ("plain.sasl.jaas.config", cluster::jaas()),
            ("scram-sha-256.sasl.jaas.config", SCRAM_JAAS.to_owned()),
            ("oauthbearer.sasl.jaas.config", jaas),
        ];
        if let Some(keys) = keys {
            lines.extend([
                ("oauthbearer.sasl.server.callback.handler.class", VALIDATOR.to_owned()),
                ("oauthbearer.sasl.oauthbearer.jwks.endpoint.url", keys),
                ("oauthbearer.sasl.oauthbearer.expected.issuer", issuer.url()),
                ("oauthbearer.sasl.oauthbearer.expected.audience", AUDIENCE.to_owned()),
            ]);
        }
        if self == Listener::Reauth {
            lines.push(("connections.max.reauth.ms", REAUTH_MS.to_string()));
        }
        let prefix = format!("listener.name.{}", self.name().to_lowercase());
        Ok(lines.into_iter().map(|(key, value)| (format!("{prefix}.{key}"), value)).collect())
    }
}

/// A JAAS entry whose options say whom to trust when the keys come by https.
pub fn https_jaas() -> Result<String> {
    let trust = stores::file("issuer-trust.pem", &pki::get()?.ca.pem())?;
    Ok(format!(
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
         ssl.truststore.type=\"PEM\" ssl.truststore.location=\"{}\" unsecuredLoginStringClaim_sub=\"broker\";",
        stores::text(&trust)
    ))
}

/// A real broker, controller included.
pub struct BearerBroker {
    pub home: PathBuf,
    /// No authentication: everybody is `User:ANONYMOUS`.
    pub plaintext: SocketAddr,
    /// Whose tokens it takes.
    pub issuer: &'static Issuer,
    /// The file with the keys of [`Listener::OddKeys`]. It stays as it is.
    pub odd_keys: PathBuf,
    first: SocketAddr,
    /// Kept while it serves.
    process: Mutex<Option<Background>>,
}

impl BearerBroker {
    /// Formats and starts it, with the shared issuer that must serve before, and waits until it serves.
    pub fn start() -> Result<BearerBroker> {
        let begin = Instant::now();
        let issuer = issuer::shared()?;
        progress("formatting and starting a broker with OAUTHBEARER");
        let home = kafka_home()?;
        let host = address::broker(11);
        let port = address::free_ports(host, 19_900, 2 + Listener::ALL.len() as u16)?;
        let at = |offset| SocketAddr::from((host, port + offset));
        let (plaintext, controller) = (at(0), at(1));
        let dir = scratch::dir("bearer");
        let odd_file = dir.join("odd-keys.json");
        fs::write(&odd_file, odd_keys::get()?.jwks.to_string()).context("write a key set")?;
        let odd_url = format!("file://{}", odd_file.display());
        let keystore = stores::pem(&pki::get()?.ca.server("bearer", &[&host.to_string()])?, "bearer")?;
        let all = Listener::ALL.iter();
        let listeners: String = all.clone().map(|l| format!(",{}://{}", l.name(), at(2 + *l as u16))).collect();
        let protocols: String = all.clone().map(|l| format!(",{}:{}", l.name(), l.protocol())).collect();
        let own: Vec<_> = all.map(|l| l.config(issuer, &odd_url)).collect::<Result<_>>()?;
        let own: String = own.into_iter().flatten().map(|(key, value)| format!("{key}={value}\n")).collect();
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=PLAINTEXT://{plaintext},CONTROLLER://{controller}{listeners}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n\
             inter.broker.listener.name=PLAINTEXT\ncontroller.listener.names=CONTROLLER\n\
             controller.quorum.bootstrap.servers={controller}\n\
             sasl.enabled.mechanisms={MECHANISMS}\n{own}\
             ssl.keystore.type=PEM\nssl.keystore.location={}\n\
             log.dirs={}\nauto.create.topics.enable=false\n\
             offsets.topic.num.partitions=1\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n\
             num.network.threads=2\nnum.io.threads=2\nbackground.threads=1\nlog.cleaner.enable=false\n",
            stores::text(&keystore),
            dir.join("data").display(),
        );
        let file = dir.join("server.properties");
        fs::write(&file, text).context("write the broker's configuration")?;
        let mut format = process::command(home.join("bin/kafka-storage.sh"));
        format.args(["format", "-t", "bearer-of-proto-tests-", "--standalone", "-c"]).arg(&file);
        format.arg("--add-scram").arg(format!("SCRAM-SHA-256=[name={},password={}]", SCRAM_USER.0, SCRAM_USER.1));
        process::run("kafka-storage", format, "", Duration::from_secs(120))?.ok().context("format a broker")?;
        let mut serve = process::command(home.join("bin/kafka-server-start.sh"));
        serve
            .arg(&file)
            .env("KAFKA_HEAP_OPTS", "-Xms128m -Xmx512m")
            .env("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto")
            .env("KAFKA_OPTS", allowed(&format!("{},{odd_url}", issuer.allowed_urls())));
        let mut process = Background::start("the broker with OAUTHBEARER", serve, &dir.join("broker.log"))?;
        process.wait_output("Kafka Server started", Duration::from_secs(120))?;
        wait_for("the broker with OAUTHBEARER to serve", Duration::from_secs(60), || {
            check_eq!(Conn::open(plaintext)?.call(12, &requests::metadata(&[]))?.brokers.len(), 1, "brokers");
            Ok(())
        })?;
        progress(format!("it serves after {:.1} s", begin.elapsed().as_secs_f32()));
        Ok(BearerBroker {
            home,
            plaintext,
            issuer,
            odd_keys: odd_file,
            first: at(2),
            process: Mutex::new(Some(process)),
        })
    }

    pub fn at(&self, listener: Listener) -> SocketAddr {
        (self.first.ip(), self.first.port() + listener as u16).into()
    }

    /// A topic with one partition.
    pub fn create_topic(&self, name: &str) -> Result<()> {
        self.create_topic_of(name, 1)
    }

    pub fn create_topic_of(&self, name: &str, partitions: usize) -> Result<()> {
        let mut conn = Conn::open(self.plaintext)?;
        let reply = conn.call(7, &requests::create_topic(name, &vec![&[1][..]; partitions], &[]))?;
        check_eq!(reply.topics[0].error_code, 0, "creation of {name}: {:?}", reply.topics[0].error_message);
        wait_for(&format!("a leader of {name}"), Duration::from_secs(30), || {
            let seen = conn.call(12, &requests::metadata(&[name]))?;
            check_eq!(seen.topics[0].error_code, 0, "error of {name}");
            check_eq!(seen.topics[0].partitions.len(), partitions, "its partitions");
            check!(seen.topics[0].partitions.iter().all(|p| p.error_code == 0), "a partition without a leader");
            Ok(())
        })
    }

    /// Ends it as a power cut would.
    pub fn kill(&self) {
        *self.process.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }
}

/// The options of a JVM that may read those URLs for OAUTHBEARER (KIP-1139).
pub fn allowed(urls: &str) -> String {
    format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={urls}")
}

/// The broker that trials share; the first that asks starts it.
pub fn shared() -> Result<&'static BearerBroker> {
    SHARED.get_or_init(BearerBroker::start).as_ref().map_err(Clone::clone)
}

/// Ends it, if it was started.
pub fn stop() {
    if let Some(Ok(broker)) = SHARED.get() {
        broker.kill();
        broker.issuer.stop();
    }
}

static SHARED: OnceLock<Result<BearerBroker>> = OnceLock::new();
