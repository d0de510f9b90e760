//! Clients of other languages, each in its own process: librdkafka (Python), pure Go, pure JavaScript.

use std::net::SocketAddr;
use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::programs::prepare;
use proto_tests::{Result, check, check_eq, process};

use crate::shared_front;

/// What each client makes of a wrong password.
pub const CLIENTS: [(&str, &str); 3] = [
    ("python", "Authentication failed: Invalid username or password"),
    ("go", "Authentication failed: Invalid username or password"),
    ("node", "Authentication failed: Invalid username or password"),
];

pub fn trials() -> Vec<Trial> {
    CLIENTS
        .into_iter()
        .map(|(language, refusal)| {
            shared_front::trial(&format!("clients::{language}"), move |cluster, shared| {
                run(cluster, language, Some(refusal), shared.bootstrap(), &format!("clients-{language}"), &[])
            })
        })
        .collect()
}

/// Creates the topic, and has the client produce and consume there. `refusal` is what it says of a wrong password, on a listener
/// that knows passwords; `environment` says how it connects.
pub fn run(
    cluster: &Cluster,
    language: &str,
    refusal: Option<&str>,
    bootstrap: SocketAddr,
    topic: &str,
    environment: &[(&str, String)],
) -> Result<()> {
    cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let client = prepare(language)?;
    let mut words = client.split_whitespace();
    let mut command = process::command(words.next().ok_or("no command")?);
    command.args(words).args([&bootstrap.to_string(), "alice", "alice-secret", topic, &format!("group-{topic}")]);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let said = process::run(language, command, "", Duration::from_secs(120))?.ok()?;
    let line = |start: &str| said.lines().find(|l| l.starts_with(start)).unwrap_or_default();
    let want = "consumed 200 distinct 200 first k0=v0 last k9=v9";
    check_eq!(line("consumed"), want, "what {language} read:\n{said}");
    if let Some(refusal) = refusal {
        check!(line("wrong password:").contains(refusal), "a wrong password gives {:?}", line("wrong password:"));
    }
    Ok(())
}
