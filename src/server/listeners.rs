//! Listeners that run: bound, started, given new rules, and closed one by one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept;
use super::parts::ListenerParts;
use super::workers::Workers;
use crate::backend::Topology;
use crate::config::{ListenerConfig, ListenerName, ServerConfig};
use crate::connection::ListenerContext;
use crate::listener::limits::UNLIMITED;
use crate::listener::{Addresses, BindError, ConnectionLimiter, ListenerLimiter, ListenerLimits, Port, bind};
use crate::observe::{FailureLog, ListenerMetrics, Metrics};
use crate::relay::RelayRules;
use crate::tls::ServerTls;

/// What all listeners share for as long as the process lives.
pub(super) struct Common {
    pub(super) metrics: Arc<Metrics>,
    pub(super) topology: Arc<Topology>,
    pub(super) limiter: ConnectionLimiter,
    pub(super) failures: Arc<FailureLog>,
    /// Cancelled when the server stops: no listener accepts any more.
    pub(super) stop: CancellationToken,
    /// Cancelled when the server stops: all connections finish what is in flight.
    pub(super) drain: CancellationToken,
}

/// A listener whose ports are bound: clients that come wait in the kernel.
pub(super) struct Bound {
    ports: Vec<Port>,
    addresses: Arc<Addresses>,
}

impl Bound {
    pub(super) fn bind(listener: &ListenerConfig, config: &ServerConfig) -> Result<Self, BindError> {
        let (ports, addresses) = bind(listener, &config.socket)?;
        Ok(Self { ports, addresses: Arc::new(addresses) })
    }
}

/// A listener that accepts.
pub(super) struct Running {
    name: ListenerName,
    addresses: Arc<Addresses>,
    /// What the next connection is served by; each connection keeps what it was accepted with.
    context: Arc<ArcSwap<ListenerContext>>,
    /// What the next handshake goes by.
    tls: Option<Arc<ArcSwap<ServerTls>>>,
    limiter: ListenerLimiter,
    stop: CancellationToken,
    drain: CancellationToken,
    acceptors: TaskTracker,
}

impl Running {
    pub(super) fn start(
        Bound { ports, addresses }: Bound,
        listener: &ListenerConfig,
        parts: ListenerParts,
        (config, relay): (&ServerConfig, &Arc<RelayRules>),
        common: &Common,
        workers: &mut Workers,
    ) -> Self {
        tracing::info!(
            listener = %listener.name, protocol = %listener.security_protocol, host = %listener.bind.host, port = listener.bind.port,
            advertised = %format_args!("{}:{}", addresses.bootstrap().0, addresses.bootstrap().1), node_ports = ports.len() - 1,
            "listening"
        );
        let metrics = common.metrics.listener(listener.name.as_str());
        metrics.set_addresses(addresses.clone());
        tell_metrics(&metrics, listener, &parts);
        let drain = common.drain.child_token();
        let tls = parts.tls.map(|tls| Arc::new(ArcSwap::new(tls)));
        let limiter = common.limiter.listener(&ListenerLimits::from(listener));
        let context = ListenerContext {
            security_protocol: listener.security_protocol,
            tls: tls.clone(),
            naming: listener.tls.as_ref().map(|tls| tls.naming.clone()),
            addresses: addresses.clone(),
            limiter: limiter.clone(),
            proxy_protocol: listener.proxy_protocol.clone(),
            gate: parts.gate.map(|gate| Arc::new(ArcSwap::from_pointee(gate))),
            relay: relay.clone(),
            authentication_timeout: config.authentication_timeout,
            topology: common.topology.clone(),
            metrics,
            failures: common.failures.clone(),
            drain: drain.clone(),
        };
        let running = Self {
            name: listener.name.clone(),
            addresses,
            context: Arc::new(ArcSwap::from_pointee(context)),
            tls,
            limiter,
            stop: common.stop.child_token(),
            drain,
            acceptors: TaskTracker::new(),
        };
        for port in ports {
            let rules = accept::Rules {
                listener: running.name.clone(),
                context: running.context.clone(),
                stop: running.stop.clone(),
            };
            workers.accept(port, rules, running.acceptors.token());
        }
        running
    }

    pub(super) fn name(&self) -> &ListenerName {
        &self.name
    }

    pub(super) fn addresses(&self) -> &Arc<Addresses> {
        &self.addresses
    }

    /// What the next connection will be served by.
    #[cfg(test)]
    pub(super) fn context(&self) -> Arc<ListenerContext> {
        self.context.load_full()
    }

    #[cfg(test)]
    pub(super) fn limits(&self) -> String {
        format!("{:?}", self.limiter)
    }

    /// New rules for the connections to come, and for the logins of those that are there. Ports, addresses and security protocol stay.
    pub(super) fn renew(
        &self,
        listener: &ListenerConfig,
        parts: ListenerParts,
        (config, relay): (&ServerConfig, &Arc<RelayRules>),
    ) {
        let current = self.context.load();
        tell_metrics(&current.metrics, listener, &parts);
        let context = ListenerContext {
            naming: listener.tls.as_ref().map(|tls| tls.naming.clone()),
            proxy_protocol: listener.proxy_protocol.clone(),
            relay: relay.clone(),
            authentication_timeout: config.authentication_timeout,
            ..ListenerContext::clone(&current)
        };
        if let (Some(current), Some(gate)) = (&context.gate, parts.gate) {
            current.store(Arc::new(gate));
        }
        self.context.store(Arc::new(context));
        if let Some(tls) = parts.tls {
            self.renew_tls(tls);
        }
        self.limiter.apply(&ListenerLimits::from(listener));
    }

    /// What the next handshake goes by, if the listener has TLS.
    pub(super) fn tls(&self) -> Option<Arc<ServerTls>> {
        self.tls.as_ref().map(|tls| tls.load_full())
    }

    /// From now on handshakes go by this. With it come new keys for session tickets: nobody resumes what was agreed before.
    pub(super) fn renew_tls(&self, tls: Arc<ServerTls>) {
        if let Some(current) = &self.tls {
            current.store(tls);
        }
    }

    /// Stops accepting; its connections finish what is in flight, for `shutdown.timeout.ms` at most. Whoever binds one of its
    /// ports next must wait for the acceptors' end.
    pub(super) fn close(self, metrics: &Metrics) -> TaskTracker {
        tracing::info!(listener = %self.name, "closing: what is in flight is finished");
        metrics.retire_listener(self.name.as_str());
        self.stop.cancel();
        self.drain.cancel();
        self.acceptors.close();
        self.acceptors
    }
}

fn tell_metrics(metrics: &ListenerMetrics, listener: &ListenerConfig, parts: &ListenerParts) {
    metrics.enable_mechanisms(parts.gate.iter().flat_map(|gate| gate.mechanisms.names()));
    metrics.set_max_connections(listener.max_connections.and_then(limit_of));
    metrics.set_max_unauthenticated_connections(listener.max_unauthenticated_connections);
}

/// A limit as the metrics show it: Kafka's default is none.
pub(super) fn limit_of(max_connections: u32) -> Option<u32> {
    Some(max_connections).filter(|limit| *limit < UNLIMITED)
}
