//! One connection, from accept to close.
//!
//! | stage | takes | gives |
//! |---|---|---|
//! | accept | socket | [`Accepted`] |
//! | TLS | `Accepted` | a transport (not in this version) |
//! | SASL | transport, mechanisms | `Proof` |
//! | principal | `Proof`, or nothing, as the security protocol says | `Session` |
//! | backend | `&Session` | a connection of its own, opened by the first request that needs it |
//! | relay | all of the above | `CloseReason` |

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backend::Topology;
use crate::config::SecurityProtocol;
use crate::listener::{Addresses, ConnectionPermit, Target};
use crate::observe::{Closed, ClosedBy, ConnectionState, ListenerMetrics};
use crate::relay::{ConnectionTraffic, Relay, RelayRules, Relayed, Transport};
use crate::sasl::gate::GateFailureReason;
use crate::sasl::{Authenticated, GateFailure, GateRules, MechanismName, Peer, authenticate};
use crate::session::Session;
use crate::tls::ServerTls;

/// What all connections of one listener share that were accepted under the same configuration.
#[derive(Clone, Debug)]
pub(crate) struct ListenerContext {
    pub(crate) security_protocol: SecurityProtocol,
    /// Set exactly if the security protocol has TLS; replaced as a whole when certificates change.
    pub(crate) tls: Option<Arc<ArcSwap<ServerTls>>>,
    pub(crate) addresses: Arc<Addresses>,
    /// Set exactly if the security protocol has SASL; the deadline in it is each connection's own.
    pub(crate) gate: Option<GateRules>,
    pub(crate) relay: Arc<RelayRules>,
    pub(crate) authentication_timeout: Duration,
    pub(crate) topology: Arc<Topology>,
    pub(crate) metrics: Arc<ListenerMetrics>,
    /// Cancelled when the front is being stopped or the listener removed: relays finish what is in flight.
    pub(crate) drain: CancellationToken,
}

/// A connection that has just been accepted.
pub(crate) struct Accepted<S = TcpStream> {
    pub(crate) stream: S,
    pub(crate) peer: Peer,
    pub(crate) target: Target,
    pub(crate) at: Instant,
    pub(crate) permit: ConnectionPermit,
}

impl<S> Accepted<S> {
    /// The same connection with its socket as something else: taken off one thread's runtime, or put on another's.
    pub(crate) fn convert<T>(self, convert: impl FnOnce(S) -> std::io::Result<T>) -> std::io::Result<Accepted<T>> {
        let Self { stream, peer, target, at, permit } = self;
        Ok(Accepted { stream: convert(stream)?, peer, target, at, permit })
    }
}

/// Serves one connection from its first byte to its last, and writes its one line into the log.
pub(crate) async fn serve(accepted: Accepted, listener: Arc<ListenerContext>) {
    let Accepted { mut stream, peer, target, at, permit } = accepted;
    if listener.tls.is_some() {
        // Nothing may pass in plain text here; the handshake comes with the TLS transport.
        return;
    }
    let first = if listener.gate.is_some() { ConnectionState::Sasl } else { ConnectionState::Relayed };
    let mut counted = listener.metrics.connection(first);
    let traffic = listener.metrics.traffic();
    let (mut closed, left) = match identify(&mut stream, &peer, at, &listener).await {
        Ok(Known { session, already_read, bytes_in, bytes_out }) => {
            counted.enter(ConnectionState::Relayed);
            traffic.add_bytes(bytes_in, bytes_out);
            // Boxed: an idle connection carries the relay's room and nothing of the states before it.
            let relayed = Box::pin(relay(&session, already_read, stream, target, &listener, traffic)).await;
            counted.close(ClosedBy::relay(&relayed.reason));
            let Transport::Plain(stream) = relayed.client;
            let left = relayed.reason.leaves_the_client().then_some(stream);
            let bytes = (bytes_in + relayed.bytes_in, bytes_out + relayed.bytes_out);
            (Closed::relayed(&session, &relayed.reason, bytes), left)
        }
        Err(NotKnown::Refused(failure)) => {
            counted.close(ClosedBy::gate(failure.reason));
            traffic.add_bytes(failure.bytes_in, failure.bytes_out);
            (Closed::refused(&failure), waits_for_an_answer(&failure).then_some(stream))
        }
        Err(NotKnown::Stopped) => {
            counted.close(ClosedBy::SHUTDOWN);
            (Closed::stopped(), None)
        }
    };
    closed.duration = at.elapsed();
    closed.log(&peer);
    if let Some(stream) = left {
        hang_up(stream).await;
    }
    drop(permit);
}

/// A client that is known, and what it sent behind its login.
struct Known {
    session: Session,
    already_read: BytesMut,
    bytes_in: u64,
    bytes_out: u64,
}

enum NotKnown {
    /// It did not get past the gate.
    Refused(GateFailure),
    /// The front is being stopped.
    Stopped,
}

/// SASL, where the security protocol has it; the session follows from the proof, and from nothing else.
async fn identify(
    stream: &mut TcpStream,
    peer: &Peer,
    at: Instant,
    listener: &ListenerContext,
) -> Result<Known, NotKnown> {
    let Some(gate) = &listener.gate else {
        let session = Session::without_sasl(listener.security_protocol).expect("a SASL listener has a gate");
        return Ok(Known { session, already_read: BytesMut::new(), bytes_in: 0, bytes_out: 0 });
    };
    let rules = GateRules { deadline: at + listener.authentication_timeout, ..gate.clone() };
    let api_versions = listener.topology.api_versions();
    let begin = Instant::now();
    let login = Box::pin(authenticate(stream, &rules, &api_versions, peer));
    let result = tokio::select! {
        result = login => result,
        () = listener.drain.cancelled() => return Err(NotKnown::Stopped),
    };
    let (mechanism, outcome) = match &result {
        Ok(authenticated) => (Some(authenticated.proof.mechanism()), Ok(())),
        Err(failure) => (failure.mechanism.as_ref(), Err(failure.reason)),
    };
    listener.metrics.login(mechanism.map(MechanismName::as_str), outcome, begin.elapsed());
    let Authenticated { proof, unread, bytes_in, bytes_out } = result.map_err(NotKnown::Refused)?;
    tracing::debug!(listener = %peer.listener, peer = %peer.address, "authenticated");
    // What came behind the login is the relay's to count.
    let bytes_in = bytes_in - unread.len() as u64;
    Ok(Known { session: Session::authenticated(proof), already_read: unread, bytes_in, bytes_out })
}

async fn relay(
    session: &Session,
    already_read: BytesMut,
    stream: TcpStream,
    target: Target,
    listener: &ListenerContext,
    traffic: ConnectionTraffic,
) -> Relayed {
    let (rules, addresses) = (listener.relay.clone(), listener.addresses.clone());
    let client = Transport::Plain(stream);
    let relay = Relay::new(session, client, &already_read, target, rules, addresses, listener.topology.clone());
    drop(already_read);
    relay.run(&listener.drain, traffic).await
}

/// Whether there is an answer on the way that a reset could overtake.
fn waits_for_an_answer(failure: &GateFailure) -> bool {
    failure.bytes_out > 0 && !matches!(failure.reason, GateFailureReason::PeerClosed | GateFailureReason::Io)
}

/// Longest time, and most bytes, that are read from a client after the front has ended the connection.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 1 << 20;

/// Ends the connection from our side. Closing a socket with unread bytes resets it, and a reset can overtake the last answer:
/// what the client still sends is read and dropped until it hangs up too.
async fn hang_up(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut rest = (&mut stream).take(LINGER_BYTES);
        let drop_the_rest = async {
            let mut room = [0; 1024];
            while matches!(rest.read(&mut room).await, Ok(1..)) {}
        };
        // Whether it hangs up in time or not, the connection is over.
        let _ = tokio::time::timeout(LINGER, drop_the_rest).await;
    }
}
