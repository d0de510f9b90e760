//! What Java says stands in `tests/certificates.txt` and `tests/rules.txt`; the end-to-end tests hold both files against the
//! real classes, so that the unit tests need no JVM.

mod certificates;
mod mapping;
mod naming;

use super::*;

/// Bytes as the files have them: all but printable ASCII as `%XX`, and the `%` too.
fn percent(text: &str) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn unpercent(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        bytes.extend(before.bytes());
        bytes.push(u8::from_str_radix(&behind[..2], 16).unwrap());
        rest = &behind[2..];
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).unwrap()
}

/// The columns of a file's lines, without comments.
fn rows(file: &str) -> Vec<Vec<&str>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect()
}

/// Certificates, made by hand: nothing checks their signature here.
mod der {
    pub const UTF8: u8 = 0x0c;
    pub const NUMERIC: u8 = 0x12;
    pub const PRINTABLE: u8 = 0x13;
    pub const T61: u8 = 0x14;
    pub const VIDEOTEX: u8 = 0x15;
    pub const IA5: u8 = 0x16;
    pub const VISIBLE: u8 = 0x1a;
    pub const GENERAL: u8 = 0x1b;
    pub const UNIVERSAL: u8 = 0x1c;
    pub const BMP: u8 = 0x1e;
    pub const OCTETS: u8 = 0x04;
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;

    /// An attribute: type in dotted form, tag of the value, bytes of the value.
    pub type Attribute<'a> = (&'a str, u8, &'a [u8]);

    pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut bytes = vec![tag];
        match length {
            0..0x80 => bytes.push(length as u8),
            0x80..0x100 => bytes.extend([0x81, length as u8]),
            _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        bytes.extend(content);
        bytes
    }

    pub fn oid(dotted: &str) -> Vec<u8> {
        let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
        let mut content = Vec::new();
        for arc in std::iter::once(arcs[0] * 40 + arcs[1]).chain(arcs[2..].iter().copied()) {
            let groups = (1..10).find(|n| arc >> (7 * n) == 0).unwrap();
            content.extend((0..groups).rev().map(|n| (arc >> (7 * n)) as u8 & 0x7f | if n > 0 { 0x80 } else { 0 }));
        }
        tlv(0x06, &content)
    }

    pub fn name(relative_names: &[&[Attribute<'_>]]) -> Vec<u8> {
        let mut content = Vec::new();
        for attributes in relative_names {
            let of = |(kind, tag, value): &Attribute<'_>| tlv(SEQUENCE, &[oid(kind), tlv(*tag, value)].concat());
            content.extend(tlv(SET, &attributes.iter().flat_map(of).collect::<Vec<_>>()));
        }
        tlv(SEQUENCE, &content)
    }

    /// A certificate with this subject and these extensions (type, critical, content of the value).
    pub fn certificate(subject: &[u8], extensions: &[(&str, bool, Vec<u8>)]) -> Vec<u8> {
        let algorithm = tlv(SEQUENCE, &oid("1.2.840.10045.4.3.2"));
        let issuer = name(&[&[("2.5.4.3", UTF8, b"a test's authority")]]);
        let validity = tlv(SEQUENCE, &[tlv(0x17, b"200101000000Z"), tlv(0x18, b"20991231235959Z")].concat());
        // The generator of P-256 is a point of it like any other, so it serves as a public key.
        let x = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
        let y = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let point: Vec<u8> = [0, 4].into_iter().chain(unhex(x)).chain(unhex(y)).collect();
        let curve = tlv(SEQUENCE, &[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")].concat());
        let key = tlv(SEQUENCE, &[curve, tlv(0x03, &point)].concat());
        let version = tlv(0xa0, &tlv(0x02, &[2]));
        let mut body = [version, tlv(0x02, &[1]), algorithm.clone(), issuer, validity, subject.to_vec(), key].concat();
        if !extensions.is_empty() {
            let extension = |(kind, critical, value): &(&str, bool, Vec<u8>)| {
                let critical = if *critical { tlv(0x01, &[0xff]) } else { Vec::new() };
                tlv(SEQUENCE, &[oid(kind), critical, tlv(0x04, value)].concat())
            };
            let list: Vec<u8> = extensions.iter().flat_map(extension).collect();
            body.extend(tlv(0xa3, &tlv(SEQUENCE, &list)));
        }
        let signature = tlv(0x03, &[0, 0x30, 6, 2, 1, 1, 2, 1, 1]);
        tlv(SEQUENCE, &[tlv(SEQUENCE, &body), algorithm, signature].concat())
    }

    /// The extension with these alternative names (tag, content).
    pub fn alternative_names(names: &[(u8, &[u8])]) -> (&'static str, bool, Vec<u8>) {
        let content: Vec<u8> = names.iter().flat_map(|(tag, value)| tlv(*tag, value)).collect();
        ("2.5.29.17", false, tlv(SEQUENCE, &content))
    }

    pub fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
