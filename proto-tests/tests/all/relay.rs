//! What happens between a login and the backend: order, back-pressure, half-closed sockets, requests without an answer.

use std::io::Read;
use std::time::Duration;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::{ApiVersionsRequest, FindCoordinatorRequest, MetadataRequest, ProduceRequest};
use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::Spec;
use proto_tests::standin::Standin;
use proto_tests::wire::bytes::{authenticate, handshake};
use proto_tests::wire::records::batch;
use proto_tests::wire::requests::{self, metadata, text};
use proto_tests::wire::{Conn, End, frame_of};
use proto_tests::{Context, Result, check, check_eq, wait_for};

use crate::shared_front::{self, SharedFront};
use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        shared_front::trial("relay::acks_0_between_others", acks_0),
        shared_front::trial("relay::acks_0_that_fails", acks_0_that_fails),
        shared_front::trial("relay::same_correlation_id_everywhere", same_correlation_id),
        shared_front::trial("relay::a_thousand_unread_requests", thousand_unread),
        shared_front::trial("relay::half_closed_socket", half_closed),
        shared_front::trial("relay::one_byte_segments", one_byte_segments),
        shared_front::trial("relay::slow_reader_stops_nobody_else", slow_reader),
        shared_front::trial("relay::broken_batches_are_the_brokers_to_judge", broken_batches),
        free("relay::a_backend_that_stops_reading", stalled_backend),
        steady("relay::clients_that_vanish_leave_nothing", vanish),
    ]
}

fn login(shared: &SharedFront, node: i32) -> Result<Conn> {
    Conn::login(shared.node(node), "alice", "alice-secret")
}

/// The end offset of partition 0 at its leader, straight from the broker.
fn end_offset(cluster: &Cluster, node: i32, id: uuid::Uuid) -> Result<i64> {
    let seen = Conn::open(cluster.broker(node).plain)?.call(17, &requests::fetch(id, 0, 0, -1))?;
    Ok(seen.responses[0].partitions[0].high_watermark)
}

fn acks_0(cluster: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let name = "relay-acks";
    let id = cluster.create_topic(name, &[&[1]], &[])?.topics[0].topic_id;
    let mut conn = login(shared, 1)?;
    let produce = |acks: i16| requests::produce(name, 0, acks, batch(&[b"a", b"b"]).into());
    let mut expected = Vec::new();
    for round in 0..100 {
        conn.request(9, &produce(0))?;
        if round % 3 == 0 {
            expected.push((0, conn.request(9, &produce(1))?));
        }
        if round % 5 == 0 {
            expected.push((3, conn.request(12, &metadata(&[name]))?));
        }
        conn.request(7, &produce(0))?;
    }
    for (key, correlation) in expected {
        if key == 0 {
            let seen = conn.answer::<ProduceRequest>(9, correlation)?;
            check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce");
        } else {
            check_eq!(conn.answer::<MetadataRequest>(12, correlation)?.brokers.len(), 3, "brokers");
        }
    }
    wait_for("all records", Duration::from_secs(20), || {
        check_eq!(end_offset(cluster, 1, id)?, 2 * (200 + 34), "records");
        Ok(())
    })
}

/// Kafka closes the connection when a request that wants no answer fails; a client of doorkeeper must see the same.
fn acks_0_that_fails(cluster: &Cluster, shared: &'static SharedFront) -> Result<()> {
    for (whose, mut conn) in [("Kafka", Conn::open(cluster.broker(1).plain)?), ("doorkeeper", login(shared, 1)?)] {
        conn.request(9, &requests::produce("no-such-topic", 0, 0, batch(&[b"x"]).into()))?;
        let seen = conn.outcome(Duration::from_secs(20));
        check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "what {whose} does");
    }
    Ok(())
}

fn same_correlation_id(_: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let mut conn = login(shared, 2)?;
    let find = FindCoordinatorRequest::default().with_key(text("relay-group"));
    let mut all = Vec::new();
    for _ in 0..30 {
        all.extend_from_slice(&frame_of(12, 7, &metadata(&[]))?);
        all.extend_from_slice(&frame_of(3, 7, &requests::api_versions())?);
        all.extend_from_slice(&frame_of(2, 7, &find)?);
    }
    conn.send(&all)?;
    for round in 0..30 {
        check_eq!(conn.answer::<MetadataRequest>(12, 7)?.brokers.len(), 3, "brokers in round {round}");
        check!(conn.answer::<ApiVersionsRequest>(3, 7)?.api_keys.len() > 50, "list in round {round}");
        conn.answer::<FindCoordinatorRequest>(2, 7)?;
    }
    Ok(())
}

fn thousand_unread(_: &Cluster, shared: &'static SharedFront) -> Result<()> {
    const REQUESTS: i32 = 1000;
    let resident = || shared.front.lock().map_err(|e| e.to_string())?.process.resident();
    let mut conn = login(shared, 1)?;
    let before = resident()?;
    let mut writer = conn.stream().try_clone().context("a second handle")?;
    let frames: Vec<Bytes> = (0..REQUESTS).map(|i| frame_of(12, i, &metadata(&[]))).collect::<Result<_>>()?;
    let sending = std::thread::spawn(move || {
        use std::io::Write;
        frames.iter().try_for_each(|f| writer.write_all(f))
    });
    // Nothing is read for a while; what comes back has to wait somewhere other than in doorkeeper's memory.
    std::thread::sleep(Duration::from_secs(2));
    let grown = resident()?.saturating_sub(before);
    check!(grown < 16 << 20, "doorkeeper grew by {} KiB behind a client that does not read", grown >> 10);
    for correlation in 0..REQUESTS {
        check_eq!(conn.answer::<MetadataRequest>(12, correlation)?.brokers.len(), 3, "brokers");
    }
    sending.join().map_err(|_| "the sender panicked")?.context("send")
}

fn half_closed(_: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let mut conn = login(shared, 3)?;
    let sent: Vec<i32> = (0..20).map(|_| conn.request(12, &metadata(&[]))).collect::<Result<_>>()?;
    conn.finish()?;
    for correlation in sent {
        conn.answer::<MetadataRequest>(12, correlation)?;
    }
    let seen = conn.outcome(Duration::from_secs(20));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "the end after the last answer");
    Ok(())
}

fn one_byte_segments(cluster: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let name = "relay-bytewise";
    let id = cluster.create_topic(name, &[&[1]], &[])?.topics[0].topic_id;
    let mut conn = Conn::open(shared.node(1))?;
    let send = |conn: &mut Conn, bytes: &[u8]| bytes.iter().try_for_each(|b| conn.send(&[*b]));
    send(&mut conn, &handshake(1, b"PLAIN"))?;
    conn.frame()?;
    send(&mut conn, &authenticate(b"\0alice\0alice-secret"))?;
    conn.frame()?;
    send(&mut conn, &frame_of(12, 5, &metadata(&[name]))?)?;
    check_eq!(conn.answer::<MetadataRequest>(12, 5)?.brokers.len(), 3, "brokers");
    send(&mut conn, &frame_of(9, 6, &requests::produce(name, 0, 1, batch(&[&[b'v'; 500]]).into()))?)?;
    check_eq!(conn.answer::<ProduceRequest>(9, 6)?.responses[0].partition_responses[0].error_code, 0, "produce");
    check_eq!(end_offset(cluster, 1, id)?, 1, "records");
    Ok(())
}

fn slow_reader(cluster: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let name = "relay-slow";
    let id = cluster.create_topic(name, &[&[1]], &[("max.message.bytes", "20000000")])?.topics[0].topic_id;
    let value = vec![b's'; 16 << 20];
    let produced =
        Conn::open(cluster.broker(1).plain)?.call(9, &requests::produce(name, 0, 1, batch(&[&value]).into()))?;
    check_eq!(produced.responses[0].partition_responses[0].error_code, 0, "produce");
    let resident = || shared.front.lock().map_err(|e| e.to_string())?.process.resident();
    let (mut slow, mut quick) = (login(shared, 1)?, login(shared, 1)?);
    let before = resident()?;
    let correlation = slow.request(17, &requests::fetch(id, 0, 0, -1))?;
    let mut got = vec![0; 4];
    let mut stream = slow.stream();
    stream.read_exact(&mut got).context("read the size")?;
    let size = (&got[..]).get_u32() as usize;
    let mut body = vec![0; size];
    let mut most = 0;
    // A part now and then; between two parts another client is served.
    for (i, part) in body.chunks_mut(1 << 20).enumerate() {
        stream.read_exact(part).context("read a part")?;
        if i < 8 {
            check_eq!(quick.call(12, &metadata(&[name]))?.brokers.len(), 3, "brokers for the quick client");
            most = most.max(resident()?.saturating_sub(before));
        }
    }
    check!(most < 8 << 20, "doorkeeper grew by {} KiB for a slow reader", most >> 10);
    check_eq!((&body[..4]).get_i32(), correlation, "correlation id");
    check!(
        size > value.len() && body.windows(64).filter(|w| *w == [b's'; 64]).count() >= value.len() - 63,
        "the record is not whole"
    );
    Ok(())
}

fn broken_batches(cluster: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let name = "relay-broken";
    cluster.create_topic(name, &[&[1]], &[])?;
    let good = batch(&[b"value"]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let rows = [
        ("H-244 acks 2", 2, good.clone(), 21),
        ("H-246 checksum", 1, with(good.len() - 3, b'!'), 2),
        ("H-246 magic 9", 1, with(16, 9), 2),
        ("H-246 no record at all", 1, Vec::new(), 87),
        ("a good one", 1, good.clone(), 0),
    ];
    for (what, acks, bytes, error) in rows {
        let asked = requests::produce(name, 0, acks, bytes.into());
        for (whose, mut conn) in [("Kafka", Conn::open(cluster.broker(1).plain)?), ("doorkeeper", login(shared, 1)?)] {
            // Some of these make the broker close: then both have to.
            let said = conn.call(9, &asked).map(|seen| seen.responses[0].partition_responses[0].error_code);
            check_eq!(said.clone().unwrap_or(-99), error, "{what} at {whose}: {said:?}");
        }
    }
    Ok(())
}

/// Ten clients with a thousand requests each in flight go away: nothing of theirs stays open.
fn vanish(cluster: &Cluster) -> Result<()> {
    let front = Spec::new(&cluster.bootstrap())?.start()?;
    let warm = Conn::login(front.node(1), "alice", "alice-secret")?.call(12, &metadata(&[]))?;
    check_eq!(warm.brokers.len(), 3, "brokers");
    let settled = || {
        let mut last = 0;
        wait_for("a steady number of descriptors", Duration::from_secs(20), || {
            std::thread::sleep(Duration::from_millis(300));
            let now = front.descriptors()?;
            let same = now == std::mem::replace(&mut last, now);
            if same { Ok(now) } else { Err(format!("{now}")) }
        })
    };
    let before = settled()?;
    let mut conns: Vec<Conn> =
        (0..10).map(|_| Conn::login(front.node(1), "alice", "alice-secret")).collect::<Result<_>>()?;
    for conn in &mut conns {
        let all = frame_of(12, 1, &metadata(&[]))?.repeat(1000);
        let mut stream = conn.stream().try_clone().context("a second handle")?;
        std::thread::spawn(move || std::io::Write::write_all(&mut stream, &all));
        // An answer: the backend connection exists.
        conn.frame()?;
    }
    let during = front.descriptors()?;
    check!(during >= before + 20, "{during} descriptors with ten clients, {before} without");
    for conn in &conns {
        let _ = conn.stream().shutdown(std::net::Shutdown::Both);
    }
    drop(conns);
    wait_for("descriptors to be given back", Duration::from_secs(30), || {
        let now = front.descriptors()?;
        if now <= before { Ok(()) } else { Err(format!("{now} open, {during} during, {before} before")) }
    })
}

/// The backend takes nothing more: the client has to wait, and doorkeeper keeps almost nothing.
fn stalled_backend() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let front = Spec::new(&standin.at.to_string())?.start()?;
    let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
    conn.call(12, &metadata(&[]))?;
    let before = front.process.resident()?;
    standin.stall(true);
    // 200 MB in frames of 1 MB; far more than sockets and pipes on the way can hold.
    let frame = frame_of(9, 1, &requests::produce("x", 0, 1, batch(&[&vec![b's'; 1 << 20]]).into()))?;
    let mut stream = conn.stream().try_clone().context("a second handle")?;
    stream.set_write_timeout(Some(Duration::from_secs(3))).context("set a time limit")?;
    let mut sent = 0;
    while sent < 200 && std::io::Write::write_all(&mut stream, &frame).is_ok() {
        sent += 1;
    }
    check!(sent < 100, "{sent} MB were taken from the client while the backend took none");
    let grown = front.process.resident()?.saturating_sub(before);
    check!(grown < 8 << 20, "doorkeeper grew by {} KiB before a backend that does not read", grown >> 10);
    // It serves others meanwhile, as far as they need no backend.
    check!(Conn::login(front.sasl(), "bob", "bob-secret").is_ok(), "no login beside a stalled backend");
    standin.stall(false);
    Ok(())
}
