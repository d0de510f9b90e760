//! A secret that cannot be printed, is compared in constant time and is wiped when dropped.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that no log, error or metric may show: a password, a token, a key.
///
/// There is no `Display`, no `Serialize` and no `PartialEq`; `Debug` prints a fixed word. Compare with [`Secret::matches`].
///
/// These do not compile (SEC-23); the first shows that nothing else stops them:
/// ```
/// let secret = doorkeeper::secret::Secret::new("alice-secret");
/// assert_eq!(format!("{secret:?}"), "[hidden]");
/// assert!(secret.matches(b"alice-secret"));
/// ```
/// ```compile_fail,E0369
/// let secret = doorkeeper::secret::Secret::new("alice-secret");
/// assert!(secret == doorkeeper::secret::Secret::new("alice-secret"));
/// ```
/// ```compile_fail,E0277
/// let secret = doorkeeper::secret::Secret::new("alice-secret");
/// println!("{secret}");
/// ```
/// ```compile_fail,E0277
/// let secret = doorkeeper::secret::Secret::new("alice-secret");
/// serde_json::to_string(&secret);
/// ```
/// ```compile_fail,E0277
/// fn hashed<T: std::hash::Hash>(_: T) {}
/// hashed(doorkeeper::secret::Secret::new("alice-secret"));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes; the caller's copy, if any, is the caller's to wipe.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves, for the one place that must use them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `other` is the same secret; the time depends on the lengths only.
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_bytes_and_matches_compares_them() {
        let secret = Secret::new("alice-secret");
        assert_eq!(format!("{secret:?}"), "[hidden]");
        assert!(secret.matches(b"alice-secret"));
        assert!(!secret.matches(b"alice-secres"));
        assert!(!secret.matches(b"alice-secret "));
        assert!(Secret::new("").is_empty());
    }
}
