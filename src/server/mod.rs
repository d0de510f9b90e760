//! Builds all parts from the configuration, runs them, and stops them in order.
//!
//! Connections are served by worker threads, each with a runtime of its own: a connection stays on one thread for its whole life,
//! so that its two sockets wake one task and nothing that it touches is locked. The main thread keeps the topology, hears the
//! signals and waits for the end.

mod accept;
mod placement;
mod workers;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::{BrokerWatcher, Topology};
use crate::config::{ListenerConfig, ServerConfig};
use crate::connection::ListenerContext;
use crate::listener::limits::UNLIMITED;
use crate::listener::{Addresses, BindError, ConnectionLimiter, ListenerLimits, bind};
use crate::observe::{Endpoint, EndpointError, FailureLog, Health, Metrics};
use crate::relay::{RelayRules, api_table};
use crate::sasl::gate::MAX_DELAYED_FAILURES;
use crate::sasl::{FailureDelays, GateRules, Registry, RegistryError};
use crate::tls::{ClientTls, ServerTls, TlsError};

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
    /// The operating system refused a thread, a signal handler or the like.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By a signal, with everything in flight done or `shutdown.timeout.ms` over.
    Stopped,
    /// By a second signal, at once.
    Killed,
}

/// Serves until a signal ends it: SIGTERM or SIGINT, the second of which ends it at once. SIGUSR1 writes the counters to the log.
pub fn run(config: ServerConfig, registry: &Registry) -> Result<Ended, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let server = Server::start(config, registry).await?;
        let metrics = server.metrics.clone();
        signals.wait(&metrics).await;
        tracing::info!("stopping: no new connections; what is in flight is finished");
        tokio::select! {
            () = server.stop() => Ok(Ended::Stopped),
            () = signals.wait(&metrics) => {
                tracing::warn!("stopped at once by a second signal");
                Ok(Ended::Killed)
            }
        }
    })
}

/// Builds what can be built without serving: the mechanisms and the TLS of each listener, and the TLS towards the backend. What
/// `doorkeeper check` adds to loading the file. Gives the warnings, one line each.
pub fn check(config: &ServerConfig, registry: &Registry) -> Result<Vec<String>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut warnings = Vec::new();
        for listener in &config.listeners {
            build_gate(config, listener, registry, &Arc::new(FailureDelays::new(MAX_DELAYED_FAILURES))).await?;
            warnings.extend(load_tls(listener)?.map(|tls| tls.warnings().to_vec()).unwrap_or_default());
        }
        warnings.extend(load_backend_tls(config)?.map(|tls| tls.warnings().to_vec()).unwrap_or_default());
        Ok(warnings)
    })
}

struct Server {
    metrics: Arc<Metrics>,
    shutdown_timeout: Duration,
    stop_accepting: CancellationToken,
    drain: CancellationToken,
    connections: TaskTracker,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    async fn start(config: ServerConfig, registry: &Registry) -> Result<Self, StartError> {
        raise_open_files();
        let metrics = Arc::new(Metrics::default());
        let (stop_accepting, drain) = (CancellationToken::new(), CancellationToken::new());
        let failure_delays = Arc::new(FailureDelays::new(MAX_DELAYED_FAILURES));
        let failures = Arc::new(FailureLog::default());
        let relay = Arc::new(RelayRules {
            max_in_flight: config.max_in_flight_requests,
            max_request_size: config.socket_request_max_bytes,
            max_rewritten_response: config.backend.rewritten_response_max_bytes,
            max_idle: config.connections_max_idle,
        });

        let endpoint = Endpoint::bind(&config.metrics_listeners)?;
        let mut bound = Vec::new();
        for listener in &config.listeners {
            let gate = build_gate(&config, listener, registry, &failure_delays).await?;
            let tls = load_tls(listener)?.map(to_be_replaced);
            let (ports, addresses) = bind(listener, &config.socket)?;
            bound.push((listener, gate, tls, ports, Arc::new(addresses)));
        }
        let backend_tls = load_backend_tls(&config)?.map(to_be_replaced);
        let watcher = BrokersWithoutPort::new(bound.iter().map(|(.., addresses)| addresses.clone()));
        let topology =
            Arc::new(Topology::new(config.backend.clone(), backend_tls, api_table::offered, Box::new(watcher)));
        metrics.watch_backend(topology.clone());
        metrics.set_max_connections(Some(config.limits.max_connections).filter(|limit| *limit < UNLIMITED));
        let limiter = ConnectionLimiter::new(&config.limits);

        let mut ports = Vec::new();
        for (listener, gate, tls, listener_ports, addresses) in bound {
            tracing::info!(
                listener = %listener.name, protocol = %listener.security_protocol, host = %listener.bind.host, port = listener.bind.port,
                advertised = %format_args!("{}:{}", addresses.bootstrap().0, addresses.bootstrap().1), node_ports = listener_ports.len() - 1,
                "listening"
            );
            let counted = metrics.listener(listener.name.as_str());
            counted.enable_mechanisms(gate.iter().flat_map(|gate| gate.mechanisms.names()));
            counted.set_max_connections(listener.max_connections.filter(|limit| *limit < UNLIMITED));
            counted.set_max_unauthenticated_connections(listener.max_unauthenticated_connections);
            counted.set_addresses(addresses.clone());
            let context = Arc::new(ListenerContext {
                security_protocol: listener.security_protocol,
                addresses,
                tls,
                naming: listener.tls.as_ref().map(|tls| tls.naming.clone()),
                limiter: limiter.listener(&ListenerLimits::from(listener)),
                proxy_protocol: listener.proxy_protocol.clone(),
                gate,
                relay: relay.clone(),
                authentication_timeout: config.authentication_timeout,
                topology: topology.clone(),
                metrics: counted,
                failures: failures.clone(),
                drain: drain.clone(),
            });
            let rules = accept::Rules { listener: listener.name.clone(), context };
            ports.extend(listener_ports.into_iter().map(|port| (port, rules.clone())));
        }

        let connections = TaskTracker::new();
        let workers = workers::start(config.worker_threads, ports, &stop_accepting, &connections, &metrics)?;
        let asking = topology.clone();
        let until = drain.clone();
        tokio::spawn(async move { asking.run(until).await });
        for address in endpoint.addresses() {
            tracing::info!(%address, "metrics and health");
        }
        endpoint.serve(&Arc::new(Health::new(metrics.clone(), topology)));
        let until = drain.clone();
        tokio::spawn(async move { failures.run(until).await });
        tracing::info!("ready");
        let shutdown_timeout = config.shutdown_timeout;
        Ok(Self { metrics, shutdown_timeout, stop_accepting, drain, connections, workers })
    }

    /// Stops accepting, lets each connection finish what is in flight, and waits for that for `shutdown.timeout.ms`.
    async fn stop(self) {
        self.metrics.drain();
        self.stop_accepting.cancel();
        self.drain.cancel();
        self.connections.close();
        if tokio::time::timeout(self.shutdown_timeout, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "shutdown.timeout.ms is over; the rest is cut off");
            return;
        }
        for worker in self.workers {
            // A worker that panicked has said so already.
            let _ = worker.join();
        }
        tracing::info!("stopped");
    }
}

/// The TLS of a listener whose security protocol has it. Reads files: at the start only, when nobody is served yet.
fn load_tls(listener: &ListenerConfig) -> Result<Option<ServerTls>, TlsError> {
    let tls = listener.tls.as_ref().map(ServerTls::load).transpose()?;
    tls.iter().flat_map(ServerTls::warnings).for_each(|warning| tracing::warn!("{warning}"));
    Ok(tls)
}

/// The TLS towards the backend, if its security protocol has it.
fn load_backend_tls(config: &ServerConfig) -> Result<Option<ClientTls>, TlsError> {
    let tls = config.backend.security.tls.as_ref().map(ClientTls::load).transpose()?;
    tls.iter().flat_map(ClientTls::warnings).for_each(|warning| tracing::warn!("{warning}"));
    Ok(tls)
}

/// Shared by the threads, and replaced as a whole when certificates change.
fn to_be_replaced<T>(tls: T) -> Arc<ArcSwap<T>> {
    Arc::new(ArcSwap::from_pointee(tls))
}

async fn build_gate(
    config: &ServerConfig,
    listener: &ListenerConfig,
    registry: &Registry,
    failure_delays: &Arc<FailureDelays>,
) -> Result<Option<GateRules>, StartError> {
    let Some(sasl) = &listener.sasl else { return Ok(None) };
    let mechanisms = registry.build(sasl, &listener.name).await?;
    Ok(Some(GateRules {
        mechanisms: Arc::new(mechanisms),
        max_receive_size: sasl.max_receive_size,
        failure_delay: config.failed_authentication_delay,
        failure_delays: failure_delays.clone(),
        deadline: tokio::time::Instant::now(),
    }))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for one that ends the server.
    async fn wait(&mut self, metrics: &Metrics) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => tracing::warn!("SIGHUP: this version does not reload its configuration"),
                _ = self.user1.recv() => tracing::info!(metrics = %metrics.render(), "SIGUSR1: counters"),
            }
        }
    }
}

/// Warns, once each, of brokers that clients of a listener cannot reach.
#[derive(Debug)]
struct BrokersWithoutPort {
    listeners: Vec<Arc<Addresses>>,
    warned: Mutex<HashSet<(usize, i32)>>,
}

impl BrokersWithoutPort {
    fn new(listeners: impl Iterator<Item = Arc<Addresses>>) -> Self {
        Self { listeners: listeners.collect(), warned: Mutex::default() }
    }
}

impl BrokerWatcher for BrokersWithoutPort {
    fn broker_known(&self, node_id: i32) {
        for (at, addresses) in self.listeners.iter().enumerate().filter(|(_, a)| !a.has_node(node_id)) {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.insert((at, node_id)) {
                tracing::error!(
                    listener = %addresses.listener(), node_id,
                    "broker {node_id} is out of reach for clients of this listener: its node id lies outside \
                     listener.name.<listener>.node.id.ranges; partitions that it leads cannot be used until the ranges include it"
                );
            }
        }
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
