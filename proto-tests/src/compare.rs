//! The same typed request straight to a broker and through doorkeeper: the answers must agree, but for addresses.

use std::net::SocketAddr;

use kafka_protocol::protocol::Request;

use crate::wire::Conn;
use crate::{Result, check, check_eq};

/// Pairs of an address at the backend and the one that stands for it at doorkeeper.
pub struct Mapping {
    pub pairs: Vec<(SocketAddr, SocketAddr)>,
}

impl Mapping {
    /// The debug text of an answer with every address of the backend replaced.
    fn apply(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(&shown(*from), &shown(*to)))
    }

    /// How often doorkeeper's addresses stand in the text.
    fn count(&self, text: &str) -> usize {
        self.pairs.iter().map(|(_, to)| text.matches(&shown(*to)).count()).sum()
    }
}

/// Host and port as two neighbouring fields of a message print.
fn shown(address: SocketAddr) -> String {
    format!("host: \"{}\", port: {}", address.ip(), address.port())
}

/// Sends `request` in `version` to both; the answers must agree and hold exactly `addresses` addresses.
pub fn same<R: Request>(
    direct: &mut Conn,
    front: &mut Conn,
    mapping: &Mapping,
    version: i16,
    request: &R,
    addresses: usize,
) -> Result<R::Response>
where
    R::Response: std::fmt::Debug,
{
    let what = format!("api {} v{version}", R::KEY);
    let straight = direct.call(version, request).map_err(|e| format!("{what} straight: {e}"))?;
    let through = front.call(version, request).map_err(|e| format!("{what} through the front: {e}"))?;
    let (a, b) = (settled(&mapping.apply(&format!("{straight:?}"))), settled(&format!("{through:?}")));
    check!(a == b, "{what} differs\n straight: {straight:?}\n    front: {through:?}");
    check_eq!(mapping.count(&format!("{through:?}")), addresses, "addresses in {what}: {through:?}");
    Ok(through)
}

/// The controller of a KRaft cluster, as a client sees it, is any live broker: chance.
fn settled(text: &str) -> String {
    let mut parts = text.split("controller_id: ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("controller_id: any");
        out.push_str(part.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit()));
    }
    out
}
