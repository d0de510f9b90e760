//! doorkeeper: a Kafka-compatible authenticating front.
//!
//! The modules stand in the order in which the bytes of a connection travel:
//! `listener → (tls) → sasl → principal/session → relay → backend`, with `wire`, `config` and `observe` beside it.
//! `connection` tells the whole story of one connection on one screen; `server` builds the parts and runs them.

pub mod listener;
pub mod principal;
pub mod sasl;
pub mod session;

pub mod config;
pub mod secret;
pub mod wire;
