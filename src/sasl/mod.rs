//! SASL: the request gate, the mechanisms and their registry.
//!
//! Success is a value: an exchange is consumed by each step and gives either a challenge with the next state or a
//! [`Proof`]. Nothing else in the program can make a [`Proof`].

mod mechanism;

pub use mechanism::{
    AuthnError, BoxFuture, Mechanism, MechanismName, Outage, Peer, Proof, Rejection, ServerExchange, Step, Verified,
};
