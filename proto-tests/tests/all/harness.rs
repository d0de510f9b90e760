//! The backend itself: what the other trials take for granted.

use libtest_mimic::Trial;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check_eq};

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
    ]
}
