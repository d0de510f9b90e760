//! The token exchange: from the choice of a mechanism to the proof.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::channel::Channel;
use super::failure::{GateFailureReason, Refusal};
use super::opening::{Chosen, Framing};
use crate::principal::KafkaPrincipal;
use crate::sasl::mechanism::{
    AuthnError, BoxFuture, Mechanism, Occasion, Peer, Proof, Rejection, ServerExchange, Step,
};
use crate::wire::ErrorCode;
use crate::wire::api_versions;
use crate::wire::header::{RequestHeader, api_key};
use crate::wire::metadata_error;
use crate::wire::sasl::{
    AuthenticateResponse, decode_authenticate_request, decode_handshake_request, put_handshake_response,
};

pub(super) struct Exchange<'p> {
    terms: Terms<'p>,
    state: Box<dyn ServerExchange>,
}

/// What holds from the first token to the last.
struct Terms<'p> {
    mechanism: Arc<dyn Mechanism>,
    /// How long at most the client stays known.
    max_session: Option<Duration>,
    framing: Framing,
    /// Who the client is already, if it authenticates anew.
    known_as: Option<&'p KafkaPrincipal>,
}

/// What an exchange comes to that succeeds.
pub(super) struct Passed {
    pub(super) proof: Proof,
    /// Whether the client has shown that it knows of sessions that end: SaslAuthenticate v1 tells it so (KIP-368).
    pub(super) can_reauthenticate: bool,
}

impl<'p> Exchange<'p> {
    pub(super) fn start(chosen: Chosen, peer: &Peer, known_as: Option<&'p KafkaPrincipal>) -> Self {
        let Chosen { mechanism, max_session, framing, .. } = chosen;
        let state = mechanism.start(peer);
        Self { terms: Terms { mechanism, max_session, framing, known_as }, state }
    }

    /// Carries tokens to and fro until the mechanism has made up its mind.
    pub(super) async fn run<S>(self, channel: &mut Channel<'_, S>) -> Result<Passed, Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { terms, mut state } = self;
        let mut can_reauthenticate = false;
        loop {
            let len = channel.frame().await?;
            let (token, answer) = terms.token(channel.parts(len).0)?;
            channel.consume_token(len);
            can_reauthenticate |= matches!(answer, Answer::Wrapped { version: 1.., .. });
            match judge(state.step(token), channel).await? {
                Ok(Step::Challenge { token, next }) => {
                    answer.put_token(channel.outbound(), &token, Duration::ZERO);
                    state = next;
                }
                Ok(Step::Success { token, verified }) => {
                    terms.check_principal(&verified.principal, answer)?;
                    let lifetime = session_lifetime(verified.lifetime, terms.max_session);
                    // One that is too long for the clock has no end.
                    let ends = lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
                    answer.put_token(channel.outbound(), &token, lifetime.unwrap_or_default());
                    channel.flush().await.map_err(|_| Refusal::at_once(GateFailureReason::Io))?;
                    let proof = Proof::new(verified, terms.mechanism.name().clone(), ends);
                    return Ok(Passed { proof, can_reauthenticate });
                }
                Err(AuthnError::Malformed(why)) => {
                    return Err(terms.refusal(answer, GateFailureReason::MalformedToken, &why));
                }
                Err(AuthnError::Rejected(why)) => {
                    return Err(terms.refusal(answer, GateFailureReason::RejectedCredentials, &why));
                }
                Err(AuthnError::Unavailable(outage)) => {
                    let refusal = Refusal::at_once(GateFailureReason::Unavailable);
                    return Err(Refusal { outage: Some(outage), ..refusal });
                }
            }
        }
    }
}

impl Terms<'_> {
    /// The token in a frame, of a length that the mechanism reads, and how to answer it.
    fn token(&self, frame: &[u8]) -> Result<(Bytes, Answer), Refusal> {
        let (token, answer) = match self.framing {
            Framing::Raw => (frame, Answer::Raw),
            Framing::Wrapped => unwrap(frame)?,
        };
        if token.len() > self.mechanism.max_token_len() {
            return Err(self.refusal(answer, GateFailureReason::MalformedToken, &Rejection::InvalidCredentials));
        }
        Ok((Bytes::copy_from_slice(token), answer))
    }

    fn refusal(&self, answer: Answer, reason: GateFailureReason, why: &Rejection) -> Refusal {
        let occasion = self.known_as.map_or(Occasion::Authentication, |_| Occasion::Reauthentication);
        answer.refusal(reason, &why.message(self.mechanism.name(), occasion))
    }

    /// A known client must stay who it is.
    fn check_principal(&self, principal: &KafkaPrincipal, answer: Answer) -> Result<(), Refusal> {
        match self.known_as {
            Some(before) if before != principal => {
                Err(answer.refusal(GateFailureReason::PrincipalChanged, &principal_changed(before, principal)))
            }
            _ => Ok(()),
        }
    }
}

/// For how long the client stays known, if not for ever: until its credential ends or the listener's limit is over.
fn session_lifetime(credential: Option<Duration>, limit: Option<Duration>) -> Option<Duration> {
    match (credential, limit) {
        (Some(credential), Some(limit)) => Some(credential.min(limit)),
        (one, other) => one.or(other),
    }
}

/// Kafka's words.
fn principal_changed(before: &KafkaPrincipal, now: &KafkaPrincipal) -> String {
    let shown = |principal: &KafkaPrincipal| format!("{}.{}", principal.principal_type(), principal.name());
    format!("Cannot change principals during re-authentication from {}: {}", shown(before), shown(now))
}

/// Awaits a mechanism's verdict. One that is there at once lets the answer join those that are pending in one write; while a
/// slow one is awaited, the client gets them, and one that leaves has its verdict dropped: nothing is computed for nobody.
async fn judge<S>(
    mut verdict: BoxFuture<'static, Result<Step, AuthnError>>,
    channel: &mut Channel<'_, S>,
) -> Result<Result<Step, AuthnError>, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Poll::Ready(verdict) = poll_fn(|cx| Poll::Ready(verdict.as_mut().poll(cx))).await {
        return Ok(verdict);
    }
    channel.flush().await.map_err(|_| Refusal::at_once(GateFailureReason::Io))?;
    tokio::select! {
        biased;
        verdict = verdict => Ok(verdict),
        refusal = channel.gone() => Err(refusal),
    }
}

/// How the frame that carried a token is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// By a bare token; there is no way to say no.
    Raw,
    /// By a SaslAuthenticate response.
    Wrapped { version: i16, correlation_id: i32 },
}

impl Answer {
    /// An empty token is answered as such: to a client of SaslHandshake v0 it means success. `session` is how long it lasts, where it
    /// begins and has an end; whole milliseconds of it are told.
    fn put_token(self, out: &mut BytesMut, token: &[u8], session: Duration) {
        match self {
            Self::Raw => {
                out.put_u32(token.len() as u32);
                out.put_slice(token);
            }
            Self::Wrapped { version, correlation_id } => {
                let lifetime_ms = i64::try_from(session.as_millis()).unwrap_or(i64::MAX);
                AuthenticateResponse::ok(token, lifetime_ms).put(out, version, correlation_id);
            }
        }
    }

    fn refusal(self, reason: GateFailureReason, why: &str) -> Refusal {
        let refusal = Refusal::delayed(reason);
        match self {
            Self::Raw => refusal,
            Self::Wrapped { version, correlation_id } => refusal.with_reply(|out| {
                let error = ErrorCode::SASL_AUTHENTICATION_FAILED;
                AuthenticateResponse::failed(error, why).put(out, version, correlation_id);
            }),
        }
    }
}

/// The token in a SaslAuthenticate request. Kafka parses any other request here in order to answer it with error 34, which
/// hands all its parsers to strangers (CVE-2026-111108): only those whose bodies we read anyway, and Metadata without its
/// body, are answered.
fn unwrap(frame: &[u8]) -> Result<(&[u8], Answer), Refusal> {
    let malformed = |_| Refusal::at_once(GateFailureReason::MalformedRequest);
    let (header, body) = RequestHeader::parse(frame).map_err(malformed)?;
    let RequestHeader { api_key, api_version: version, correlation_id, .. } = header;
    let error = ErrorCode::ILLEGAL_SASL_STATE;
    let unexpected = Refusal::delayed(GateFailureReason::UnexpectedRequest).about(api_key);
    Err(match api_key {
        api_key::SASL_AUTHENTICATE => {
            let token = decode_authenticate_request(version, body).map_err(malformed)?;
            return Ok((token, Answer::Wrapped { version, correlation_id }));
        }
        api_key::API_VERSIONS => {
            api_versions::judge_request(version, body).map_err(malformed)?;
            unexpected.with_reply(|out| api_versions::put_error(out, version, correlation_id, error))
        }
        api_key::SASL_HANDSHAKE => {
            decode_handshake_request(version, body).map_err(malformed)?;
            unexpected.with_reply(|out| put_handshake_response(out, correlation_id, error, [].into_iter()))
        }
        api_key::METADATA => match metadata_error::encode(version, correlation_id, error) {
            Some(reply) => Refusal { reply: Some(reply), ..unexpected },
            None => Refusal::at_once(GateFailureReason::MalformedRequest).about(api_key),
        },
        _ => unexpected,
    })
}
