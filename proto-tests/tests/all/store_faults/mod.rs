//! What goes wrong with the credential store: the process is killed, the disk is full, bits flip, system calls fail. What was
//! acknowledged must be there, and nothing that was taken away may come back.
//!
//! The suite runs each of these in a small size. `DOORKEEPER_KILLS=1000` and `DOORKEEPER_FLIPS=500` are the sizes that count, and
//! `DOORKEEPER_STORE_USERS=100000` puts that many more users into the store that is killed.

mod damage;
mod disk_full;
mod files;
mod judge;
mod kills;
mod syscalls;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec};
use proto_tests::ledger::{Answer, Ledger};
use proto_tests::process;
use proto_tests::random::Random;
use proto_tests::standin::Standin;
use proto_tests::wire::Conn;
use proto_tests::{Context, Result, check_eq, scratch};
use rustix::process::Signal;

pub fn trials() -> Vec<Trial> {
    [judge::trials(), kills::trials(), damage::trials(), disk_full::trials(), files::trials(), syscalls::trials()]
        .into_iter()
        .flatten()
        .collect()
}

/// Longest wait for something that takes a moment on a machine that is not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A doorkeeper with a store that does not exist yet, before a backend that only says that it is there.
fn spec() -> Result<(Spec, PathBuf)> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut spec = Spec::new(&standin.at.to_string())?;
    let store = scratch::dir("stores").join(format!("of-{}", spec.number()));
    spec.set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")
        .set("super.users", "User:alice")
        .set("connection.failed.authentication.delay.ms", "0")
        // Guessing is what some of these trials look like.
        .set("sasl.failed.logins.per.minute.per.address", "0")
        .set("sasl.failed.logins.per.minute.per.account", "0")
        .set("store.dir", &store.display().to_string());
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        spec.set(&format!("listener.name.sasl_plaintext.{mechanism}.sasl.jaas.config"), module);
    }
    Ok((spec.take(), store))
}

/// How a start went.
enum Start {
    /// It takes connections, so long after it was started.
    Serves(Box<Front>, Duration),
    Refused {
        code: Option<i32>,
        said: String,
        took: Duration,
    },
}

/// Starts it and waits until it takes connections, or has ended.
fn try_start(spec: &Spec) -> Result<Start> {
    let begin = Instant::now();
    let mut front = spec.launch()?;
    loop {
        // The end is looked at first: the port may then be another's.
        if let Some(status) = front.process.ended() {
            let (code, said) = (status.code(), front.process.output());
            return Ok(Start::Refused { code, said, took: begin.elapsed() });
        }
        if std::net::TcpStream::connect_timeout(&front.sasl(), Duration::from_secs(1)).is_ok() {
            return Ok(Start::Serves(Box::new(front), begin.elapsed()));
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("it neither serves nor ends:\n{}", process::tail(&front.process.output())));
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// A start that has to succeed.
fn start(spec: &Spec) -> Result<(Front, Duration)> {
    match try_start(spec)? {
        Start::Serves(front, took) => Ok((*front, took)),
        Start::Refused { code, said, .. } => Err(format!("it has ended with {code:?}:\n{}", process::tail(&said))),
    }
}

/// A stop as one asks for it.
fn stop(front: &mut Front) -> Result<()> {
    front.process.signal(Signal::TERM);
    let status = front.process.wait(PATIENCE)?;
    check_eq!(status.code(), Some(0), "{status} by a stop:\n{}", process::tail(&front.process.output()));
    Ok(())
}

fn admin(front: &Front) -> Result<Conn> {
    Conn::login(front.sasl(), "alice", "alice-secret")
}

fn users(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}-{i}")).collect()
}

/// Makes that many changes, all of which have to be acknowledged.
fn change(ledger: &mut Ledger, admin: &mut Conn, random: &mut Random, users: &[String], count: usize) -> Result<()> {
    for _ in 0..count {
        let changes = ledger.draw(random, users);
        check_eq!(ledger.send(admin, changes)?, Answer::Done, "a change on a sound disk");
    }
    Ok(())
}

/// All files below a directory, in the order of their names.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).context(format!("list {}", dir.display()))?.flatten() {
        if entry.path().is_dir() { found.extend(files(&entry.path())?) } else { found.push(entry.path()) }
    }
    found.sort();
    Ok(found)
}

/// A tool of the system, to its end.
fn run(words: &[&str]) -> Result<String> {
    let mut command = process::command(words[0]);
    command.args(&words[1..]);
    process::run(words[0], command, "", PATIENCE)?.ok()
}
