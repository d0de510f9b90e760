//! The scenarios of `java/`, straight to Kafka and through doorkeeper: what a client sees must be the same, but for addresses.
//! Each scenario is a trial; the first that is asked for runs them all.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::programs::{Side, scenario_names, scenarios};
use proto_tests::{Context, Result, address, check};

use crate::shared_front::{self, SharedFront};

/// Scenarios whose words differ for a reason; a rule of their own judges them.
const OWN_RULE: [&str; 3] = ["broker_addresses", "quorum_addresses", "delegation_tokens"];

/// Lines that a scenario must hold, so that two equal failures are no success.
const MUST_SAY: [(&str, &str); 16] = [
    ("describe_cluster", "3@ADDRESS3/rack-3"),
    ("topics", "by id reads-SIDE"),
    ("list_offsets", "latest reads-SIDE-0 10 at"),
    ("broker_configs", "2 log.dirs="),
    ("features", "share.version"),
    ("create_partitions", "partitions 4"),
    ("delete_records", "low 5"),
    ("elect_leaders", "leader 2"),
    ("reassign", "leader 3@ADDRESS3/rack-3 replicas [3@ADDRESS3/rack-3, 2@ADDRESS2/rack-2]"),
    ("wrong_password", "admin: SaslAuthenticationException: Authentication failed: Invalid username or password"),
    ("produce_consume", "zstd 300 records"),
    ("transactions", "committed 10 records"),
    ("group_classic", "alone 200 records"),
    ("group_consumer", "Consumer Stable"),
    ("group_share", "read 100"),
    ("acls_disabled", "SecurityDisabledException: No Authorizer is configured."),
];

pub fn trials() -> Vec<Trial> {
    scenario_names()
        .into_iter()
        .map(|name| {
            shared_front::trial(&format!("equivalence::{name}"), move |cluster, shared| {
                let dir = run(cluster, shared)?;
                let read =
                    |side: &str| fs::read_to_string(dir.join(side).join(&name)).context(format!("what {side} saw"));
                judge(&name, &read("direct")?, &read("front")?)
            })
        })
        .collect()
}

fn run(cluster: &Cluster, shared: &SharedFront) -> Result<PathBuf> {
    static RAN: OnceLock<Result<PathBuf>> = OnceLock::new();
    RAN.get_or_init(|| {
        let ids = || cluster.brokers.iter().map(|b| b.id);
        scenarios(
            cluster,
            &[
                Side {
                    name: "direct",
                    bootstrap: cluster.sasl_bootstrap(),
                    nodes: cluster.brokers.iter().map(|b| (b.id, b.sasl.to_string())).collect(),
                },
                Side {
                    name: "front",
                    bootstrap: shared.bootstrap().to_string(),
                    nodes: ids().map(|id| (id, shared.node(id).to_string())).collect(),
                },
            ],
        )
    })
    .clone()
}

fn judge(name: &str, direct: &str, front: &str) -> Result<()> {
    check!(!direct.contains("UNEXPECTED"), "the scenario fails straight at Kafka:\n{direct}");
    check!(!front.contains("UNEXPECTED"), "the scenario fails through doorkeeper:\n{front}");
    for (scenario, text) in MUST_SAY {
        check!(scenario != name || direct.contains(text), "straight at Kafka it does not say {text:?}:\n{direct}");
    }
    let leaks = front.contains(&address::broker_prefix());
    check!(!leaks, "a backend address came through doorkeeper:\n{front}");
    match name {
        // Tokens depend on how the connection to the broker is authenticated: doorkeeper's is not the client's.
        "delegation_tokens" => check!(front.lines().count() == 4, "{front}"),
        _ if OWN_RULE.contains(&name) => check!(front.lines().count() == direct.lines().count(), "{direct}\n{front}"),
        _ => {
            let differences: Vec<String> = direct
                .lines()
                .zip(front.lines())
                .filter(|(a, b)| a != b)
                .map(|(a, b)| format!("straight: {a}\n   front: {b}"))
                .take(20)
                .collect();
            check!(differences.is_empty(), "{}", differences.join("\n"));
            check!(direct.lines().count() == front.lines().count(), "straight:\n{direct}\nfront:\n{front}");
        }
    }
    Ok(())
}
