//! ApiVersions (KIP-35, KIP-511, KIP-584): what the backend offers, what of it the front offers, and the answers.

use std::collections::HashSet;

use bytes::{BufMut, Bytes, BytesMut};

use super::client_software;
use super::error_code::ErrorCode;
use super::header::{api_key, put_request_header, put_response_header};
use super::put;
use super::reader::{Malformed, Reader};

/// Newest ApiVersions version that the front speaks; the oldest is 0. Flexible from 3.
pub const MAX_VERSION: i16 = 4;

const FLEXIBLE_FROM: i16 = 3;
/// From here on, features whose lowest level is 0 may be told (KIP-584).
const ZERO_LEVELS_FROM: i16 = 4;

const SUPPORTED_FEATURES_TAG: u32 = 0;
const FINALIZED_FEATURES_EPOCH_TAG: u32 = 1;
const FINALIZED_FEATURES_TAG: u32 = 2;
const ZK_MIGRATION_READY_TAG: u32 = 3;

/// The versions of one API, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiVersionRange {
    /// The API.
    pub api_key: i16,
    /// Oldest version.
    pub min: i16,
    /// Newest version.
    pub max: i16,
}

/// A feature and a range of its levels: those that are supported, or those that are finalized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// E.g. `metadata.version`.
    pub name: String,
    /// Lowest level.
    pub min: i16,
    /// Highest level.
    pub max: i16,
}

/// The cluster features in an ApiVersions answer (KIP-584); all are tagged fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// What the broker supports.
    pub supported: Vec<Feature>,
    /// -1 where unknown.
    pub finalized_epoch: i64,
    /// What the cluster has settled on.
    pub finalized: Vec<Feature>,
    /// Always false since Kafka 4.0.
    pub zk_migration_ready: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { supported: Vec::new(), finalized_epoch: -1, finalized: Vec::new(), zk_migration_ready: false }
    }
}

/// An ApiVersions answer: what can be asked of a broker. The bodies of all versions are encoded once, here, so that an answer
/// is one copy.
#[derive(Clone, Debug)]
pub struct ApiVersions {
    keys: Vec<ApiVersionRange>,
    features: Features,
    /// By version, 0 to 4.
    bodies: [Bytes; MAX_VERSION as usize + 1],
}

impl ApiVersions {
    /// An answer that lists `keys` in the given order.
    pub fn new(keys: Vec<ApiVersionRange>, features: Features) -> Self {
        let bodies = [0, 1, 2, 3, 4].map(|version| {
            let mut out = BytesMut::new();
            put_body(&mut out, version, ErrorCode::NONE, &keys, &features);
            out.freeze()
        });
        Self { keys, features, bodies }
    }

    /// The APIs and their versions.
    pub fn keys(&self) -> &[ApiVersionRange] {
        &self.keys
    }

    /// The features.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The versions of one API.
    pub fn range(&self, api_key: i16) -> Option<ApiVersionRange> {
        self.keys.iter().copied().find(|range| range.api_key == api_key)
    }

    /// Appends a whole ApiVersions request frame; `version` is 0 to 4.
    pub fn put_request(out: &mut BytesMut, version: i16, correlation_id: i32, client_id: &str, software: (&str, &str)) {
        put::frame(out, |out| {
            put_request_header(out, api_key::API_VERSIONS, version, correlation_id, client_id);
            if version >= FLEXIBLE_FROM {
                put::compact_string(out, software.0);
                put::compact_string(out, software.1);
                put::no_tags(out);
            }
        });
    }

    /// Reads the body of a backend's ApiVersions response (after the correlation id) of `version` 0 to 4; gives its error code
    /// and what it lists. Counts are checked against the bytes that are left; unknown tagged fields are skipped; a key that is
    /// listed twice is malformed.
    pub fn decode(body: &[u8], version: i16) -> Result<(ErrorCode, Self), Malformed> {
        let flexible = match version {
            0..FLEXIBLE_FROM => false,
            FLEXIBLE_FROM..=MAX_VERSION => true,
            _ => return Err(Malformed),
        };
        let mut reader = Reader::new(body);
        let error = ErrorCode(reader.i16()?);
        let count = if flexible { reader.compact_array_count(7)? } else { reader.array_count(6)? };
        let mut keys = Vec::with_capacity(count.min(256));
        let mut seen = HashSet::new();
        for _ in 0..count {
            let range = ApiVersionRange { api_key: reader.i16()?, min: reader.i16()?, max: reader.i16()? };
            if flexible {
                reader.skip_tags()?;
            }
            if !seen.insert(range.api_key) {
                return Err(Malformed);
            }
            keys.push(range);
        }
        if version >= 1 {
            reader.i32()?; // throttle_time_ms
        }
        let mut features = Features::default();
        if flexible {
            reader.tags(|tag, bytes| {
                let mut field = Reader::new(bytes);
                match tag {
                    // Both are (name, min, max) on the wire, but the finalized ones stand max first.
                    SUPPORTED_FEATURES_TAG => features.supported = read_features(&mut field, |a, b| (a, b))?,
                    FINALIZED_FEATURES_EPOCH_TAG => features.finalized_epoch = field.i64()?,
                    FINALIZED_FEATURES_TAG => features.finalized = read_features(&mut field, |a, b| (b, a))?,
                    ZK_MIGRATION_READY_TAG => features.zk_migration_ready = field.u8()? != 0,
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok((error, Self::new(keys, features)))
    }

    /// What both this answer and `table` have: a key that `table` does not have, or has in other versions only, is dropped.
    pub fn intersect(&self, table: impl Fn(i16) -> Option<(i16, i16)>) -> Self {
        let common = |range: &ApiVersionRange| {
            let (min, max) = table(range.api_key)?;
            let (min, max) = (min.max(range.min), max.min(range.max));
            (min <= max).then_some(ApiVersionRange { api_key: range.api_key, min, max })
        };
        Self::new(self.keys.iter().filter_map(common).collect(), self.features.clone())
    }

    /// Appends the whole response frame, length prefix included; an unsupported `version` gets the answer of
    /// [`put_unsupported_version`].
    pub fn put_response(&self, out: &mut BytesMut, version: i16, correlation_id: i32) {
        match usize::try_from(version).ok().and_then(|version| self.bodies.get(version)) {
            Some(body) => {
                out.reserve(8 + body.len());
                out.put_u32(4 + body.len() as u32);
                out.put_i32(correlation_id);
                out.put_slice(body);
            }
            None => put_unsupported_version(out, correlation_id),
        }
    }

    /// As [`ApiVersions::put_response`], alone.
    pub fn encode_response(&self, version: i16, correlation_id: i32) -> Bytes {
        let mut out = BytesMut::new();
        self.put_response(&mut out, version, correlation_id);
        out.freeze()
    }
}

/// Appends a whole response frame with `error` and no keys, in the schema of `version`, or of v0 where that is unsupported.
pub fn put_error(out: &mut BytesMut, version: i16, correlation_id: i32, error: ErrorCode) {
    put_whole(out, supported(version).unwrap_or(0), correlation_id, error, &[]);
}

/// Appends the answer to a version that we do not have (KIP-511): a v0 body, error 35, and the one entry that tells the
/// client which versions of ApiVersions it may ask with.
pub fn put_unsupported_version(out: &mut BytesMut, correlation_id: i32) {
    let entry = ApiVersionRange { api_key: api_key::API_VERSIONS, min: 0, max: MAX_VERSION };
    put_whole(out, 0, correlation_id, ErrorCode::UNSUPPORTED_VERSION, &[entry]);
}

fn put_whole(out: &mut BytesMut, version: i16, correlation_id: i32, error: ErrorCode, keys: &[ApiVersionRange]) {
    put::frame(out, |out| {
        put_response_header(out, api_key::API_VERSIONS, version, correlation_id);
        put_body(out, version, error, keys, &Features::default());
    });
}

/// What an ApiVersions request comes to before anything is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    /// Answer it.
    Good,
    /// Answer it with [`put_unsupported_version`].
    UnsupportedVersion,
    /// Answer it with [`ErrorCode::INVALID_REQUEST`]: the client's name or version is illegal.
    InvalidRequest,
}

/// Judges an ApiVersions request by version and body; the body of an unsupported version is not read.
pub fn judge_request(version: i16, body: &[u8]) -> Result<RequestVerdict, Malformed> {
    let Some(version) = supported(version) else { return Ok(RequestVerdict::UnsupportedVersion) };
    if version < FLEXIBLE_FROM {
        return Ok(RequestVerdict::Good);
    }
    let mut reader = Reader::new(body);
    let name = reader.compact_string()?;
    let software_version = reader.compact_string()?;
    reader.skip_tags()?;
    let legal = client_software::is_legal(name) && client_software::is_legal(software_version);
    Ok(if legal { RequestVerdict::Good } else { RequestVerdict::InvalidRequest })
}

fn supported(version: i16) -> Option<i16> {
    (0..=MAX_VERSION).contains(&version).then_some(version)
}

fn read_features(field: &mut Reader<'_>, order: fn(i16, i16) -> (i16, i16)) -> Result<Vec<Feature>, Malformed> {
    let count = field.compact_array_count(6)?;
    let mut features = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let name = std::str::from_utf8(field.compact_string()?).map_err(|_| Malformed)?.to_owned();
        let (min, max) = order(field.i16()?, field.i16()?);
        field.skip_tags()?;
        features.push(Feature { name, min, max });
    }
    Ok(features)
}

fn put_body(out: &mut BytesMut, version: i16, error: ErrorCode, keys: &[ApiVersionRange], features: &Features) {
    let flexible = version >= FLEXIBLE_FROM;
    out.put_i16(error.0);
    if flexible {
        put::uvarint(out, keys.len() as u32 + 1);
    } else {
        out.put_i32(keys.len() as i32);
    }
    for range in keys {
        out.put_i16(range.api_key);
        out.put_i16(range.min);
        out.put_i16(range.max);
        if flexible {
            put::no_tags(out);
        }
    }
    if version >= 1 {
        out.put_i32(0); // throttle_time_ms
    }
    if flexible {
        put_features(out, version, features);
    }
}

/// The tagged fields, each left out at its default.
fn put_features(out: &mut BytesMut, version: i16, features: &Features) {
    let told = |feature: &&Feature| feature.min > 0 || version >= ZERO_LEVELS_FROM;
    let supported: Vec<&Feature> = features.supported.iter().filter(told).collect();
    let mut fields: Vec<(u32, BytesMut)> = Vec::new();
    if !supported.is_empty() {
        fields.push((SUPPORTED_FEATURES_TAG, feature_array(&supported, |f| (f.min, f.max))));
    }
    if features.finalized_epoch != -1 {
        fields.push((FINALIZED_FEATURES_EPOCH_TAG, features.finalized_epoch.to_be_bytes()[..].into()));
    }
    if !features.finalized.is_empty() {
        let finalized: Vec<&Feature> = features.finalized.iter().collect();
        fields.push((FINALIZED_FEATURES_TAG, feature_array(&finalized, |f| (f.max, f.min))));
    }
    if features.zk_migration_ready {
        fields.push((ZK_MIGRATION_READY_TAG, [1][..].into()));
    }
    put::uvarint(out, fields.len() as u32);
    for (tag, bytes) in fields {
        put::uvarint(out, tag);
        put::uvarint(out, bytes.len() as u32);
        out.put_slice(&bytes);
    }
}

fn feature_array(features: &[&Feature], order: fn(&Feature) -> (i16, i16)) -> BytesMut {
    let mut out = BytesMut::new();
    put::uvarint(&mut out, features.len() as u32 + 1);
    for feature in features {
        let (first, second) = order(feature);
        put::compact_string(&mut out, &feature.name);
        out.put_i16(first);
        out.put_i16(second);
        put::no_tags(&mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
    use kafka_protocol::protocol::Decodable;

    use super::super::header::RequestHeader;
    use super::*;

    fn feature(name: &str, min: i16, max: i16) -> Feature {
        Feature { name: name.to_owned(), min, max }
    }

    fn sample() -> ApiVersions {
        let range = |(api_key, min, max)| ApiVersionRange { api_key, min, max };
        let features = Features {
            supported: vec![feature("kraft.version", 0, 1), feature("metadata.version", 7, 29)],
            finalized_epoch: 42,
            finalized: vec![feature("metadata.version", 29, 29)],
            zk_migration_ready: false,
        };
        ApiVersions::new([(0, 0, 13), (3, 0, 13), (18, 0, 4)].map(range).to_vec(), features)
    }

    #[test]
    fn answers_agree_with_the_codec_crate_and_with_our_decoder() {
        for version in 0..=MAX_VERSION {
            let frame = sample().encode_response(version, 77);
            assert_eq!(frame.len(), 4 + u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize);
            assert_eq!(frame[4..8], [0, 0, 0, 77]);
            let (error, ours) = ApiVersions::decode(&frame[8..], version).expect("decode");
            assert_eq!((error, ours.keys()), (ErrorCode::NONE, sample().keys()));
            let mut body = frame.slice(8..);
            let theirs = ApiVersionsResponse::decode(&mut body, version).expect("decode");
            assert!(!body.has_remaining());
            let listed: Vec<_> = theirs.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
            assert_eq!(listed, [(0, 0, 13), (3, 0, 13), (18, 0, 4)]);
            let supported: Vec<_> = theirs.supported_features.iter().map(|f| f.name.as_str()).collect();
            let expected: &[&str] = match version {
                4 => &["kraft.version", "metadata.version"],
                3 => &["metadata.version"],
                _ => &[],
            };
            assert_eq!(supported, expected);
            let finalized: Vec<_> = theirs
                .finalized_features
                .iter()
                .map(|f| (f.name.as_str(), f.min_version_level, f.max_version_level))
                .collect();
            if version >= 3 {
                assert_eq!((theirs.finalized_features_epoch, finalized), (42, vec![("metadata.version", 29, 29)]));
                assert_eq!(ours.features().finalized, sample().features().finalized);
            }
            if version == 4 {
                assert_eq!(ours.features(), sample().features());
            }
        }
    }

    #[test]
    fn finalized_levels_stand_max_first_on_the_wire() {
        let features = Features { finalized: vec![feature("f", 1, 2)], ..Features::default() };
        let frame = ApiVersions::new(Vec::new(), features).encode_response(3, 1);
        // One tagged field, number 2, 8 bytes: one entry "f", max 2, min 1, no tags.
        assert_eq!(frame[8..], [0, 0, 1, 0, 0, 0, 0, 1, 2, 8, 2, 2, b'f', 0, 2, 0, 1, 0]);
    }

    #[test]
    fn the_unsupported_version_answer_is_v0_with_one_entry() {
        let expected = [0, 0, 0, 16, 0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        for version in [-1, 5, 99, i16::MAX] {
            assert_eq!(sample().encode_response(version, 5)[..], expected);
        }
    }

    #[test]
    fn error_answers_list_no_keys() {
        let error = |version| {
            let mut out = BytesMut::new();
            put_error(&mut out, version, 5, ErrorCode::INVALID_REQUEST);
            out[8..].to_vec()
        };
        assert_eq!(error(0), [0, 42, 0, 0, 0, 0]);
        assert_eq!(error(2), [0, 42, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(error(4), [0, 42, 1, 0, 0, 0, 0, 0]);
        assert_eq!(error(99), [0, 42, 0, 0, 0, 0]);
    }

    #[test]
    fn intersect_drops_what_the_table_does_not_have() {
        let table = |key| match key {
            3 => Some((9, 12)),
            18 => Some((5, 6)),
            99 => Some((0, 1)),
            _ => None,
        };
        let both = sample().intersect(table);
        assert_eq!(both.keys(), [ApiVersionRange { api_key: 3, min: 9, max: 12 }]);
        assert_eq!(both.range(3).map(|r| r.max), Some(12));
        assert_eq!(both.range(0), None);
        assert_eq!(both.features(), sample().features());
    }

    #[test]
    fn requests_are_judged_by_version_and_client_software() {
        for version in 0..=MAX_VERSION {
            let mut out = BytesMut::new();
            ApiVersions::put_request(&mut out, version, 1, "c", ("doorkeeper", "0.1"));
            let (_, body) = RequestHeader::parse(&out[4..]).expect("header");
            assert_eq!(judge_request(version, body), Ok(RequestVerdict::Good));
            let mut theirs = Bytes::copy_from_slice(body);
            assert!(ApiVersionsRequest::decode(&mut theirs, version).is_ok());
            assert!(theirs.is_empty());
        }
        for version in [-1, 5, 99] {
            assert_eq!(judge_request(version, &[0xff; 9]), Ok(RequestVerdict::UnsupportedVersion));
        }
        // H-050, H-052.
        assert_eq!(judge_request(3, &[4, b'a', b' ', b'b', 2, b'1', 0]), Ok(RequestVerdict::InvalidRequest));
        assert_eq!(judge_request(3, &[2, b'a', 1, 0]), Ok(RequestVerdict::InvalidRequest));
        assert_eq!(judge_request(3, &[0, 2, b'1', 0]), Err(Malformed));
        assert_eq!(judge_request(3, &[2, b'a', 2, b'1']), Err(Malformed));
        assert_eq!(judge_request(3, &[]), Err(Malformed));
    }

    #[test]
    fn hostile_counts_are_malformed_without_allocation() {
        assert!(ApiVersions::decode(&[0, 0, 0x7f, 0xff, 0xff, 0xff], 0).is_err());
        assert!(ApiVersions::decode(&[0, 0, 0xff, 0xff, 0xff, 0xff, 0x07], 3).is_err());
        // A feature array that claims more than its tag holds.
        let body = [0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x07];
        assert!(ApiVersions::decode(&body, 3).is_err());
        // The same key twice.
        assert!(ApiVersions::decode(&[0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0, 0, 9], 0).is_err());
        assert!(ApiVersions::decode(&[0, 0, 0, 0, 0, 0], 5).is_err());
    }

    #[test]
    fn unknown_tags_are_skipped() {
        let body = [0, 0, 2, 0, 3, 0, 1, 0, 2, 1, 99, 1, 7, 0, 0, 0, 0, 1, 50, 2, 8, 9];
        let (_, decoded) = ApiVersions::decode(&body, 3).expect("decode");
        assert_eq!(decoded.keys(), [ApiVersionRange { api_key: 3, min: 1, max: 2 }]);
    }
}
