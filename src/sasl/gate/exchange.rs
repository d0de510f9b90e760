//! The token exchange: from the choice of a mechanism to the proof.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::channel::Channel;
use super::failure::{GateFailureReason, Refusal};
use super::opening::{Chosen, Framing};
use crate::sasl::mechanism::{AuthnError, BoxFuture, Mechanism, Peer, Proof, Rejection, ServerExchange, Step};
use crate::wire::ErrorCode;
use crate::wire::api_versions;
use crate::wire::header::{RequestHeader, api_key};
use crate::wire::metadata_error;
use crate::wire::sasl::{
    AuthenticateResponse, decode_authenticate_request, decode_handshake_request, put_handshake_response,
};

/// Sessions do not end by themselves yet (KIP-368).
const NO_SESSION_LIFETIME: i64 = 0;

pub(super) struct Exchange {
    mechanism: Arc<dyn Mechanism>,
    framing: Framing,
    state: Box<dyn ServerExchange>,
}

impl Exchange {
    pub(super) fn start(chosen: Chosen, peer: &Peer) -> Self {
        let state = chosen.mechanism.start(peer);
        Self { mechanism: chosen.mechanism, framing: chosen.framing, state }
    }

    /// Carries tokens to and fro until the mechanism has made up its mind.
    pub(super) async fn run<S>(mut self, channel: &mut Channel<'_, S>) -> Result<Proof, Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let len = channel.frame().await?;
            let (token, answer) = self.token(channel.parts(len).0)?;
            channel.consume_token(len);
            match judge(self.state.step(token), channel).await? {
                Ok(Step::Challenge { token, next }) => {
                    answer.put_token(channel.outbound(), &token);
                    self.state = next;
                }
                Ok(Step::Success { token, verified }) => {
                    answer.put_token(channel.outbound(), &token);
                    channel.flush().await.map_err(|_| Refusal::at_once(GateFailureReason::Io))?;
                    return Ok(Proof::new(verified, self.mechanism.name().clone()));
                }
                Err(AuthnError::Malformed(why)) => {
                    return Err(refusal(&*self.mechanism, answer, GateFailureReason::MalformedToken, &why));
                }
                Err(AuthnError::Rejected(why)) => {
                    return Err(refusal(&*self.mechanism, answer, GateFailureReason::RejectedCredentials, &why));
                }
                Err(AuthnError::Unavailable(outage)) => {
                    let refusal = Refusal::at_once(GateFailureReason::Unavailable);
                    return Err(Refusal { outage: Some(outage), ..refusal });
                }
            }
        }
    }

    /// The token in a frame, of a length that the mechanism reads, and how to answer it.
    fn token(&self, frame: &[u8]) -> Result<(Bytes, Answer), Refusal> {
        let (token, answer) = match self.framing {
            Framing::Raw => (frame, Answer::Raw),
            Framing::Wrapped => unwrap(frame)?,
        };
        if token.len() > self.mechanism.max_token_len() {
            let why = Rejection::InvalidCredentials;
            return Err(refusal(&*self.mechanism, answer, GateFailureReason::MalformedToken, &why));
        }
        Ok((Bytes::copy_from_slice(token), answer))
    }
}

fn refusal(mechanism: &dyn Mechanism, answer: Answer, reason: GateFailureReason, why: &Rejection) -> Refusal {
    answer.refusal(reason, &why.message(mechanism.name()))
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
    /// An empty token is answered as such: to a client of SaslHandshake v0 it means success.
    fn put_token(self, out: &mut BytesMut, token: &[u8]) {
        match self {
            Self::Raw => {
                out.put_u32(token.len() as u32);
                out.put_slice(token);
            }
            Self::Wrapped { version, correlation_id } => {
                AuthenticateResponse::ok(token, NO_SESSION_LIFETIME).put(out, version, correlation_id);
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
