//! What is built from a configuration before anything of it takes effect: all of it is good, or nothing of it is used.

use std::io;
use std::sync::Arc;

use super::StartError;
use super::watch::{Watch, Watched};
use crate::admin::Administration;
use crate::backend::check_tokens;
use crate::config::{ListenerConfig, ServerConfig};
use crate::relay::RelayRules;
use crate::sasl::{FailureDelays, GateRules, Registry, Shared};
use crate::tls::{ClientTls, ServerTls};

/// The parts of all listeners.
pub(super) struct Parts {
    pub(super) relay: Arc<RelayRules>,
    /// Set exactly if the backend's security protocol has TLS.
    pub(super) backend_tls: Option<Arc<ClientTls>>,
    /// All TLS of the two, with the files that it was made from.
    pub(super) watch: Watch,
    /// One for each listener, in the configuration's order.
    pub(super) listeners: Vec<ListenerParts>,
    /// What the operator should know of them, one line each.
    pub(super) warnings: Vec<String>,
}

/// The parts of one listener.
pub(super) struct ListenerParts {
    /// Set exactly if the listener has TLS.
    pub(super) tls: Option<Arc<ServerTls>>,
    /// Set exactly if the listener has SASL.
    pub(super) gate: Option<GateRules>,
}

/// Builds them. `failure_delays` counts over all listeners, and over reloads.
pub(super) async fn build(
    config: &ServerConfig,
    registry: &Registry,
    shared: &Shared,
    administration: &Arc<Administration>,
    failure_delays: &Arc<FailureDelays>,
) -> Result<Parts, StartError> {
    let relay = Arc::new(RelayRules {
        max_in_flight: config.max_in_flight_requests,
        max_request_size: config.socket_request_max_bytes,
        max_rewritten_response: config.backend.rewritten_response_max_bytes,
        max_idle: config.connections_max_idle,
        drain_limit: config.shutdown_timeout,
        administration: administration.clone(),
    });
    let AllTls { listeners: tls, backend: backend_tls, watched } = load_tls(config).await?;
    let of_listeners = tls.iter().flatten().flat_map(|tls| tls.warnings());
    let warnings = of_listeners.chain(backend_tls.iter().flat_map(|tls| tls.warnings())).cloned().collect();
    let mut listeners = Vec::new();
    for (listener, tls) in config.listeners.iter().zip(tls) {
        listeners
            .push(ListenerParts { tls, gate: build_gate(config, listener, (registry, shared), failure_delays).await? });
    }
    let watch = Watch::new(watched, config.tls_reload_interval);
    Ok(Parts { relay, backend_tls, watch, listeners, warnings })
}

struct AllTls {
    listeners: Vec<Option<Arc<ServerTls>>>,
    backend: Option<Arc<ClientTls>>,
    watched: Vec<Watched>,
}

/// Reads files and opens key stores, which are made to be slow to open: not on this thread.
async fn load_tls(config: &ServerConfig) -> Result<AllTls, StartError> {
    let listeners: Vec<_> = config.listeners.iter().map(|listener| listener.tls.clone()).collect();
    let security = config.backend.security.clone();
    let load = move || {
        check_tokens(&security)?;
        let backend = security.tls;
        let mut all = AllTls { listeners: Vec::new(), backend: None, watched: Vec::new() };
        for settings in listeners {
            let loaded = settings.map(|settings| Watched::listener(&settings)).transpose()?.unzip();
            all.watched.extend(loaded.0);
            all.listeners.push(loaded.1);
        }
        let loaded = backend.map(|settings| Watched::backend(&settings)).transpose()?.unzip();
        all.watched.extend(loaded.0);
        all.backend = loaded.1;
        Ok::<_, StartError>(all)
    };
    tokio::task::spawn_blocking(load).await.map_err(io::Error::other)?
}

async fn build_gate(
    config: &ServerConfig,
    listener: &ListenerConfig,
    (registry, shared): (&Registry, &Shared),
    failure_delays: &Arc<FailureDelays>,
) -> Result<Option<GateRules>, StartError> {
    let Some(sasl) = &listener.sasl else { return Ok(None) };
    let mechanisms = registry.build(sasl, &listener.name, shared).await?;
    Ok(Some(GateRules {
        mechanisms: Arc::new(mechanisms),
        max_receive_size: sasl.max_receive_size,
        failure_delay: config.failed_authentication_delay,
        failure_delays: failure_delays.clone(),
        deadline: tokio::time::Instant::now(),
    }))
}
