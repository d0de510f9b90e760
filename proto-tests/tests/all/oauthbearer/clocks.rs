//! F-23, F-24: the wall clock jumps, and the machine stands still for a while. Tokens are judged by the wall clock; sessions, delays, limits
//! and fetches of keys go by one that only goes forward.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::false_issuer::{Answer, FalseIssuer};
use proto_tests::front::Spec;
use proto_tests::issuer::AUDIENCE;
use proto_tests::jose::{self, Algorithm, SigningKey};
use proto_tests::oauthbearer::{self, Outcome};
use proto_tests::wire::{Conn, End, requests};
use proto_tests::{Context, Result, check, check_eq, progress, scratch, wait_for};
use rustix::process::Signal;
use serde_json::json;

use super::own::{self, Own, key};
use crate::free;

const URL: &str = "https://issuer.example";
const HOUR: i64 = 3600;
const TEN_YEARS: i64 = 10 * 365 * 24 * HOUR;
/// Between two fetches of the keys.
const REFRESH: Duration = Duration::from_secs(2);
/// How long who is refused waits for the answer.
const DELAY: Duration = Duration::from_millis(200);

pub fn trials() -> Vec<Trial> {
    vec![free("oauthbearer::clocks::jumps", jumps), free("oauthbearer::clocks::a_standstill", a_standstill)]
}

/// A doorkeeper whose wall clock, and no other, is what a file says (libfaketime).
struct Clock {
    file: PathBuf,
}

impl Clock {
    fn new(name: &str) -> Result<Clock> {
        let clock = Clock { file: scratch::dir("clocks").join(name) };
        clock.tell("+0")?;
        Ok(clock)
    }

    /// Replaced in one step: it is read at every look at the clock.
    fn tell(&self, offset: &str) -> Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset}\n")).context("write the clock")?;
        std::fs::rename(&new, &self.file).context("set the clock")
    }

    fn of(&self, spec: &mut Spec) -> Result<()> {
        let library = std::fs::read_dir("/usr/lib").context("/usr/lib")?;
        let library = library.flatten().map(|dir| dir.path().join("faketime/libfaketimeMT.so.1")).find(|p| p.exists());
        let library = library.ok_or("libfaketime is not installed; scripts/dev/need.sh faketime installs it")?;
        spec.env("LD_PRELOAD", &library.to_string_lossy())
            .env("FAKETIME_TIMESTAMP_FILE", &self.file.to_string_lossy())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Ok(())
    }
}

/// A token of `at`, in seconds of the wall clock, good until so many seconds later; `from` is its `nbf`.
fn token(key: &SigningKey, at: i64, from: i64, seconds: i64) -> Result<String> {
    let claims = json!({
        "sub": "alice", "iss": URL, "aud": AUDIENCE, "iat": at - 10, "nbf": at + from, "exp": at + seconds,
    });
    key.token(&claims)
}

fn serves(conn: &mut Conn, what: &str) -> Result<()> {
    let reply = conn.call(12, &requests::metadata(&[])).map_err(|e| format!("{what}: {e}"))?;
    check!(!reply.brokers.is_empty(), "{what}: no brokers");
    Ok(())
}

/// Who is let in at an hour that differs from ours by `offset` seconds, and how fast who is not is told.
fn judges(own: &Own, good: &SigningKey, offset: i64) -> Result<()> {
    let now = || jose::now() + offset;
    let lifetime = oauthbearer::log_in(&mut Conn::open(own.front.sasl())?, &token(good, now(), -5, 300)?)?;
    check!((290_000..=301_000).contains(&lifetime), "a session of {lifetime} ms of a token of 300 s");
    for (what, from, seconds) in [("is over", -300, -60), ("is not good yet", 120, 300)] {
        let begin = Instant::now();
        let got = own.outcome(&token(good, now(), from, seconds)?)?;
        check!(matches!(got, Outcome::Refused { .. }), "a token that {what}: {got:?}");
        let after = begin.elapsed();
        check!(DELAY <= after && after < Duration::from_secs(20), "told after {after:?} that a token {what}");
    }
    own.log_in_with_a_password()
}

fn jumps() -> Result<()> {
    let clock = Clock::new("jumps")?;
    let good = SigningKey::new("good", Algorithm::Es256)?;
    let server = FalseIssuer::start(Answer::Body(jose::jwks([&good]).to_string().into_bytes()))?;
    let mut told = Ok(());
    let own = own::start(&server.jwks_url(), URL, |spec| {
        told = clock.of(spec);
        spec.set(&key("sasl.oauthbearer.jwks.endpoint.refresh.ms"), &REFRESH.as_millis().to_string())
            .set("connection.failed.authentication.delay.ms", &DELAY.as_millis().to_string())
            .set("authentication.timeout.ms", "120000");
    })?;
    told?;
    judges(&own, &good, 0)?;
    let password = || Conn::login(own.front.sasl(), "alice", "alice-secret");
    let (mut idle, mut busy) = (password()?, password()?);
    let mut session = Conn::open(own.front.sasl())?;
    oauthbearer::log_in(&mut session, &token(&good, jose::now(), -5, 600)?)?;

    let (begin, before) = (Instant::now(), server.seen().requests);
    // There, back, and from one end to the other.
    let table = [HOUR, 0, TEN_YEARS, 0, -HOUR, 0, -TEN_YEARS, TEN_YEARS, -TEN_YEARS, 0];
    for (n, offset) in table.into_iter().enumerate() {
        let was = if n == 0 { 0 } else { table[n - 1] };
        let what = |what: &str| format!("{what}, the clock from {was:+} s to {offset:+} s");
        // One that has not said anything, one within its login, one whose session ends soon and one whose session has ended.
        let mut silent = Conn::open(own.front.sasl())?;
        let mut half = Conn::open(own.front.sasl())?;
        half.handshake("OAUTHBEARER")?;
        let (mut brief, mut ended) = (Conn::open(own.front.sasl())?, Conn::open(own.front.sasl())?);
        let brief_ends = Instant::now() + Duration::from_secs(4);
        oauthbearer::log_in(&mut brief, &token(&good, jose::now() + was, -5, 4)?)?;
        oauthbearer::log_in(&mut ended, &token(&good, jose::now() + was, -20, -5)?)?;
        clock.tell(&format!("{offset:+}"))?;

        judges(&own, &good, offset).map_err(|e| what(&e))?;
        if was != offset {
            // What was good a moment ago is over or not good yet.
            let got = own.outcome(&token(&good, jose::now() + was, -5, 300)?)?;
            let is_good = matches!(got, Outcome::In(_));
            check!(!is_good, "{}", what("a token of the hour before is let in"));
        }
        serves(&mut busy, &what("a connection with a password"))?;
        serves(&mut session, &what("a session"))?;
        oauthbearer::log_in(&mut silent, &token(&good, jose::now() + offset, -5, 300)?)
            .map_err(|e| what(&format!("one that had said nothing: {e}")))?;
        let got = oauthbearer::again(&mut half, oauthbearer::initial(&token(&good, jose::now() + offset, -5, 300)?))?;
        check!(got.is_in(), "{}", what(&format!("one within its login: {got:?}")));
        let is_over = |conn: &mut Conn, name: &str| -> Result<()> {
            conn.request(12, &requests::metadata(&[]))?;
            let seen = conn.outcome(Duration::from_secs(20));
            check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "{}", what(name));
            Ok(())
        };
        is_over(&mut ended, "a session that had ended")?;
        if Instant::now() < brief_ends - Duration::from_secs(1) {
            serves(&mut brief, &what("a session within its time"))?;
        }
        std::thread::sleep((brief_ends + Duration::from_millis(100)).saturating_duration_since(Instant::now()));
        is_over(&mut brief, "a session that has ended since")?;
    }
    // A clock that is slewed: half a percent is ten times what a time daemon does.
    clock.tell("+0 x1.005")?;
    judges(&own, &good, (begin.elapsed().as_secs() / 200) as i64)?;
    clock.tell("+0")?;
    serves(&mut idle, "one that stood idle meanwhile")?;
    serves(&mut session, "a session at the end")?;
    let (fetches, periods) = (server.seen().requests - before, begin.elapsed().as_secs() / REFRESH.as_secs());
    progress(format!("{} jumps in {:.1?}: {fetches} fetches of keys", table.len(), begin.elapsed()));
    check!(fetches <= periods + 2, "{fetches} fetches in {periods} periods");
    check!(fetches >= periods / 3, "only {fetches} fetches in {periods} periods");
    check!(!own.front.process.output().contains("panic"), "the log tells of a panic");
    Ok(())
}

/// As a machine that was suspended: what should have been done meanwhile is done once.
fn a_standstill() -> Result<()> {
    const STANDS: Duration = Duration::from_secs(12);
    let good = SigningKey::new("good", Algorithm::Es256)?;
    let server = FalseIssuer::start(Answer::Body(jose::jwks([&good]).to_string().into_bytes()))?;
    let own = own::start(&server.jwks_url(), URL, |spec| {
        spec.set(&key("sasl.oauthbearer.jwks.endpoint.refresh.ms"), "1000");
    })?;
    let log_in = || own.log_in(&token(&good, jose::now(), -5, 300)?);
    log_in()?;
    let mut idle = Conn::login(own.front.sasl(), "alice", "alice-secret")?;
    own.front.process.signal(Signal::STOP);
    std::thread::sleep(STANDS);
    let (begin, before) = (Instant::now(), server.seen().requests);
    own.front.process.signal(Signal::CONT);
    log_in()?;
    serves(&mut idle, "a connection from before")?;
    wait_for("fetches to go on", Duration::from_secs(60), || {
        if server.seen().requests >= before + 3 { Ok(()) } else { Err("not yet".into()) }
    })?;
    std::thread::sleep(Duration::from_secs(2));
    let (fetches, seconds) = (server.seen().requests - before, begin.elapsed().as_secs_f64());
    progress(format!("{fetches} fetches in the {seconds:.1} s after a standstill of {STANDS:?}"));
    check!(fetches as f64 <= seconds + 2.0, "{fetches} fetches in {seconds:.1} s");
    Ok(())
}
