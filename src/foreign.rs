//! What a client speaks that does not speak what its port does, told by its first bytes: so that the log can say "TLS
//! ClientHello on a plaintext listener" instead of "a frame of 369,295,616 bytes".

use std::fmt;

/// Another protocol than the port's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForeignProtocol {
    /// A request line of HTTP/1 or the preface of HTTP/2.
    Http,
    /// A TLS ClientHello; the client takes a plaintext port for a TLS one.
    Tls,
    /// SSH.
    Ssh,
    /// A PROXY protocol header, text or binary, where none is read.
    ProxyHeader,
    /// A Kafka request; on a TLS port that is a client without TLS.
    Kafka,
}

/// Starts of the request lines of HTTP/1 (RFC 9110 section 9) and of HTTP/2's preface (RFC 9113 section 3.4).
const HTTP: [&[u8]; 10] = [b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN", b"DELE", b"PATC", b"TRAC", b"PRI "];

/// Above every API key and every version of one that Kafka has today.
const SOME_API_KEYS: u8 = 128;
const SOME_VERSIONS: u8 = 32;

impl ForeignProtocol {
    /// What a connection with these first bytes speaks, if it is one of the five. Four bytes suffice for all but Kafka, which
    /// takes eight: size, API key and version.
    ///
    /// Ask when the bytes have turned out not to be of the port's own protocol: on a plaintext port the four bytes of a size
    /// that is over the limit, on a TLS port whatever has arrived that is no ClientHello.
    pub fn by_first_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            _ if HTTP.iter().any(|start| bytes.starts_with(start)) => Some(Self::Http),
            // RFC 8446 section 5.1: a handshake record, and a version that every TLS implementation sends there.
            [0x16, 3, 0..=4, _, ..] => Some(Self::Tls),
            [b'S', b'S', b'H', b'-', ..] => Some(Self::Ssh),
            [b'P', b'R', b'O', b'X', ..] | [b'\r', b'\n', b'\r', b'\n', ..] => Some(Self::ProxyHeader),
            // A size below 16 MiB, which a first request has.
            [0, _, _, _, 0, ..SOME_API_KEYS, 0, ..SOME_VERSIONS, ..] => Some(Self::Kafka),
            _ => None,
        }
    }

    /// A fixed word for metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http_on_kafka_port",
            Self::Tls => "tls_on_plaintext_port",
            Self::Ssh => "ssh_on_kafka_port",
            Self::ProxyHeader => "proxy_header_on_kafka_port",
            Self::Kafka => "plaintext_on_tls_port",
        }
    }
}

impl fmt::Display for ForeignProtocol {
    /// For a sentence: "... on the PLAINTEXT listener EXTERNAL".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP request",
            Self::Tls => "TLS ClientHello",
            Self::Ssh => "SSH client",
            Self::ProxyHeader => "PROXY protocol header",
            Self::Kafka => "Kafka request without TLS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        use ForeignProtocol::*;
        for (bytes, protocol) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(Http)),
            (b"PRI * HTTP/2.0", Some(Http)),
            (b"\x16\x03\x01\x02", Some(Tls)),
            (b"\x16\x03\x05\x02", None),
            (b"SSH-2.0-x", Some(Ssh)),
            (b"PROXY UNKNOWN\r\n", Some(ProxyHeader)),
            (b"\r\n\r\n\0\r\nQUIT\n", Some(ProxyHeader)),
            // ApiVersions v3, SaslHandshake v1, Metadata v13 as clients open with.
            (&[0, 0, 0, 40, 0, 18, 0, 3, 0, 0, 0, 1], Some(Kafka)),
            (&[0, 0, 0, 40, 0, 17, 0, 1], Some(Kafka)),
            (&[0, 1, 0, 40, 0, 3, 0, 13], Some(Kafka)),
            (&[0, 0, 0, 40, 0, 18, 0], None),
            (&[0, 0, 0, 40, 0, 200, 0, 3], None),
            (&[0, 0, 0, 40, 0, 18, 0xff, 0xff], None),
            (b"EHLO example.org", None),
            (b"GET", None),
            (b"", None),
        ] {
            assert_eq!(ForeignProtocol::by_first_bytes(bytes), protocol, "{bytes:?}");
        }
    }
}
