//! SASL: the request gate, the mechanisms and their registry.
//!
//! Success is a value: an exchange is consumed by each step and gives either a challenge with the next state or a
//! [`Proof`]. Nothing else in the program can make a [`Proof`].

mod after;
pub mod gate;
pub mod guesses;
mod mechanism;
pub mod oauthbearer;
pub mod passwords;
pub mod plain;
mod registry;
pub mod scram;
mod shared;

pub use after::late_sasl_answer;
pub use gate::{
    Authenticated, FailureDelays, GateFailure, GateFailureReason, GateRules, Previous, authenticate, reauthenticate,
};
pub use guesses::{Admitted, GuessLimit, Guesser, Guesses, HeldBack};
pub use mechanism::{
    Attributes, AuthnError, BoxFuture, Mechanism, MechanismError, MechanismName, Occasion, Outage, Peer, Proof,
    Rejection, ServerExchange, Step, Verified, made_up_credentials,
};
pub use passwords::{PasswordCheck, Passwords};
pub use registry::{Mechanisms, Registry, RegistryError, SELF_CHECK_TIMEOUT};
pub use shared::{FactoryInput, ScramCredentials, Shared};
