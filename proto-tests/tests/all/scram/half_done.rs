//! H-160 and H-162: exchanges that stop in the middle, and one that goes on behind its end.

use std::time::Duration;

use kafka_protocol::messages::SaslAuthenticateRequest;
use libtest_mimic::Trial;
use proto_tests::scram::{self, Hash, Round};
use proto_tests::wire::bytes::{framed, handshake};
use proto_tests::wire::{Conn, End, requests};
use proto_tests::{Result, check, check_eq};

use super::{Target, both, spec};
use crate::free;

pub fn trials() -> Vec<Trial> {
    let mut all = both("half_done::an_empty_token_behind_the_last", empty_token);
    all.push(free("scram::half_done::a_thousand_cost_little", thousand));
    all.push(free("scram::half_done::the_deadline_ends_them", deadline));
    all
}

/// Goes as far as the challenge.
fn challenged(conn: &mut Conn, hash: Hash, user: &str) -> Result<()> {
    conn.handshake(hash.mechanism())?;
    let first = SaslAuthenticateRequest::default().with_auth_bytes(format!("n,,n={user},r=half").into());
    check_eq!(conn.call(1, &first)?.error_code, 0, "the challenge for {user}");
    Ok(())
}

/// H-160: what a client that stops after the challenge costs beside one that only connects. Half of the names are nobody's.
fn thousand() -> Result<()> {
    const COUNT: usize = 1000;
    let front = spec()?
        .set("authentication.timeout.ms", "300000")
        .set("max.unauthenticated.connections", "5000")
        .set("max.unauthenticated.connections.per.ip", "5000")
        .start()?;
    let open = |count: usize| -> Result<Vec<Conn>> { (0..count).map(|_| Conn::open(front.sasl())).collect() };
    let pause = || std::thread::sleep(Duration::from_secs(1));
    // What is made once is made: by as many as come later.
    let mut first = open(COUNT)?;
    for conn in &mut first {
        challenged(conn, Hash::Sha512, "nobody")?;
    }
    drop(first);
    pause();
    let mut held = open(COUNT)?;
    pause();
    let connected = front.process.resident()?;
    for (n, conn) in held.iter_mut().enumerate() {
        let hash = Hash::BOTH[n % 2];
        challenged(conn, hash, &format!("half-done-{n}"))?;
    }
    pause();
    let half_done = front.process.resident()?;
    let each = half_done.saturating_sub(connected) / COUNT as u64;
    println!("{each} bytes for an exchange that is half done");
    check!(each <= 4096, "{each} bytes for an exchange that is half done");
    // They take no place from who logs in, and those that go on are judged.
    Conn::login(front.sasl(), proto_tests::guarded::ADMIN.0, proto_tests::guarded::ADMIN.1)?;
    let last = SaslAuthenticateRequest::default().with_auth_bytes("c=biws,r=half,p=AAAA".into());
    check_eq!(held[COUNT / 2].call(1, &last)?.error_code, 58, "an exchange that goes on");
    Ok(())
}

/// H-160, SEC-07: nothing is said to them.
fn deadline() -> Result<()> {
    let front = spec()?.set("authentication.timeout.ms", "3000").start()?;
    let mut held: Vec<Conn> = (0..20).map(|_| Conn::open(front.sasl())).collect::<Result<_>>()?;
    for (n, conn) in held.iter_mut().enumerate() {
        challenged(conn, Hash::BOTH[n % 2], "half-done")?;
    }
    for conn in &mut held {
        let seen = conn.outcome(Duration::from_secs(30));
        check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "at the deadline");
    }
    Conn::login(front.sasl(), proto_tests::guarded::ADMIN.0, proto_tests::guarded::ADMIN.1).map(drop)
}

/// H-162: RFC 5802 has the client answer the server's last message with nothing, and SASL libraries send that nothing as a token. Kafka's
/// exchange has ended with the server's message: what follows is a request, and an empty one is none.
fn empty_token(target: Target) -> Result<()> {
    let (user, hash) = ("acknowledges", Hash::Sha256);
    target.give(user, hash, "secret")?;
    // SaslHandshake v0: tokens stand alone in their frames.
    let mut conn = target.open()?;
    conn.send(&handshake(0, hash.mechanism().as_bytes()))?;
    conn.frame()?;
    let nonce = scram::nonce();
    let bare = format!("n={user},r={nonce}");
    conn.send(&framed(format!("n,,{bare}").as_bytes()))?;
    let round = Round::new(hash, "n,,", &bare, &nonce, &conn.frame()?)?;
    conn.send(&framed(round.finish("secret").as_bytes()))?;
    check_eq!(conn.frame()?, round.server_final("secret", &round.without_proof()), "the last token");
    conn.send(&framed(b""))?;
    let seen = conn.outcome(Duration::from_secs(20));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "an empty token behind the last");
    // In the middle it is a malformed message, and in SaslHandshake v1 it comes as a request, after which the session goes on.
    let token = |text: &str| SaslAuthenticateRequest::default().with_auth_bytes(text.to_owned().into());
    let mut conn = target.open()?;
    conn.handshake(hash.mechanism())?;
    let reply = conn.call(1, &token(&format!("n,,{bare}")))?;
    let round = Round::new(hash, "n,,", &bare, &nonce, &reply.auth_bytes)?;
    check_eq!(conn.call(1, &token(&round.finish("secret")))?.error_code, 0, "the exchange");
    let reply = conn.call(1, &token(""))?;
    check_eq!(reply.error_code, 34, "an empty token in a session: {:?}", reply.error_message);
    check_eq!(conn.call(12, &requests::metadata(&[]))?.brokers.len(), 1, "brokers");
    Ok(())
}
