//! Why an issuer gave nothing. No error holds a byte of what was answered.

use std::io;
use std::time::Duration;

use crate::tls::HandshakeError;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The name could not be looked up.
    #[error("its host name cannot be looked up: {0}")]
    LookUp(io::Error),
    /// The name has no address.
    #[error("its host name has no address")]
    NoAddress,
    /// All addresses of the name are ones that are never dialled.
    #[error("its host name stands for an address that is never dialled (this machine, link-local, or the like)")]
    ForbiddenAddress,
    /// No connection, over all addresses of the host.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// No TLS connection, or a certificate that is not good for the host.
    #[error("TLS: {}", .0.fixed_text())]
    Tls(#[from] HandshakeError),
    /// The configuration has something that cannot stand in a request.
    #[error("the URL or a header that is configured cannot stand in an HTTP request")]
    Request,
    /// The answer is no HTTP, or ended early.
    #[error("{0}")]
    Http(&'static str),
    /// The time was over.
    #[error("no whole answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The body is longer than this many bytes.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// It is packed.
    #[error("the answer has a Content-Encoding that was not asked for")]
    Encoded,
    /// The status is one of 300 to 399.
    #[error("it redirects (status {0}), which is not followed; expected the URL of the answer itself")]
    Redirect(u16),
    /// Another status than 200.
    #[error("status {0}")]
    Status(u16),
}

impl FetchError {
    /// Whether the same request may succeed a moment later. What a 4xx, a redirect or a body of the wrong form says will not change by
    /// asking again; 408, 425 and 429 ask for it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::LookUp(_) | Self::NoAddress | Self::Connect(_) | Self::Tls(_) | Self::Http(_) | Self::Timeout(_) => {
                true
            }
            Self::ForbiddenAddress | Self::Request | Self::TooLong(_) | Self::Encoded | Self::Redirect(_) => false,
            Self::Status(status) => match status {
                408 | 425 | 429 => true,
                501 | 505 => false,
                status => *status >= 500,
            },
        }
    }
}

impl From<hyper::Error> for FetchError {
    fn from(error: hyper::Error) -> Self {
        Self::Http(if error.is_parse_too_large() {
            "the head of the answer is too large"
        } else if error.is_parse() {
            "the answer is no HTTP/1"
        } else if error.is_incomplete_message() {
            "the answer ended early"
        } else {
            "the connection failed before the answer was there"
        })
    }
}
