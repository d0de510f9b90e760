//! The one line that each connection leaves in the log.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::failures::{FailureLog, What};
use crate::config::SecurityProtocol;
use crate::foreign::ForeignProtocol;
use crate::listener::AddressLimitReached;
use crate::listener::proxy_protocol::HeaderError;
use crate::principal::{KafkaPrincipal, NamingError};
use crate::relay::CloseReason;
use crate::sasl::gate::GateFailureReason;
use crate::sasl::{GateFailure, Peer};
use crate::session::Session;
use crate::tls::HandshakeError;

/// What is told of a connection that has ended.
#[derive(Debug)]
pub struct Closed {
    /// How long it lasted.
    pub duration: Duration,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    mechanism: String,
    principal: String,
    reason: String,
    /// The operator should look at it.
    alarming: bool,
    /// The client ended it.
    hung_up: bool,
    told: Told,
}

/// Whether the line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Always: the client was known.
    Always,
    /// As [`FailureLog`] decides: anybody can cause it.
    Bounded,
    /// The same, and in other words: it does not speak Kafka.
    Foreign(ForeignProtocol),
    /// It is nothing: a balancer's health check.
    Hardly,
}

impl Closed {
    /// A connection that was relayed; `bytes` from and to the client.
    pub fn relayed(session: &Session, reason: &CloseReason, bytes: (u64, u64)) -> Self {
        let mechanism = session.mechanism().map_or("-", |mechanism| mechanism.as_str()).to_owned();
        let alarming = match reason {
            CloseReason::BackendUnavailable(_) | CloseReason::BadResponse(_) => true,
            CloseReason::ReauthenticationFailed(failure) => failure.outage.is_some(),
            _ => false,
        };
        let told = match reason {
            CloseReason::OtherProtocol(protocol) => Told::Foreign(*protocol),
            _ => Told::Always,
        };
        Self {
            alarming,
            hung_up: !reason.leaves_the_client(),
            told,
            ..Self::new(mechanism, Shown(session.principal()).to_string(), reason.to_string(), bytes)
        }
    }

    /// A client that did not get past the gate.
    pub fn refused(failure: &GateFailure) -> Self {
        let mechanism = failure.mechanism.as_ref().map_or("-", |mechanism| mechanism.as_str()).to_owned();
        let told = match failure.reason {
            GateFailureReason::OtherProtocol(protocol) => Told::Foreign(protocol),
            _ => Told::Bounded,
        };
        Self {
            alarming: failure.outage.is_some(),
            hung_up: failure.reason == GateFailureReason::PeerClosed,
            told,
            ..Self::new(mechanism, "-".to_owned(), failure.to_string(), (failure.bytes_in, failure.bytes_out))
        }
    }

    /// A client with which there is no TLS connection.
    pub fn not_secured(error: &HandshakeError, bytes: (u64, u64)) -> Self {
        let told = error.foreign().map_or(Told::Bounded, Told::Foreign);
        let reason = format!("TLS handshake: {error}");
        let hung_up = matches!(error, HandshakeError::Closed | HandshakeError::Io(_));
        Self { hung_up, told, ..Self::new("-".to_owned(), "-".to_owned(), reason, bytes) }
    }

    /// A connection whose PROXY header could not be read.
    pub fn without_header(error: HeaderError) -> Self {
        let told = if error == HeaderError::Nothing { Told::Hardly } else { Told::Bounded };
        Self { told, ..Self::anonymous(error.to_string()) }
    }

    /// A connection that must come from a balancer and does not.
    pub fn not_a_balancer() -> Self {
        Self { told: Told::Bounded, ..Self::anonymous("not from proxy.protocol.trusted.addresses".to_owned()) }
    }

    /// A connection of an address that has too many.
    pub fn too_many(limit: AddressLimitReached) -> Self {
        Self { told: Told::Bounded, ..Self::anonymous(limit.to_string()) }
    }

    /// It was a balancer's own connection, on which nothing was said. If the balancer ended it itself, it is not worth a line.
    pub fn was_a_health_check(&mut self) {
        if self.hung_up {
            self.told = Told::Hardly;
        }
    }

    /// A client whose certificate gives it no name.
    pub fn nameless(error: &NamingError) -> Self {
        Self { told: Told::Bounded, ..Self::anonymous(format!("its certificate: {error}")) }
    }

    /// A client that was about to log in when the front was stopped.
    pub fn stopped() -> Self {
        Self::anonymous("shutdown".to_owned())
    }

    fn anonymous(reason: String) -> Self {
        Self::new("-".to_owned(), "-".to_owned(), reason, (0, 0))
    }

    fn new(mechanism: String, principal: String, reason: String, (bytes_in, bytes_out): (u64, u64)) -> Self {
        Self {
            duration: Duration::ZERO,
            bytes_in,
            bytes_out,
            mechanism,
            principal,
            reason,
            alarming: false,
            hung_up: false,
            told: Told::Always,
        }
    }

    /// Writes the line, unless too many of its kind were written already.
    pub fn log(&self, peer: &Peer, protocol: SecurityProtocol, failures: &FailureLog) {
        let Self { mechanism, principal, reason, bytes_in, bytes_out, .. } = self;
        // An IPv4 client of a dual-stack socket is shown by its IPv4 address.
        let address = SocketAddr::new(peer.address.ip().to_canonical(), peer.address.port());
        let (listener, duration_ms) = (&peer.listener, self.duration.as_millis() as u64);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    %listener, peer = %address, %mechanism, %principal, %reason, duration_ms, bytes_in, bytes_out,
                    "connection closed"
                )
            };
        }
        let what = match self.told {
            Told::Always => None,
            Told::Hardly => return line!(debug),
            Told::Bounded => Some(What::Failure),
            Told::Foreign(foreign) => Some(What::Foreign(foreign, listener.clone())),
        };
        if what.is_some_and(|what| !failures.allows(address.ip(), what)) {
            return line!(debug);
        }
        match self.told {
            Told::Foreign(foreign) => tracing::warn!(
                %listener, peer = %address, duration_ms, bytes_in, bytes_out, "{foreign} on the {protocol} listener {listener}"
            ),
            _ if self.alarming => line!(warn),
            _ => line!(info),
        }
    }
}

/// Longest part of a principal's name that is logged, in characters.
const SHOWN: usize = 128;

/// A principal as the log shows it. Its name is a client's own text: what could forge a line or hide in one is escaped, and a
/// long name is cut.
struct Shown<'a>(&'a KafkaPrincipal);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        write!(f, "{}:", self.0.principal_type())?;
        let mut rest = self.0.name().chars();
        for c in rest.by_ref().take(SHOWN) {
            if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_unicode())?;
            }
        }
        if rest.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_cannot_forge_a_line_or_fill_the_log() {
        let shown = |name: &str| Shown(&KafkaPrincipal::user(name)).to_string();
        assert_eq!(shown("alice"), "User:alice");
        assert_eq!(shown("a\r\nb\u{1b}[2J\u{202e}"), "User:a\\u{d}\\u{a}b\\u{1b}[2J\\u{202e}");
        assert_eq!(shown(&"x".repeat(10_000)).len(), "User:".len() + 128 + 3);
    }
}
