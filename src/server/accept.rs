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
use crate::listener::Port;
use crate::observe::{Closed, Refused};
use crate::sasl::Peer;

/// What a port accepts by; all ports of a listener count together.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) listener: ListenerName,
    /// What the next connection is served by; a reload puts another one in.
    pub(super) context: Arc<ArcSwap<ListenerContext>>,
    /// Cancelled when the listener is closed.
    pub(super) stop: CancellationToken,
}

impl Rules {
    /// A connection that is closed before it is served.
    fn refuse(&self, peer: &Peer, closed: &Closed) {
        let context = self.context.load();
        closed.log(peer, context.security_protocol, &context.failures);
    }
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
                let context = rules.context.load_full();
                context.metrics.accepted();
                let peer = Peer { address, listener: rules.listener.clone() };
                let ip = match &context.proxy_protocol {
                    // A balancer: the client's address is still to come.
                    Some(proxy) if proxy.trusts(address.ip()) => None,
                    Some(proxy) if proxy.required => {
                        context.metrics.refused(Refused::ProxySource);
                        rules.refuse(&peer, &Closed::not_a_balancer());
                        continue;
                    }
                    _ => Some(address.ip()),
                };
                if context.limiter.waits_for_logins() {
                    context.metrics.accept_waits();
                    context.failures.crowded(&rules.listener);
                }
                // At max.connections, and above the creation rate, the next clients wait in the kernel's queue.
                let permit = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    permit = context.limiter.admit(ip) => permit,
                };
                let permit = match permit {
                    Ok(permit) => permit,
                    Err(limit) => {
                        context.metrics.refused(limit.into());
                        rules.refuse(&peer, &Closed::too_many(limit));
                        continue;
                    }
                };
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
