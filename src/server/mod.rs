//! Builds all parts from the configuration, runs them, and stops them in order.
//!
//! Connections are served by worker threads, each with a runtime of its own: a connection stays on one thread for its whole life,
//! so that its two sockets wake one task and nothing that it touches is locked. The main thread keeps the topology, hears the
//! signals, reloads ([`reload`]) and waits for the end.

mod accept;
mod certificates;
mod credentials;
mod files;
mod listeners;
mod parts;
mod placement;
mod reload;
mod signals;
mod watch;
mod without_port;
mod workers;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Administration;
use crate::backend::{TokenSetupError, Topology};
use crate::config::{ConfigErrors, Loaded, ServerConfig};
use crate::issuer::FETCH_WAIT;
use crate::listener::{BindError, ConnectionLimiter};
use crate::observe::{Endpoint, EndpointError, Health, Metrics};
use crate::relay::api_table;
use crate::sasl::gate::MAX_DELAYED_FAILURES;
use crate::sasl::{FailureDelays, Registry, RegistryError, Shared};
use crate::store::{OpenError, Store};
use crate::tls::{ClientTls, TlsError};

use listeners::{Bound, Common, Running, limit_of};
use signals::{Asked, Signals};
use watch::Watcher;
use without_port::BrokersWithoutPort;
use workers::Workers;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's mechanisms could not be made.
    #[error(transparent)]
    Mechanisms(#[from] RegistryError),
    /// A port could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The endpoint for metrics and health could not be bound.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The TLS material of a listener or of the backend cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token endpoint for the login to the backend cannot be asked.
    #[error(transparent)]
    Tokens(#[from] TokenSetupError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The operating system refused a thread, a signal handler or the like.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// How long the end waits for the store's files to be closed: a disk that hangs must not keep the process.
const STORE_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By a signal, with everything in flight done or `shutdown.timeout.ms` over.
    Stopped,
    /// By a second signal, at once.
    Killed,
}

/// Reads the configuration once more, from where it was read for the start.
pub type Source = dyn Fn() -> Result<Loaded, ConfigErrors> + Send + Sync;

/// Serves until a signal ends it: SIGTERM or SIGINT, the second of which ends it at once. SIGHUP reloads the configuration from
/// `source`, SIGUSR1 writes the counters to the log.
pub fn run(loaded: Loaded, source: Arc<Source>, registry: &Registry) -> Result<Ended, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let mut server = Server::start(loaded, registry).await?;
        serve(&mut server, &mut signals, &source, registry).await;
        tracing::info!("stopping: no new connections; what is in flight is finished");
        let store = server.store.clone();
        let ended = tokio::select! {
            () = server.stop() => Ended::Stopped,
            () = signals.stop() => {
                tracing::warn!("stopped at once by a second signal");
                Ended::Killed
            }
        };
        close(store).await;
        Ok(ended)
    });
    // A resolver or a file system that hangs must not keep the process.
    runtime.shutdown_background();
    ended
}

/// Closes the store, so that no thread of RocksDB is at work while the process ends and its statics go.
async fn close(store: Option<Store>) {
    let Some(store) = store else { return };
    if tokio::time::timeout(STORE_CLOSE_TIMEOUT, store.close()).await.is_err() {
        tracing::warn!("the store does not close; nothing that was acknowledged is lost");
    }
}

/// Does what signals ask until one asks to stop.
async fn serve(server: &mut Server, signals: &mut Signals, source: &Arc<Source>, registry: &Registry) {
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            changes = server.watcher.next() => {
                server.change_certificates(changes);
                continue;
            }
        };
        match asked {
            Asked::Stop => return,
            Asked::Counters => tracing::info!(metrics = %server.common.metrics.render(), "SIGUSR1: counters"),
            // Nothing has taken effect while it can still be given up.
            Asked::Reload => tokio::select! {
                () = server.reload(source, registry) => {}
                () = signals.stop() => return,
            },
        }
    }
}

/// Builds what can be built without serving: the mechanisms and the TLS of each listener, and the TLS towards the backend. What
/// `doorkeeper check` adds to loading the file. Gives the warnings, one line each.
pub fn check(config: &ServerConfig, registry: &Registry) -> Result<Vec<String>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let failure_delays = Arc::new(FailureDelays::new(MAX_DELAYED_FAILURES));
    let shared = credentials::not_opened(config);
    let administration = Arc::new(Administration::new(None, config.administrators.clone()));
    let built = runtime.block_on(parts::build(config, registry, &shared, &administration, &failure_delays));
    // Who asks an issuer for its keys need not have heard from it.
    runtime.shutdown_background();
    built.map(|parts| parts.warnings)
}

struct Server {
    /// What runs now.
    loaded: Loaded,
    common: Common,
    listeners: Vec<Running>,
    failure_delays: Arc<FailureDelays>,
    administration: Arc<Administration>,
    store: Option<Store>,
    /// What the mechanisms of all listeners share.
    shared: Shared,
    without_port: Arc<BrokersWithoutPort>,
    connections: TaskTracker,
    workers: Workers,
    watcher: Watcher,
    /// TLS towards the backend, where it has it.
    backend_tls: Option<Arc<ArcSwap<ClientTls>>>,
    /// Acceptors of listeners that were removed: their ports are free when they have ended.
    closing: Vec<TaskTracker>,
}

impl Server {
    async fn start(loaded: Loaded, registry: &Registry) -> Result<Self, StartError> {
        raise_open_files();
        let (store, shared) = credentials::open(&loaded.config).await?;
        let started = Self::start_with(loaded, registry, store.clone(), shared).await;
        if started.is_err() {
            close(store).await;
        }
        started
    }

    async fn start_with(
        loaded: Loaded,
        registry: &Registry,
        store: Option<Store>,
        shared: Shared,
    ) -> Result<Self, StartError> {
        let config = &loaded.config;
        let failure_delays = Arc::new(FailureDelays::new(MAX_DELAYED_FAILURES));
        let metrics = Arc::new(Metrics::default());
        if let Some(store) = store.clone() {
            metrics.watch_store(move || store.status());
        }
        let administration = Arc::new(Administration::new(store.clone(), config.administrators.clone()));
        let parts = parts::build(config, registry, &shared, &administration, &failure_delays).await?;
        parts.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        shared.key_sources.first_fetches(FETCH_WAIT).await;
        let bound: Vec<Bound> =
            config.listeners.iter().map(|listener| Bound::bind(listener, config)).collect::<Result<_, _>>()?;

        let endpoint = Endpoint::bind(&config.metrics_listeners)?;
        let without_port = Arc::new(BrokersWithoutPort::default());
        let watcher = Box::new(without_port.clone());
        let backend_tls = parts.backend_tls.map(|tls| Arc::new(ArcSwap::new(tls)));
        let topology =
            Arc::new(Topology::new(config.backend.clone(), backend_tls.clone(), api_table::offered, watcher));
        metrics.watch_backend(topology.clone());
        metrics.watch_logins(shared.guesses.clone(), shared.passwords.clone());
        let key_sources = shared.key_sources.clone();
        metrics.watch_issuers(move || key_sources.status());
        metrics.set_insecure_validators(config.insecure_validators());
        metrics.set_max_connections(limit_of(config.limits.max_connections));
        let common = Common {
            metrics,
            topology,
            limiter: ConnectionLimiter::new(&config.limits),
            failures: Arc::default(),
            stop: CancellationToken::new(),
            drain: CancellationToken::new(),
        };
        let connections = TaskTracker::new();
        let mut workers = Workers::start(config.worker_threads, &common.stop, &connections, &common.metrics)?;
        let mut listeners = Vec::new();
        for ((listener, parts_of), bound) in config.listeners.iter().zip(parts.listeners).zip(bound) {
            listeners.push(Running::start(bound, listener, parts_of, (config, &parts.relay), &common, &mut workers));
        }
        without_port.follow(listeners.iter().map(|listener| listener.addresses().clone()).collect());

        let (asking, until) = (common.topology.clone(), common.drain.clone());
        tokio::spawn(async move { asking.run(until).await });
        for address in endpoint.addresses() {
            tracing::info!(%address, "metrics and health");
        }
        endpoint.serve(&Arc::new(Health::new(common.metrics.clone(), common.topology.clone())));
        let (failures, until) = (common.failures.clone(), common.drain.clone());
        tokio::spawn(async move { failures.run(until).await });
        tracing::info!("ready");
        parts.watch.materials().for_each(|material| material.tell_metrics(&common.metrics));
        let (watcher, closing) = (Watcher::new(parts.watch), Vec::new());
        Ok(Self {
            loaded,
            common,
            listeners,
            failure_delays,
            administration,
            store,
            shared,
            without_port,
            connections,
            workers,
            watcher,
            backend_tls,
            closing,
        })
    }

    /// Stops accepting, lets each connection finish what is in flight, and waits for that for `shutdown.timeout.ms`.
    async fn stop(self) {
        self.common.metrics.drain();
        self.common.stop.cancel();
        self.common.drain.cancel();
        self.connections.close();
        let limit = self.loaded.config.shutdown_timeout;
        if tokio::time::timeout(limit, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "shutdown.timeout.ms is over; the rest is cut off");
            return;
        }
        self.workers.join();
        self.shared.key_sources.stop();
        tracing::info!("stopped");
    }
}

/// Each relayed client takes two file descriptors: the soft limit is raised to the hard one, as servers do.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
}
