//! Lines about clients that failed before anybody knew who they are: they decide when, we decide how many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::ListenerName;
use crate::foreign::ForeignProtocol;

/// Lines of an address in a minute; of one that speaks another protocol, a single one.
const LINES: u64 = 10;
/// Addresses, counted once for each of [`What`], that have lines in a minute. The table never grows beyond it, and the log by
/// no more than this times [`LINES`] a minute.
const ADDRESSES: usize = 256;
const WINDOW: Duration = Duration::from_secs(60);

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A connection that ended before its client was known.
    Failure,
    /// One that speaks another protocol than its listener.
    Foreign(ForeignProtocol, ListenerName),
}

impl What {
    fn lines(&self) -> u64 {
        match self {
            Self::Failure => LINES,
            Self::Foreign(..) => 1,
        }
    }
}

/// Decides which lines are written, and counts the others. One for all listeners.
#[derive(Debug, Default)]
pub struct FailureLog(Mutex<Window>);

/// This minute.
#[derive(Debug, Default)]
struct Window {
    seen: HashMap<(IpAddr, What), u64>,
    /// Lines of addresses that found the table full.
    of_others: u64,
    crowded: Vec<ListenerName>,
}

/// What the log has to say at the end of a minute about the lines that it does not have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Suppressed {
    by_address: Vec<(IpAddr, What, u64)>,
    of_others: u64,
}

impl FailureLog {
    /// Counts a line about this address. Gives whether it is to be written.
    pub fn allows(&self, address: IpAddr, what: What) -> bool {
        let mut window = self.window();
        let (lines, key) = (what.lines(), (address.to_canonical(), what));
        if window.seen.len() >= ADDRESSES && !window.seen.contains_key(&key) {
            window.of_others += 1;
            return false;
        }
        let count = window.seen.entry(key).or_default();
        *count += 1;
        *count <= lines
    }

    /// Says, once a minute, that new clients of a listener wait because too many are about to log in.
    pub fn crowded(&self, listener: &ListenerName) {
        let mut window = self.window();
        // As many as there are listeners.
        if !window.crowded.contains(listener) {
            window.crowded.push(listener.clone());
            drop(window);
            tracing::warn!(%listener, "max.unauthenticated.connections is reached: new connections wait for a place");
        }
    }

    /// Writes, each minute until the end, what was not written.
    pub async fn run(&self, until: CancellationToken) {
        let mut minutes = tokio::time::interval(WINDOW);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ended = tokio::select! {
                _ = minutes.tick() => false,
                () = until.cancelled() => true,
            };
            self.end_window().log();
            if ended {
                return;
            }
        }
    }

    fn end_window(&self) -> Suppressed {
        let Window { seen, of_others, .. } = std::mem::take(&mut *self.window());
        let more = seen.into_iter().filter(|((_, what), count)| *count > what.lines());
        let by_address = more.map(|((address, what), count)| (address, what.clone(), count - what.lines())).collect();
        Suppressed { by_address, of_others }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, Window> {
        // What it guards is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Suppressed {
    fn log(self) {
        for (peer, what, suppressed) in self.by_address {
            match what {
                What::Failure => tracing::info!(%peer, suppressed, "more connections closed before authentication"),
                What::Foreign(protocol, listener) => {
                    tracing::info!(%listener, %peer, suppressed, "more of the kind: {protocol}");
                }
            }
        }
        if self.of_others > 0 {
            let suppressed = self.of_others;
            tracing::warn!(suppressed, "more connections from many addresses closed before authentication");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: usize) -> IpAddr {
        IpAddr::from([10, 0, (n >> 8) as u8, n as u8])
    }

    fn tls(listener: &str) -> What {
        What::Foreign(ForeignProtocol::Tls, ListenerName::new(listener))
    }

    #[test]
    fn an_address_has_ten_lines_a_minute_and_one_for_another_protocol() {
        let log = FailureLog::default();
        let written = (0..1000).filter(|_| log.allows(ip(1), What::Failure)).count();
        assert_eq!(written, 10);
        // Another address, another protocol, another listener, each has lines of its own.
        assert!(log.allows(ip(2), What::Failure));
        assert_eq!((0..5).filter(|_| log.allows(ip(1), tls("A"))).count(), 1);
        assert!(log.allows(ip(1), tls("B")));
        assert!(!log.allows("::ffff:10.0.0.1".parse().unwrap(), What::Failure));
        let mut said = log.end_window();
        said.by_address.sort_by_key(|(.., count)| *count);
        let by_address = vec![(ip(1), tls("A"), 4), (ip(1), What::Failure, 991)];
        assert_eq!(said, Suppressed { by_address, of_others: 0 });
        // The next minute begins anew.
        assert!(log.allows(ip(1), What::Failure) && log.allows(ip(1), tls("A")));
        assert_eq!(log.end_window(), Suppressed::default());
    }

    #[test]
    fn a_flood_from_many_addresses_grows_neither_the_table_nor_the_log() {
        let log = FailureLog::default();
        let written = (0..3 * 20_000).filter(|n| log.allows(ip(n % 20_000), What::Failure)).count();
        assert_eq!(written, 3 * ADDRESSES);
        assert_eq!(log.window().seen.len(), ADDRESSES);
        assert!(log.window().seen.capacity() <= 4 * ADDRESSES);
        let said = log.end_window();
        assert_eq!(said, Suppressed { by_address: vec![], of_others: 3 * (20_000 - ADDRESSES as u64) });
    }
}
