//! The wire format.
pub mod schema;
