//! Start, backend lost and found, drain, `check`, and what the log says of a connection.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::{Front, Spec, check_file};
use proto_tests::standin::Standin;
use proto_tests::wire::records::batch;
use proto_tests::wire::requests::{self, metadata};
use proto_tests::wire::{Conn, End};
use proto_tests::{Context, Result, check, check_eq, wait_for};
use rustix::process::Signal;
use serde_json::Value;

use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        free("lifecycle::backend_down_at_start", backend_down_at_start),
        free("lifecycle::idle_clients_do_not_hold_up_a_stop", idle_clients),
        free("lifecycle::check_names_key_and_line", check_names),
        free("lifecycle::broker_outside_the_ranges_is_a_warning", outside_the_ranges),
        free("lifecycle::deadline_and_failure_delay_by_default", defaults),
        steady("lifecycle::sigterm_drains", drains),
        steady("lifecycle::second_sigterm_ends_at_once", second_signal),
        steady("lifecycle::shutdown_timeout_ends_the_drain", drain_times_out),
        steady("lifecycle::one_line_per_closed_connection", close_lines),
        steady("lifecycle::same_ports_after_a_restart", same_ports),
    ]
}

fn login(front: &Front, node: i32) -> Result<Conn> {
    Conn::login(front.node(node), "alice", "alice-secret")
}

/// It starts, says so, closes clients without a word about their password, and works when the backend comes.
fn backend_down_at_start() -> Result<()> {
    let at = Standin::reserve()?;
    let mut front = Spec::new(&at.to_string())?.launch()?;
    front.process.wait_output("\"ready\"", Duration::from_secs(30))?;
    wait_for("a warning about the backend", Duration::from_secs(20), || {
        let told = front.log()?.iter().any(|l| {
            let loud = l["level"] == "WARN" || l["level"] == "ERROR";
            loud && l.to_string().contains(&at.to_string())
        });
        if told { Ok(()) } else { Err(front.process.output()) }
    })?;
    for _ in 0..3 {
        let mut conn = Conn::open(front.sasl())?;
        conn.request(1, &requests::handshake("PLAIN"))?;
        conn.request(1, &requests::plain("alice", "alice-secret"))?;
        conn.request(12, &metadata(&[]))?;
        let seen = conn.outcome(Duration::from_secs(30));
        check_eq!(seen.end, End::Closed, "a client without a backend");
        let text = String::from_utf8_lossy(&seen.bytes).into_owned();
        check!(!text.contains("Authentication failed"), "a right password is refused: {text:?}");
    }
    // A wrong one still is.
    let said = Conn::login(front.sasl(), "alice", "wrong").err().unwrap_or_default();
    check!(
        said.contains("Authentication failed: Invalid username or password"),
        "a wrong password without a backend: {said}"
    );
    let _standin = Standin::start(at)?;
    wait_for("a client to be served", Duration::from_secs(60), || {
        let brokers = Conn::login(front.sasl(), "alice", "alice-secret")?.call(12, &metadata(&[]))?.brokers.len();
        check_eq!(brokers, 1, "brokers");
        Ok(())
    })?;
    check_eq!(front.process.ended().map(|s| s.to_string()), None, "doorkeeper has ended");
    Ok(())
}

fn idle_clients() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut front = Spec::new(&standin.at.to_string())?.start()?;
    let mut idle = Conn::login(front.sasl(), "alice", "alice-secret")?;
    let mut fresh = Conn::open(front.sasl())?;
    let begin = Instant::now();
    front.process.signal(Signal::TERM);
    let status = front.process.wait(Duration::from_secs(25))?;
    check_eq!(status.code(), Some(0), "exit code");
    // The default of shutdown.timeout.ms is 30 s: nothing was in flight, so nothing was waited for.
    check!(begin.elapsed() < Duration::from_secs(15), "the stop took {:?}", begin.elapsed());
    for (who, conn) in [("the idle client", &mut idle), ("the one before its login", &mut fresh)] {
        let seen = conn.outcome(Duration::from_secs(5));
        check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "{who}");
    }
    Ok(())
}

/// Every request that was sent before the signal is answered, and the exit code is 0.
fn drains(cluster: &Cluster) -> Result<()> {
    let name = "lifecycle-drain";
    let id = cluster.create_topic(name, &[&[1, 2, 3]], &[])?.topics[0].topic_id;
    let mut front = Spec::new(&cluster.bootstrap())?.start()?;
    let mut conns: Vec<Conn> = (0..8).map(|_| login(&front, 1)).collect::<Result<_>>()?;
    for conn in &mut conns {
        conn.call(12, &metadata(&[name]))?;
    }
    // Under way at the signal: produces that all replicas must have, and a fetch that waits for records that never come.
    let mut fetcher = login(&front, 1)?;
    let mut waits = requests::fetch(id, 0, 0, -1);
    waits.max_wait_ms = 3000;
    waits.min_bytes = 100_000_000;
    let fetch = fetcher.request(17, &waits)?;
    let produce = requests::produce(name, 0, -1, batch(&[&[b'd'; 2000]]).into());
    let mut sent = Vec::new();
    for conn in &mut conns {
        sent.push((0..20).map(|_| conn.request(9, &produce)).collect::<Result<Vec<_>>>()?);
    }
    // What has reached doorkeeper is in flight; the first answers show that all connections are being served.
    let mut acknowledged = 0;
    for (conn, sent) in conns.iter_mut().zip(&sent) {
        let seen = conn.answer::<kafka_protocol::messages::ProduceRequest>(9, sent[0])?;
        check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce");
        acknowledged += 1;
    }
    front.process.signal(Signal::TERM);
    for (conn, sent) in conns.iter_mut().zip(&sent) {
        for correlation in &sent[1..] {
            let seen = conn.answer::<kafka_protocol::messages::ProduceRequest>(9, *correlation)?;
            check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce during the drain");
            acknowledged += 1;
        }
        let seen = conn.outcome(Duration::from_secs(20));
        check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "after the last answer");
    }
    fetcher.answer::<kafka_protocol::messages::FetchRequest>(17, fetch)?;
    check_eq!(front.process.wait(Duration::from_secs(40))?.code(), Some(0), "exit code");
    check!(Conn::open(front.sasl()).is_err(), "it still accepts");
    let seen = Conn::open(cluster.broker(1).plain)?.call(17, &requests::fetch(id, 0, 0, -1))?;
    check_eq!(seen.responses[0].partitions[0].high_watermark, acknowledged, "records at the broker");
    Ok(())
}

/// A client with a fetch under way that the broker will answer only after that many milliseconds.
fn waiting_fetch(cluster: &Cluster, front: &Front, name: &str, millis: i32) -> Result<Conn> {
    let id = cluster.create_topic(name, &[&[2]], &[])?.topics[0].topic_id;
    let mut conn = login(front, 2)?;
    conn.call(12, &metadata(&[name]))?;
    // A broker that does not lead the new partition yet answers at once, and then nothing would be under way.
    wait_for("the new topic's leader", Duration::from_secs(20), || {
        let seen = conn.call(17, &requests::fetch(id, 0, 0, -1))?;
        let partition = &seen.responses.first().ok_or("no topic")?.partitions[0];
        if (seen.error_code, partition.error_code) == (0, 0) { Ok(()) } else { Err("not yet".into()) }
    })?;
    let mut waits = requests::fetch(id, 0, 0, -1);
    waits.max_wait_ms = millis;
    conn.request(17, &waits)?;
    // The request is small and the connection served: a moment, and it is with the broker.
    std::thread::sleep(Duration::from_millis(500));
    Ok(conn)
}

fn second_signal(cluster: &Cluster) -> Result<()> {
    let mut front = Spec::new(&cluster.bootstrap())?.start()?;
    let mut conn = waiting_fetch(cluster, &front, "lifecycle-second", 25_000)?;
    front.process.signal(Signal::TERM);
    std::thread::sleep(Duration::from_secs(2));
    check_eq!(
        front.process.ended().map(|s| s.to_string()),
        None,
        "the first signal did not wait for the fetch in flight"
    );
    let begin = Instant::now();
    front.process.signal(Signal::TERM);
    front.process.wait(Duration::from_secs(10))?;
    check!(begin.elapsed() < Duration::from_secs(5), "the second signal took {:?}", begin.elapsed());
    check_eq!(conn.outcome(Duration::from_secs(5)).end, End::Closed, "the client");
    Ok(())
}

fn drain_times_out(cluster: &Cluster) -> Result<()> {
    let mut front = Spec::new(&cluster.bootstrap())?.set("shutdown.timeout.ms", "2000").start()?;
    let _conn = waiting_fetch(cluster, &front, "lifecycle-timeout", 25_000)?;
    let begin = Instant::now();
    front.process.signal(Signal::TERM);
    check_eq!(front.process.wait(Duration::from_secs(20))?.code(), Some(0), "exit code");
    let took = begin.elapsed();
    check!(took > Duration::from_millis(1800) && took < Duration::from_secs(12), "the stop took {took:?}");
    Ok(())
}

/// The line of the connection with that reason: each closed connection has exactly one.
fn close_lines(cluster: &Cluster) -> Result<()> {
    let front = Spec::new(&cluster.bootstrap())?.start()?;
    let mut good = login(&front, 1)?;
    let good_peer = good.stream().local_addr().context("own address")?;
    good.call(12, &metadata(&[]))?;
    drop(good);
    let wrong_peer = {
        let mut conn = Conn::open(front.sasl())?;
        conn.handshake("PLAIN")?;
        conn.call(1, &requests::plain("alice", "wrong-pass-canary"))?;
        conn.stream().local_addr().context("own address")?
    };
    let mute = Conn::open(front.sasl())?;
    let mute_peer = mute.stream().local_addr().context("own address")?;
    drop(mute);
    let lines = wait_for("three lines", Duration::from_secs(20), || {
        let mut of: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in front.log()? {
            if line["message"] == "connection closed" {
                of.entry(line["peer"].as_str().unwrap_or("?").to_owned()).or_default().push(line);
            }
        }
        if of.len() == 3 { Ok(of) } else { Err(format!("{of:?}")) }
    })?;
    for (peer, principal) in [(good_peer, Some("User:alice")), (wrong_peer, None), (mute_peer, None)] {
        let of = lines.get(&peer.to_string()).ok_or(format!("no line of {peer} in {lines:?}"))?;
        check_eq!(of.len(), 1, "lines of {peer}");
        let line = &of[0];
        check_eq!(line["listener"], "SASL_PLAINTEXT", "listener in {line}");
        check_eq!(line["principal"].as_str().filter(|p| !p.is_empty() && *p != "-"), principal, "principal in {line}");
        check!(!line["reason"].as_str().unwrap_or_default().is_empty(), "no reason in {line}");
        for number in ["duration_ms", "bytes_in", "bytes_out"] {
            check!(line[number].is_u64(), "no {number} in {line}");
        }
    }
    let good = &lines[&good_peer.to_string()][0];
    check!(good["mechanism"] == "PLAIN" && good["bytes_out"].as_u64() > Some(100), "{good}");
    check!(!front.process.output().contains("wrong-pass-canary"), "the log holds a password");
    Ok(())
}

fn same_ports(cluster: &Cluster) -> Result<()> {
    let mut spec = Spec::new(&cluster.bootstrap())?;
    let look = |front: &Front| -> Result<Vec<String>> {
        let mut nodes: Vec<String> = Conn::login(front.sasl(), "alice", "alice-secret")?
            .call(12, &metadata(&[]))?
            .brokers
            .iter()
            .map(|b| format!("{}@{}:{}", b.node_id.0, b.host, b.port))
            .collect();
        nodes.sort();
        Ok(nodes)
    };
    let mut front = spec.take();
    let first = front.start()?;
    let want: Vec<String> = (1..=3).map(|id| format!("{id}@{}", first.node(id))).collect();
    check_eq!(look(&first)?, want, "nodes");
    drop(first);
    let again = front.set("backend.bootstrap.servers", &cluster.broker(3).plain.to_string()).start()?;
    check_eq!(look(&again)?, want, "nodes after a restart before another broker");
    Ok(())
}

/// Broker 1 has no port here: loudly said, and the rest works.
fn outside_the_ranges() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let front =
        Spec::new(&standin.at.to_string())?.set("listener.name.sasl_plaintext.node.id.ranges", "5-9").start()?;
    wait_for("a warning", Duration::from_secs(20), || {
        let told = front.log()?.iter().any(|l| (l["level"] == "WARN" || l["level"] == "ERROR") && l["node_id"] == 1);
        if told { Ok(()) } else { Err(front.process.output()) }
    })
}

/// 15 s to log in, and 100 ms between a refusal and its answer, when nothing is configured.
fn defaults() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let front = Spec::new(&standin.at.to_string())?.start()?;
    let mut silent = Conn::open(front.sasl())?;
    let mut conn = Conn::open(front.sasl())?;
    conn.handshake("PLAIN")?;
    let begin = Instant::now();
    let seen = conn.call(1, &requests::plain("alice", "wrong"))?;
    let took = begin.elapsed();
    check_eq!(seen.error_code, 58, "error code");
    check!(took >= Duration::from_millis(99) && took < Duration::from_secs(5), "the refusal came after {took:?}");
    let seen = silent.outcome(Duration::from_secs(40));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "the silent client");
    check!((14_000..20_000).contains(&seen.after.as_millis()), "the silent client was closed after {:?}", seen.after);
    Ok(())
}

/// A bad file: exit code, the key, and where it stands.
fn check_names() -> Result<()> {
    let good = Spec::new("127.0.0.1:9")?.properties();
    let (_, said) = check_file("good.properties", &good)?;
    check_eq!(said.code, Some(0), "exit code for a good file: {said:?}");
    let lines = good.lines().count();
    let rows = [
        ("port", "listeners=SASL_PLAINTEXT://127.0.0.1:99999", "listeners"),
        ("protocol", "listener.security.protocol.map=SASL_PLAINTEXT:NONSENSE", "listener.security.protocol.map"),
        ("number", "socket.request.max.bytes=plenty", "socket.request.max.bytes"),
        ("negative", "authentication.timeout.ms=-5", "authentication.timeout.ms"),
        (
            "jaas",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config=no semicolon",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config",
        ),
        ("backend", "backend.bootstrap.servers=nowhere", "backend.bootstrap.servers"),
        ("ranges", "listener.name.sasl_plaintext.node.id.ranges=9-1", "listener.name.sasl_plaintext.node.id.ranges"),
        ("protocol of the backend", "backend.security.protocol=TELEPATHY", "backend.security.protocol"),
    ];
    let mut wrong = Vec::new();
    for (what, line, key) in rows {
        let name = format!("{}.properties", what.replace(' ', "-"));
        let (path, said) = check_file(&name, &format!("{good}{line}\n"))?;
        let text = format!("{}{}", said.stdout, said.stderr);
        let place = format!("{}:{}", path.display(), lines + 1);
        let place_in_words = format!("line {}", lines + 1);
        let placed = text.contains(&place) || text.contains(&place_in_words);
        if said.code.is_none_or(|c| c == 0) || !text.contains(key) || !placed {
            wrong.push(format!("{what}: exit {:?}, says {text:?}", said.code));
        }
    }
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What is not there has no line, but a name.
    let without = good.lines().filter(|l| !l.starts_with("backend.")).collect::<Vec<_>>().join("\n");
    let (_, said) = check_file("missing.properties", &without)?;
    check_eq!(said.code.is_some_and(|c| c != 0), true, "exit code without a backend: {said:?}");
    check!(said.stderr.contains("backend.bootstrap.servers"), "without a backend it says {said:?}");
    let strange = format!("{good}sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-1\n");
    let (_, said) = check_file("mechanism.properties", &strange)?;
    check_eq!(said.code.is_some_and(|c| c != 0), true, "exit code with an unknown mechanism: {said:?}");
    check!(said.stderr.to_ascii_uppercase().contains("SCRAM-SHA-1"), "with an unknown mechanism it says {said:?}");
    let (_, said) = check_file("warned.properties", &format!("{good}log.dirs=/tmp/x\nzookeeper.connect=x:1\n"))?;
    check_eq!(said.code, Some(0), "exit code for a broker's own file: {said:?}");
    let text = format!("{}{}", said.stdout, said.stderr);
    check!(
        text.contains("log.dirs") && text.contains("zookeeper.connect"),
        "no warning about what a front has no use for: {text}"
    );
    Ok(())
}
