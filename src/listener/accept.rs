//! Accepting: within the limits, on and on whatever fails.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ConnectionLimiter, Port};
use crate::config::ListenerName;
use crate::connection::{Accepted, ListenerContext};
use crate::observe::Metrics;
use crate::sasl::Peer;
use crate::server::Placement;

/// What a port accepts by.
pub(crate) struct Rules {
    pub(crate) listener: ListenerName,
    /// The listener's place in the configuration; what the limiter knows it by.
    pub(crate) index: usize,
    pub(crate) context: Arc<ListenerContext>,
    pub(crate) limiter: Arc<ConnectionLimiter>,
}

/// After a failed accept, such as without file descriptors, the next try waits so long instead of spinning.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Accepts on one port until `stop`.
pub(crate) async fn run(port: Port, rules: &Rules, placement: &Placement, stop: &CancellationToken) -> io::Result<()> {
    let socket = TcpListener::from_std(port.socket)?;
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = async {
                // At max.connections, and above the creation rate, clients wait in the kernel's queue.
                let slot = rules.limiter.slot(rules.index).await;
                (slot, socket.accept().await)
            } => accepted,
        };
        match accepted {
            (slot, Ok((stream, address))) => {
                if std::mem::take(&mut failing) {
                    tracing::info!(listener = %rules.listener, "accepting again");
                }
                Metrics::add(&rules.context.metrics.connections_accepted_total, 1);
                let Some(permit) = slot.admit(address.ip()) else {
                    Metrics::add(&rules.context.metrics.connections_refused_per_ip_total, 1);
                    continue;
                };
                let peer = Peer { address, listener: rules.listener.clone() };
                let accepted = Accepted { stream, peer, target: port.target, at: Instant::now(), permit };
                placement.place(accepted, rules.context.clone()).await;
            }
            (_, Err(error)) => {
                // One client that left its queue is nothing; a lack of resources is said once.
                Metrics::add(&rules.context.metrics.accept_failures_total, 1);
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(listener = %rules.listener, %error, "cannot accept; trying again");
                    }
                    tokio::time::sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }
}
