//! The Kafka wire: headers, error codes and the few message bodies that the front reads or writes itself.
//!
//! What arrives before authentication is read by our own bounded readers, never by the codec crate: that crate believes
//! array counts and aborts the process on a hostile one. This module is the only one that names it.

pub mod api_versions;
pub mod client_software;
pub mod error_code;
pub mod header;
pub mod metadata;
pub mod metadata_error;
mod put;
mod reader;
pub mod sasl;
pub mod schema;

pub use error_code::ErrorCode;
pub use reader::{Malformed, Reader};

/// Bytes of the length prefix of every frame, both ways.
pub const LENGTH_PREFIX: usize = 4;
