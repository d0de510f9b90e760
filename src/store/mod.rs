//! The store: what this front keeps, in RocksDB under `store.dir`.
//!
//! Every change is a list of [`Change`] records that is applied as a whole or not at all, and is on the disk when
//! [`Store::edit`] has returned. The store knows records, not SASL. What is promised, and why RocksDB alone does not keep it:
//! `docs/decisions/store.md`.

mod acknowledged;
mod change;
mod database;
mod edit;
mod files;
mod inspect;
mod place;
mod present;
mod state;
mod tools;
mod upgrade;
mod writer;

#[cfg(test)]
mod tests;

pub use change::Change;
pub use tools::{AcceptedLoss, Restored, Summary};

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::change::{Kind, Unreadable, scram_credential, scram_key};
use self::database::{Database, DatabaseError, Tier};
use self::place::Place;
use self::present::Present;
use self::state::State;
use self::upgrade::{FORMATS, Formats};
use self::writer::{Request, Writer};
use crate::scram::{ScramCredential, ScramMechanism};
use crate::secret::Secret;

/// Most edits that wait for the writer; who comes then waits to be let in.
const MAX_WAITING: usize = 1024;
/// Most threads that read single records from the disk.
const MAX_READS: usize = 4;

/// Why a store cannot be opened. The text names the directory and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String, bool);

impl OpenError {
    /// Whether what is wrong is that the store is damaged.
    pub fn is_damage(&self) -> bool {
        self.1
    }
}

/// Why a change was not made, or something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room on the disk. Nothing has changed.
    #[error("the store's disk is full")]
    Full,
    /// The disk failed; the text is for the log. Nothing has been acknowledged.
    #[error("the store failed: {0}")]
    Failed(Arc<str>),
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        Self::Failed(error.to_string().into())
    }
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

/// An open store. Clones are the same store. Its files are closed when the last of them is gone, by a thread of its own.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

/// What tests open differently.
#[derive(Clone, Copy)]
struct Setup {
    formats: Formats,
    /// Bytes of the disk that are left alone, so that RocksDB can move what it has in memory to files.
    reserve: u64,
}

const SETUP: Setup = Setup { formats: FORMATS, reserve: 512 << 10 };

/// What readers and the writer share.
struct Shared {
    /// What is read from: nothing when it is closed.
    database: ArcSwapOption<Database>,
    /// What it has, but for what was written and is not acknowledged yet.
    present: RwLock<Present>,
    unknown_user_key: Secret,
    /// For who reads a record from the disk.
    reads: Arc<Semaphore>,
    /// For who reads all of them: one at a time, and not in the way of logins.
    scans: Arc<Semaphore>,
    revision: AtomicU64,
    records: AtomicU64,
    writes_failed: AtomicU64,
    is_failing: AtomicBool,
}

impl Shared {
    fn present(&self) -> RwLockReadGuard<'_, Present> {
        self.present.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn present_mut(&self) -> RwLockWriteGuard<'_, Present> {
        self.present.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_state(&self, state: State) {
        self.revision.store(state.revision, Ordering::Relaxed);
        self.records.store(state.records, Ordering::Relaxed);
    }

    fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }

    fn refused(&self, edits: u64) {
        self.writes_failed.fetch_add(edits, Ordering::Relaxed);
    }
}

impl Store {
    /// Opens the store in a directory, which is made if there is none. Reads files: not for an async worker. New files of this process
    /// are from here on readable for their owner only.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        Self::open_with(directory, SETUP)
    }

    fn open_with(directory: &Path, setup: Setup) -> Result<Self, OpenError> {
        let place = Place::new(directory);
        place.look()?;
        let lock = place.lock()?;
        if !place.look()? {
            tools::make_empty(&place, setup.formats.newest)?;
        }
        let found =
            inspect::inspect(&place.current(), setup.formats.newest).map_err(|problem| problem.into_error(&place))?;
        let unknown_user_key = tools::unknown_user_key(&found.database).map_err(|error| place.error(error))?;
        let shared = Arc::new(Shared {
            database: ArcSwapOption::empty(),
            present: RwLock::default(),
            unknown_user_key,
            reads: Arc::new(Semaphore::new(MAX_READS)),
            scans: Arc::new(Semaphore::new(1)),
            revision: AtomicU64::new(found.state.revision),
            records: AtomicU64::new(found.state.records),
            writes_failed: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        });
        let writer = Writer::start(place.clone(), lock, setup, found, shared.clone());
        let writer = writer.map_err(|error| place.error(format_args!("cannot be opened for writing: {error}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(place.io("its writer cannot be started"))?;
        let (requests, received) = mpsc::channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("store".into());
        let started = thread.spawn(move || writer.run(&runtime, received));
        started.map_err(place.io("its writer cannot be started"))?;
        Ok(Self { shared, requests })
    }

    /// The credential of a user, if there is one. Where there is none, another one is read: it takes as long.
    pub async fn scram(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>, StoreError> {
        let key = scram_key(user, mechanism);
        let (key, is_it) = self.shared.present().to_read(&key);
        let read = self.get(key).await.and_then(|value| {
            let credential = value.map(|value| scram_credential(mechanism, &value)).transpose()?;
            Ok(black_box(credential))
        });
        if is_it { read } else { Ok(None) }
    }

    /// The mechanisms of which this user has a credential, with their iteration counts.
    pub async fn scram_of(&self, user: &str) -> Result<Vec<(ScramMechanism, u32)>, StoreError> {
        let mut found = Vec::new();
        for mechanism in ScramMechanism::ALL {
            let key = scram_key(user, mechanism);
            if !self.shared.present().may_have(&key) {
                continue;
            }
            let credential = self.get(key).await?.map(|value| scram_credential(mechanism, &value)).transpose()?;
            found.extend(credential.map(|credential| (mechanism, credential.iterations())));
        }
        Ok(found)
    }

    /// All users with a credential, in the order of their names' bytes, with mechanisms and iteration counts, as they stood at one moment.
    pub async fn scram_users(&self) -> Result<Vec<(String, Vec<(ScramMechanism, u32)>)>, StoreError> {
        self.on_a_thread(&self.shared.scans, |database| {
            let mut users: Vec<(String, Vec<(ScramMechanism, u32)>)> = Vec::new();
            database.scan(Kind::Scram, |key, value| {
                let change = Change::from_record(key, Some(value))?;
                let Change::SetScram { user, mechanism, credential } = change else { return Ok(()) };
                match users.last_mut().filter(|(name, _)| *name == user) {
                    Some((_, of)) => of.push((mechanism, credential.iterations())),
                    None => users.push((user, vec![(mechanism, credential.iterations())])),
                }
                Ok::<(), StoreError>(())
            })??;
            Ok(users)
        })
        .await
    }

    /// Runs `decide` alone, with everything that was acknowledged before it in view, makes the changes that it wants, all or none, and
    /// gives its answer when they are on the disk. `decide` runs on the store's own thread: others wait for it. After an error nothing has
    /// changed, unless the process ends before the store has recovered.
    pub async fn edit<T, F>(&self, decide: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<(Vec<Change>, T), StoreError> + Send + 'static,
    {
        let (edit, outcome) = edit::edit(decide);
        self.requests.send(Request::Edit(edit)).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// As [`Store::edit`], for a caller without a runtime: blocks its thread. Not for an async worker.
    pub fn edit_blocking<T, F>(&self, decide: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn View) -> Result<(Vec<Change>, T), StoreError> + Send + 'static,
    {
        let (edit, outcome) = edit::edit(decide);
        self.requests.blocking_send(Request::Edit(edit)).map_err(|_| closed())?;
        outcome.blocking_recv().map_err(|_| closed())?
    }

    /// What a health page and metrics show of it. Takes no lock.
    pub fn status(&self) -> StoreStatus {
        let shared = &self.shared;
        StoreStatus {
            revision: shared.revision.load(Ordering::Relaxed),
            records: shared.records.load(Ordering::Relaxed),
            writes_failed: shared.writes_failed.load(Ordering::Relaxed),
            is_failing: shared.is_failing(),
        }
    }

    /// Closes the files and lets other processes in; what comes after fails. Edits that are under way are finished.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.requests.send(Request::Close(done)).await.is_ok() {
            // An error: it was closed already.
            let _ = closed.await;
        }
    }

    /// As [`Store::close`], for a caller without a runtime: blocks its thread. Not for an async worker.
    pub fn close_blocking(&self) {
        let (done, closed) = oneshot::channel();
        if self.requests.blocking_send(Request::Close(done)).is_ok() {
            let _ = closed.blocking_recv();
        }
    }

    /// The key from which the salts of users that do not exist are made. Random, made with the store.
    pub fn unknown_user_key(&self) -> &Secret {
        &self.shared.unknown_user_key
    }

    /// The value of a key: from memory, or else by a thread that may wait for the disk.
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, StoreError> {
        let database = self.shared.database.load_full().ok_or_else(closed)?;
        match database.get(&key, Tier::Memory) {
            Err(DatabaseError::NotInMemory) => {
                drop(database);
                self.on_a_thread(&self.shared.reads, move |database| Ok(database.get(&key, Tier::Disk)?)).await
            }
            other => Ok(other?),
        }
    }

    /// Reads where waiting for a disk holds up nobody.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        read: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        // Of a semaphore that is never closed.
        let turn = turns.clone().acquire_owned().await.map_err(|_| closed())?;
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let database = shared.database.load_full().ok_or_else(closed)?;
            read(&database)
        });
        reading.await.map_err(|error| StoreError::Failed(error.to_string().into()))?
    }
}

fn closed() -> StoreError {
    StoreError::Failed("it is closed".into())
}
