//! One connection, from accept to close.
//!
//! | stage | takes | gives |
//! |---|---|---|
//! | accept | socket | [`Accepted`] |
//! | TLS | socket | [`Secured`]: a transport, maybe the client's certificate and the name that it asked for |
//! | SASL | transport, mechanisms | `Proof` |
//! | principal | `Proof`, certificate, or nothing, as the security protocol says | `Session` |
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
use crate::observe::{Closed, ClosedBy, ConnectionState, HandshakeOutcome, ListenerMetrics, OpenClient};
use crate::relay::{ConnectionTraffic, Relay, RelayRules, Relayed};
use crate::sasl::gate::GateFailureReason;
use crate::sasl::{Authenticated, GateFailure, GateRules, MechanismName, Peer, authenticate};
use crate::session::Session;
use crate::tls::{self, HandshakeError, Handshaken, ServerTls};
use crate::transport::Transport;

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

impl ListenerContext {
    /// What a connection does first.
    fn first_state(&self) -> ConnectionState {
        if self.tls.is_some() { ConnectionState::TlsHandshake } else { self.state_when_secured() }
    }

    fn state_when_secured(&self) -> ConnectionState {
        if self.gate.is_some() { ConnectionState::Sasl } else { ConnectionState::Relayed }
    }
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
    let Accepted { stream, peer, target, at, permit } = accepted;
    let mut counted = listener.metrics.connection(listener.first_state());
    let (mut closed, left) = run(stream, &peer, target, at, &listener, &mut counted).await;
    closed.duration = at.elapsed();
    closed.log(&peer);
    if let Some(transport) = left {
        hang_up(transport).await;
    }
    drop(permit);
}

/// All stages, one after another. Gives what there is to tell, and the transport if the client may still be reading from it.
async fn run(
    stream: TcpStream,
    peer: &Peer,
    target: Target,
    at: Instant,
    listener: &ListenerContext,
    counted: &mut OpenClient,
) -> (Closed, Option<Transport>) {
    let traffic = listener.metrics.traffic();
    let deadline = at + listener.authentication_timeout;
    let secured = match secure(stream, deadline, listener).await {
        Ok(secured) => secured,
        Err(NotSecured::Refused(failure, stream)) => {
            counted.close(ClosedBy::TLS_HANDSHAKE);
            return (Closed::not_secured(&failure), stream.map(Transport::Plain));
        }
        Err(NotSecured::Stopped) => {
            counted.close(ClosedBy::SHUTDOWN);
            return (Closed::stopped(), None);
        }
    };
    let Secured { mut transport, handshaken } = secured;
    counted.enter(listener.state_when_secured());
    match identify(&mut transport, peer, deadline, &handshaken, listener).await {
        Ok(Known { session, already_read, bytes_in, bytes_out }) => {
            transport.is_known();
            counted.enter(ConnectionState::Relayed);
            traffic.add_bytes(bytes_in, bytes_out);
            // Boxed: an idle connection carries the relay's room and nothing of the states before it.
            let relayed = Box::pin(relay(&session, already_read, transport, target, listener, traffic)).await;
            counted.close(ClosedBy::relay(&relayed.reason));
            let left = relayed.reason.leaves_the_client().then_some(relayed.client);
            let bytes = (bytes_in + relayed.bytes_in, bytes_out + relayed.bytes_out);
            (Closed::relayed(&session, &relayed.reason, bytes), left)
        }
        Err(NotKnown::Refused(failure)) => {
            let (tls_in, tls_out) = handshaken.bytes;
            traffic.add_bytes(tls_in + failure.bytes_in, tls_out + failure.bytes_out);
            counted.close(ClosedBy::gate(failure.reason));
            (Closed::refused(&failure), waits_for_an_answer(&failure).then_some(transport))
        }
        Err(NotKnown::Stopped) => {
            counted.close(ClosedBy::SHUTDOWN);
            (Closed::stopped(), None)
        }
    }
}

/// A connection that is as safe from others as its security protocol makes it.
struct Secured {
    transport: Transport,
    /// Empty without TLS.
    handshaken: Handshaken,
}

enum NotSecured {
    /// The handshake failed; the socket, if an alert is on its way.
    Refused(HandshakeError, Option<TcpStream>),
    /// The front is being stopped.
    Stopped,
}

/// TLS, where the security protocol has it.
async fn secure(stream: TcpStream, deadline: Instant, listener: &ListenerContext) -> Result<Secured, NotSecured> {
    let Some(tls) = &listener.tls else {
        return Ok(Secured { transport: Transport::Plain(stream), handshaken: Handshaken::default() });
    };
    let begin = Instant::now();
    let config = tls.load().config().clone();
    let handshake = Box::pin(tls::accept(stream, &config, None));
    let result = tokio::select! {
        result = tokio::time::timeout_at(deadline, handshake) => result,
        () = listener.drain.cancelled() => return Err(NotSecured::Stopped),
    };
    let result = match result {
        Ok(Ok((stream, handshaken))) => Ok(Secured { transport: Transport::Tls(Box::new(stream)), handshaken }),
        Ok(Err((error, stream))) => Err((error, Some(stream))),
        Err(_) => Err((HandshakeError::Timeout, None)),
    };
    let outcome = match &result {
        Ok(secured) => HandshakeOutcome::succeeded(&secured.handshaken),
        Err((error, _)) => HandshakeOutcome::failed(error),
    };
    listener.metrics.tls_handshake(outcome, begin.elapsed());
    result.map_err(|(error, stream)| NotSecured::Refused(error, stream))
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
    transport: &mut Transport,
    peer: &Peer,
    deadline: Instant,
    handshaken: &Handshaken,
    listener: &ListenerContext,
) -> Result<Known, NotKnown> {
    let (tls_in, tls_out) = handshaken.bytes;
    let Some(gate) = &listener.gate else {
        let session = Session::without_sasl(listener.security_protocol).expect("a SASL listener has a gate");
        return Ok(Known { session, already_read: BytesMut::new(), bytes_in: tls_in, bytes_out: tls_out });
    };
    let rules = GateRules { deadline, ..gate.clone() };
    let api_versions = listener.topology.api_versions();
    let begin = Instant::now();
    let login = Box::pin(authenticate(transport, &rules, &api_versions, peer));
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
    let bytes_in = tls_in + bytes_in - unread.len() as u64;
    let bytes_out = tls_out + bytes_out;
    Ok(Known { session: Session::authenticated(proof), already_read: unread, bytes_in, bytes_out })
}

async fn relay(
    session: &Session,
    already_read: BytesMut,
    client: Transport,
    target: Target,
    listener: &ListenerContext,
    traffic: ConnectionTraffic,
) -> Relayed {
    let (rules, addresses) = (listener.relay.clone(), listener.addresses.clone());
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
async fn hang_up(mut stream: Transport) {
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
