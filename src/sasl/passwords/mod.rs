//! Passwords against the credentials of SCRAM: PBKDF2, milliseconds for each, on a few threads of their own.
//!
//! `docs/decisions/passwords.md` says how many may wait, what is remembered of a right one, and what a client can tell by time.

mod cache;
mod fair_queue;
mod pool;
mod stored;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use self::cache::{Cache, Tag};
pub use self::fair_queue::{MAX_QUEUED, MAX_QUEUED_OF_ADDRESS};
use self::pool::{Full, Pool};
pub(super) use self::stored::StoredUsers;
use super::guesses::{Admitted, Guesser};
use super::mechanism::Outage;
use crate::config::network_of;
use crate::scram::{ScramCredential, ScramMechanism};
use crate::secret::Secret;

const QUEUE_FULL: Outage = Outage("too many password checks wait");
/// It panicked, or made room for those of others.
const NO_VERDICT: Outage = Outage("a password check came to no verdict");

/// What became of a password check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password was checked.
    Done,
    /// It was known to be right.
    Cached,
    /// Too many failed before it: the password was not looked at.
    HeldBack,
    /// Too many waited: the login ended without an answer.
    QueueFull,
    /// The client left before its turn.
    Abandoned,
}

impl PasswordCheck {
    /// Each of them once.
    pub const ALL: [Self; 5] = [Self::Done, Self::Cached, Self::HeldBack, Self::QueueFull, Self::Abandoned];

    /// A fixed word for metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cached => "cached",
            Self::HeldBack => "held_back",
            Self::QueueFull => "queue_full",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The threads, and the passwords that were right. One for all listeners, as long as the server lives.
pub struct Passwords {
    pool: Pool,
    checks: Arc<Checks>,
}

/// What the threads need of it.
struct Checks {
    cache: Cache,
    ended: [AtomicU64; PasswordCheck::ALL.len()],
}

/// One password that shall be checked.
struct Attempt {
    guesser: Guesser,
    mechanism: ScramMechanism,
    credential: ScramCredential,
    /// As [`ScramMechanism::fold`] gives it, so that what waits is small.
    password: Secret,
    tag: Tag,
}

impl Passwords {
    /// At most so many threads, which begin when they are needed, and so many right passwords that are remembered.
    pub fn new(threads: usize, cache_size: usize) -> Self {
        let checks = Checks { cache: Cache::new(cache_size), ended: Default::default() };
        Self { pool: Pool::new(threads), checks: Arc::new(checks) }
    }

    /// Another size for what is remembered, which is forgotten.
    pub fn set_cache_size(&self, size: usize) {
        self.checks.cache.resize(size);
    }

    /// Checks that wait for a thread.
    pub fn queued(&self) -> usize {
        self.pool.queued()
    }

    /// Threads that compute.
    pub fn running(&self) -> u64 {
        self.pool.running()
    }

    /// How many checks have ended so.
    pub fn ended(&self, check: PasswordCheck) -> u64 {
        match check {
            PasswordCheck::Abandoned => self.pool.abandoned(),
            PasswordCheck::QueueFull => {
                self.pool.pushed_out() + self.checks.ended[check as usize].load(Ordering::Relaxed)
            }
            other => self.checks.ended[other as usize].load(Ordering::Relaxed),
        }
    }

    /// Whether the password is the credential's. Costs the same time whether it is or not, unless it was right a while ago at this
    /// address; a guesser who is held back is told that it is not.
    async fn is_of(
        &self,
        peer: IpAddr,
        guesser: Guesser,
        user: &str,
        (mechanism, credential): (ScramMechanism, ScramCredential),
        password: &[u8],
    ) -> Result<bool, Outage> {
        let password = mechanism.fold(password);
        let tag = self.checks.cache.tag(user, &credential, password.expose());
        let attempt = Attempt { guesser, mechanism, credential, password, tag };
        let glance = match self.checks.glance(&attempt) {
            Glance::Known => return Ok(true),
            Glance::Unknown(admitted) => Some(Unjudged { guesser: attempt.guesser.clone(), admitted: Some(admitted) }),
            Glance::NotTaken => None,
        };
        let checks = Arc::clone(&self.checks);
        let answer = self.pool.run(network_of(peer), move || {
            if let Some(glance) = glance {
                glance.end();
            }
            checks.judge(&attempt)
        });
        match answer {
            Ok(answer) => answer.await.ok_or(NO_VERDICT),
            Err(Full) => {
                self.checks.count(PasswordCheck::QueueFull);
                Err(QUEUE_FULL)
            }
        }
    }
}

impl Default for Passwords {
    /// One thread, and nothing is remembered.
    fn default() -> Self {
        Self::new(1, 0)
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("cache_size", &self.checks.cache.size()).finish_non_exhaustive()
    }
}

/// What a look at what is remembered, before anything is queued, comes to.
enum Glance {
    /// It is right.
    Known,
    /// It is not known, and the look counts as long as the check has not begun.
    Unknown(Admitted),
    /// Only who has logged in before, and has not failed since, may be served past the queue.
    NotTaken,
}

impl Checks {
    fn glance(&self, attempt: &Attempt) -> Glance {
        let Attempt { guesser, tag, .. } = attempt;
        // Done in any case, so that it takes the same time.
        let known = self.cache.has(tag);
        let Some(admitted) = guesser.glance(Instant::now()) else { return Glance::NotTaken };
        if !known {
            return Glance::Unknown(admitted);
        }
        self.count(PasswordCheck::Cached);
        admitted.succeeded(Instant::now());
        Glance::Known
    }

    /// On a thread of the pool.
    fn judge(&self, attempt: &Attempt) -> bool {
        let Attempt { guesser, mechanism, credential, password, tag } = attempt;
        let Ok(admitted) = guesser.admit(Instant::now()) else {
            self.count(PasswordCheck::HeldBack);
            return false;
        };
        if self.cache.has(tag) {
            self.count(PasswordCheck::Cached);
            admitted.succeeded(Instant::now());
            return true;
        }
        let is_right = credential.is_of(*mechanism, password.expose());
        self.count(PasswordCheck::Done);
        if is_right {
            self.cache.keep(*tag);
            admitted.succeeded(Instant::now());
        } else {
            admitted.failed(Instant::now());
        }
        is_right
    }

    fn count(&self, check: PasswordCheck) {
        self.ended[check as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// A glance that found nothing and has no verdict yet. Whoever leaves before there is one has learnt that the password is not
/// remembered, and gets no further glance.
struct Unjudged {
    guesser: Guesser,
    admitted: Option<Admitted>,
}

impl Unjudged {
    fn end(mut self) {
        self.admitted = None;
    }
}

impl Drop for Unjudged {
    fn drop(&mut self) {
        // Before its place is free for the next glance.
        if self.admitted.is_some() {
            self.guesser.distrust(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
