//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677) with the users of the store.
//!
//! Nobody can ask who is a user: where there is no credential, one that stands for it takes the exchange through the same rounds
//! with messages of the same shape, to the same last word. `docs/decisions/scram.md` says how far that goes.

use std::future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::guesses::{Guesser, Guesses};
use super::mechanism::{
    AuthnError, BoxFuture, Mechanism, MechanismError, MechanismName, Outage, Peer, Rejection, ServerExchange, Step,
    Verified,
};
use super::shared::{FactoryInput, ScramCredentials};
use crate::principal::KafkaPrincipal;
use crate::scram::server::{self, AwaitsCredential, AwaitsProof, OpeningError, ProofError};
use crate::scram::{MAX_CLIENT_MESSAGE_LEN, MAX_ITERATIONS, MIN_ITERATIONS, Nonce, ScramMechanism, UnknownUsers};
use crate::secret::Secret;

const OTHER_AUTHZID: Rejection =
    Rejection::text("Authentication failed: Client requested an authorization id that is different from username");

/// All else that can be wrong has one text, Kafka's.
const WRONG: Rejection = Rejection::InvalidCredentials;

/// The mechanism's name.
pub fn name(mechanism: ScramMechanism) -> MechanismName {
    MechanismName::new(mechanism.as_str()).unwrap_or_else(|| unreachable!("a legal name"))
}

/// Builds one of the two from what the front keeps. A JAAS entry is not needed.
pub fn factory(mechanism: ScramMechanism, input: &FactoryInput<'_>) -> Result<Arc<dyn Mechanism>, MechanismError> {
    let Some(credentials) = &input.shared.scram else {
        return Err(MechanismError("its users are in the store, and there is none; set store.dir".to_owned()));
    };
    let unknown = unknown_users(input, &**credentials)?;
    let (credentials, guesses) = (Arc::clone(credentials), Arc::clone(&input.shared.guesses));
    let users = Users { mechanism, credentials, unknown, guesses };
    Ok(Arc::new(Scram { name: name(mechanism), users: Arc::new(users) }))
}

/// What stands for users that do not exist, as the configuration has it.
pub(super) fn unknown_users(
    input: &FactoryInput<'_>,
    credentials: &dyn ScramCredentials,
) -> Result<UnknownUsers, MechanismError> {
    let property = |key: &str| input.config.properties.get(key);
    let key = property("sasl.scram.unknown.user.key");
    let key = key.map_or_else(|| credentials.unknown_user_key(), |key| Secret::new(key.as_bytes()));
    let iterations = property("sasl.scram.unknown.user.iterations").map_or(Ok(MIN_ITERATIONS), |count| count.parse());
    let iterations = iterations.ok().filter(|count| *count <= MAX_ITERATIONS);
    iterations.and_then(|count| UnknownUsers::new(key, count).ok()).ok_or_else(|| {
        let limits = format!("expected {MIN_ITERATIONS} to {MAX_ITERATIONS}");
        MechanismError(format!("sasl.scram.unknown.user.iterations: {limits}"))
    })
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
    guesses: Arc<Guesses>,
}

impl Mechanism for Scram {
    fn name(&self) -> &MechanismName {
        &self.name
    }

    fn max_token_len(&self) -> usize {
        MAX_CLIENT_MESSAGE_LEN
    }

    fn start(&self, peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(AwaitClientFirst { users: Arc::clone(&self.users), peer: peer.address.ip() })
    }

    /// All is right but the proof. The made-up credential that is a SCRAM login comes as far as that.
    fn must_reject_then(&self, first: &Bytes, challenge: &Bytes) -> Bytes {
        let nonce = challenge.split(|byte| *byte == b',').next().unwrap_or_default();
        let proof = STANDARD.encode(self.users.mechanism.hash(first));
        [b"c=biws,", nonce, b",p=", proof.as_bytes()].concat().into()
    }
}

/// Waits for the client to say who it is.
struct AwaitClientFirst {
    users: Arc<Users>,
    peer: IpAddr,
}

impl ServerExchange for AwaitClientFirst {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let Self { users, peer } = *self;
        match server::start(users.mechanism, &token) {
            Ok(opening) => Box::pin(async move { users.challenge(opening, peer).await }),
            Err(OpeningError::Malformed(_)) => Box::pin(future::ready(Err(AuthnError::Malformed(WRONG)))),
            // Kafka tells this only to those who name a user that exists.
            Err(OpeningError::OtherAuthzid) => Box::pin(future::ready(Err(AuthnError::Rejected(OTHER_AUTHZID)))),
        }
    }
}

impl Users {
    /// The same work whether there is such a user or not.
    async fn challenge(self: Arc<Self>, opening: AwaitsCredential, peer: IpAddr) -> Result<Step, AuthnError> {
        let mechanism = self.mechanism;
        let found = self.credentials.find(opening.user(), mechanism).await.map_err(AuthnError::Unavailable)?;
        // There are no delegation tokens yet, so nobody has one; a user of that name is not looked at.
        let (found, unknown) = match opening.is_token() {
            true => (None, self.unknown.token_credential(mechanism, opening.user())),
            false => (found, self.unknown.credential(mechanism, opening.user())),
        };
        let is_known = found.is_some();
        let credential = found.unwrap_or(unknown);
        let fresh = Nonce::random().map_err(|_| AuthnError::Unavailable(Outage("the random number generator")))?;
        let (server_first, waits) = opening.challenge(credential, &fresh);
        let guesser = self.guesses.by(peer, waits.user());
        let next = Box::new(AwaitClientFinal { waits, is_known, guesser });
        Ok(Step::Challenge { token: server_first.into(), next })
    }
}

/// Waits for the client's proof that it knows the password.
struct AwaitClientFinal {
    waits: AwaitsProof,
    is_known: bool,
    guesser: Guesser,
}

impl ServerExchange for AwaitClientFinal {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        Box::pin(future::ready(self.judge(&token)))
    }
}

impl AwaitClientFinal {
    fn judge(self, token: &[u8]) -> Result<Step, AuthnError> {
        let Self { waits, is_known, guesser } = self;
        let rejected = || Err(AuthnError::Rejected(WRONG));
        let principal = KafkaPrincipal::user(waits.user());
        let admitted = guesser.admit(Instant::now());
        match waits.verify(token) {
            // A message that is no proof is no guess: what it gets does not depend on how many there were.
            Err(ProofError::Malformed(_)) => Err(AuthnError::Malformed(WRONG)),
            verdict => {
                let Ok(admitted) = admitted else { return rejected() };
                match verdict {
                    Ok(server_final) if is_known => {
                        admitted.succeeded(Instant::now());
                        Ok(Step::Success { token: server_final.into(), verified: Verified::new(principal) })
                    }
                    _ => {
                        admitted.failed(Instant::now());
                        rejected()
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
