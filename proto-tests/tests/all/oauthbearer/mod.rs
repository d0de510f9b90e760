//! OAUTHBEARER: who logs in with a token. Each trial runs at a real broker, which is the judge, and at a doorkeeper before that broker
//! which is set alike.

mod clients;
mod clocks;
mod exchange;
mod explain;
mod harness;
mod mechanisms;
mod moving;
mod outages;
mod own;
mod rotation;
mod sessions;
mod tokens;

use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};

use libtest_mimic::Trial;
use proto_tests::bearer::{self, BearerBroker, Listener, MECHANISMS, SCRAM_USER};
use proto_tests::front::{Front, Spec};
use proto_tests::odd_keys;
use proto_tests::pki::stores;
use proto_tests::scram::Hash;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, address, check_eq, scratch};

use crate::free;
use crate::scram::credential;

pub fn trials() -> Vec<Trial> {
    [
        harness::trials(),
        clients::trials(),
        clocks::trials(),
        tokens::trials(),
        exchange::trials(),
        explain::trials(),
        rotation::trials(),
        outages::trials(),
        sessions::trials(),
        mechanisms::trials(),
        moving::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a doorkeeper of these trials is started with: the listeners of the broker, with the same keys. Its metrics are at the second.
pub fn spec() -> Result<(Spec, SocketAddr)> {
    let broker = bearer::shared()?;
    let mut spec = Spec::new(&broker.plaintext.to_string())?;
    let host = spec.host();
    let metrics = SocketAddr::from((host, address::free_ports(host, 20_000, 1)?));
    let store = scratch::dir("stores").join(spec.number().to_string());
    let keys = stores::file(
        &format!("front-{}-odd-keys.json", spec.number()),
        &odd_keys::get()?.jwks_with_rubbish.to_string(),
    )?;
    spec.set("sasl.enabled.mechanisms", MECHANISMS)
        .set("super.users", "User:front")
        .set("store.dir", stores::text(&store))
        .set("metrics.listeners", &format!("http://{metrics}"))
        // The first listener is not used; it takes passwords.
        .set("listener.name.sasl_plaintext.sasl.enabled.mechanisms", "PLAIN");
    for listener in Listener::ALL {
        add(&mut spec, broker, listener, &format!("file://{}", keys.display()))?;
    }
    Ok((spec, metrics))
}

/// One of the broker's listeners.
fn add(spec: &mut Spec, broker: &BearerBroker, listener: Listener, odd_keys: &str) -> Result<()> {
    match listener.protocol() {
        "SASL_SSL" => spec.tls_listener(listener.name(), "SASL_SSL")?,
        protocol => spec.listener(listener.name(), protocol),
    };
    for (key, value) in listener.config(broker.issuer, odd_keys)? {
        spec.set(&key, &value);
    }
    Ok(())
}

/// The doorkeeper that these trials share.
pub fn front() -> Result<&'static Mutex<Front>> {
    static FRONT: OnceLock<Result<Mutex<Front>>> = OnceLock::new();
    FRONT.get_or_init(|| Ok(Mutex::new(spec()?.0.start()?))).as_ref().map_err(Clone::clone)
}

/// Gives the shared doorkeeper the broker's user of SCRAM.
pub fn know_the_scram_user() -> Result<()> {
    let at = front()?.lock().map_err(|e| e.to_string())?.sasl();
    let user = credential(SCRAM_USER.0, Hash::Sha256, SCRAM_USER.1);
    let reply = Conn::login(at, "front", "front-secret")?.call(0, &requests::alter_scram(vec![], vec![user]))?;
    check_eq!(reply.results[0].error_code, 0, "a credential: {reply:?}");
    Ok(())
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Kafka,
    Front,
}

impl Target {
    pub const ALL: [Target; 2] = [Target::Kafka, Target::Front];

    pub fn name(self) -> &'static str {
        match self {
            Target::Kafka => "kafka",
            Target::Front => "front",
        }
    }

    pub fn at(self, listener: Listener) -> Result<SocketAddr> {
        Ok(match self {
            Target::Kafka => bearer::shared()?.at(listener),
            Target::Front => front()?.lock().map_err(|e| e.to_string())?.at(listener.name()),
        })
    }
}

/// The same trial at each of them.
pub fn each(name: &str, body: impl Fn(Target) -> Result<()> + Send + Clone + 'static) -> Vec<Trial> {
    let at = |target: Target| {
        let body = body.clone();
        free(&format!("oauthbearer::{name}::{}", target.name()), move || body(target))
    };
    Target::ALL.map(at).into()
}
