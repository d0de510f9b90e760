//! TLS: key stores, trust stores and revocation lists become what the handshakes of a listener, or towards the backend, go by.
//!
//! `handshake` takes a socket to an established connection, `stream` and `record` move its bytes. The only module that names rustls. A [`ServerTls`] is made as a whole and never changed: a reload makes a new one, and with it
//! new session tickets, so that a certificate that has been revoked does not come back by resumption.

mod certificate;
mod client;
mod error;
mod handshake;
mod identity;
mod material;
mod nameless;
mod pem;
mod pkcs12;
mod private_key;
mod record;
mod server;
mod stream;
mod suites;
mod trust;

pub use client::ClientTls;
pub use error::TlsError;
pub use handshake::{
    HandshakeError, HandshakeFailure, Handshaken, KnowsName, NoHandshake, accept, connect, server_name,
};
pub use server::ServerTls;
pub use stream::TlsStream;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Our own, or one of its chain.
    Keystore,
    /// One that is trusted.
    Truststore,
}

impl Store {
    /// As in the keys: `keystore`, `truststore`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keystore => "keystore",
            Self::Truststore => "truststore",
        }
    }
}

/// A certificate that is in use, for metrics and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Where it stands.
    pub store: Store,
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// When it becomes valid, in seconds since 1970.
    pub not_before: i64,
    /// When it expires, in seconds since 1970.
    pub not_after: i64,
}

#[cfg(test)]
mod tests;
