//! A compact JWS, taken apart.

use std::fmt;

use super::json::Object;
use super::{Claims, Header, KeySet, TokenFault, base64url};
use crate::secret::Secret;

/// Most bytes of a token. What issuers give is a few KiB.
pub const MAX_TOKEN_LEN: usize = 64 * 1024;

/// A compact JWS (RFC 7515 §7.1), split, header and claims parsed strictly. NOTHING in it is verified.
pub struct Unverified<'t> {
    jws: Jws<'t>,
    claims: Claims,
}

/// A compact JWS whatever its payload is.
pub(super) struct Jws<'t> {
    header: Header,
    payload: Vec<u8>,
    /// What is signed: the first two parts and the dot between them.
    signed: &'t str,
    signature: Secret,
}

impl<'t> Unverified<'t> {
    /// Takes a token apart. Linear in its length, which is looked at first.
    pub fn parse(token: &'t str) -> Result<Self, TokenFault> {
        let jws = Jws::parse(token)?;
        let claims = Claims::new(Object::parse(&jws.payload)?, jws.header.typ());
        Ok(Self { jws, claims })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.jws.header
    }

    /// The `iss` that it claims: only for choosing whose keys to try.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.string("iss")
    }

    /// What it claims, for people who ask: nothing may be decided by it.
    pub fn claims_unverified(&self) -> &Claims {
        &self.claims
    }

    /// Picks the key as [`KeySet`] says, and checks the signature with it.
    ///
    /// [`TokenFault::UnknownKey`] says that no key has the token's `kid`: newer keys may help.
    pub fn verify(self, keys: &KeySet) -> Result<Claims, TokenFault> {
        self.jws.verify(keys)?;
        Ok(self.claims)
    }
}

impl<'t> Jws<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenFault> {
        let [header, payload, signature] = split(token)?;
        let signed = &token[..header.len() + 1 + payload.len()];
        let header = Header::parse(&base64url::decode(header)?)?;
        let payload = base64url::decode(payload)?;
        let signature = Secret::new(base64url::decode(signature)?);
        Ok(Self { header, payload, signed, signature })
    }

    pub(super) fn verify(&self, keys: &KeySet) -> Result<(), TokenFault> {
        let key = keys.select(&self.header)?;
        key.verify(self.header.algorithm(), self.signed.as_bytes(), self.signature.expose())
    }
}

/// The three parts of a token.
pub(super) fn split(token: &str) -> Result<[&str; 3], TokenFault> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(TokenFault::TooLong);
    }
    let dots = token.bytes().filter(|byte| *byte == b'.').count();
    let mut parts = token.splitn(3, '.');
    match (dots, parts.next(), parts.next(), parts.next()) {
        (2, Some(header), Some(payload), Some(signature)) => Ok([header, payload, signature]),
        // RFC 7516 §9: what tells a JWE from a JWS.
        (4, ..) => Err(TokenFault::Encrypted),
        _ => Err(TokenFault::Parts),
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("header", &self.jws.header).finish_non_exhaustive()
    }
}
