//! The server's side of an exchange: two states, each consumed by what it waits for.
//!
//! What a client proves is a signature over all messages. It is checked over the bytes that were sent and received, not over
//! what was read from them.

use subtle::ConstantTimeEq;

use super::message::{self, MAX_CLIENT_MESSAGE_LEN, Malformed};
use super::random::Nonce;
use super::{ScramCredential, ScramMechanism};

/// What an exchange fails by at its first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// Not the grammar of client-first-message.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The client wants to act as someone else than it is.
    #[error("the authorization id is not the user's name")]
    OtherAuthzid,
}

/// What an exchange fails by at its last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the grammar of client-final-message, or a proof of another length than the hash.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// `c=` is not the gs2 header of the first message.
    #[error("the channel binding is not that of the first message")]
    ChannelBinding,
    /// `r=` is not this exchange's nonce.
    #[error("the nonce is not this exchange's")]
    Nonce,
    /// The proof is not that of the credential.
    #[error("the proof is wrong")]
    Proof,
}

/// The client has said who it is; waits for that user's credential.
#[derive(Debug)]
pub struct AwaitsCredential {
    mechanism: ScramMechanism,
    /// As received.
    client_first: String,
    /// How many of its bytes are the gs2 header.
    gs2_len: usize,
    nonce: Nonce,
    user: String,
    is_token: bool,
}

/// Reads client-first-message:
/// `n,[a=<saslname>],n=<saslname>,r=<nonce>[,<extension>]...`
pub fn start(mechanism: ScramMechanism, client_first: &[u8]) -> Result<AwaitsCredential, OpeningError> {
    let text = message::text(client_first, MAX_CLIENT_MESSAGE_LEN)?;
    let mut parts = text.split(',');
    // `y` and `p` speak of channel binding, which no mechanism here has.
    if parts.next() != Some("n") {
        return Err(Malformed("the gs2 header does not begin with n").into());
    }
    let authzid = parts.next().ok_or(Malformed("the gs2 header has no end"))?;
    let gs2_len = "n,".len() + authzid.len() + ",".len();
    let authzid = match authzid {
        "" => None,
        given => Some(message::unescape(message::value(Some(given), "a=", "the gs2 header has no authorization id")?)?),
    };
    // This also refuses `m=`, which says that something has to be understood that is not known here.
    let user = message::unescape(message::value(parts.next(), "n=", "the user's name is missing")?)?;
    let nonce = message::value(parts.next(), "r=", "the nonce is missing")?;
    let nonce = Nonce::new(nonce).ok_or(Malformed("the nonce is empty, too long or not printable"))?;
    let mut is_token = false;
    message::extensions(parts, |name, value| {
        if name == "tokenauth" {
            is_token = value.eq_ignore_ascii_case("true");
        }
    })?;
    if authzid.is_some_and(|authzid| authzid != user) {
        return Err(OpeningError::OtherAuthzid);
    }
    Ok(AwaitsCredential { mechanism, client_first: text.to_owned(), gs2_len, nonce, user, is_token })
}

impl AwaitsCredential {
    /// The user's name, or the id of a delegation token.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether the client logs in with a delegation token (`tokenauth=true`, KIP-48).
    pub fn is_token(&self) -> bool {
        self.is_token
    }

    /// server-first-message, and the state that waits for the answer. `fresh` is the server's part of the nonce and must not have
    /// been used before.
    pub fn challenge(self, credential: ScramCredential, fresh: &Nonce) -> (String, AwaitsProof) {
        let nonce = format!("{}{}", self.nonce.as_str(), fresh.as_str());
        let salt = message::to_base64(credential.salt());
        let server_first = format!("r={nonce},s={salt},i={}", credential.iterations());
        let next = AwaitsProof { opening: self, credential, nonce, server_first: server_first.clone() };
        (server_first, next)
    }
}

/// The client has been told salt and iterations; waits for its proof.
#[derive(Debug)]
pub struct AwaitsProof {
    opening: AwaitsCredential,
    credential: ScramCredential,
    nonce: String,
    server_first: String,
}

impl AwaitsProof {
    /// The user's name, or the id of a delegation token.
    pub fn user(&self) -> &str {
        &self.opening.user
    }

    /// Reads client-final-message, `c=<gs2 header>,r=<nonce>[,<extension>]...,p=<proof>`, and gives server-final-message if it proves that
    /// the client knows the password.
    pub fn verify(self, client_final: &[u8]) -> Result<String, ProofError> {
        let Self { opening: AwaitsCredential { mechanism, client_first, gs2_len, nonce: own, .. }, .. } = &self;
        let text = message::text(client_final, MAX_CLIENT_MESSAGE_LEN)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Malformed("the proof is missing"))?;
        let mut parts = without_proof.split(',');
        let binding = message::value(parts.next(), "c=", "the channel binding is missing")?;
        let nonce = message::value(parts.next(), "r=", "the nonce is missing")?;
        message::extensions(parts, |_, _| {})?;
        // No comma is base64, so nothing stands behind the proof.
        let proof = message::base64(proof, "the proof is not base64")?;
        if proof.len() != mechanism.hash_len() {
            return Err(Malformed("the proof has not the length of the hash").into());
        }
        let (gs2_header, client_first_bare) = client_first.split_at(*gs2_len);
        if binding != message::to_base64(gs2_header.as_bytes()) {
            return Err(ProofError::ChannelBinding);
        }
        // librdkafka before 2.6.1 puts its own nonce before one that already begins with it.
        if nonce != self.nonce && nonce.strip_prefix(own.as_str()) != Some(&self.nonce) {
            return Err(ProofError::Nonce);
        }
        let auth_message = [client_first_bare, &self.server_first, without_proof].join(",");

        let signature = mechanism.hmac(self.credential.stored_key().expose(), auth_message.as_bytes());
        let client_key: Vec<u8> = signature.as_ref().iter().zip(&proof).map(|(a, b)| a ^ b).collect();
        let client_key = zeroize::Zeroizing::new(client_key);
        let of_client = mechanism.hash(&client_key);
        if !bool::from(of_client.as_ref().ct_eq(self.credential.stored_key().expose())) {
            return Err(ProofError::Proof);
        }
        let signature = mechanism.hmac(self.credential.server_key().expose(), auth_message.as_bytes());
        Ok(format!("v={}", message::to_base64(signature.as_ref())))
    }
}
