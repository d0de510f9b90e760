//! What happens between accept and login: limits, the PROXY protocol, and what the log says of those who speak something else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::haproxy::Haproxy;
use proto_tests::hostile::hex;
use proto_tests::standin::Standin;
use proto_tests::wire::bytes::{cat, handshake};
use proto_tests::wire::{Conn, End, requests};
use proto_tests::{Result, address, check, check_eq, cluster, process, scratch, wait_for};
use serde_json::Value;

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("accept::haproxy_send_proxy", || behind_haproxy("send-proxy")),
        free("accept::haproxy_send_proxy_v2", || behind_haproxy("send-proxy-v2")),
        free("accept::proxy_header_before_tls", header_before_tls),
        free("accept::proxy_header_allowed", header_allowed),
        free("accept::proxy_header_required", header_required),
        free("accept::hostile_proxy_headers", hostile_headers),
        free("accept::strangers_cannot_keep_clients_out", strangers),
        free("accept::max_connections_wait_and_come_back", max_connections),
        free("accept::a_full_listener_holds_up_no_other", full_listener),
        free("accept::creation_rate_delays_and_does_not_drop", creation_rate),
        free("accept::other_protocols_are_named_once", other_protocols),
        free("accept::other_protocols_on_a_tls_port", other_protocols_on_tls),
        free("accept::a_flood_of_failed_logins_is_no_flood_of_lines", failed_logins),
    ]
}

fn spec() -> Result<Spec> {
    let standin = Standin::start(Standin::reserve()?)?;
    Spec::new(&standin.at.to_string())
}

/// One that believes PROXY headers from that address.
fn behind(balancer: Ipv4Addr, mode: &str) -> Result<Spec> {
    let mut spec = spec()?;
    Ok(spec.set("proxy.protocol", mode).set("proxy.protocol.trusted.addresses", &format!("{balancer}/32")).take())
}

fn alice_from(from: Ipv4Addr, to: SocketAddr) -> Result<Conn> {
    let mut conn = Conn::open_from(from, to)?;
    conn.log_in("alice", "alice-secret")?;
    Ok(conn)
}

/// Lines of connections that are over.
fn closed(front: &Front) -> Result<Vec<Value>> {
    Ok(front.log()?.into_iter().filter(|line| line["message"] == "connection closed").collect())
}

/// Lines whose client was at that address.
fn at(lines: &[Value], address: Ipv4Addr) -> Vec<&Value> {
    let start = format!("{address}:");
    lines.iter().filter(|line| line["peer"].as_str().is_some_and(|peer| peer.starts_with(&start))).collect()
}

fn wait_closed(front: &Front, address: Ipv4Addr) -> Result<Value> {
    wait_for(&format!("a line about {address}"), Duration::from_secs(30), || {
        let lines = closed(front)?;
        at(&lines, address).first().map(|line| (*line).clone()).ok_or_else(|| front.process.output())
    })
}

/// It is closed without a byte.
fn refused(conn: &mut Conn, what: &str) -> Result<()> {
    let seen = conn.outcome(Duration::from_secs(30));
    check!(seen.end == End::Closed && seen.bytes.is_empty(), "{what}: {:?} {}", seen.end, hex(&seen.bytes));
    Ok(())
}

fn behind_haproxy(words: &str) -> Result<()> {
    let (balancer, a, b) = (address::balancer(251), address::client(1), address::client(2));
    let front = behind(balancer, "required")?.with_plaintext().set("max.connections.per.ip", "2").start()?;
    let checks = format!("{words} check-send-proxy check inter 200ms");
    let haproxy = Haproxy::start(balancer, front.sasl(), &checks)?;
    let plain = Haproxy::start(balancer, front.plain(), &checks)?;
    // The limit goes by the client's address, though all come from one.
    let mut held = vec![alice_from(a, haproxy.at)?, alice_from(a, haproxy.at)?];
    refused(&mut Conn::open_from(a, haproxy.at)?, "the third of an address")?;
    held.push(alice_from(b, haproxy.at)?);
    for conn in &mut held {
        let brokers = conn.call(12, &requests::metadata(&[]))?.brokers.len();
        check_eq!(brokers, 1, "brokers");
    }
    drop(held);
    wait_for("a place for another", Duration::from_secs(20), || alice_from(a, haproxy.at).map(drop))?;
    for client in [a, b] {
        wait_for(&format!("the line of a login from {client}"), Duration::from_secs(20), || {
            let lines = closed(&front)?;
            let known = at(&lines, client).iter().any(|line| line["principal"] == "User:alice");
            if known { Ok(()) } else { Err(front.process.output()) }
        })?;
    }
    // The listener without a login reads the header too, and only that.
    let anonymous = address::client(12);
    let brokers = Conn::open_from(anonymous, plain.at)?.call(12, &requests::metadata(&[]))?.brokers.len();
    check_eq!(brokers, 1, "brokers");
    check_eq!(wait_closed(&front, anonymous)?["principal"], Value::from("User:ANONYMOUS"), "no login");
    // HAProxy's health checks (LOCAL, or UNKNOWN) are no lines; nothing was logged under its own address.
    std::thread::sleep(Duration::from_millis(600));
    check_eq!(at(&closed(&front)?, balancer).len(), 0, "lines about the balancer: {}", front.process.output());
    // A stranger who goes past the balancer.
    refused(&mut Conn::open_from(a, front.sasl())?, "a client that is no balancer")
}

/// The same doorkeeper with its listener as SASL_SSL, and a certificate of its own making.
fn with_tls(spec: &mut Spec) -> Result<&mut Spec> {
    let keystore = scratch::dir("accept").join(format!("front-{}.p12", spec.number()));
    let mut keytool = process::command("keytool");
    keytool.args([
        "-genkeypair",
        "-alias",
        "front",
        "-keyalg",
        "EC",
        "-storetype",
        "PKCS12",
        "-storepass",
        "store-pass",
    ]);
    keytool.args(["-dname", "CN=front", "-keystore"]).arg(&keystore);
    process::run("keytool", keytool, "", Duration::from_secs(60))?.ok()?;
    let properties = spec.properties();
    let listeners = properties.lines().find_map(|line| line.strip_prefix("listeners=")).unwrap_or_default();
    let listeners = listeners.replace("SASL_PLAINTEXT", "SASL_SSL");
    Ok(spec
        .set("listeners", &listeners)
        .unset("listener.name.sasl_plaintext.plain.sasl.jaas.config")
        .set("listener.name.sasl_ssl.plain.sasl.jaas.config", &cluster::jaas())
        .set("ssl.keystore.type", "PKCS12")
        .set("ssl.keystore.location", &keystore.display().to_string())
        .set("ssl.keystore.password", "store-pass"))
}

/// HAProxy speaks TLS for its clients here: the header stands before the handshake.
fn header_before_tls() -> Result<()> {
    let (balancer, client) = (address::balancer(250), address::client(13));
    let mut spec = behind(balancer, "required")?;
    let front = with_tls(&mut spec)?.start()?;
    let haproxy = Haproxy::start(balancer, front.sasl(), "send-proxy-v2 ssl verify none")?;
    let brokers = alice_from(client, haproxy.at)?.call(12, &requests::metadata(&[]))?.brokers.len();
    check_eq!(brokers, 1, "brokers");
    check_eq!(wait_closed(&front, client)?["principal"], Value::from("User:alice"), "a login with TLS");
    // A header and then no TLS.
    let mut conn = Conn::open_from(balancer, front.sasl())?;
    conn.send(&cat(&[format!("PROXY TCP4 {client} {balancer} 1 2\r\n").as_bytes(), &handshake(1, b"PLAIN")]))?;
    refused(&mut conn, "plain Kafka behind a header")?;
    wait_for("a word about it", Duration::from_secs(20), || {
        let told = front.log()?.iter().any(|line| {
            line["message"] == "Kafka request without TLS on the SASL_SSL listener SASL_SSL"
                && line["peer"] == format!("{client}:1")
        });
        if told { Ok(()) } else { Err(front.process.output()) }
    })
}

fn header_allowed() -> Result<()> {
    let (balancer, client, stranger) = (address::balancer(252), address::client(3), address::client(4));
    let front = behind(balancer, "allowed")?.start()?;
    let header = format!("PROXY TCP4 {client} {balancer} 4711 9092\r\n");
    // A trusted one with a header, which comes together with what follows; and one without.
    let mut conn = Conn::open_from(balancer, front.sasl())?;
    conn.send(&cat(&[header.as_bytes(), &handshake(1, b"PLAIN")]))?;
    conn.frame()?;
    let reply = conn.call(1, &requests::plain("alice", "alice-secret"))?;
    check_eq!(reply.error_code, 0, "a login behind a header");
    drop(conn);
    let line = wait_closed(&front, client)?;
    check_eq!((&line["principal"], &line["peer"]), (&"User:alice".into(), &format!("{client}:4711").into()), "{line}");
    drop(alice_from(balancer, front.sasl())?);
    wait_closed(&front, balancer)?;
    // One that is not trusted: without a header it is served, and a header is what it would be anywhere else.
    drop(alice_from(stranger, front.sasl())?);
    wait_closed(&front, stranger)?;
    let mut conn = Conn::open_from(stranger, front.sasl())?;
    conn.send(header.as_bytes())?;
    refused(&mut conn, "a header from somewhere else")?;
    wait_for("a word about it", Duration::from_secs(20), || {
        let told = front.log()?.iter().any(|line| {
            line["message"] == "PROXY protocol header on the SASL_PLAINTEXT listener SASL_PLAINTEXT"
                && line["peer"].as_str().is_some_and(|peer| peer.starts_with(&format!("{stranger}:")))
        });
        if told { Ok(()) } else { Err(front.process.output()) }
    })
}

fn header_required() -> Result<()> {
    let (balancer, client) = (address::balancer(253), address::client(5));
    let front = behind(balancer, "required")?.set("authentication.timeout.ms", "6000").start()?;
    let open = || Conn::open_from(balancer, front.sasl());
    let mut conn = open()?;
    conn.send(&handshake(1, b"PLAIN"))?;
    refused(&mut conn, "no header")?;
    // One deadline from accept on: a header that comes late leaves less time for the login.
    let begin = Instant::now();
    let (mut silent, mut cut) = (open()?, open()?);
    cut.send(b"PROXY TCP4 ")?;
    let mut late = open()?;
    std::thread::sleep(Duration::from_millis(3000));
    late.send(format!("PROXY TCP4 {client} {balancer} 1 2\r\n").as_bytes())?;
    for (conn, what) in [(&mut silent, "nothing"), (&mut cut, "half a header"), (&mut late, "a header and no login")] {
        refused(conn, what)?;
        let after = begin.elapsed();
        check!(after >= Duration::from_millis(5800), "{what}: closed after {after:?}");
    }
    let line = wait_closed(&front, client)?;
    check!(line["duration_ms"].as_u64().is_some_and(|ms| (5900..8800).contains(&ms)), "one deadline: {line}");
    Ok(())
}

/// H-085: none gets an answer, none is waited for, and the next client is served.
fn hostile_headers() -> Result<()> {
    let (balancer, client) = (address::balancer(254), address::client(6));
    let mut front = behind(balancer, "required")?.start()?;
    let v2 = |command: u8, family: u8, payload: &[u8]| {
        let len = (payload.len() as u16).to_be_bytes();
        cat(&[b"\r\n\r\n\0\r\nQUIT\n", &[command, family], &len, payload])
    };
    let ends = cat(&[&client.octets(), &balancer.octets(), &[0x12, 0x67, 0x23, 0x84]]);
    let hostile = [
        ("TLV longer than the header", v2(0x21, 0x11, &cat(&[&ends, &[1, 0xff, 0xff, 0]]))),
        ("half a TLV", v2(0x21, 0x11, &cat(&[&ends, &[1, 0]]))),
        ("Unix socket", v2(0x21, 0x31, &[0; 216])),
        ("UDP", v2(0x21, 0x12, &ends)),
        ("64 KiB", v2(0x21, 0x11, &[0; 65535])),
        ("64 KiB promised", cat(&[b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"])),
        ("too short", v2(0x21, 0x11, &ends[..11])),
        ("IPv6 in the room of IPv4", v2(0x21, 0x21, &ends)),
        ("version 1 in binary", v2(0x11, 0x11, &ends)),
        ("unknown command", v2(0x2f, 0x11, &ends)),
        ("unknown family", v2(0x21, 0xf1, &ends)),
        ("line without end", vec![b'P'; 200]),
        ("long line", cat(&[b"PROXY UNKNOWN ", &[b'x'; 200], b"\r\n"])),
        ("LF alone", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n".to_vec()),
        ("port 65536", b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n".to_vec()),
        ("name", b"PROXY TCP4 localhost 1.2.3.4 1 2\r\n".to_vec()),
        ("two headers", b"PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n".to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in &hostile {
        let mut conn = Conn::open_from(balancer, front.sasl())?;
        // It may be closed while this side still sends.
        drop(conn.send(bytes));
        refused(&mut conn, what)?;
        // Far below the deadline for authentication.
        let lines = closed(&front)?;
        check!(!lines.iter().any(|line| line["reason"].to_string().contains("deadline")), "{what}: {lines:?}");
    }
    // The log knows what they were, and stays small.
    let lines = wait_for("lines about malformed headers", Duration::from_secs(20), || {
        let lines = closed(&front)?;
        if at(&lines, balancer).is_empty() { Err(front.process.output()) } else { Ok(lines) }
    })?;
    let reasons: Vec<&str> = lines.iter().filter_map(|line| line["reason"].as_str()).collect();
    check!(reasons[0] == "malformed PROXY protocol header: a TLV that is longer than the header", "{reasons:?}");
    // Good ones, the bytes one by one, and those that name nobody.
    let cases = [
        (v2(0x21, 0x11, &ends), client),
        (format!("PROXY TCP4 {client} {balancer} 4711 9092\r\n").into_bytes(), client),
        (v2(0x20, 0x00, &[]), balancer),
        (b"PROXY UNKNOWN\r\n".to_vec(), balancer),
    ];
    for (header, address) in cases {
        let mut conn = Conn::open_from(balancer, front.sasl())?;
        for byte in header {
            conn.send(&[byte])?;
        }
        conn.log_in("alice", "alice-secret")?;
        drop(conn);
        wait_for(&format!("the login from {address}"), Duration::from_secs(20), || {
            let lines = closed(&front)?;
            let known = at(&lines, address).iter().any(|line| line["principal"] == "User:alice");
            if known { Ok(()) } else { Err(front.process.output()) }
        })?;
    }
    check_eq!(front.process.ended().map(|s| s.to_string()), None, "doorkeeper has ended");
    Ok(())
}

/// All places before a login are taken by those who never log in; clients wait and are served, as the deadline ends them.
fn strangers() -> Result<()> {
    let (x, y, z) = (address::client(7), address::client(8), address::client(9));
    let front = spec()?
        .set("max.unauthenticated.connections", "5")
        .set("max.unauthenticated.connections.per.ip", "3")
        .set("authentication.timeout.ms", "6000")
        .start()?;
    // Those who have logged in do not count.
    let mut held: Vec<Conn> = (0..10).map(|_| alice_from(z, front.sasl())).collect::<Result<_>>()?;
    let begin = Instant::now();
    let mut strangers: Vec<Conn> = (0..3).map(|_| Conn::open_from(x, front.sasl())).collect::<Result<_>>()?;
    // An address has a share, and is told at once.
    refused(&mut Conn::open_from(x, front.sasl())?, "the fourth stranger of an address")?;
    check!(begin.elapsed() < Duration::from_millis(5000), "not told at once: {:?}", begin.elapsed());
    strangers.push(Conn::open_from(y, front.sasl())?);
    strangers.push(Conn::open_from(y, front.sasl())?);
    // The sixth of all waits, and gets in.
    drop(alice_from(z, front.sasl())?);
    for stranger in &mut strangers {
        refused(stranger, "a stranger at its deadline")?;
    }
    check!(begin.elapsed() >= Duration::from_millis(5800), "strangers were ended after {:?}", begin.elapsed());
    for conn in &mut held {
        conn.call(12, &requests::metadata(&[]))?;
    }
    check!(front.process.output().contains("max.unauthenticated.connections is reached"), "no word about it");
    Ok(())
}

/// A-76 and Kafka's `max.connections`: at the limit a client waits unanswered, and is served when a place comes back, also by
/// a login that failed.
fn max_connections() -> Result<()> {
    let front = spec()?.set("max.connections", "3").set("connection.failed.authentication.delay.ms", "20").start()?;
    for _ in 0..10 {
        check!(Conn::login(front.sasl(), "alice", "wrong").is_err(), "a wrong password");
    }
    let mut held: Vec<Conn> =
        (0..3).map(|_| Conn::login(front.sasl(), "alice", "alice-secret")).collect::<Result<_>>()?;
    let mut waiting = Conn::open(front.sasl())?;
    let correlation = waiting.request(1, &requests::handshake("PLAIN"))?;
    let seen = waiting.outcome(Duration::from_millis(1500));
    check!(seen.end == End::Open && seen.bytes.is_empty(), "the fourth: {:?} {}", seen.end, hex(&seen.bytes));
    held.pop();
    waiting.stream().set_read_timeout(Some(Duration::from_secs(60))).map_err(|e| e.to_string())?;
    let reply = waiting.answer::<kafka_protocol::messages::SaslHandshakeRequest>(1, correlation)?;
    check_eq!(reply.error_code, 0, "the fourth, when there is a place");
    for conn in &mut held {
        conn.call(12, &requests::metadata(&[]))?;
    }
    Ok(())
}

/// a listener at its own limit takes no place that another listener's clients need.
fn full_listener() -> Result<()> {
    let front = spec()?.with_plaintext().set("listener.name.sasl_plaintext.max.connections", "1").start()?;
    let _only = Conn::login(front.sasl(), "alice", "alice-secret")?;
    let mut waiting = Conn::open(front.sasl())?;
    waiting.request(1, &requests::handshake("PLAIN"))?;
    for _ in 0..5 {
        let brokers = Conn::open(front.plain())?.call(12, &requests::metadata(&[]))?.brokers.len();
        check_eq!(brokers, 1, "brokers");
    }
    let seen = waiting.outcome(Duration::from_millis(500));
    check!(seen.end == End::Open && seen.bytes.is_empty(), "the second: {:?} {}", seen.end, hex(&seen.bytes));
    Ok(())
}

/// fifteen clients at once where five a second are let in; all are served, none of them early.
fn creation_rate() -> Result<()> {
    const CLIENTS: u32 = 15;
    const RATE: u32 = 5;
    let front = spec()?.set("max.connection.creation.rate", &RATE.to_string()).start()?;
    let begin = Instant::now();
    let served = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| Conn::login(front.sasl(), "alice", "alice-secret"))).collect();
        clients.into_iter().map(|c| c.join().unwrap_or_else(|_| Err("it panicked".into()))).collect::<Result<Vec<_>>>()
    })?;
    // A second's worth at once, then one every 200 ms. A slow machine only takes longer.
    let least = Duration::from_millis(u64::from((CLIENTS - RATE) * 1000 / RATE - 100));
    check!(begin.elapsed() >= least, "{CLIENTS} clients were in after {:?}", begin.elapsed());
    check_eq!(served.len(), CLIENTS as usize, "clients");
    Ok(())
}

/// Twice if the log's minute ends within the trial.
const ONCE: std::ops::RangeInclusive<usize> = 1..=2;

fn other_protocols() -> Result<()> {
    let front = spec()?.with_plaintext().set("connection.failed.authentication.delay.ms", "20").start()?;
    let hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03";
    for (to, protocol) in [(front.plain(), "PLAINTEXT"), (front.sasl(), "SASL_PLAINTEXT")] {
        for (bytes, what) in [(&hello[..], "TLS ClientHello"), (b"GET / HTTP/1.1\r\n\r\n", "HTTP request")] {
            for _ in 0..8 {
                let mut conn = Conn::open(to)?;
                conn.send(bytes)?;
                refused(&mut conn, what)?;
            }
            let message = format!("{what} on the {protocol} listener {protocol}");
            let count = wait_for(&message, Duration::from_secs(20), || {
                let count = front.log()?.iter().filter(|line| line["message"] == *message).count();
                if count > 0 { Ok(count) } else { Err(front.process.output()) }
            })?;
            check!(ONCE.contains(&count), "{count} lines {message:?}");
        }
    }
    check_eq!(closed(&front)?.len(), 0, "further lines about them: {}", front.process.output());
    Ok(())
}

/// A-71, H-086: closed without an answer, and said what it was.
fn other_protocols_on_tls() -> Result<()> {
    let mut spec = spec()?;
    let front = with_tls(&mut spec)?.start()?;
    for (bytes, what) in [
        (handshake(1, b"PLAIN"), "Kafka request without TLS"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "HTTP request"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "SSH client"),
        (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n".to_vec(), "PROXY protocol header"),
    ] {
        let begin = Instant::now();
        for _ in 0..4 {
            let mut conn = Conn::open(front.sasl())?;
            conn.send(&bytes)?;
            let seen = conn.outcome(Duration::from_secs(30));
            // A TLS alert is an answer that the client may get.
            check!(seen.end == End::Closed && seen.bytes.len() <= 7, "{what}: {:?} {}", seen.end, hex(&seen.bytes));
        }
        check!(begin.elapsed() < Duration::from_secs(14), "{what}: closed at the deadline");
        let message = format!("{what} on the SASL_SSL listener SASL_SSL");
        let count = wait_for(&message, Duration::from_secs(20), || {
            let count = front.log()?.iter().filter(|line| line["message"] == *message).count();
            if count > 0 { Ok(count) } else { Err(front.process.output()) }
        })?;
        check!(ONCE.contains(&count), "{count} lines {message:?}");
    }
    Ok(())
}

fn failed_logins() -> Result<()> {
    let front = spec()?.set("connection.failed.authentication.delay.ms", "0").start()?;
    let (attacker, client) = (address::client(10), address::client(11));
    for _ in 0..60 {
        let mut conn = Conn::open_from(attacker, front.sasl())?;
        check!(conn.log_in("alice", "wrong-pass-canary").is_err(), "a wrong password");
    }
    drop(alice_from(client, front.sasl())?);
    let line = wait_closed(&front, client)?;
    check_eq!(line["principal"], Value::from("User:alice"), "a login beside the flood: {line}");
    let lines = at(&closed(&front)?, attacker).len();
    check!((1..=20).contains(&lines), "{lines} lines for 60 failed logins");
    // Those who are known keep their line, however many.
    for _ in 0..30 {
        drop(alice_from(attacker, front.sasl())?);
    }
    wait_for("thirty lines of logins", Duration::from_secs(20), || {
        let known = closed(&front)?.iter().filter(|line| line["principal"] == "User:alice").count();
        if known == 31 { Ok(()) } else { Err(format!("{known}")) }
    })
}
