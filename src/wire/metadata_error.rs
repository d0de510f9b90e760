//! The Metadata answer of a client that may not ask yet.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::protocol::Encodable;

use super::error_code::ErrorCode;
use super::header::{api_key, put_response_header};
use super::put;

/// A whole Metadata response frame that carries `error` and nothing else; `None` for a version above 13 or below 0.
///
/// Kafka's `MetadataRequest.getErrorResponse` repeats each requested topic with the error; that needs the request's body,
/// which is not read before authentication, so no topics are listed. From v13 the answer has an error of its own.
pub fn encode(version: i16, correlation_id: i32, error: ErrorCode) -> Option<Bytes> {
    let mut answer = MetadataResponse::default();
    if version >= 13 {
        answer.error_code = error.0;
    }
    let mut body = BytesMut::new();
    answer.encode(&mut body, version).ok()?;
    let mut out = BytesMut::new();
    put::frame(&mut out, |out| {
        put_response_header(out, api_key::METADATA, version, correlation_id);
        out.extend_from_slice(&body);
    });
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_its_minimal_body() {
        let body = |version| encode(version, 7, ErrorCode::ILLEGAL_SASL_STATE).map(|frame| frame[8..].to_vec());
        let id = [0xff; 4];
        assert_eq!(body(-1), None);
        assert_eq!(body(0), Some(vec![0; 8]));
        assert_eq!(body(1), Some([&[0; 4][..], &id, &[0; 4]].concat()));
        assert_eq!(body(2), Some([&[0; 4][..], &[0xff; 2], &id, &[0; 4]].concat()));
        let v3 = [&[0; 8][..], &[0xff; 2], &id, &[0; 4]].concat();
        for version in 3..=7 {
            assert_eq!(body(version), Some(v3.clone()), "{version}");
        }
        let operations = [0x80, 0, 0, 0];
        assert_eq!(body(8), Some([&v3[..], &operations].concat()));
        // Header tags; throttle, brokers, cluster id, controller id, topics.
        let v9 = [&[0][..], &[0, 0, 0, 0, 1, 0], &id, &[1]].concat();
        for version in 9..=10 {
            assert_eq!(body(version), Some([&v9[..], &operations, &[0]].concat()), "{version}");
        }
        for version in 11..=12 {
            assert_eq!(body(version), Some([&v9[..], &[0]].concat()), "{version}");
        }
        assert_eq!(body(13), Some([&v9[..], &[0, 34, 0]].concat()));
        assert_eq!(body(14), None);
        assert_eq!(encode(0, 7, ErrorCode::NONE).map(|f| f[..8].to_vec()), Some(vec![0, 0, 0, 12, 0, 0, 0, 7]));
    }
}
