//! OAUTHBEARER (RFC 7628): the client shows a token, and who has issued it vouches for its holder.
//!
//! `docs/decisions/oauthbearer.md` says why it is as it is. The grammar of messages is in `message`, tokens are judged by `validator`
//! with `crate::jwt` and the keys of `crate::issuer`.

mod answer;
pub mod message;
mod probes;
mod validator;

use std::borrow::Cow;
use std::future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use zeroize::Zeroize;

use self::answer::Failure;
use self::message::{InitialResponse, MAX_AUTHZID_LEN, MAX_EXTENSIONS_LEN, SEPARATOR};
use self::validator::{Parsed, Refused, Validator};
use super::guesses::Guesses;
use super::mechanism::{
    Attributes, AuthnError, BoxFuture, Mechanism, MechanismError, MechanismName, Outage, Peer, Rejection,
    ServerExchange, Step, Verified, made_up_credentials,
};
use super::shared::FactoryInput;
use crate::config::OAUTHBEARER;
use crate::jwt::{Accepted, MAX_TOKEN_LEN, TokenFault};
use crate::principal::KafkaPrincipal;

/// Longest message in bytes: the token, an authorization id, the extensions, and room for what stands between them.
pub const MAX_MESSAGE_LEN: usize = MAX_TOKEN_LEN + MAX_AUTHZID_LEN + MAX_EXTENSIONS_LEN + 1024;

/// A message that is not of the grammar has Kafka's general words.
const MALFORMED: AuthnError = AuthnError::Malformed(Rejection::InvalidCredentials);

/// `OAUTHBEARER`.
pub fn name() -> MechanismName {
    MechanismName::new(OAUTHBEARER).unwrap_or_else(|| unreachable!("a legal name"))
}

/// Builds it with what judges the tokens of the listener.
pub fn factory(input: &FactoryInput<'_>) -> Result<Arc<dyn Mechanism>, MechanismError> {
    let FactoryInput { config, shared, .. } = input;
    let Some(config) = &config.oauthbearer else {
        return Err(MechanismError("nothing says by what tokens are judged".to_owned()));
    };
    let validator = Validator::new(config, &shared.key_sources)?;
    for issuer in validator.issuers() {
        probes::prove(&issuer.rules, SystemTime::now()).map_err(|finding| MechanismError(finding.to_owned()))?;
    }
    let judge = Judge { validator, guesses: shared.guesses.clone() };
    Ok(Arc::new(Oauthbearer { name: name(), judge: Arc::new(judge) }))
}

/// The mechanism.
struct Oauthbearer {
    name: MechanismName,
    judge: Arc<Judge>,
}

struct Judge {
    validator: Validator,
    guesses: Arc<Guesses>,
}

impl Mechanism for Oauthbearer {
    fn name(&self) -> &MechanismName {
        &self.name
    }

    fn max_token_len(&self) -> usize {
        MAX_MESSAGE_LEN
    }

    fn start(&self, peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(AwaitInitialResponse { judge: Arc::clone(&self.judge), peer: peer.address.ip() })
    }

    /// The first keys, if the issuers are there.
    fn prepare(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // They are fetched at the same time, so that one is waited for at most.
            for issuer in self.judge.validator.issuers() {
                issuer.prepare().await;
            }
        })
    }

    fn must_reject(&self) -> Vec<Bytes> {
        let now = SystemTime::now();
        let tokens: Vec<String> = match &self.judge.validator {
            Validator::Unsecured(rules) => probes::bad_unsecured_tokens(rules, now),
            Validator::Issuers(issuers) => issuers.iter().flat_map(|issuer| probes::bad_tokens(issuer, now)).collect(),
        };
        let messages = tokens.into_iter().map(|token| format!("n,,\x01auth=Bearer {token}\x01\x01").into());
        made_up_credentials().into_iter().chain(messages).collect()
    }

    /// What a client says that has understood.
    fn must_reject_then(&self, _: &Bytes, _: &Bytes) -> Bytes {
        Bytes::from_static(&[SEPARATOR])
    }
}

/// Waits for the client's token.
struct AwaitInitialResponse {
    judge: Arc<Judge>,
    peer: IpAddr,
}

impl ServerExchange for AwaitInitialResponse {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        Box::pin(async move {
            let step = match InitialResponse::parse(&token) {
                Ok(message) => self.judge.answer(&message, self.peer).await,
                Err(_) => Err(MALFORMED),
            };
            // Whoever has it can log in, and the gate keeps no other reference to it.
            if let Ok(mut token) = token.try_into_mut() {
                token[..].zeroize();
            }
            step
        })
    }
}

impl Judge {
    async fn answer(&self, message: &InitialResponse<'_>, peer: IpAddr) -> Result<Step, AuthnError> {
        let parsed = self.validator.parse(message.token);
        // A token is nothing that one guesses, but checking signatures costs, and a flood of bad ones is held back like any other.
        let holder = parsed.as_ref().map_or_else(|_| String::new(), Parsed::claimed_holder);
        let guesser = self.guesses.of_token(peer, &holder);
        let Ok(admitted) = guesser.admit(Instant::now()) else { return Ok(challenge(&Failure::INVALID_TOKEN)) };
        let verdict = match parsed {
            Ok(parsed) => parsed.judge(SystemTime::now).await,
            Err(fault) => Err(Refused::Fault(fault)),
        };
        match verdict {
            Ok(accepted) => {
                admitted.succeeded(Instant::now());
                accept(message, accepted)
            }
            Err(Refused::NoKeys) => Err(AuthnError::Unavailable(Outage("the issuer's keys"))),
            Err(Refused::Fault(fault)) => {
                admitted.failed(Instant::now());
                tracing::debug!(%fault, "a token is refused");
                Ok(challenge(&match fault {
                    TokenFault::InsufficientScope => Failure::insufficient_scope(self.validator.required_scope()),
                    _ => Failure::INVALID_TOKEN,
                }))
            }
        }
    }
}

/// The token is good; whether its holder may be called what the client wants to be called.
fn accept(message: &InitialResponse<'_>, accepted: Accepted) -> Result<Step, AuthnError> {
    let Accepted { principal_name, lifetime, groups, .. } = accepted;
    if let Some(authzid) = message.authzid.filter(|authzid| *authzid != principal_name) {
        // Kafka's words. Both names are the client's own, and neither is longer than a principal's.
        return Err(AuthnError::Rejected(Rejection::Text(Cow::Owned(format!(
            "Authentication failed: Client requested an authorization id ({authzid}) that is different from the token's principal name \
             ({principal_name})"
        )))));
    }
    // Kafka's own handlers find all of them good.
    let extensions: Vec<_> = message.extensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let says_more = !groups.is_empty() || !extensions.is_empty();
    let verified = Verified {
        principal: KafkaPrincipal::user(&principal_name),
        lifetime: Some(lifetime),
        attributes: says_more.then(|| Arc::new(Attributes { groups, extensions })),
    };
    Ok(Step::Success { token: Bytes::new(), verified })
}

fn challenge(failure: &Failure) -> Step {
    let json = failure.to_json();
    Step::Challenge { token: json.clone().into(), next: Box::new(AwaitAcknowledgement { json }) }
}

/// Waits for the client to acknowledge that its token is not good (RFC 7628 §3.2.3).
struct AwaitAcknowledgement {
    json: String,
}

impl ServerExchange for AwaitAcknowledgement {
    /// Kafka takes another first message here, and so as many tokens on one connection as a client likes.
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let is_acknowledged = token[..] == [SEPARATOR];
        let why =
            if is_acknowledged { AuthnError::Rejected(Rejection::Text(Cow::Owned(self.json))) } else { MALFORMED };
        Box::pin(future::ready(Err(why)))
    }
}

#[cfg(test)]
mod tests;
