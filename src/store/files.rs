//! A store's files, open for writing: the records and `ACKNOWLEDGED`, which change together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StoreError;
use super::acknowledged::Acknowledged;
use super::change::Record;
use super::database::{Batch, Database, DatabaseError, Hidden, Tier};
use super::place::Home;
use super::state::State;
use super::upgrade::Formats;

/// The files of a store, open for writing.
pub(super) struct Files {
    pub(super) database: Arc<Database>,
    acknowledged: Acknowledged,
    pub(super) state: State,
}

/// What is to be written: for each key the value before and after.
pub(super) type Staged = BTreeMap<Vec<u8>, Staging>;

/// One record of a write.
#[derive(Clone)]
pub(super) struct Staging {
    /// What is in the database.
    pub(super) before: Option<Vec<u8>>,
    /// What will be.
    pub(super) after: Option<Vec<u8>>,
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Full(_) => Self::Full,
            DatabaseError::NotInMemory | DatabaseError::Failed(_) => Self::Failed(error.to_string().into()),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Failed(error.to_string().into()),
        }
    }
}

/// A store with nothing but these records, in `home`. Everything is on the disk when this returns.
pub(super) fn make(
    home: &Home,
    revision: u64,
    format: u32,
    fill: impl FnOnce(&mut dyn FnMut(&[u8], &[u8]) -> Result<(), DatabaseError>) -> Result<(), StoreError>,
) -> Result<State, StoreError> {
    /// Bytes that are collected before they are written.
    const CHUNK: usize = 256 << 10;
    let mut state = State { revision, ..State::default() };
    let database = Database::create(&home.rocksdb())?;
    let mut batch = Batch::new(&database);
    fill(&mut |key, value| {
        state.add(key, value);
        batch.apply(&Record { key: key.to_owned(), value: Some(value.to_owned()) })?;
        if batch.len() > CHUNK {
            database.write_unlogged(std::mem::replace(&mut batch, Batch::new(&database)))?;
        }
        Ok(())
    })?;
    batch.set_state(state);
    batch.set_format(format);
    database.write_unlogged(batch)?;
    database.flush()?;
    drop(database);
    Acknowledged::create(&home.acknowledged(), state)?;
    home.write_format(format)?;
    home.sync()?;
    Ok(state)
}

impl Files {
    /// Opens the files of a store that was found to hold `state`.
    pub(super) fn open(home: &Home, state: State) -> Result<Self, StoreError> {
        let database = Database::open(&home.rocksdb())?;
        if database.state()? != Some(state) {
            return Err(StoreError::Failed("the store has changed while it was opened".into()));
        }
        let acknowledged = Acknowledged::open(&home.acknowledged(), state)?;
        Ok(Self { database: Arc::new(database), acknowledged, state })
    }

    /// Leads the records from one format to the newest.
    pub(super) fn upgrade(&mut self, home: &Home, from: u32, formats: Formats) -> Result<(), StoreError> {
        for format in from..formats.newest {
            let step = formats.step(format);
            let step =
                step.ok_or_else(|| StoreError::Failed(format!("no way leads on from format {format}").into()))?;
            let records = step(&self.database)?;
            let records = records.into_iter().map(|record| (record.key, record.value));
            let staged = self.staged(records)?;
            self.write_with_format(&staged, Some(format + 1))?;
            home.write_format(format + 1)?;
            tracing::info!(from = format, to = format + 1, "the store's format is upgraded");
        }
        if home.read_format()? != Some(formats.newest) {
            home.write_format(formats.newest)?;
        }
        Ok(())
    }

    /// Writes what stood under some keys before.
    pub(super) fn set_back(&mut self, before: &Hidden) -> Result<(), StoreError> {
        let staged = self.staged(before.clone())?;
        self.write(&staged)
    }

    fn staged(&self, records: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> Result<Staged, StoreError> {
        let mut staged = Staged::new();
        for (key, after) in records {
            let before = self.database.get(&key, Tier::Disk)?;
            staged.insert(key, Staging { before, after });
        }
        Ok(staged)
    }

    /// Writes all of it or nothing. It may be acknowledged when this has returned without error. After an error nothing can be said: the
    /// files have to be opened anew.
    pub(super) fn write(&mut self, staged: &Staged) -> Result<(), StoreError> {
        self.write_with_format(staged, None)
    }

    fn write_with_format(&mut self, staged: &Staged, format: Option<u32>) -> Result<(), StoreError> {
        let mut state = State { revision: self.state.revision + 1, ..self.state };
        let mut batch = Batch::new(&self.database);
        for (key, Staging { before, after }) in staged {
            if before == after {
                continue;
            }
            if let Some(before) = before {
                state.subtract(key, before);
            }
            if let Some(after) = after {
                state.add(key, after);
            }
            batch.apply(&Record { key: key.clone(), value: after.clone() })?;
        }
        batch.set_state(state);
        if let Some(format) = format {
            batch.set_format(format);
        }
        self.database.write(batch)?;
        self.acknowledged.write(state)?;
        self.state = state;
        Ok(())
    }
}
