use super::*;

mod corpus;
mod properties;
mod vectors;

/// A client's nonce and a server's, as of RFC 7677 §3.
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

fn nonce(text: &str) -> Nonce {
    Nonce::new(text).unwrap()
}

/// The credential of "pencil".
fn credential(mechanism: ScramMechanism) -> ScramCredential {
    ScramCredential::from_password(mechanism, b"pencil", b"salt", 4096).unwrap()
}

/// Keys of a client with the password "pencil" for [`credential`].
fn keys(mechanism: ScramMechanism) -> client::ClientKeys {
    client::ClientKeys::derive(mechanism, b"pencil", b"salt", std::num::NonZeroU32::new(4096).unwrap())
}
