//! What is kept of a password: salt, StoredKey, ServerKey and the iteration count (RFC 5802 §3).

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use subtle::ConstantTimeEq;

use super::{MIN_ITERATIONS, ScramMechanism};
use crate::secret::Secret;

/// Longest salt in bytes that is kept.
pub const MAX_SALT_LEN: usize = 1024;

/// The verifier of one user and mechanism. Whoever has it cannot log in with it, but can pretend to be the server.
///
/// `Debug` shows neither key. It cannot be compared, printed or serialised (SEC-23); the first shows that nothing else stops these:
/// ```
/// # use doorkeeper::scram::{ScramCredential, ScramMechanism};
/// # let of = |key: [u8; 32]| ScramCredential::from_keys(ScramMechanism::Sha256, b"salt", &key, &key, 4096).unwrap();
/// assert_eq!(format!("{:?}", of([0xab; 32])).matches("[hidden]").count(), 2);
/// ```
/// ```compile_fail,E0369
/// # use doorkeeper::scram::{ScramCredential, ScramMechanism};
/// # let of = |key: [u8; 32]| ScramCredential::from_keys(ScramMechanism::Sha256, b"salt", &key, &key, 4096).unwrap();
/// assert!(of([0xab; 32]) == of([0xab; 32]));
/// ```
/// ```compile_fail,E0277
/// # use doorkeeper::scram::{ScramCredential, ScramMechanism};
/// # let of = |key: [u8; 32]| ScramCredential::from_keys(ScramMechanism::Sha256, b"salt", &key, &key, 4096).unwrap();
/// println!("{}", of([0xab; 32]));
/// ```
/// ```compile_fail,E0277
/// # use doorkeeper::scram::{ScramCredential, ScramMechanism};
/// # let of = |key: [u8; 32]| ScramCredential::from_keys(ScramMechanism::Sha256, b"salt", &key, &key, 4096).unwrap();
/// serde_json::to_string(&of([0xab; 32]));
/// ```
#[derive(Clone, Debug)]
pub struct ScramCredential {
    salt: Box<[u8]>,
    stored_key: Secret,
    server_key: Secret,
    iterations: u32,
}

/// Why something is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// RFC 7677 §4.
    #[error("fewer than {MIN_ITERATIONS} iterations")]
    TooFewIterations,
    /// A key has not the length of the mechanism's hash.
    #[error("a key has not the length of the mechanism's hash")]
    KeyLength,
    /// The salt is empty or longer than [`MAX_SALT_LEN`].
    #[error("the salt is empty or longer than {MAX_SALT_LEN} bytes")]
    SaltLength,
}

/// `Hi(password, salt, iterations)` (RFC 5802 §2.2): PBKDF2. Takes milliseconds: not for an async worker. The password is taken as
/// the bytes that it is, without SASLprep, as Kafka does.
pub fn salted_password(mechanism: ScramMechanism, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Secret {
    let mut out = vec![0; mechanism.hash_len()];
    pbkdf2::derive(mechanism.pbkdf2(), iterations, salt, password, &mut out);
    Secret::new(out)
}

impl ScramCredential {
    /// The credential of a password. Takes milliseconds: not for an async worker.
    pub fn from_password(
        mechanism: ScramMechanism,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, CredentialError> {
        let count = NonZeroU32::new(iterations).ok_or(CredentialError::TooFewIterations)?;
        Self::from_salted_password(
            mechanism,
            salted_password(mechanism, password, salt, count).expose(),
            salt,
            iterations,
        )
    }

    /// The credential of a SaltedPassword, as administrators send it (KIP-554). The length of a SaltedPassword is not limited:
    /// it is the key of an HMAC.
    pub fn from_salted_password(
        mechanism: ScramMechanism,
        salted_password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, CredentialError> {
        let client_key = mechanism.hmac(salted_password, b"Client Key");
        let stored_key = mechanism.hash(client_key.as_ref());
        let server_key = mechanism.hmac(salted_password, b"Server Key");
        Self::from_keys(mechanism, salt, stored_key.as_ref(), server_key.as_ref(), iterations)
    }

    /// The credential of these keys, as it was kept.
    pub fn from_keys(
        mechanism: ScramMechanism,
        salt: &[u8],
        stored_key: &[u8],
        server_key: &[u8],
        iterations: u32,
    ) -> Result<Self, CredentialError> {
        if iterations < MIN_ITERATIONS {
            return Err(CredentialError::TooFewIterations);
        }
        if stored_key.len() != mechanism.hash_len() || server_key.len() != mechanism.hash_len() {
            return Err(CredentialError::KeyLength);
        }
        if salt.is_empty() || salt.len() > MAX_SALT_LEN {
            return Err(CredentialError::SaltLength);
        }
        let (stored_key, server_key) = (Secret::new(stored_key), Secret::new(server_key));
        Ok(Self { salt: salt.into(), stored_key, server_key, iterations })
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// `H(ClientKey)`.
    pub fn stored_key(&self) -> &Secret {
        &self.stored_key
    }

    /// `HMAC(SaltedPassword, "Server Key")`.
    pub fn server_key(&self) -> &Secret {
        &self.server_key
    }

    /// The iteration count.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether the credential is this password's. Takes milliseconds, whatever the answer: not for an async worker.
    pub fn is_of(&self, mechanism: ScramMechanism, password: &[u8]) -> bool {
        let given = Self::from_password(mechanism, password, &self.salt, self.iterations);
        given.is_ok_and(|given| given.stored_key.expose().ct_eq(self.stored_key.expose()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_of_its_password_alone() {
        for mechanism in ScramMechanism::ALL {
            let credential = ScramCredential::from_password(mechanism, b"pencil", b"salt", 4096).unwrap();
            assert!(credential.is_of(mechanism, b"pencil"));
            assert!(!credential.is_of(mechanism, b"pencil "));
            assert_eq!(
                ScramCredential::from_password(mechanism, b"pencil", b"salt", 4095).err(),
                Some(CredentialError::TooFewIterations)
            );
        }
    }
}
