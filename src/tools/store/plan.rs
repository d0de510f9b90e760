//! What an import changes, decided by what is there.

use crate::scram::ScramCredential;
use crate::store::{Change, StoreError, View};

use super::lines::Entry;

/// What becomes of a credential that is there and differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is imported at all.
    Refuse,
    /// It stays.
    Skip,
    /// It is replaced.
    Replace,
}

/// What an import does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Credentials that were not there.
    pub new: u64,
    /// Those that were there and differ, and are replaced.
    pub replaced: u64,
    /// Those that were there and differ, and stay.
    pub skipped: u64,
    /// Those that were there and are the same.
    pub same: u64,
    /// Those that were there and differ, where that is refused: user and mechanism.
    pub conflicts: Vec<String>,
}

/// Most conflicts that are named.
const NAMED: usize = 10;

impl Counts {
    /// How many were looked at.
    pub fn all(&self) -> u64 {
        self.new + self.replaced + self.skipped + self.same + self.conflicts.len() as u64
    }

    /// In words; the verbs stand in the past tense of what was done or would be.
    pub fn in_words(&self) -> String {
        let Self { new, replaced, skipped, same, .. } = self;
        format!("{new} new, {replaced} replaced, {skipped} skipped, {same} there already")
    }

    /// The first of the conflicts, in words.
    pub fn conflicts_in_words(&self) -> String {
        let named = self.conflicts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        match self.conflicts.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

/// The changes that bring these credentials in.
pub fn plan(entries: &[Entry], on_conflict: OnConflict, view: &dyn View) -> Result<(Vec<Change>, Counts), StoreError> {
    let (mut changes, mut counts) = (Vec::new(), Counts::default());
    for Entry { user, mechanism, credential } in entries {
        let set = || Change::SetScram { user: user.clone(), mechanism: *mechanism, credential: credential.clone() };
        match (view.scram(user, *mechanism)?, on_conflict) {
            (None, _) => {
                counts.new += 1;
                changes.push(set());
            }
            (Some(found), _) if is_same(&found, credential) => counts.same += 1,
            (Some(_), OnConflict::Replace) => {
                counts.replaced += 1;
                changes.push(set());
            }
            (Some(_), OnConflict::Skip) => counts.skipped += 1,
            (Some(_), OnConflict::Refuse) => {
                counts.conflicts.push(format!("'{}' ({mechanism})", user.escape_debug()));
            }
        }
    }
    if !counts.conflicts.is_empty() {
        changes.clear();
    }
    Ok((changes, counts))
}

fn is_same(a: &ScramCredential, b: &ScramCredential) -> bool {
    a.iterations() == b.iterations()
        && a.salt() == b.salt()
        && a.stored_key().matches(b.stored_key().expose())
        && a.server_key().matches(b.server_key().expose())
}
