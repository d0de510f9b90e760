//! Why and how the gate turns a client away.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};

use crate::foreign::ForeignProtocol;
use crate::sasl::mechanism::{MechanismName, Outage};

/// Most connections that may sit in the failure delay at once, over all listeners. Above it a client that failed is answered
/// and closed without delay: strangers must not decide how many sockets we hold.
pub const MAX_DELAYED_FAILURES: usize = 8192;

/// Why a client did not get in. The set is closed: its words are metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateFailureReason {
    /// It closed the connection.
    PeerClosed,
    /// It was not done by the deadline.
    Deadline,
    /// A frame's length was negative or above `sasl.server.max.receive.size`.
    InvalidReceiveSize,
    /// It does not speak Kafka but something else that we recognise.
    OtherProtocol(ForeignProtocol),
    /// A request that Kafka knows and that does not belong here.
    UnexpectedRequest,
    /// More ApiVersions in a row than [`super::MAX_VERSION_ERRORS`] had to be refused.
    TooManyVersionErrors,
    /// SaslHandshake named a mechanism that is not enabled.
    UnsupportedMechanism,
    /// A frame that is no Kafka request, or whose body is not of a supported version's grammar.
    MalformedRequest,
    /// A token that is longer than the mechanism reads or not of its grammar.
    MalformedToken,
    /// Wrong credentials.
    RejectedCredentials,
    /// To authenticate anew it chose another mechanism than before.
    MechanismChanged,
    /// It authenticated anew as somebody else.
    PrincipalChanged,
    /// Something of ours is down; the client was not told that its credentials are wrong.
    Unavailable,
    /// Reading or writing failed.
    Io,
}

impl GateFailureReason {
    /// Each of them once.
    pub const ALL: &[Self] = &[
        Self::PeerClosed,
        Self::Deadline,
        Self::InvalidReceiveSize,
        Self::OtherProtocol(ForeignProtocol::Http),
        Self::OtherProtocol(ForeignProtocol::Tls),
        Self::OtherProtocol(ForeignProtocol::Ssh),
        Self::OtherProtocol(ForeignProtocol::ProxyHeader),
        Self::OtherProtocol(ForeignProtocol::Kafka),
        Self::UnexpectedRequest,
        Self::TooManyVersionErrors,
        Self::UnsupportedMechanism,
        Self::MalformedRequest,
        Self::MalformedToken,
        Self::RejectedCredentials,
        Self::MechanismChanged,
        Self::PrincipalChanged,
        Self::Unavailable,
        Self::Io,
    ];

    /// A fixed word for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::Deadline => "deadline",
            Self::InvalidReceiveSize => "invalid_receive_size",
            Self::OtherProtocol(protocol) => protocol.as_str(),
            Self::UnexpectedRequest => "unexpected_request",
            Self::TooManyVersionErrors => "too_many_version_errors",
            Self::UnsupportedMechanism => "unsupported_mechanism",
            Self::MalformedRequest => "malformed_request",
            Self::MalformedToken => "malformed_token",
            Self::RejectedCredentials => "rejected_credentials",
            Self::MechanismChanged => "mechanism_changed",
            Self::PrincipalChanged => "principal_changed",
            Self::Unavailable => "unavailable",
            Self::Io => "io",
        }
    }
}

impl fmt::Display for GateFailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A client that was turned away. Whatever there was to answer has been answered: close the connection.
#[derive(Clone, Debug)]
pub struct GateFailure {
    /// Why.
    pub reason: GateFailureReason,
    /// The mechanism, if the handshake got that far.
    pub mechanism: Option<MechanismName>,
    /// The known API key of an unexpected request.
    pub api_key: Option<i16>,
    /// What of ours is down, if [`GateFailureReason::Unavailable`].
    pub outage: Option<Outage>,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

impl GateFailure {
    /// Whether the client may still be there, sending and reading.
    pub fn leaves_the_client(&self) -> bool {
        !matches!(self.reason, GateFailureReason::PeerClosed | GateFailureReason::Io)
    }
}

impl fmt::Display for GateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not authenticated: {}", self.reason)?;
        if let Some(mechanism) = &self.mechanism {
            write!(f, ", mechanism {mechanism}")?;
        }
        if let Some(api_key) = self.api_key {
            write!(f, ", API key {api_key}")?;
        }
        if let Some(Outage(what)) = self.outage {
            write!(f, ", {what}")?;
        }
        Ok(())
    }
}

impl std::error::Error for GateFailure {}

/// Counts the connections that sit in the failure delay. One for all listeners.
#[derive(Debug)]
pub struct FailureDelays {
    waiting: AtomicUsize,
    limit: usize,
}

impl FailureDelays {
    /// At most `limit` at once.
    pub fn new(limit: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), limit }
    }

    /// How many sit in it now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self) -> Option<Waiting<'_>> {
        let more = |waiting: usize| (waiting < self.limit).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Waiting(self))
    }
}

impl Default for FailureDelays {
    fn default() -> Self {
        Self::new(MAX_DELAYED_FAILURES)
    }
}

/// One connection in the delay; leaves it when dropped.
pub(super) struct Waiting<'a>(&'a FailureDelays);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When a refused connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// Now: what went wrong is not an authentication failure in Kafka's eyes.
    AtOnce,
    /// After the failure delay, the answer withheld as long.
    AfterDelay,
}

/// A state's last word.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: GateFailureReason,
    pub(super) close: Close,
    pub(super) reply: Option<Bytes>,
    pub(super) api_key: Option<i16>,
    pub(super) outage: Option<Outage>,
}

impl Refusal {
    pub(super) fn at_once(reason: GateFailureReason) -> Self {
        Self { reason, close: Close::AtOnce, reply: None, api_key: None, outage: None }
    }

    pub(super) fn delayed(reason: GateFailureReason) -> Self {
        Self { close: Close::AfterDelay, ..Self::at_once(reason) }
    }

    /// With the whole answer frame that `put` appends.
    pub(super) fn with_reply(mut self, put: impl FnOnce(&mut BytesMut)) -> Self {
        let mut out = BytesMut::new();
        put(&mut out);
        self.reply = Some(out.freeze());
        self
    }

    pub(super) fn about(mut self, api_key: i16) -> Self {
        self.api_key = Some(api_key);
        self
    }

    pub(super) fn leaves_a_writable_connection(&self) -> bool {
        use GateFailureReason::{Deadline, Io, PeerClosed};
        !matches!(self.reason, PeerClosed | Deadline | Io)
    }

    pub(super) fn into_failure(self, mechanism: Option<MechanismName>, bytes_in: u64, bytes_out: u64) -> GateFailure {
        GateFailure { reason: self.reason, mechanism, api_key: self.api_key, outage: self.outage, bytes_in, bytes_out }
    }
}

#[cfg(test)]
mod all_tests {
    use super::*;

    /// The match has no wildcard: a new reason does not compile until it is here, and then wants its place in the list.
    #[test]
    fn all_reasons_are_listed() {
        use ForeignProtocol::{Http, Kafka, ProxyHeader, Ssh, Tls};
        use GateFailureReason as Reason;
        let next = |reason: &Reason| match reason {
            Reason::PeerClosed => Some(Reason::Deadline),
            Reason::Deadline => Some(Reason::InvalidReceiveSize),
            Reason::InvalidReceiveSize => Some(Reason::OtherProtocol(Http)),
            Reason::OtherProtocol(Http) => Some(Reason::OtherProtocol(Tls)),
            Reason::OtherProtocol(Tls) => Some(Reason::OtherProtocol(Ssh)),
            Reason::OtherProtocol(Ssh) => Some(Reason::OtherProtocol(ProxyHeader)),
            Reason::OtherProtocol(ProxyHeader) => Some(Reason::OtherProtocol(Kafka)),
            Reason::OtherProtocol(Kafka) => Some(Reason::UnexpectedRequest),
            Reason::UnexpectedRequest => Some(Reason::TooManyVersionErrors),
            Reason::TooManyVersionErrors => Some(Reason::UnsupportedMechanism),
            Reason::UnsupportedMechanism => Some(Reason::MalformedRequest),
            Reason::MalformedRequest => Some(Reason::MalformedToken),
            Reason::MalformedToken => Some(Reason::RejectedCredentials),
            Reason::RejectedCredentials => Some(Reason::MechanismChanged),
            Reason::MechanismChanged => Some(Reason::PrincipalChanged),
            Reason::PrincipalChanged => Some(Reason::Unavailable),
            Reason::Unavailable => Some(Reason::Io),
            Reason::Io => None,
        };
        let all: Vec<_> = std::iter::successors(Some(Reason::PeerClosed), next).collect();
        assert_eq!(all, Reason::ALL);
    }
}
