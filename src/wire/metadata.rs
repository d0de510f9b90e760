//! The Metadata request by which the front itself learns the brokers of its backend.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{MetadataResponse, ResponseHeader};
use kafka_protocol::protocol::Decodable;

use super::schema::{self, Direction, State, Walker};
use super::{Malformed, header, put};

/// The first version with a cluster id (KIP-78); every Kafka since 0.10.1 knows it.
const VERSION: i16 = 2;

/// What the front wants to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Empty where the backend tells none.
    pub cluster_id: String,
    /// Node id, host and port of each live broker.
    pub brokers: Vec<(i32, String, u16)>,
}

/// Appends a whole Metadata request of no topics.
pub fn put_request(out: &mut BytesMut, correlation_id: i32, client_id: &str) {
    put::frame(out, |out| {
        header::put_request_header(out, header::api_key::METADATA, VERSION, correlation_id, client_id);
        out.put_i32(0);
    });
}

/// Reads the response to [`put_request`], a frame without its size. The codec sees it only after the walker has held each
/// count against the bytes that there are: by itself it believes them.
pub fn decode_response(mut frame: Bytes) -> Result<Metadata, Malformed> {
    let message = schema::message(header::api_key::METADATA, Direction::Response).ok_or(Malformed)?;
    let program = message.compile(VERSION, &[("Topics", 1)], None);
    let walked = Walker::new(&program, frame.len() as u32).advance(&frame, &mut ()).map_err(|_| Malformed)?;
    if walked.state != State::Done {
        return Err(Malformed);
    }
    ResponseHeader::decode(&mut frame, 0).map_err(|_| Malformed)?;
    let response = MetadataResponse::decode(&mut frame, VERSION).map_err(|_| Malformed)?;
    let broker = |broker: &kafka_protocol::messages::metadata_response::MetadataResponseBroker| {
        Some((broker.node_id.0, broker.host.to_string(), u16::try_from(broker.port).ok()?))
    };
    let brokers = response.brokers.iter().filter_map(broker).collect();
    Ok(Metadata { cluster_id: response.cluster_id.map(|id| id.to_string()).unwrap_or_default(), brokers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_count_is_refused_before_the_codec_sees_it() {
        for body in [&[0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff][..], &[0; 8], &[0; 3]] {
            assert_eq!(decode_response(Bytes::copy_from_slice(body)), Err(Malformed));
        }
    }
}
