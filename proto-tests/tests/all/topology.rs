//! Brokers that come and move while doorkeeper runs, and a backend that turns out to be another cluster.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::standin::Standin;
use proto_tests::wire::requests::metadata;
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, check, check_eq, wait_for};

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("topology::a_new_broker_gets_its_port", new_broker),
        free("topology::a_broker_that_moves_keeps_its_port", moved_broker),
        free("topology::another_cluster_gets_nothing", other_cluster),
    ]
}

/// A doorkeeper that looks after its backend twice in a second, and two stand-ins, the first of them its bootstrap server.
fn two() -> Result<(Front, Standin, Standin)> {
    let (a, b) = (Standin::start(Standin::reserve()?)?, Standin::start(Standin::reserve()?)?);
    let front = Spec::new(&a.at.to_string())?.set("backend.metadata.max.age.ms", "500").start()?;
    Ok((front, a, b))
}

/// Asks at the port of a node until the answer comes from that stand-in: it alone has seen one request more for each answer.
fn reaches(front: &Front, node: i32, standin: &Standin) -> Result<()> {
    wait_for(&format!("node {node}'s port to lead to {}", standin.at), Duration::from_secs(20), || {
        let marker = format!("marker-{node}-{}", standin.at);
        let mut conn = Conn::login(front.node(node), "alice", "alice-secret")?;
        conn.call(12, &metadata(&[&marker]))?;
        let seen = standin.seen().bytes;
        if seen.windows(marker.len()).any(|w| w == marker.as_bytes()) { Ok(()) } else { Err("another answered".into()) }
    })
}

fn new_broker() -> Result<()> {
    let (front, a, b) = two()?;
    reaches(&front, 1, &a)?;
    let mut conn = Conn::login(front.node(2), "alice", "alice-secret")?;
    conn.request(12, &metadata(&[]))?;
    let seen = conn.outcome(Duration::from_secs(10));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "a node that does not exist");
    a.tell_brokers(&[(1, a.at), (2, b.at)]);
    reaches(&front, 2, &b)?;
    reaches(&front, 1, &a)
}

fn moved_broker() -> Result<()> {
    let (front, a, b) = two()?;
    reaches(&front, 1, &a)?;
    a.tell_brokers(&[(1, b.at)]);
    b.tell_brokers(&[(1, b.at)]);
    reaches(&front, 1, &b)
}

/// A backend address that is given to another cluster must not get what was meant for the first one.
fn other_cluster() -> Result<()> {
    let (front, a, _b) = two()?;
    reaches(&front, 1, &a)?;
    a.tell_cluster("another");
    wait_for("a word about the other cluster", Duration::from_secs(20), || {
        let told = front.log()?.iter().any(|l| l["level"] == "ERROR" && l.to_string().contains("cluster"));
        if told { Ok(()) } else { Err(front.process.output()) }
    })?;
    let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
    conn.request(12, &metadata(&["not-for-another-cluster"]))?;
    let seen = conn.outcome(Duration::from_secs(10));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "a client meanwhile");
    let text = String::from_utf8_lossy(&a.seen().bytes).into_owned();
    check!(!text.contains("not-for-another-cluster"), "the other cluster got a client's request");
    a.tell_cluster("standin");
    reaches(&front, 1, &a)
}
