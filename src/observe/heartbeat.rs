//! Signs of life of the worker threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a worker gives a sign.
const PERIOD: Duration = Duration::from_secs(1);
/// A worker is stuck when there was none for so long: its connections have been waiting as long.
pub(super) const STUCK: Duration = Duration::from_secs(10);
/// What a worker leaves that has ended in order.
const ENDED: u64 = u64::MAX;

/// All workers.
#[derive(Debug)]
pub(super) struct Heartbeats {
    begin: Instant,
    all: Mutex<Vec<(String, Arc<AtomicU64>)>>,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self { begin: Instant::now(), all: Mutex::default() }
    }
}

impl Heartbeats {
    pub(super) fn add(&self, worker: &str) -> Heartbeat {
        let beat = Heartbeat { begin: self.begin, last: Arc::default() };
        beat.beat();
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push((worker.to_owned(), beat.last.clone()));
        beat
    }

    /// Workers that have been silent for longer than `limit` at `now`, and for how long.
    pub(super) fn silent(&self, now: Instant, limit: Duration) -> Vec<(String, Duration)> {
        let now = now.saturating_duration_since(self.begin);
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = |(worker, last): &(String, Arc<AtomicU64>)| {
            let last = last.load(Ordering::Relaxed);
            let silence = now.saturating_sub(Duration::from_millis(last));
            (last != ENDED && silence > limit).then(|| (worker.clone(), silence))
        };
        all.iter().filter_map(silent).collect()
    }
}

/// One worker's sign of life; the worker runs [`Self::keep`] beside its connections.
#[derive(Debug)]
pub struct Heartbeat {
    begin: Instant,
    last: Arc<AtomicU64>,
}

impl Heartbeat {
    /// Gives a sign now and then, as long as the thread's tasks get their turn.
    pub async fn keep(self) {
        loop {
            self.beat();
            tokio::time::sleep(PERIOD).await;
        }
    }

    fn beat(&self) {
        let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(ENDED - 1);
        self.last.store(millis, Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    /// A worker that panics leaves its last sign behind, and is missed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.last.store(ENDED, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_and_a_dead_worker_are_missed_and_one_that_ended_is_not() {
        let beats = Heartbeats::default();
        let (stuck, dead, ended) = (beats.add("stuck"), beats.add("dead"), beats.add("ended"));
        let died = std::thread::spawn(move || {
            let _dead = dead;
            panic!("as a bug would");
        });
        assert!(died.join().is_err());
        drop(ended);
        let now = Instant::now();
        assert!(beats.silent(now, STUCK).is_empty());
        let silent = beats.silent(now + STUCK + Duration::from_secs(1), STUCK);
        let names: Vec<&str> = silent.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["stuck", "dead"]);
        stuck.beat();
        assert!(silent.iter().all(|(_, silence)| *silence > STUCK && *silence < STUCK + Duration::from_secs(5)));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_thread_whose_tasks_get_no_turn_gives_no_sign() {
        let beats = Heartbeats::default();
        tokio::spawn(beats.add("worker").keep());
        tokio::time::sleep(PERIOD + Duration::from_millis(100)).await;
        assert!(beats.silent(Instant::now(), PERIOD).is_empty());
        std::thread::sleep(PERIOD + Duration::from_millis(200));
        assert_eq!(beats.silent(Instant::now(), PERIOD).len(), 1);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(beats.silent(Instant::now(), PERIOD).is_empty());
    }
}
