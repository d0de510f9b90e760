//! The store as the mechanisms see it.

use std::io;
use std::sync::Arc;

use super::StartError;
use crate::config::ServerConfig;
use crate::sasl::{BoxFuture, Outage, ScramCredentials, Shared};
use crate::scram::{ScramCredential, ScramMechanism};
use crate::secret::Secret;
use crate::store::Store;

/// Opens the store of `store.dir`, if it is set.
pub(super) async fn open(config: &ServerConfig) -> Result<(Option<Store>, Shared), StartError> {
    let Some(directory) = config.store_dir.clone() else { return Ok((None, Shared::default())) };
    let store = tokio::task::spawn_blocking(move || Store::open(&directory)).await.map_err(io::Error::other)??;
    let scram: Arc<dyn ScramCredentials> = Arc::new(Stored(store.clone()));
    Ok((Some(store), Shared { scram: Some(scram), ..Shared::default() }))
}

/// What stands for the store where it must not be opened, because a server may have it: nobody is in it.
pub(super) fn not_opened(config: &ServerConfig) -> Shared {
    let scram = config.store_dir.as_ref().map(|_| Arc::new(NotOpened) as Arc<dyn ScramCredentials>);
    Shared { scram, ..Shared::default() }
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
