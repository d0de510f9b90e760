//! How often tokens that name unknown keys may have the keys fetched early.
//!
//! Kafka remembers 16 ids and fetches at most once in 60 s for each (`RefreshingHttpsJwks`), so that made-up ids, each another one,
//! drive as many fetches as there are ids. Here there is one fetch per interval for all ids together.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::jwt::MAX_KID_LEN;

/// Most unknown ids that are remembered.
pub(super) const MAX_REMEMBERED: usize = 16;
/// For how long the same id asks once.
pub(super) const SAME_KID_INTERVAL: Duration = Duration::from_secs(60);

/// Whether an unknown id may ask.
#[derive(Debug)]
pub(super) struct Throttle {
    interval: Duration,
    same_kid_interval: Duration,
    last: Option<Instant>,
    /// The oldest in front. At most [`MAX_REMEMBERED`] of at most [`MAX_KID_LEN`] characters.
    asked: VecDeque<(Box<str>, Instant)>,
}

impl Throttle {
    pub(super) fn new(interval: Duration, same_kid_interval: Duration) -> Self {
        Self { interval, same_kid_interval, last: None, asked: VecDeque::new() }
    }

    /// Whether the keys may be fetched because of `kid`; if so, it counts as asked. `None`: there are no keys at all, whatever the
    /// token says.
    pub(super) fn admit(&mut self, kid: Option<&str>, now: Instant) -> bool {
        let within = |at: Instant, interval| now.saturating_duration_since(at) < interval;
        if self.last.is_some_and(|last| within(last, self.interval)) {
            return false;
        }
        if let Some(kid) = kid {
            // A longer id never asks. One of at most as many bytes need not be counted.
            if kid.len() > MAX_KID_LEN && kid.chars().nth(MAX_KID_LEN).is_some() {
                return false;
            }
            self.asked.retain(|(_, at)| within(*at, self.same_kid_interval));
            if self.asked.iter().any(|(asked, _)| **asked == *kid) {
                return false;
            }
            if self.asked.len() == MAX_REMEMBERED {
                self.asked.pop_front();
            }
            self.asked.push_back((kid.into(), now));
        }
        self.last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn all_ids_together_ask_once_per_interval() {
        let start = Instant::now();
        let mut throttle = Throttle::new(60 * SECOND, SAME_KID_INTERVAL);
        let admitted = (0..100_000)
            .filter(|n| throttle.admit(Some(&format!("made up {n}")), start + Duration::from_millis(*n)))
            .count();
        assert_eq!(admitted, 2, "at 0 s and at 60 s");
        assert!(throttle.admit(None, start + 120 * SECOND));
        assert!(!throttle.admit(None, start + 179 * SECOND));
        assert!(throttle.admit(None, start + 180 * SECOND));
    }

    #[test]
    fn the_same_id_asks_once_per_60_seconds_and_16_are_remembered() {
        let start = Instant::now();
        let mut throttle = Throttle::new(SECOND, SAME_KID_INTERVAL);
        assert!(throttle.admit(Some("a"), start));
        assert!(!throttle.admit(Some("a"), start + 59 * SECOND));
        assert!(throttle.admit(Some("a"), start + 60 * SECOND));
        for n in 0..15 {
            assert!(throttle.admit(Some(&n.to_string()), start + (61 + n) * SECOND), "{n}");
        }
        assert!(!throttle.admit(Some("a"), start + 80 * SECOND), "still remembered");
        assert!(throttle.admit(Some("the 17th"), start + 80 * SECOND));
        assert!(throttle.admit(Some("a"), start + 81 * SECOND), "forgotten");
        assert_eq!(throttle.asked.len(), MAX_REMEMBERED);
    }

    #[test]
    fn an_id_of_more_than_1000_characters_never_asks_and_is_not_kept() {
        let mut throttle = Throttle::new(Duration::ZERO, SAME_KID_INTERVAL);
        let now = Instant::now();
        assert!(!throttle.admit(Some(&"k".repeat(1001)), now));
        assert!(!throttle.admit(Some(&"ü".repeat(1001)), now));
        assert!(!throttle.admit(Some(&"k".repeat(1 << 20)), now));
        assert!(throttle.asked.is_empty() && throttle.last.is_none());
        assert!(throttle.admit(Some(&"k".repeat(1000)), now));
        assert!(throttle.admit(Some(&"ü".repeat(1000)), now));
        let odd = ["../../etc/passwd", "a\0b", "' OR 1=1 --", ""];
        assert!(odd.iter().all(|kid| throttle.admit(Some(kid), now)), "an id is only compared");
    }
}
