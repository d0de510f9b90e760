//! Why a relayed connection ended.

use std::fmt;
use std::io;

use crate::backend::ConnectError;
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
    /// The front is being stopped, or the listener was removed.
    Shutdown,
    /// The same, and what was in flight took longer than `shutdown.timeout.ms`.
    CutOff,
    /// A request of more than `socket.request.max.bytes`, or of a negative size.
    RequestTooLarge,
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
        !matches!(self, Self::ClientClosed | Self::ClientIo(_))
    }

    /// A short fixed name, for metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ClientClosed => "client closed",
            Self::ClientIo(_) => "client connection failed",
            Self::BackendClosed => "backend closed",
            Self::BackendIo(_) => "backend connection failed",
            Self::BackendUnavailable(_) => "backend unavailable",
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
            Self::CutOff => "cut off by shutdown.timeout.ms",
            Self::RequestTooLarge => "request too large",
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
            Self::UnknownApi(key) => write!(f, ": key {key}"),
            Self::RefusedApi(name) => write!(f, ": {name}"),
            Self::UnsupportedVersion(name, version) => write!(f, ": {name} {version}"),
            Self::BadResponse(what) => write!(f, ": {what}"),
            _ => Ok(()),
        }
    }
}
