//! The one line that each connection leaves in the log.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::principal::KafkaPrincipal;
use crate::relay::CloseReason;
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
}

impl Closed {
    /// A connection that was relayed; `bytes` from and to the client.
    pub fn relayed(session: &Session, reason: &CloseReason, bytes: (u64, u64)) -> Self {
        let mechanism = session.mechanism().map_or("-", |mechanism| mechanism.as_str()).to_owned();
        let alarming = matches!(reason, CloseReason::BackendUnavailable(_) | CloseReason::BadResponse(_));
        Self { alarming, ..Self::new(mechanism, Shown(session.principal()).to_string(), reason.to_string(), bytes) }
    }

    /// A client that did not get past the gate.
    pub fn refused(failure: &GateFailure) -> Self {
        let mechanism = failure.mechanism.as_ref().map_or("-", |mechanism| mechanism.as_str()).to_owned();
        Self {
            alarming: failure.outage.is_some(),
            ..Self::new(mechanism, "-".to_owned(), failure.to_string(), (failure.bytes_in, failure.bytes_out))
        }
    }

    /// A client with which there is no TLS connection.
    pub fn not_secured(error: &HandshakeError) -> Self {
        Self::new("-".to_owned(), "-".to_owned(), format!("TLS handshake: {error}"), (0, 0))
    }

    /// A client that was about to log in when the front was stopped.
    pub fn stopped() -> Self {
        Self::new("-".to_owned(), "-".to_owned(), "shutdown".to_owned(), (0, 0))
    }

    fn new(mechanism: String, principal: String, reason: String, (bytes_in, bytes_out): (u64, u64)) -> Self {
        Self { duration: Duration::ZERO, bytes_in, bytes_out, mechanism, principal, reason, alarming: false }
    }

    /// Writes the line.
    pub fn log(&self, peer: &Peer) {
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
        if self.alarming { line!(warn) } else { line!(info) }
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
