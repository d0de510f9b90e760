//! The keys of one issuer, as logins see them.
//!
//! A task of the main runtime fetches ([`super::refresh`]); logins run on the workers' threads, and a token whose key is known takes
//! no lock and waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::key_state::{KeySourceConfig, KeyState};
use super::origin::{FETCH_TIME_LIMIT, Origin};
use super::refresh;
use crate::jwt::KeySet;

/// Longest time that a login, or the start, waits for a fetch: a moment longer than it may take.
pub const FETCH_WAIT: Duration = Duration::from_secs(6);

const _: () = assert!(FETCH_WAIT.as_millis() > FETCH_TIME_LIMIT.as_millis());

/// There are no keys: none have been fetched yet, or the last ones are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys could not be fetched")]
pub struct NoKeys;

/// The keys of one issuer. Fetching ends when the last one who has it lets go.
pub struct KeySource {
    pub(super) state: Arc<KeyState>,
    _stop: DropGuard,
}

/// How a source fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySourceStatus {
    /// The URL without its query.
    pub url: String,
    /// Keys that can be used now.
    pub keys: usize,
    /// Since the keys were last seen at the issuer; `None` if they never were.
    pub age: Option<Duration>,
    /// Older ones are not used.
    pub max_staleness: Duration,
    /// Fetches that brought keys. A file that has not changed is none.
    pub fetched: u64,
    /// Fetches that failed.
    pub failed: u64,
    /// Fetches because of unknown ids.
    pub early: u64,
    /// Tokens with unknown ids that caused no fetch because others had.
    pub throttled: u64,
}

impl KeySource {
    /// Starts fetching on `runtime` until the last one lets go of it, or `stop` is cancelled.
    pub(super) fn start(config: KeySourceConfig, origin: Origin, runtime: &Handle, stop: &CancellationToken) -> Self {
        let state = Arc::new(KeyState::new(config, origin));
        let stop = stop.child_token();
        runtime.spawn(refresh::run(state.clone(), stop.clone()));
        Self { state, _stop: stop.drop_guard() }
    }

    /// The keys that are there now. Takes no lock.
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.state.keys()
    }

    /// The keys by which a token with this id shall be judged. At once where one of them has the id, or the token has none. Else the
    /// keys are fetched anew, together with all others that wait, and not more often than the interval allows; then what is there,
    /// with the id or without.
    pub async fn keys_for(&self, kid: Option<&str>) -> Result<Arc<KeySet>, NoKeys> {
        if let Some(keys) = self.known(kid) {
            return Ok(keys);
        }
        let deadline = Instant::now() + FETCH_WAIT;
        let mut finished = self.state.finished();
        // A fetch that runs already may bring the key; if it does not, there may be one more.
        for _ in 0..2 {
            let Some(number) = self.state.ask(kid) else { break };
            // In time or not, what is there counts.
            let _ = timeout_at(deadline, finished.wait_for(|ended| *ended >= number)).await;
            if let Some(keys) = self.known(kid) {
                return Ok(keys);
            }
        }
        self.keys().ok_or(NoKeys)
    }

    /// Waits until the first fetch has ended, well or not.
    pub async fn first_fetch(&self, limit: Duration) {
        let mut finished = self.state.finished();
        if timeout(limit, finished.wait_for(|ended| *ended >= 1)).await.is_err() {
            let url = &self.state.config.location;
            tracing::warn!(%url, "the issuer's keys are not there yet; its tokens are refused until they are");
        }
    }

    /// How it fares.
    pub fn status(&self) -> KeySourceStatus {
        let state = &self.state;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KeySourceStatus {
            url: state.config.location.to_string(),
            keys: state.keys().map_or(0, |keys| keys.len()),
            age: state.age(),
            max_staleness: state.config.max_staleness,
            fetched: count(&state.counters.fetched),
            failed: count(&state.counters.failed),
            early: count(&state.counters.early),
            throttled: count(&state.counters.throttled),
        }
    }

    fn known(&self, kid: Option<&str>) -> Option<Arc<KeySet>> {
        self.keys().filter(|keys| kid.is_none_or(|kid| keys.has_kid(kid)))
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeySource").field(&self.state.config.location).finish()
    }
}
