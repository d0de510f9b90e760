//! Distinguished names, as odd as a trial wants them.

use super::der::{IA5, UTF8, oid, tlv};

/// Attributes that have a short word here.
const WORDS: [(&str, &str); 12] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("E", "1.2.840.113549.1.9.1"),
];

/// An attribute: its type, the tag of its string, the string's bytes.
#[derive(Clone, Debug)]
pub struct Attribute {
    pub id: String,
    pub tag: u8,
    pub value: Vec<u8>,
}

/// Sets of attributes in the order in which they are encoded: Java and RFC 2253 print them the other way round.
#[derive(Clone, Debug, Default)]
pub struct Name(pub Vec<Vec<Attribute>>);

/// An attribute by its word (or dotted number), as UTF8String; DC and E are IA5String as their definitions say.
pub fn attribute(word: &str, value: &str) -> Attribute {
    let tag = if matches!(word, "DC" | "E") { IA5 } else { UTF8 };
    tagged(word, tag, value.as_bytes())
}

/// An attribute with that tag and those bytes.
pub fn tagged(word: &str, tag: u8, value: &[u8]) -> Attribute {
    let id = WORDS.iter().find(|(known, _)| *known == word).map_or(word, |(_, id)| *id);
    Attribute { id: id.to_owned(), tag, value: value.to_vec() }
}

impl Name {
    /// One attribute in each set, encoded in that order.
    pub fn of(attributes: &[(&str, &str)]) -> Name {
        Name(attributes.iter().map(|(word, value)| vec![attribute(word, value)]).collect())
    }

    /// `CN=a,O=b` as RFC 2253 prints it, most specific first; values without escapes. Empty text is the empty name.
    pub fn parse(text: &str) -> Name {
        let pairs = text.split(',').filter_map(|part| part.split_once('='));
        Name(pairs.map(|(word, value)| vec![attribute(word, value)]).rev().collect())
    }

    pub fn der(&self) -> Vec<u8> {
        let sets = self.0.iter().flat_map(|set| {
            let all = set.iter().flat_map(|a| tlv(0x30, &[oid(&a.id), tlv(a.tag, &a.value)].concat()));
            tlv(0x31, &all.collect::<Vec<u8>>())
        });
        tlv(0x30, &sets.collect::<Vec<u8>>())
    }
}
