//! The grammar of the headers ("The PROXY protocol, Versions 1 & 2", sections 2.1 and 2.2), as functions on bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Header;

/// Longest header of version 1 in bytes, CRLF included (section 2.1).
pub const MAX_V1: usize = 107;
/// Most bytes behind the fixed part of a header of version 2: addresses and TLVs. The protocol allows 65535; what balancers
/// send, a client certificate's subject included, stays below this.
pub const MAX_V2_PAYLOAD: usize = 4096;

const V1: &[u8] = b"PROXY ";
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length.
const V2_FIXED: usize = 16;
/// Type and length of a TLV.
const TLV_HEAD: usize = 3;

/// Whom a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The client's own end.
    At(SocketAddr),
    /// Nobody: the balancer speaks for itself (`LOCAL`), or does not know (`UNKNOWN`, `AF_UNSPEC`).
    Unnamed,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// No header.
    Other,
    /// The beginning of one, with nothing behind it.
    Incomplete,
    /// One, and perhaps bytes behind it.
    Whole(Header),
    /// One that is wrong, whatever follows.
    Malformed(&'static str),
}

/// Judges the first bytes of a connection, at least one.
pub(super) fn scan(bytes: &[u8]) -> Scanned {
    let scanned = if starts_like(bytes, V1) {
        v1(bytes)
    } else if starts_like(bytes, V2) {
        v2(bytes)
    } else {
        Ok(Scanned::Other)
    };
    scanned.unwrap_or_else(Scanned::Malformed)
}

fn starts_like(bytes: &[u8], signature: &[u8]) -> bool {
    let len = bytes.len().min(signature.len());
    bytes[..len] == signature[..len]
}

fn v1(bytes: &[u8]) -> Result<Scanned, &'static str> {
    let within = &bytes[..bytes.len().min(MAX_V1)];
    let Some(line_len) = within.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        return if within.len() < MAX_V1 { Ok(Scanned::Incomplete) } else { Err("a line of more than 107 bytes") };
    };
    match within[line_len..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if bytes.len() < MAX_V1 => return Ok(Scanned::Incomplete),
        _ => return Err("a line that does not end with CRLF"),
    }
    let rest =
        within[V1.len().min(line_len)..line_len].split(|b| *b == b' ').map(|word| str::from_utf8(word).unwrap_or(""));
    let client = v1_client(rest)?;
    Ok(Scanned::Whole(Header { client, len: line_len + 2 }))
}

/// The words behind `PROXY`, exactly one blank between them.
fn v1_client<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Client, &'static str> {
    let ip: fn(&str) -> Option<IpAddr> = match words.next() {
        Some("TCP4") => |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some("TCP6") => |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => return Ok(Client::Unnamed),
        _ => return Err("neither TCP4, TCP6 nor UNKNOWN"),
    };
    let mut address = || words.next().and_then(ip).ok_or("an address");
    let (source, _destination) = (address()?, address()?);
    let mut port = || words.next().and_then(v1_port).ok_or("a port");
    let (source_port, _destination_port) = (port()?, port()?);
    if words.next().is_some() {
        return Err("words behind the ports");
    }
    Ok(Client::At(SocketAddr::new(source, source_port)))
}

/// Digits only, no leading zero.
fn v1_port(word: &str) -> Option<u16> {
    let canonical = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| canonical)
}

fn v2(bytes: &[u8]) -> Result<Scanned, &'static str> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED>() else { return Ok(Scanned::Incomplete) };
    let [.., version_and_command, family, len_high, len_low] = *fixed;
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err("neither command LOCAL nor PROXY of version 2"),
    };
    // The length of the addresses, and where the client's are.
    let addresses: usize = match family {
        _ if is_local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 | 0x32 => return Err("a client at a Unix socket"),
        0x12 | 0x22 => return Err("a client over UDP"),
        _ => return Err("an address family or protocol that does not exist"),
    };
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    if len < addresses {
        return Err("too short for its addresses");
    }
    if len > MAX_V2_PAYLOAD {
        return Err("longer than 4096 bytes");
    }
    let Some(payload) = rest.get(..len) else { return Ok(Scanned::Incomplete) };
    let client = match (family, payload) {
        _ if is_local => Client::Unnamed,
        (0x11, [a, b, c, d, _, _, _, _, high, low, ..]) => {
            Client::At((Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low])).into())
        }
        (0x21, _) => {
            let source = payload.first_chunk::<16>().ok_or("too short for its addresses")?;
            let port =
                payload.get(32..34).and_then(|port| port.first_chunk::<2>()).ok_or("too short for its addresses")?;
            Client::At((Ipv6Addr::from(*source), u16::from_be_bytes(*port)).into())
        }
        _ => Client::Unnamed,
    };
    // What LOCAL and AF_UNSPEC carry is to be skipped unread (section 2.2).
    if client != Client::Unnamed {
        check_tlvs(&payload[addresses..])?;
    }
    Ok(Scanned::Whole(Header { client, len: V2_FIXED + len }))
}

/// TLVs must fill what is left exactly. Nothing in them is used: a checksum would tell of a broken balancer, not of a client.
fn check_tlvs(mut bytes: &[u8]) -> Result<(), &'static str> {
    while let Some(([_, high, low], rest)) = bytes.split_first_chunk::<TLV_HEAD>() {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(len..).ok_or("a TLV that is longer than the header")?;
    }
    if bytes.is_empty() { Ok(()) } else { Err("bytes behind the last TLV") }
}
