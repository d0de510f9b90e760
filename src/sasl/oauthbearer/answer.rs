//! What a client is told of a token that is not good (RFC 7628 §3.2.2), in Kafka's own spelling.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The JSON document. Nothing of the token is in it.
#[derive(Serialize)]
pub(super) struct Failure {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl Failure {
    pub(super) const INVALID_TOKEN: Self = Self { status: "invalid_token", scope: None };

    /// The text of Java's `List.toString`, as Kafka has it.
    pub(super) fn insufficient_scope(required: &[String]) -> Self {
        Self { status: "insufficient_scope", scope: Some(format!("[{}]", required.join(", "))) }
    }

    pub(super) fn to_json(&self) -> String {
        let mut json = Vec::new();
        // Two strings into memory: it cannot fail.
        let _ = self.serialize(&mut Serializer::with_formatter(&mut json, BlankAfterComma));
        String::from_utf8(json).unwrap_or_default()
    }
}

/// Kafka puts its document together by hand, with a blank after each comma.
struct BlankAfterComma;

impl Formatter for BlankAfterComma {
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_kafkas() {
        assert_eq!(Failure::INVALID_TOKEN.to_json(), r#"{"status":"invalid_token"}"#);
        let of = |required: &[&str]| {
            Failure::insufficient_scope(&required.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).to_json()
        };
        assert_eq!(of(&["a"]), r#"{"status":"insufficient_scope", "scope":"[a]"}"#);
        assert_eq!(of(&["a", "b"]), r#"{"status":"insufficient_scope", "scope":"[a, b]"}"#);
    }
}
