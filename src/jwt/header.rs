//! The header of a compact JWS (RFC 7515 §4): which algorithm, which key, and nothing that would have to be understood, fetched,
//! decrypted or unpacked.

use std::fmt;

use super::json::{Object, Value};
use super::{Algorithm, TokenFault};

/// Most characters of a `kid`, as in Kafka.
pub const MAX_KID_LEN: usize = 1000;

/// What the header must not have, and why. Kafka ignores most of them (jose4j 0.9).
const REFUSED: &[(&str, TokenFault)] = &[
    ("crit", TokenFault::Critical),
    ("b64", TokenFault::Critical),
    ("jwk", TokenFault::OwnKey),
    ("jku", TokenFault::OwnKey),
    ("x5c", TokenFault::OwnKey),
    ("x5u", TokenFault::OwnKey),
    ("zip", TokenFault::Encryption),
    ("enc", TokenFault::Encryption),
    ("p2c", TokenFault::Encryption),
    ("p2s", TokenFault::Encryption),
];

/// The header of a token.
#[derive(Clone)]
pub struct Header {
    algorithm: Algorithm,
    members: Object,
}

impl Header {
    pub(super) fn parse(json: &[u8]) -> Result<Self, TokenFault> {
        let members = Object::parse(json)?;
        check(&members)?;
        let algorithm = members.get("alg").and_then(Value::as_str).and_then(Algorithm::from_name);
        Ok(Self { algorithm: algorithm.ok_or(TokenFault::Algorithm)?, members })
    }

    /// `alg`
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`: at most [`MAX_KID_LEN`] characters, none of them a control character.
    pub fn kid(&self) -> Option<&str> {
        self.string("kid")
    }

    /// `typ`
    pub fn typ(&self) -> Option<&str> {
        self.string("typ")
    }

    /// All parameters.
    pub fn members(&self) -> &Object {
        &self.members
    }

    /// A parameter that is a string.
    pub(super) fn string(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }
}

/// What holds for every header, also that of a token without a signature.
pub(super) fn check(members: &Object) -> Result<(), TokenFault> {
    for (name, fault) in REFUSED {
        if members.get(name).is_some() {
            return Err(*fault);
        }
    }
    if let Some(kid) = members.get("kid") {
        let kid = kid.as_str().ok_or(TokenFault::Kid)?;
        if !is_kid(kid) {
            return Err(TokenFault::Kid);
        }
    }
    for name in ["typ", "cty", "x5t", "x5t#S256"] {
        if members.get(name).is_some_and(|value| value.as_str().is_none()) {
            return Err(TokenFault::Header);
        }
    }
    match members.get("cty").and_then(Value::as_str) {
        Some(cty) if media_type(cty).eq_ignore_ascii_case("JWT") => Err(TokenFault::Nested),
        _ => Ok(()),
    }
}

/// Whether a text can be a `kid`, of a token or of a key.
pub(super) fn is_kid(text: &str) -> bool {
    // Counted as Kafka counts, in UTF-16; the bytes first, so that a huge one is not walked.
    text.len() <= 3 * MAX_KID_LEN && text.encode_utf16().count() <= MAX_KID_LEN && !text.chars().any(char::is_control)
}

/// `typ` and `cty` may leave out `application/` (RFC 7515 §4.1.9).
pub(super) fn media_type(text: &str) -> &str {
    const PREFIX: &str = "application/";
    match text.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => &text[PREFIX.len()..],
        _ => text,
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
