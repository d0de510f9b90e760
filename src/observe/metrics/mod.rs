//! What is counted and shown. Names and label values come from the program and the configuration alone, never from clients.
//!
//! A connection counts in its listener's [`ListenerMetrics`], which it holds, and its bytes and requests in a cell that its
//! worker alone writes: nothing is shared between workers but a few additions at the start of a connection, at its login and at
//! its end. Everything else is asked for when somebody looks.

mod docs;
mod families;
mod labels;
mod listener;
mod page;
mod process;
mod render;
mod values;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::heartbeat::{Heartbeat, Heartbeats};
use crate::backend::Topology;
use crate::issuer::KeySourceStatus;
use crate::sasl::{Guesses, Passwords};
use crate::store::StoreStatus;

pub use docs::documentation;
pub use labels::{CertificateStore, ConnectionState, HandshakeOutcome, Refused, ReloadOutcome, ReloadSubject};
pub use listener::{ClosedBy, ListenerMetrics, OpenClient};

/// Asks how the store fares.
type StoreWatch = Box<dyn Fn() -> StoreStatus + Send + Sync>;
/// Asks how the keys of issuers fare.
type IssuerWatch = Box<dyn Fn() -> Vec<KeySourceStatus> + Send + Sync>;

/// The numbers of the process.
pub struct Metrics {
    listeners: Mutex<BTreeMap<String, Arc<ListenerMetrics>>>,
    topology: OnceLock<Arc<Topology>>,
    store: OnceLock<StoreWatch>,
    logins: OnceLock<(Arc<Guesses>, Arc<Passwords>)>,
    issuers: OnceLock<IssuerWatch>,
    insecure_validators: Mutex<Vec<String>>,
    max_connections: AtomicU64,
    draining: AtomicBool,
    certificates: Mutex<BTreeMap<(String, CertificateStore), SystemTime>>,
    reloads: Mutex<[Reloads; ReloadSubject::ALL.len()]>,
    heartbeats: Heartbeats,
}

#[derive(Clone, Copy, Debug)]
struct Reloads {
    counts: [u64; ReloadOutcome::ALL.len()],
    last: ReloadOutcome,
    at: SystemTime,
}

impl Default for Metrics {
    fn default() -> Self {
        let reloads = Reloads { counts: Default::default(), last: ReloadOutcome::Applied, at: SystemTime::now() };
        Self {
            listeners: Mutex::default(),
            topology: OnceLock::new(),
            store: OnceLock::new(),
            logins: OnceLock::new(),
            issuers: OnceLock::new(),
            insecure_validators: Mutex::default(),
            max_connections: AtomicU64::new(u64::MAX),
            draining: AtomicBool::new(false),
            certificates: Mutex::default(),
            reloads: Mutex::new([reloads; ReloadSubject::ALL.len()]),
            heartbeats: Heartbeats::default(),
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// The numbers of a listener. A listener that was retired, or is asked for once more, goes on where it was. Not for the way
    /// of a connection: ask once, and keep it.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        let mut listeners = lock(&self.listeners);
        let listener = listeners.entry(name.to_owned()).or_insert_with(|| Arc::new(ListenerMetrics::new(name)));
        listener.resume();
        listener.clone()
    }

    /// A reload has taken a listener away: its connections drain, its limits, brokers and certificates are shown no more, and
    /// what it has counted stays.
    pub fn retire_listener(&self, name: &str) {
        if let Some(listener) = lock(&self.listeners).get(name) {
            listener.retire();
        }
        lock(&self.certificates).retain(|(listener, _), _| listener != name);
    }

    /// The backend to ask when somebody looks. Once.
    pub fn watch_backend(&self, topology: Arc<Topology>) {
        // A second one is a slip that changes nothing.
        let _ = self.topology.set(topology);
    }

    /// How to ask how the store fares. Once; never where there is none.
    pub fn watch_store(&self, status: impl Fn() -> StoreStatus + Send + Sync + 'static) {
        // A second one is a slip that changes nothing.
        let _ = self.store.set(Box::new(status));
    }

    /// How the store fares, if there is one.
    pub fn store(&self) -> Option<StoreStatus> {
        self.store.get().map(|status| status())
    }

    /// Those who judge logins, to ask when somebody looks. Once.
    pub fn watch_logins(&self, guesses: Arc<Guesses>, passwords: Arc<Passwords>) {
        let _ = self.logins.set((guesses, passwords));
    }

    /// How to ask how the keys of issuers fare. Once.
    pub fn watch_issuers(&self, status: impl Fn() -> Vec<KeySourceStatus> + Send + Sync + 'static) {
        // A second one is a slip that changes nothing.
        let _ = self.issuers.set(Box::new(status));
    }

    /// `max.connections` over all listeners; `None` for no limit.
    pub fn set_max_connections(&self, limit: Option<u32>) {
        self.max_connections.store(limit.map_or(u64::MAX, u64::from), Ordering::Relaxed);
    }

    /// The listeners that take tokens without a signature.
    pub fn set_insecure_validators(&self, listeners: Vec<String>) {
        *lock(&self.insecure_validators) = listeners;
    }

    /// The front is being stopped: all listeners drain, and it is not ready any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.all_listeners().iter().for_each(|listener| listener.drain());
    }

    /// Whether the front is being stopped.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What is in a store now: when each of its certificates expires. `listener` is the listener's name, or `None` for the
    /// stores towards the backend. The earliest is shown; without certificates the store is shown no more. A store of many that
    /// nobody here chose, such as the system's authorities, is better not told: one of them always expires.
    pub fn set_certificates(&self, listener: Option<&str>, store: CertificateStore, not_after: &[SystemTime]) {
        let key = (listener.unwrap_or_default().to_owned(), store);
        let mut certificates = lock(&self.certificates);
        match not_after.iter().min() {
            Some(first) => certificates.insert(key, *first),
            None => certificates.remove(&key),
        };
    }

    /// Each store with its listener, empty for the backend's, and when its first certificate expires.
    pub fn certificates(&self) -> Vec<(String, CertificateStore, SystemTime)> {
        lock(&self.certificates).iter().map(|((listener, store), at)| (listener.clone(), *store, *at)).collect()
    }

    /// A reload was applied or refused.
    pub fn reloaded(&self, subject: ReloadSubject, outcome: ReloadOutcome) {
        let mut reloads = lock(&self.reloads);
        let of = &mut reloads[subject as usize];
        of.counts[outcome as usize] += 1;
        (of.last, of.at) = (outcome, SystemTime::now());
    }

    /// A worker thread of this name, from which signs of life are expected from now on.
    pub fn heartbeat(&self, worker: &str) -> Heartbeat {
        self.heartbeats.add(worker)
    }

    pub(super) fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    fn all_listeners(&self) -> Vec<Arc<ListenerMetrics>> {
        lock(&self.listeners).values().cloned().collect()
    }
}

/// Seconds since 1970, also of a time before it.
fn unix_seconds(at: SystemTime) -> i64 {
    let seconds = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => seconds(after),
        Err(before) => -seconds(before.duration()),
    }
}

/// What these locks guard is whole between any two statements, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) use tests::never_asked;

#[cfg(test)]
mod tests;
