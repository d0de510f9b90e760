//! DescribeClientQuotas and AlterClientQuotas (KIP-546), version 1, which is flexible: requests are written, responses are read. Only
//! our own tools speak it; the front relays it.

use bytes::{BufMut, BytesMut};

use super::error_code::ErrorCode;
use super::flexible::{nullable_text, put_structures, response, structures, text, words};
use super::header::put_request_header;
use super::put;
use super::reader::{Malformed, Reader};

/// API key of DescribeClientQuotas.
pub const DESCRIBE_CLIENT_QUOTAS: i16 = 48;
/// API key of AlterClientQuotas.
pub const ALTER_CLIENT_QUOTAS: i16 = 49;
/// The version of both that is spoken; every Kafka since 2.8 knows it.
pub const VERSION: i16 = 1;

/// Whom a quota is for: pairs of type (`user`, `client-id`, `ip`) and name, `None` for the default.
pub type Entity = Vec<(String, Option<String>)>;

/// Which names of an entity type are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// This name.
    Exact(String),
    /// The default.
    Default,
    /// Any name, and the default.
    Any,
}

/// What is asked: the entities that have exactly these types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeRequest {
    /// Type and match.
    pub components: Vec<(String, Match)>,
}

/// A DescribeClientQuotas response body.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// In words.
    pub error_message: Option<String>,
    /// The entities and their quotas, in the order in which they came.
    pub entries: Vec<(Entity, Vec<(String, f64)>)>,
}

/// What is to be changed for one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterRequest {
    /// Whose quotas.
    pub entity: Entity,
    /// Names and values, `None` to remove.
    pub operations: Vec<(String, Option<f64>)>,
}

/// An AlterClientQuotas response body: error and words for each entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterResponse {
    /// One for each entity.
    pub results: Vec<(ErrorCode, Option<String>)>,
}

fn read_entity(reader: &mut Reader<'_>) -> Result<Entity, Malformed> {
    structures(reader, 3, |reader| Ok((text(reader)?, nullable_text(reader)?)))
}

impl DescribeRequest {
    /// Appends a whole request frame.
    pub fn put(&self, out: &mut BytesMut, correlation_id: i32, client_id: &str) {
        put::frame(out, |out| {
            put_request_header(out, DESCRIBE_CLIENT_QUOTAS, VERSION, correlation_id, client_id);
            put_structures(out, &self.components, |out, (kind, matched)| {
                put::compact_string(out, kind);
                let (code, name) = match matched {
                    Match::Exact(name) => (0, Some(name.as_str())),
                    Match::Default => (1, None),
                    Match::Any => (2, None),
                };
                out.put_u8(code);
                put::compact_nullable_string(out, name);
            });
            // Strict: no entities that have other types too.
            out.put_u8(1);
            put::no_tags(out);
        });
    }
}

impl DescribeResponse {
    /// Reads a response frame without its size; gives the correlation id too.
    pub fn decode(frame: &[u8]) -> Result<(i32, Self), Malformed> {
        response(frame, |reader| {
            let (error, error_message) = (ErrorCode(reader.i16()?), words(reader)?);
            let entries = structures(reader, 3, |reader| {
                let entity = read_entity(reader)?;
                let value = |reader: &mut Reader<'_>| Ok((text(reader)?, f64::from_bits(reader.i64()? as u64)));
                Ok((entity, structures(reader, 10, value)?))
            })?;
            Ok(Self { error, error_message, entries })
        })
    }
}

impl AlterRequest {
    /// Appends a whole request frame.
    pub fn put(&self, out: &mut BytesMut, correlation_id: i32, client_id: &str) {
        put::frame(out, |out| {
            put_request_header(out, ALTER_CLIENT_QUOTAS, VERSION, correlation_id, client_id);
            put::uvarint(out, 2);
            put_structures(out, &self.entity, |out, (kind, name)| {
                put::compact_string(out, kind);
                put::compact_nullable_string(out, name.as_deref());
            });
            put_structures(out, &self.operations, |out, (key, value)| {
                put::compact_string(out, key);
                out.put_f64(value.unwrap_or_default());
                out.put_u8(value.is_none().into());
            });
            put::no_tags(out);
            // Not only to validate.
            out.put_u8(0);
            put::no_tags(out);
        });
    }
}

impl AlterResponse {
    /// Reads a response frame without its size; gives the correlation id too.
    pub fn decode(frame: &[u8]) -> Result<(i32, Self), Malformed> {
        response(frame, |reader| {
            let results = structures(reader, 5, |reader| {
                let result = (ErrorCode(reader.i16()?), words(reader)?);
                read_entity(reader)?;
                Ok(result)
            })?;
            Ok(Self { results })
        })
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages as codec;
    use kafka_protocol::messages::{alter_client_quotas_response, describe_client_quotas_response};
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    use super::*;
    use crate::wire::header::RequestHeader;

    fn body(frame: &[u8]) -> &[u8] {
        RequestHeader::parse(&frame[4..]).unwrap().1
    }

    /// The codec crate, which is made from Kafka's own definitions, reads what we write.
    #[test]
    fn requests_are_as_kafka_defines_them() {
        let mut out = BytesMut::new();
        let components = [Match::Exact("a,b".to_owned()), Match::Default, Match::Any].map(|m| ("user".to_owned(), m));
        DescribeRequest { components: components.to_vec() }.put(&mut out, 1, "tool");
        let read = codec::DescribeClientQuotasRequest::decode(&mut body(&out), VERSION).unwrap();
        let seen: Vec<(i8, Option<&str>)> =
            read.components.iter().map(|c| (c.match_type, c._match.as_deref())).collect();
        assert_eq!(seen, [(0, Some("a,b")), (1, None), (2, None)]);
        assert!(read.strict);

        let mut out = BytesMut::new();
        let entity = vec![("user".to_owned(), Some("\u{e4}".to_owned())), ("client-id".to_owned(), None)];
        let operations = vec![("producer_byte_rate".to_owned(), Some(1.5)), ("request_percentage".to_owned(), None)];
        AlterRequest { entity, operations }.put(&mut out, 1, "tool");
        let read = codec::AlterClientQuotasRequest::decode(&mut body(&out), VERSION).unwrap();
        let entry = &read.entries[0];
        let seen: Vec<_> = entry.entity.iter().map(|e| (e.entity_type.as_str(), e.entity_name.as_deref())).collect();
        assert_eq!(seen, [("user", Some("\u{e4}")), ("client-id", None)]);
        let seen: Vec<_> = entry.ops.iter().map(|op| (op.key.as_str(), op.value, op.remove)).collect();
        assert_eq!(seen, [("producer_byte_rate", 1.5, false), ("request_percentage", 0.0, true)]);
        assert!(!read.validate_only);
    }

    #[test]
    fn responses_are_as_kafka_defines_them() {
        let entity = describe_client_quotas_response::EntityData::default()
            .with_entity_type(StrBytes::from_static_str("user"))
            .with_entity_name(None);
        let value = describe_client_quotas_response::ValueData::default()
            .with_key(StrBytes::from_static_str("producer_byte_rate"))
            .with_value(0.25);
        let entry =
            describe_client_quotas_response::EntryData::default().with_entity(vec![entity]).with_values(vec![value]);
        let mut out = BytesMut::from(&[0, 0, 0, 9, 0][..]);
        let response = codec::DescribeClientQuotasResponse::default().with_entries(Some(vec![entry]));
        response.encode(&mut out, VERSION).unwrap();
        let (id, read) = DescribeResponse::decode(&out).unwrap();
        assert_eq!(id, 9);
        let want = (vec![("user".to_owned(), None)], vec![("producer_byte_rate".to_owned(), 0.25)]);
        assert_eq!(read.entries, [want]);

        let entry = alter_client_quotas_response::EntryData::default()
            .with_error_code(42)
            .with_error_message(Some(StrBytes::from_static_str("no")));
        let mut out = BytesMut::from(&[0, 0, 0, 9, 0][..]);
        codec::AlterClientQuotasResponse::default().with_entries(vec![entry]).encode(&mut out, VERSION).unwrap();
        let (_, read) = AlterResponse::decode(&out).unwrap();
        assert_eq!(read.results, [(ErrorCode::INVALID_REQUEST, Some("no".to_owned()))]);
    }

    #[test]
    fn hostile_counts_allocate_nothing() {
        let head = [0, 0, 0, 9, 0, 0, 0, 0, 0];
        for count in [&[0xff, 0xff, 0xff, 0xff, 0x07][..], &[0xff, 0xff, 0x7f], &[5, 0], &[]] {
            assert!(DescribeResponse::decode(&[&head, &[0, 0, 0][..], count].concat()).is_err());
            assert!(AlterResponse::decode(&[&head[..], count].concat()).is_err());
        }
    }
}
