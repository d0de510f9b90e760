//! The store, and the keys of issuers, as the mechanisms see them.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::StartError;
use crate::config::{LoginConfig, ServerConfig};
use crate::issuer::KeySources;
use crate::sasl::{BoxFuture, Guesses, Outage, Passwords, ScramCredentials, Shared};
use crate::scram::{ScramCredential, ScramMechanism};
use crate::secret::Secret;
use crate::store::Store;

/// Opens the store of `store.dir`, if it is set. Call it inside of the runtime that shall fetch the keys of issuers.
pub(super) async fn open(config: &ServerConfig) -> Result<(Option<Store>, Shared), StartError> {
    let key_sources = KeySources::new(Handle::current());
    let Some(directory) = config.store_dir.clone() else {
        return Ok((None, shared(config, None, key_sources)));
    };
    let store = tokio::task::spawn_blocking(move || Store::open(&directory)).await.map_err(io::Error::other)??;
    let scram: Arc<dyn ScramCredentials> = Arc::new(Stored(store.clone()));
    Ok((Some(store), shared(config, Some(scram), key_sources)))
}

/// What stands for the store where it must not be opened, because a server may have it: nobody is in it.
pub(super) fn not_opened(config: &ServerConfig) -> Shared {
    let scram = config.store_dir.as_ref().map(|_| Arc::new(NotOpened) as Arc<dyn ScramCredentials>);
    shared(config, scram, KeySources::default())
}

fn shared(config: &ServerConfig, scram: Option<Arc<dyn ScramCredentials>>, key_sources: KeySources) -> Shared {
    let LoginConfig { verification_threads, plain_cache_size, failed_per_address, failed_per_account } = config.logins;
    let guesses = Guesses::new(failed_per_address, failed_per_account);
    let passwords = Passwords::new(verification_threads, plain_cache_size);
    Shared { scram, guesses: Arc::new(guesses), passwords: Arc::new(passwords), key_sources: Arc::new(key_sources) }
}

/// What a reload may change of it.
pub(super) fn apply(shared: &Shared, logins: &LoginConfig) {
    shared.guesses.set_limits(logins.failed_per_address, logins.failed_per_account);
    shared.passwords.set_cache_size(logins.plain_cache_size);
}

struct Stored(Store);

impl ScramCredentials for Stored {
    fn find(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> BoxFuture<'static, Result<Option<ScramCredential>, Outage>> {
        let (store, user) = (self.0.clone(), user.to_owned());
        Box::pin(async move {
            store.scram(&user, mechanism).await.map_err(|error| {
                tracing::error!(%error, "credentials cannot be read");
                Outage("the store")
            })
        })
    }

    fn unknown_user_key(&self) -> Secret {
        self.0.unknown_user_key().clone()
    }
}

struct NotOpened;

impl ScramCredentials for NotOpened {
    fn find(&self, _: &str, _: ScramMechanism) -> BoxFuture<'static, Result<Option<ScramCredential>, Outage>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn unknown_user_key(&self) -> Secret {
        Secret::new([0; 32])
    }
}
