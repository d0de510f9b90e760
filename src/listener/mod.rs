//! Listeners: binding, accepting, limits and the addresses that clients are told.

pub(crate) mod accept;
mod addresses;
mod bind;
pub mod limits;

pub use addresses::Addresses;
pub use bind::{BindError, Port, bind};
pub use limits::{ConnectionLimiter, ConnectionPermit, ListenerLimiter, PerIpLimitReached};
