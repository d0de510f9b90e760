//! The hostile-input corpus (H-001 to H-128; what is hostile inside of TLS stands in `tls::records`) at doorkeeper and at a real broker.
//! Each row is a trial of its own at each of the two.

mod first_frames;
mod later_frames;
mod plain;
mod protocols;
mod tls;

use std::sync::OnceLock;

use libtest_mimic::Trial;
use proto_tests::cluster::Tls;
use proto_tests::front::{Front, Spec};
use proto_tests::hostile::{Case, DEADLINE, Ending, Expect, Listener, Reply, Step, run_all};
use proto_tests::wire::Conn;
use proto_tests::wire::bytes::{api_versions3, authenticate, cat, framed, handshake, hdr1, i16s, i32s};
use proto_tests::{Result, check, check_eq, cluster};

use crate::{cluster, steady};

pub fn trials() -> Vec<Trial> {
    let mut all =
        vec![steady("hostile::front::survives_them_all", |_| at_front()?.as_ref().map_err(Clone::clone)?.afterwards())];
    for (i, case) in cases().iter().enumerate() {
        all.push(steady(&format!("hostile::front::{}", case.id), move |_| {
            at_front()?.as_ref().map_err(Clone::clone)?.verdicts[i].clone()
        }));
        if case.kafka.is_some() {
            all.push(steady(&format!("hostile::kafka::{}", case.id), move |_| at_kafka()?[i].clone()));
        }
    }
    all
}

/// All rows, built once.
fn cases() -> &'static [Case] {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(|| {
        [first_frames::cases(), later_frames::cases(), protocols::cases(), plain::cases(), tls::cases()]
            .into_iter()
            .flatten()
            .collect()
    })
}

fn at_kafka() -> Result<&'static Vec<Result<()>>> {
    static VERDICTS: OnceLock<Vec<Result<()>>> = OnceLock::new();
    let cluster = cluster()?;
    let broker = &cluster.brokers[0];
    Ok(VERDICTS.get_or_init(|| {
        run_all(cases(), |case| {
            let to = match case.listener {
                Listener::Sasl => broker.sasl,
                Listener::Plaintext => broker.plain,
                Listener::Ssl => broker.tls(Tls::Requested),
                Listener::SaslSsl => broker.tls(Tls::Sasl),
            };
            Some((to, case.kafka.clone()?))
        })
    }))
}

/// A doorkeeper that has seen all rows, and what they gave.
struct Seen {
    front: std::sync::Mutex<Front>,
    verdicts: Vec<Result<()>>,
}

fn at_front() -> Result<&'static Result<Seen>> {
    static SEEN: OnceLock<Result<Seen>> = OnceLock::new();
    let backend = cluster()?.bootstrap();
    Ok(SEEN.get_or_init(|| {
        let front = Spec::new(&backend)?
            .with_plaintext()
            .tls_listener("SSL", "SSL")?
            .set("listener.name.ssl.ssl.client.auth", "requested")
            .tls_listener("SASL_SSL", "SASL_SSL")?
            .set("connection.failed.authentication.delay.ms", &cluster::FAILURE_DELAY.to_string())
            .set("authentication.timeout.ms", &DEADLINE.to_string())
            .start()?;
        let verdicts = run_all(cases(), |case| {
            let to = match case.listener {
                Listener::Sasl => front.sasl(),
                Listener::Plaintext => front.plain(),
                Listener::Ssl => front.at("SSL"),
                Listener::SaslSsl => front.at("SASL_SSL"),
            };
            Some((to, case.front.clone()))
        });
        Ok(Seen { front: std::sync::Mutex::new(front), verdicts })
    }))
}

impl Seen {
    /// It lives, logs in the next client, and has written no huge line and no password.
    fn afterwards(&self) -> Result<()> {
        let mut front = self.front.lock().map_err(|e| e.to_string())?;
        check_eq!(front.process.ended().map(|s| s.to_string()), None, "doorkeeper has ended");
        Conn::login(front.sasl(), "alice", "alice-secret")?;
        let output = front.process.output();
        let longest = output.lines().map(str::len).max().unwrap_or(0);
        check!(longest <= 4096, "a log line of {longest} bytes");
        for secret in ["alice-secret", "bob-secret", "front-secret", "wrong-pass-canary"] {
            check!(!output.contains(secret), "the log holds {secret}");
        }
        check!(!output.contains('\u{1b}') && !output.contains('\u{202e}'), "the log holds terminal codes of a client");
        let peak = front.process.peak_resident()?;
        check!(peak < 300 << 20, "doorkeeper took {} MiB for the corpus", peak >> 20);
        Ok(())
    }
}

// ---- the words of which rows are made ----

fn row(id: &str, steps: Vec<Step>, both: Expect) -> Case {
    Case { id: id.into(), listener: Listener::Sasl, steps, front: both.clone(), kafka: Some(both) }
}

trait Differ {
    /// Doorkeeper does something else than Kafka.
    fn but_front(self, front: Expect) -> Self;
    /// Not shown to the broker.
    fn not_kafka(self) -> Self;
}

impl Differ for Case {
    fn but_front(mut self, front: Expect) -> Self {
        self.front = front;
        self
    }

    fn not_kafka(mut self) -> Self {
        self.kafka = None;
        self
    }
}

fn nothing(end: Ending) -> Expect {
    Expect { reply: Reply::Nothing, end }
}

fn exactly(bytes: Vec<u8>, end: Ending) -> Expect {
    Expect { reply: Reply::Exactly(bytes), end }
}

/// An ApiVersions answer that holds a list; error code 0.
fn listed(times: usize) -> Expect {
    Expect { reply: Reply::Frames(vec![cat(&[&i32s(1), &i16s(0)]); times]), end: Ending::Open }
}

fn send(bytes: Vec<u8>) -> Vec<Step> {
    vec![Step::Send(bytes)]
}

/// A handshake for PLAIN and its answer, then `bytes`.
fn after_handshake(bytes: Vec<u8>) -> Vec<Step> {
    vec![Step::Send(handshake(1, b"PLAIN")), Step::Skip(1), Step::Send(bytes)]
}

/// A login as alice, then `bytes`.
fn after_login(bytes: Vec<u8>) -> Vec<Step> {
    let login = cat(&[&handshake(1, b"PLAIN"), &authenticate(b"\0alice\0alice-secret")]);
    vec![Step::Send(login), Step::Skip(2), Step::Send(bytes)]
}

fn versions3() -> Vec<u8> {
    api_versions3(b"t", b"1")
}

fn versions0() -> Vec<u8> {
    framed(&hdr1(18, 0))
}
