//! One JSON Web Key (RFC 7517): whether it is a public key that may check signatures, and of which algorithm.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::algorithm::KeyKind;
use super::header::{Header, is_kid};
use super::json::{Object, Value};
use super::verify::PublicKey;
use super::{Algorithm, TokenFault, base64url, roca};

/// Fewest and most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Most bits of an RSA exponent: what the library takes. 65537 is what everyone has.
const MAX_EXPONENT_BITS: usize = 33;
/// Members that only a private key has (RFC 7518 §6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum KeyFault {
    /// No JSON object, or one that a token could not have either.
    Json,
    /// `kty` is missing or unknown.
    Type,
    /// `kty` is `oct`: whoever reads the set could sign with it.
    Symmetric,
    /// It has parts that only a private key has: whoever reads the set could sign with it.
    Private,
    /// `crv` is missing or not one that is taken.
    Curve,
    /// `use` is not `sig`.
    Use,
    /// `key_ops` does not have `verify`.
    Operations,
    /// `alg` is not one that is taken, or not one of this type of key.
    Algorithm,
    /// `kid` is no text, too long, or has control characters.
    Kid,
    /// A member is missing, has the wrong type, or is not base64url.
    Member,
    /// The modulus has fewer than 2048 or more than 8192 bits, or is even.
    Modulus,
    /// The modulus is of a kind that can be factored (CVE-2017-15361).
    Weak,
    /// The exponent is even, 1, or of more than 33 bits.
    Exponent,
    /// The library does not take this RSA key.
    Rsa,
    /// The coordinates have the wrong length, or the point is not on the curve.
    Point,
}

impl KeyFault {
    /// Fixed words for logs and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "it is not a JSON object of distinct names",
            Self::Type => "its kty is unknown",
            Self::Symmetric => "it is a symmetric key",
            Self::Private => "it is a private key",
            Self::Curve => "its crv is not taken",
            Self::Use => "its use is not sig",
            Self::Operations => "its key_ops do not have verify",
            Self::Algorithm => "its alg is not taken, or not for this kty",
            Self::Kid => "its kid is not usable",
            Self::Member => "a member is missing or malformed",
            Self::Modulus => "its modulus does not have 2048 to 8192 bits, or is even",
            Self::Weak => "its modulus can be factored (CVE-2017-15361)",
            Self::Exponent => "its exponent is not usable",
            Self::Rsa => "it is not a usable RSA key",
            Self::Point => "its point is not on the curve",
        }
    }
}

/// A key that may check signatures.
pub(super) struct Jwk {
    pub(super) kid: Option<Box<str>>,
    pub(super) kind: KeyKind,
    /// The one algorithm that it is for, if it says so.
    pub(super) alg: Option<Algorithm>,
    /// Thumbprints of its certificate, as a header would give them.
    x5t: Option<Box<str>>,
    x5t_s256: Option<Box<str>>,
    key: PublicKey,
}

impl Jwk {
    /// Judges a key of a set.
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeyFault> {
        let members = Object::parse(json).map_err(|_| KeyFault::Json)?;
        let kind = kind(&members)?;
        if PRIVATE.iter().any(|name| members.get(name).is_some()) {
            return Err(KeyFault::Private);
        }
        check_purpose(&members)?;
        let kid = optional(&members, "kid").map_err(|_| KeyFault::Kid)?;
        if kid.is_some_and(|kid| !is_kid(kid)) {
            return Err(KeyFault::Kid);
        }
        let alg = match optional(&members, "alg").map_err(|_| KeyFault::Algorithm)? {
            None => None,
            Some(name) => {
                let alg = Algorithm::from_name(name).filter(|alg| alg.key_kind() == kind);
                Some(alg.ok_or(KeyFault::Algorithm)?)
            }
        };
        let key = match kind {
            KeyKind::Rsa => rsa(&members, alg)?,
            KeyKind::P256 => ec(&members, kind, 32)?,
            KeyKind::P384 => ec(&members, kind, 48)?,
            KeyKind::P521 => ec(&members, kind, 66)?,
            KeyKind::Ed25519 => PublicKey::on_curve(kind, &coordinate(&members, "x", 32)?)?,
        };
        let (x5t, x5t_s256) = thumbprints(&members)?;
        Ok(Self { kid: kid.map(Into::into), kind, alg, x5t, x5t_s256, key })
    }

    /// Whether it has the thumbprints that a header asks for. A key that has none is not ruled out, as in Kafka.
    pub(super) fn has_thumbprints_of(&self, header: &Header) -> bool {
        let agrees = |own: &Option<Box<str>>, asked: Option<&str>| match (own, asked) {
            (Some(own), Some(asked)) => **own == *asked,
            _ => true,
        };
        agrees(&self.x5t, header.string("x5t")) && agrees(&self.x5t_s256, header.string("x5t#S256"))
    }

    /// Checks a signature, if this key is for that algorithm.
    pub(super) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
        if self.alg.is_some_and(|own| own != algorithm) {
            return Err(TokenFault::KeyAlgorithm);
        }
        self.key.verify(algorithm, signed, signature)
    }
}

impl fmt::Display for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "kid {kid:?}, ")?,
            None => f.write_str("no kid, ")?,
        }
        f.write_str(self.kind.as_str())?;
        self.alg.map_or(Ok(()), |alg| write!(f, " for {alg} only"))
    }
}

fn kind(members: &Object) -> Result<KeyKind, KeyFault> {
    let curve = || optional(members, "crv").map_err(|_| KeyFault::Curve)?.ok_or(KeyFault::Curve);
    match members.get("kty").and_then(Value::as_str) {
        Some("RSA") => Ok(KeyKind::Rsa),
        Some("EC") => match curve()? {
            "P-256" => Ok(KeyKind::P256),
            "P-384" => Ok(KeyKind::P384),
            "P-521" => Ok(KeyKind::P521),
            _ => Err(KeyFault::Curve),
        },
        Some("OKP") => match curve()? {
            "Ed25519" => Ok(KeyKind::Ed25519),
            _ => Err(KeyFault::Curve),
        },
        Some("oct") => Err(KeyFault::Symmetric),
        _ => Err(KeyFault::Type),
    }
}

/// `use` and `key_ops` (RFC 7517 §4.2, §4.3), each if it is there.
fn check_purpose(members: &Object) -> Result<(), KeyFault> {
    if members.get("use").is_some_and(|value| value.as_str() != Some("sig")) {
        return Err(KeyFault::Use);
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|name| name.as_str() == Some("verify")) => Ok(()),
        Some(_) => Err(KeyFault::Operations),
    }
}

fn rsa(members: &Object, alg: Option<Algorithm>) -> Result<PublicKey, KeyFault> {
    let (modulus, exponent) = (number(members, "n")?, number(members, "e")?);
    if !RSA_BITS.contains(&bits(&modulus)) || is_even(&modulus) {
        return Err(KeyFault::Modulus);
    }
    if is_even(&exponent) || !(2..=MAX_EXPONENT_BITS).contains(&bits(&exponent)) {
        return Err(KeyFault::Exponent);
    }
    if roca::is_weak(&modulus) {
        return Err(KeyFault::Weak);
    }
    PublicKey::rsa(&modulus, &exponent, alg.unwrap_or(Algorithm::Rs256))
}

fn ec(members: &Object, kind: KeyKind, len: usize) -> Result<PublicKey, KeyFault> {
    /// Says that both coordinates follow (SEC 1 §2.3.3).
    const UNCOMPRESSED: u8 = 4;
    let mut point = vec![UNCOMPRESSED];
    point.extend(coordinate(members, "x", len)?);
    point.extend(coordinate(members, "y", len)?);
    PublicKey::on_curve(kind, &point)
}

/// A coordinate has all its octets, leading zeros too (RFC 7518 §6.2.1.2).
fn coordinate(members: &Object, name: &str, len: usize) -> Result<Vec<u8>, KeyFault> {
    let bytes = octets(members, name)?;
    if bytes.len() == len { Ok(bytes) } else { Err(KeyFault::Point) }
}

/// A number, big-endian, without leading zeros. RFC 7518 §2 forbids them, but Java's way to write a large number puts one before it.
fn number(members: &Object, name: &str) -> Result<Vec<u8>, KeyFault> {
    let bytes = octets(members, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

fn octets(members: &Object, name: &str) -> Result<Vec<u8>, KeyFault> {
    let text = optional(members, name)?.ok_or(KeyFault::Member)?;
    base64url::decode(text).map_err(|_| KeyFault::Member)
}

/// A member that must be a string if it is there.
fn optional<'m>(members: &'m Object, name: &str) -> Result<Option<&'m str>, KeyFault> {
    members.get(name).map(|value| value.as_str().ok_or(KeyFault::Member)).transpose()
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last % 2 == 0)
}

type Thumbprint = Option<Box<str>>;

/// `x5t` and `x5t#S256`, or where they are missing what `x5c` gives for them, as Kafka's library (jose4j) does it. The certificate itself
/// is not looked at.
fn thumbprints(members: &Object) -> Result<(Thumbprint, Thumbprint), KeyFault> {
    let certificate = match members.get("x5c") {
        Some(Value::Array(chain)) => chain.first().and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok()),
        _ => None,
    };
    let of = |algorithm: &'static digest::Algorithm| {
        certificate.as_ref().map(|der| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, der)).into())
    };
    let x5t = optional(members, "x5t")?.map(Into::into);
    let x5t_s256 = optional(members, "x5t#S256")?.map(Into::into);
    Ok((x5t.or_else(|| of(&digest::SHA1_FOR_LEGACY_USE_ONLY)), x5t_s256.or_else(|| of(&digest::SHA256))))
}
