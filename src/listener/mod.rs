//! Listeners: binding, limits and the addresses that clients are told.

mod addresses;
mod bind;
pub mod limits;

pub use addresses::{Addresses, Target};
pub use bind::{BindError, Port, bind};
pub use limits::{ConnectionLimiter, ConnectionPermit, ListenerLimiter, PerIpLimitReached};
