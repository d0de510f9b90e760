//! The task that fetches the keys of one source: by the clock, and early where a login or a reload asks.
//!
//! One task, so there is one fetch at a time. All times are of the monotonic clock: setting the wall clock moves nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::key_state::KeyState;
use super::origin::{Fetched, KeyFault, Origin};
use crate::jwt::SkippedKey;

/// How often a file is looked at.
pub(super) const FILE_LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The least time from one fetch to the next that does not repeat a failed one: timers that are due at once after a pause of the
/// process make no burst.
pub(super) const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Most keys that are not used and are told one by one.
const MAX_SKIPPED_LINES: usize = 10;
/// Longer is never.
const MAX_INTERVAL: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) async fn run(state: Arc<KeyState>, stop: CancellationToken) {
    // What is being fetched is given up.
    stop.run_until_cancelled(fetch_on_and_on(&state)).await;
}

async fn fetch_on_and_on(state: &KeyState) {
    let (interval, pause) = match &state.origin {
        Origin::File(_) => (FILE_LOOK_INTERVAL, Duration::ZERO),
        _ => (state.config.refresh.clamp(MIN_INTERVAL, MAX_INTERVAL), MIN_INTERVAL),
    };
    let mut backoff = Backoff::new(state.config.retry_backoff, state.config.retry_backoff_max);
    let mut log = Log::default();
    let (mut due, mut not_before) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = sleep_until(due) => {}
            () = state.wake.notified() => {
                // The fetch that was asked for may have been one that was due.
                if !state.is_asked() {
                    continue;
                }
                sleep_until(not_before).await;
            }
        }
        let began = Instant::now();
        let is_due = began >= due;
        if state.begin() {
            state.counters.early.fetch_add(1, Ordering::Relaxed);
        }
        match state.origin.fetch().await {
            Ok(fetched) => {
                log.succeeded(state, &fetched);
                if let Fetched::New(keys, _) = fetched {
                    state.counters.fetched.fetch_add(1, Ordering::Relaxed);
                    state.renew(Some(keys), began);
                } else {
                    state.renew(None, began);
                }
                backoff.reset();
                due = began + interval;
                not_before = began + pause;
            }
            Err(fault) => {
                state.counters.failed.fetch_add(1, Ordering::Relaxed);
                log.failed(state, &fault);
                // An early fetch that fails is not repeated: logins must not be able to drive more than the one.
                if is_due {
                    let retries = fault.is_retryable() && !matches!(state.origin, Origin::File(_));
                    due = if retries { Instant::now() + backoff.next().min(interval) } else { began + interval };
                }
                not_before = began + pause;
            }
        }
        state.end();
    }
}

/// The waits between tries.
#[derive(Debug)]
struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    fn new(first: Duration, max: Duration) -> Self {
        let max = max.min(MAX_INTERVAL);
        let first = first.min(max);
        Self { first, max, next: first }
    }

    fn next(&mut self) -> Duration {
        let next = self.next;
        self.next = next.saturating_mul(2).min(self.max);
        // Not even where both are 0.
        next.max(Duration::from_millis(10))
    }

    fn reset(&mut self) {
        self.next = self.first;
    }
}

/// One line when it begins to fail, when the reason changes and when it works again; nothing for each try.
#[derive(Debug, Default)]
struct Log {
    fault: Option<String>,
    said_stale: bool,
    skipped: usize,
}

impl Log {
    fn succeeded(&mut self, state: &KeyState, fetched: &Fetched) {
        let url = &state.config.location;
        let is_first = state.age().is_none();
        if let Fetched::New(keys, skipped) = fetched {
            if is_first {
                tracing::info!(%url, keys = keys.len(), "the issuer's keys are there");
            }
            if self.skipped != skipped.len() {
                for SkippedKey { index, fault } in skipped.iter().take(MAX_SKIPPED_LINES) {
                    tracing::warn!(%url, "key {index} of the issuer's set, from 0, is not used: {fault}");
                }
            }
            self.skipped = skipped.len();
        }
        if self.fault.take().is_some() && !is_first {
            tracing::info!(%url, "the issuer's keys can be fetched again");
        }
        self.said_stale = false;
    }

    fn failed(&mut self, state: &KeyState, fault: &KeyFault) {
        let (url, reason) = (&state.config.location, fault.to_string());
        let is_stale = state.keys().is_none();
        if self.fault.as_ref() != Some(&reason) || is_stale && !self.said_stale {
            match state.age() {
                None => {
                    tracing::warn!(%url, "the issuer's keys cannot be fetched, and its tokens are refused until they are: {reason}")
                }
                Some(age) if is_stale => {
                    let age = age.as_secs();
                    tracing::error!(%url, age, "the issuer's keys cannot be fetched, and the last are too old: its tokens are refused: {reason}");
                }
                Some(age) => {
                    let age = age.as_secs();
                    tracing::warn!(%url, age, "the issuer's keys cannot be fetched; the last ones stay in use: {reason}");
                }
            }
        }
        self.said_stale = is_stale;
        self.fault = Some(reason);
    }
}
