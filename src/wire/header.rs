//! Request and response headers.

use bytes::{BufMut, BytesMut};

use super::reader::{Malformed, Reader};

/// API keys that the front itself has to do with before or beside relaying.
pub mod api_key {
    /// Metadata.
    pub const METADATA: i16 = 3;
    /// SaslHandshake.
    pub const SASL_HANDSHAKE: i16 = 17;
    /// ApiVersions.
    pub const API_VERSIONS: i16 = 18;
    /// SaslAuthenticate.
    pub const SASL_AUTHENTICATE: i16 = 36;
    /// DescribeUserScramCredentials.
    pub const DESCRIBE_USER_SCRAM_CREDENTIALS: i16 = 50;
    /// AlterUserScramCredentials.
    pub const ALTER_USER_SCRAM_CREDENTIALS: i16 = 51;
}

/// A key that no longer has any version: 4 to 7 since Kafka 4.0.
const DEAD: i16 = -1;
/// An API that is never flexible.
const NEVER: i16 = i16::MAX;

/// First flexible version by API key (KIP-482), from the message definitions of Kafka 4.4.
#[rustfmt::skip]
const FLEXIBLE_FROM: [i16; 95] = [
    // 0 Produce, Fetch, ListOffsets, Metadata
    9, 12, 6, 9, DEAD, DEAD, DEAD, DEAD, 8, 6,
    // 10 FindCoordinator ... 17 SaslHandshake, 18 ApiVersions, 19 CreateTopics
    3, 6, 4, 4, 4, 5, 3, NEVER, 3, 5,
    // 20 DeleteTopics ... 29 DescribeAcls
    4, 2, 2, 4, 3, 3, 3, 1, 3, 2,
    // 30 CreateAcls ... 36 SaslAuthenticate ... 39 RenewDelegationToken
    2, 2, 4, 2, 2, 2, 2, 2, 2, 2,
    // 40 ExpireDelegationToken ... 47 OffsetDelete, 48 DescribeClientQuotas, 49 AlterClientQuotas
    2, 2, 2, 2, 1, 0, 0, NEVER, 1, 1,
    // 50 DescribeUserScramCredentials, 51, 52 Vote, 53 BeginQuorumEpoch, 54 EndQuorumEpoch ... 59 FetchSnapshot
    0, 0, 0, 1, 1, 0, 0, 0, 0, 0,
    // 60 DescribeCluster ... 69 ConsumerGroupDescribe
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    // 70 ControllerRegistration ... 79 ShareAcknowledge
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    // 80 AddRaftVoter ... 89 StreamsGroupDescribe
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    // 90 DescribeShareGroupOffsets ... 94 UnregisterController
    0, 0, 0, 0, 0,
];

/// Whether `api_key` is a key of today's Kafka: 0 to 94 without the dead ones.
pub fn is_known(api_key: i16) -> bool {
    flexible_from(api_key).is_some()
}

/// Whether requests and responses of this API and version carry tagged fields; `None` for an unknown key.
pub fn is_flexible(api_key: i16, api_version: i16) -> Option<bool> {
    flexible_from(api_key).map(|first| api_version >= first)
}

fn flexible_from(api_key: i16) -> Option<i16> {
    let first = *FLEXIBLE_FROM.get(usize::try_from(api_key).ok()?)?;
    (first != DEAD).then_some(first)
}

/// A request header; the body follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// One of the known API keys.
    pub api_key: i16,
    /// Any number: whether the version is supported is not the header's business.
    pub api_version: i16,
    /// Echoed in the response.
    pub correlation_id: i32,
    /// As sent: not checked for UTF-8, free text of a stranger. `None` where its length is negative.
    pub client_id: Option<&'a [u8]>,
}

impl<'a> RequestHeader<'a> {
    /// Reads the header at the start of `frame` (the bytes after the length prefix); gives it and the body.
    ///
    /// Header v1, or v2 where the request is flexible; in v2 the client id keeps its classic form (KIP-482). The tagged
    /// fields are skipped, at most 64 of them. Fails for an unknown API key, whose header version nobody knows.
    pub fn parse(frame: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let mut reader = Reader::new(frame);
        let api_key = reader.i16()?;
        let api_version = reader.i16()?;
        let flexible = is_flexible(api_key, api_version).ok_or(Malformed)?;
        let correlation_id = reader.i32()?;
        let client_id = reader.nullable_string()?;
        if flexible {
            reader.skip_tags()?;
        }
        Ok((Self { api_key, api_version, correlation_id, client_id }, reader.rest()))
    }
}

/// Appends a request header, v1 or v2 as the API and version want it.
pub fn put_request_header(out: &mut BytesMut, api_key: i16, api_version: i16, correlation_id: i32, client_id: &str) {
    out.put_i16(api_key);
    out.put_i16(api_version);
    out.put_i32(correlation_id);
    super::put::string(out, client_id);
    if is_flexible(api_key, api_version) == Some(true) {
        super::put::no_tags(out);
    }
}

/// Appends a response header: v0, or v1 where the response is flexible; ApiVersions always has v0, so that a client can read
/// the answer to a version that we do not know (KIP-511).
pub fn put_response_header(out: &mut BytesMut, api_key: i16, api_version: i16, correlation_id: i32) {
    out.put_i32(correlation_id);
    if has_flexible_response_header(api_key, api_version) {
        super::put::no_tags(out);
    }
}

/// Whether the response header of this API and version is v1, i.e. has tagged fields.
pub fn has_flexible_response_header(api_key: i16, api_version: i16) -> bool {
    api_key != api_key::API_VERSIONS && is_flexible(api_key, api_version) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(api_key: i16, api_version: i16, rest: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(api_key.to_be_bytes());
        frame.extend(api_version.to_be_bytes());
        frame.extend(7i32.to_be_bytes());
        frame.extend(rest);
        frame
    }

    #[test]
    fn flexible_from_agrees_with_the_codec_crate() {
        use kafka_protocol::messages::ApiKey;
        let mut compared = 0;
        for key in 0..95i16 {
            let Ok(api) = ApiKey::try_from(key) else { continue };
            if !is_known(key) {
                continue;
            }
            compared += 1;
            for version in 0..20 {
                // A version that the crate does not have is judged as its newest one: not compared.
                let range = api.valid_versions();
                if (range.min..=range.max).contains(&version) {
                    let flexible = api.request_header_version(version) == 2;
                    assert_eq!(is_flexible(key, version), Some(flexible), "key {key} version {version}");
                    let response = api.response_header_version(version) == 1;
                    assert_eq!(has_flexible_response_header(key, version), response, "key {key} version {version}");
                }
            }
        }
        assert!(compared >= 80, "{compared}");
    }

    #[test]
    fn known_keys() {
        for key in [-1, 4, 5, 6, 7, 95, 200, i16::MAX, i16::MIN, 0x4745] {
            assert!(!is_known(key), "{key}");
        }
        assert_eq!((0..=94).filter(|key| is_known(*key)).count(), 91);
    }

    #[test]
    fn client_id_is_kept_as_bytes_and_any_negative_length_is_null() {
        let parse = |rest: &[u8]| {
            let frame = header(18, 0, rest);
            RequestHeader::parse(&frame).map(|(h, body)| (h.client_id.map(<[u8]>::to_vec), body.to_vec()))
        };
        assert_eq!(parse(&[0, 1, b'c', 9]), Ok((Some(vec![b'c']), vec![9])));
        assert_eq!(parse(&[0, 2, 0xff, 0xfe]), Ok((Some(vec![0xff, 0xfe]), vec![])));
        assert_eq!(parse(&[0xff, 0xff]), Ok((None, vec![])));
        assert_eq!(parse(&[0xff, 0xfe]), Ok((None, vec![])));
        assert_eq!(parse(&[0x80, 0x00]), Ok((None, vec![])));
        assert_eq!(parse(&[0x7f, 0xff, 1, 2, 3]), Err(Malformed));
        assert_eq!(parse(&[0]), Err(Malformed));
        assert_eq!(parse(&[]), Err(Malformed));
    }

    #[test]
    fn short_frames_are_malformed() {
        let whole = header(17, 1, &[0, 0]);
        for len in 0..whole.len() {
            assert_eq!(RequestHeader::parse(&whole[..len]).map(|_| ()), Err(Malformed), "{len}");
        }
        assert!(RequestHeader::parse(&whole).is_ok());
    }

    #[test]
    fn tagged_fields_are_skipped_and_bounded() {
        // H-019 to H-025.
        let parse = |tags: &[u8]| {
            let frame = header(18, 3, &[&[0, 0], tags].concat());
            RequestHeader::parse(&frame).map(|(_, body)| body.to_vec())
        };
        assert_eq!(parse(&[0, 5]), Ok(vec![5]));
        assert_eq!(parse(&[]), Err(Malformed));
        assert_eq!(parse(&[0xff, 0xff, 0xff, 0xff, 0x07]), Err(Malformed));
        assert_eq!(parse(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(Malformed));
        assert_eq!(parse(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Err(Malformed));
        assert_eq!(parse(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(Malformed));
        assert_eq!(parse(&[1, 0, 2, 9]), Err(Malformed));
        assert_eq!(parse(&[3, 9, 1, 1, 4, 0, 4, 1, 2, 6]), Ok(vec![6]));
        let mut bomb = vec![0x90, 0xa1, 0x0f];
        bomb.extend(std::iter::repeat_n([1, 0], 250_000).flatten());
        assert_eq!(parse(&bomb), Err(Malformed));
    }
}
