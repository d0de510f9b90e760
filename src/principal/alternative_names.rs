//! Subject alternative names (RFC 5280 §4.2.1.6): those of one kind as a client's name, and all of them for people.

use std::fmt;
use std::net::IpAddr;

use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{self, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::subject;

/// The kinds that a client can be named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// uniformResourceIdentifier, such as a SPIFFE id.
    Uri,
    /// dNSName
    Dns,
    /// rfc822Name
    Email,
}

impl NameKind {
    fn tag_number(self) -> u32 {
        match self {
            Self::Email => 1,
            Self::Dns => 2,
            Self::Uri => 6,
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uri => "URI",
            Self::Dns => "DNS name",
            Self::Email => "e-mail address",
        })
    }
}

/// The names of one kind in the content of GeneralNames, as bytes.
pub(super) fn of_kind(names: &[u8], kind: NameKind) -> der::Result<Vec<&[u8]>> {
    let wanted = Tag::ContextSpecific { constructed: false, number: TagNumber(kind.tag_number()) };
    let mut found = Vec::new();
    let mut reader = SliceReader::new(names)?;
    while !reader.is_finished() {
        let name = AnyRef::decode(&mut reader)?;
        if name.tag() == wanted {
            found.push(name.value());
        }
    }
    Ok(found)
}

/// A name that may become a client's: none of these kinds has a use for more than printable ASCII, and a blank or a control
/// character in one is there to deceive.
pub(super) fn text(name: &[u8]) -> Option<&str> {
    let is_plain = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(name).ok().filter(|_| is_plain)
}

/// Each name with its kind, for people to read.
pub(super) fn describe(names: &[u8]) -> der::Result<Vec<String>> {
    let mut described = Vec::new();
    let mut reader = SliceReader::new(names)?;
    while !reader.is_finished() {
        let name = AnyRef::decode(&mut reader)?;
        let Tag::ContextSpecific { number: TagNumber(number), .. } = name.tag() else {
            return Err(der::ErrorKind::Failed.into());
        };
        let value = name.value();
        described.push(match number {
            1 => format!("email:{}", value.escape_ascii()),
            2 => format!("DNS:{}", value.escape_ascii()),
            4 => format!("directory name:{}", directory_name(value).unwrap_or_else(|| "?".into())),
            6 => format!("URI:{}", value.escape_ascii()),
            7 => format!("IP:{}", address(value).map_or_else(|| "?".into(), |ip| ip.to_string())),
            8 => format!("registered ID:{}", ObjectIdentifier::from_bytes(value).map_or("?".into(), |o| o.to_string())),
            _ => format!("of another kind ({number})"),
        });
    }
    Ok(described)
}

fn address(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()
}

fn directory_name(value: &[u8]) -> Option<String> {
    let name = AnyRef::from_der(value).ok().filter(|name| name.tag() == Tag::Sequence)?;
    subject::print(name.value()).ok()
}
