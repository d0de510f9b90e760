//! TLS.
mod handshake;
mod record;
mod stream;

pub use handshake::{HandshakeError, HandshakeFailure, Handshaken, KnowsName, accept, connect};
pub use stream::TlsStream;
