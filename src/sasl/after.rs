//! SASL requests where they do not belong: on listeners without SASL, and after a login.

use bytes::{Bytes, BytesMut};

use crate::wire::ErrorCode;
use crate::wire::header::api_key;
use crate::wire::sasl::{
    AUTHENTICATE_MAX_VERSION, AuthenticateResponse, HANDSHAKE_MAX_VERSION, put_handshake_response,
};

const TOO_LATE: &str = "SaslAuthenticate request received after successful authentication";

/// The whole response frame for a SaslHandshake or SaslAuthenticate request on a connection that takes none: error 34, and
/// the connection stays open (Kafka's `KafkaApis`). `None` for another API or an unsupported version: close.
pub fn late_sasl_answer(api_key: i16, version: i16, correlation_id: i32) -> Option<Bytes> {
    let mut out = BytesMut::new();
    match api_key {
        api_key::SASL_HANDSHAKE if (0..=HANDSHAKE_MAX_VERSION).contains(&version) => {
            put_handshake_response(&mut out, correlation_id, ErrorCode::ILLEGAL_SASL_STATE, [].into_iter());
        }
        api_key::SASL_AUTHENTICATE if (0..=AUTHENTICATE_MAX_VERSION).contains(&version) => {
            AuthenticateResponse::failed(ErrorCode::ILLEGAL_SASL_STATE, TOO_LATE).put(
                &mut out,
                version,
                correlation_id,
            );
        }
        _ => return None,
    }
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshake_and_authenticate_get_error_34() {
        // H-075, H-076, H-128.
        for version in 0..=1 {
            let answer = late_sasl_answer(17, version, 9).expect("an answer");
            assert_eq!(answer[..], [0, 0, 0, 10, 0, 0, 0, 9, 0, 34, 0, 0, 0, 0]);
        }
        for version in 0..=2 {
            let answer = late_sasl_answer(36, version, 9).expect("an answer");
            let (correlation_id, body) = AuthenticateResponse::decode(&answer[4..], version).expect("decode");
            assert_eq!((correlation_id, body), (9, AuthenticateResponse::failed(ErrorCode(34), TOO_LATE)));
        }
        for (key, version) in [(17, -1), (17, 2), (36, -1), (36, 3), (18, 0), (3, 1), (-1, 0)] {
            assert_eq!(late_sasl_answer(key, version, 9), None, "{key} {version}");
        }
    }
}
