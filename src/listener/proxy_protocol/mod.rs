//! The PROXY protocol, versions 1 and 2: a balancer's word on who the client is, in front of everything else.
//!
//! Reading takes the header's bytes from the socket and not one more, so that the stage behind it, TLS, SASL or the relay, sees
//! the connection as if the client itself had opened it.

mod header;

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

pub use self::header::{Client, MAX_V1, MAX_V2_PAYLOAD};
use self::header::{Scanned, scan};

/// Most bytes that one look takes; they are looked at before they are taken off the socket.
const LOOK: usize = 256;

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whom it names.
    pub client: Client,
    /// Its length in bytes.
    pub len: usize,
}

/// Why no header was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The connection begins with something else. Nothing has been taken off the socket.
    Absent,
    /// It breaks the rules.
    Malformed(&'static str),
    /// The connection ended before a byte of it, as a balancer's plain TCP health check does.
    Nothing,
    /// The connection ended or failed inside of it.
    CutOff,
    /// It was not there by the deadline.
    Deadline,
}

impl HeaderError {
    /// A fixed word for metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "no_proxy_header",
            Self::Malformed(_) => "malformed_proxy_header",
            Self::Nothing | Self::CutOff => "peer_closed",
            Self::Deadline => "deadline",
        }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no PROXY protocol header"),
            Self::Malformed(what) => write!(f, "malformed PROXY protocol header: {what}"),
            Self::Nothing => f.write_str("closed before its PROXY protocol header"),
            Self::CutOff => f.write_str("closed inside its PROXY protocol header"),
            Self::Deadline => f.write_str("deadline, waiting for a PROXY protocol header"),
        }
    }
}

/// Reads the header that may be in front of a connection. May be dropped only together with the connection.
pub async fn read(stream: &mut TcpStream) -> Result<Header, HeaderError> {
    let mut taken = Vec::new();
    loop {
        let mut look = [0; LOOK];
        let seen = match stream.peek(&mut look).await {
            Ok(0) => return Err(ended(&taken)),
            Ok(seen) => &look[..seen],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(ended(&taken)),
        };
        let all = [&taken, seen].concat();
        let (header, len) = match scan(&all) {
            Scanned::Other if taken.is_empty() => return Err(HeaderError::Absent),
            // Its beginning came alone and has been taken. No Kafka request and no TLS client begins so.
            Scanned::Other => return Err(HeaderError::Malformed("signature")),
            Scanned::Malformed(what) => return Err(HeaderError::Malformed(what)),
            // All of it belongs to the header.
            Scanned::Incomplete => (None, all.len()),
            Scanned::Whole(header) => (Some(header), header.len),
        };
        let mut room = [0; LOOK];
        // They are there: this does not wait.
        let now = &mut room[..len - taken.len()];
        stream.read_exact(now).await.map_err(|_| HeaderError::CutOff)?;
        if let Some(header) = header {
            return Ok(header);
        }
        taken = all;
    }
}

fn ended(taken: &[u8]) -> HeaderError {
    if taken.is_empty() { HeaderError::Nothing } else { HeaderError::CutOff }
}

/// The client's address where the header names it, else the connection's own.
pub fn address(header: Header, own: SocketAddr) -> SocketAddr {
    match header.client {
        Client::At(address) => address,
        Client::Unnamed => own,
    }
}

#[cfg(test)]
mod tests;
