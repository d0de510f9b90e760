//! A SCRAM client that logs in often, as real ones do: it derives its keys once and not for each login. Wrong messages are
//! [`crate::scram`]'s.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::scram::{self, Hash};
use crate::{Context, Result};

/// What a client knows of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    Password(String),
    /// The SaltedPassword itself, whatever the server says of salt and iterations: costs no PBKDF2.
    Salted(Vec<u8>),
}

/// ClientKey, StoredKey and ServerKey of a SaltedPassword.
#[derive(Clone)]
struct Keys {
    client: Vec<u8>,
    stored: Vec<u8>,
    server: Vec<u8>,
}

impl Keys {
    fn new(hash: Hash, salted: &[u8]) -> Keys {
        Keys { client: hash.client_key(salted), stored: hash.stored_key(salted), server: hash.server_key(salted) }
    }
}

/// The salt and the iteration count that keys were made with.
type Derived = (Vec<u8>, u32, Keys);

/// A user at one hash. It derives its keys once for each salt that follows another, as real clients that log in often do.
pub struct Client {
    pub hash: Hash,
    user: String,
    secret: Secret,
    derived: Mutex<Option<Derived>>,
}

impl Client {
    pub fn new(hash: Hash, user: &str, secret: Secret) -> Client {
        Client { hash, user: scram::saslname(user), secret, derived: Mutex::new(None) }
    }

    pub fn with_password(hash: Hash, user: &str, password: &str) -> Client {
        Client::new(hash, user, Secret::Password(password.to_owned()))
    }

    /// Begins an exchange with a nonce of its own.
    pub fn begin(&self) -> Exchange<'_> {
        self.begin_with(&scram::nonce())
    }

    fn begin_with(&self, nonce: &str) -> Exchange<'_> {
        Exchange { client: self, bare: format!("n={},r={nonce}", self.user), nonce: nonce.to_owned() }
    }

    fn keys(&self, salt: &[u8], iterations: u32) -> Keys {
        let mut derived = self.derived.lock().unwrap_or_else(|e| e.into_inner());
        match &*derived {
            Some((s, i, keys)) if s == salt && *i == iterations => keys.clone(),
            _ => {
                let keys = match &self.secret {
                    Secret::Salted(salted) => Keys::new(self.hash, salted),
                    Secret::Password(password) => {
                        Keys::new(self.hash, &self.hash.salted(password.as_bytes(), salt, iterations))
                    }
                };
                *derived = Some((salt.to_vec(), iterations, keys.clone()));
                keys
            }
        }
    }
}

/// A login that has begun.
pub struct Exchange<'a> {
    client: &'a Client,
    /// client-first-message-bare
    bare: String,
    nonce: String,
}

/// What a server says in its first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub nonce: String,
    pub salt: Vec<u8>,
    pub iterations: u32,
}

impl Challenge {
    pub fn read(token: &[u8]) -> Result<Challenge> {
        let text = std::str::from_utf8(token).context("server-first")?;
        let mut parts = text.split(',');
        let mut part = |name: &str| {
            let found = parts.next().and_then(|p| p.strip_prefix(name)).map(str::to_owned);
            found.ok_or_else(|| format!("server-first has no {name} in its place: {text:?}"))
        };
        let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
        Ok(Challenge {
            nonce,
            salt: BASE64.decode(salt).context("the salt")?,
            iterations: iterations.parse().context("the iteration count")?,
        })
    }
}

impl Exchange<'_> {
    /// client-first-message
    pub fn token(&self) -> Vec<u8> {
        format!("n,,{}", self.bare).into_bytes()
    }

    /// Takes server-first; gives client-final and what server-final has to be.
    pub fn answer(self, server_first: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
        let challenge = Challenge::read(server_first)?;
        if !challenge.nonce.starts_with(&self.nonce) || challenge.nonce.len() == self.nonce.len() {
            return Err(format!("the server made {:?} of the nonce {:?}", challenge.nonce, self.nonce));
        }
        let keys = self.client.keys(&challenge.salt, challenge.iterations);
        let without_proof = format!("c=biws,r={}", challenge.nonce);
        let message = [self.bare.as_bytes(), b",", server_first, b",", without_proof.as_bytes()].concat();
        let hash = self.client.hash;
        let signature = hash.hmac(&keys.stored, &message);
        let proof: Vec<u8> = keys.client.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let expected = format!("v={}", BASE64.encode(hash.hmac(&keys.server, &message)));
        Ok((format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes(), expected.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3
    #[test]
    fn the_vector_of_the_rfc() {
        let client = Client::with_password(Hash::Sha256, "user", "pencil");
        let exchange = client.begin_with("rOprNGfwEbeRWgbNEkqO");
        assert_eq!(exchange.token(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, expected) = exchange
            .answer(b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
            .unwrap();
        let want = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8_lossy(&last), want);
        assert_eq!(expected, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_servers_nonce_must_go_on_from_ours() {
        let client = Client::with_password(Hash::Sha512, "user", "pencil");
        for nonce in ["abc", "other", "ab", ""] {
            let said = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            assert!(client.begin_with("abc").answer(said.as_bytes()).is_err(), "{nonce}");
        }
    }
}
