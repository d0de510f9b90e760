//! Who guesses passwords, and what checking them costs the others: PLAIN with users of the JAAS entry and of the store, and SCRAM.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::http::scrape;
use proto_tests::scram::{self, Hash};
use proto_tests::standin::Standin;
use proto_tests::wire::requests::{self, alter_scram, metadata, plain, upsertion};
use proto_tests::wire::{Conn, End, bytes, frame_of};
use proto_tests::{Result, address, check, check_eq, progress, scratch, wait_for};

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("passwords::plain_of_the_store", plain_of_the_store),
        free("passwords::a_guesser_and_the_rightful_user", guesser),
        free("passwords::a_flood_delays_nobody_else", flood),
        free("passwords::scram_without_a_store_does_not_start", no_store),
    ]
}

const WRONG: &str = "Authentication failed: Invalid username or password";
const LONG: Duration = Duration::from_secs(60);

/// A doorkeeper whose PLAIN knows the users of its JAAS entry and of its store.
struct Fixture {
    front: Front,
    endpoint: SocketAddr,
    _backend: Standin,
}

fn start(set: impl FnOnce(&mut Spec)) -> Result<Fixture> {
    let backend = Standin::start(Standin::reserve()?)?;
    let mut spec = Spec::new(&backend.at.to_string())?;
    let host = address::front(spec.number());
    let endpoint = SocketAddr::from((host, address::free_ports(host, 20_000, 1)?));
    let store = scratch::dir(&format!("passwords-{}", spec.number())).join("store");
    spec.set("metrics.listeners", &format!("http://{endpoint}"))
        .set("store.dir", store.to_str().ok_or("a path that is text")?)
        .set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256")
        .set("sasl.plain.credentials", "jaas,scram-sha-256")
        .set("super.users", "User:alice")
        .set("connection.failed.authentication.delay.ms", "1");
    set(&mut spec);
    Ok(Fixture { front: spec.start()?, endpoint, _backend: backend })
}

impl Fixture {
    /// Gives users of the store the password `<user>-secret`.
    fn give(&self, hash: Hash, iterations: u32, users: &[&str]) -> Result<()> {
        let upsertions = users.iter().map(|user| {
            let salted = hash.salted(format!("{user}-secret").as_bytes(), b"some salt", iterations);
            upsertion(user, hash.number(), iterations as i32, b"some salt", &salted)
        });
        let mut admin = Conn::login(self.front.sasl(), "alice", "alice-secret")?;
        let reply = admin.call(0, &alter_scram(Vec::new(), upsertions.collect()))?;
        check!(reply.results.iter().all(|result| result.error_code == 0), "{reply:?}");
        Ok(())
    }

    fn sample(&self, name: &str) -> Result<f64> {
        scrape(self.endpoint)?.get(name).copied().ok_or_else(|| format!("{name} is not shown"))
    }

    fn checks(&self, outcome: &str) -> Result<f64> {
        self.sample(&format!("doorkeeper_password_checks_total{{outcome=\"{outcome}\"}}"))
    }

    /// Whether that address gets in; else it has heard what everybody hears whose password is wrong.
    fn gets_in(&self, from: Ipv4Addr, mechanism: &str, user: &str, password: &str) -> Result<bool> {
        let mut conn = Conn::open_from(from, self.front.sasl())?;
        let (reply, wrong) = if mechanism == "PLAIN" {
            conn.handshake(mechanism)?;
            (conn.call(1, &plain(user, password))?, WRONG.to_owned())
        } else {
            (scram::try_login(&mut conn, Hash::Sha256, user, password)?, scram::refusal(Hash::Sha256))
        };
        if reply.error_code == 0 {
            return Ok(true);
        }
        let told = (reply.error_code, reply.error_message.map(|text| text.to_string()), reply.auth_bytes.len());
        check_eq!(told, (58, Some(wrong), 0), "what {user} is told");
        check_eq!(conn.outcome(LONG).end, End::Closed, "after that");
        Ok(false)
    }
}

/// Users of both sources log in by PLAIN, and a password that changes counts at the next login.
fn plain_of_the_store() -> Result<()> {
    let fixture = start(|_| ())?;
    let from = address::client(1);
    fixture.give(Hash::Sha256, 4096, &["carol"])?;
    fixture.give(Hash::Sha256, 8192, &["dave"])?;
    fixture.give(Hash::Sha512, 4096, &["other"])?;
    // A start tries whether a listener can say no.
    let at_start = fixture.checks("done")?;
    for (user, password, right) in [
        ("carol", "carol-secret", true),
        ("dave", "dave-secret", true),
        ("bob", "bob-secret", true),
        ("carol", "dave-secret", false),
        ("bob", "carol-secret", false),
        ("nobody", "carol-secret", false),
        // The other hash is not looked at.
        ("other", "other-secret", false),
        ("carol", "carol-secret", true),
    ] {
        check_eq!(fixture.gets_in(from, "PLAIN", user, password)?, right, "{user} {password}");
    }
    check_eq!((fixture.checks("done")? - at_start, fixture.checks("cached")?), (6.0, 1.0), "computed and remembered");
    // What PLAIN says is what the relay goes by.
    let mut conn = Conn::login(fixture.front.sasl(), "carol", "carol-secret")?;
    conn.call(12, &metadata(&[]))?;
    let salted = Hash::Sha256.salted(b"new", b"other salt", 4096);
    let mut admin = Conn::login(fixture.front.sasl(), "alice", "alice-secret")?;
    admin.call(0, &alter_scram(Vec::new(), vec![upsertion("carol", 1, 4096, b"other salt", &salted)]))?;
    check!(!fixture.gets_in(from, "PLAIN", "carol", "carol-secret")?, "the old password is let in");
    check!(fixture.gets_in(from, "PLAIN", "carol", "new")?, "the new password is not let in");
    admin.call(0, &alter_scram(vec![requests::deletion("carol", 1)], Vec::new()))?;
    check!(!fixture.gets_in(from, "PLAIN", "carol", "new")?, "a deleted user is let in");
    conn.call(12, &metadata(&[]))?;
    Ok(())
}

/// SEC-59, for each mechanism and source.
fn guesser() -> Result<()> {
    const LIMIT: u32 = 10;
    const GUESSES: usize = 100;
    let fixture = start(|spec| {
        spec.set("sasl.failed.logins.per.minute.per.address", "300")
            .set("sasl.failed.logins.per.minute.per.account", &LIMIT.to_string());
    })?;
    fixture.give(Hash::Sha256, 4096, &["carol", "dave"])?;
    let (guesser, home) = (address::client(2), address::client(3));
    for (mechanism, user) in [("PLAIN", "carol"), ("PLAIN", "bob"), ("SCRAM-SHA-256", "dave"), ("PLAIN", "nobody")] {
        let held = || fixture.sample("doorkeeper_logins_held_back_total{limit=\"account\"}");
        let (before, begin) = (held()?, Instant::now());
        // Several at once, so that none waits for the other's verdict.
        std::thread::scope(|scope| {
            let guess = |part: usize| {
                let fixture = &fixture;
                move || -> Result<()> {
                    for n in 0..GUESSES / 5 {
                        let password = format!("guess {part} {n}");
                        check!(!fixture.gets_in(guesser, mechanism, user, &password)?, "{password:?} is right");
                    }
                    Ok(())
                }
            };
            let all: Vec<_> = (0..5).map(|part| scope.spawn(guess(part))).collect();
            all.into_iter().try_for_each(|one| one.join().map_err(|_| "a guesser panicked".to_owned())?)
        })?;
        let checked = GUESSES as f64 - (held()? - before);
        let minutes = begin.elapsed().as_secs() / 60 + 1;
        progress(format!("{mechanism} as {user}: {checked} of {GUESSES} guesses were checked"));
        let most = f64::from(LIMIT) * minutes as f64;
        check!((f64::from(LIMIT)..=most).contains(&checked), "{checked} of {GUESSES} were checked, expected {LIMIT}");
        if user == "nobody" {
            continue;
        }
        let right = format!("{user}-secret");
        let is_let_in = fixture.gets_in(guesser, mechanism, user, &right)?;
        // If a minute has passed, it may be.
        check!(!is_let_in || begin.elapsed() > Duration::from_secs(60), "the right guess of {user} was checked");
        for _ in 0..20 {
            check!(fixture.gets_in(home, mechanism, user, &right)?, "{user} is held back at home");
        }
    }
    Ok(())
}

/// One address has hundreds of passwords checked, by one thread. A relayed connection on the only worker, and a login from another
/// address, are served while most of them wait.
fn flood() -> Result<()> {
    const FLOOD: usize = 900;
    let fixture = start(|spec| {
        spec.set("worker.threads", "1")
            .set("password.verification.threads", "1")
            .set("authentication.timeout.ms", "120000");
    })?;
    fixture.give(Hash::Sha256, 16_384, &["carol"])?;
    let at_start = fixture.checks("done")?;
    let mut relayed = Conn::login(fixture.front.sasl(), "bob", "bob-secret")?;
    relayed.call(12, &metadata(&[]))?;
    let guess = frame_of(1, 2, &plain("carol", "a guess"))?;
    let login = bytes::cat(&[&bytes::handshake(1, b"PLAIN"), &guess]);
    let mut clients = Vec::new();
    for _ in 0..FLOOD {
        let mut conn = Conn::open_from(address::client(4), fixture.front.sasl())?;
        conn.send(&login)?;
        clients.push(conn);
    }
    let queued = || fixture.sample("doorkeeper_password_checks{state=\"queued\"}");
    let queue_full = fixture.checks("queue_full")?;
    let before = queued()?;
    for _ in 0..50 {
        relayed.call(12, &metadata(&[]))?;
    }
    check!(fixture.gets_in(address::client(5), "PLAIN", "carol", "carol-secret")?, "the login of another address");
    let (after, done) = (queued()?, fixture.checks("done")?);
    progress(format!("{FLOOD} logins at once: {before} waited before 50 requests and a login, {after} behind them"));
    check!(after > 0.0, "the flood was over before 50 requests and a login were: {done} checks were done");
    check_eq!(queue_full, 0.0, "refused for want of room");
    // Those who leave cost nothing: what waits is gone long before it could have been computed.
    drop(clients);
    wait_for("all checks to have ended", LONG, || {
        let ended = fixture.checks("done")? - at_start + fixture.checks("abandoned")?;
        check_eq!((queued()?, ended), (0.0, FLOOD as f64 + 1.0), "those that wait, and those that have ended");
        Ok(())
    })?;
    check!(fixture.checks("abandoned")? > 0.0, "none was abandoned");
    Ok(())
}

fn no_store() -> Result<()> {
    let mut spec = Spec::new("127.0.0.1:1")?;
    let mut front = spec.set("sasl.plain.credentials", "scram-sha-256").launch()?;
    let said = front.process.wait_output("store.dir", LONG);
    check!(said.is_ok(), "{said:?}");
    Ok(())
}
