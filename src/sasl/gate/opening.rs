//! From the first byte to the choice of a mechanism: pure steps on one frame each.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::failure::{GateFailureReason, Refusal};
use crate::sasl::mechanism::Mechanism;
use crate::sasl::registry::{Enabled, Mechanisms};
use crate::wire::ErrorCode;
use crate::wire::api_versions::{self, ApiVersions, RequestVerdict};
use crate::wire::header::{RequestHeader, api_key};
use crate::wire::sasl::{decode_handshake_request, put_handshake_response};

/// Most ApiVersions requests that are answered with an error before one is closed without an answer. Kafka has no bound; a
/// client needs one such round to learn our version.
pub const MAX_VERSION_ERRORS: u8 = 3;

const GSSAPI: &[u8] = b"GSSAPI";

pub(super) enum Opening {
    /// Nothing has arrived.
    Initial,
    /// A Kafka request has arrived, so that this is no GSSAPI client of the time before SaslHandshake.
    HandshakeOrVersions { version_errors: u8 },
    /// ApiVersions has been answered.
    HandshakeOnly,
}

pub(super) enum Opened {
    Waiting(Opening),
    Chosen(Chosen),
}

pub(super) struct Chosen {
    pub(super) mechanism: Arc<dyn Mechanism>,
    /// How long at most its client stays known.
    pub(super) max_session: Option<Duration>,
    pub(super) framing: Framing,
    /// The frame that chose is itself the first token.
    pub(super) frame_is_token: bool,
}

/// How tokens travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// As size-prefixed frames: SaslHandshake v0.
    Raw,
    /// In SaslAuthenticate requests: SaslHandshake v1.
    Wrapped,
}

impl Opening {
    /// Judges one frame (without its length prefix); an answer that is due at once is appended to `out`.
    pub(super) fn on_frame(
        self,
        frame: &[u8],
        out: &mut BytesMut,
        mechanisms: &Mechanisms,
        offered: &ApiVersions,
    ) -> Result<Opened, Refusal> {
        let (header, body) = match (RequestHeader::parse(frame), &self) {
            (Ok(parsed), _) => parsed,
            (Err(_), Self::Initial) => return gssapi_without_handshake(mechanisms),
            (Err(_), _) => return Err(Refusal::at_once(GateFailureReason::MalformedRequest)),
        };
        match header.api_key {
            api_key::API_VERSIONS => self.on_api_versions(header, body, out, offered).map(Opened::Waiting),
            api_key::SASL_HANDSHAKE => on_handshake(header, body, out, mechanisms).map(Opened::Chosen),
            // Kafka 4.3 closes here without its failure delay, seen on a running broker: it is no failed authentication yet.
            other => Err(Refusal::at_once(GateFailureReason::UnexpectedRequest).about(other)),
        }
    }

    fn on_api_versions(
        self,
        header: RequestHeader<'_>,
        body: &[u8],
        out: &mut BytesMut,
        offered: &ApiVersions,
    ) -> Result<Self, Refusal> {
        let version_errors = match self {
            Self::Initial => 0,
            Self::HandshakeOrVersions { version_errors } => version_errors,
            Self::HandshakeOnly => {
                return Err(Refusal::at_once(GateFailureReason::UnexpectedRequest).about(header.api_key));
            }
        };
        let verdict = api_versions::judge_request(header.api_version, body)
            .map_err(|_| Refusal::at_once(GateFailureReason::MalformedRequest))?;
        if verdict == RequestVerdict::Good {
            offered.put_response(out, header.api_version, header.correlation_id);
            return Ok(Self::HandshakeOnly);
        }
        if version_errors == MAX_VERSION_ERRORS {
            return Err(Refusal::at_once(GateFailureReason::TooManyVersionErrors));
        }
        if verdict == RequestVerdict::UnsupportedVersion {
            api_versions::put_unsupported_version(out, header.correlation_id);
        } else {
            api_versions::put_error(out, header.api_version, header.correlation_id, ErrorCode::INVALID_REQUEST);
        }
        Ok(Self::HandshakeOrVersions { version_errors: version_errors + 1 })
    }
}

fn on_handshake(
    header: RequestHeader<'_>,
    body: &[u8],
    out: &mut BytesMut,
    mechanisms: &Mechanisms,
) -> Result<Chosen, Refusal> {
    let asked = decode_handshake_request(header.api_version, body)
        .map_err(|_| Refusal::at_once(GateFailureReason::MalformedRequest))?;
    let Some(enabled) = mechanisms.find(asked) else {
        let refusal = Refusal::delayed(GateFailureReason::UnsupportedMechanism);
        return Err(refusal.with_reply(|out| {
            let error = ErrorCode::UNSUPPORTED_SASL_MECHANISM;
            put_handshake_response(out, header.correlation_id, error, mechanisms.names());
        }));
    };
    Ok(choose(enabled, header, out, mechanisms))
}

/// Says yes.
fn choose(enabled: &Enabled, header: RequestHeader<'_>, out: &mut BytesMut, mechanisms: &Mechanisms) -> Chosen {
    put_handshake_response(out, header.correlation_id, ErrorCode::NONE, mechanisms.names());
    let framing = if header.api_version == 0 { Framing::Raw } else { Framing::Wrapped };
    let Enabled { mechanism, max_session, .. } = enabled;
    Chosen { mechanism: Arc::clone(mechanism), max_session: *max_session, framing, frame_is_token: false }
}

/// The SaslHandshake by which a known client begins to authenticate anew. Kafka, too, says no word where the mechanism is not
/// enabled any more: what fails at this place is not seen as an authentication that fails.
pub(super) fn on_another_handshake(
    frame: &[u8],
    out: &mut BytesMut,
    mechanisms: &Mechanisms,
) -> Result<Chosen, Refusal> {
    let malformed = |_| Refusal::at_once(GateFailureReason::MalformedRequest);
    let (header, body) = RequestHeader::parse(frame).map_err(malformed)?;
    if header.api_key != api_key::SASL_HANDSHAKE {
        return Err(Refusal::at_once(GateFailureReason::UnexpectedRequest).about(header.api_key));
    }
    let asked = decode_handshake_request(header.api_version, body).map_err(malformed)?;
    let not_enabled = || Refusal::at_once(GateFailureReason::UnsupportedMechanism);
    let enabled = mechanisms.find(asked).ok_or_else(not_enabled)?;
    Ok(choose(enabled, header, out, mechanisms))
}

/// Clients of Kafka 0.9 begin with GSSAPI's first token; it starts with 0x60, which is no API key (KIP-43).
fn gssapi_without_handshake(mechanisms: &Mechanisms) -> Result<Opened, Refusal> {
    let Enabled { mechanism, max_session, .. } =
        mechanisms.find(GSSAPI).ok_or_else(|| Refusal::at_once(GateFailureReason::MalformedRequest))?;
    let (mechanism, max_session) = (Arc::clone(mechanism), *max_session);
    Ok(Opened::Chosen(Chosen { mechanism, max_session, framing: Framing::Raw, frame_is_token: true }))
}
