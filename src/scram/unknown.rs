//! What stands for a user that does not exist, so that nobody can ask whether one does.

use super::random::base_36;
use super::{CredentialError, MIN_ITERATIONS, ScramCredential, ScramMechanism};
use crate::secret::Secret;

/// Makes credentials of users that do not exist: always the same for a name, and no password's.
#[derive(Clone, Debug)]
pub struct UnknownUsers {
    key: Secret,
    iterations: u32,
}

impl UnknownUsers {
    /// `key` is what makes them nobody else's; fronts with the same key show the same. `iterations` should be what the users that
    /// exist have.
    pub fn new(key: Secret, iterations: u32) -> Result<Self, CredentialError> {
        (iterations >= MIN_ITERATIONS).then_some(Self { key, iterations }).ok_or(CredentialError::TooFewIterations)
    }

    /// The credential that stands for this name. Its salt has the shape and the distribution of those that Kafka's tools make
    /// ([`super::random_salt`]). No password is known to have its keys; a proof that fits would still be nobody's login.
    pub fn credential(&self, mechanism: ScramMechanism, user: &str) -> ScramCredential {
        self.derive("user", mechanism, user)
    }

    /// The credential that stands for this delegation token. It is not that of a user of the same name: else a login with
    /// `tokenauth=true` would show what to compare a user's salt with.
    pub fn token_credential(&self, mechanism: ScramMechanism, id: &str) -> ScramCredential {
        self.derive("token", mechanism, id)
    }

    fn derive(&self, kind: &str, mechanism: ScramMechanism, name: &str) -> ScramCredential {
        let derive = |what: &str| {
            let message = [kind, what, mechanism.as_str(), name].join("\0");
            ScramMechanism::Sha512.hmac(self.key.expose(), message.as_bytes())
        };
        let mut bits = [0; 17];
        bits.copy_from_slice(&derive("salt").as_ref()[..17]);
        let (stored_key, server_key) = (derive("stored key"), derive("server key"));
        let keys = [&stored_key, &server_key].map(|key| &key.as_ref()[..mechanism.hash_len()]);
        let salt = base_36(bits);
        ScramCredential::from_keys(mechanism, salt.as_bytes(), keys[0], keys[1], self.iterations)
            .unwrap_or_else(|_| unreachable!("the lengths and the iterations are legal"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(key: &str) -> UnknownUsers {
        UnknownUsers::new(Secret::new(key), 4096).unwrap()
    }

    #[test]
    fn stable_for_a_name_and_different_for_another_name_mechanism_or_key() {
        let salt = |key, mechanism, user| of(key).credential(mechanism, user).salt().to_vec();
        let [sha256, sha512] = ScramMechanism::ALL;
        let alice = salt("k", sha256, "alice");
        for _ in 0..1000 {
            assert_eq!(salt("k", sha256, "alice"), alice);
        }
        let others = [
            ("k", sha256, "bob"),
            ("k", sha512, "alice"),
            ("l", sha256, "alice"),
            ("k", sha256, ""),
            ("k", sha256, "alice\0"),
        ];
        let different: HashSet<_> = others.map(|(key, mechanism, user)| salt(key, mechanism, user)).into();
        assert_eq!(different.len(), others.len());
        assert!(!different.contains(&alice));
        assert_ne!(of("k").token_credential(sha256, "alice").salt(), alice);
    }

    #[test]
    fn salts_look_like_those_of_kafkas_tools() {
        let salts: Vec<_> = (0..3000).map(|n| of("k").credential(ScramMechanism::Sha256, &n.to_string())).collect();
        let with_len = |len| salts.iter().filter(|credential| credential.salt().len() == len).count();
        // Of numbers of 130 bits in base 36: 40.6 % with 26 digits, 57.8 % with 25, the rest with fewer. The names are fixed, and
        // so are these.
        assert!((1130..=1310).contains(&with_len(26)), "{}", with_len(26));
        assert!((1640..=1830).contains(&with_len(25)), "{}", with_len(25));
        assert!(salts.iter().all(|credential| credential.iterations() == 4096));
        let bytes = salts.iter().flat_map(|credential| credential.salt());
        assert!(bytes.clone().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
    }

    #[test]
    fn too_few_iterations_are_refused() {
        assert_eq!(UnknownUsers::new(Secret::new("k"), 4095).err(), Some(CredentialError::TooFewIterations));
        let credential = UnknownUsers::new(Secret::new("k"), 16384).unwrap().credential(ScramMechanism::Sha512, "x");
        assert_eq!((credential.iterations(), credential.stored_key().expose().len()), (16384, 64));
    }
}
