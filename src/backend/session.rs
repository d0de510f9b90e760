//! When a connection to a broker must authenticate anew: KIP-368 as a client.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::random;

/// A broker takes no second authentication within a second of the last one's start; a little more, because its clock is another.
const SHORTEST_ROUND: Duration = Duration::from_millis(1100);
/// A broker looks at a session's end when it comes to a request, which may have waited there behind others: the last one before a new login
/// should be sent so long before the end. Of a very short session half is left.
const MARGIN: Duration = Duration::from_secs(1);
/// Java's clients begin at a random point from here on, and in so much more, of what the broker gives: early enough for the way
/// there and slow clocks, and not all connections at once.
const EARLIEST: f64 = 0.85;
const SPREAD: f64 = 0.10;

/// The session of a login that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// When the login had ended. The broker saw it begin before that.
    ended: Instant,
    /// When the next one is due.
    pub(super) renew_at: Instant,
}

impl Session {
    /// Of a login that began then, has just ended, and stands for `lifetime`; the broker counts from a little later than its begin. Boxed,
    /// for most logins have none and idle connections should be small.
    pub(super) fn new(began: Instant, lifetime: Option<Duration>) -> Option<Box<Self>> {
        let renew_at = renew_at(began, lifetime?, random::fraction())?;
        Some(Box::new(Self { ended: Instant::now(), renew_at }))
    }

    /// Waits until the broker takes another login.
    pub(super) async fn may_be_renewed(&self) {
        sleep_until(self.ended + SHORTEST_ROUND).await;
    }
}

fn renew_at(began: Instant, lifetime: Duration, random: f64) -> Option<Instant> {
    let usable = lifetime - MARGIN.min(lifetime / 2);
    began.checked_add(usable.mul_f64(EARLIEST + SPREAD * random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_login_is_due_before_the_end_of_this_one() {
        let now = Instant::now();
        let due = |millis, random| (renew_at(now, Duration::from_millis(millis), random).unwrap() - now).as_millis();
        assert_eq!((due(101_000, 0.0), due(101_000, 1.0)), (85_000, 95_000));
        assert_eq!((due(5_000, 0.0), due(5_000, 1.0)), (3_400, 3_800));
        assert_eq!((due(1_000, 0.0), due(1_000, 1.0)), (425, 475));
        for _ in 0..100 {
            let session = Session::new(now, Some(Duration::from_secs(1000))).unwrap();
            let due = session.renew_at - now;
            assert!((849..=950).contains(&due.as_secs()), "{due:?}");
        }
        assert_eq!(Session::new(now, None), None);
        // As long as the field can say.
        renew_at(now, Duration::from_millis(u64::MAX), 0.5);
    }
}
