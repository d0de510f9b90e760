//! What the mechanisms of all listeners share, and a factory gets beside its configuration.

use std::sync::Arc;

use super::guesses::Guesses;
use super::mechanism::{BoxFuture, Outage};
use super::passwords::Passwords;
use crate::config::{ListenerName, MechanismConfig};
use crate::issuer::KeySources;
use crate::scram::{ScramCredential, ScramMechanism};
use crate::secret::Secret;

/// Where SCRAM credentials are looked up.
pub trait ScramCredentials: Send + Sync {
    /// The credential of a user, if there is one. Must not block.
    fn find(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> BoxFuture<'static, Result<Option<ScramCredential>, Outage>>;

    /// The key from which the salts of users that do not exist are made: always the same, and nobody else's.
    fn unknown_user_key(&self) -> Secret;
}

/// What the mechanisms of all listeners share. It lives as long as the server: a reload builds new mechanisms with the same.
#[derive(Clone, Default)]
pub struct Shared {
    /// Set exactly if this front keeps credentials.
    pub scram: Option<Arc<dyn ScramCredentials>>,
    /// To be asked before a credential is checked, and told what came of it.
    pub guesses: Arc<Guesses>,
    /// Checks passwords against SCRAM credentials.
    pub passwords: Arc<Passwords>,
    /// The keys of the issuers of tokens.
    pub key_sources: Arc<KeySources>,
}

/// What a mechanism is built from.
pub struct FactoryInput<'a> {
    /// Its configuration.
    pub config: &'a MechanismConfig,
    /// The listener that enables it.
    pub listener: &'a ListenerName,
    /// What all listeners share.
    pub shared: &'a Shared,
}

#[cfg(test)]
use std::sync::LazyLock;

#[cfg(test)]
impl<'a> FactoryInput<'a> {
    /// With nothing shared.
    pub(crate) fn alone(config: &'a MechanismConfig, listener: &'a ListenerName) -> Self {
        static NOTHING: LazyLock<Shared> = LazyLock::new(Shared::default);
        Self { config, listener, shared: &NOTHING }
    }
}
