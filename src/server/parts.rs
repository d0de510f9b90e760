//! What is built from a configuration before anything of it takes effect: all of it is good, or nothing of it is used.

use std::sync::Arc;

use super::StartError;
use crate::config::{ListenerConfig, ServerConfig};
use crate::relay::RelayRules;
use crate::sasl::{FailureDelays, GateRules, Registry};

/// The parts of all listeners.
pub(super) struct Parts {
    pub(super) relay: Arc<RelayRules>,
    /// One for each listener, in the configuration's order.
    pub(super) listeners: Vec<ListenerParts>,
}

/// The parts of one listener.
pub(super) struct ListenerParts {
    /// Set exactly if the listener has SASL.
    pub(super) gate: Option<GateRules>,
}

/// Builds them. `failure_delays` counts over all listeners, and over reloads.
pub(super) async fn build(
    config: &ServerConfig,
    registry: &Registry,
    failure_delays: &Arc<FailureDelays>,
) -> Result<Parts, StartError> {
    let relay = Arc::new(RelayRules {
        max_in_flight: config.max_in_flight_requests,
        max_request_size: config.socket_request_max_bytes,
        max_rewritten_response: config.backend.rewritten_response_max_bytes,
        max_idle: config.connections_max_idle,
        drain_limit: config.shutdown_timeout,
    });
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        listeners.push(ListenerParts { gate: build_gate(config, listener, registry, failure_delays).await? });
    }
    Ok(Parts { relay, listeners })
}

async fn build_gate(
    config: &ServerConfig,
    listener: &ListenerConfig,
    registry: &Registry,
    failure_delays: &Arc<FailureDelays>,
) -> Result<Option<GateRules>, StartError> {
    if listener.security_protocol.has_tls() {
        return Err(StartError::NoTls(listener.name.to_string(), listener.security_protocol.as_str()));
    }
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
