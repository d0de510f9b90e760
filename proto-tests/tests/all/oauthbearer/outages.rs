//! F-25 to F-27: an issuer that is away, slow, or answers what it should not. Keys that are known serve on; what is not good is not taken;
//! and it is over when the issuer is well again.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::false_issuer::{Answer, FalseIssuer, Seen};
use proto_tests::issuer::{AUDIENCE, Issuer};
use proto_tests::jose::{self, Algorithm, SigningKey};
use proto_tests::oauthbearer::Outcome;
use proto_tests::random::size_of_run;
use proto_tests::{Result, check, check_eq, progress, wait_for};
use serde_json::{Value, json};

use super::own::{self, Own, key};
use crate::free;

const URL: &str = "https://issuer.example";

pub fn trials() -> Vec<Trial> {
    let mut all = vec![
        free("oauthbearer::outages::down_at_the_start", down_at_the_start),
        free("oauthbearer::outages::down_for_too_long", down_for_too_long),
        free("oauthbearer::outages::stopped", stopped),
        free("oauthbearer::outages::redirects_lead_nowhere", redirects),
    ];
    for (name, answer) in faults() {
        all.push(free(&format!("oauthbearer::outages::{name}"), move || fault(name, answer)));
    }
    all
}

/// An answer in the place of a key set.
type Fault = fn(&SigningKey) -> Answer;

/// What it answers instead of its keys.
fn faults() -> Vec<(&'static str, Fault)> {
    fn keys(key: &SigningKey) -> Vec<u8> {
        jose::jwks([key]).to_string().into_bytes()
    }
    vec![
        ("endless", |_| Answer::Endless),
        ("endless_chunks", |_| Answer::EndlessChunks),
        ("endless_head", |_| Answer::EndlessHead),
        ("a_byte_a_second", |key| Answer::Dribble(keys(key))),
        ("silence", |_| Answer::Silence),
        ("closes", |_| Answer::Close),
        ("status_500", |_| Answer::Status(500)),
        ("status_404", |_| Answer::Status(404)),
        ("html", |_| Answer::Typed("text/html", b"<html><body>Bad gateway</body></html>".to_vec())),
        ("no_keys", |_| Answer::Body(br#"{"keys":[]}"#.to_vec())),
        ("not_quite_json", |key| Answer::Body([keys(key), b"}".to_vec()].concat())),
        ("cut_short", |key| Answer::Cut(keys(key))),
        ("100000_keys", |key| Answer::Body(many(key, 100_000))),
        ("2000_short_keys", |key| Answer::Body(short(key, 2_000))),
        ("a_byte_too_many", |key| Answer::Body(filled(key, (64 << 10) + 1))),
        // Ten MiB of blanks in ten KiB.
        ("packed", |_| Answer::With("Content-Encoding: gzip\r\n".into(), gzip_bomb())),
    ]
}

fn many(key: &SigningKey, n: usize) -> Vec<u8> {
    let one = |i: usize| {
        let mut jwk = key.jwk();
        jwk["kid"] = json!(format!("key-{i}"));
        jwk
    };
    json!({"keys": (0..n).map(one).collect::<Vec<Value>>()}).to_string().into_bytes()
}

/// Under the limit of bytes, by keys that are none.
fn short(key: &SigningKey, n: usize) -> Vec<u8> {
    let all = (0..n).map(|i| json!({"kty": "oct", "kid": i.to_string()}));
    json!({"keys": all.chain([key.jwk()]).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// That key and blanks, so many bytes in all.
fn filled(key: &SigningKey, len: usize) -> Vec<u8> {
    let mut body = jose::jwks([key]).to_string().into_bytes();
    body.resize(len, b' ');
    body
}

/// A gzip file (RFC 1952) of blanks in deflate's own words: it need not be right to its end, which nobody should reach.
fn gzip_bomb() -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    [&head[..], &[0xed, 0xc1, 0x31, 0x01], &[0; 10 << 10]].concat()
}

fn claims() -> Value {
    let now = jose::now();
    json!({"sub": "alice", "iss": URL, "aud": AUDIENCE, "iat": now, "exp": now + 600})
}

/// A stand-in with that key, and a doorkeeper that asks it every second.
fn with_stand_in(key: &SigningKey) -> Result<(FalseIssuer, Own)> {
    let server = FalseIssuer::start(Answer::Body(jose::jwks([key]).to_string().into_bytes()))?;
    let own = own::start(&server.jwks_url(), URL, |spec| {
        spec.set(&own::key("sasl.oauthbearer.jwks.endpoint.refresh.ms"), "1000");
    })?;
    Ok((server, own))
}

/// One fault, for three fetches.
fn fault(name: &str, answer: fn(&SigningKey) -> Answer) -> Result<()> {
    let (good, new) = (SigningKey::new("good", Algorithm::Es256)?, SigningKey::new("new", Algorithm::Es256)?);
    let (server, own) = with_stand_in(&good)?;
    let token = || good.token(&claims());
    let at = own.front.sasl();
    // Whether others wait longer is for who looks at a quiet machine, and needs some thousands.
    let enough_logins = size_of_run("DOORKEEPER_TOKEN_LOGINS", 200);
    let (quiet, ()) = own::stream(at, token, |logins| logins.wait_more(enough_logins))?;
    let (memory, before) = (own.front.process.resident()?, server.seen());
    server.tell(answer(&new));
    // Three answers to see the worst of it; of the slow ones each takes 5 s, so that for them one has to do.
    let slow = ["a_byte_a_second", "silence"].contains(&name);
    let enough = |seen: Seen| seen.requests - before.requests >= if slow { 2 } else { 3 };
    let (stream, ()) = own::stream(at, token, |logins| {
        logins.wait_more(enough_logins)?;
        // What the new key has signed is not let in: whoever answers so has told nothing.
        let got = own.outcome(&new.token(&claims())?)?;
        check!(!got.is_in(), "a login with a key of this answer: {got:?}");
        // A status that will not get better is asked for by the period, or by a login.
        wait_for("more fetches", Duration::from_secs(60), || {
            if enough(server.seen()) { Ok(()) } else { Err(format!("{:?}", server.seen())) }
        })
    })?;
    let (seen, grown) = (server.seen(), own.front.process.resident()?.saturating_sub(memory));
    progress(format!(
        "{name}: {} fetches, {} KiB taken, the longest {:?}; {} logins, p99 {:?} (before {:?}); {} KiB more",
        seen.requests - before.requests,
        (seen.sent - before.sent) >> 10,
        seen.longest,
        stream.times.len(),
        stream.percentile(99),
        quiet.percentile(99),
        grown >> 10,
    ));
    check_eq!((stream.failures, &stream.failed), (0, &Vec::new()), "logins with a known key that failed");
    // What the kernels hold in between is in this figure too: some MiB for each fetch on loopback.
    let fetches = seen.requests - before.requests;
    check!(seen.sent - before.sent <= fetches * (16 << 20), "{} bytes in {fetches} fetches", seen.sent - before.sent);
    check!(grown <= 16 << 20, "{grown} bytes more");
    // It is well again, with a new key.
    server.tell(Answer::Body(jose::jwks([&new]).to_string().into_bytes()));
    wait_for("the new key to be let in", Duration::from_secs(60), || own.log_in(&new.token(&claims())?))
}

/// A redirect is no answer: whoever can make one could name any place.
fn redirects() -> Result<()> {
    let (good, other) = (SigningKey::new("good", Algorithm::Es256)?, SigningKey::new("other", Algorithm::Es256)?);
    let (server, own) = with_stand_in(&good)?;
    let lure = FalseIssuer::start(Answer::Body(jose::jwks([&other]).to_string().into_bytes()))?;
    let before = server.seen();
    server.tell(Answer::Redirect(lure.jwks_url()));
    wait_for("fetches that are led elsewhere", Duration::from_secs(60), || {
        own.log_in(&good.token(&claims())?)?;
        // It is worth another look only when somebody comes.
        let got = own.outcome(&other.token(&claims())?)?;
        check!(matches!(got, Outcome::Refused { .. }), "a key of where the redirect leads: {got:?}");
        let seen = server.seen();
        if seen.requests >= before.requests + 3 { Ok(()) } else { Err(format!("{seen:?}")) }
    })?;
    check_eq!(lure.seen(), Seen::default(), "what came to where the redirect leads");
    Ok(())
}

/// Nobody is let in before the keys are there, nobody is told that their token is wrong, and no new start is needed.
fn down_at_the_start() -> Result<()> {
    let good = SigningKey::new("good", Algorithm::Es256)?;
    let server = FalseIssuer::start(Answer::Close)?;
    let own = own::start(&server.jwks_url(), URL, |_| ())?;
    let token = good.token(&claims())?;
    for _ in 0..3 {
        let got = own.outcome(&token)?;
        check!(!got.is_in() && !matches!(got, Outcome::Refused { .. }), "a login without any keys: {got:?}");
    }
    own.log_in_with_a_password()?;
    server.tell(Answer::Body(jose::jwks([&good]).to_string().into_bytes()));
    wait_for("a login when the issuer is up", Duration::from_secs(60), || own.log_in(&good.token(&claims())?))
}

/// The last good keys serve for as long as the limit says, and not longer.
fn down_for_too_long() -> Result<()> {
    let good = SigningKey::new("good", Algorithm::Es256)?;
    let server = FalseIssuer::start(Answer::Body(jose::jwks([&good]).to_string().into_bytes()))?;
    let own = own::start(&server.jwks_url(), URL, |spec| {
        spec.set(&key("sasl.oauthbearer.jwks.endpoint.refresh.ms"), "1000")
            .set(&key("sasl.oauthbearer.jwks.endpoint.max.staleness.ms"), "6000");
    })?;
    own.log_in(&good.token(&claims())?)?;
    server.tell(Answer::Status(503));
    let before = server.seen();
    wait_for("a fetch that fails", Duration::from_secs(60), || {
        let seen = server.seen();
        if seen.requests > before.requests { Ok(()) } else { Err("none".into()) }
    })?;
    own.log_in(&good.token(&claims())?).map_err(|e| format!("a login behind the first failed fetch: {e}"))?;
    wait_for("the keys to be too old", Duration::from_secs(60), || match own.outcome(&good.token(&claims())?)? {
        Outcome::In(_) => Err("still let in".into()),
        Outcome::Refused { .. } => Err("told that the token is wrong".into()),
        _ => Ok(()),
    })?;
    server.tell(Answer::Body(jose::jwks([&good]).to_string().into_bytes()));
    wait_for("a login when the issuer is well again", Duration::from_secs(60), || own.log_in(&good.token(&claims())?))
}

/// The real issuer is stopped, then frozen with its ports open, then slow.
fn stopped() -> Result<()> {
    let issuer = Issuer::start()?;
    let own = own::start(&issuer.jwks_url(), &issuer.url(), |spec| {
        spec.set(&key("sasl.oauthbearer.jwks.endpoint.refresh.ms"), "1000");
    })?;
    let token = || issuer.token(Algorithm::Rs256, &issuer.claims("alice"));
    let (stream, ()) = own::stream(own.front.sasl(), token, |logins| {
        issuer.stop();
        let before = own.fetches()?;
        logins.wait_more(200)?;
        wait_for("fetches that fail", Duration::from_secs(60), || {
            if own.fetches()? > before { Ok(()) } else { Err("none".into()) }
        })?;
        issuer.restart()?;
        issuer.freeze();
        logins.wait_more(300)?;
        issuer.thaw();
        issuer.slow(Duration::from_secs(2))?;
        logins.wait_more(300)?;
        issuer.slow(Duration::ZERO)
    })?;
    progress(format!("stopped, frozen, slow: {} logins, p99 {:?}", stream.times.len(), stream.percentile(99)));
    check_eq!((stream.failures, &stream.failed), (0, &Vec::new()), "logins that failed");
    let seen = issuer.fetches()?;
    wait_for("fetches when it is well again", Duration::from_secs(60), || {
        if issuer.fetches()? > seen + 1 { Ok(()) } else { Err("none".into()) }
    })
}
