//! What a change of credentials does to those who log in and to those who are in.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use libtest_mimic::Trial;
use proto_tests::scram::{self, Hash, first_round, is_refused, log_in};
use proto_tests::wire::records;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check_eq};

use super::{Target, credential, judge};
use crate::free;

/// A trial at one of the two.
type Body = fn(Target) -> Result<()>;

const ALL: [(&str, Body); 6] = [
    ("changed_password", changed_password),
    ("deleted", deleted),
    ("hashes_are_independent", independent),
    ("changed_between_rounds", between_rounds),
    ("a_scram_user_administers", root),
    ("raw_tokens", raw),
];

pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for (i, (name, _)) in ALL.iter().enumerate() {
        for target in Target::BOTH {
            let name = format!("scram::admin::{name}::{}", target.name());
            all.push(free(&name, move || verdicts()[target as usize][i].clone()));
        }
    }
    all
}

/// All of them side by side, once: most of the time they wait for refusals.
fn verdicts() -> &'static [Vec<Result<()>>; 2] {
    static SEEN: OnceLock<[Vec<Result<()>>; 2]> = OnceLock::new();
    SEEN.get_or_init(|| {
        std::thread::scope(|scope| {
            let start = |target: Target| ALL.map(|(_, body)| scope.spawn(move || body(target)));
            let started = Target::BOTH.map(start);
            let end =
                |body: std::thread::ScopedJoinHandle<'_, Result<()>>| body.join().unwrap_or(Err("panicked".into()));
            started.map(|of| of.into_iter().map(end).collect())
        })
    })
}

/// A connection that produces, one record at a time.
pub struct Producer {
    conn: Conn,
    topic: String,
}

impl Producer {
    pub fn new(target: Target, name: &str, user: &str, password: &str) -> Result<Producer> {
        let topic = format!("{name}-{}", target.name());
        judge()?.create_topic(&topic)?;
        let mut conn = target.open()?;
        log_in(&mut conn, Hash::Sha256, user, password)?;
        let node = conn.call(12, &requests::metadata(&[&topic]))?;
        check_eq!(node.topics[0].partitions[0].error_code, 0, "leader of {topic}");
        // The bootstrap address of doorkeeper answers for any node; the only one has the number 1.
        let at = (node.brokers[0].host.as_str(), node.brokers[0].port as u16);
        let at =
            std::net::ToSocketAddrs::to_socket_addrs(&at).map_err(|e| e.to_string())?.next().ok_or("no address")?;
        let mut conn = Conn::open(at)?;
        log_in(&mut conn, Hash::Sha256, user, password)?;
        Ok(Producer { conn, topic })
    }

    pub fn go_on(&mut self) -> Result<()> {
        let request: ProduceRequest = requests::produce(&self.topic, 0, -1, records::batch(&[b"v"]).into());
        let reply = self.conn.call(9, &request)?;
        check_eq!(reply.responses[0].partition_responses[0].error_code, 0, "produced over the open connection");
        Ok(())
    }
}

fn changed_password(target: Target) -> Result<()> {
    let (user, hash) = ("changed", Hash::Sha256);
    target.give(user, hash, "old")?;
    let mut open = Producer::new(target, "scram-changed", user, "old")?;
    open.go_on()?;
    target.give(user, hash, "new")?;
    is_refused(&mut target.open()?, hash, user, "old")?;
    open.go_on()?;
    // The same with other iterations: only the newest counts.
    let salted = hash.salted(b"newest", b"salt", 5000);
    target.alter(vec![], vec![requests::upsertion(user, 1, 5000, b"salt", &salted)])?;
    target.settled("the newest password", || log_in(&mut target.open()?, hash, user, "newest"))?;
    let round = first_round(&mut target.open()?, hash, user)?;
    check_eq!((round.iterations, round.salt), (5000, b"salt".to_vec()), "what the first round tells");
    is_refused(&mut target.open()?, hash, user, "new")?;
    open.go_on()
}

fn deleted(target: Target) -> Result<()> {
    let (user, hash) = ("deleted", Hash::Sha256);
    target.give(user, hash, "secret")?;
    let mut open = Producer::new(target, "scram-deleted", user, "secret")?;
    target.alter(vec![requests::deletion(user, 1)], vec![])?;
    target.settled("the login to fail", || is_refused(&mut target.open()?, hash, user, "secret"))?;
    open.go_on()?;
    // It can come again, with another password.
    target.give(user, hash, "another")?;
    is_refused(&mut target.open()?, hash, user, "secret")?;
    open.go_on()
}

fn independent(target: Target) -> Result<()> {
    let user = "independent";
    target.give(user, Hash::Sha256, "pw-256")?;
    is_refused(&mut target.open()?, Hash::Sha512, user, "pw-256")?;
    target.give(user, Hash::Sha512, "pw-512")?;
    log_in(&mut target.open()?, Hash::Sha256, user, "pw-256")?;
    is_refused(&mut target.open()?, Hash::Sha256, user, "pw-512")?;
    is_refused(&mut target.open()?, Hash::Sha512, user, "pw-256")?;
    target.alter(vec![requests::deletion(user, 1)], vec![])?;
    target.settled("SHA-256 to be gone", || is_refused(&mut target.open()?, Hash::Sha256, user, "pw-256"))?;
    log_in(&mut target.open()?, Hash::Sha512, user, "pw-512")
}

/// H-157: the credential that the first round has told decides.
fn between_rounds(target: Target) -> Result<()> {
    let (user, hash) = ("rotated", Hash::Sha256);
    target.give(user, hash, "old")?;
    let half = |target: Target| -> Result<_> {
        let mut conn = target.open()?;
        let round = first_round(&mut conn, hash, user)?;
        Ok((conn, round))
    };
    let (mut before, round) = half(target)?;
    let (mut other, round_of_other) = half(target)?;
    target.give(user, hash, "new")?;
    let finish = |conn: &mut Conn, message: String| {
        let request =
            kafka_protocol::messages::SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
        conn.call(1, &request)
    };
    let reply = finish(&mut before, round.finish("old"))?;
    check_eq!(reply.error_code, 0, "the exchange that began with the old credential: {:?}", reply.error_message);
    let reply = finish(&mut other, round_of_other.finish("new"))?;
    let said = reply.error_message.as_deref().unwrap_or_default().to_owned();
    check_eq!(said, scram::refusal(hash), "the new password in it");
    let (mut gone, round) = half(target)?;
    target.alter(vec![requests::deletion(user, 1)], vec![])?;
    target.settled("the user to be gone", || is_refused(&mut target.open()?, hash, user, "new"))?;
    let reply = finish(&mut gone, round.finish("new"))?;
    check_eq!(reply.error_code, 0, "the exchange that began before the deletion: {:?}", reply.error_message);
    Ok(())
}

/// A super user that comes with SCRAM gives credentials like the one that comes with PLAIN.
fn root(target: Target) -> Result<()> {
    target.give(proto_tests::guarded::ROOT, Hash::Sha512, "root-secret")?;
    let mut conn = target.open()?;
    log_in(&mut conn, Hash::Sha512, proto_tests::guarded::ROOT, "root-secret")?;
    let user = credential("made-by-root", Hash::Sha256, "secret");
    let reply = conn.call(0, &requests::alter_scram(vec![], vec![user]))?;
    check_eq!(reply.results[0].error_code, 0, "altered by root: {reply:?}");
    target.settled("its user", || log_in(&mut target.open()?, Hash::Sha256, "made-by-root", "secret"))
}

/// SaslHandshake v0, after which tokens stand alone in their frames.
fn raw(target: Target) -> Result<()> {
    use proto_tests::wire::bytes::{framed, handshake};
    let (user, hash) = ("raw", Hash::Sha256);
    target.give(user, hash, "secret")?;
    for password in ["secret", "wrong"] {
        let mut conn = target.open()?;
        conn.send(&handshake(0, hash.mechanism().as_bytes()))?;
        conn.frame()?;
        let nonce = scram::nonce();
        let bare = format!("n={user},r={nonce}");
        conn.send(&framed(format!("n,,{bare}").as_bytes()))?;
        let round = scram::Round::new(hash, "n,,", &bare, &nonce, &conn.frame()?)?;
        conn.send(&framed(round.finish(password).as_bytes()))?;
        if password == "secret" {
            check_eq!(conn.frame()?, round.server_final(password, &round.without_proof()), "the last token");
            check_eq!(conn.call(12, &requests::metadata(&[]))?.brokers.len(), 1, "brokers");
        } else {
            let seen = conn.outcome(Duration::from_secs(20));
            check_eq!((seen.end, seen.bytes.len()), (proto_tests::wire::End::Closed, 0), "after a wrong password");
        }
    }
    Ok(())
}
