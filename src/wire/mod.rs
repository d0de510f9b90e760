//! The Kafka wire: headers, error codes and the few message bodies that the front reads or writes itself.
//!
//! What arrives before authentication is read by our own bounded readers, never by the codec crate: that crate believes
//! array counts and aborts the process on a hostile one. This module is the only one that names it.

pub mod api_versions;
pub mod client_quotas;
pub mod client_software;
pub mod error_code;
mod flexible;
pub mod header;
pub mod metadata;
pub mod metadata_error;
mod put;
mod reader;
pub mod sasl;
pub mod schema;
pub mod scram_admin;

pub use error_code::ErrorCode;
pub use reader::{MAX_TAGS, Malformed, Reader};

/// Bytes of the length prefix of every frame, both ways.
pub const LENGTH_PREFIX: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::api_versions::{ApiVersions, judge_request};
    use super::header::RequestHeader;
    use super::sasl::{
        AuthenticateResponse, decode_authenticate_request, decode_handshake_request, decode_handshake_response,
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// What is read never panics, and what is accepted never reaches beyond what was given.
        #[test]
        fn no_bytes_panic_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in -2..=6i16) {
            if let Ok((header, body)) = RequestHeader::parse(&bytes) {
                prop_assert!(body.len() + header.client_id.map_or(0, <[u8]>::len) + 8 <= bytes.len());
            }
            if let Ok((_, versions)) = ApiVersions::decode(&bytes, version) {
                prop_assert!(versions.keys().len() * 6 <= bytes.len());
                prop_assert!(versions.features().supported.len() * 6 <= bytes.len());
            }
            if let Ok((_, response)) = decode_handshake_response(&bytes) {
                prop_assert!(response.mechanisms.len() * 2 <= bytes.len());
            }
            if let Ok((_, response)) = AuthenticateResponse::decode(&bytes, version) {
                prop_assert!(response.token.len() < bytes.len());
            }
            prop_assert!(decode_handshake_request(version, &bytes).map_or(0, <[u8]>::len) <= bytes.len());
            prop_assert!(decode_authenticate_request(version, &bytes).map_or(0, <[u8]>::len) <= bytes.len());
            let _ = judge_request(version, &bytes);
        }
    }
}
