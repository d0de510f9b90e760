//! Failed logins are limited per address and per account, whatever the mechanism: who guesses is held back, who knows the
//! password is not. `docs/decisions/passwords.md` says why it is so.
//!
//! A mechanism asks before it compares a credential, and says what came of it:
//!
//! ```ignore
//! let Ok(admitted) = guesses.admit(peer.address.ip(), username, Instant::now()) else {
//!     return wrong_password; // the very same answer
//! };
//! if is_right { admitted.succeeded(Instant::now()) } else { admitted.failed(Instant::now()) }
//! ```

mod table;
mod window;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand::SystemRandom};

pub use self::table::MAX_ENTRIES;
use self::table::Table;
use self::window::{Counted, Rule};
use crate::config::network_of;

/// How long an address that has failed on an account is remembered as such.
pub const FAILURE_MEMORY: Duration = Duration::from_secs(10 * 60);
/// How long an address that has logged in to an account is remembered as such.
pub const SUCCESS_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// Lines in the log in a minute about logins that were held back.
const LINES: u32 = 10;

/// Which limit holds a login back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessLimit {
    /// `sasl.failed.logins.per.minute.per.address`
    Address,
    /// `sasl.failed.logins.per.minute.per.account`
    Account,
}

impl GuessLimit {
    /// Each of them once.
    pub const ALL: [Self; 2] = [Self::Address, Self::Account];

    /// A fixed word for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
        }
    }
}

/// The credential must not be looked at; the client gets the answer that a wrong one gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack(pub GuessLimit);

/// Failed logins, of all listeners and mechanisms. Tables of at most [`MAX_ENTRIES`] entries each; what was touched longest
/// ago makes room. Names and addresses are kept as keyed hashes.
pub struct Guesses {
    key: hmac::Key,
    start: Instant,
    per_address: AtomicU32,
    per_account: AtomicU32,
    addresses: Table<Counted>,
    accounts: Table<Counted>,
    /// When an address last failed on an account.
    failed: Table<u64>,
    /// When an address last logged in to an account. Apart from those that failed, so that strangers cannot push one out.
    succeeded: Table<u64>,
    held_back: [AtomicU64; GuessLimit::ALL.len()],
    /// A minute, and the lines that it has had.
    told: Mutex<(u64, u32)>,
}

impl Guesses {
    /// Failed logins in a minute per address and per account; 0 is no limit.
    pub fn new(per_address: u32, per_account: u32) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Self {
            key: key.expect("the system gives random bytes"),
            start: Instant::now(),
            per_address: AtomicU32::new(per_address),
            per_account: AtomicU32::new(per_account),
            addresses: Table::default(),
            accounts: Table::default(),
            failed: Table::default(),
            succeeded: Table::default(),
            held_back: Default::default(),
            told: Mutex::default(),
        }
    }

    /// From now on these are the limits. What was counted stays counted.
    pub fn set_limits(&self, per_address: u32, per_account: u32) {
        self.per_address.store(per_address, Ordering::Relaxed);
        self.per_account.store(per_account, Ordering::Relaxed);
    }

    /// Asks whether a credential of this account may be checked for this address now.
    pub fn admit(self: &Arc<Self>, peer: IpAddr, account: &str, now: Instant) -> Result<Admitted, HeldBack> {
        self.by(peer, account).admit(now)
    }

    /// Who asks, for whom that has to wait before it asks.
    pub fn by(self: &Arc<Self>, peer: IpAddr, account: &str) -> Guesser {
        let network = network_of(peer);
        let shown = network.to_string();
        let hash = |parts: &[&[u8]]| {
            let mut context = hmac::Context::with_key(&self.key);
            parts.iter().for_each(|part| context.update(part));
            let tag = context.sign();
            let mut first = [0; 16];
            first.copy_from_slice(&tag.as_ref()[..16]);
            u128::from_ne_bytes(first)
        };
        Guesser {
            guesses: Arc::clone(self),
            network,
            address: hash(&[b"a", shown.as_bytes()]),
            account: Some(hash(&[b"n", account.as_bytes()])),
            pair: hash(&[b"p", shown.as_bytes(), b"\0", account.as_bytes()]),
        }
    }

    /// Who shows a token, and whose it says that it is. There is nothing to guess, so no account counts what fails, and nobody's name can
    /// be used up by made-up tokens; the address does.
    pub fn of_token(self: &Arc<Self>, peer: IpAddr, holder: &str) -> Guesser {
        Guesser { account: None, ..self.by(peer, holder) }
    }

    /// How many logins were held back by a limit.
    pub fn held_back(&self, limit: GuessLimit) -> u64 {
        self.held_back[limit as usize].load(Ordering::Relaxed)
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    fn hold_back(&self, network: IpAddr, limit: GuessLimit, at: u64) -> HeldBack {
        self.held_back[limit as usize].fetch_add(1, Ordering::Relaxed);
        let minute = Duration::from_nanos(at).as_secs() / 60;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0 != minute {
            *told = (minute, 0);
        }
        told.1 = told.1.saturating_add(1);
        if told.1 <= LINES {
            let limit = limit.as_str();
            tracing::warn!(address = %network, limit, "too many failed logins: this one is refused without a check");
        }
        HeldBack(limit)
    }
}

impl Default for Guesses {
    /// Without limits.
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl fmt::Debug for Guesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_address, per_account, .. } = self;
        f.debug_struct("Guesses")
            .field("per_address", per_address)
            .field("per_account", per_account)
            .finish_non_exhaustive()
    }
}

static NOBODYS: LazyLock<Arc<Guesses>> = LazyLock::new(Arc::default);

/// One address that asks for one account.
#[derive(Clone)]
pub struct Guesser {
    guesses: Arc<Guesses>,
    network: IpAddr,
    address: u128,
    /// `None` where no account counts.
    account: Option<u128>,
    pair: u128,
}

/// What is remembered of an address and an account.
struct Past {
    failed: Option<u64>,
    succeeded: Option<u64>,
}

impl Past {
    /// The last that it came to was a login.
    fn is_good(&self) -> bool {
        self.succeeded.is_some_and(|good| self.failed.is_none_or(|bad| bad < good))
    }
}

impl Guesser {
    /// Asks whether the credential may be checked now.
    pub fn admit(&self, now: Instant) -> Result<Admitted, HeldBack> {
        let guesses = &*self.guesses;
        let (at, past) = (guesses.nanos(now), self.past(now));
        let mut admitted = Admitted { guesser: self.clone(), of_address: false, of_account: false };
        // The check that each mechanism has to pass at start comes from no address, and proves nothing unless it is a check.
        if self.network.is_unspecified() {
            return Ok(admitted);
        }
        let per_address = guesses.per_address.load(Ordering::Relaxed);
        if per_address > 0 {
            let rule = Rule::exempt_if(past.is_good());
            if !guesses.addresses.update(self.address, at, |counted| counted.reserve(per_address, at, rule)) {
                return Err(guesses.hold_back(self.network, GuessLimit::Address, at));
            }
            admitted.of_address = true;
        }
        let per_account = guesses.per_account.load(Ordering::Relaxed);
        if let Some(account) = self.account.filter(|_| per_account > 0) {
            let rule = Rule::exempt_if(past.failed.is_none() || past.succeeded.is_some());
            if !guesses.accounts.update(account, at, |counted| counted.reserve(per_account, at, rule)) {
                return Err(guesses.hold_back(self.network, GuessLimit::Account, at));
            }
            admitted.of_account = true;
        }
        Ok(admitted)
    }

    /// Asks for a glance at what was right before, ahead of the check: only for an address whose last try at this account was a
    /// login, and for few at once. As long as it is not given back it counts as if it might fail.
    pub fn glance(&self, now: Instant) -> Option<Admitted> {
        let guesses = &*self.guesses;
        let at = guesses.nanos(now);
        let mut admitted = Admitted { guesser: self.clone(), of_address: false, of_account: false };
        if !self.past(now).is_good() {
            return None;
        }
        let limit = match guesses.per_address.load(Ordering::Relaxed) {
            0 => u32::MAX,
            limit => limit,
        };
        let reserve = |counted: &mut Counted| counted.reserve(limit, at, Rule::Glance);
        admitted.of_address = guesses.addresses.update(self.address, at, reserve);
        admitted.of_address.then_some(())?;
        Some(admitted)
    }

    /// Somebody who is never held back and of whom nothing is counted.
    pub(super) fn nobody() -> Self {
        let guesses = Arc::clone(&NOBODYS);
        Self { guesses, network: IpAddr::V4(Ipv4Addr::UNSPECIFIED), address: 0, account: None, pair: 0 }
    }

    /// What was tried last was not right, as far as is known: not trusted until the next login.
    pub fn distrust(&self, now: Instant) {
        let at = self.guesses.nanos(now);
        self.guesses.failed.update(self.pair, at, |last| *last = at);
    }

    fn past(&self, now: Instant) -> Past {
        let guesses = &*self.guesses;
        let at = guesses.nanos(now);
        let recent = |table: &Table<u64>, memory: Duration| {
            let last = table.get(self.pair)?;
            (u128::from(at.saturating_sub(last)) < memory.as_nanos()).then_some(last)
        };
        Past { failed: recent(&guesses.failed, FAILURE_MEMORY), succeeded: recent(&guesses.succeeded, SUCCESS_MEMORY) }
    }
}

/// A credential may be checked once. Dropped without a word, for instance because the client has left, it is as if nothing
/// had been.
#[must_use]
pub struct Admitted {
    guesser: Guesser,
    of_address: bool,
    of_account: bool,
}

impl Admitted {
    /// The credential was wrong.
    pub fn failed(mut self, now: Instant) {
        self.guesser.distrust(now);
        self.end(Some(self.guesser.guesses.nanos(now)));
    }

    /// The credential was right. It costs nothing of what may fail.
    pub fn succeeded(mut self, now: Instant) {
        let Guesser { guesses, pair, .. } = &self.guesser;
        let at = guesses.nanos(now);
        guesses.succeeded.update(*pair, at, |last| *last = at);
        self.end(None);
    }

    fn end(&mut self, failed: Option<u64>) {
        let Guesser { guesses, address, account, .. } = &self.guesser;
        for (reserved, table, key) in [
            (&mut self.of_address, &guesses.addresses, Some(address)),
            (&mut self.of_account, &guesses.accounts, account.as_ref()),
        ] {
            if let Some(key) = key.filter(|_| std::mem::take(reserved)) {
                match failed {
                    Some(at) => table.update(*key, at, |counted| counted.fail(at)),
                    None => table.release(*key, Counted::release),
                }
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.end(None);
    }
}

#[cfg(test)]
mod tests;
