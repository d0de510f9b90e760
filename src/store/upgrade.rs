//! The versions of the format, and the way from one to the next.

use super::change::Record;
use super::database::{Database, DatabaseError};

/// The version that this release writes.
pub(super) const NEWEST: u32 = 1;

/// What changes in the records from one format to the next; all of it is written as a whole.
pub(super) type Step = fn(&Database) -> Result<Vec<Record>, DatabaseError>;

/// The formats that a release knows.
#[derive(Clone, Copy)]
pub(super) struct Formats {
    /// The newest.
    pub(super) newest: u32,
    /// From format 1 to 2, from 2 to 3 and so on.
    pub(super) steps: &'static [Step],
}

/// This release's. A store of each format from 1 on lies in `tests/`, and must open for ever.
pub(super) const FORMATS: Formats = Formats { newest: NEWEST, steps: &[] };

impl Formats {
    /// The step that leads on from a format.
    pub(super) fn step(&self, from: u32) -> Option<Step> {
        self.steps.get(usize::try_from(from).ok()?.checked_sub(1)?).copied()
    }
}
