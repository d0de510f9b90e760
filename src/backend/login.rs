//! The client side of SASL towards the backend.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ConnectError;
use crate::config::BackendConfig;
use crate::transport::Transport;
use crate::wire::ErrorCode;
use crate::wire::sasl::{self, AuthenticateResponse};

/// Largest answer of the backend before the relay starts, in bytes: its ApiVersions and Metadata without topics are far smaller.
const MAX_ANSWER: usize = 4 << 20;

const HANDSHAKE_VERSION: i16 = 1;
const AUTHENTICATE_VERSION: i16 = 1;

/// Logs in as the configuration says. Handshake and token leave together: brokers take them pipelined, which saves a round trip.
pub(super) async fn log_in(config: &BackendConfig, stream: &mut Transport, name: &str) -> Result<(), ConnectError> {
    let Some(credentials) = &config.security.sasl else { return Ok(()) };
    // RFC 4616: no authzid, authcid, passwd.
    let mut token = zeroize::Zeroizing::new(Vec::new());
    token.push(0);
    token.extend(credentials.username.as_bytes());
    token.push(0);
    token.extend(credentials.password.expose());
    let mut out = BytesMut::new();
    sasl::put_handshake_request(&mut out, HANDSHAKE_VERSION, 0, &config.client_id, "PLAIN");
    sasl::put_authenticate_request(&mut out, AUTHENTICATE_VERSION, 1, &config.client_id, &token);
    let sent = stream.write_all(&out).await;
    zeroize::Zeroize::zeroize(&mut out[..]);
    sent.map_err(|e| ConnectError::Io(name.to_owned(), e))?;

    let malformed = || ConnectError::Malformed(name.to_owned());
    let frame = read_frame(stream, name).await?;
    let (_, handshake) = sasl::decode_handshake_response(&frame).map_err(|_| malformed())?;
    if handshake.error != ErrorCode::NONE {
        return Err(ConnectError::LoginRefused(name.to_owned(), "it does not offer the mechanism PLAIN".to_owned()));
    }
    let frame = read_frame(stream, name).await?;
    let (_, answer) = AuthenticateResponse::decode(&frame, AUTHENTICATE_VERSION).map_err(|_| malformed())?;
    if answer.error != ErrorCode::NONE {
        let message: String = answer.error_message.unwrap_or("").chars().take(200).collect();
        return Err(ConnectError::LoginRefused(name.to_owned(), message.escape_debug().to_string()));
    }
    Ok(())
}

/// Reads one frame without its size; memory grows with what arrives, not with what is promised.
pub(super) async fn read_frame(stream: &mut Transport, name: &str) -> Result<Bytes, ConnectError> {
    let io = |e| ConnectError::Io(name.to_owned(), e);
    let size = stream.read_i32().await.map_err(io)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_ANSWER);
    let size = size.ok_or_else(|| ConnectError::Malformed(name.to_owned()))?;
    let mut frame = Vec::new();
    let read = stream.take(size as u64).read_to_end(&mut frame).await.map_err(io)?;
    if read < size { Err(io(std::io::ErrorKind::UnexpectedEof.into())) } else { Ok(frame.into()) }
}
