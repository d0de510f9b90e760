//! The keys of one issuer, as logins see them.
//!
//! A task of the main runtime fetches ([`super::refresh`]); logins run on the workers' threads, and a token whose key is known takes
//! no lock and waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::location::{KeyLocation, UrlError};
use super::origin::{FETCH_TIME_LIMIT, Origin};
use super::refresh;
use super::throttle::{SAME_KID_INTERVAL, Throttle};
use super::trust::IssuerTls;
use crate::config::IssuerKeys;
use crate::jwt::KeySet;

/// Longest time that a login, or the start, waits for a fetch: a moment longer than it may take.
pub const FETCH_WAIT: Duration = Duration::from_secs(6);
/// How often a file may be looked at because of unknown ids.
const FILE_EARLY_INTERVAL: Duration = Duration::from_millis(100);

const _: () = assert!(FETCH_WAIT.as_millis() > FETCH_TIME_LIMIT.as_millis());

/// What a source of keys goes by. Equal ones share a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySourceConfig {
    /// `sasl.oauthbearer.jwks.endpoint.url`
    pub location: KeyLocation,
    /// Whom to believe that they are the issuer, where the URL is `https`.
    pub tls: IssuerTls,
    /// `sasl.oauthbearer.jwks.endpoint.refresh.ms`. A file is looked at every few seconds whatever this says.
    pub refresh: Duration,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.ms`: the wait after the first failed fetch; it doubles.
    pub retry_backoff: Duration,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms`
    pub retry_backoff_max: Duration,
    /// Keys that were last seen at the issuer longer ago than this are not used.
    pub max_staleness: Duration,
    /// The least time between two fetches because of unknown ids.
    pub early_interval: Duration,
}

impl KeySourceConfig {
    /// What the configuration says of an issuer's keys.
    pub fn of(keys: &IssuerKeys) -> Result<Self, UrlError> {
        Ok(Self {
            location: KeyLocation::parse(&keys.url.value, keys.allow_http)?,
            tls: IssuerTls::new(keys.tls.clone()),
            refresh: keys.refresh,
            retry_backoff: keys.retry_backoff,
            retry_backoff_max: keys.retry_backoff_max,
            max_staleness: keys.max_staleness,
            early_interval: keys.early_interval,
        })
    }
}

/// There are no keys: none have been fetched yet, or the last ones are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys could not be fetched")]
pub struct NoKeys;

/// The keys of one issuer. Fetching ends when the last one who has it lets go.
pub struct KeySource {
    pub(super) inner: Arc<Inner>,
    _stop: DropGuard,
}

/// What the task shares with the logins.
pub(super) struct Inner {
    pub(super) config: KeySourceConfig,
    pub(super) origin: Origin,
    current: ArcSwapOption<Loaded>,
    /// Only touched by the task and by logins whose key is not known.
    progress: Mutex<Progress>,
    /// Number of the last fetch that has ended.
    finished: watch::Sender<u64>,
    pub(super) wake: Notify,
    pub(super) counters: Counters,
}

/// Keys, and when the fetch began that last showed them.
struct Loaded {
    keys: Arc<KeySet>,
    at: Instant,
}

struct Progress {
    throttle: Throttle,
    /// Number of the last fetch that has begun.
    begun: u64,
    is_running: bool,
    /// A fetch is asked for that has not begun.
    is_asked: bool,
    /// By a login.
    is_early: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) fetched: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) early: AtomicU64,
    pub(super) throttled: AtomicU64,
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
        let (early, same_kid) = match &origin {
            Origin::File(_) => (config.early_interval.min(FILE_EARLY_INTERVAL), Duration::ZERO),
            _ => (config.early_interval, SAME_KID_INTERVAL),
        };
        let throttle = Throttle::new(early, same_kid);
        let progress = Progress { throttle, begun: 0, is_running: false, is_asked: false, is_early: false };
        let inner = Arc::new(Inner {
            config,
            origin,
            current: ArcSwapOption::empty(),
            progress: Mutex::new(progress),
            finished: watch::Sender::new(0),
            wake: Notify::new(),
            counters: Counters::default(),
        });
        let stop = stop.child_token();
        runtime.spawn(refresh::run(inner.clone(), stop.clone()));
        Self { inner, _stop: stop.drop_guard() }
    }

    /// The keys that are there now. Takes no lock.
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.inner.keys()
    }

    /// The keys by which a token with this id shall be judged. At once where one of them has the id, or the token has none. Else the
    /// keys are fetched anew, together with all others that wait, and not more often than the interval allows; then what is there,
    /// with the id or without.
    pub async fn keys_for(&self, kid: Option<&str>) -> Result<Arc<KeySet>, NoKeys> {
        if let Some(keys) = self.known(kid) {
            return Ok(keys);
        }
        let deadline = Instant::now() + FETCH_WAIT;
        let mut finished = self.inner.finished.subscribe();
        // A fetch that runs already may bring the key; if it does not, there may be one more.
        for _ in 0..2 {
            let Some(number) = self.inner.ask(kid) else { break };
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
        let mut finished = self.inner.finished.subscribe();
        if timeout(limit, finished.wait_for(|ended| *ended >= 1)).await.is_err() {
            let url = &self.inner.config.location;
            tracing::warn!(%url, "the issuer's keys are not there yet; its tokens are refused until they are");
        }
    }

    /// How it fares.
    pub fn status(&self) -> KeySourceStatus {
        let inner = &self.inner;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KeySourceStatus {
            url: inner.config.location.to_string(),
            keys: inner.keys().map_or(0, |keys| keys.len()),
            age: inner.age(),
            max_staleness: inner.config.max_staleness,
            fetched: count(&inner.counters.fetched),
            failed: count(&inner.counters.failed),
            early: count(&inner.counters.early),
            throttled: count(&inner.counters.throttled),
        }
    }

    fn known(&self, kid: Option<&str>) -> Option<Arc<KeySet>> {
        self.keys().filter(|keys| kid.is_none_or(|kid| keys.has_kid(kid)))
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeySource").field(&self.inner.config.location).finish()
    }
}

impl Inner {
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        let current = self.current.load();
        let current = current.as_ref()?;
        (current.at.elapsed() <= self.config.max_staleness).then(|| current.keys.clone())
    }

    pub(super) fn age(&self) -> Option<Duration> {
        self.current.load().as_ref().map(|current| current.at.elapsed())
    }

    /// The number of the fetch to wait for: one that runs, or is asked for now. `None` if there is none to be had.
    fn ask(&self, kid: Option<&str>) -> Option<u64> {
        // A token that names a key of which there are none is as good as one that names none.
        let kid = if self.keys().is_some() { kid } else { None };
        let mut progress = self.progress();
        if progress.is_running {
            return Some(progress.begun);
        }
        if !progress.is_asked {
            if !progress.throttle.admit(kid, Instant::now()) {
                self.counters.throttled.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            (progress.is_asked, progress.is_early) = (true, true);
            self.wake.notify_one();
        }
        Some(progress.begun + 1)
    }

    /// Has the keys fetched now, by no limit but the pace of the task: the operator asks.
    pub(super) fn fetch_now(&self) {
        self.progress().is_asked = true;
        self.wake.notify_one();
    }

    /// Whether a fetch is asked for that has not begun.
    pub(super) fn is_asked(&self) -> bool {
        self.progress().is_asked
    }

    /// A fetch begins; whether it is one that logins have asked for.
    pub(super) fn begin(&self) -> bool {
        let mut progress = self.progress();
        progress.begun += 1;
        progress.is_running = true;
        progress.is_asked = false;
        std::mem::take(&mut progress.is_early)
    }

    /// `keys`, or those that are there already, were seen at `at`.
    pub(super) fn renew(&self, keys: Option<KeySet>, at: Instant) {
        let keys = keys.map(Arc::new).or_else(|| self.current.load().as_ref().map(|current| current.keys.clone()));
        if let Some(keys) = keys {
            self.current.store(Some(Arc::new(Loaded { keys, at })));
        }
    }

    /// The fetch has ended, and what it brought is there.
    pub(super) fn end(&self) {
        let number = {
            let mut progress = self.progress();
            progress.is_running = false;
            progress.begun
        };
        self.finished.send_replace(number);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
