//! SCRAM: who logs in with it, and who gives and takes credentials. Each trial runs at a real broker with Kafka's authorizer, which is
//! the judge, and at a doorkeeper before that broker which is set alike.

mod admin;
mod backend;
mod clients;
mod configs;
mod errors;
mod half_done;
mod hostile;
mod rights;
mod unknown;

use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use kafka_protocol::messages::alter_user_scram_credentials_request::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::guarded::{ADMIN, Guarded, MECHANISMS, SCRAM_JAAS, SUPER_USERS};
use proto_tests::scram::{self, Hash};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check_eq, cluster, scratch, wait_for};

use crate::free;

pub fn trials() -> Vec<Trial> {
    [
        clients::trials(),
        configs::trials(),
        admin::trials(),
        backend::trials(),
        errors::trials(),
        half_done::trials(),
        rights::trials(),
        hostile::trials(),
        unknown::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

static JUDGE: OnceLock<Result<Guarded>> = OnceLock::new();

/// The real broker; the first trial that asks starts it.
pub fn judge() -> Result<&'static Guarded> {
    JUDGE.get_or_init(Guarded::start).as_ref().map_err(Clone::clone)
}

/// Ends what was started here.
pub fn stop() {
    if let Some(Ok(broker)) = JUDGE.get() {
        broker.kill();
    }
}

/// What a doorkeeper of these trials is started with.
pub fn spec() -> Result<Spec> {
    let mut spec = Spec::new(&judge()?.sasl.to_string())?;
    // Doorkeeper makes it, for itself alone.
    let store = scratch::dir("stores").join(spec.number().to_string());
    let login = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{}\" password=\"{}\";",
        ADMIN.0, ADMIN.1
    );
    spec.set("backend.security.protocol", "SASL_PLAINTEXT")
        .set("backend.sasl.mechanism", "PLAIN")
        .set("backend.sasl.jaas.config", &login)
        .with_plaintext()
        .tls_listener("SASL_SSL", "SASL_SSL")?
        .set("sasl.enabled.mechanisms", MECHANISMS)
        .set("super.users", SUPER_USERS)
        .set("store.dir", store.to_str().ok_or("a path that is text")?)
        .set("connection.failed.authentication.delay.ms", &cluster::FAILURE_DELAY.to_string());
    for listener in ["sasl_plaintext", "sasl_ssl"] {
        for bits in ["256", "512"] {
            spec.set(&format!("listener.name.{listener}.scram-sha-{bits}.sasl.jaas.config"), SCRAM_JAAS);
        }
    }
    Ok(spec.take())
}

/// The doorkeeper that these trials share.
pub fn front() -> Result<&'static Mutex<Front>> {
    static FRONT: OnceLock<Result<Mutex<Front>>> = OnceLock::new();
    FRONT.get_or_init(|| Ok(Mutex::new(spec()?.start()?))).as_ref().map_err(Clone::clone)
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Kafka,
    Front,
}

impl Target {
    pub const BOTH: [Target; 2] = [Target::Kafka, Target::Front];

    pub fn name(self) -> &'static str {
        match self {
            Target::Kafka => "kafka",
            Target::Front => "front",
        }
    }

    /// Where everybody is anonymous.
    pub fn plaintext(self) -> Result<SocketAddr> {
        Ok(match self {
            Target::Kafka => judge()?.plaintext,
            Target::Front => front()?.lock().map_err(|e| e.to_string())?.plain(),
        })
    }

    /// SASL_PLAINTEXT with PLAIN and both hashes.
    pub fn sasl(self) -> Result<SocketAddr> {
        Ok(match self {
            Target::Kafka => judge()?.sasl,
            Target::Front => front()?.lock().map_err(|e| e.to_string())?.sasl(),
        })
    }

    /// The same inside of TLS.
    pub fn sasl_ssl(self) -> Result<SocketAddr> {
        Ok(match self {
            Target::Kafka => judge()?.sasl_ssl,
            Target::Front => front()?.lock().map_err(|e| e.to_string())?.at("SASL_SSL"),
        })
    }

    pub fn open(self) -> Result<Conn> {
        Conn::open(self.sasl()?)
    }

    /// A connection of the administrator.
    pub fn admin(self) -> Result<Conn> {
        Conn::login(self.sasl()?, ADMIN.0, ADMIN.1)
    }

    /// What a change has brought about: at once at doorkeeper, which acknowledges what it has done; soon at a broker, whose
    /// controller acknowledges before the brokers have heard of it.
    pub fn settled<T>(self, what: &str, mut look: impl FnMut() -> Result<T>) -> Result<T> {
        match self {
            Target::Kafka => wait_for(what, Duration::from_secs(60), look),
            Target::Front => look(),
        }
    }

    /// An alteration in which every row has to succeed.
    pub fn alter(
        self,
        deletions: Vec<ScramCredentialDeletion>,
        upsertions: Vec<ScramCredentialUpsertion>,
    ) -> Result<()> {
        let request: AlterUserScramCredentialsRequest = requests::alter_scram(deletions, upsertions);
        let reply = self.admin()?.call(0, &request)?;
        let wrong: Vec<_> = reply.results.iter().filter(|r| r.error_code != 0).collect();
        check_eq!(wrong.len(), 0, "altered at {}: {wrong:?}", self.name());
        Ok(())
    }

    /// Gives a user a password, and waits until it can log in with it.
    pub fn give(self, user: &str, hash: Hash, password: &str) -> Result<()> {
        self.alter(vec![], vec![credential(user, hash, password)])?;
        self.settled("the new password to work", || scram::log_in(&mut self.open()?, hash, user, password))
    }
}

/// A credential as an admin client makes it, 4096 iterations.
pub fn credential(user: &str, hash: Hash, password: &str) -> ScramCredentialUpsertion {
    let salt = scram::nonce();
    let salted = hash.salted(password.as_bytes(), salt.as_bytes(), 4096);
    requests::upsertion(user, hash.number(), 4096, salt.as_bytes(), &salted)
}

/// The same trial at each of the two.
pub fn both(name: &str, body: impl Fn(Target) -> Result<()> + Send + Clone + 'static) -> Vec<Trial> {
    let at = |target: Target| {
        let body = body.clone();
        free(&format!("scram::{name}::{}", target.name()), move || body(target))
    };
    Target::BOTH.map(at).into()
}
