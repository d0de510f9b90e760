//! The gate: before a login nothing but ApiVersions and the SASL requests is answered, and nothing at all reaches the backend.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::hostile::hex;
use proto_tests::standin::Standin;
use proto_tests::wire::bytes::{authenticate, cat, framed, handshake, hdr1, i16s, i32s, string};
use proto_tests::wire::{Conn, End, requests};
use proto_tests::{Result, check, check_eq, progress, wait_for};

use crate::{free, steady};

const KEYS: std::ops::RangeInclusive<i16> = -1..=100;
const VERSIONS: [i16; 6] = [-1, 0, 1, 3, 9, 99];
/// In every frame of these trials: it must never be seen by the backend.
const CANARY: &[u8] = b"gate-canary";

/// How far a client has come when it sends the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Connected,
    AskedVersions,
    ShookHands,
}

pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for stage in [Progress::Connected, Progress::AskedVersions, Progress::ShookHands] {
        all.push(free(&format!("gate::front::every_api_when_{stage:?}"), move || no_byte_passes(stage)));
    }
    all.push(steady("gate::kafka::every_api_when_Connected", |cluster| {
        sweep(cluster.brokers[0].sasl, Progress::Connected)
    }));
    all.push(free("gate::front::wrong_password_and_what_follows", wrong_password));
    all.push(free("gate::front::after_login_only_broker_apis_pass", after_login));
    all.push(free("gate::front::a_thousand_promises_cost_no_memory", promises));
    all
}

/// A thousand clients announce half a MiB each and send four bytes of it (H-005): nothing is set aside for a promise.
fn promises() -> Result<()> {
    const CLIENTS: usize = 1000;
    let (front, standin) = counted()?;
    let before = front.process.resident()?;
    let mut conns = Vec::new();
    for _ in 0..CLIENTS {
        let mut conn = Conn::open(front.sasl())?;
        conn.send(&[0, 8, 0, 0, 0, 18, 0, 0])?;
        conns.push(conn);
    }
    // All have been accepted and read: the next one is served.
    Conn::login(front.sasl(), "alice", "alice-secret")?;
    let each = front.process.resident()?.saturating_sub(before) / CLIENTS as u64;
    check!(each < 48 << 10, "each promise costs {each} bytes");
    progress(format!("a connection that has promised half a MiB costs {each} bytes"));
    untouched(&standin)
}

/// A doorkeeper before a counting stand-in, settled: it has learned what it wants to know.
fn counted() -> Result<(Front, Standin)> {
    let standin = Standin::start(Standin::reserve()?)?;
    let front = Spec::new(&standin.at.to_string())?.set("connection.failed.authentication.delay.ms", "20").start()?;
    wait_for("doorkeeper to learn of its backend", Duration::from_secs(20), || {
        let seen = standin.seen();
        if seen.requests.is_empty() { Err("no request yet".into()) } else { Ok(()) }
    })?;
    std::thread::sleep(Duration::from_secs(1));
    Ok((front, standin))
}

fn no_byte_passes(stage: Progress) -> Result<()> {
    let (mut front, standin) = counted()?;
    let before = standin.seen();
    let begin = Instant::now();
    sweep(front.sasl(), stage)?;
    let during = begin.elapsed();
    let after = standin.seen();
    // Doorkeeper looks after its own knowledge of the cluster: an idle stretch of the same length says how often.
    std::thread::sleep(during);
    let idle = standin.seen().connections - after.connections;
    let caused = after.connections - before.connections;
    check!(caused <= idle + 2, "{caused} connections to the backend during the sweep, {idle} in as long without it");
    untouched(&standin)?;
    check_eq!(front.process.ended().map(|s| s.to_string()), None, "doorkeeper has ended");
    Ok(())
}

/// The backend has seen nothing of what clients sent, only what a front asks for itself.
fn untouched(standin: &Standin) -> Result<()> {
    let seen = standin.seen();
    check!(!contains(&seen.bytes, CANARY), "bytes of a client reached the backend");
    let strange: Vec<_> = seen.requests.iter().filter(|(key, _)| ![3, 18, 60].contains(key)).collect();
    check!(strange.is_empty(), "requests at the backend that doorkeeper has no use for: {strange:?}");
    Ok(())
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle)
}

/// Sends a frame of every API and version, each on a connection of its own; all must be closed.
fn sweep(to: SocketAddr, progress: Progress) -> Result<()> {
    // These have an answer in the states in which they belong: the corpus has their rows.
    let fits = |key: i16| {
        matches!(
            (progress, key),
            (Progress::Connected, 17 | 18) | (Progress::AskedVersions, 17) | (Progress::ShookHands, 36)
        )
    };
    let frames: Vec<(i16, i16)> =
        KEYS.filter(|key| !fits(*key)).flat_map(|key| VERSIONS.map(|version| (key, version))).collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((key, version)) = frames.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = one(to, progress, *key, *version) {
                        wrong.lock().expect("no holder panics").push(format!("api {key} v{version}: {why}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no holder panics");
    check!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), frames.len(), wrong[..wrong.len().min(20)].join("\n"));
    Ok(())
}

fn one(to: SocketAddr, progress: Progress, key: i16, version: i16) -> Result<()> {
    let mut conn = Conn::open(to)?;
    match progress {
        Progress::Connected => {}
        Progress::AskedVersions => drop(conn.call(3, &requests::api_versions())?),
        Progress::ShookHands => conn.handshake("PLAIN")?,
    }
    // A header of version 1 with an empty tag section behind it serves as either; 0s parse as many a body.
    let frame = framed(&cat(&[&i16s(key), &i16s(version), &i32s(1), &string(CANARY), &[0; 24]]));
    conn.send(&frame)?;
    let seen = conn.outcome(Duration::from_secs(20));
    check!(seen.end == End::Closed, "still open; {}", hex(&seen.bytes));
    // During the exchange of tokens Kafka answers with error 34 before it closes; doorkeeper may.
    let most = if progress == Progress::ShookHands { 64 } else { 0 };
    check!(seen.bytes.len() <= most, "answered with {}", hex(&seen.bytes));
    Ok(())
}

fn wrong_password() -> Result<()> {
    let (front, standin) = counted()?;
    for _ in 0..50 {
        let mut conn = Conn::open(front.sasl())?;
        let behind = framed(&cat(&[&i16s(3), &i16s(1), &i32s(1), &string(CANARY), &i32s(0)]));
        conn.send(&cat(&[&handshake(1, b"PLAIN"), &authenticate(b"\0alice\0gate-canary"), &behind.repeat(20)]))?;
        let seen = conn.outcome(Duration::from_secs(20));
        check!(seen.end == End::Closed, "still open after a wrong password");
    }
    untouched(&standin)?;
    // The same frame behind the right password does arrive: the count above could have failed.
    let mut conn = Conn::login(front.sasl(), "alice", "alice-secret")?;
    conn.send(&framed(&cat(&[&i16s(3), &i16s(1), &i32s(1), &string(CANARY), &i32s(0)])))?;
    conn.frame()?;
    check!(contains(&standin.seen().bytes, CANARY), "the right password's request did not reach the backend");
    Ok(())
}

fn after_login() -> Result<()> {
    let (front, standin) = counted()?;
    let controller_only = [52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82];
    let dead_or_unknown = [-1, 4, 5, 6, 7, 95, 99, 100];
    for key in controller_only.into_iter().chain(dead_or_unknown) {
        let mut conn = Conn::login(front.sasl(), "alice", "alice-secret")?;
        conn.send(&framed(&cat(&[&hdr1(key, 0), &[0; 24]])))?;
        let seen = conn.outcome(Duration::from_secs(20));
        check!(
            seen.end == End::Closed && seen.bytes.is_empty(),
            "api {key} after login: {:?} {}",
            seen.end,
            hex(&seen.bytes)
        );
        check!(!standin.seen().requests.iter().any(|(k, _)| *k == key), "api {key} reached the backend");
    }
    Ok(())
}
