//! Brokers that come and move while doorkeeper runs, and a backend that turns out to be another cluster.

use std::time::Duration;

use kafka_protocol::messages::FindCoordinatorRequest;
use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::hostile::{frames, hex};
use proto_tests::standin::Standin;
use proto_tests::wire::bytes::{cat, compact, i16s, i32s};
use proto_tests::wire::requests::{metadata, text};
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, check, check_eq, wait_for};

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("topology::a_new_broker_gets_its_port", new_broker),
        free("topology::a_broker_that_moves_keeps_its_port", moved_broker),
        free("topology::another_cluster_gets_nothing", other_cluster),
        free("topology::answers_byte_by_byte", byte_by_byte),
        free("topology::answers_that_lie", lies),
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

/// An answer that is rewritten while its bytes come one at a time.
fn byte_by_byte() -> Result<()> {
    let (front, a, b) = two()?;
    a.tell_brokers(&[(1, a.at), (2, b.at), (31, b.at)]);
    a.dribble();
    let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
    for version in [0, 1, 8, 9, 12] {
        let asked = metadata(&["x"]).with_allow_auto_topic_creation(version < 4);
        let mut seen: Vec<String> = conn
            .call(version, &asked)?
            .brokers
            .iter()
            .map(|b| format!("{}@{}:{}", b.node_id.0, b.host, b.port))
            .collect();
        seen.sort();
        let mut want: Vec<String> = [1, 2, 31].iter().map(|id| format!("{id}@{}", front.node(*id))).collect();
        want.sort();
        check_eq!(seen, want, "brokers in v{version}");
    }
    Ok(())
}

/// A backend whose FindCoordinator answers are broken in a place that doorkeeper has to understand: the client is closed and
/// gets no part of it, and doorkeeper goes on.
fn lies() -> Result<()> {
    let (mut front, a, _b) = two()?;
    let node =
        |host: &[u8], port: i32| cat(&[&compact(b"key"), &i32s(9), &compact(host), &i32s(port), &i16s(0), &[0], &[0]]);
    let body = |rows: &[u8], tail: &[u8]| cat(&[&i32s(0), rows, tail]);
    let honest = body(&cat(&[&[2], &node(b"127.80.0.1", 9092)]), &[0]);
    // Tags of the first of two coordinators: doorkeeper has to get past them to the second.
    let liar = cat(&[&node(b"h", 1)[..node(b"h", 1).len() - 1], &[1, 0, 0xff, 0xff, 0x7f]]);
    let rows = [
        ("a count of 2^32-2", body(&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0])),
        ("a count of one too many", body(&cat(&[&[3], &node(b"h", 1)]), &[0])),
        ("a host longer than the frame", body(&cat(&[&[2], &compact(b"key"), &i32s(9), &[100], b"short"]), &[0])),
        ("an empty answer", Vec::new()),
        ("an answer cut short", honest[..honest.len() - 9].to_vec()),
        ("a tag larger than the frame", body(&cat(&[&[3], &liar, &node(b"h", 1)]), &[0])),
    ];
    let asked = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("key")]);
    let before = front.process.resident()?;
    for (what, bytes) in rows {
        a.tell_coordinator(&bytes);
        let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
        conn.request(4, &asked)?;
        let seen = conn.outcome(Duration::from_secs(20));
        check_eq!(seen.end, End::Closed, "{what}: {}", hex(&seen.bytes));
        let whole = frames(&seen.bytes).is_ok_and(|f| !f.is_empty());
        check!(!whole, "{what} reached the client as a whole answer: {}", hex(&seen.bytes));
    }
    a.tell_coordinator(&honest);
    let seen = Conn::login(front.node(1), "alice", "alice-secret")?.call(4, &asked)?;
    let at = &seen.coordinators[0];
    check_eq!(format!("{}:{}", at.host, at.port), front.node(9).to_string(), "an honest answer");
    let grown = front.process.resident()?.saturating_sub(before);
    check!(grown < 16 << 20, "doorkeeper grew by {} KiB over lies", grown >> 10);
    check_eq!(front.process.ended().map(|s| s.to_string()), None, "doorkeeper has ended");
    Ok(())
}
