//! Which mechanisms exist, and the enabled ones of a listener.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::mechanism::{AuthnError, Mechanism, MechanismError, MechanismName, Peer, Step};
use super::shared::{FactoryInput, Shared};
use super::{oauthbearer, plain, scram};
use crate::config::{ListenerName, MechanismConfig, SaslListenerConfig};
use crate::scram::ScramMechanism;

/// Longest time that one mechanism may take to reject a wrong credential at start.
pub const SELF_CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Rounds after which an exchange that neither accepts nor rejects has failed the check at start.
const SELF_CHECK_MAX_ROUNDS: usize = 16;

/// Why the mechanisms of a listener could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Not a mechanism name (RFC 4422 §3.1).
    #[error("{0:?} is not a SASL mechanism name: 1 to 20 characters of A-Z, 0-9, '-' and '_'")]
    IllegalName(String),
    /// Two factories for one name.
    #[error("SASL mechanism {0} is already registered")]
    AlreadyRegistered(MechanismName),
    /// A SASL listener without a mechanism would turn everyone away.
    #[error("listener {0}: no SASL mechanisms are enabled")]
    NoneEnabled(ListenerName),
    /// `sasl.enabled.mechanisms` names what nobody has registered.
    #[error("listener {listener}: SASL mechanism {name:?} is not known; known are: {known}")]
    Unknown {
        /// The listener.
        listener: ListenerName,
        /// As configured.
        name: String,
        /// The registered names, separated by commas.
        known: String,
    },
    /// `sasl.enabled.mechanisms` names a mechanism twice.
    #[error("listener {listener}: SASL mechanism {name} is enabled twice")]
    EnabledTwice {
        /// The listener.
        listener: ListenerName,
        /// The mechanism.
        name: MechanismName,
    },
    /// The factory failed.
    #[error("listener {listener}: SASL mechanism {name}: {error}")]
    Build {
        /// The listener.
        listener: ListenerName,
        /// The mechanism.
        name: MechanismName,
        /// What the factory said.
        error: MechanismError,
    },
    /// The mechanism did not prove that it can reject something.
    #[error("listener {listener}: SASL mechanism {name} did not reject a made-up credential: {finding}")]
    SelfCheck {
        /// The listener.
        listener: ListenerName,
        /// The mechanism.
        name: MechanismName,
        /// What it did instead.
        finding: &'static str,
    },
}

type Factory = Box<dyn Fn(&FactoryInput<'_>) -> Result<Arc<dyn Mechanism>, MechanismError> + Send + Sync>;

/// The mechanisms that can be enabled, by name.
#[derive(Default)]
pub struct Registry {
    factories: BTreeMap<MechanismName, Factory>,
}

impl Registry {
    /// A registry without any mechanism.
    pub fn new() -> Self {
        Self::default()
    }

    /// The mechanisms that come with doorkeeper: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER.
    pub fn with_builtin() -> Self {
        let plain: Factory = Box::new(plain::factory);
        let oauthbearer: Factory = Box::new(oauthbearer::factory);
        let mut factories = BTreeMap::from([(plain::name(), plain), (oauthbearer::name(), oauthbearer)]);
        for mechanism in ScramMechanism::ALL {
            factories.insert(scram::name(mechanism), Box::new(move |input| scram::factory(mechanism, input)));
        }
        Self { factories }
    }

    /// Adds a mechanism. `factory` is called once for each listener that enables it, at start.
    pub fn register<F>(&mut self, name: &str, factory: F) -> Result<(), RegistryError>
    where
        F: Fn(&FactoryInput<'_>) -> Result<Arc<dyn Mechanism>, MechanismError> + Send + Sync + 'static,
    {
        let name = MechanismName::new(name).ok_or_else(|| RegistryError::IllegalName(name.to_owned()))?;
        if self.factories.contains_key(&name) {
            return Err(RegistryError::AlreadyRegistered(name));
        }
        self.factories.insert(name, Box::new(factory));
        Ok(())
    }

    /// The registered names.
    pub fn names(&self) -> impl Iterator<Item = &MechanismName> {
        self.factories.keys()
    }

    /// Builds the enabled mechanisms of one listener and has each reject made-up credentials. A listener that cannot say no
    /// does not start: twice in one year Kafka shipped a validator that accepted everything because an option was missing
    /// (CVE-2026-33557, CVE-2026-110985).
    pub async fn build(
        &self,
        config: &SaslListenerConfig,
        listener: &ListenerName,
        shared: &Shared,
    ) -> Result<Mechanisms, RegistryError> {
        let mut enabled: Vec<Enabled> = Vec::with_capacity(config.mechanisms.len());
        for mechanism in &config.mechanisms {
            let (name, factory) = MechanismName::new(&mechanism.name)
                .and_then(|name| self.factories.get_key_value(&name))
                .ok_or_else(|| self.unknown(listener, &mechanism.name))?;
            if enabled.iter().any(|other| other.name == *name) {
                return Err(RegistryError::EnabledTwice { listener: listener.clone(), name: name.clone() });
            }
            let failed = |error| RegistryError::Build { listener: listener.clone(), name: name.clone(), error };
            let built = factory(&FactoryInput { config: mechanism, listener, shared }).map_err(failed)?;
            if built.name() != name {
                return Err(failed(MechanismError(format!("its factory built {}", built.name()))));
            }
            built.prepare().await;
            self_check(&*built, listener).await.map_err(|finding| RegistryError::SelfCheck {
                listener: listener.clone(),
                name: name.clone(),
                finding,
            })?;
            let max_session = max_session(mechanism).map_err(failed)?;
            enabled.push(Enabled { name: name.clone(), mechanism: built, max_session });
        }
        if enabled.is_empty() {
            return Err(RegistryError::NoneEnabled(listener.clone()));
        }
        Ok(Mechanisms(enabled))
    }

    fn unknown(&self, listener: &ListenerName, name: &str) -> RegistryError {
        let known: Vec<&str> = self.names().map(MechanismName::as_str).collect();
        RegistryError::Unknown { listener: listener.clone(), name: name.to_owned(), known: known.join(", ") }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The enabled mechanisms of one listener, at least one, in the configured order. Only [`Registry::build`] makes it, so each
/// has shown that it can reject.
pub struct Mechanisms(Vec<Enabled>);

/// An enabled mechanism.
pub(super) struct Enabled {
    name: MechanismName,
    pub(super) mechanism: Arc<dyn Mechanism>,
    /// `connections.max.reauth.ms`: how long at most a client that it lets in stays known; `None` for no limit.
    pub(super) max_session: Option<Duration>,
}

impl Mechanisms {
    /// The mechanism that a client asks for: compared byte by byte, case included, as in Kafka.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<dyn Mechanism>> {
        self.find(name).map(|enabled| &enabled.mechanism)
    }

    /// The same, with what the listener adds to it.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Enabled> {
        self.0.iter().find(|enabled| enabled.name.as_str().as_bytes() == name)
    }

    /// The names, for the SaslHandshake answer.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|enabled| enabled.name.as_str())
    }
}

impl fmt::Debug for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|enabled| (enabled.name.as_str(), enabled.max_session))).finish()
    }
}

const MAX_REAUTH_MS: &str = "connections.max.reauth.ms";

/// Kafka's rule: what is not above zero is off.
fn max_session(config: &MechanismConfig) -> Result<Option<Duration>, MechanismError> {
    let Some(value) = config.properties.get(MAX_REAUTH_MS) else { return Ok(None) };
    let millis: i64 =
        value.parse().map_err(|_| MechanismError(format!("{MAX_REAUTH_MS}: not a number of type LONG")))?;
    Ok(u64::try_from(millis).ok().filter(|millis| *millis > 0).map(Duration::from_millis))
}

async fn self_check(mechanism: &dyn Mechanism, listener: &ListenerName) -> Result<(), &'static str> {
    // Nobody's address: what is tried here is no guess, and is checked however many guesses there were.
    let peer = Peer { address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), listener: listener.clone() };
    let probes = mechanism.must_reject();
    if probes.is_empty() {
        return Err("it has none to try");
    }
    let all = async {
        for probe in probes {
            must_be_rejected(mechanism, &peer, probe).await?;
        }
        Ok(())
    };
    tokio::time::timeout(SELF_CHECK_TIMEOUT, all).await.unwrap_or(Err("it took too long"))
}

async fn must_be_rejected(mechanism: &dyn Mechanism, peer: &Peer, probe: Bytes) -> Result<(), &'static str> {
    let mut exchange = mechanism.start(peer);
    let mut token = probe.clone();
    for _ in 0..SELF_CHECK_MAX_ROUNDS {
        match exchange.step(token).await {
            Ok(Step::Challenge { token: challenge, next }) => {
                exchange = next;
                token = mechanism.must_reject_then(&probe, &challenge);
            }
            Ok(Step::Success { .. }) => return Err("it accepted it"),
            Err(AuthnError::Malformed(_) | AuthnError::Rejected(_)) => return Ok(()),
            Err(AuthnError::Unavailable(_)) => return Err("it could not judge: what it relies on is unavailable"),
        }
    }
    Err("it never came to an end")
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
