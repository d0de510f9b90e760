//! doorkeeper: a Kafka-compatible authenticating front.
//!
//! The modules stand in the order in which the bytes of a connection travel:
//! `listener → tls → sasl → principal/session → relay → backend`, with `wire`, `config` and `observe` beside it.
//! `connection` tells the whole story of one connection on one screen; `server` builds the parts and runs them.

mod connection;
pub mod server;

pub mod listener;

pub mod tls;

pub mod sasl;

pub mod principal;
pub mod session;

pub mod relay;

pub mod backend;

pub mod admin;
pub mod config;
pub mod explain;
pub mod explain_token;
pub mod foreign;
pub mod issuer;
pub mod jwt;
pub mod kafka_metadata;
pub mod observe;
pub mod scram;
pub mod secret;
mod socket;
mod stock;
pub mod store;
pub mod tools;
mod transport;
pub mod wire;

#[cfg(test)]
mod layers_tests;
