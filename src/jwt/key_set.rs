//! An issuer's keys (RFC 7517 §5): which are used, and which of them is a token's.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::jwk::Jwk;
use super::{Header, KeyFault, TokenFault};

/// Most bytes of a key set.
pub const MAX_KEY_SET_LEN: usize = 1024 * 1024;
/// Most keys of a set, the unusable ones too.
pub const MAX_KEYS: usize = 1000;

/// The keys of an issuer that may check signatures.
#[derive(Default)]
pub struct KeySet {
    keys: Box<[Jwk]>,
}

/// A key that a set has and that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Where it stands in the set, from 0.
    pub index: usize,
    /// Why.
    pub fault: KeyFault,
}

/// Why a text is no key set at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`MAX_KEY_SET_LEN`].
    #[error("the key set has more than {MAX_KEY_SET_LEN} bytes")]
    TooLong,
    /// More than [`MAX_KEYS`].
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// No JSON object with one array `keys`.
    #[error("it is not a JSON Web Key Set")]
    NotASet,
}

impl KeySet {
    /// Parses a key set. A key that cannot be used is skipped and told; the others stay.
    ///
    /// A set without a usable key is no error here: it verifies nothing.
    pub fn parse(jwks: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        if jwks.len() > MAX_KEY_SET_LEN {
            return Err(KeySetError::TooLong);
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, json) in split(jwks)?.into_iter().enumerate() {
            match Jwk::parse(json.get().as_bytes()) {
                Ok(key) => keys.push(key),
                Err(fault) => skipped.push(SkippedKey { index, fault }),
            }
        }
        Ok((Self { keys: keys.into() }, skipped))
    }

    /// Whether a key has this `kid`.
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// How many keys may check signatures.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key may.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of a token, as Kafka (jose4j) picks it: those with exactly its `kid`, or all if it has none; of them those with its
    /// thumbprints and type; if several remain, those for its algorithm and curve; then the first. No other is tried.
    ///
    /// Beyond Kafka the one that is picked must be for the token's algorithm and curve even where it is alone.
    pub(super) fn select(&self, header: &Header) -> Result<&Jwk, TokenFault> {
        let algorithm = header.algorithm();
        let kind = algorithm.key_kind();
        let named = || self.keys.iter().filter(|key| header.kid().is_none_or(|kid| key.kid.as_deref() == Some(kid)));
        if named().next().is_none() {
            return Err(if header.kid().is_some() { TokenFault::UnknownKey } else { TokenFault::NoKey });
        }
        let of_type = || named().filter(|key| key.kind.key_type() == kind.key_type());
        let mut candidates = of_type().filter(|key| key.has_thumbprints_of(header));
        let fits = |key: &&Jwk| key.kind == kind && key.alg.is_none_or(|own| own == algorithm);
        match (candidates.next(), candidates.next()) {
            (None, _) if of_type().next().is_none() => Err(TokenFault::KeyAlgorithm),
            (None, _) => Err(TokenFault::NoKey),
            (Some(key), None) if fits(&key) => Ok(key),
            (Some(_), None) => Err(TokenFault::KeyAlgorithm),
            (Some(first), Some(second)) => {
                [first, second].into_iter().chain(candidates).find(fits).ok_or(TokenFault::KeyAlgorithm)
            }
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}

/// The texts of the keys.
fn split(jwks: &[u8]) -> Result<Vec<&RawValue>, KeySetError> {
    let text = std::str::from_utf8(jwks).map_err(|_| KeySetError::NotASet)?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let mut too_many = false;
    let keys = SetSeed { too_many: &mut too_many }.deserialize(&mut parser);
    match (keys, parser.end()) {
        (Ok(keys), Ok(())) => Ok(keys),
        _ if too_many => Err(KeySetError::TooManyKeys),
        _ => Err(KeySetError::NotASet),
    }
}

/// Reads the one member `keys`; others are skipped.
struct SetSeed<'s> {
    too_many: &'s mut bool,
}

impl<'de> DeserializeSeed<'de> for SetSeed<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SetSeed<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON Web Key Set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut set: A) -> Result<Self::Value, A::Error> {
        let mut keys = None;
        while let Some(name) = set.next_key::<String>()? {
            if name != "keys" {
                set.next_value::<IgnoredAny>()?;
            } else if keys.is_none() {
                keys = Some(set.next_value_seed(KeysSeed { too_many: self.too_many })?);
            } else {
                return Err(A::Error::duplicate_field("keys"));
            }
        }
        keys.ok_or_else(|| A::Error::missing_field("keys"))
    }
}

/// Reads the array of keys, so many and no more.
struct KeysSeed<'s> {
    too_many: &'s mut bool,
}

impl<'de> DeserializeSeed<'de> for KeysSeed<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for KeysSeed<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = array.next_element()? {
            if keys.len() == MAX_KEYS {
                *self.too_many = true;
                return Err(A::Error::custom("too many keys"));
            }
            keys.push(key);
        }
        Ok(keys)
    }
}
