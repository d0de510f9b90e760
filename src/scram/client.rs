//! The client's side of an exchange: three states, each consumed by what it waits for. It believes nothing before the server
//! has proved that it knows the user's credential.

use std::num::NonZeroU32;

use subtle::ConstantTimeEq;

use super::credential::{MAX_SALT_LEN, salted_password};
use super::message::{self, MAX_SERVER_MESSAGE_LEN, MAX_USER_LEN, Malformed};
use super::random::Nonce;
use super::{MIN_ITERATIONS, ScramMechanism};
use crate::secret::Secret;

/// Most iterations that a server may ask a client for. Half a second of work; what a server asks for must not be a way to keep a
/// client busy.
pub const MAX_CLIENT_ITERATIONS: u32 = 1_000_000;

/// Longest part of a server's own error text that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// The gs2 header of a client that neither binds a channel nor acts as someone else.
const GS2_HEADER: &str = "n,,";

/// Why a login did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The user's name cannot be sent: it is empty, too long or has a NUL.
    #[error("a user name has 1 to {MAX_USER_LEN} bytes and no NUL")]
    UserName,
    /// Not the grammar of the message that was due.
    #[error("malformed SCRAM message: {0}")]
    Malformed(#[from] Malformed),
    /// The server's nonce does not begin with ours, or adds nothing to it.
    #[error("the server's nonce does not extend ours")]
    Nonce,
    /// More or fewer iterations than a client should do.
    #[error("the server asks for {0} iterations; expected {MIN_ITERATIONS} to {MAX_CLIENT_ITERATIONS}")]
    Iterations(u64),
    /// The server says no, in its own words (`e=`).
    #[error("the server refuses the login: {0}")]
    Refused(String),
    /// The server does not know the credential: it is not who it should be.
    #[error("the server did not prove that it knows the user's credential")]
    ServerSignature,
}

/// client-first-message for this user, and the state that waits for the answer. `nonce` must not have been used before.
pub fn start(mechanism: ScramMechanism, user: &str, nonce: &Nonce) -> Result<(String, AwaitsServerFirst), ClientError> {
    if user.is_empty() || user.len() > MAX_USER_LEN || user.contains('\0') {
        return Err(ClientError::UserName);
    }
    let client_first_bare = format!("n={},r={}", message::escape(user), nonce.as_str());
    let client_first = format!("{GS2_HEADER}{client_first_bare}");
    Ok((client_first, AwaitsServerFirst { mechanism, client_first_bare, nonce: nonce.clone() }))
}

/// Waits for salt and iterations.
#[derive(Debug)]
pub struct AwaitsServerFirst {
    mechanism: ScramMechanism,
    client_first_bare: String,
    nonce: Nonce,
}

impl AwaitsServerFirst {
    /// Reads server-first-message, `r=<nonce>,s=<salt>,i=<iterations>[,<extension>]...`, and refuses what is not to be worked on.
    pub fn read(self, server_first: &[u8]) -> Result<AwaitsKeys, ClientError> {
        let text = message::text(server_first, MAX_SERVER_MESSAGE_LEN)?;
        refused(text)?;
        let mut parts = text.split(',');
        let nonce = message::value(parts.next(), "r=", "the nonce is missing")?;
        let nonce = message::nonce(nonce, MAX_SERVER_MESSAGE_LEN)?;
        let salt = message::value(parts.next(), "s=", "the salt is missing")?;
        let salt = message::base64(salt, "the salt is not base64")?;
        let iterations = message::value(parts.next(), "i=", "the iteration count is missing")?;
        message::extensions(parts, |_, _| {})?;
        if salt.is_empty() || salt.len() > MAX_SALT_LEN {
            return Err(Malformed("the salt is empty or too long").into());
        }
        if nonce.strip_prefix(self.nonce.as_str()).is_none_or(str::is_empty) {
            return Err(ClientError::Nonce);
        }
        let iterations = iteration_count(iterations)?;
        let without_proof = format!("c={},r={nonce}", message::to_base64(GS2_HEADER.as_bytes()));
        let auth_message = [&self.client_first_bare, text, &without_proof].join(",");
        Ok(AwaitsKeys { mechanism: self.mechanism, salt, iterations, without_proof, auth_message })
    }
}

/// RFC 5802 §7: `posit-number`, so no sign and no leading zero.
fn iteration_count(text: &str) -> Result<NonZeroU32, ClientError> {
    let is_number = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse::<u64>().ok().filter(|count| is_number && (*count == 0 || !text.starts_with('0')));
    let count = count.ok_or(Malformed("the iteration count is no number"))?;
    let fits = u32::try_from(count).ok().filter(|count| (MIN_ITERATIONS..=MAX_CLIENT_ITERATIONS).contains(count));
    fits.and_then(NonZeroU32::new).ok_or(ClientError::Iterations(count))
}

/// Knows what the keys are made from; waits for them.
#[derive(Debug)]
pub struct AwaitsKeys {
    mechanism: ScramMechanism,
    salt: Vec<u8>,
    iterations: NonZeroU32,
    without_proof: String,
    auth_message: String,
}

impl AwaitsKeys {
    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iteration count, at most [`MAX_CLIENT_ITERATIONS`].
    pub fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }

    /// client-final-message, and the state that waits for the answer. `keys` are those of [`Self::salt`] and
    /// [`Self::iterations`].
    pub fn answer(self, keys: &ClientKeys) -> (String, AwaitsServerFinal) {
        let Self { mechanism, without_proof, auth_message, .. } = self;
        let stored_key = mechanism.hash(keys.client_key.expose());
        let signature = mechanism.hmac(stored_key.as_ref(), auth_message.as_bytes());
        let proof: Vec<u8> = signature.as_ref().iter().zip(keys.client_key.expose()).map(|(a, b)| a ^ b).collect();
        let client_final = format!("{without_proof},p={}", message::to_base64(&proof));
        let expected = mechanism.hmac(keys.server_key.expose(), auth_message.as_bytes());
        (client_final, AwaitsServerFinal { signature: Secret::new(expected.as_ref()) })
    }
}

/// What a password comes to with a salt and an iteration count: all that a login needs of it, so that a client can keep them
/// instead of working them out again for each connection.
#[derive(Clone, Debug)]
pub struct ClientKeys {
    client_key: Secret,
    server_key: Secret,
}

impl ClientKeys {
    /// Takes up to half a second ([`MAX_CLIENT_ITERATIONS`]): not for an async worker.
    pub fn derive(mechanism: ScramMechanism, password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = salted_password(mechanism, password, salt, iterations);
        let key = |name: &[u8]| Secret::new(mechanism.hmac(salted.expose(), name).as_ref());
        Self { client_key: key(b"Client Key"), server_key: key(b"Server Key") }
    }
}

/// The proof is sent; waits for the server's.
#[derive(Debug)]
pub struct AwaitsServerFinal {
    signature: Secret,
}

impl AwaitsServerFinal {
    /// Reads server-final-message, `v=<signature>[,<extension>]...` or `e=<error>`. Only `Ok` is a login.
    pub fn verify(self, server_final: &[u8]) -> Result<(), ClientError> {
        let text = message::text(server_final, MAX_SERVER_MESSAGE_LEN)?;
        refused(text)?;
        let mut parts = text.split(',');
        let signature = message::value(parts.next(), "v=", "the server's signature is missing")?;
        let signature = message::base64(signature, "the server's signature is not base64")?;
        message::extensions(parts, |_, _| {})?;
        let is_right = bool::from(self.signature.expose().ct_eq(&signature));
        is_right.then_some(()).ok_or(ClientError::ServerSignature)
    }
}

fn refused(text: &str) -> Result<(), ClientError> {
    match text.strip_prefix("e=") {
        Some(why) => {
            Err(ClientError::Refused(why.chars().take(MAX_SHOWN).collect::<String>().escape_debug().to_string()))
        }
        None => Ok(()),
    }
}
