//! SaslHandshake (KIP-43) and SaslAuthenticate (KIP-152), both directions: the gate reads requests and writes responses, the
//! login at the backend writes requests and reads responses.

use bytes::{BufMut, BytesMut};

use super::error_code::ErrorCode;
use super::header::{api_key, put_request_header, put_response_header};
use super::put;
use super::reader::{Malformed, Reader};

/// Newest SaslHandshake version; the oldest is 0. Never flexible.
pub const HANDSHAKE_MAX_VERSION: i16 = 1;
/// Newest SaslAuthenticate version; the oldest is 0. Flexible from 2.
pub const AUTHENTICATE_MAX_VERSION: i16 = 2;

const AUTHENTICATE_FLEXIBLE_FROM: i16 = 2;

/// The mechanism that a SaslHandshake request body asks for: any bytes. An unsupported version is malformed; bytes behind
/// the body are ignored, as in Kafka.
pub fn decode_handshake_request(version: i16, body: &[u8]) -> Result<&[u8], Malformed> {
    if !(0..=HANDSHAKE_MAX_VERSION).contains(&version) {
        return Err(Malformed);
    }
    Reader::new(body).string()
}

/// Appends a whole SaslHandshake request frame.
pub fn put_handshake_request(out: &mut BytesMut, version: i16, correlation_id: i32, client_id: &str, mechanism: &str) {
    put::frame(out, |out| {
        put_request_header(out, api_key::SASL_HANDSHAKE, version, correlation_id, client_id);
        put::string(out, mechanism);
    });
}

/// Appends a whole SaslHandshake response frame; v0 and v1 look alike.
pub fn put_handshake_response<'m>(
    out: &mut BytesMut,
    correlation_id: i32,
    error: ErrorCode,
    mechanisms: impl ExactSizeIterator<Item = &'m str>,
) {
    put::frame(out, |out| {
        put_response_header(out, api_key::SASL_HANDSHAKE, 0, correlation_id);
        out.put_i16(error.0);
        out.put_i32(mechanisms.len() as i32);
        for mechanism in mechanisms {
            put::string(out, mechanism);
        }
    });
}

/// A decoded SaslHandshake response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeResponse {
    /// [`ErrorCode::NONE`] if the mechanism is enabled.
    pub error: ErrorCode,
    /// The server's enabled mechanisms, as it spells them; text that is not UTF-8 is left out.
    pub mechanisms: Vec<String>,
}

/// Reads a SaslHandshake response frame without its length prefix: the correlation id and the body.
pub fn decode_handshake_response(frame: &[u8]) -> Result<(i32, HandshakeResponse), Malformed> {
    let mut reader = Reader::new(frame);
    let correlation_id = reader.i32()?;
    let error = ErrorCode(reader.i16()?);
    let count = reader.array_count(2)?;
    let mut mechanisms = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        if let Ok(name) = std::str::from_utf8(reader.string()?) {
            mechanisms.push(name.to_owned());
        }
    }
    Ok((correlation_id, HandshakeResponse { error, mechanisms }))
}

/// The token in a SaslAuthenticate request body. An unsupported version and a null token are malformed; bytes behind the
/// body are ignored, as in Kafka.
pub fn decode_authenticate_request(version: i16, body: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(body);
    match version {
        0..AUTHENTICATE_FLEXIBLE_FROM => reader.nullable_bytes()?.ok_or(Malformed),
        AUTHENTICATE_FLEXIBLE_FROM..=AUTHENTICATE_MAX_VERSION => {
            let token = reader.compact_nullable_bytes()?.ok_or(Malformed)?;
            reader.skip_tags()?;
            Ok(token)
        }
        _ => Err(Malformed),
    }
}

/// Appends a whole SaslAuthenticate request frame; `version` is 0 to 2.
pub fn put_authenticate_request(out: &mut BytesMut, version: i16, correlation_id: i32, client_id: &str, token: &[u8]) {
    put::frame(out, |out| {
        put_request_header(out, api_key::SASL_AUTHENTICATE, version, correlation_id, client_id);
        if version >= AUTHENTICATE_FLEXIBLE_FROM {
            put::compact_bytes(out, token);
            put::no_tags(out);
        } else {
            put::bytes(out, token);
        }
    });
}

/// The fields of a SaslAuthenticate response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticateResponse<'a> {
    /// [`ErrorCode::NONE`] as long as the exchange goes well.
    pub error: ErrorCode,
    /// On success an empty string, not null: so a broker writes it.
    pub error_message: Option<&'a str>,
    /// The server's token; empty where the mechanism has none.
    pub token: &'a [u8],
    /// Milliseconds until the client must authenticate anew (KIP-368), 0 for never; not in v0.
    pub session_lifetime_ms: i64,
}

impl<'a> AuthenticateResponse<'a> {
    /// A good answer with the server's token.
    pub fn ok(token: &'a [u8], session_lifetime_ms: i64) -> Self {
        Self { error: ErrorCode::NONE, error_message: Some(""), token, session_lifetime_ms }
    }

    /// A failure.
    pub fn failed(error: ErrorCode, message: &'a str) -> Self {
        Self { error, error_message: Some(message), token: &[], session_lifetime_ms: 0 }
    }

    /// Appends the whole response frame; `version` is 0 to 2.
    pub fn put(&self, out: &mut BytesMut, version: i16, correlation_id: i32) {
        put::frame(out, |out| {
            put_response_header(out, api_key::SASL_AUTHENTICATE, version, correlation_id);
            out.put_i16(self.error.0);
            let flexible = version >= AUTHENTICATE_FLEXIBLE_FROM;
            if flexible {
                put::compact_nullable_string(out, self.error_message);
                put::compact_bytes(out, self.token);
            } else {
                put::nullable_string(out, self.error_message);
                put::bytes(out, self.token);
            }
            if version >= 1 {
                out.put_i64(self.session_lifetime_ms);
            }
            if flexible {
                put::no_tags(out);
            }
        });
    }

    /// Reads a SaslAuthenticate response frame without its length prefix: the correlation id and the body. A message that is
    /// not UTF-8 reads as none.
    pub fn decode(frame: &'a [u8], version: i16) -> Result<(i32, Self), Malformed> {
        let mut reader = Reader::new(frame);
        let flexible = version >= AUTHENTICATE_FLEXIBLE_FROM;
        let correlation_id = reader.i32()?;
        if flexible {
            reader.skip_tags()?;
        }
        let error = ErrorCode(reader.i16()?);
        let (message, token) = if flexible {
            (reader.compact_nullable_string()?, reader.compact_nullable_bytes()?)
        } else {
            (reader.nullable_string()?, reader.nullable_bytes()?)
        };
        let session_lifetime_ms = if version >= 1 { reader.i64()? } else { 0 };
        if flexible {
            reader.skip_tags()?;
        }
        let error_message = message.and_then(|text| std::str::from_utf8(text).ok());
        Ok((correlation_id, Self { error, error_message, token: token.unwrap_or_default(), session_lifetime_ms }))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::{
        SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
    };
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    use super::super::header::RequestHeader;
    use super::*;

    fn body_of(frame: &BytesMut) -> &[u8] {
        let (_, body) = RequestHeader::parse(&frame[4..]).expect("header");
        body
    }

    #[test]
    fn requests_agree_with_the_codec_crate() {
        for version in 0..=1 {
            let mut out = BytesMut::new();
            put_handshake_request(&mut out, version, 9, "front", "SCRAM-SHA-256");
            let mut bytes = Bytes::copy_from_slice(body_of(&out));
            let theirs = SaslHandshakeRequest::decode(&mut bytes, version).expect("decode");
            assert_eq!((theirs.mechanism.as_str(), bytes.len()), ("SCRAM-SHA-256", 0));
            assert_eq!(decode_handshake_request(version, body_of(&out)), Ok(&b"SCRAM-SHA-256"[..]));
        }
        for version in 0..=2 {
            let mut out = BytesMut::new();
            put_authenticate_request(&mut out, version, 9, "front", b"\0a\0b");
            let mut bytes = Bytes::copy_from_slice(body_of(&out));
            let theirs = SaslAuthenticateRequest::decode(&mut bytes, version).expect("decode");
            assert_eq!((&theirs.auth_bytes[..], bytes.len()), (&b"\0a\0b"[..], 0));
            assert_eq!(decode_authenticate_request(version, body_of(&out)), Ok(&b"\0a\0b"[..]));
        }
    }

    #[test]
    fn responses_agree_with_the_codec_crate() {
        let mut ours = BytesMut::new();
        put_handshake_response(&mut ours, 9, ErrorCode(33), ["PLAIN", "GSSAPI"].into_iter());
        let names = ["PLAIN", "GSSAPI"].map(StrBytes::from_static_str).to_vec();
        let mut theirs = BytesMut::new();
        let answer = SaslHandshakeResponse::default().with_error_code(33).with_mechanisms(names);
        answer.encode(&mut theirs, 1).expect("encode");
        assert_eq!(ours[8..], theirs[..]);
        let mechanisms = vec!["PLAIN".to_owned(), "GSSAPI".to_owned()];
        let expected = HandshakeResponse { error: ErrorCode(33), mechanisms };
        assert_eq!(decode_handshake_response(&ours[4..]), Ok((9, expected)));

        for version in 0..=2 {
            for (error, message, token) in [(58, Some("no"), &b""[..]), (0, None, b"challenge")] {
                let lifetime = if version == 0 { 0 } else { 77 };
                let error = ErrorCode(error);
                let response =
                    AuthenticateResponse { error, error_message: message, token, session_lifetime_ms: lifetime };
                let mut ours = BytesMut::new();
                response.put(&mut ours, version, -5);
                assert_eq!(AuthenticateResponse::decode(&ours[4..], version), Ok((-5, response)));
                let answer = SaslAuthenticateResponse::default()
                    .with_error_code(error.0)
                    .with_error_message(message.map(StrBytes::from_static_str))
                    .with_auth_bytes(Bytes::copy_from_slice(token))
                    .with_session_lifetime_ms(lifetime);
                let mut theirs = BytesMut::new();
                answer.encode(&mut theirs, version).expect("encode");
                let header = if version >= 2 { 9 } else { 8 };
                assert_eq!(ours[header..], theirs[..], "{version}");
            }
        }
    }

    #[test]
    fn hostile_lengths_are_malformed() {
        // H-056, H-057, H-060.
        for version in [-1, 2, i16::MAX] {
            assert_eq!(decode_handshake_request(version, &[0, 1, b'A']), Err(Malformed));
        }
        assert_eq!(decode_handshake_request(1, &[0xff, 0xff]), Err(Malformed));
        assert_eq!(decode_handshake_request(1, &[0, 2, b'A']), Err(Malformed));
        // H-064 to H-067.
        for version in [-1, 3, 99] {
            assert_eq!(decode_authenticate_request(version, &[0, 0, 0, 0, 0]), Err(Malformed));
        }
        assert_eq!(decode_authenticate_request(2, &[0, 0]), Err(Malformed));
        assert_eq!(decode_authenticate_request(2, &[1]), Err(Malformed));
        assert_eq!(decode_authenticate_request(1, &[0xff; 4]), Err(Malformed));
        assert_eq!(decode_authenticate_request(1, &[0, 0, 0, 2, 1]), Err(Malformed));
        assert_eq!(decode_authenticate_request(1, &[0x7f, 0xff, 0xff, 0xff]), Err(Malformed));
        assert_eq!(decode_handshake_response(&[0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff]), Err(Malformed));
    }

    #[test]
    fn long_messages_are_cut_at_a_characters_edge() {
        let long = "ä".repeat(20_000);
        let mut out = BytesMut::new();
        AuthenticateResponse::failed(ErrorCode::SASL_AUTHENTICATION_FAILED, &long).put(&mut out, 1, 1);
        let (_, response) = AuthenticateResponse::decode(&out[4..], 1).expect("decode");
        assert_eq!(response.error_message.map(str::len), Some(32_766));
    }
}
