//! The one thread that writes.
//!
//! Edits run on it one after another. Those that wait are written together: one batch, one sync of the log, one of `ACKNOWLEDGED`, then
//! all are acknowledged. After a write that failed nothing is acknowledged until the files were opened anew and compared: after a sync that
//! failed, the system may have dropped what was to be written (fsyncgate), and RocksDB takes no changes after errors of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::change::{scram_credential, scram_key};
use super::database::{Database, Hidden, Tier};
use super::edit::Edit;
use super::files::{Files, Staged, Staging};
use super::inspect::{Inspected, inspect, read};
use super::place::{Lock, Place};
use super::state::State;
use super::{Setup, Shared, StoreError, View};
use crate::scram::{ScramCredential, ScramMechanism};

/// Most edits that are written together.
const MAX_GROUP: usize = 256;
/// Bytes of changes from which on no further edit joins a group.
const MAX_GROUP_LEN: u64 = 1 << 20;
/// Most bytes of keys and values in one edit.
const MAX_EDIT_LEN: u64 = 64 << 20;
/// Between two attempts to recover.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of changes from which on there may be tables of which nobody has read; a table of that size takes a write buffer.
const COLD_FROM: u64 = 256 << 10;
/// Between two looks at a store that is well.
const CHECK_INTERVAL: Duration = Duration::from_secs(4);

/// What the writer is asked for.
pub(super) enum Request {
    /// Make this edit.
    Edit(Box<dyn Edit>),
    /// Close the files, and say when that is done.
    Close(oneshot::Sender<()>),
}

/// What the thread has.
pub(super) struct Writer {
    place: Place,
    setup: Setup,
    shared: Arc<Shared>,
    /// Nothing while the store cannot be written.
    files: Option<Files>,
    /// What the newest acknowledged change has led to.
    state: State,
    /// The write that failed and may be on the disk all the same.
    in_doubt: Option<InDoubt>,
    /// Bytes of changes since the cache was last filled.
    cold: u64,
    /// Why there are no files, and when to try again.
    failure: Option<(StoreError, Instant)>,
    /// The last: the files are closed before others are let in.
    lock: Lock,
}

struct InDoubt {
    /// The number that it has, if it is there.
    revision: u64,
    /// What it has found.
    before: Arc<Hidden>,
}

/// What an edit sees: the records, and over them what the edits before it in its group have changed.
struct Overlaid<'a> {
    database: &'a Database,
    staged: &'a Staged,
}

impl Overlaid<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.staged.get(key) {
            Some(staging) => Ok(staging.after.clone()),
            None => Ok(self.database.get(key, Tier::Disk)?),
        }
    }
}

impl View for Overlaid<'_> {
    fn scram(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>, StoreError> {
        let value = self.get(&scram_key(user, mechanism))?;
        Ok(value.map(|value| scram_credential(mechanism, &value)).transpose()?)
    }
}

impl Writer {
    /// Takes over a store that was found whole. If only room is missing, it can be read, and written when there is room.
    pub(super) fn start(
        place: Place,
        lock: Lock,
        setup: Setup,
        found: Inspected,
        shared: Arc<Shared>,
    ) -> Result<Self, StoreError> {
        let (state, in_date) = (found.state, found.format == setup.formats.newest);
        let mut this = Self { place, setup, shared, files: None, state, in_doubt: None, cold: 0, failure: None, lock };
        match this.take_over(found) {
            Err(StoreError::Full) if in_date => this.failed(StoreError::Full, RECOVERY_INTERVAL),
            other => other?,
        }
        Ok(this)
    }

    /// Serves requests until no store is left that could make one, or it is closed.
    pub(super) fn run(mut self, runtime: &Runtime, mut requests: mpsc::Receiver<Request>) {
        self.fill_cache(&requests);
        let closing = loop {
            let wait = if self.shared.is_failing() { RECOVERY_INTERVAL } else { CHECK_INTERVAL };
            let request = runtime.block_on(async { timeout(wait, requests.recv()).await });
            match request {
                Err(_) => {
                    self.look_after();
                    self.fill_cache(&requests);
                }
                Ok(None) => break None,
                Ok(Some(Request::Close(done))) => break Some(done),
                Ok(Some(Request::Edit(first))) => {
                    if let Some(done) = self.run_group(first, &mut requests) {
                        break Some(done);
                    }
                }
            }
        };
        self.files = None;
        take_back(self.shared.database.swap(None));
        drop(self.lock);
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Runs an edit and those that wait behind it, writes their changes, and answers. Gives who waits for the end, if somebody does.
    fn run_group(
        &mut self,
        first: Box<dyn Edit>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Option<oneshot::Sender<()>> {
        let database = match self.ready() {
            Ok(files) => files.database.clone(),
            Err(error) => {
                self.shared.refused(1);
                first.finish(Err(error));
                return None;
            }
        };
        let (mut staged, mut decided, mut len, mut closing) = (Staged::new(), Vec::new(), 0, None);
        let mut next = Some(first);
        while let Some(mut edit) = next.take() {
            match self.stage(&database, &staged, len, edit.as_mut()) {
                Ok((changes, its_len)) => {
                    staged.extend(changes);
                    len += its_len;
                    decided.push(edit);
                }
                Err(error) => {
                    self.shared.refused(1);
                    edit.finish(Err(error));
                }
            }
            if decided.len() < MAX_GROUP && len < MAX_GROUP_LEN {
                match requests.try_recv() {
                    Ok(Request::Edit(edit)) => next = Some(edit),
                    Ok(Request::Close(done)) => closing = Some(done),
                    Err(_) => {}
                }
            }
        }
        drop(database);
        let written = self.write(staged, len);
        if written.is_err() {
            self.shared.refused(decided.len() as u64);
        }
        decided.into_iter().for_each(|edit| edit.finish(written.clone()));
        if written.is_err() {
            self.look_after();
        }
        closing
    }

    /// Lets an edit decide, and gives what it changes and how many bytes that is. `len` bytes are to be written already.
    fn stage(
        &self,
        database: &Database,
        staged: &Staged,
        len: u64,
        edit: &mut dyn Edit,
    ) -> Result<(Staged, u64), StoreError> {
        let (mut own, mut own_len) = (Staged::new(), 0);
        for change in edit.decide(&Overlaid { database, staged })? {
            let record = change.record();
            own_len += (record.key.len() + record.value.as_ref().map_or(0, Vec::len)) as u64;
            if own_len > MAX_EDIT_LEN {
                return Err(StoreError::Failed(format!("an edit of more than {MAX_EDIT_LEN} bytes").into()));
            }
            let before = match own.remove(&record.key).or_else(|| staged.get(&record.key).cloned()) {
                Some(staging) => staging.before,
                None => database.get(&record.key, Tier::Disk)?,
            };
            own.insert(record.key, Staging { before, after: record.value });
        }
        // In the log, and once more in a table.
        if own_len > 0 && self.place.current().room()? < self.setup.reserve + 2 * (len + own_len) {
            self.shared.set_failing(true);
            return Err(StoreError::Full);
        }
        Ok((own, own_len))
    }

    /// Writes changes of `len` bytes.
    fn write(&mut self, mut staged: Staged, len: u64) -> Result<(), StoreError> {
        staged.retain(|_, staging| staging.before != staging.after);
        let Some(files) = self.files.as_mut().filter(|_| !staged.is_empty()) else { return Ok(()) };
        if let Err(error) = files.write(&staged) {
            let before = staged.into_iter().map(|(key, staging)| (key, staging.before)).collect();
            let in_doubt = InDoubt { revision: self.state.revision + 1, before: Arc::new(before) };
            files.database.hide(in_doubt.before.clone());
            self.in_doubt = Some(in_doubt);
            self.failed(error.clone(), Duration::ZERO);
            return Err(error);
        }
        self.state = files.state;
        // One by one: logins wait for none of them longer than for one.
        for (key, Staging { before, after }) in &staged {
            self.shared.present_mut().change(key, before.is_some(), after.is_some());
        }
        self.cold += len;
        self.shared.set_state(self.state);
        self.shared.set_failing(false);
        Ok(())
    }

    /// After the start, and when much was written and nobody writes any more: brings what logins read into memory, so that each of them
    /// need not take the way over a thread that may wait for the disk. Who wants an edit made does not wait for it.
    fn fill_cache(&mut self, requests: &mpsc::Receiver<Request>) {
        let Some(files) = self.files.as_ref().filter(|_| self.cold >= COLD_FROM) else { return };
        match files.database.fill_cache(|| requests.is_empty() && !requests.is_closed()) {
            Ok(false) => {}
            Ok(true) => self.cold = 0,
            Err(error) => {
                // Whoever reads the record meets it too, and says so.
                tracing::debug!(%error, "the store's cache is not filled");
                self.cold = 0;
            }
        }
    }

    /// Now and then: tries to recover, sees whether there is room again, and whether RocksDB fares well.
    fn look_after(&mut self) {
        if self.ready().is_ok() && self.shared.is_failing() {
            let room = self.place.current().room();
            self.shared.set_failing(room.is_ok_and(|room| room < self.setup.reserve));
        }
    }

    /// The files, opened anew if that is needed and possible.
    fn ready(&mut self) -> Result<&mut Files, StoreError> {
        if self.files.as_ref().is_some_and(|files| files.database.has_failed()) {
            let error = StoreError::Failed("RocksDB could not write what it had in memory".into());
            self.failed(error, Duration::ZERO);
        }
        if let Some((failure, again)) = &self.failure {
            if *again > Instant::now() {
                return Err(failure.clone());
            }
            match self.recover() {
                Ok(()) => tracing::info!(revision = self.state.revision, "the store can be written again"),
                Err(error) => self.failed(error, RECOVERY_INTERVAL),
            }
        }
        match (&mut self.files, &self.failure) {
            (Some(files), None) => Ok(files),
            (_, failure) => Err(failure.as_ref().map_or(StoreError::Full, |(failure, _)| failure.clone())),
        }
    }

    /// The files are of no use any more; what readers have stays.
    fn failed(&mut self, error: StoreError, pause: Duration) {
        if self.failure.as_ref().is_none_or(|(known, _)| *known != error) {
            tracing::error!(%error, "the store cannot be written; changes are refused until it can");
        }
        self.files = None;
        self.failure = Some((error, Instant::now() + pause));
        self.shared.set_failing(true);
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        let home = self.place.current();
        if home.room()? < self.setup.reserve {
            return Err(StoreError::Full);
        }
        let found = inspect(&home, self.setup.formats.newest);
        let found = found.map_err(|problem| StoreError::Failed(problem.into_error(&self.place).0.into()))?;
        let goes_on = found.state == self.state || found.state.revision > self.state.revision;
        if !goes_on {
            return Err(StoreError::Failed("changes that were acknowledged are not on the disk".into()));
        }
        self.take_over(found)
    }

    /// Opens for writing what was found. Meanwhile, and if it cannot be, reads go on with what was found.
    fn take_over(&mut self, found: Inspected) -> Result<(), StoreError> {
        let home = self.place.current();
        let (state, format, mut present) = (found.state, found.format, found.present);
        // If it has left nothing behind, it is done with.
        self.in_doubt.take_if(|in_doubt| in_doubt.revision != state.revision);
        if let Some(in_doubt) = &self.in_doubt {
            for (key, before) in in_doubt.before.iter() {
                present.change(key, found.database.get(key, Tier::Disk)?.is_some(), before.is_some());
            }
            found.database.hide(in_doubt.before.clone());
        }
        self.files = None;
        *self.shared.present_mut() = present;
        take_back(self.shared.database.swap(Some(Arc::new(found.database))));
        if home.room()? < self.setup.reserve {
            return Err(StoreError::Full);
        }
        let mut files = Files::open(&home, state)?;
        files.upgrade(&home, format, self.setup.formats)?;
        if format != self.setup.formats.newest {
            *self.shared.present_mut() = read(&files.database)?.1;
        }
        if let Some(in_doubt) = &self.in_doubt {
            // Whoever wanted it was told that nothing has changed.
            files.set_back(&in_doubt.before)?;
            self.in_doubt = None;
        }
        take_back(self.shared.database.swap(Some(files.database.clone())));
        self.state = files.state;
        self.shared.set_state(self.state);
        self.shared.set_failing(false);
        self.files = Some(files);
        self.cold = COLD_FROM;
        self.failure = None;
        Ok(())
    }
}

/// Closes a database here, and not on the thread of a reader who happens to be the last that uses it.
fn take_back(database: Option<Arc<Database>>) {
    let mut database = database;
    while let Some(shared) = database.take() {
        match Arc::try_unwrap(shared) {
            Ok(alone) => drop(alone),
            Err(shared) => {
                database = Some(shared);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
