//! The file `ACKNOWLEDGED`: what the store held when a change was last acknowledged.
//!
//! RocksDB alone cannot tell a log that lost its end from a shorter one, and opens it. This file can: it is written and synced after the
//! log and before the acknowledgement. Two slots are written in turn, each with a checksum, so that one is whole at each moment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::state::{STATE_LEN, State};

/// Its name.
pub(super) const FILE: &str = "ACKNOWLEDGED";
/// First bytes of a slot; the last of them is the version.
const MAGIC: &[u8; 8] = b"dk-ack\x00\x01";
const CHECKSUM_LEN: usize = 32;
const SLOT_LEN: usize = MAGIC.len() + STATE_LEN + CHECKSUM_LEN;
/// Where the slots stand: in blocks of their own, so that a torn write of one leaves the other.
const SLOTS: [u64; 2] = [0, 4096];

/// The file, open for writing.
pub(super) struct Acknowledged {
    file: File,
    /// The slot to write next.
    next: usize,
}

impl Acknowledged {
    /// Makes the file.
    pub(super) fn create(path: &Path, state: State) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        // Both, so that the file has its length and its blocks from now on.
        for slot in SLOTS {
            file.write_all_at(&slot_bytes(state), slot)?;
        }
        file.sync_all()
    }

    /// What was acknowledged last: nothing if no slot is whole.
    pub(super) fn read(path: &Path) -> io::Result<Option<State>> {
        Ok(newest(&File::open(path)?)?.map(|(_, state)| state))
    }

    /// Opens the file of a store that holds `state` now, and writes that down.
    pub(super) fn open(path: &Path, state: State) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let next = match newest(&file)? {
            // The same again: what is read here may stand in memory alone, after a sync that failed.
            Some((slot, found)) if found == state => slot,
            Some((slot, _)) => 1 - slot,
            None => 0,
        };
        let mut this = Self { file, next };
        this.write(state)?;
        Ok(this)
    }

    /// Writes down what may now be acknowledged. It may be when this has returned without error, and not before.
    pub(super) fn write(&mut self, state: State) -> io::Result<()> {
        self.file.write_all_at(&slot_bytes(state), SLOTS[self.next])?;
        self.file.sync_data()?;
        self.next = 1 - self.next;
        Ok(())
    }
}

fn slot_bytes(state: State) -> [u8; SLOT_LEN] {
    let mut bytes = [0; SLOT_LEN];
    let (head, sum) = bytes.split_at_mut(SLOT_LEN - CHECKSUM_LEN);
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head[MAGIC.len()..].copy_from_slice(&state.to_bytes());
    sum.copy_from_slice(digest(&SHA256, head).as_ref());
    bytes
}

fn newest(file: &File) -> io::Result<Option<(usize, State)>> {
    let mut found: Option<(usize, State)> = None;
    for (slot, offset) in SLOTS.into_iter().enumerate() {
        let mut bytes = [0; SLOT_LEN];
        match file.read_exact_at(&mut bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            other => other?,
        }
        let Some(state) = State::from_bytes(&bytes[MAGIC.len()..SLOT_LEN - CHECKSUM_LEN]) else { continue };
        let is_whole = bytes == slot_bytes(state);
        if is_whole && found.is_none_or(|(_, other)| state.revision > other.revision) {
            found = Some((slot, state));
        }
    }
    Ok(found)
}
