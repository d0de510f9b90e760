//! OAUTHBEARER by hand (RFC 7628), so that a trial can send every part of it wrong. Nothing here prints a token.

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use crate::wire::Conn;
use crate::{Result, check, check_eq};

/// What a listener says of every token that it does not take.
pub const INVALID: &str = r#"{"status":"invalid_token"}"#;

/// A client's first message with that token.
pub fn initial(token: &str) -> Bytes {
    Bytes::from(format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

/// The same with extensions.
pub fn initial_with(token: &str, extensions: &[(&str, &str)]) -> Bytes {
    let more: String = extensions.iter().map(|(k, v)| format!("{k}={v}\u{1}")).collect();
    Bytes::from(format!("n,,\u{1}auth=Bearer {token}\u{1}{more}\u{1}"))
}

/// One message of the exchange, and the answer.
pub fn step(conn: &mut Conn, message: Bytes) -> Result<SaslAuthenticateResponse> {
    conn.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(message))
}

/// What came of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In, for that many milliseconds; 0 is without end.
    In(i64),
    /// The challenge that says why not, and the error behind it: its code and its text.
    Refused { challenge: String, code: i16, text: Option<String> },
    /// An error at once.
    Error { code: i16, text: Option<String> },
    /// No answer: the connection ended.
    Closed,
}

impl Outcome {
    pub fn is_in(&self) -> bool {
        matches!(self, Outcome::In(_))
    }
}

/// The whole of an exchange on a connection that has not begun one: handshake, token and, where it is refused, the client's 0x01.
pub fn exchange(conn: &mut Conn, message: Bytes) -> Result<Outcome> {
    conn.handshake("OAUTHBEARER")?;
    again(conn, message)
}

/// The same without the handshake.
pub fn again(conn: &mut Conn, message: Bytes) -> Result<Outcome> {
    let Ok(reply) = step(conn, message) else { return Ok(Outcome::Closed) };
    let text = |reply: &SaslAuthenticateResponse| reply.error_message.as_ref().map(|t| t.to_string());
    if reply.error_code != 0 {
        return Ok(Outcome::Error { code: reply.error_code, text: text(&reply) });
    }
    if reply.auth_bytes.is_empty() {
        return Ok(Outcome::In(reply.session_lifetime_ms));
    }
    let challenge = String::from_utf8_lossy(&reply.auth_bytes).into_owned();
    let last = step(conn, Bytes::from_static(&[1]))?;
    check!(last.error_code != 0, "a success behind the challenge {challenge}");
    Ok(Outcome::Refused { challenge, code: last.error_code, text: text(&last) })
}

/// A login that has to succeed. Gives the lifetime of its session in milliseconds; 0 is without end.
pub fn log_in(conn: &mut Conn, token: &str) -> Result<i64> {
    match exchange(conn, initial(token))? {
        Outcome::In(lifetime) => Ok(lifetime),
        other => Err(format!("a login with a token: {other:?}")),
    }
}

/// That the token is refused as Kafka refuses one.
pub fn is_refused(conn: &mut Conn, token: &str) -> Result<()> {
    let want = Outcome::Refused { challenge: INVALID.to_owned(), code: 58, text: Some(INVALID.to_owned()) };
    check_eq!(exchange(conn, initial(token))?, want, "what a wrong token gives");
    Ok(())
}
