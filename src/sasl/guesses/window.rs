//! How many logins failed in the last minute.

use std::time::Duration;

const PART: u64 = Duration::from_secs(10).as_nanos() as u64;
/// Those of a minute and the one that runs: so no minute, wherever it begins, has more than the limit.
const PARTS: usize = 7;

/// Glances of an address, or at an account, that have no verdict yet: so few that they hold nobody else back.
const GLANCES: u32 = 4;

/// Whom a check is reserved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Anybody.
    Limited,
    /// Who is not to be held back.
    Exempt,
    /// Who wants to know at once.
    Glance,
}

impl Rule {
    pub(super) fn exempt_if(is_exempt: bool) -> Self {
        if is_exempt { Self::Exempt } else { Self::Limited }
    }
}

/// Failed logins by parts of a minute, and checks that are about to end.
#[derive(Default)]
pub(super) struct Counted {
    failed: [u32; PARTS],
    /// The part that `failed` reaches up to.
    part: u64,
    pending: u32,
}

impl Counted {
    /// Reserves one check, unless too many have failed. Checks that have not ended count as failed as soon as one has: so that
    /// many at once do not get more than the limit, and those whose first logins come at once are not held back for that.
    pub(super) fn reserve(&mut self, limit: u32, at: u64, rule: Rule) -> bool {
        self.advance(at);
        let failed = self.failed.iter().fold(0, |sum: u32, part| sum.saturating_add(*part));
        let with_pending = failed.saturating_add(self.pending);
        let admits = match rule {
            Rule::Exempt => true,
            Rule::Limited => failed < limit && (failed == 0 || with_pending < limit),
            Rule::Glance => self.pending < GLANCES && with_pending < limit,
        };
        if admits {
            self.pending = self.pending.saturating_add(1);
        }
        admits
    }

    /// A reserved check has failed.
    pub(super) fn fail(&mut self, at: u64) {
        self.advance(at);
        self.pending = self.pending.saturating_sub(1);
        let now = &mut self.failed[(self.part % PARTS as u64) as usize];
        *now = now.saturating_add(1);
    }

    /// A reserved check has not failed. Gives whether there is nothing left to remember.
    pub(super) fn release(&mut self) -> bool {
        self.pending = self.pending.saturating_sub(1);
        self.pending == 0 && self.failed.iter().all(|part| *part == 0)
    }

    fn advance(&mut self, at: u64) {
        let now = at / PART;
        for part in (self.part + 1..=now).take(PARTS) {
            self.failed[(part % PARTS as u64) as usize] = 0;
        }
        // Two threads may ask in another order than they looked at the clock.
        self.part = self.part.max(now);
    }
}
