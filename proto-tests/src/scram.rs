//! A SCRAM client (RFC 5802, RFC 7677) of the harness's own: nothing of it comes from the program that it tests.

use std::num::NonZeroU32;
use std::sync::Mutex;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::{Context, Result};

/// One of the two mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    Sha256,
    Sha512,
}

impl Mechanism {
    pub const ALL: [Mechanism; 2] = [Mechanism::Sha256, Mechanism::Sha512];

    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Sha256 => "SCRAM-SHA-256",
            Mechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// Its code in Kafka's requests.
    pub fn code(self) -> i8 {
        match self {
            Mechanism::Sha256 => 1,
            Mechanism::Sha512 => 2,
        }
    }

    pub fn from_code(code: i8) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|m| m.code() == code)
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> hmac::Tag {
        let algorithm = match self {
            Mechanism::Sha256 => hmac::HMAC_SHA256,
            Mechanism::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), data)
    }

    fn hash(self, data: &[u8]) -> digest::Digest {
        match self {
            Mechanism::Sha256 => digest::digest(&digest::SHA256, data),
            Mechanism::Sha512 => digest::digest(&digest::SHA512, data),
        }
    }

    /// `Hi(password, salt, iterations)`.
    pub fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let (algorithm, len) = match self {
            Mechanism::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            Mechanism::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        };
        let mut out = vec![0; len];
        pbkdf2::derive(algorithm, NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN), salt, password, &mut out);
        out
    }
}

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
    fn new(mechanism: Mechanism, salted: &[u8]) -> Keys {
        let client = mechanism.hmac(salted, b"Client Key");
        let stored = mechanism.hash(client.as_ref());
        let server = mechanism.hmac(salted, b"Server Key");
        Keys { client: client.as_ref().into(), stored: stored.as_ref().into(), server: server.as_ref().into() }
    }
}

/// The salt and the iteration count that keys were made with.
type Derived = (Vec<u8>, u32, Keys);

/// A user at one mechanism. It derives its keys once for each salt that follows another, as real clients that log in often do.
pub struct Client {
    pub mechanism: Mechanism,
    user: String,
    secret: Secret,
    derived: Mutex<Option<Derived>>,
}

impl Client {
    pub fn new(mechanism: Mechanism, user: &str, secret: Secret) -> Client {
        Client { mechanism, user: user.replace('=', "=3D").replace(',', "=2C"), secret, derived: Mutex::new(None) }
    }

    pub fn with_password(mechanism: Mechanism, user: &str, password: &str) -> Client {
        Client::new(mechanism, user, Secret::Password(password.to_owned()))
    }

    /// Begins an exchange with a nonce of its own.
    pub fn begin(&self) -> Result<Exchange<'_>> {
        let mut nonce = [0; 18];
        rand::fill(&mut nonce).context("draw a nonce")?;
        Ok(self.begin_with(&BASE64.encode(nonce)))
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
                    Secret::Salted(salted) => Keys::new(self.mechanism, salted),
                    Secret::Password(password) => {
                        Keys::new(self.mechanism, &self.mechanism.salted(password.as_bytes(), salt, iterations))
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
        let mechanism = self.client.mechanism;
        let signature = mechanism.hmac(&keys.stored, &message);
        let proof: Vec<u8> = keys.client.iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let expected = format!("v={}", BASE64.encode(mechanism.hmac(&keys.server, &message)));
        Ok((format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes(), expected.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3
    #[test]
    fn the_vector_of_the_rfc() {
        let client = Client::with_password(Mechanism::Sha256, "user", "pencil");
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
        let client = Client::with_password(Mechanism::Sha512, "user", "pencil");
        for nonce in ["abc", "other", "ab", ""] {
            let said = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            assert!(client.begin_with("abc").answer(said.as_bytes()).is_err(), "{nonce}");
        }
    }
}
