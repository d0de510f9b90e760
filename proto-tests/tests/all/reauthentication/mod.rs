//! Sessions that end, and clients that authenticate anew on their connection (KIP-368). What is right and wrong in that is asked of a
//! real broker; what lasts is shown with real clients.

mod clients;
mod ends;
mod in_flight;
mod misuses;

use std::net::SocketAddr;
use std::sync::OnceLock;

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::guarded::{ADMIN, BRIEF_SESSIONS, SESSIONS, session_keys};
use proto_tests::hostile::DEADLINE;
use proto_tests::scram::Hash;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, address, check_eq, wait_for};

use crate::scram::{self, credential};

pub fn trials() -> Vec<Trial> {
    [misuses::trials(), in_flight::trials(), ends::trials(), clients::trials()].into_iter().flatten().collect()
}

/// A user that PLAIN and both hashes know, and one more.
const ALICE: (&str, &str) = ("alice", "alice-secret");
const BOB: (&str, &str) = ("bob", "bob-secret");

/// A doorkeeper before the guarded broker with the same listeners.
fn spec() -> Result<Spec> {
    let mut spec = scram::spec()?;
    for (listener, sessions) in [("SESSIONS", SESSIONS), ("BRIEF", BRIEF_SESSIONS)] {
        spec.listener(listener, "SASL_PLAINTEXT");
        for (key, value) in session_keys(&listener.to_lowercase(), sessions) {
            spec.set(&key, &value);
        }
    }
    Ok(spec.set("authentication.timeout.ms", &DEADLINE.to_string()).take())
}

/// Gives a doorkeeper's metrics an address.
fn with_endpoint(spec: &mut Spec) -> Result<SocketAddr> {
    let host = address::front(spec.number());
    let at = SocketAddr::from((host, address::free_ports(host, 20_000, 1)?));
    spec.set("metrics.listeners", &format!("http://{at}"));
    Ok(at)
}

/// The doorkeeper that trials share, its users known.
fn front() -> Result<&'static Front> {
    static FRONT: OnceLock<Result<Front>> = OnceLock::new();
    let start = || {
        let front = spec()?.start()?;
        know_users(front.sasl())?;
        Ok(front)
    };
    FRONT.get_or_init(start).as_ref().map_err(Clone::clone)
}

/// Gives [`ALICE`] and [`BOB`] credentials of both hashes at that listener, and waits until they work.
fn know_users(at: SocketAddr) -> Result<()> {
    for hash in Hash::BOTH {
        let upsertions = [ALICE, BOB].map(|(user, password)| credential(user, hash, password));
        let mut admin = Conn::login(at, ADMIN.0, ADMIN.1)?;
        let reply = admin.call(0, &requests::alter_scram(vec![], upsertions.to_vec()))?;
        let wrong: Vec<_> = reply.results.iter().filter(|r| r.error_code != 0).collect();
        check_eq!(wrong.len(), 0, "altered: {wrong:?}");
        for (user, password) in [ALICE, BOB] {
            wait_for("the new password to work", std::time::Duration::from_secs(60), || {
                proto_tests::scram::log_in(&mut Conn::open(at)?, hash, user, password)
            })?;
        }
    }
    Ok(())
}
