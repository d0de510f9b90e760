//! Why a relayed connection ended.

use std::fmt;
use std::io;

use crate::backend::ConnectError;
use crate::foreign::ForeignProtocol;
use crate::sasl::GateFailure;
use crate::wire::schema::WalkError;

/// The end of a relayed connection; one log line each.
#[derive(Debug)]
pub enum CloseReason {
    /// The client closed, and everything that it had sent was done.
    ClientClosed,
    /// The client's connection failed.
    ClientIo(io::Error),
    /// The backend closed the connection.
    BackendClosed,
    /// The backend's connection failed.
    BackendIo(io::Error),
    /// No backend connection could be opened.
    BackendUnavailable(ConnectError),
    /// No bytes for `connections.max.idle.ms`.
    Idle,
    /// The session is over, and the client has not authenticated anew: a request came, or nothing came for too long.
    SessionExpired,
    /// The client has tried to authenticate anew and did not prove that it is who it was.
    ReauthenticationFailed(Box<GateFailure>),
    /// The front is being stopped, or the listener was removed.
    Shutdown,
    /// The same, and what was in flight took longer than `shutdown.timeout.ms`.
    DrainTimedOut,
    /// A request of more than `socket.request.max.bytes`, or of a negative size.
    RequestTooLarge,
    /// The client, whose listener asks for no login, does not speak Kafka but something else that we recognise.
    OtherProtocol(ForeignProtocol),
    /// A request that is too short for its header, or whose header does not parse.
    MalformedRequest,
    /// A request of an API that no broker listener has.
    UnknownApi(i16),
    /// A request of an API that the front refuses.
    RefusedApi(&'static str),
    /// A request in a version that the front does not offer.
    UnsupportedVersion(&'static str, i16),
    /// The backend sent what is no response to the client's requests; nothing of it may pass.
    BadResponse(&'static str),
}

impl CloseReason {
    pub(super) fn client_io(error: io::Error) -> Self {
        Self::ClientIo(error)
    }

    pub(super) fn backend_io(error: io::Error) -> Self {
        Self::BackendIo(error)
    }

    pub(super) fn bad_response(error: WalkError) -> Self {
        Self::BadResponse(error.0)
    }

    /// Whether the client may still be there, sending and reading.
    pub fn leaves_the_client(&self) -> bool {
        match self {
            Self::ClientClosed | Self::ClientIo(_) => false,
            Self::ReauthenticationFailed(failure) => failure.leaves_the_client(),
            _ => true,
        }
    }

    /// Everything that [`Self::as_str`] says.
    pub const NAMES: &[&str] = &[
        "client closed",
        "client connection failed",
        "backend closed",
        "backend connection failed",
        "backend unavailable",
        "idle",
        "session expired",
        "reauthentication failed",
        "shutdown",
        "drain timed out",
        "request too large",
        "http_on_kafka_port",
        "tls_on_plaintext_port",
        "ssh_on_kafka_port",
        "proxy_header_on_kafka_port",
        "plaintext_on_tls_port",
        "malformed request",
        "unknown api",
        "refused api",
        "unsupported version",
        "bad response from the backend",
    ];

    /// A short fixed name, for metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ClientClosed => "client closed",
            Self::ClientIo(_) => "client connection failed",
            Self::BackendClosed => "backend closed",
            Self::BackendIo(_) => "backend connection failed",
            Self::BackendUnavailable(_) => "backend unavailable",
            Self::Idle => "idle",
            Self::SessionExpired => "session expired",
            Self::ReauthenticationFailed(_) => "reauthentication failed",
            Self::Shutdown => "shutdown",
            Self::DrainTimedOut => "drain timed out",
            Self::RequestTooLarge => "request too large",
            Self::OtherProtocol(protocol) => protocol.as_str(),
            Self::MalformedRequest => "malformed request",
            Self::UnknownApi(_) => "unknown api",
            Self::RefusedApi(_) => "refused api",
            Self::UnsupportedVersion(..) => "unsupported version",
            Self::BadResponse(_) => "bad response from the backend",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::ClientIo(error) | Self::BackendIo(error) => write!(f, ": {error}"),
            Self::BackendUnavailable(error) => write!(f, ": {error}"),
            Self::ReauthenticationFailed(failure) => write!(f, ": {failure}"),
            Self::UnknownApi(key) => write!(f, ": key {key}"),
            Self::RefusedApi(name) => write!(f, ": {name}"),
            Self::UnsupportedVersion(name, version) => write!(f, ": {name} {version}"),
            Self::BadResponse(what) => write!(f, ": {what}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::GateFailureReason;

    /// The match has no wildcard: a new reason does not compile until it is here, and then wants its name in the list.
    #[test]
    fn each_reason_has_its_name_in_the_list() {
        use ForeignProtocol::{Http, Kafka, ProxyHeader, Ssh, Tls};
        let io = || io::Error::from(io::ErrorKind::BrokenPipe);
        let failure = || GateFailure {
            reason: GateFailureReason::RejectedCredentials,
            mechanism: None,
            api_key: None,
            outage: None,
            bytes_in: 0,
            bytes_out: 0,
        };
        let next = |reason: &CloseReason| match reason {
            CloseReason::ClientClosed => Some(CloseReason::ClientIo(io())),
            CloseReason::ClientIo(_) => Some(CloseReason::BackendClosed),
            CloseReason::BackendClosed => Some(CloseReason::BackendIo(io())),
            CloseReason::BackendIo(_) => Some(CloseReason::BackendUnavailable(ConnectError::UnknownNode(1))),
            CloseReason::BackendUnavailable(_) => Some(CloseReason::Idle),
            CloseReason::Idle => Some(CloseReason::SessionExpired),
            CloseReason::SessionExpired => Some(CloseReason::ReauthenticationFailed(Box::new(failure()))),
            CloseReason::ReauthenticationFailed(_) => Some(CloseReason::Shutdown),
            CloseReason::Shutdown => Some(CloseReason::DrainTimedOut),
            CloseReason::DrainTimedOut => Some(CloseReason::RequestTooLarge),
            CloseReason::RequestTooLarge => Some(CloseReason::OtherProtocol(Http)),
            CloseReason::OtherProtocol(Http) => Some(CloseReason::OtherProtocol(Tls)),
            CloseReason::OtherProtocol(Tls) => Some(CloseReason::OtherProtocol(Ssh)),
            CloseReason::OtherProtocol(Ssh) => Some(CloseReason::OtherProtocol(ProxyHeader)),
            CloseReason::OtherProtocol(ProxyHeader) => Some(CloseReason::OtherProtocol(Kafka)),
            CloseReason::OtherProtocol(Kafka) => Some(CloseReason::MalformedRequest),
            CloseReason::MalformedRequest => Some(CloseReason::UnknownApi(0)),
            CloseReason::UnknownApi(_) => Some(CloseReason::RefusedApi("")),
            CloseReason::RefusedApi(_) => Some(CloseReason::UnsupportedVersion("", 0)),
            CloseReason::UnsupportedVersion(..) => Some(CloseReason::BadResponse("")),
            CloseReason::BadResponse(_) => None,
        };
        let names: Vec<_> = std::iter::successors(Some(CloseReason::ClientClosed), next).map(|r| r.as_str()).collect();
        assert_eq!(names, CloseReason::NAMES);
    }
}
