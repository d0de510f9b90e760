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

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backend::{Target, Topology};
use crate::config::SecurityProtocol;
use crate::listener::{Addresses, ConnectionPermit};
use crate::observe::Metrics;
use crate::relay::{CloseReason, Relay, RelayRules, Relayed, Transport};
use crate::sasl::{Authenticated, GateFailure, GateRules, Peer, authenticate};
use crate::session::Session;

/// What all connections of one listener share.
#[derive(Debug)]
pub(crate) struct ListenerContext {
    pub(crate) security_protocol: SecurityProtocol,
    pub(crate) addresses: Arc<Addresses>,
    /// Set exactly if the security protocol has SASL; the deadline in it is each connection's own.
    pub(crate) gate: Option<GateRules>,
    pub(crate) relay: Arc<RelayRules>,
    pub(crate) authentication_timeout: std::time::Duration,
    pub(crate) topology: Arc<Topology>,
    pub(crate) metrics: Arc<Metrics>,
    /// Cancelled when the front is being stopped: relays finish what is in flight.
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

/// Serves one connection, and writes its one line into the log when it is closed.
pub(crate) async fn serve(accepted: Accepted, listener: Arc<ListenerContext>) {
    let Accepted { mut stream, peer, target, at, permit } = accepted;
    let end = match identify(&mut stream, &peer, at, &listener).await {
        Ok(known) => {
            // Boxed: the states before it are gone, and an idle connection should not carry their room.
            let relayed = Box::pin(relay(&known, stream, target, &listener)).await;
            End::Relayed(known.session, relayed)
        }
        Err(end) => end,
    };
    drop(permit);
    close(&peer, at, &end, &listener);
}

/// A client that is known, and what it sent before it was.
struct Known {
    session: Session,
    already_read: bytes::BytesMut,
    bytes_in: u64,
    bytes_out: u64,
}

enum End {
    /// It never got past the gate.
    Refused(GateFailure),
    /// The front is being stopped.
    Stopped,
    Relayed(Session, Relayed),
}

/// SASL, where the security protocol has it; the session follows from the proof and from nothing else.
async fn identify(stream: &mut TcpStream, peer: &Peer, at: Instant, listener: &ListenerContext) -> Result<Known, End> {
    let Some(gate) = &listener.gate else {
        let session = Session::without_sasl(listener.security_protocol).expect("a SASL listener has a gate");
        return Ok(Known { session, already_read: bytes::BytesMut::new(), bytes_in: 0, bytes_out: 0 });
    };
    let rules = GateRules { deadline: at + listener.authentication_timeout, ..gate.clone() };
    let api_versions = listener.topology.api_versions();
    let login = Box::pin(authenticate(stream, &rules, &api_versions, peer));
    let Authenticated { proof, unread, bytes_in, bytes_out } = tokio::select! {
        result = login => result.map_err(|failure| {
            Metrics::add(&listener.metrics.authentications_failed_total, 1);
            End::Refused(failure)
        })?,
        () = listener.drain.cancelled() => return Err(End::Stopped),
    };
    Metrics::add(&listener.metrics.authentications_successful_total, 1);
    let bytes_in = bytes_in - unread.len() as u64;
    Ok(Known { session: Session::authenticated(proof), already_read: unread, bytes_in, bytes_out })
}

async fn relay(known: &Known, stream: TcpStream, target: Target, listener: &ListenerContext) -> Relayed {
    let (rules, addresses) = (listener.relay.clone(), listener.addresses.clone());
    let topology = listener.topology.clone();
    let client = Transport::Plain(stream);
    let relay = Relay::new(&known.session, client, &known.already_read, target, rules, addresses, topology);
    let mut relayed = relay.run(&listener.drain).await;
    relayed.bytes_in += known.bytes_in;
    relayed.bytes_out += known.bytes_out;
    relayed
}

/// Counts the bytes, and logs who it was, why it ended and how long it took. Names are a client's own text: escaped and cut.
fn close(peer: &Peer, at: Instant, end: &End, listener: &ListenerContext) {
    let (bytes_in, bytes_out) = match end {
        End::Relayed(_, relayed) => (relayed.bytes_in, relayed.bytes_out),
        End::Refused(failure) => (failure.bytes_in, failure.bytes_out),
        End::Stopped => (0, 0),
    };
    Metrics::add(&listener.metrics.bytes_received_total, bytes_in);
    Metrics::add(&listener.metrics.bytes_sent_total, bytes_out);
    let duration_ms = at.elapsed().as_millis() as u64;
    let SocketAddrText(address) = SocketAddrText::of(peer.address);
    let name = &peer.listener;
    match end {
        End::Relayed(session, Relayed { reason, .. }) => {
            let mechanism = session.mechanism().map_or("-", |mechanism| mechanism.as_str());
            let principal = Shown(session.principal());
            macro_rules! line {
                ($level:ident) => {
                    tracing::$level!(
                        listener = %name, peer = %address, mechanism, %principal, %reason, duration_ms, bytes_in, bytes_out,
                        "connection closed"
                    )
                };
            }
            match reason {
                CloseReason::BackendUnavailable(_) | CloseReason::BadResponse(_) => line!(warn),
                _ => line!(info),
            }
        }
        End::Refused(failure) => {
            let mechanism = failure.mechanism.as_ref().map_or("-", |mechanism| mechanism.as_str());
            tracing::info!(
                listener = %name, peer = %address, mechanism, principal = "-", reason = %failure, duration_ms, bytes_in, bytes_out,
                "connection closed"
            );
        }
        End::Stopped => tracing::info!(
            listener = %name, peer = %address, mechanism = "-", principal = "-", reason = "shutdown", duration_ms, bytes_in, bytes_out,
            "connection closed"
        ),
    }
}

/// An IPv4 client of a dual-stack socket is shown by its IPv4 address.
struct SocketAddrText(SocketAddr);

impl SocketAddrText {
    fn of(address: SocketAddr) -> Self {
        Self(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// Longest part of a principal that is logged, in characters.
const SHOWN: usize = 128;

/// A principal as the log shows it: control characters escaped, long names cut.
struct Shown<'a>(&'a crate::principal::KafkaPrincipal);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write;
        write!(f, "{}:", self.0.principal_type())?;
        for c in self.0.name().chars().take(SHOWN) {
            // Right-to-left marks and other invisible characters can make one line look like another.
            if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_unicode())?;
            }
        }
        if self.0.name().chars().nth(SHOWN).is_some() { f.write_str("...") } else { Ok(()) }
    }
}
