//! The store, and the keys of issuers, as the mechanisms see them.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::StartError;
use crate::config::{LoginConfig, ServerConfig};
use crate::issuer::KeySources;
use crate::sasl::{BoxFuture, Guesses, Outage, Passwords, ScramCredentials, Shared};
use crate::scram::{MAX_ITERATIONS, ScramCredential, ScramMechanism};
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
            let found = store.scram(&user, mechanism).await.map_err(|error| {
                tracing::error!(%error, "credentials cannot be read");
                Outage("the store")
            })?;
            usable(&user, mechanism, found)
        })
    }

    fn unknown_user_key(&self) -> Secret {
        self.0.unknown_user_key().clone()
    }
}

/// No tool of ours sets more than [`MAX_ITERATIONS`] or imports more, so who has more was written by someone else. PLAIN would compute for as
/// long as that says, and a client that does SCRAM too. Nothing says that the password is wrong: the login fails as if the store were down.
fn usable(
    user: &str,
    mechanism: ScramMechanism,
    found: Option<ScramCredential>,
) -> Result<Option<ScramCredential>, Outage> {
    match found.as_ref().map_or(0, ScramCredential::iterations) {
        too_many if too_many > MAX_ITERATIONS => {
            tracing::error!(
                user,
                mechanism = mechanism.as_str(),
                iterations = too_many,
                "a credential with more iterations than {MAX_ITERATIONS} is not used; set the password anew"
            );
            Err(Outage("a credential that cannot be used"))
        }
        _ => Ok(found),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Change;

    /// H-155: what no administrator can have set is not computed with. Fewer than 4096 iterations and keys of another length the store
    /// itself does not read.
    #[tokio::test]
    async fn a_credential_with_too_many_iterations_logs_nobody_in_and_is_no_wrong_password() {
        let directory = std::env::temp_dir().join(format!("doorkeeper-credentials-{}", std::process::id()));
        let stored = Stored(Store::open(&directory).unwrap());
        for mechanism in ScramMechanism::ALL {
            for (user, iterations) in [("most", 16_384), ("more", 16_385), ("endless", u32::MAX)] {
                let key = vec![7; mechanism.hash_len()];
                let credential = ScramCredential::from_keys(mechanism, b"salt", &key, &key, iterations).unwrap();
                let change = Change::SetScram { user: user.into(), mechanism, credential };
                stored.0.edit(move |_| Ok((vec![change], ()))).await.unwrap();
            }
            let found = stored.find("most", mechanism).await;
            assert_eq!(found.unwrap().map(|found| found.iterations()), Some(16_384));
            assert!(stored.find("more", mechanism).await.is_err());
            assert!(stored.find("endless", mechanism).await.is_err());
            assert!(stored.find("nobody", mechanism).await.unwrap().is_none());
        }
        // An administrator sees it, and removes it.
        let told = stored.0.scram_of("more").await.unwrap();
        assert_eq!(told, ScramMechanism::ALL.map(|mechanism| (mechanism, 16_385)));
        stored.0.close().await;
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
