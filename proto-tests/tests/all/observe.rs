//! Metrics and health over HTTP: what they count of real clients, and what hostile ones cannot do there.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::Spec;
use proto_tests::http::{self, get, scrape};
use proto_tests::standin::Standin;
use proto_tests::wire::requests::{self, metadata};
use proto_tests::wire::{Conn, End, frame_of};
use proto_tests::{Context, Result, address, check, check_eq, wait_for};
use rustix::process::Signal;

use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        free("observe::readiness_follows_the_backend", readiness),
        free("observe::a_stop_is_told_until_the_end", stopping),
        free("observe::refused_connections_are_counted", refused),
        free("observe::hostile_http", hostile),
        free("observe::a_taken_port_is_a_start_error", taken_port),
        steady("observe::counts_are_exact", exact_counts),
    ]
}

/// Gives the endpoint an address, beside the doorkeeper's own.
fn with_endpoint(spec: &mut Spec) -> Result<SocketAddr> {
    let host = address::front(spec.number());
    let at = SocketAddr::from((host, address::free_ports(host, 20_000, 1)?));
    spec.set("metrics.listeners", &format!("http://{at}"));
    Ok(at)
}

/// A doorkeeper that looks after a stand-in backend often and gives up on it soon.
fn before_standin(standin: SocketAddr) -> Result<(Spec, SocketAddr)> {
    let mut spec = Spec::new(&standin.to_string())?;
    spec.set("backend.metadata.max.age.ms", "300").set("backend.socket.connection.setup.timeout.ms", "500");
    let endpoint = with_endpoint(&mut spec)?;
    Ok((spec, endpoint))
}

/// Waits for that status and that text in the body.
fn says(at: SocketAddr, path: &str, status: u16, text: &str) -> Result<()> {
    wait_for(&format!("{path} to say {status} {text:?}"), Duration::from_secs(20), || {
        let reply = get(at, path)?;
        if reply.status == status && reply.body.contains(text) { Ok(()) } else { Err(format!("{reply:?}")) }
    })
}

/// Waits until a sample has that value.
fn shows(at: SocketAddr, sample: &str, value: f64) -> Result<()> {
    wait_for(&format!("{sample} to be {value}"), Duration::from_secs(20), || match scrape(at)?.get(sample) {
        Some(seen) if *seen == value => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
}

const IN_FLIGHT: &str = "doorkeeper_requests_in_flight{listener=\"SASL_PLAINTEXT\"}";

fn readiness() -> Result<()> {
    let at = Standin::reserve()?;
    let (spec, endpoint) = before_standin(at)?;
    let mut front = spec.launch()?;
    front.process.wait_output("\"ready\"", Duration::from_secs(30))?;
    says(endpoint, "/livez", 200, "alive")?;
    says(endpoint, "/readyz", 503, "the backend has not answered yet")?;
    let standin = Standin::start(at)?;
    says(endpoint, "/readyz", 200, "ready")?;
    shows(endpoint, "doorkeeper_backend_reachable", 1.0)?;

    let mut conn = Conn::login(front.sasl(), "alice", "alice-secret")?;
    conn.call(12, &metadata(&[]))?;
    shows(endpoint, IN_FLIGHT, 0.0)?;
    standin.stall(true);
    says(endpoint, "/readyz", 503, "the backend does not answer")?;
    shows(endpoint, "doorkeeper_backend_reachable", 0.0)?;
    says(endpoint, "/livez", 200, "alive")?;
    // The stand-in waits before it reads the next request: one is answered still, the second is not.
    let first = conn.request(12, &metadata(&[]))?;
    let second = conn.request(12, &metadata(&[]))?;
    wait_for("requests in flight", Duration::from_secs(20), || {
        let seen = scrape(endpoint)?[IN_FLIGHT];
        if seen >= 1.0 { Ok(()) } else { Err(format!("{seen}")) }
    })?;
    standin.stall(false);
    conn.answer::<kafka_protocol::messages::MetadataRequest>(12, first)?;
    conn.answer::<kafka_protocol::messages::MetadataRequest>(12, second)?;
    shows(endpoint, IN_FLIGHT, 0.0)?;
    says(endpoint, "/readyz", 200, "ready")?;
    let reply = get(endpoint, "/readyz")?;
    check!(reply.head.contains("cache-control: no-store"), "{}", reply.head);
    Ok(())
}

fn stopping() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let (mut spec, endpoint) = before_standin(standin.at)?;
    let mut front = spec.set("shutdown.timeout.ms", "8000").start()?;
    let mut conn = Conn::login(front.sasl(), "alice", "alice-secret")?;
    conn.call(12, &metadata(&[]))?;
    standin.stall(true);
    conn.request(12, &metadata(&[]))?;
    conn.request(12, &metadata(&[]))?;
    wait_for("a request in flight", Duration::from_secs(20), || {
        let seen = scrape(endpoint)?[IN_FLIGHT];
        if seen >= 1.0 { Ok(()) } else { Err(format!("{seen}")) }
    })?;
    front.process.signal(Signal::TERM);
    says(endpoint, "/readyz", 503, "stopping")?;
    check_eq!(scrape(endpoint)?["doorkeeper_draining"], 1.0, "draining");
    // The worker that serves it hears of the stop a moment later.
    wait_for("the connection to drain", Duration::from_secs(6), || {
        let seen = scrape(endpoint)?;
        let state =
            |state: &str| seen[&format!("doorkeeper_connections{{listener=\"SASL_PLAINTEXT\",state=\"{state}\"}}")];
        let states = (state("relayed"), state("draining"));
        if states == (0.0, 1.0) { Ok(()) } else { Err(format!("relayed, draining: {states:?}")) }
    })?;
    says(endpoint, "/livez", 200, "alive")?;
    check_eq!(front.process.wait(Duration::from_secs(20))?.code(), Some(0), "exit code");
    Ok(())
}

fn refused() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let (mut spec, endpoint) = before_standin(standin.at)?;
    let front = spec.set("max.connections.per.ip", "3").set("max.connections", "50").start()?;
    let open: Vec<Conn> = (0..3).map(|_| Conn::open(front.sasl())).collect::<Result<_>>()?;
    let state = "doorkeeper_connections{listener=\"SASL_PLAINTEXT\",state=\"sasl\"}";
    shows(endpoint, state, 3.0)?;
    for _ in 0..2 {
        let seen = Conn::open(front.sasl())?.outcome(Duration::from_secs(10));
        check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "one too many");
    }
    let seen = scrape(endpoint)?;
    let reason = "doorkeeper_connections_refused_total{listener=\"SASL_PLAINTEXT\",reason=\"max_connections_per_ip\"}";
    check_eq!(seen[reason], 2.0, "refused");
    check_eq!(seen["doorkeeper_connections_accepted_total{listener=\"SASL_PLAINTEXT\"}"], 5.0, "accepted");
    check_eq!(seen["doorkeeper_max_connections"], 50.0, "the limit");
    drop(open);
    shows(endpoint, state, 0.0)
}

/// What a scrape shows more than an earlier one, of this listener, without histograms' buckets and sums.
fn moved(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>, listener: &str) -> Vec<String> {
    let label = format!("listener=\"{listener}\"");
    let of_listener = after.iter().filter(|(name, _)| name.contains(&label));
    of_listener
        .filter(|(name, _)| !["_bucket", "_sum", "_bytes_"].iter().any(|part| name.contains(part)))
        .filter(|(name, value)| before.get(*name) != Some(*value))
        .map(|(name, value)| {
            let short = name.trim_start_matches("doorkeeper_").replace(&format!("{label},"), "").replace(&label, "");
            format!("{} +{}", short.replace("{}", ""), value - before.get(name).unwrap_or(&f64::NAN))
        })
        .collect()
}

/// each client moves exactly what it should, on real Kafka.
fn exact_counts(cluster: &Cluster) -> Result<()> {
    let mut spec = Spec::new(&cluster.bootstrap())?;
    let endpoint = with_endpoint(spec.with_plaintext())?;
    let front = spec.start()?;
    let before = scrape(endpoint)?;

    let mut good: Vec<Conn> = Vec::new();
    for node in 1..=3 {
        let mut conn = Conn::login(front.node(node), "alice", "alice-secret")?;
        conn.call(12, &metadata(&[]))?;
        conn.call(12, &metadata(&[]))?;
        good.push(conn);
    }
    drop(good.pop());
    for _ in 0..2 {
        let mut conn = Conn::open(front.sasl())?;
        conn.handshake("PLAIN")?;
        let reply = conn.call(1, &requests::plain("alice", "wrong-canary"))?;
        check_eq!(reply.error_code, 58, "a wrong password");
    }
    // What clients make up gives no series of its own.
    for n in 0..5 {
        let mut conn = Conn::open(front.sasl())?;
        conn.request(1, &requests::handshake(&format!("MADE-UP-{n}")))?;
        conn.outcome(Duration::from_secs(10));
    }
    let mut web = Conn::open(front.sasl())?;
    web.send(b"GET / HTTP/1.1\r\n\r\n")?;
    web.outcome(Duration::from_secs(10));
    drop(Conn::open(front.sasl())?);
    // Bytes are counted while the connection is open.
    let mut plain = Conn::open(front.plain())?;
    let request = metadata(&[]);
    let correlation = 7;
    let frame = frame_of(12, correlation, &request)?;
    plain.send(&frame)?;
    let answer = plain.frame()?;

    for reason in ["login_peer_closed", "client_closed"] {
        let closed = format!("doorkeeper_connections_closed_total{{listener=\"SASL_PLAINTEXT\",reason=\"{reason}\"}}");
        shows(endpoint, &closed, 1.0)?;
    }
    shows(endpoint, "doorkeeper_connections{listener=\"SASL_PLAINTEXT\",state=\"closing\"}", 0.0)?;
    shows(endpoint, "doorkeeper_backend_connections", 3.0)?;
    let after = scrape(endpoint)?;
    let want = [
        "connections_accepted_total +12",
        "connections_closed_total{reason=\"client_closed\"} +1",
        "connections_closed_total{reason=\"login_http_on_kafka_port\"} +1",
        "connections_closed_total{reason=\"login_peer_closed\"} +1",
        "connections_closed_total{reason=\"login_rejected_credentials\"} +2",
        "connections_closed_total{reason=\"login_unsupported_mechanism\"} +5",
        "connections{state=\"relayed\"} +2",
        "login_duration_seconds_count +3",
        "logins_total{mechanism=\"PLAIN\",outcome=\"rejected_credentials\"} +2",
        "logins_total{mechanism=\"PLAIN\",outcome=\"success\"} +3",
        "logins_total{mechanism=\"unknown\",outcome=\"http_on_kafka_port\"} +1",
        "logins_total{mechanism=\"unknown\",outcome=\"peer_closed\"} +1",
        "logins_total{mechanism=\"unknown\",outcome=\"unsupported_mechanism\"} +5",
        "requests_total +6",
    ];
    check_eq!(moved(&before, &after, "SASL_PLAINTEXT"), want, "the SASL listener");
    let want = ["connections_accepted_total +1", "connections{state=\"relayed\"} +1", "requests_total +1"];
    check_eq!(moved(&before, &after, "PLAINTEXT"), want, "the other listener");
    let bytes = |direction: &str| after[&format!("doorkeeper_{direction}_bytes_total{{listener=\"PLAINTEXT\"}}")];
    check_eq!((bytes("received"), bytes("sent")), (frame.len() as f64, (answer.len() + 4) as f64), "bytes");
    check_eq!(after["doorkeeper_backend_connections_opened_total"], 4.0, "backend connections opened");
    check_eq!(after["doorkeeper_backend_brokers"], 3.0, "brokers");
    let names = |of: &BTreeMap<String, f64>| of.keys().cloned().collect::<Vec<_>>();
    check_eq!(names(&before), names(&after), "series");
    let page = get(endpoint, "/metrics")?.body;
    for secret in ["alice", "canary", "MADE-UP"] {
        check!(!page.contains(secret), "the page holds {secret:?}");
    }
    wait_for("a line of each closed connection", Duration::from_secs(20), || {
        let lines = front.log()?.iter().filter(|line| line["duration_ms"].is_u64()).count();
        if lines == 10 { Ok(()) } else { Err(format!("{lines} lines")) }
    })?;

    // The signal writes the same page.
    front.process.signal(Signal::USR1);
    wait_for("the counters in the log", Duration::from_secs(20), || {
        let log = front.log()?;
        let metrics = log.iter().find_map(|line| line["metrics"].as_str()).ok_or("not yet")?;
        let line = "doorkeeper_connections_accepted_total{listener=\"SASL_PLAINTEXT\"} 12\n";
        if metrics.contains(line) { Ok(()) } else { Err(metrics.to_owned()) }
    })
}

/// H-087 and what else strangers may send to an HTTP port.
fn hostile() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let (spec, endpoint) = before_standin(standin.at)?;
    let front = spec.start()?;
    let kafka = frame_of(12, 1, &metadata(&["topic"]))?;
    let rows: [(&[u8], u16); 5] = [
        (&kafka, 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\0\x05\x01\0\0\x01\0", 400),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n", 405),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ];
    for (request, status) in rows {
        let shown = String::from_utf8_lossy(request).into_owned();
        let reply = http::exchange(endpoint, request).context(format!("{shown:?}"))?;
        check_eq!(reply.status, status, "{shown:?}");
    }

    let resident = front.process.resident()?;
    let idle: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(endpoint).context("connect")).collect::<Result<_>>()?;
    let begin = Instant::now();
    says(endpoint, "/livez", 200, "alive")?;
    check!(begin.elapsed() < Duration::from_secs(2), "/livez took {:?} beside idle connections", begin.elapsed());
    // One byte a second never makes a head.
    let mut slow = TcpStream::connect(endpoint).context("connect")?;
    slow.set_read_timeout(Some(Duration::from_secs(1))).context("set a time limit")?;
    let begin = Instant::now();
    let mut end = [0; 64];
    loop {
        let sent = slow.write_all(b"G");
        let read = slow.read(&mut end);
        let waiting = read.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
        if sent.is_err() || !waiting {
            break;
        }
        check!(begin.elapsed() < Duration::from_secs(15), "a slow head is awaited for {:?}", begin.elapsed());
    }
    drop(idle);
    let mut large = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
    large.resize(1 << 20, b'x');
    for _ in 0..50 {
        let mut stream = TcpStream::connect(endpoint).context("connect")?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).context("set a time limit")?;
        // It is cut off while it is being sent.
        let sent = stream.write_all(&large);
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        check!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{text:?}");
        check!(sent.is_err() || read.is_err() || !text.is_empty(), "1 MiB of head was taken without a word");
    }
    let grown = front.process.resident()?.saturating_sub(resident);
    check!(grown < 16 << 20, "it has grown by {grown} bytes");
    // Kafka's side has not noticed.
    Conn::login(front.sasl(), "alice", "alice-secret")?.call(12, &metadata(&[]))?;
    says(endpoint, "/livez", 200, "alive")
}

fn taken_port() -> Result<()> {
    let mut spec = Spec::new("127.0.0.1:9")?;
    let endpoint = with_endpoint(&mut spec)?;
    let _taken = TcpListener::bind(endpoint).context("take the port")?;
    let mut front = spec.launch()?;
    check_eq!(front.process.wait(Duration::from_secs(20))?.code(), Some(1), "exit code");
    let said = front.process.output();
    check!(said.contains(&format!("metrics.listeners: cannot listen on {endpoint}: ")), "{said}");
    Ok(())
}
