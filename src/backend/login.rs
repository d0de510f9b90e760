//! The client side of SASL towards the backend: PLAIN, SCRAM and OAUTHBEARER.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::{Zeroize, Zeroizing};

use super::ConnectError;
use super::scram_keys::ScramKeys;
use super::tokens::{NoToken, Token};
use crate::config::{BackendConfig, BackendLogin, Credentials, LoginMechanism, TokenLogin};
use crate::scram::client::{self, ClientError};
use crate::scram::{Nonce, ScramMechanism};
use crate::transport::Transport;
use crate::wire::ErrorCode;
use crate::wire::sasl::{self, AuthenticateResponse};

/// Largest answer of the backend before the relay starts, in bytes: its ApiVersions and Metadata without topics are far smaller.
const MAX_ANSWER: usize = 4 << 20;

/// Largest answer of the backend during the login, in bytes: a list of mechanisms, a token or an error's text.
const MAX_LOGIN_ANSWER: usize = 64 << 10;

/// Longest part of the backend's own error text that is shown, in characters.
const MAX_SHOWN: usize = 200;

const HANDSHAKE_VERSION: i16 = 1;
const AUTHENTICATE_VERSION: i16 = 1;

/// What a login is made with beside the configuration.
pub(super) struct Means<'a> {
    /// Kept from login to login.
    pub(super) keys: &'a ScramKeys,
    /// There where the configuration logs in by token.
    pub(super) token: Option<Arc<Token>>,
}

/// Whether a connection is new, or known and authenticated anew (KIP-368).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    First,
    Again,
}

/// Logs in as the configuration says. Gives how long the broker lets that stand, if it ends.
pub(super) async fn log_in(
    config: &BackendConfig,
    means: &Means<'_>,
    stream: &mut Transport,
    name: &str,
    round: Round,
) -> Result<Option<Duration>, ConnectError> {
    let Some(login) = &config.security.sasl else { return Ok(None) };
    let mechanism = login.mechanism();
    let mut exchange =
        Exchange { stream, name, client_id: &config.client_id, mechanism, round, sent: 0, lifetime: None };
    match (login, &means.token) {
        (BackendLogin::Plain(credentials), _) => plain(&mut exchange, credentials).await?,
        (BackendLogin::Scram(mechanism, credentials), _) => {
            scram(&mut exchange, *mechanism, credentials, means.keys).await?;
        }
        (BackendLogin::OauthBearer(login), Some(token)) => oauthbearer(&mut exchange, login, token).await?,
        (BackendLogin::OauthBearer(_), None) => return Err(ConnectError::NoToken(NoToken::Late)),
    }
    Ok(exchange.lifetime)
}

async fn plain(exchange: &mut Exchange<'_>, login: &Credentials) -> Result<(), ConnectError> {
    // RFC 4616: no authzid, authcid, passwd.
    let mut token = Zeroizing::new(Vec::new());
    token.push(0);
    token.extend(login.username.as_bytes());
    token.push(0);
    token.extend(login.password.expose());
    exchange.open(&token).await.map(drop)
}

async fn scram(
    exchange: &mut Exchange<'_>,
    mechanism: ScramMechanism,
    login: &Credentials,
    keys: &ScramKeys,
) -> Result<(), ConnectError> {
    let name = exchange.name;
    let failed = |error: ClientError| ConnectError::Sasl(name.to_owned(), error);
    let io = |error| ConnectError::Io(name.to_owned(), error);
    let nonce = Nonce::random().map_err(|error| io(std::io::Error::other(error)))?;
    let (client_first, waits) = client::start(mechanism, &login.username, &nonce).map_err(failed)?;
    let server_first = exchange.open(client_first.as_bytes()).await?;
    let waits = waits.read(&server_first).map_err(failed)?;
    let keys = keys.get(mechanism, &login.password, &waits).await.map_err(io)?;
    let (client_final, waits) = waits.answer(&keys);
    let server_final = exchange.token(client_final.as_bytes()).await?;
    // Only now is it known that the broker is one that knows the credential.
    waits.verify(&server_final).map_err(failed)
}

/// RFC 7628 §3.1. What the broker's own error says comes in two steps there: its reasons as JSON, and, after our single 0x01, the
/// failure itself.
async fn oauthbearer(exchange: &mut Exchange<'_>, login: &TokenLogin, token: &Token) -> Result<(), ConnectError> {
    let mut message = Zeroizing::new(Vec::with_capacity(token.value().expose().len() + 64));
    message.extend_from_slice(b"n,,\x01auth=Bearer ");
    message.extend_from_slice(token.value().expose());
    for (name, value) in &login.extensions {
        message.push(1);
        message.extend_from_slice(name.as_bytes());
        message.push(b'=');
        message.extend_from_slice(value.as_bytes());
    }
    message.extend_from_slice(b"\x01\x01");
    let reasons = exchange.open(&message).await?;
    if reasons.is_empty() {
        return Ok(());
    }
    let reasons = shown(&String::from_utf8_lossy(&reasons));
    match exchange.token(&[1]).await {
        // A broker ends the login here; one that goes on has not understood what it said.
        Ok(_) => Err(exchange.refused(reasons)),
        Err(ConnectError::LoginRefused(name, message)) if message.is_empty() => {
            Err(ConnectError::LoginRefused(name, reasons))
        }
        Err(error) => Err(error),
    }
}

/// A broker's own words, for a log.
fn shown(words: &str) -> String {
    let words: String = words.chars().take(MAX_SHOWN).collect();
    words.escape_debug().to_string()
}

/// The requests of one login.
struct Exchange<'a> {
    stream: &'a mut Transport,
    /// Of the broker, for errors.
    name: &'a str,
    client_id: &'a str,
    mechanism: LoginMechanism,
    round: Round,
    /// Requests so far; the next one's correlation id.
    sent: i32,
    /// What the last answer said of the session's length.
    lifetime: Option<Duration>,
}

impl Exchange<'_> {
    /// SaslHandshake and the first token. In a first login they leave together: brokers take them pipelined, which saves a round
    /// trip. Gives the broker's token.
    async fn open(&mut self, token: &[u8]) -> Result<Bytes, ConnectError> {
        let mut out = BytesMut::new();
        let mechanism = self.mechanism.as_str();
        let id = self.next_id();
        sasl::put_handshake_request(&mut out, HANDSHAKE_VERSION, id, self.client_id, mechanism);
        if self.round == Round::First {
            self.put_token(&mut out, token);
        }
        self.send(out).await?;
        let frame = self.answer().await?;
        let (answered, handshake) = sasl::decode_handshake_response(&frame).map_err(|_| self.malformed())?;
        if answered != id {
            return Err(self.malformed());
        }
        match (handshake.error, self.round) {
            (ErrorCode::NONE, Round::First) => self.answered_token().await,
            (ErrorCode::NONE, Round::Again) => self.token(token).await,
            (ErrorCode::ILLEGAL_SASL_STATE, _) => Err(self.refused("it takes no login now".to_owned())),
            _ => Err(self.refused(format!("it does not offer the mechanism {mechanism}"))),
        }
    }

    /// A further token. Gives the broker's.
    async fn token(&mut self, token: &[u8]) -> Result<Bytes, ConnectError> {
        let mut out = BytesMut::new();
        self.put_token(&mut out, token);
        self.send(out).await?;
        self.answered_token().await
    }

    async fn answered_token(&mut self) -> Result<Bytes, ConnectError> {
        let frame = self.answer().await?;
        let (id, answer) = AuthenticateResponse::decode(&frame, AUTHENTICATE_VERSION).map_err(|_| self.malformed())?;
        if id != self.sent - 1 {
            return Err(self.malformed());
        }
        if answer.error != ErrorCode::NONE {
            return Err(self.refused(shown(answer.error_message.unwrap_or_default())));
        }
        let millis = u64::try_from(answer.session_lifetime_ms).ok().filter(|millis| *millis > 0);
        self.lifetime = millis.map(Duration::from_millis);
        Ok(frame.slice_ref(answer.token))
    }

    fn put_token(&mut self, out: &mut BytesMut, token: &[u8]) {
        let id = self.next_id();
        sasl::put_authenticate_request(out, AUTHENTICATE_VERSION, id, self.client_id, token);
    }

    fn next_id(&mut self) -> i32 {
        self.sent += 1;
        self.sent - 1
    }

    /// Sends it and wipes it: it may hold a password.
    async fn send(&mut self, mut out: BytesMut) -> Result<(), ConnectError> {
        let sent = match self.stream.write_all(&out).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        out[..].zeroize();
        sent.map_err(|error| ConnectError::Io(self.name.to_owned(), error))
    }

    async fn answer(&mut self) -> Result<Bytes, ConnectError> {
        read_limited(self.stream, self.name, MAX_LOGIN_ANSWER).await
    }

    fn malformed(&self) -> ConnectError {
        ConnectError::Malformed(self.name.to_owned())
    }

    fn refused(&self, why: String) -> ConnectError {
        ConnectError::LoginRefused(self.name.to_owned(), why)
    }
}

/// Reads one frame without its size; memory grows with what arrives, not with what is promised.
pub(super) async fn read_frame(stream: &mut Transport, name: &str) -> Result<Bytes, ConnectError> {
    read_limited(stream, name, MAX_ANSWER).await
}

async fn read_limited(stream: &mut Transport, name: &str, limit: usize) -> Result<Bytes, ConnectError> {
    let io = |e| ConnectError::Io(name.to_owned(), e);
    let size = stream.read_i32().await.map_err(io)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= limit);
    let size = size.ok_or_else(|| ConnectError::Malformed(name.to_owned()))?;
    let mut frame = Vec::new();
    let read = stream.take(size as u64).read_to_end(&mut frame).await.map_err(io)?;
    if read < size { Err(io(std::io::ErrorKind::UnexpectedEof.into())) } else { Ok(frame.into()) }
}
