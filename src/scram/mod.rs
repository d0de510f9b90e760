//! SCRAM (RFC 5802, RFC 7677): the arithmetic, and what is kept of a password. Plain functions on bytes; the mechanism towards
//! clients, the login towards the backend, the administration and the tools all stand on it.

pub mod client;
mod credential;
mod message;
mod random;
pub mod server;
mod unknown;

pub use credential::{CredentialError, MAX_SALT_LEN, ScramCredential, salted_password};
pub use message::{
    MAX_CLIENT_MESSAGE_LEN, MAX_EXTENSIONS, MAX_NONCE_LEN, MAX_SERVER_MESSAGE_LEN, MAX_USER_LEN, Malformed,
};
pub use random::{NoRandomness, Nonce, random_salt};
pub use unknown::UnknownUsers;

use aws_lc_rs::{digest, hmac, pbkdf2};

use crate::secret::Secret;

/// Fewest iterations that a credential may have (RFC 7677 §4; Kafka's own limit).
pub const MIN_ITERATIONS: u32 = 4096;
/// Most iterations that an administrator may ask for (Kafka's own limit).
pub const MAX_ITERATIONS: u32 = 16384;

/// One of the two SCRAM mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256
    Sha256,
    /// SCRAM-SHA-512
    Sha512,
}

impl ScramMechanism {
    /// Both, in the order of their codes.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name that IANA and Kafka know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of this name, exactly as spelled.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.as_str() == name)
    }

    /// Kafka's code of it (KIP-554): 1 or 2.
    pub fn code(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The mechanism of this code.
    pub fn from_code(code: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.code() == code)
    }

    /// Length in bytes of its hash, and so of its keys and proofs.
    pub fn hash_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The same password for PBKDF2, in at most 128 bytes: HMAC itself takes a key that is longer than a block of its hash as that
    /// hash (RFC 2104 §2).
    pub fn fold(self, password: &[u8]) -> Secret {
        let block_len = match self {
            Self::Sha256 => digest::SHA256.block_len(),
            Self::Sha512 => digest::SHA512.block_len(),
        };
        if password.len() > block_len { Secret::new(self.hash(password).as_ref()) } else { Secret::new(password) }
    }

    /// `HMAC(key, data)`.
    pub fn hmac(self, key: &[u8], data: &[u8]) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), data)
    }

    /// `H(data)`.
    pub fn hash(self, data: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data)
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

impl std::fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
