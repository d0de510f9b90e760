//! Listeners: binding, limits, the PROXY protocol, and the addresses that clients are told.

mod addresses;
mod bind;
pub mod limits;
pub mod proxy_protocol;

pub use addresses::{Addresses, Target};
pub use bind::{BindError, Port, bind};
pub use limits::{AddressLimitReached, ConnectionLimiter, ConnectionPermit, ListenerLimiter, ListenerLimits};
