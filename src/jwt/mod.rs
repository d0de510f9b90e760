//! JSON Web Tokens (RFC 7515, RFC 7517, RFC 7519): a compact token is taken apart strictly, its signature checked with one of an
//! issuer's keys, and its claims judged. Plain functions on bytes: no socket, no file and no clock; nothing that stands in a token
//! makes anyone look anywhere.
//!
//! The way of a token: [`Unverified::parse`], [`Unverified::verify`] with a [`KeySet`], [`ClaimRules::judge`]. Only a signature that fits
//! gives [`Claims`]; only claims that were judged give an [`Accepted`]. Tokens without a signature, for development, have a door of
//! their own: [`unsecured`].

mod algorithm;
mod base64url;
mod claims;
mod explain;
mod fault;
mod header;
mod json;
mod jwk;
mod key_set;
mod roca;
mod rules;
mod template;
mod token;
pub mod unsecured;
mod verify;

pub use algorithm::Algorithm;
pub use claims::Claims;
pub use explain::{Candidate, Explanation, Verdict, explain};
pub use fault::TokenFault;
pub use header::{Header, MAX_KID_LEN};
pub use json::{MAX_DEPTH, MAX_MEMBERS, MAX_VALUES, Object, Value};
pub use jwk::KeyFault;
pub use key_set::{KeySet, KeySetError, MAX_KEY_SET_LEN, MAX_KEYS, SkippedKey};
pub use rules::{Accepted, ClaimRules, MAX_GROUPS, MAX_NAME_LEN, TokenTypes};
pub use template::{Template, TemplateError};
pub use token::{MAX_TOKEN_LEN, Unverified};

#[cfg(test)]
pub(crate) mod tests;
