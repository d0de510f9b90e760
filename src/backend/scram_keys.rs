//! The keys of the front's own SCRAM login. Working them out takes milliseconds, and each client connection needs a login at each
//! broker that it talks to: what was worked out once is kept.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::scram::ScramMechanism;
use crate::scram::client::{AwaitsKeys, ClientKeys};
use crate::secret::Secret;

/// Most keys that are kept. All brokers of a cluster have the same credential of a user, so there is one; a few more while a
/// password changes. A broker that shows another salt each time gains nothing but the work.
const MOST_KEPT: usize = 4;

/// Keys by what they are made from.
#[derive(Debug, Default)]
pub(super) struct ScramKeys(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    mechanism: ScramMechanism,
    password: Secret,
    salt: Vec<u8>,
    iterations: NonZeroU32,
    keys: ClientKeys,
}

impl ScramKeys {
    /// The keys that an exchange waits for; if they are not kept, they are worked out on a thread of their own.
    pub(super) async fn get(
        &self,
        mechanism: ScramMechanism,
        password: &Secret,
        waits: &AwaitsKeys,
    ) -> io::Result<ClientKeys> {
        let (salt, iterations) = (waits.salt(), waits.iterations());
        if let Some(keys) = self.find(mechanism, password, salt, iterations) {
            return Ok(keys);
        }
        let (password, salt) = (password.clone(), salt.to_vec());
        let derive = move || {
            let keys = ClientKeys::derive(mechanism, password.expose(), &salt, iterations);
            Kept { mechanism, password, salt, iterations, keys }
        };
        let kept = tokio::task::spawn_blocking(derive).await.map_err(io::Error::other)?;
        let keys = kept.keys.clone();
        let mut all = self.lock();
        all.truncate(MOST_KEPT - 1);
        all.push_front(kept);
        Ok(keys)
    }

    fn find(
        &self,
        mechanism: ScramMechanism,
        password: &Secret,
        salt: &[u8],
        iterations: NonZeroU32,
    ) -> Option<ClientKeys> {
        let all = self.lock();
        let mut fitting = all.iter().filter(|kept| {
            kept.mechanism == mechanism
                && kept.iterations == iterations
                && kept.salt == salt
                && kept.password.matches(password.expose())
        });
        fitting.next().map(|kept| kept.keys.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::{Nonce, ScramCredential, client, server};

    /// What a server that keeps this password with this salt says to keys.
    async fn log_in(keys: &ScramKeys, mechanism: ScramMechanism, password: &str, salt: &str, right: &str) -> bool {
        let (client_first, client) = client::start(mechanism, "front", &Nonce::random().unwrap()).unwrap();
        let open = server::start(mechanism, client_first.as_bytes()).unwrap();
        let kept = ScramCredential::from_password(mechanism, right.as_bytes(), salt.as_bytes(), 4096).unwrap();
        let (server_first, server) = open.challenge(kept, &Nonce::random().unwrap());
        let waits = client.read(server_first.as_bytes()).unwrap();
        let keys = keys.get(mechanism, &Secret::new(password), &waits).await.unwrap();
        server.verify(waits.answer(&keys).0.as_bytes()).is_ok()
    }

    #[tokio::test]
    async fn kept_keys_are_those_of_what_they_were_made_from() {
        let keys = ScramKeys::default();
        let [sha256, sha512] = ScramMechanism::ALL;
        for _ in 0..3 {
            assert!(log_in(&keys, sha256, "a", "salt", "a").await);
        }
        assert_eq!(keys.lock().len(), 1);
        // None of these is answered with what is kept of the others.
        assert!(!log_in(&keys, sha256, "b", "salt", "a").await);
        assert!(log_in(&keys, sha256, "b", "salt", "b").await);
        assert!(log_in(&keys, sha256, "a", "another salt", "a").await);
        assert!(log_in(&keys, sha512, "a", "salt", "a").await);
        assert!(log_in(&keys, sha256, "a", "salt", "a").await);
        assert_eq!(keys.lock().len(), 4);
        for n in 0..20 {
            assert!(log_in(&keys, sha256, "a", &n.to_string(), "a").await);
        }
        assert_eq!(keys.lock().len(), MOST_KEPT);
    }
}
