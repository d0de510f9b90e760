//! What the tools do with a store that no server of this process has open: look, copy, bring back.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

use super::change::{Kind, Unreadable};
use super::database::{Database, DatabaseError, Tier};
use super::files;
use super::inspect::{Inspected, Problem, inspect, inspect_live};
use super::place::Place;
use super::state::State;
use super::upgrade::NEWEST;
use super::{Change, OpenError, Store, StoreError};
use crate::secret::Secret;

/// Under [`Kind::Meta`].
const UNKNOWN_USER_KEY: &[u8] = b"\x00unknown-user-key";
const UNKNOWN_USER_KEY_LEN: usize = 32;

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
    pub fn verify(directory: &Path) -> Result<Summary, OpenError> {
        let Ok(summary) = Self::for_each(directory, |_| Ok::<(), std::convert::Infallible>(()))?;
        Ok(summary)
    }

    /// Hands each record to `each`, as the change that would make it, in the order of the names, after everything was checked. Changes
    /// nothing. Also works while a server has the store open: what is handed out stood there at one moment. Stops at the first error of `each`.
    pub fn for_each<E>(
        directory: &Path,
        mut each: impl FnMut(Change) -> Result<(), E>,
    ) -> Result<Result<Summary, E>, OpenError> {
        enum Stop<E> {
            Unreadable(Unreadable),
            Theirs(E),
        }
        let place = Place::new(directory);
        let found = look_into(&place)?;
        let scanned = found.database.scan(Kind::Scram, |key, value| {
            each(Change::from_record(key, Some(value)).map_err(Stop::Unreadable)?).map_err(Stop::Theirs)
        });
        match scanned.map_err(|error| place.error(error))? {
            Ok(()) => Ok(Ok(summary(found.state, found.format))),
            Err(Stop::Theirs(error)) => Ok(Err(error)),
            Err(Stop::Unreadable(error)) => Err(place.error(error)),
        }
    }

    /// Copies the store to a directory that is missing or empty: the copy is a store itself. Also works while a server has the store open.
    pub fn backup(from: &Path, to: &Path) -> Result<Summary, OpenError> {
        let (source, target) = (Place::new(from), Place::new(to));
        let found = look_into(&source)?;
        if target.look()? {
            return Err(
                target.error("there is a store already; a backup goes to a directory of its own, missing or empty")
            );
        }
        let _lock = target.lock()?;
        copy(&found, &target)?;
        target.finish_new()?;
        Ok(summary(found.state, found.format))
    }

    /// Copies a backup to a store directory that no server has open. A store that is there is only replaced, and then kept beside, if
    /// `replace` says so.
    pub fn restore(backup: &Path, to: &Path, replace: bool) -> Result<Restored, OpenError> {
        let (source, target) = (Place::new(backup), Place::new(to));
        let found = look_into(&source)?;
        if target.look_for_restore()? && !replace {
            return Err(target.error("there is a store already; with --replace it is put aside and replaced"));
        }
        let _lock = target.lock()?;
        let before = super::acknowledged::Acknowledged::read(&target.current().acknowledged());
        copy(&found, &target)?;
        let replaced = target.finish_new()?;
        let may_revive_credentials = replaced.is_some()
            && match before {
                Ok(Some(before)) => before.revision > found.state.revision && before.digest != found.state.digest,
                _ => true,
            };
        Ok(Restored { now: summary(found.state, found.format), replaced, may_revive_credentials })
    }

    /// Makes a new store of what can be read of a damaged one, and keeps the damaged one beside. Credentials that were removed or changed
    /// lately may be valid again. Refuses a store that is whole.
    pub fn accept_loss(directory: &Path) -> Result<AcceptedLoss, OpenError> {
        let place = Place::new(directory);
        if !place.look()? {
            return Err(place.error("there is no store"));
        }
        let _lock = place.lock()?;
        match inspect(&place.current(), NEWEST) {
            Ok(_) => return Err(place.error("the store is whole; there is no loss to accept")),
            Err(Problem::Damaged(what)) => tracing::warn!("the store is damaged: {what}"),
            Err(other) => return Err(other.into_error(&place)),
        }
        let home = place.current();
        let acknowledged = super::acknowledged::Acknowledged::read(&home.acknowledged()).ok().flatten();
        let hopeless = |error: DatabaseError| {
            place.error(format_args!(
                "nothing can be read of it: {error}. Only a backup helps: `doorkeeper store restore`"
            ))
        };
        let damaged = Database::open_read_only(&home.rocksdb()).map_err(hopeless)?;
        let known = damaged.state().ok().flatten();
        let revision = [known, acknowledged].into_iter().flatten().map(|state| state.revision).max().unwrap_or(0);
        let key = match damaged.get(UNKNOWN_USER_KEY, Tier::Disk) {
            Ok(Some(key)) => key,
            _ => random_key().map_err(|error| place.error(error))?,
        };
        let new = place.start_new()?;
        let made = files::make(&new, revision.saturating_add(1), NEWEST, |put| {
            put(UNKNOWN_USER_KEY, &key)?;
            let scanned = damaged.scan(Kind::Scram, |key, value| match Change::from_record(key, Some(value)) {
                Ok(_) => put(key, value),
                Err(_) => Ok(()),
            });
            match scanned {
                Ok(written) => Ok(written?),
                // What stands behind a place that cannot be read is lost.
                Err(error) => {
                    tracing::warn!("the rest cannot be read: {error}");
                    Ok(())
                }
            }
        });
        let state = made.map_err(|error| place.error(error))?;
        drop(damaged);
        let replaced = place.finish_new()?.unwrap_or_default();
        Ok(AcceptedLoss {
            now: summary(state, NEWEST),
            acknowledged_revision: acknowledged.map(|state| state.revision),
            acknowledged_records: acknowledged.map(|state| state.records),
            replaced,
        })
    }
}

/// A store that is only read.
fn look_into(place: &Place) -> Result<Inspected, OpenError> {
    if !place.look()? {
        return Err(place.error("there is no store"));
    }
    inspect_live(place, NEWEST).map_err(|problem| problem.into_error(place))
}

/// Makes a store of the same records, format and revision in `new` of a place that is locked.
fn copy(from: &Inspected, to: &Place) -> Result<(), OpenError> {
    let new = to.start_new()?;
    let made = files::make(&new, from.state.revision, from.format, |put| {
        for kind in Kind::ALL {
            from.database.scan(kind, &mut *put)??;
        }
        Ok(())
    });
    match made {
        Ok(state) if state == from.state => Ok(()),
        Ok(_) => Err(to.error("the copy is not what was copied")),
        Err(error) => Err(to.error(error)),
    }
}

/// Makes a store without users.
pub(super) fn make_empty(place: &Place, format: u32) -> Result<(), OpenError> {
    let new = place.start_new()?;
    let made = random_key().and_then(|key| files::make(&new, 1, format, |put| Ok(put(UNKNOWN_USER_KEY, &key)?)));
    made.map_err(|error| place.error(error))?;
    place.finish_new()?;
    Ok(())
}

fn random_key() -> Result<Vec<u8>, StoreError> {
    let mut key = vec![0; UNKNOWN_USER_KEY_LEN];
    rand::fill(&mut key).map_err(|_| StoreError::Failed("no random bytes".into()))?;
    Ok(key)
}

/// The key from which the salts of users that do not exist are made.
pub(super) fn unknown_user_key(database: &Database) -> Result<Secret, StoreError> {
    let key = database.get(UNKNOWN_USER_KEY, Tier::Disk)?;
    let key = key.filter(|key| key.len() == UNKNOWN_USER_KEY_LEN);
    key.map(Secret::new).ok_or_else(|| StoreError::Failed("it has no key for the salts of unknown users".into()))
}

fn summary(state: State, format: u32) -> Summary {
    Summary { format, revision: state.revision, records: state.records }
}
