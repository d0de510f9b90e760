//! Sessions that end without a re-authentication, and what a reload or a stop makes of one.

use std::net::SocketAddr;
use std::time::Duration;

use kafka_protocol::messages::SaslAuthenticateRequest;
use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::guarded::{BRIEF_SESSIONS, MECHANISMS};
use proto_tests::http::scrape;
use proto_tests::scram::{self, Hash};
use proto_tests::wire::requests::{self, metadata};
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, check, check_eq, cluster, progress, wait_for};
use rustix::process::Signal;

use super::{ALICE, know_users, spec, with_endpoint};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("reauthentication::ends::every_end_is_counted", counted),
        free("reauthentication::ends::an_idle_connection_is_closed", idle),
        free("reauthentication::ends::what_holds_now_decides", reloaded),
        free("reauthentication::ends::a_stop_ends_it_as_a_login", stopped),
    ]
}

fn login(at: SocketAddr) -> Result<Conn> {
    Conn::login(at, ALICE.0, ALICE.1)
}

/// The login of a client from before KIP-368.
fn old_login(at: SocketAddr) -> Result<Conn> {
    let mut conn = Conn::open(at)?;
    conn.handshake("PLAIN")?;
    let reply = conn.call(0, &requests::plain(ALICE.0, ALICE.1))?;
    check_eq!((reply.error_code, reply.session_lifetime_ms), (0, 0), "login of an old client");
    Ok(conn)
}

fn again(conn: &mut Conn, mechanism: &str, token: &SaslAuthenticateRequest) -> Result<(i16, i64)> {
    conn.handshake(mechanism)?;
    let reply = conn.call(1, token)?;
    Ok((reply.error_code, reply.session_lifetime_ms))
}

fn is_closed(conn: &mut Conn, what: &str) -> Result<()> {
    let seen = conn.outcome(Duration::from_secs(15));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "{what}");
    Ok(())
}

/// Where the sessions of the trial end.
fn over() {
    std::thread::sleep(Duration::from_millis(BRIEF_SESSIONS.0 + 300));
}

/// Metrics by exact counts, and the words of the log.
fn counted() -> Result<()> {
    let mut spec = spec()?;
    let endpoint = with_endpoint(&mut spec)?;
    let front = spec.start()?;
    know_users(front.sasl())?;
    let at = front.at("BRIEF");
    let plain = requests::plain(ALICE.0, ALICE.1);

    let mut old = old_login(at)?;
    check!(!old.call(12, &metadata(&[]))?.brokers.is_empty(), "an old client is served before the end");
    let mut late = login(at)?;
    let mut renewed = login(at)?;
    over();
    for (what, conn) in [("an old client", &mut old), ("a late client", &mut late)] {
        conn.request(12, &metadata(&[]))?;
        is_closed(conn, what)?;
    }
    for _ in 0..2 {
        check_eq!(again(&mut renewed, "PLAIN", &plain)?, (0, BRIEF_SESSIONS.0 as i64), "authenticated anew");
        check!(!renewed.call(12, &metadata(&[]))?.brokers.is_empty(), "it is served");
        std::thread::sleep(Duration::from_millis(1100));
    }
    check_eq!(again(&mut renewed, "PLAIN", &requests::plain("bob", "bob-secret"))?.0, 58, "as somebody else");
    is_closed(&mut renewed, "somebody else")?;
    let mut wrong = login(at)?;
    check_eq!(again(&mut wrong, "PLAIN", &requests::plain(ALICE.0, "wrong-pass-canary"))?.0, 58, "a wrong password");
    is_closed(&mut wrong, "a wrong password")?;
    let mut other = login(at)?;
    other.handshake("SCRAM-SHA-256")?;
    other.request(1, &plain)?;
    is_closed(&mut other, "another mechanism")?;
    let hash = Hash::Sha256;
    let mut scram = Conn::open(at)?;
    for _ in 0..2 {
        scram::log_in(&mut scram, hash, ALICE.0, ALICE.1)?;
    }

    let sample = |name: &str, labels: &str| format!("doorkeeper_{name}{{listener=\"BRIEF\"{labels}}}");
    let outcome = |mechanism: &str, outcome: &str| {
        sample("reauthentications_total", &format!(",mechanism=\"{mechanism}\",outcome=\"{outcome}\""))
    };
    let closed = |reason: &str| sample("connections_closed_total", &format!(",reason=\"{reason}\""));
    let expected = [
        (sample("logins_without_reauthentication_total", ""), 1.0),
        (outcome("PLAIN", "success"), 2.0),
        (outcome("PLAIN", "principal_changed"), 1.0),
        (outcome("PLAIN", "rejected_credentials"), 1.0),
        (outcome("SCRAM-SHA-256", "mechanism_changed"), 1.0),
        (outcome("SCRAM-SHA-256", "success"), 1.0),
        (sample("reauthentication_duration_seconds_count", ""), 3.0),
        (closed("session_expired"), 2.0),
        (closed("reauthentication_failed"), 3.0),
    ];
    wait_for("exact counts", Duration::from_secs(20), || {
        let seen = scrape(endpoint)?;
        for (sample, value) in &expected {
            check_eq!(seen.get(sample), Some(value), "{sample}");
        }
        let logins = r#"doorkeeper_logins_total{listener="BRIEF",mechanism="PLAIN",outcome="success"}"#;
        check_eq!(seen[logins], 5.0, "logins");
        Ok(())
    })?;
    let log = front.process.output();
    for words in ["session expired", "reauthentication failed: not authenticated: principal_changed, mechanism PLAIN"] {
        check!(log.contains(words), "the log has no {words:?}");
    }
    check!(!log.contains("wrong-pass-canary"), "the log holds a password");
    Ok(())
}

/// Nothing comes after the end: the connection, and the one to the broker behind it, are closed within a minute of it.
fn idle() -> Result<()> {
    let front = super::front()?;
    let mut conn = login(front.at("BRIEF"))?;
    check!(!conn.call(12, &metadata(&[]))?.brokers.is_empty(), "it is served");
    let seen = conn.outcome(Duration::from_secs(90));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "an idle connection");
    let after = seen.after.saturating_sub(Duration::from_millis(BRIEF_SESSIONS.0));
    progress(format!("an idle connection was closed {after:.1?} after its session"));
    check!((Duration::from_secs(20)..Duration::from_secs(60)).contains(&after), "closed {after:?} after its session");
    Ok(())
}

/// A mechanism that was switched off, a user that is gone, another limit: a client that was accepted before feels it when it
/// authenticates anew, and not before.
fn reloaded() -> Result<()> {
    let mut spec = spec()?;
    let front = spec.start()?;
    know_users(front.sasl())?;
    let at = front.at("SESSIONS");
    let plain = requests::plain(ALICE.0, ALICE.1);
    let (mut by_plain, mut other) = (login(at)?, login(at)?);
    let mut by_scram = Conn::open(at)?;
    scram::log_in(&mut by_scram, Hash::Sha512, ALICE.0, ALICE.1)?;
    let served = |conn: &mut Conn| Ok::<_, String>(conn.call(12, &metadata(&[]))?.brokers.len());

    let without = MECHANISMS.replace(",SCRAM-SHA-512", "");
    front.reload(
        spec.set("listener.name.sessions.sasl.enabled.mechanisms", &without)
            .set("listener.name.sessions.plain.connections.max.reauth.ms", "40000"),
    )?;
    for conn in [&mut by_plain, &mut other, &mut by_scram] {
        check_eq!(served(conn)?, 1, "brokers for who came before the reload");
    }
    check_eq!(again(&mut by_plain, "PLAIN", &plain)?, (0, 40_000), "the limit that holds now");
    by_scram.request(1, &requests::handshake("SCRAM-SHA-512"))?;
    is_closed(&mut by_scram, "by a mechanism that was switched off")?;

    let jaas = cluster::jaas().replace("user_alice=\"alice-secret\"", "user_eve=\"eve-secret\"");
    front.reload(spec.set("listener.name.sessions.plain.sasl.jaas.config", &jaas))?;
    check_eq!(served(&mut other)?, 1, "brokers for a user that is gone");
    check_eq!(again(&mut other, "PLAIN", &plain)?.0, 58, "a user that is gone, anew");
    is_closed(&mut other, "a user that is gone")
}

/// Between handshake and token the front is stopped: it waits for nobody.
fn stopped() -> Result<()> {
    let mut front: Front = Spec::take(spec()?.set("shutdown.timeout.ms", "60000")).start()?;
    let mut conn = login(front.at("SESSIONS"))?;
    check_eq!(conn.call(12, &metadata(&[]))?.brokers.len(), 1, "brokers");
    conn.handshake("PLAIN")?;
    front.process.signal(Signal::TERM);
    is_closed(&mut conn, "a client that was about to authenticate anew")?;
    check_eq!(front.process.wait(Duration::from_secs(20))?.code(), Some(0), "exit code");
    Ok(())
}
