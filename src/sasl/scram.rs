//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677) with the users of the store.
//!
//! Nobody can ask who is a user: where there is no credential, one that stands for it takes the exchange through the same rounds
//! with messages of the same shape, to the same last word. `docs/decisions/scram.md` says how far that goes.

use std::borrow::Cow;
use std::future;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::mechanism::{
    AuthnError, BoxFuture, Mechanism, MechanismError, MechanismName, Outage, Peer, Rejection, ServerExchange, Step,
    Verified, made_up_credentials,
};
use super::shared::{FactoryInput, ScramCredentials};
use crate::principal::KafkaPrincipal;
use crate::scram::server::{self, AwaitsCredential, AwaitsProof, OpeningError, ProofError};
use crate::scram::{MAX_CLIENT_MESSAGE_LEN, MAX_ITERATIONS, MIN_ITERATIONS, Nonce, ScramMechanism, UnknownUsers};
use crate::secret::Secret;

const OTHER_AUTHZID: Rejection = Rejection(Cow::Borrowed(
    "Authentication failed: Client requested an authorization id that is different from username",
));

/// All else that can be wrong has one text, Kafka's.
fn wrong(mechanism: ScramMechanism) -> Rejection {
    Rejection(Cow::Borrowed(match mechanism {
        ScramMechanism::Sha256 => {
            "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256"
        }
        ScramMechanism::Sha512 => {
            "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512"
        }
    }))
}

/// The mechanism's name.
pub fn name(mechanism: ScramMechanism) -> MechanismName {
    MechanismName::new(mechanism.as_str()).unwrap_or_else(|| unreachable!("a legal name"))
}

/// Builds one of the two from what the front keeps. A JAAS entry is not needed.
pub fn factory(mechanism: ScramMechanism, input: &FactoryInput<'_>) -> Result<Arc<dyn Mechanism>, MechanismError> {
    let Some(credentials) = &input.shared.scram else {
        return Err(MechanismError("its users are in the store, and there is none; set store.dir".to_owned()));
    };
    let property = |key: &str| input.config.properties.get(key);
    let key = property("sasl.scram.unknown.user.key");
    let key = key.map_or_else(|| credentials.unknown_user_key(), |key| Secret::new(key.as_bytes()));
    let iterations = property("sasl.scram.unknown.user.iterations").map_or(Ok(MIN_ITERATIONS), |count| count.parse());
    let iterations = iterations.ok().filter(|count| *count <= MAX_ITERATIONS);
    let unknown = iterations.and_then(|count| UnknownUsers::new(key, count).ok()).ok_or_else(|| {
        let limits = format!("expected {MIN_ITERATIONS} to {MAX_ITERATIONS}");
        MechanismError(format!("sasl.scram.unknown.user.iterations: {limits}"))
    })?;
    let users = Users { mechanism, credentials: Arc::clone(credentials), unknown };
    Ok(Arc::new(Scram { name: name(mechanism), users: Arc::new(users) }))
}

/// The mechanism.
struct Scram {
    name: MechanismName,
    users: Arc<Users>,
}

struct Users {
    mechanism: ScramMechanism,
    credentials: Arc<dyn ScramCredentials>,
    unknown: UnknownUsers,
}

impl Mechanism for Scram {
    fn name(&self) -> &MechanismName {
        &self.name
    }

    fn max_token_len(&self) -> usize {
        MAX_CLIENT_MESSAGE_LEN
    }

    fn start(&self, _peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(AwaitClientFirst(Arc::clone(&self.users)))
    }

    /// The made-up credentials, of which one is a SCRAM login, and an answer to its challenge in which all is right but the proof.
    fn must_reject(&self) -> Vec<Bytes> {
        made_up_credentials()
    }

    fn must_reject_then(&self, first: &Bytes, challenge: &Bytes) -> Bytes {
        let nonce = challenge.split(|byte| *byte == b',').next().unwrap_or_default();
        let proof = STANDARD.encode(self.users.mechanism.hash(first));
        [b"c=biws,", nonce, b",p=", proof.as_bytes()].concat().into()
    }
}

/// Waits for the client to say who it is.
struct AwaitClientFirst(Arc<Users>);

impl ServerExchange for AwaitClientFirst {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let users = self.0;
        match server::start(users.mechanism, &token) {
            Ok(opening) => Box::pin(async move { users.challenge(opening).await }),
            Err(OpeningError::Malformed(_)) => {
                Box::pin(future::ready(Err(AuthnError::Malformed(wrong(users.mechanism)))))
            }
            // Kafka tells this only to those who name a user that exists.
            Err(OpeningError::OtherAuthzid) => Box::pin(future::ready(Err(AuthnError::Rejected(OTHER_AUTHZID)))),
        }
    }
}

impl Users {
    /// The same work whether there is such a user or not.
    async fn challenge(self: Arc<Self>, opening: AwaitsCredential) -> Result<Step, AuthnError> {
        let mechanism = self.mechanism;
        let found = self.credentials.find(opening.user(), mechanism).await.map_err(AuthnError::Unavailable)?;
        // There are no delegation tokens yet, so nobody has one; a user of that name is not looked at.
        let (found, unknown) = match opening.is_token() {
            true => (None, self.unknown.token_credential(mechanism, opening.user())),
            false => (found, self.unknown.credential(mechanism, opening.user())),
        };
        let is_known = found.is_some();
        let credential = found.unwrap_or_else(|| unknown.clone());
        let fresh = Nonce::random().map_err(|_| AuthnError::Unavailable(Outage("the random number generator")))?;
        let (server_first, waits) = opening.challenge(credential, &fresh);
        let next = Box::new(AwaitClientFinal { mechanism, waits, is_known });
        Ok(Step::Challenge { token: server_first.into(), next })
    }
}

/// Waits for the client's proof that it knows the password.
struct AwaitClientFinal {
    mechanism: ScramMechanism,
    waits: AwaitsProof,
    is_known: bool,
}

impl ServerExchange for AwaitClientFinal {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        Box::pin(future::ready(self.judge(&token)))
    }
}

impl AwaitClientFinal {
    fn judge(self, token: &[u8]) -> Result<Step, AuthnError> {
        let Self { mechanism, waits, is_known } = self;
        let principal = KafkaPrincipal::user(waits.user());
        match waits.verify(token) {
            Ok(server_final) if is_known => {
                Ok(Step::Success { token: server_final.into(), verified: Verified { principal } })
            }
            Err(ProofError::Malformed(_)) => Err(AuthnError::Malformed(wrong(mechanism))),
            Ok(_) | Err(_) => Err(AuthnError::Rejected(wrong(mechanism))),
        }
    }
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
