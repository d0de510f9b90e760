//! Kafka's message schemas in a compact form, and the walker that they drive.
//!
//! `kafka.schema` holds the wire facts of every API of a broker listener, generated from the definitions that Kafka ships
//! (`scripts/generate-schema.py`). [`Message::compile`] turns one message version into a [`Program`]; a [`Walker`] runs it
//! over bytes, checks every count and length against the bytes that are left, and reports the marked fields.

mod program;
mod walker;

use std::sync::OnceLock;

pub use program::{Mark, Program};
pub use walker::{Advance, State, Visitor, WalkError, Walker};

/// Which way a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a client.
    Request,
    /// To a client.
    Response,
}

/// One request or response of one API, over all its versions.
#[derive(Debug)]
pub struct Message {
    /// The API key.
    pub api_key: i16,
    /// Kafka's name of the API, e.g. `Fetch`.
    pub name: &'static str,
    /// Request or response.
    pub direction: Direction,
    /// Lowest and highest version.
    pub versions: Versions,
    /// The flexible versions (KIP-482): compact lengths and tagged fields.
    pub flexible: Versions,
    fields: Vec<Field>,
}

/// An inclusive range of message versions; empty if `min > max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Lowest.
    pub min: i16,
    /// Highest; `i16::MAX` where the definition says `+`.
    pub max: i16,
}

impl Versions {
    const NONE: Self = Self { min: 1, max: 0 };

    /// Whether `version` lies in the range.
    pub fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    kind: Kind,
    array: bool,
    versions: Versions,
    nullable: Versions,
    tag: Option<(u32, Versions)>,
    children: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fixed(u32),
    String,
    Bytes,
    Records,
    Struct,
}

/// The message of an API, or `None` for a key that no broker listener of the newest Kafka has.
pub fn message(api_key: i16, direction: Direction) -> Option<&'static Message> {
    static TABLE: OnceLock<Vec<Message>> = OnceLock::new();
    let table = TABLE.get_or_init(|| parse(include_str!("kafka.schema")));
    table.iter().find(|m| m.api_key == api_key && m.direction == direction)
}

/// Reads the generated table. It is part of the program, so a line that is not understood is a bug and panics; the unit tests
/// read all of it.
fn parse(text: &'static str) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(rest) = line.strip_prefix("message ") {
            let words: Vec<&str> = rest.split(' ').collect();
            let direction = if words[2] == "request" { Direction::Request } else { Direction::Response };
            let flexible =
                if words[4] == "none" { Versions::NONE } else { Versions { min: number(words[4]), max: i16::MAX } };
            let api_key = number(words[0]);
            let versions = parse_versions(words[3]);
            messages.push(Message { api_key, name: words[1], direction, versions, flexible, fields: Vec::new() });
            continue;
        }
        let level = line.len() - line.trim_start().len();
        let mut fields = &mut messages.last_mut().expect("a field follows its message").fields;
        for _ in 1..level {
            fields = &mut fields.last_mut().expect("a nested field follows its struct").children;
        }
        fields.push(parse_field(line.trim_start()));
    }
    messages
}

fn parse_field(line: &'static str) -> Field {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a field has a name, a type and versions");
    let (name, kind, versions) = (word(), word(), parse_versions(word()));
    let array = kind.starts_with("[]");
    let kind = match kind.trim_start_matches("[]") {
        "bool" | "int8" => Kind::Fixed(1),
        "int16" | "uint16" => Kind::Fixed(2),
        "int32" | "uint32" => Kind::Fixed(4),
        "int64" | "uint64" | "float64" => Kind::Fixed(8),
        "uuid" => Kind::Fixed(16),
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "records" => Kind::Records,
        "struct" => Kind::Struct,
        other => panic!("unknown type {other} in the schema table"),
    };
    let (mut nullable, mut tag) = (Versions::NONE, None);
    for word in words {
        if let Some(range) = word.strip_prefix('?') {
            nullable = parse_versions(range);
        } else if let Some((number, range)) = word.strip_prefix('#').and_then(|w| w.split_once('@')) {
            tag = Some((number.parse().expect("a tag is a number"), parse_versions(range)));
        } else {
            panic!("unknown attribute {word} in the schema table");
        }
    }
    Field { name, kind, array, versions, nullable, tag, children: Vec::new() }
}

fn parse_versions(text: &str) -> Versions {
    if let Some(min) = text.strip_suffix('+') {
        return Versions { min: number(min), max: i16::MAX };
    }
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    Versions { min: number(min), max: number(max) }
}

fn number(text: &str) -> i16 {
    text.parse().expect("a version of the schema table is a number")
}

#[cfg(test)]
mod tests;
