//! DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554), version 0, which is flexible: bodies both ways.
//!
//! The front reads the requests and writes the responses, our own tools the other way round. The mechanisms are Kafka's codes: 1 is
//! SCRAM-SHA-256, 2 is SCRAM-SHA-512.

use bytes::{BufMut, BytesMut};

use super::error_code::ErrorCode;
use super::flexible::{put_structures, response, structures, text, words};
use super::header::{api_key, put_request_header, put_response_header};
use super::put;
use super::reader::{Malformed, Reader};
use crate::secret::Secret;

/// The only version of both.
pub const VERSION: i16 = 0;

/// A DescribeUserScramCredentials request body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeRequest {
    /// The users to describe; none means all.
    pub users: Vec<String>,
}

/// A DescribeUserScramCredentials response body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeResponse {
    /// What went wrong as a whole.
    pub error: ErrorCode,
    /// In words.
    pub error_message: Option<String>,
    /// One for each user.
    pub results: Vec<Described>,
}

/// What is told of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The name.
    pub user: String,
    /// What went wrong with this user.
    pub error: ErrorCode,
    /// In words.
    pub error_message: Option<String>,
    /// Code of the mechanism, and iterations.
    pub credentials: Vec<(i8, i32)>,
}

/// An AlterUserScramCredentials request body.
#[derive(Clone, Debug, Default)]
pub struct AlterRequest {
    /// Credentials to remove.
    pub deletions: Vec<Deletion>,
    /// Credentials to set.
    pub upsertions: Vec<Upsertion>,
}

/// A credential to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The user.
    pub user: String,
    /// The mechanism's code, as it came.
    pub mechanism: i8,
}

/// A credential to set.
#[derive(Clone, Debug)]
pub struct Upsertion {
    /// The user.
    pub user: String,
    /// The mechanism's code, as it came.
    pub mechanism: i8,
    /// As it came.
    pub iterations: i32,
    /// As it came.
    pub salt: Vec<u8>,
    /// As good as the password.
    pub salted_password: Secret,
}

/// An AlterUserScramCredentials response body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterResponse {
    /// One for each user.
    pub results: Vec<Altered>,
}

/// What became of one user's alterations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Altered {
    /// The name.
    pub user: String,
    /// [`ErrorCode::NONE`] if all of them were made.
    pub error: ErrorCode,
    /// In words.
    pub error_message: Option<String>,
}

impl DescribeRequest {
    /// Reads a request body. A name that is not UTF-8 is malformed. Bytes behind the body are ignored, as in Kafka.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let users = structures(&mut reader, 2, text)?;
        reader.skip_tags()?;
        Ok(Self { users })
    }

    /// Appends a whole request frame.
    pub fn put(&self, out: &mut BytesMut, correlation_id: i32, client_id: &str) {
        put::frame(out, |out| {
            put_request_header(out, api_key::DESCRIBE_USER_SCRAM_CREDENTIALS, VERSION, correlation_id, client_id);
            match &self.users[..] {
                // Null means all, as the Java client sends it.
                [] => put::uvarint(out, 0),
                users => put_structures(out, users, |out, user| put::compact_string(out, user)),
            }
            put::no_tags(out);
        });
    }
}

impl DescribeResponse {
    /// Reads a response frame without its size; gives the correlation id too.
    pub fn decode(frame: &[u8]) -> Result<(i32, Self), Malformed> {
        response(frame, |reader| {
            let (error, error_message) = (ErrorCode(reader.i16()?), words(reader)?);
            Ok(Self { error, error_message, results: structures(reader, 6, Described::decode)? })
        })
    }

    /// Appends a whole response frame.
    pub fn put(&self, out: &mut BytesMut, correlation_id: i32) {
        put::frame(out, |out| {
            put_response_header(out, api_key::DESCRIBE_USER_SCRAM_CREDENTIALS, VERSION, correlation_id);
            out.put_i32(0);
            out.put_i16(self.error.0);
            put::compact_nullable_string(out, self.error_message.as_deref());
            put_structures(out, &self.results, |out, result| result.put(out));
            put::no_tags(out);
        });
    }
}

impl Described {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let user = text(reader)?;
        let (error, error_message) = (ErrorCode(reader.i16()?), words(reader)?);
        let credentials = structures(reader, 6, |reader| Ok((reader.u8()? as i8, reader.i32()?)))?;
        Ok(Self { user, error, error_message, credentials })
    }

    fn put(&self, out: &mut BytesMut) {
        put::compact_string(out, &self.user);
        out.put_i16(self.error.0);
        put::compact_nullable_string(out, self.error_message.as_deref());
        put_structures(out, &self.credentials, |out, (mechanism, iterations)| {
            out.put_i8(*mechanism);
            out.put_i32(*iterations);
        });
    }
}

impl AlterRequest {
    /// Reads a request body. A name that is not UTF-8 is malformed. Bytes behind the body are ignored, as in Kafka.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let deletions =
            structures(&mut reader, 3, |reader| Ok(Deletion { user: text(reader)?, mechanism: reader.u8()? as i8 }))?;
        let upsertions = structures(&mut reader, 9, |reader| {
            let (user, mechanism, iterations) = (text(reader)?, reader.u8()? as i8, reader.i32()?);
            let salt = reader.compact_nullable_bytes()?.ok_or(Malformed)?.to_vec();
            let salted_password = Secret::new(reader.compact_nullable_bytes()?.ok_or(Malformed)?);
            Ok(Upsertion { user, mechanism, iterations, salt, salted_password })
        })?;
        reader.skip_tags()?;
        Ok(Self { deletions, upsertions })
    }

    /// Appends a whole request frame. It holds SaltedPasswords: wipe it when it is sent.
    pub fn put(&self, out: &mut BytesMut, correlation_id: i32, client_id: &str) {
        put::frame(out, |out| {
            put_request_header(out, api_key::ALTER_USER_SCRAM_CREDENTIALS, VERSION, correlation_id, client_id);
            put_structures(out, &self.deletions, |out, deletion| {
                put::compact_string(out, &deletion.user);
                out.put_i8(deletion.mechanism);
            });
            put_structures(out, &self.upsertions, |out, upsertion| {
                put::compact_string(out, &upsertion.user);
                out.put_i8(upsertion.mechanism);
                out.put_i32(upsertion.iterations);
                put::compact_bytes(out, &upsertion.salt);
                put::compact_bytes(out, upsertion.salted_password.expose());
            });
            put::no_tags(out);
        });
    }
}

impl AlterResponse {
    /// Reads a response frame without its size; gives the correlation id too.
    pub fn decode(frame: &[u8]) -> Result<(i32, Self), Malformed> {
        response(frame, |reader| {
            let results = structures(reader, 5, |reader| {
                Ok(Altered { user: text(reader)?, error: ErrorCode(reader.i16()?), error_message: words(reader)? })
            })?;
            Ok(Self { results })
        })
    }

    /// Appends a whole response frame.
    pub fn put(&self, out: &mut BytesMut, correlation_id: i32) {
        put::frame(out, |out| {
            put_response_header(out, api_key::ALTER_USER_SCRAM_CREDENTIALS, VERSION, correlation_id);
            out.put_i32(0);
            put_structures(out, &self.results, |out, result| {
                put::compact_string(out, &result.user);
                out.put_i16(result.error.0);
                put::compact_nullable_string(out, result.error_message.as_deref());
            });
            put::no_tags(out);
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::messages as codec;
    use kafka_protocol::protocol::{Decodable, Encodable};

    use super::*;
    use crate::wire::header::RequestHeader;

    fn body(mut frame: BytesMut) -> Vec<u8> {
        frame.advance(4);
        RequestHeader::parse(&frame).unwrap().1.to_vec()
    }

    /// The codec crate, which is made from Kafka's own definitions, reads what we write and the other way round.
    #[test]
    fn requests_are_as_kafka_defines_them() {
        let upsertion = Upsertion {
            user: "alice".into(),
            mechanism: 2,
            iterations: 8192,
            salt: b"salt".to_vec(),
            salted_password: Secret::new([5; 64]),
        };
        let deletion = Deletion { user: "bob, b\u{e4}r".into(), mechanism: 1 };
        let request = AlterRequest { deletions: vec![deletion.clone()], upsertions: vec![upsertion] };
        let mut out = BytesMut::new();
        request.put(&mut out, 7, "tool");
        let bytes = body(out);
        let read = codec::AlterUserScramCredentialsRequest::decode(&mut &bytes[..], VERSION).unwrap();
        assert_eq!((read.deletions[0].name.as_str(), read.deletions[0].mechanism), ("bob, b\u{e4}r", 1));
        assert_eq!((read.upsertions[0].iterations, &read.upsertions[0].salted_password[..]), (8192, &[5u8; 64][..]));
        let mut written = BytesMut::new();
        read.encode(&mut written, VERSION).unwrap();
        let again = AlterRequest::decode(&written).unwrap();
        assert_eq!(again.deletions, [deletion]);
        assert!(again.upsertions[0].salted_password.matches(&[5; 64]));

        for users in [vec![], vec!["a".to_owned(), "b=,".to_owned()]] {
            let mut out = BytesMut::new();
            DescribeRequest { users: users.clone() }.put(&mut out, 7, "tool");
            let bytes = body(out);
            let read = codec::DescribeUserScramCredentialsRequest::decode(&mut &bytes[..], VERSION).unwrap();
            assert_eq!(read.users.as_ref().map_or(0, Vec::len), users.len());
            assert_eq!(DescribeRequest::decode(&bytes).unwrap().users, users);
        }
        for users in [&[0u8, 0][..], &[1, 0]] {
            assert_eq!(DescribeRequest::decode(users), Ok(DescribeRequest::default()));
        }
    }

    #[test]
    fn responses_are_as_kafka_defines_them() {
        let described = Described {
            user: "alice".into(),
            error: ErrorCode::RESOURCE_NOT_FOUND,
            error_message: Some("no".into()),
            credentials: vec![(1, 4096), (2, 8192)],
        };
        let response = DescribeResponse { error: ErrorCode::NONE, error_message: None, results: vec![described] };
        let mut out = BytesMut::new();
        response.put(&mut out, 9);
        assert_eq!(DescribeResponse::decode(&out[4..]), Ok((9, response)));
        let read = codec::DescribeUserScramCredentialsResponse::decode(&mut &out[9..], VERSION).unwrap();
        assert_eq!(read.results[0].credential_infos[1].iterations, 8192);

        let altered = Altered { user: "bob".into(), error: ErrorCode::NONE, error_message: None };
        let response = AlterResponse { results: vec![altered] };
        let mut out = BytesMut::new();
        response.put(&mut out, 9);
        assert_eq!(AlterResponse::decode(&out[4..]), Ok((9, response)));
        let read = codec::AlterUserScramCredentialsResponse::decode(&mut &out[9..], VERSION).unwrap();
        assert_eq!(read.results[0].user.as_str(), "bob");
    }

    #[test]
    fn hostile_counts_allocate_nothing() {
        for bytes in [&[0xff, 0xff, 0xff, 0xff, 0x07][..], &[0x80, 0x80, 0x40, 0, 0], &[2, 0xff, 0x7f]] {
            assert!(AlterRequest::decode(bytes).is_err());
            assert!(DescribeRequest::decode(bytes).is_err());
        }
    }
}
