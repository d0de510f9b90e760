//! The front's own login to the backend by SCRAM: at a real broker, and at peers that lie.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::scram::{self, Hash};
use proto_tests::standin::Standin;
use proto_tests::wire::records::batch;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check, check_eq};

use super::{Target, credential, judge};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("scram::backend::sha_256", || serves(Hash::Sha256, "SASL_PLAINTEXT")),
        free("scram::backend::sha_512_in_tls", || serves(Hash::Sha512, "SASL_SSL")),
        free("scram::backend::a_wrong_password_is_said", wrong_password),
        free("scram::backend::a_changed_password_comes_by_a_reload", changed_password),
        free("scram::backend::peers_that_lie_get_nothing", liars),
    ]
}

const JAAS: &str = "backend.sasl.jaas.config";

fn jaas(user: &str, password: &str) -> String {
    format!(
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{user}\" password=\"{password}\";"
    )
}

/// A doorkeeper that is to log in as that user.
fn spec(backend: &str, protocol: &str, hash: Hash, user: &str, password: &str) -> Result<Spec> {
    let mut spec = Spec::new(backend)?;
    if protocol == "SASL_SSL" {
        spec.tls_backend(protocol, false)?;
    }
    spec.set("backend.security.protocol", protocol).set("backend.sasl.mechanism", hash.mechanism());
    Ok(spec.set(JAAS, &jaas(user, password)).take())
}

/// Produces through a front.
fn produces(front: &Front, topic: &str) -> Result<()> {
    let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
    let seen = conn.call(9, &requests::produce(topic, 0, -1, batch(&[b"by way of SCRAM"]).into()))?;
    check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce to {topic}");
    Ok(())
}

/// With a name that needs both escapes.
fn serves(hash: Hash, protocol: &str) -> Result<()> {
    let (user, password) = ("front,=2C of doorkeeper", "p\u{e4}ss, word=");
    Target::Kafka.give(user, hash, password)?;
    let topic = format!("scram-backend-{}", hash.number());
    judge()?.create_topic(&topic)?;
    let backend = if protocol == "SASL_SSL" { judge()?.sasl_ssl } else { judge()?.sasl };
    // The file is ISO-8859-1.
    let front = spec(&backend.to_string(), protocol, hash, user, &password.replace('\u{e4}', "\\u00e4"))?.start()?;
    // Further connections come with keys that are kept; each is a login of its own at the broker.
    for _ in 0..5 {
        produces(&front, &topic)?;
    }
    Ok(())
}

fn wrong_password() -> Result<()> {
    let (user, hash) = ("backend-wrong", Hash::Sha256);
    Target::Kafka.give(user, hash, "right")?;
    for (user, password) in [(user, "hunter2-wrong"), ("backend-nobody", "hunter2-nobody")] {
        let mut front = spec(&judge()?.sasl.to_string(), "SASL_PLAINTEXT", hash, user, password)?.launch()?;
        front.process.wait_output(&scram::refusal(hash), Duration::from_secs(30))?;
        let output = front.process.output();
        check!(!output.contains("hunter2"), "the password stands in the log: {output}");
        check!(!output.contains("the backend is reachable"), "it says that it is reachable: {output}");
    }
    Ok(())
}

fn changed_password() -> Result<()> {
    let (user, hash) = ("backend-changed", Hash::Sha512);
    let topic = "scram-backend-changed";
    judge()?.create_topic(topic)?;
    Target::Kafka.give(user, hash, "old")?;
    let mut spec = spec(&judge()?.sasl.to_string(), "SASL_PLAINTEXT", hash, user, "old")?;
    let front = spec.start()?;
    produces(&front, topic)?;
    Target::Kafka.alter(vec![], vec![credential(user, hash, "new")])?;
    Target::Kafka.settled("the old password to be refused", || {
        scram::is_refused(&mut Conn::open(judge()?.sasl)?, hash, user, "old")
    })?;
    let refused = front.refuse(spec.set(JAAS, &jaas(user, "hunter2-wrong")).properties().as_str())?;
    check_eq!(refused.len(), 1, "{refused:?}");
    check!(refused[0].contains(&scram::refusal(hash)) && !refused[0].contains("hunter2"), "{refused:?}");
    check_eq!(front.reload(spec.set(JAAS, &jaas(user, "new")))?, JAAS, "what changed");
    produces(&front, topic)
}

/// What a peer says, what the front says of it, and how many requests of the exchange it has sent by then: a peer whose first
/// message is bad does not even get a proof.
fn liars() -> Result<()> {
    let last = "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let first = "r={r}xyz,s=c2FsdA==,i=4096";
    let rows = [
        ("many iterations", "r={r}xyz,s=c2FsdA==,i=2147483647".to_owned(), last, "asks for 2147483647 iterations", 2),
        ("just too many", "r={r}xyz,s=c2FsdA==,i=1000001".into(), last, "asks for 1000001 iterations", 2),
        ("no iterations", "r={r}xyz,s=c2FsdA==,i=0".into(), last, "asks for 0 iterations", 2),
        ("fewer than none", "r={r}xyz,s=c2FsdA==,i=-1".into(), last, "the iteration count is no number", 2),
        ("few iterations", "r={r}xyz,s=c2FsdA==,i=4095".into(), last, "asks for 4095 iterations", 2),
        ("a nonce of its own", "r=xyz,s=c2FsdA==,i=4096".into(), last, "nonce does not extend ours", 2),
        ("a nonce that is not extended", "r={r},s=c2FsdA==,i=4096".into(), last, "nonce does not extend ours", 2),
        ("no salt", "r={r}xyz,s=,i=4096".into(), last, "the salt is empty", 2),
        ("1 MiB", format!("r={{r}}{},s=c2FsdA==,i=4096", "x".repeat(1 << 20)), last, "malformed answer", 2),
        ("5 KiB", format!("r={{r}}{},s=c2FsdA==,i=4096", "x".repeat(5 << 10)), last, "message is too long", 2),
        ("an error", "e=other-error".into(), last, "the server refuses the login: other-error", 2),
        ("another signature", first.into(), last, "did not prove", 3),
        ("a signature of no length", first.into(), "v=", "did not prove", 3),
        ("no last message", first.into(), "", "signature is missing", 3),
        ("an error at last", first.into(), "e=invalid-proof", "the server refuses the login: invalid-proof", 3),
    ];
    for (what, server_first, server_final, said, requests) in rows {
        let standin = Standin::start(Standin::reserve()?)?;
        standin.tell_scram(&server_first, server_final);
        let mut spec = spec(&standin.at.to_string(), "SASL_PLAINTEXT", Hash::Sha256, "front", "hunter2")?;
        // One try is enough.
        spec.set("backend.reconnect.backoff.ms", "3600000").set("backend.reconnect.backoff.max.ms", "3600000");
        let mut front = spec.launch()?;
        front.process.wait_output(said, Duration::from_secs(30)).map_err(|e| format!("{what}: {e}"))?;
        let seen = standin.seen();
        check_eq!(seen.requests, [(17, 1), (36, 1), (36, 1)][..requests], "{what}: requests");
        check_eq!(seen.connections, 1, "{what}: connections");
        let held = String::from_utf8_lossy(&seen.bytes).contains("hunter2");
        check!(!held, "{what}: the password was sent");
    }
    Ok(())
}
