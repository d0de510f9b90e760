//! One connection, from accept to close.
//!
//! | stage | takes | gives |
//! |---|---|---|
//! | accept | socket | [`Accepted`] |
//! | PROXY header, where the listener reads one | `Accepted` | the client's true address |
//! | TLS | socket | [`Secured`]: a transport, maybe the client's certificate and the name that it asked for |
//! | SASL | transport, mechanisms | `Proof` |
//! | principal | `Proof`, certificate, or nothing, as the security protocol says | `Session` |
//! | backend | `&Session` | a connection of its own, opened by the first request that needs it |
//! | relay | all of the above | `CloseReason` |
//! | SASL again, as often as the client asks for it | the relay, paused; `Session` | a new `Session`, and the relay goes on |

mod reauthentication;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backend::Topology;
use crate::config::{ProxyProtocol, SecurityProtocol};
use crate::listener::proxy_protocol::{self, HeaderError};
use crate::listener::{AddressLimitReached, Addresses, ConnectionPermit, ListenerLimiter, Target};
use crate::observe::{Closed, ClosedBy, ConnectionState, FailureLog, HandshakeOutcome, ListenerMetrics, OpenClient};
use crate::principal::{CertificateNaming, NamingError};
use crate::relay::{CloseReason, ConnectionTraffic, Ended, Relay, RelayRules, Relayed};
use crate::sasl::{Authenticated, GateFailure, GateRules, MechanismName, Peer, authenticate};
use crate::session::Session;
use crate::tls::{self, HandshakeError, Handshaken, KnowsName, NoHandshake, ServerTls};
use crate::transport::Transport;
use reauthentication::Renewed;

/// What all connections of one listener share that were accepted under the same configuration.
#[derive(Clone, Debug)]
pub(crate) struct ListenerContext {
    pub(crate) security_protocol: SecurityProtocol,
    /// Set exactly if the security protocol has TLS; replaced as a whole when certificates change.
    pub(crate) tls: Option<Arc<ArcSwap<ServerTls>>>,
    /// How a certificate becomes a principal; set exactly if the security protocol has TLS.
    pub(crate) naming: Option<CertificateNaming>,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) limiter: ListenerLimiter,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// Set exactly if the security protocol has SASL; the deadline in it is each connection's own. Replaced as a whole by a reload:
    /// who logs in or authenticates anew is judged by what holds then, not when the connection was accepted.
    pub(crate) gate: Option<Arc<ArcSwap<GateRules>>>,
    pub(crate) relay: Arc<RelayRules>,
    pub(crate) authentication_timeout: Duration,
    pub(crate) topology: Arc<Topology>,
    pub(crate) metrics: Arc<ListenerMetrics>,
    pub(crate) failures: Arc<FailureLog>,
    /// Cancelled when the front is being stopped or the listener removed: relays finish what is in flight.
    pub(crate) drain: CancellationToken,
}

impl ListenerContext {
    /// Whether it is a balancer that is believed, as far as is known.
    pub(crate) fn is_balancer(&self, peer: &Peer) -> bool {
        self.proxy_protocol.as_ref().is_some_and(|proxy| proxy.trusts(peer.address.ip()))
    }

    /// Which names a client may ask for, where the name says which broker it wants.
    fn server_names(&self) -> Option<Arc<KnowsName>> {
        let addresses = Some(&self.addresses).filter(|addresses| addresses.are_by_name())?.clone();
        Some(Arc::new(move |name: &str| addresses.target_for(name).is_some()))
    }

    /// What a connection does first.
    fn first_state(&self, peer: &Peer) -> ConnectionState {
        if self.is_balancer(peer) { ConnectionState::ProxyHeader } else { self.state_behind_header() }
    }

    fn state_behind_header(&self) -> ConnectionState {
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
    let Accepted { stream, mut peer, target, at, mut permit } = accepted;
    let mut counted = listener.metrics.connection(listener.first_state(&peer));
    let (mut closed, left) = run(stream, &mut peer, &mut permit, target, at, &listener, &mut counted).await;
    closed.duration = at.elapsed();
    closed.log(&peer, listener.security_protocol, &listener.failures);
    if let Some(transport) = left {
        hang_up(transport).await;
    }
    drop(permit);
}

/// The stages, one after another. Gives what there is to tell, and the transport if the client may still be reading from it.
async fn run(
    mut stream: TcpStream,
    peer: &mut Peer,
    permit: &mut ConnectionPermit,
    target: Target,
    at: Instant,
    listener: &ListenerContext,
    counted: &mut OpenClient,
) -> (Closed, Option<Transport>) {
    // One deadline for everything until the client is known: bytes that arrive do not move it.
    let deadline = at + listener.authentication_timeout;
    let mut bytes = (0, 0);
    match find_address(&mut stream, peer, permit, deadline, listener).await {
        Ok(header_len) => bytes.0 += header_len,
        Err(not_known) => return (not_known.tell(bytes, listener, counted), None),
    }
    let header_len = bytes.0;
    counted.enter(listener.state_behind_header());
    let (mut transport, handshaken) = match secure(stream, deadline, listener).await {
        Ok(secured) => secured,
        Err((not_known, stream)) => {
            return (not_known.tell_behind(bytes, peer, listener, counted), stream.map(Transport::Plain));
        }
    };
    bytes = (bytes.0 + handshaken.bytes.0, bytes.1 + handshaken.bytes.1);
    counted.enter(listener.state_when_secured());
    let target =
        handshaken.server_name.as_deref().and_then(|name| listener.addresses.target_for(name)).unwrap_or(target);
    let certificate = handshaken.certificate.as_deref();
    let known = identify(&mut transport, certificate, peer, deadline, listener).await;
    let Known { session, already_read, bytes: login } = match known {
        Ok(known) => known,
        Err(not_known) => {
            // What is unsent is an alert.
            let left = (not_known.waits_for_an_answer() || transport.has_unsent()).then_some(transport);
            return (not_known.tell_behind(bytes, peer, listener, counted), left);
        }
    };
    permit.authenticated();
    transport.is_known();
    counted.enter(ConnectionState::Relayed);
    let traffic = listener.metrics.traffic();
    bytes = (bytes.0 + login.0, bytes.1 + login.1);
    traffic.add_bytes(bytes.0, bytes.1);
    // Boxed: an idle connection carries the relay's room and nothing of the states before it.
    let (session, relayed) = Box::pin(relay(session, already_read, transport, target, peer, listener, traffic)).await;
    counted.close(ClosedBy::relay(&relayed.reason));
    let left = (relayed.reason.leaves_the_client() || relayed.client.has_unsent()).then_some(relayed.client);
    let bytes = (bytes.0 + relayed.bytes_in, bytes.1 + relayed.bytes_out);
    let mut closed = Closed::relayed(&session, &relayed.reason, bytes);
    if header_len > 0 && closed.bytes_in == header_len && listener.is_balancer(peer) {
        closed.was_a_health_check();
    }
    (closed, left)
}

/// Why a client does not become known.
enum NotKnown {
    /// The PROXY header in front of it is missing or wrong.
    NoHeader(HeaderError),
    /// There are too many connections from the address that the PROXY header names.
    TooMany(AddressLimitReached),
    /// The TLS handshake failed, after so many bytes.
    NotSecured(HandshakeError, (u64, u64)),
    /// Its certificate is good and names nobody.
    Nameless(NamingError),
    /// It did not get past the gate.
    Refused(GateFailure),
    /// The front is being stopped.
    Stopped,
}

impl NotKnown {
    /// Counts it, and gives what the log shall tell; `bytes` came and went before.
    fn tell(self, bytes: (u64, u64), listener: &ListenerContext, counted: &mut OpenClient) -> Closed {
        counted.close(self.closed_by());
        let mut closed = match self {
            Self::NoHeader(error) => Closed::without_header(error),
            Self::TooMany(limit) => {
                listener.metrics.refused(limit.into());
                Closed::too_many(limit)
            }
            Self::NotSecured(error, bytes) => Closed::not_secured(&error, bytes),
            Self::Nameless(error) => Closed::nameless(&error),
            Self::Refused(failure) => Closed::refused(&failure),
            Self::Stopped => Closed::stopped(),
        };
        closed.bytes_in += bytes.0;
        closed.bytes_out += bytes.1;
        listener.metrics.traffic().add_bytes(closed.bytes_in, closed.bytes_out);
        closed
    }

    fn closed_by(&self) -> ClosedBy {
        match self {
            Self::NoHeader(_) => ClosedBy::PROXY_HEADER,
            Self::TooMany(_) => ClosedBy::ADDRESS_LIMIT,
            Self::NotSecured(..) => ClosedBy::TLS_HANDSHAKE,
            Self::Nameless(_) => ClosedBy::CERTIFICATE_NAME,
            Self::Refused(failure) => ClosedBy::gate(failure.reason),
            Self::Stopped => ClosedBy::SHUTDOWN,
        }
    }

    /// The same behind a PROXY header: a balancer that then says nothing has looked whether we live.
    fn tell_behind(
        self,
        bytes: (u64, u64),
        peer: &Peer,
        listener: &ListenerContext,
        counted: &mut OpenClient,
    ) -> Closed {
        let mut closed = self.tell(bytes, listener, counted);
        if bytes.0 > 0 && closed.bytes_in == bytes.0 && listener.is_balancer(peer) {
            closed.was_a_health_check();
        }
        closed
    }

    /// Whether there is an answer on the way that a reset could overtake.
    fn waits_for_an_answer(&self) -> bool {
        let Self::Refused(failure) = self else { return false };
        failure.bytes_out > 0 && failure.leaves_the_client()
    }
}

/// The client's true address, where a balancer that is to be believed connected for it. Gives the length of the header.
async fn find_address(
    stream: &mut TcpStream,
    peer: &mut Peer,
    permit: &mut ConnectionPermit,
    deadline: Instant,
    listener: &ListenerContext,
) -> Result<u64, NotKnown> {
    let Some(proxy) = listener.proxy_protocol.as_ref().filter(|_| listener.is_balancer(peer)) else { return Ok(0) };
    let header = Box::pin(tokio::time::timeout_at(deadline, proxy_protocol::read(stream)));
    let header = tokio::select! {
        header = header => header.unwrap_or(Err(HeaderError::Deadline)),
        () = listener.drain.cancelled() => return Err(NotKnown::Stopped),
    };
    let (address, len) = match header {
        Ok(header) => (proxy_protocol::address(header, peer.address), header.len),
        Err(HeaderError::Absent) if !proxy.required => (peer.address, 0),
        Err(error) => return Err(NotKnown::NoHeader(error)),
    };
    tracing::debug!(listener = %peer.listener, balancer = %peer.address, peer = %address, "address behind a balancer");
    peer.address = address;
    listener.limiter.admit_address(permit, address.ip()).map_err(NotKnown::TooMany)?;
    Ok(len as u64)
}

/// TLS, where the security protocol has it. A failure gives the socket back if an alert is on its way.
async fn secure(
    stream: TcpStream,
    deadline: Instant,
    listener: &ListenerContext,
) -> Result<(Transport, Handshaken), (NotKnown, Option<TcpStream>)> {
    let Some(tls) = &listener.tls else { return Ok((Transport::Plain(stream), Handshaken::default())) };
    let begin = Instant::now();
    let config = tls.load().config().clone();
    let handshake = Box::pin(tokio::time::timeout_at(deadline, tls::accept(stream, &config, listener.server_names())));
    let result = tokio::select! {
        result = handshake => result,
        () = listener.drain.cancelled() => return Err((NotKnown::Stopped, None)),
    };
    let outcome = match &result {
        Ok(Ok((_, handshaken))) => HandshakeOutcome::succeeded(handshaken),
        Ok(Err(failure)) => HandshakeOutcome::failed(&failure.error),
        Err(_) => HandshakeOutcome::Timeout,
    };
    listener.metrics.tls_handshake(outcome, begin.elapsed());
    match result {
        Ok(Ok((stream, handshaken))) => Ok((Transport::Tls(Box::new(stream)), handshaken)),
        Ok(Err(NoHandshake { error, tcp, bytes })) => Err((NotKnown::NotSecured(error, bytes), Some(tcp))),
        Err(_) => Err((NotKnown::NotSecured(HandshakeError::Timeout, (0, 0)), None)),
    }
}

/// A client that is known, and what it sent behind its login.
struct Known {
    session: Session,
    already_read: BytesMut,
    /// In and out.
    bytes: (u64, u64),
}

/// SASL, where the security protocol has it: the session then follows from the proof, and from nothing else. On an SSL listener it
/// follows from the certificate, if the client has shown one.
async fn identify(
    transport: &mut Transport,
    certificate: Option<&[u8]>,
    peer: &Peer,
    deadline: Instant,
    listener: &ListenerContext,
) -> Result<Known, NotKnown> {
    let Some(gate) = &listener.gate else {
        let protocol = listener.security_protocol;
        let named = match (certificate, &listener.naming) {
            (Some(der), Some(naming)) => Some(naming.principal(der).map_err(NotKnown::Nameless)?),
            _ => None,
        };
        let session = match named {
            Some(principal) => Session::certified(protocol, principal),
            None => Session::without_sasl(protocol),
        };
        let session = session.expect("a SASL listener has a gate");
        return Ok(Known { session, already_read: BytesMut::new(), bytes: (0, 0) });
    };
    let rules = GateRules { deadline, ..GateRules::clone(&gate.load()) };
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
    let Authenticated { proof, can_reauthenticate, unread, bytes_in, bytes_out } = result.map_err(NotKnown::Refused)?;
    if !can_reauthenticate {
        listener.metrics.login_without_reauthentication();
    }
    tracing::debug!(listener = %peer.listener, peer = %peer.address, "authenticated");
    // What came behind the login is the relay's to count.
    let bytes = (bytes_in - unread.len() as u64, bytes_out);
    Ok(Known { session: Session::authenticated(proof), already_read: unread, bytes })
}

/// Relays until the connection ends, and lets the client authenticate anew in between. Gives who the client was last.
async fn relay(
    mut session: Session,
    already_read: BytesMut,
    client: Transport,
    target: Target,
    peer: &Peer,
    listener: &ListenerContext,
    mut traffic: ConnectionTraffic,
) -> (Session, Relayed) {
    let (rules, addresses) = (listener.relay.clone(), listener.addresses.clone());
    let mut relay = Relay::new(&session, client, &already_read, target, rules, addresses, listener.topology.clone());
    drop(already_read);
    loop {
        let mut paused = match relay.run(&listener.drain, &mut traffic).await {
            Ended::Closed(relayed) => return (session, relayed),
            Ended::Paused(paused) => paused,
        };
        // Boxed, as it is rare.
        match Box::pin(reauthentication::renew(&mut paused, &session, peer, listener)).await {
            Ok(Renewed { session: renewed, unread, bytes }) => {
                relay = paused.resume(&renewed, &unread, bytes);
                session = renewed;
            }
            Err(reason) => {
                if let CloseReason::ReauthenticationFailed(failure) = &reason {
                    traffic.add_bytes(failure.bytes_in, failure.bytes_out);
                }
                return (session, paused.close(reason));
            }
        }
    }
}

/// Longest time, and most bytes, that are read from a client after the front has ended the connection.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// Ends the connection from our side. Closing a socket with unread bytes resets it, and a reset can overtake the last answer:
/// what the client still sends is read and dropped until it hangs up too.
async fn hang_up(mut stream: Transport) {
    let end = async {
        stream.shutdown().await?;
        // The socket's own bytes: a TLS stream that has refused a record opens no more of them.
        let (tcp, mut room, mut left) = (stream.tcp(), [0; 1024], LINGER_BYTES);
        while left > 0 {
            tcp.readable().await?;
            match tcp.try_read(&mut room) {
                Ok(0) => break,
                Ok(n) => left = left.saturating_sub(n),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        std::io::Result::Ok(())
    };
    // Whether it reads the last bytes and hangs up in time or not, the connection is over.
    let _ = tokio::time::timeout(LINGER, end).await;
}
