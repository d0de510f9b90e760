//! Accepting connections.

pub mod limits;

pub use limits::{ConnectionLimiter, ConnectionPermit, ListenerLimiter, PerIpLimitReached};
