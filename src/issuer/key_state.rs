//! What the task that fetches an issuer's keys shares with the logins.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::location::{KeyLocation, UrlError};
use super::origin::Origin;
use super::throttle::{SAME_KID_INTERVAL, Throttle};
use super::trust::IssuerTls;
use crate::config::IssuerKeys;
use crate::jwt::KeySet;

/// How often a file may be looked at because of unknown ids.
const FILE_EARLY_INTERVAL: Duration = Duration::from_millis(100);

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

/// What the task shares with the logins.
pub(super) struct KeyState {
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

impl KeyState {
    /// Without keys.
    pub(super) fn new(config: KeySourceConfig, origin: Origin) -> Self {
        let (early, same_kid) = match &origin {
            Origin::File(_) => (config.early_interval.min(FILE_EARLY_INTERVAL), Duration::ZERO),
            _ => (config.early_interval, SAME_KID_INTERVAL),
        };
        let throttle = Throttle::new(early, same_kid);
        let progress = Progress { throttle, begun: 0, is_running: false, is_asked: false, is_early: false };
        Self {
            config,
            origin,
            current: ArcSwapOption::empty(),
            progress: Mutex::new(progress),
            finished: watch::Sender::new(0),
            wake: Notify::new(),
            counters: Counters::default(),
        }
    }

    /// Numbers of the fetches that end from now on.
    pub(super) fn finished(&self) -> watch::Receiver<u64> {
        self.finished.subscribe()
    }

    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        let current = self.current.load();
        let current = current.as_ref()?;
        (current.at.elapsed() <= self.config.max_staleness).then(|| current.keys.clone())
    }

    pub(super) fn age(&self) -> Option<Duration> {
        self.current.load().as_ref().map(|current| current.at.elapsed())
    }

    /// The number of the fetch to wait for: one that runs, or is asked for now. `None` if there is none to be had.
    pub(super) fn ask(&self, kid: Option<&str>) -> Option<u64> {
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
