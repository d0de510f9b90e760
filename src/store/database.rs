//! RocksDB, with the options of a small store. The only file that names its types.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, DB, ErrorKind, IteratorMode, LogLevel, LruCacheOptions, Options,
    ReadOptions, ReadTier, WriteBatch, WriteOptions,
};

use super::change::{Kind, Record};
use super::state::State;

/// Bytes of blocks that are kept in memory: the SCRAM-SHA-256 credentials of some 100,000 users.
const CACHE: usize = 23 << 19;
/// Bytes of records that fill it; a block takes a little more than its records.
const CACHED_RECORDS: usize = CACHE / 16 * 15;
/// Records that are read between two looks whether there is something better to do.
const FILLED_AT_ONCE: usize = 1024;
/// Of every fourth record a block says where it begins, so that what is read on to a record, or to where it would be, is short.
const RESTART_INTERVAL: i32 = 4;
/// Bytes of changes of one kind that are kept in memory before they are written to a table; twice as many while that is done.
const WRITE_BUFFER: usize = 256 << 10;
/// Most bytes of log. Small, because a start reads it and a full disk holds it.
const MAX_LOG: u64 = 1 << 20;
/// Bytes of one file of records.
const TABLE: u64 = 4 << 20;
/// Bytes that background work reads at once; RocksDB's own choice is 2 MiB.
const READ_AHEAD: usize = 128 << 10;
/// Bytes that a read of everything reads at once.
const SCAN_READ_AHEAD: usize = 512 << 10;

/// Under [`Kind::Meta`], beside the digest and not in it: the [`State`].
const STATE: &[u8] = b"state";
/// Under [`Kind::Meta`]: the version of the format, 4 bytes.
const FORMAT: &[u8] = b"format";

/// Why RocksDB did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    /// It is not in memory; only for [`Tier::Memory`].
    #[error("not in memory")]
    NotInMemory,
    /// The disk is full.
    #[error("the disk is full: {0}")]
    Full(String),
    /// Something else, in RocksDB's words.
    #[error("{0}")]
    Failed(String),
}

impl From<rocksdb::Error> for DatabaseError {
    fn from(error: rocksdb::Error) -> Self {
        if error.kind() == ErrorKind::Incomplete {
            return Self::NotInMemory;
        }
        let text = error.into_string();
        // RocksDB has a code for it, which does not come through its C interface: the words are strerror's.
        if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
            Self::Full(text)
        } else {
            Self::Failed(text)
        }
    }
}

/// From where a read may take what it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// Never waits.
    Memory,
    /// Reads files if it has to.
    Disk,
}

/// An open database.
pub(super) struct Database {
    rocksdb: DB,
    /// What readers see instead of what is there.
    hidden: ArcSwapOption<Hidden>,
}

/// For some keys another value, or that there is none.
pub(super) type Hidden = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn options() -> Options {
    let mut block = BlockBasedOptions::default();
    let mut cache = LruCacheOptions::default();
    cache.set_capacity(CACHE);
    // Of one part. RocksDB's default would be 16, of which some have more blocks to keep than others, and put them out.
    cache.set_num_shard_bits(0);
    block.set_block_cache(&Cache::new_lru_cache_opts(&cache));
    block.set_block_restart_interval(RESTART_INTERVAL);
    // No bloom filter: who is not there is not looked for.
    let mut options = Options::default();
    options.set_block_based_table_factory(&block);
    options.set_compression_type(rocksdb::DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER);
    options.set_max_write_buffer_number(2);
    options.set_arena_block_size(16 << 10);
    options.set_max_total_wal_size(MAX_LOG);
    options.set_target_file_size_base(TABLE);
    options.set_max_bytes_for_level_base(4 * TABLE);
    options.set_max_background_jobs(1);
    // All tables stay open. With a limit RocksDB keeps them in a cache of 64 parts that share it: two tables that fall into one part put
    // each other out, and a read from memory finds "not in memory" whatever the blocks are. A table takes 3 KiB, and a start reads all anyway.
    options.set_max_open_files(-1);
    options.set_max_file_opening_threads(1);
    options.set_compaction_readahead_size(READ_AHEAD);
    options.set_writable_file_max_buffer_size(READ_AHEAD as u64);
    // Nothing is laid claim to before it is written: a disk may be small.
    options.set_manifest_preallocation_size(4096);
    options.set_max_manifest_file_size(256 << 10);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    let logger = rocksdb::InfoLogger::new_callback_logger(LogLevel::Warn, |level, text| {
        let text = text.trim_end();
        if level == LogLevel::Warn { tracing::debug!("RocksDB: {text}") } else { tracing::warn!("RocksDB: {text}") }
    });
    options.set_info_logger(logger);
    options
}

/// The families of all kinds. Without their own they would have RocksDB's options, and not those of the database.
fn families(options: &Options) -> [(&'static str, Options); 2] {
    Kind::ALL.map(|kind| (kind.family(), options.clone()))
}

fn read_options(from: Tier) -> ReadOptions {
    let mut options = ReadOptions::default();
    if from == Tier::Memory {
        options.set_read_tier(ReadTier::BlockCache);
    }
    options
}

impl Database {
    /// Makes a database with nothing in it.
    pub(super) fn create(path: &Path) -> Result<Self, DatabaseError> {
        let mut options = options();
        options.set_error_if_exists(true);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        Ok(Self::of(DB::open_cf_with_opts(&options, path, families(&options))?))
    }

    /// Opens one for reading and writing. Families of kinds that it does not have yet are made.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let mut options = options();
        options.create_missing_column_families(true);
        Ok(Self::of(DB::open_cf_with_opts(&options, path, families(&options))?))
    }

    /// Opens one as it stands now, for reading. Changes no file, and needs no lock.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, DatabaseError> {
        let options = options();
        let there = DB::list_cf(&options, path)?;
        let known = families(&options).into_iter().filter(|(known, _)| there.iter().any(|name| name == known));
        Ok(Self::of(DB::open_cf_with_opts_for_read_only(&options, path, known, false)?))
    }

    fn of(rocksdb: DB) -> Self {
        Self { rocksdb, hidden: ArcSwapOption::empty() }
    }

    /// Lets readers see other values than are there: those before a write of which it is not known whether it will stay.
    pub(super) fn hide(&self, hidden: Arc<Hidden>) {
        self.hidden.store(Some(hidden));
    }

    fn family(&self, kind: Kind) -> Option<&ColumnFamily> {
        self.rocksdb.cf_handle(kind.family())
    }

    /// The value of a record, by the whole key.
    pub(super) fn get(&self, key: &[u8], from: Tier) -> Result<Option<Vec<u8>>, DatabaseError> {
        if let Some(seen) = self.hidden.load().as_ref().and_then(|hidden| hidden.get(key)) {
            return Ok(seen.clone());
        }
        let Some((family, name)) = self.place(key) else { return Ok(None) };
        Ok(self.rocksdb.get_cf_opt(family, name, &read_options(from))?)
    }

    fn place<'a>(&self, key: &'a [u8]) -> Option<(&ColumnFamily, &'a [u8])> {
        let (code, name) = key.split_first()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == *code)?;
        Some((self.family(kind)?, name))
    }

    fn get_meta(&self, name: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
        Ok(self.family(Kind::Meta).map(|family| self.rocksdb.get_cf(family, name)).transpose()?.flatten())
    }

    /// The state that was written with the newest change.
    pub(super) fn state(&self) -> Result<Option<State>, DatabaseError> {
        Ok(self.get_meta(STATE)?.and_then(|bytes| State::from_bytes(&bytes)))
    }

    /// The version of the format that was written with the newest change.
    pub(super) fn format(&self) -> Result<Option<u32>, DatabaseError> {
        Ok(self.get_meta(FORMAT)?.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes))
    }

    /// Hands all records of a kind to `each`, in the order of their keys, with their checksums verified, as they stood at one moment. Stops
    /// at the first error.
    pub(super) fn scan<E>(
        &self,
        kind: Kind,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, DatabaseError> {
        let Some(family) = self.family(kind) else { return Ok(Ok(())) };
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(SCAN_READ_AHEAD);
        // What readers see instead of something stands between the others, in the order of the keys.
        let hidden = self.hidden.load_full().unwrap_or_default();
        let mut hidden = hidden.range(vec![kind.code()]..vec![kind.code() + 1]).peekable();
        let mut key = vec![kind.code()];
        for entry in self.rocksdb.iterator_cf_opt(family, options, IteratorMode::Start) {
            let (name, value) = entry?;
            if kind == Kind::Meta && (*name == *STATE || *name == *FORMAT) {
                continue;
            }
            key.truncate(1);
            key.extend(&*name);
            while let Some((before, value)) = hidden.next_if(|(before, _)| **before < key) {
                if let Some(Err(error)) = value.as_ref().map(|value| each(before, value)) {
                    return Ok(Err(error));
                }
            }
            let value = hidden.next_if(|(same, _)| **same == key).map_or(Some(&*value), |(_, value)| value.as_deref());
            if let Some(Err(error)) = value.map(|value| each(&key, value)) {
                return Ok(Err(error));
            }
        }
        let mut rest = hidden.filter_map(|(key, value)| Some((key, value.as_ref()?)));
        Ok(rest.try_for_each(|(key, value)| each(key, value)))
    }

    /// Reads credentials into the cache until it is full, or `go_on` says no. Gives whether that is done.
    pub(super) fn fill_cache(&self, mut go_on: impl FnMut() -> bool) -> Result<bool, DatabaseError> {
        let Some(family) = self.family(Kind::Scram) else { return Ok(true) };
        let mut len = 0;
        for (n, entry) in self.rocksdb.iterator_cf(family, IteratorMode::Start).enumerate() {
            let (name, value) = entry?;
            len += name.len() + value.len();
            if len > CACHED_RECORDS {
                break;
            }
            if n % FILLED_AT_ONCE == 0 && !go_on() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether background work has failed; RocksDB then takes no more changes.
    pub(super) fn has_failed(&self) -> bool {
        self.rocksdb.property_int_value("rocksdb.background-errors").ok().flatten().is_some_and(|count| count > 0)
    }

    /// Writes down and syncs a change as a whole.
    pub(super) fn write(&self, change: Batch<'_>) -> Result<(), DatabaseError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.rocksdb.write_opt(change.batch, &options)?)
    }

    /// Writes without the log: for a database that is being made. [`Database::flush`] follows.
    pub(super) fn write_unlogged(&self, change: Batch<'_>) -> Result<(), DatabaseError> {
        Ok(self.rocksdb.write_without_wal(change.batch)?)
    }

    /// Everything is in synced files.
    pub(super) fn flush(&self) -> Result<(), DatabaseError> {
        Kind::ALL
            .into_iter()
            .filter_map(|kind| self.family(kind))
            .try_for_each(|family| Ok(self.rocksdb.flush_cf(family)?))
    }
}

/// Records that are written as a whole.
pub(super) struct Batch<'a> {
    database: &'a Database,
    batch: WriteBatch,
}

impl<'a> Batch<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        Self { database, batch: WriteBatch::default() }
    }

    /// Applies a record: the one way in which records come into a database.
    pub(super) fn apply(&mut self, record: &Record) -> Result<(), DatabaseError> {
        let Some((family, name)) = self.database.place(&record.key) else {
            return Err(DatabaseError::Failed("a record of an unknown kind".into()));
        };
        match &record.value {
            Some(value) => self.batch.put_cf(family, name, value),
            None => self.batch.delete_cf(family, name),
        }
        Ok(())
    }

    /// The state that the records of this batch lead to.
    pub(super) fn set_state(&mut self, state: State) {
        self.put_meta(STATE, &state.to_bytes());
    }

    pub(super) fn set_format(&mut self, format: u32) {
        self.put_meta(FORMAT, &format.to_be_bytes());
    }

    fn put_meta(&mut self, name: &[u8], value: &[u8]) {
        if let Some(family) = self.database.family(Kind::Meta) {
            self.batch.put_cf(family, name, value);
        }
    }

    /// Bytes of it in the log.
    pub(super) fn len(&self) -> usize {
        self.batch.size_in_bytes()
    }
}
