//! The backend itself: what the other trials take for granted.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::scram::{Client, Mechanism};
use proto_tests::wire::scram::{Login, alter, upsertion};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check_eq, wait_for};

use crate::steady;

pub fn trials() -> Vec<Trial> {
    vec![
        steady("backend::advertises_its_own_addresses", |cluster| {
            for (listener, login) in [(0, false), (1, true)] {
                for broker in &cluster.brokers {
                    let at = [broker.plain, broker.sasl][listener];
                    let mut conn = if login { Conn::login(at, "alice", "alice-secret")? } else { Conn::open(at)? };
                    let seen = conn.call(12, &requests::metadata(&[]))?;
                    let mut nodes: Vec<_> =
                        seen.brokers.iter().map(|b| (b.node_id.0, format!("{}:{}", b.host, b.port))).collect();
                    nodes.sort();
                    let want: Vec<_> =
                        cluster.brokers.iter().map(|b| (b.id, [b.plain, b.sasl][listener].to_string())).collect();
                    check_eq!(nodes, want, "addresses at listener {listener}");
                }
            }
            Ok(())
        }),
        steady("backend::refuses_a_wrong_password", |cluster| {
            let said: Result<Conn> = Conn::login(cluster.brokers[0].sasl, "alice", "wrong");
            let said = said.err().unwrap_or_default();
            check_eq!(said.contains("Authentication failed: Invalid username or password"), true, "{said}");
            Ok(())
        }),
        steady("backend::scram_client_is_understood", scram),
    ]
}

/// The harness's own SCRAM client, and its requests, at a real broker; and what that broker says of wrong ones.
fn scram(cluster: &Cluster) -> Result<()> {
    let at = &cluster.brokers[0];
    let mut admin = Conn::open(at.plain)?;
    for mechanism in Mechanism::ALL {
        let user = format!("scram, of = {}", mechanism.name());
        let salted = mechanism.salted(b"pencil", b"salt", 5000);
        let seen = admin.alter_scram(&alter(vec![], vec![upsertion(&user, mechanism, 5000, b"salt", &salted)]))?;
        check_eq!(seen, [(user.clone(), 0, String::new())], "creation of {user}");
        let login =
            |user: &str, password: &str| Conn::open(at.scram)?.scram(&Client::with_password(mechanism, user, password));
        wait_for("the broker to know the user", Duration::from_secs(30), || {
            check_eq!(login(&user, "pencil")?, Login::Accepted, "login of {user}");
            Ok(())
        })?;
        let told = admin.describe_scram(&[&user])?;
        let told: Vec<_> = told[0].credential_infos.iter().map(|i| (i.mechanism, i.iterations)).collect();
        check_eq!(told, [(mechanism.code(), 5000)], "what is told of {user}");
        let message = format!(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism {}",
            mechanism.name()
        );
        let refused = |round| Login::Refused { round, code: 58, message: message.clone() };
        check_eq!(login(&user, "pencil ")?, refused(2), "a wrong password");
        // Here Kafka tells that there is no such user.
        check_eq!(login("nobody", "pencil")?, refused(1), "an unknown user");
    }
    Ok(())
}
