//! Whether a store is whole: everything is read, and compared with what was acknowledged. Nothing is changed, so that a store that is
//! refused is still there to be looked at.

use std::io;

use super::OpenError;
use super::change::Kind;
use super::database::{Database, DatabaseError};
use super::place::{Home, Place};
use super::present::Present;
use super::state::State;

/// How often a store is looked at again that a server is changing meanwhile.
const LIVE_ATTEMPTS: u32 = 50;
const LIVE_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// A store that is whole.
pub(super) struct Inspected {
    /// As it stood when it was opened, for reading.
    pub(super) database: Database,
    pub(super) state: State,
    pub(super) format: u32,
    pub(super) present: Present,
}

/// Why a store is not opened.
#[derive(Debug)]
pub(super) enum Problem {
    /// It is not whole.
    Damaged(String),
    /// A later release has written it.
    Newer(u32),
    /// It cannot be said: the system did not let us look.
    Unknown(String),
}

impl Problem {
    /// For whoever runs the server.
    pub(super) fn into_error(self, place: &Place) -> OpenError {
        match self {
            Self::Damaged(what) => place.damage(format_args!(
                "the store is damaged: {what}. It is not opened, because changes that were acknowledged may be missing and credentials that \
                 were removed may be back. Bring back a backup: `doorkeeper store restore`. Or keep what can still be read, with that risk: \
                 `doorkeeper store verify --accept-loss`"
            )),
            Self::Newer(format) => place.error(format_args!(
                "a later release has written this store (format {format}; this release knows formats up to {}). Start that release, or bring \
                 back a backup that this one can read: `doorkeeper store restore`",
                super::upgrade::NEWEST
            )),
            Self::Unknown(what) => place.error(what),
        }
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// A file that is missing or cannot be read.
fn file(name: &str) -> impl Fn(io::Error) -> Problem {
    move |error| match error.kind() {
        io::ErrorKind::PermissionDenied => Problem::Unknown(format!("{name}: {error}")),
        _ => Problem::Damaged(format!("{name}: {error}")),
    }
}

/// Looks at a store that no process has open.
pub(super) fn inspect(home: &Home, newest_format: u32) -> Result<Inspected, Problem> {
    let format = home.read_format().map_err(file("FORMAT"))?;
    let format = format.ok_or_else(|| Problem::Damaged("FORMAT holds no number".into()))?;
    if format > newest_format {
        return Err(Problem::Newer(format));
    }
    let before = acknowledged(home)?;
    let database = Database::open_read_only(&home.rocksdb())?;
    let (counted, present) = read(&database)?;
    let state = database.state()?.ok_or_else(|| Problem::Damaged("the records do not say what they are".into()))?;
    if state.records != counted.records || state.digest != counted.digest {
        return Err(Problem::Damaged(format!(
            "{} records are there and {} should be, or some are not what was written",
            counted.records, state.records
        )));
    }
    // A server that has it open may have gone on since.
    compare(state, before, acknowledged(home)?)?;
    let written = database.format()?;
    // An upgrade that was not finished has written the records and not the file.
    if written != Some(format) && written != format.checked_add(1) {
        return Err(Problem::Damaged("FORMAT and the records do not agree".into()));
    }
    let format = written.unwrap_or(format);
    if format > newest_format {
        Err(Problem::Newer(format))
    } else {
        Ok(Inspected { database, state, format, present })
    }
}

/// Looks at a store that a server may be changing.
pub(super) fn inspect_live(place: &Place, newest_format: u32) -> Result<Inspected, Problem> {
    let mut attempt = 0;
    loop {
        let in_use = place.is_in_use();
        match inspect(&place.current(), newest_format) {
            // A file went away between two looks, or the end of one was not written yet. Who was not there before may be now.
            Err(Problem::Damaged(_)) if attempt < LIVE_ATTEMPTS && (in_use || place.is_in_use()) => {
                attempt += 1;
                std::thread::sleep(LIVE_PAUSE);
            }
            other => return other,
        }
    }
}

fn acknowledged(home: &Home) -> Result<State, Problem> {
    let found = super::acknowledged::Acknowledged::read(&home.acknowledged()).map_err(file("ACKNOWLEDGED"))?;
    found.ok_or_else(|| Problem::Damaged("ACKNOWLEDGED is not readable".into()))
}

/// What the records are, and which there are, by reading all of them.
pub(super) fn read(database: &Database) -> Result<(State, Present), DatabaseError> {
    let (mut counted, mut present) = (State::default(), Present::default());
    for kind in Kind::ALL {
        let Ok(()) = database.scan(kind, |key, value| {
            counted.add(key, value);
            present.add(key);
            Ok::<(), std::convert::Infallible>(())
        })?;
    }
    Ok((counted, present))
}

/// The records end with the newest acknowledged change, or with the one after it, which was on the disk when the process ended and was not
/// acknowledged yet. `before` and `after` are what was acknowledged before and after `state` was read.
fn compare(state: State, before: State, after: State) -> Result<(), Problem> {
    if state.revision < before.revision {
        return Err(Problem::Damaged(format!(
            "change {} was acknowledged, and the records end with change {}",
            before.revision, state.revision
        )));
    }
    if state.revision > after.revision.saturating_add(1) {
        return Err(Problem::Damaged(format!(
            "the records end with change {}, and ACKNOWLEDGED knows only change {}: it is not of these records",
            state.revision, after.revision
        )));
    }
    if [before, after].into_iter().any(|known| known.revision == state.revision && known != state) {
        return Err(Problem::Damaged(format!("after change {} other records were there", state.revision)));
    }
    Ok(())
}
