//! All sources of keys: equal configurations share one, over listeners and over reloads.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::file::WatchedFile;
use super::key_state::KeySourceConfig;
use super::location::KeyLocation;
use super::origin::{FETCH_TIME_LIMIT, KeyFault, MAX_KEY_SET, Origin, look};
use super::source::{KeySource, KeySourceStatus};
use crate::tls::TlsError;

/// Why a source of keys cannot be had. The caller says which key of the configuration is at fault.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// The file has no keys.
    #[error(transparent)]
    File(KeyFault),
    /// The settings of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file system hangs.
    #[error("the file cannot be read within {} ms", FETCH_TIME_LIMIT.as_millis())]
    Hangs,
    /// No thread to read it.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Nothing could fetch.
    #[error("keys are fetched by a runtime, and there is none")]
    NoRuntime,
}

/// The sources of a server.
#[derive(Default)]
pub struct KeySources {
    /// Who fetches; `None` is the runtime of who asks.
    runtime: Option<Handle>,
    /// Those who use a source hold it; nobody else does.
    known: Mutex<HashMap<KeySourceConfig, Weak<KeySource>>>,
    stop: CancellationToken,
}

impl KeySources {
    /// Fetches on `runtime`, whichever thread asks for a source.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime: Some(runtime), known: Mutex::default(), stop: CancellationToken::new() }
    }

    /// The source of this configuration: the one that is in use, or a new one. A file must be there and have keys; whether an issuer
    /// answers is seen later, see [`KeySource::first_fetch`]. Reads files: not for an async worker.
    pub fn source(&self, config: &KeySourceConfig) -> Result<Arc<KeySource>, KeySourceError> {
        if let Some(source) = self.known().get(config).and_then(Weak::upgrade) {
            return Ok(source);
        }
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Handle::try_current().map_err(|_| KeySourceError::NoRuntime)?,
        };
        let origin = open(config)?;
        let source = Arc::new(KeySource::start(config.clone(), origin, &runtime, &self.stop));
        let mut known = self.known();
        known.retain(|_, source| source.strong_count() > 0);
        known.insert(config.clone(), Arc::downgrade(&source));
        Ok(source)
    }

    /// Waits until each source has tried once to fetch its keys, all together for `limit` at most. What fails is in the log.
    pub async fn first_fetches(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        for source in self.in_use() {
            source.first_fetch(deadline.saturating_duration_since(Instant::now())).await;
        }
    }

    /// Fetches the keys of each source now, such as after an issuer has taken a key back. Waits for nothing.
    pub fn fetch_now(&self) {
        self.in_use().iter().for_each(|source| source.state.fetch_now());
    }

    /// How they fare, by URL. Sources that have one URL and else differ are counted together.
    pub fn status(&self) -> Vec<KeySourceStatus> {
        let mut by_url: BTreeMap<String, KeySourceStatus> = BTreeMap::new();
        for status in self.in_use().iter().map(|source| source.status()) {
            match by_url.get_mut(&status.url) {
                None => drop(by_url.insert(status.url.clone(), status)),
                Some(sum) => sum.add(&status),
            }
        }
        by_url.into_values().collect()
    }

    /// Fetches no more; the keys that are there stay until they are too old.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    fn in_use(&self) -> Vec<Arc<KeySource>> {
        self.known().values().filter_map(Weak::upgrade).collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<KeySourceConfig, Weak<KeySource>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for KeySources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.in_use()).finish()
    }
}

impl Drop for KeySources {
    fn drop(&mut self) {
        self.stop();
    }
}

impl KeySourceStatus {
    /// Takes another one's counts; of the rest what is worse.
    fn add(&mut self, other: &Self) {
        self.keys = self.keys.min(other.keys);
        // None is worse than any age.
        self.age = self.age.and_then(|age| Some(age.max(other.age?)));
        self.max_staleness = self.max_staleness.min(other.max_staleness);
        self.fetched += other.fetched;
        self.failed += other.failed;
        self.early += other.early;
        self.throttled += other.throttled;
    }
}

/// Reads what is on this machine, so that what is wrong with it shows at the start. On a thread of its own: a file system may hang.
fn open(config: &KeySourceConfig) -> Result<Origin, KeySourceError> {
    let (sender, receiver) = mpsc::channel();
    let (location, tls) = (config.location.clone(), config.tls.clone());
    let reading = move || {
        let opened = match &location {
            KeyLocation::File(path) => {
                // For the source itself it has not been read yet.
                look(&WatchedFile::new(path.clone(), MAX_KEY_SET)).map(drop).map_err(KeySourceError::File)
            }
            KeyLocation::Http(_) => Ok(()),
        };
        // Whoever asked may have given up.
        let _ = sender.send(opened.and_then(|()| Ok(Origin::open(&location, &tls)?)));
    };
    std::thread::Builder::new().name("issuer".into()).spawn(reading).map_err(KeySourceError::Thread)?;
    receiver.recv_timeout(FETCH_TIME_LIMIT).unwrap_or(Err(KeySourceError::Hangs))
}
