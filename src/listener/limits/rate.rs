//! How fast connections may be created.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::{UNLIMITED, lock};

/// Longest time by which one accept is held back to keep the creation rate: one quota window, as in Kafka.
pub const MAX_RATE_DELAY: Duration = Duration::from_secs(1);

/// Connections that may be created at once before a rate delays them: what the rate allows in this time.
const BURST: Duration = Duration::from_secs(1);

/// A token bucket, kept as the time at which it would be full again (GCRA).
#[derive(Debug)]
pub(super) struct Rate(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    /// Between two connections; `None` for no limit.
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self(Mutex::new(Bucket { interval: interval(per_second), due: None }))
    }

    /// From now on this is the rate; what was created before is not forgotten.
    pub(super) fn set(&self, per_second: u32) {
        lock(&self.0).interval = interval(per_second);
    }

    /// Counts one connection and says by how much to hold it back.
    pub(super) fn delay(&self, now: Instant) -> Duration {
        let mut bucket = lock(&self.0);
        let Some(interval) = bucket.interval else { return Duration::ZERO };
        let full = bucket.due.map_or(now, |due| due.max(now)) + interval;
        // What is held back for the longest time is not held against the next one as well.
        let kept = full.min(now + BURST + MAX_RATE_DELAY);
        bucket.due = Some(kept);
        kept.saturating_duration_since(now + BURST)
    }
}

fn interval(per_second: u32) -> Option<Duration> {
    let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or(MAX_RATE_DELAY + BURST);
    (per_second < UNLIMITED).then_some(interval)
}
