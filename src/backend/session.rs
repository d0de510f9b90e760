//! When a connection to a broker must authenticate anew: KIP-368 as a client.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::random;

/// A broker takes no second authentication within a second of the last one's start; a little more, because its clock is another.
const SHORTEST_ROUND: Duration = Duration::from_millis(1100);
/// Java's clients begin at a random point from here on, and in so much more, of what the broker gives: early enough for the way
/// there and slow clocks, and not all connections at once.
const EARLIEST: f64 = 0.85;
const SPREAD: f64 = 0.10;

/// The session of a login that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// When the login began.
    began: Instant,
    /// When the next one is due.
    pub(super) renew_at: Instant,
}

impl Session {
    /// Of a login that began then, has just ended well, and stands for `lifetime`; boxed, for most logins have none and idle connections
    /// should be small.
    pub(super) fn new(began: Instant, lifetime: Option<Duration>) -> Option<Box<Self>> {
        let renew_at = renew_at(Instant::now(), lifetime?, random::fraction())?;
        Some(Box::new(Self { began, renew_at }))
    }

    /// Waits until the broker takes another login.
    pub(super) async fn may_be_renewed(&self) {
        sleep_until(self.began + SHORTEST_ROUND).await;
    }
}

fn renew_at(now: Instant, lifetime: Duration, random: f64) -> Option<Instant> {
    now.checked_add(lifetime.mul_f64(EARLIEST + SPREAD * random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_login_is_due_before_the_end_of_this_one() {
        let now = Instant::now();
        let due = |seconds, random| renew_at(now, Duration::from_secs(seconds), random).unwrap() - now;
        assert_eq!(due(100, 0.0), Duration::from_secs(85));
        assert_eq!(due(100, 1.0), Duration::from_secs(95));
        for _ in 0..100 {
            let session = Session::new(now, Some(Duration::from_secs(1000))).unwrap();
            let due = session.renew_at - now;
            assert!((850..=951).contains(&due.as_secs()), "{due:?}");
        }
        assert_eq!(Session::new(now, None), None);
        // As long as the field can say.
        renew_at(now, Duration::from_millis(u64::MAX), 0.5);
    }
}
