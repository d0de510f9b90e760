//! Accepting: within the limits, on and on whatever fails.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::placement::Placement;
use crate::config::ListenerName;
use crate::connection::{Accepted, ListenerContext};
use crate::listener::{ListenerLimiter, PerIpLimitReached, Port};
use crate::observe::Refused;
use crate::sasl::Peer;

/// What a port accepts by; all ports of a listener count together.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) listener: ListenerName,
    /// What the next connection is served by; a reload puts another one in.
    pub(super) context: Arc<ArcSwap<ListenerContext>>,
    pub(super) limiter: ListenerLimiter,
    /// Cancelled when the listener is closed.
    pub(super) stop: CancellationToken,
}

/// After a failed accept, such as without file descriptors, the next try waits so long instead of spinning.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Accepts on one port until the listener is closed.
pub(super) async fn run(port: Port, rules: &Rules, placement: &Placement) -> io::Result<()> {
    let (stop, metrics) = (&rules.stop, rules.context.load().metrics.clone());
    let socket = TcpListener::from_std(port.socket)?;
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                if std::mem::take(&mut failing) {
                    tracing::info!(listener = %rules.listener, "accepting again");
                }
                metrics.accepted();
                // At max.connections, and above the creation rate, the next clients wait in the kernel's queue.
                let permit = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    permit = rules.limiter.admit(address.ip()) => permit,
                };
                let Ok(permit) = permit.map_err(|PerIpLimitReached| ()) else {
                    metrics.refused(Refused::PerAddress);
                    continue;
                };
                let peer = Peer { address, listener: rules.listener.clone() };
                let accepted = Accepted { stream, peer, target: port.target, at: Instant::now(), permit };
                placement.place(accepted, rules.context.load_full()).await;
            }
            Err(error) => {
                // One client that left its queue is nothing; a lack of resources is said once.
                metrics.accept_failed();
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
