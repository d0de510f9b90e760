//! When the client's session is over, and what becomes of its connection then (KIP-368).
//!
//! As at a broker, a request that comes after the end closes the connection without an answer, unless it begins to authenticate
//! anew. Unlike there, a connection on which nothing comes does not outlive its session for long.

use std::time::Duration;

use tokio::time::Instant;

/// A client that has begun to authenticate anew may not begin again before so long. Kafka's.
pub const MIN_REAUTHENTICATION_INTERVAL: Duration = Duration::from_secs(1);

/// How long a connection on which no answer is outstanding outlives its session. A client that authenticates anew a little late, as
/// Java's does when it has its next request to send, is not cut off.
pub const IDLE_AFTER_SESSION: Duration = Duration::from_secs(30);

/// How long any connection outlives its session: answers that are still outstanding then are not waited for.
pub const LONGEST_AFTER_SESSION: Duration = Duration::from_secs(60);

/// The end of the session at hand.
#[derive(Debug)]
pub(super) struct SessionEnd {
    at: Option<Instant>,
    /// Whether it has come, as the relay's timer says: no request on its way looks at a clock.
    is_over: bool,
    reauthentication_began: Option<Instant>,
}

impl SessionEnd {
    pub(super) fn new(at: Option<Instant>) -> Self {
        let mut end = Self { at: None, is_over: false, reauthentication_began: None };
        end.renew(at);
        end
    }

    /// The client has authenticated anew.
    pub(super) fn renew(&mut self, at: Option<Instant>) {
        (self.at, self.is_over) = (at, false);
        self.tick(Instant::now());
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// For how long it has been over `now`.
    pub(super) fn over_for(&self, now: Instant) -> Duration {
        self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// It is `now`.
    pub(super) fn tick(&mut self, now: Instant) {
        self.is_over = self.at.is_some_and(|at| at <= now);
    }

    /// Whether a SaslHandshake that comes `now` begins to authenticate anew; if so, it has begun.
    pub(super) fn begin_reauthentication(&mut self, now: Instant) -> bool {
        let too_soon = |began| now.saturating_duration_since(began) < MIN_REAUTHENTICATION_INTERVAL;
        if self.at.is_none() || self.reauthentication_began.is_some_and(too_soon) {
            return false;
        }
        self.reauthentication_began = Some(now);
        true
    }

    /// Whether the connection ends `now` though nothing has come.
    pub(super) fn ends_connection(&self, now: Instant, waits_for_an_answer: bool) -> bool {
        let limit = if waits_for_an_answer { LONGEST_AFTER_SESSION } else { IDLE_AFTER_SESSION };
        self.at.is_some_and(|at| at + limit <= now)
    }

    /// When to look next, if ever.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let at = self.at?;
        [Duration::ZERO, IDLE_AFTER_SESSION, LONGEST_AFTER_SESSION]
            .map(|after| at + after)
            .into_iter()
            .find(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_session_without_end_never_is_over_and_takes_no_reauthentication() {
        let (mut end, now) = (SessionEnd::new(None), Instant::now());
        end.tick(now + SECOND * 86400 * 365);
        assert!(!end.is_over() && !end.begin_reauthentication(now) && !end.ends_connection(now, false));
        assert_eq!(end.next_look(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_comes_once_and_goes_with_a_new_session() {
        let now = Instant::now();
        let mut end = SessionEnd::new(Some(now + 5 * SECOND));
        let looks = std::iter::successors(end.next_look(now), |at| end.next_look(*at)).map(|at| (at - now).as_secs());
        assert_eq!(looks.collect::<Vec<_>>(), [5, 35, 65]);
        end.tick(now + 5 * SECOND - Duration::from_nanos(1));
        assert!(!end.is_over());
        end.tick(now + 5 * SECOND);
        assert!(end.is_over());
        for (after, waits, ends) in [(34, false, false), (35, false, true), (64, true, false), (65, true, true)] {
            assert_eq!(end.ends_connection(now + after * SECOND, waits), ends, "{after} {waits}");
        }
        end.renew(Some(now + 9 * SECOND));
        assert!(!end.is_over());
        // One that has ended within the clock skew is over at once.
        end.renew(Some(now));
        assert!(end.is_over());
        end.renew(None);
        assert!(!end.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reauthentication_may_come_at_once_and_each_other_after_a_second() {
        let now = Instant::now();
        let mut end = SessionEnd::new(Some(now + 5 * SECOND));
        assert!(end.begin_reauthentication(now));
        end.renew(Some(now + 5 * SECOND));
        assert!(!end.begin_reauthentication(now + SECOND - Duration::from_nanos(1)));
        assert!(end.begin_reauthentication(now + SECOND));
        assert!(!end.begin_reauthentication(now + SECOND * 3 / 2));
        // After the end, too.
        assert!(end.begin_reauthentication(now + 9 * SECOND));
    }
}
