//! Administration: each operation once. Kafka's protocol, the command line and later others are skins over it.

mod requests;
mod scram;

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::principal::KafkaPrincipal;
use crate::store::Store;

pub use self::scram::{Alteration, Description, Outcome, Refusal, alter as alter_scram, describe as describe_scram};

/// Whom the operations are done for, and on what. It lives as long as the server; who may is changed by a reload, and holds from then
/// on for connections that are open too.
pub struct Administration {
    store: Option<Store>,
    administrators: ArcSwap<HashSet<KafkaPrincipal>>,
}

impl Administration {
    /// Of a store, if this front has one.
    pub fn new(store: Option<Store>, administrators: Arc<HashSet<KafkaPrincipal>>) -> Self {
        Self { store, administrators: ArcSwap::new(administrators) }
    }

    /// Who may from now on.
    pub fn set_administrators(&self, administrators: Arc<HashSet<KafkaPrincipal>>) {
        self.administrators.store(administrators);
    }

    /// Whether the caller may describe and change credentials.
    fn may(&self, caller: &KafkaPrincipal) -> bool {
        self.administrators.load().contains(caller)
    }
}

impl std::fmt::Debug for Administration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut administrators: Vec<String> = self.administrators.load().iter().map(ToString::to_string).collect();
        administrators.sort_unstable();
        f.debug_struct("Administration").field("administrators", &administrators).finish_non_exhaustive()
    }
}
