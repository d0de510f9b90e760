//! SCRAM by hand (RFC 5802), so that a trial can send every part of it wrong.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use crate::wire::Conn;
use crate::{Context, Result, check, check_eq};

/// The hash of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    pub const BOTH: [Hash; 2] = [Hash::Sha256, Hash::Sha512];

    /// The mechanism's name.
    pub fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha256 => "SCRAM-SHA-256",
            Hash::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism's number in Kafka's requests.
    pub fn number(self) -> i8 {
        match self {
            Hash::Sha256 => 1,
            Hash::Sha512 => 2,
        }
    }

    /// Bytes of a key.
    pub fn len(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha512 => 64,
        }
    }

    pub fn is_empty(self) -> bool {
        false
    }

    pub fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        let hash = match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(hash, key), text).as_ref().to_vec()
    }

    pub fn digest(self, text: &[u8]) -> Vec<u8> {
        let hash = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(hash, text).as_ref().to_vec()
    }

    /// `Hi(password, salt, iterations)`.
    pub fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let hash = match self {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut out = vec![0; self.len()];
        let iterations = iterations.try_into().expect("iterations are not zero");
        pbkdf2::derive(hash, iterations, salt, password, &mut out);
        out
    }

    pub fn client_key(self, salted: &[u8]) -> Vec<u8> {
        self.hmac(salted, b"Client Key")
    }

    pub fn stored_key(self, salted: &[u8]) -> Vec<u8> {
        self.digest(&self.client_key(salted))
    }

    pub fn server_key(self, salted: &[u8]) -> Vec<u8> {
        self.hmac(salted, b"Server Key")
    }
}

pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A name as it stands in a client-first message.
pub fn saslname(user: &str) -> String {
    user.replace('=', "=3D").replace(',', "=2C")
}

/// What is known between the two rounds.
#[derive(Clone, Debug)]
pub struct Round {
    pub hash: Hash,
    /// `n,,` or what the trial sent in its place.
    pub gs2: String,
    pub client_first_bare: String,
    pub client_nonce: String,
    pub server_first: String,
    /// The whole of it, the client's own first.
    pub nonce: String,
    pub salt: Vec<u8>,
    pub iterations: u32,
}

impl Round {
    /// Reads a server-first message.
    pub fn new(hash: Hash, gs2: &str, bare: &str, client_nonce: &str, server_first: &[u8]) -> Result<Round> {
        let text = std::str::from_utf8(server_first).context("server-first")?;
        let part = |i: usize, key: &str| {
            let part = text.split(',').nth(i).and_then(|p| p.strip_prefix(key));
            part.ok_or_else(|| format!("no {key} in {text:?}"))
        };
        check_eq!(text.split(',').count(), 3, "parts of {text:?}");
        Ok(Round {
            hash,
            gs2: gs2.to_owned(),
            client_first_bare: bare.to_owned(),
            client_nonce: client_nonce.to_owned(),
            server_first: text.to_owned(),
            nonce: part(0, "r=")?.to_owned(),
            salt: STANDARD.decode(part(1, "s=")?).context("the salt")?,
            iterations: part(2, "i=")?.parse().context("iterations")?,
        })
    }

    /// `c=` for the gs2 header that was sent.
    pub fn binding(&self) -> String {
        encode(self.gs2.as_bytes())
    }

    fn auth_message(&self, without_proof: &str) -> String {
        format!("{},{},{without_proof}", self.client_first_bare, self.server_first)
    }

    /// The proof that belongs to a client-final message without one.
    pub fn proof(&self, password: &str, without_proof: &str) -> Vec<u8> {
        let key = self.hash.client_key(&self.hash.salted(password.as_bytes(), &self.salt, self.iterations));
        let signature = self.client_signature(password, without_proof);
        key.iter().zip(signature).map(|(a, b)| a ^ b).collect()
    }

    /// HMAC(StoredKey, AuthMessage).
    pub fn client_signature(&self, password: &str, without_proof: &str) -> Vec<u8> {
        let salted = self.hash.salted(password.as_bytes(), &self.salt, self.iterations);
        self.hash.hmac(&self.hash.stored_key(&salted), self.auth_message(without_proof).as_bytes())
    }

    /// The server-final message that belongs to a client-final message without proof.
    pub fn server_final(&self, password: &str, without_proof: &str) -> String {
        let salted = self.hash.salted(password.as_bytes(), &self.salt, self.iterations);
        let signature = self.hash.hmac(&self.hash.server_key(&salted), self.auth_message(without_proof).as_bytes());
        format!("v={}", encode(&signature))
    }

    /// A client-final message without proof, as it should be.
    pub fn without_proof(&self) -> String {
        format!("c={},r={}", self.binding(), self.nonce)
    }

    /// The same with its proof.
    pub fn finish(&self, password: &str) -> String {
        self.prove(password, &self.without_proof())
    }

    /// What stands before the proof, with the proof that belongs to it.
    pub fn prove(&self, password: &str, without_proof: &str) -> String {
        format!("{without_proof},p={}", encode(&self.proof(password, without_proof)))
    }
}

/// A nonce that no other connection has.
pub fn nonce() -> String {
    let mut bytes = [0; 18];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random bytes");
    encode(&bytes)
}

fn token(conn: &mut Conn, token: &[u8]) -> Result<SaslAuthenticateResponse> {
    conn.call(1, &SaslAuthenticateRequest::default().with_auth_bytes(Bytes::copy_from_slice(token)))
}

/// The first round, the handshake included: what the server says of that user.
pub fn first_round(conn: &mut Conn, hash: Hash, user: &str) -> Result<Round> {
    conn.handshake(hash.mechanism())?;
    let nonce = nonce();
    let bare = format!("n={},r={nonce}", saslname(user));
    let reply = token(conn, format!("n,,{bare}").as_bytes())?;
    check_eq!(reply.error_code, 0, "first round of {user:?}: {:?}", reply.error_message);
    let round = Round::new(hash, "n,,", &bare, &nonce, &reply.auth_bytes)?;
    check!(round.nonce.starts_with(&nonce) && round.nonce.len() > nonce.len(), "the server's nonce: {round:?}");
    Ok(round)
}

/// What the server says in the end, and whether it has shown that it knows the password too.
pub fn try_login(conn: &mut Conn, hash: Hash, user: &str, password: &str) -> Result<SaslAuthenticateResponse> {
    conn.handshake(hash.mechanism())?;
    let nonce = nonce();
    let bare = format!("n={},r={nonce}", saslname(user));
    let first = token(conn, format!("n,,{bare}").as_bytes())?;
    if first.error_code != 0 {
        return Ok(first);
    }
    let round = Round::new(hash, "n,,", &bare, &nonce, &first.auth_bytes)?;
    let last = token(conn, round.finish(password).as_bytes())?;
    if last.error_code == 0 {
        let want = round.server_final(password, &round.without_proof());
        check_eq!(last.auth_bytes, Bytes::from(want), "the server's signature");
    }
    Ok(last)
}

/// The text of a refusal of these mechanisms.
pub fn refusal(hash: Hash) -> String {
    let name = hash.mechanism();
    format!("Authentication failed during authentication due to invalid credentials with SASL mechanism {name}")
}

/// A login that has to succeed.
pub fn log_in(conn: &mut Conn, hash: Hash, user: &str, password: &str) -> Result<()> {
    let reply = try_login(conn, hash, user, password)?;
    check_eq!(reply.error_code, 0, "login of {user:?} with {}: {:?}", hash.mechanism(), reply.error_message);
    Ok(())
}

/// A login that has to be refused as a wrong password is.
pub fn is_refused(conn: &mut Conn, hash: Hash, user: &str, password: &str) -> Result<()> {
    let reply = try_login(conn, hash, user, password)?;
    let said = (reply.error_code, reply.error_message.as_deref().unwrap_or_default().to_owned());
    check_eq!(said, (58, refusal(hash)), "login of {user:?} with {}", hash.mechanism());
    Ok(())
}
