//! What the tools do with a store that no server of this process has open: look, copy, bring back.

use std::path::{Path, PathBuf};

use super::{Change, OpenError, Store};

/// What a store was found to hold, after all of it was read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Version of its format.
    pub format: u32,
    /// Number of its newest change.
    pub revision: u64,
    /// Records (credentials) in it.
    pub records: u64,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What stands there now.
    pub now: Summary,
    /// Where the store that stood there before lies now, if there was one.
    pub replaced: Option<PathBuf>,
    /// Whether the store that was there before had acknowledged changes that the backup does not know, or can no longer tell:
    /// credentials that were removed or changed since may be valid again.
    pub may_revive_credentials: bool,
}

/// What was left of a damaged store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLoss {
    /// What stands there now.
    pub now: Summary,
    /// The number of the newest change that had been acknowledged, if that can be told.
    pub acknowledged_revision: Option<u64>,
    /// How many records it had then, if that can be told.
    pub acknowledged_records: Option<u64>,
    /// Where the damaged store lies now.
    pub replaced: PathBuf,
}

/// These block: not for an async worker. Each text of an [`OpenError`] names the directory and what to do.
impl Store {
    /// Reads and checks everything and changes nothing. Also works while a server has the store open.
    pub fn verify(_directory: &Path) -> Result<Summary, OpenError> {
        Err(OpenError("not built yet".into()))
    }

    /// Hands each record to `each`, as the change that would make it, in the order of the names, after everything was checked. Changes
    /// nothing. Also works while a server has the store open: what is handed out stood there at one moment. Stops at the first error of `each`.
    pub fn for_each<E>(
        _directory: &Path,
        _each: impl FnMut(Change) -> Result<(), E>,
    ) -> Result<Result<Summary, E>, OpenError> {
        Err(OpenError("not built yet".into()))
    }

    /// Copies the store to a directory that is missing or empty: the copy is a store itself. Also works while a server has the store open.
    pub fn backup(_from: &Path, _to: &Path) -> Result<Summary, OpenError> {
        Err(OpenError("not built yet".into()))
    }

    /// Copies a backup to a store directory that no server has open. A store that is there is only replaced, and then kept beside, if
    /// `replace` says so.
    pub fn restore(_backup: &Path, _to: &Path, _replace: bool) -> Result<Restored, OpenError> {
        Err(OpenError("not built yet".into()))
    }

    /// Makes a new store of what can be read of a damaged one, and keeps the damaged one beside. Credentials that were removed or changed
    /// lately may be valid again. Refuses a store that is whole.
    pub fn accept_loss(_directory: &Path) -> Result<AcceptedLoss, OpenError> {
        Err(OpenError("not built yet".into()))
    }
}
