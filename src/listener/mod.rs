//! Listeners: binding, accepting, limits and the addresses that clients are told.

mod addresses;

pub use addresses::Addresses;
