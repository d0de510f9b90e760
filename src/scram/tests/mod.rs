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

#[test]
fn a_folded_password_is_the_same_password() {
    for mechanism in ScramMechanism::ALL {
        for len in [0, 1, 63, 64, 65, 127, 128, 129, 16_384] {
            let password = vec![b'p'; len];
            let credential = ScramCredential::from_password(mechanism, &password, b"salt", 4096).unwrap();
            let folded = mechanism.fold(&password);
            assert!(folded.expose().len() <= 128);
            assert!(credential.is_of(mechanism, folded.expose()), "{mechanism} {len}");
        }
    }
}
