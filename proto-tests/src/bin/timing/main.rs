//! Whether the time of an answer tells if a user exists: logins with a wrong password by users that exist, that do not, and that
//! have a credential of another mechanism only, drawn at random one after another; Welch's t of each step's times.
//!
//! Not a test: a figure like this must be looked at by someone who knows what else the machine did. |t| below 4.5 with 10^5
//! logins of each kind is what the project asks for.

mod login;
mod statistics;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use proto_tests::front::{Front, Spec};
use proto_tests::ledger::{Answer, Change, Credential, Ledger};
use proto_tests::random::Random;
use proto_tests::scram::Hash;
use proto_tests::standin::Standin;
use proto_tests::wire::Conn;
use proto_tests::{Result, check_eq, progress, scratch};

use login::{Attempt, Mechanism};
use rustix::process::Signal;

const USAGE: &str = "usage: timing --samples N --work DIR [--users N] [--store memory|files|both] [--only NAME,...] [--set KEY=VALUE]...
Measures the doorkeeper of DOORKEEPER_BIN, by default the newest in target. Names: plain, plain-store, scram-sha-256,
scram-sha-512. --store says where the store has its records: as they were written, as they are after a new start, or half of each.
--set goes into its configuration. N logins of each kind; 100000 is what counts.";

/// Users of each kind, taken in turn at random, where --users does not say another number. The records of four times as many fit into
/// the store's buffer of what was written last.
const USERS: usize = 256;
/// Share of the pooled times of a step that is kept, the fastest: what is behind it is the machine's.
const KEPT: f64 = 0.99;

/// The listener at which PLAIN knows the users of the store, and no others.
const STORED: &str = "STORED";

/// Where the store has its records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Records {
    Memory,
    Files,
    /// Of every second user they were written again after they were in files.
    Both,
}

struct Plan {
    samples: usize,
    users: usize,
    records: Records,
    work: PathBuf,
    only: Vec<String>,
    set: Vec<(String, String)>,
}

fn main() -> ExitCode {
    match plan().and_then(|plan| run(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("timing: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan() -> Result<Plan> {
    let mut plan = Plan {
        samples: 0,
        users: USERS,
        records: Records::Memory,
        work: PathBuf::new(),
        only: Vec::new(),
        set: Vec::new(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or(USAGE)?;
        match flag.as_str() {
            "--samples" => plan.samples = value.parse().map_err(|_| USAGE)?,
            "--users" => plan.users = value.parse().map_err(|_| USAGE)?,
            "--store" => {
                plan.records = match value.as_str() {
                    "memory" => Records::Memory,
                    "files" => Records::Files,
                    "both" => Records::Both,
                    _ => return Err(USAGE.into()),
                };
            }
            "--work" => plan.work = value.into(),
            "--only" => plan.only = value.split(',').map(str::to_owned).collect(),
            "--set" => {
                let (key, value) = value.split_once('=').ok_or(USAGE)?;
                plan.set.push((key.to_owned(), value.to_owned()));
            }
            _ => return Err(USAGE.into()),
        }
    }
    let good = plan.samples > 0 && plan.users > 0 && !plan.work.as_os_str().is_empty();
    if good { Ok(plan) } else { Err(USAGE.into()) }
}

fn run(plan: &Plan) -> Result<()> {
    std::fs::create_dir_all(&plan.work).map_err(|e| format!("{}: {e}", plan.work.display()))?;
    scratch::begin(&plan.work);
    let mut random = Random::seeded("timing");
    let (spec, _backend) = spec(plan)?;
    let mut front = spec.start()?;
    fill(&front, 0..plan.users, &mut random)?;
    if plan.records != Records::Memory {
        front.process.signal(Signal::TERM);
        front.process.wait(Duration::from_secs(60))?;
        front = spec.start()?;
    }
    if plan.records == Records::Both {
        fill(&front, (0..plan.users).step_by(2), &mut random)?;
    }
    println!(
        "Times in microseconds, {} logins of each kind, one at a time, in random order, {} users of each kind. Of the times of a \
         step, all kinds together, the slowest {:.0} % are left out.\n",
        plan.samples,
        plan.users,
        (1.0 - KEPT) * 100.0
    );
    println!(
        "| mechanism, step | kind | n | mean | deviation | median | Welch's t against a known user | t of all times |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for mechanism in Mechanism::ALL {
        if plan.only.is_empty() || plan.only.iter().any(|name| name == mechanism.name()) {
            measure(mechanism, plan, &front, &mut random)?;
        }
    }
    drop(front);
    scratch::end();
    Ok(())
}

/// A doorkeeper that answers a refusal at once.
fn spec(plan: &Plan) -> Result<(Spec, Standin)> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut spec = Spec::new(&standin.at.to_string())?;
    let store = scratch::dir("stores").join("timing");
    let listener = "listener.name.sasl_plaintext";
    let users: String = (0..plan.users).map(|n| format!(" user_{}=\"plain-secret\"", login::known(n))).collect();
    let jaas =
        format!("org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\"{users};");
    spec.set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")
        .set(&format!("{listener}.plain.sasl.jaas.config"), &jaas)
        .set("super.users", "User:alice")
        .set("connection.failed.authentication.delay.ms", "0")
        .set("sasl.failed.logins.per.minute.per.address", "0")
        .set("sasl.failed.logins.per.minute.per.account", "0")
        .set("store.dir", &store.display().to_string());
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        spec.set(&format!("{listener}.{mechanism}.sasl.jaas.config"), module);
    }
    spec.listener(STORED, "SASL_PLAINTEXT")
        .set("listener.name.stored.sasl.enabled.mechanisms", "PLAIN")
        .set("listener.name.stored.sasl.plain.credentials", "scram-sha-256");
    for (key, value) in &plan.set {
        spec.set(key, value);
    }
    Ok((spec, standin))
}

/// The known users have credentials of both mechanisms, and for each mechanism there are users that have only the other one. All
/// have the same number of iterations and salts of one length, as users have whom the same tool created.
fn fill(front: &Front, users: impl Iterator<Item = usize> + Clone, random: &mut Random) -> Result<()> {
    let mut ledger = Ledger::default();
    let mut admin = Conn::login(front.sasl(), "alice", "alice-secret")?;
    for hash in Hash::BOTH {
        let mut changes: Vec<Change> = Vec::new();
        for n in users.clone() {
            for user in [login::known(n), login::only(hash, n)] {
                // As long as what Kafka's tools draw.
                let credential = Credential { iterations: 4096, salt: random.bytes(25), salted: random.bytes(32) };
                changes.push(((user, hash.number()), Some(credential)));
            }
        }
        check_eq!(ledger.send(&mut admin, changes)?, Answer::Done, "creation of users");
    }
    Ok(())
}

fn measure(mechanism: Mechanism, plan: &Plan, front: &Front, random: &mut Random) -> Result<()> {
    let (samples, kinds) = (plan.samples, mechanism.kinds());
    let attempts: Vec<Vec<Attempt>> =
        kinds.iter().map(|kind| (0..plan.users).map(|n| Attempt::new(mechanism, *kind, n)).collect()).collect();
    // By kind and step.
    let mut times = vec![vec![Vec::with_capacity(samples); mechanism.steps().len()]; kinds.len()];
    let at = if mechanism == Mechanism::PlainOfStore { front.at(STORED) } else { front.sasl() };
    // The first ones bring what is read once.
    for attempt in attempts.iter().flatten() {
        attempt.run(at)?;
    }
    let mut left = vec![samples; kinds.len()];
    let mut open: Vec<usize> = (0..kinds.len()).collect();
    let mut said = std::time::Instant::now();
    while !open.is_empty() {
        let kind = *random.pick(&open);
        for (step, time) in random.pick(&attempts[kind]).run(at)?.into_iter().enumerate() {
            times[kind][step].push(time.as_secs_f64() * 1e6);
        }
        left[kind] -= 1;
        open.retain(|kind| left[*kind] > 0);
        if said.elapsed() > Duration::from_secs(20) {
            progress(format!("{}: {} logins to go", mechanism.name(), left.iter().sum::<usize>()));
            said = std::time::Instant::now();
        }
    }
    for (step, name) in mechanism.steps().iter().enumerate() {
        let of_step: Vec<&[f64]> = times.iter().map(|of_kind| of_kind[step].as_slice()).collect();
        let limit = statistics::quantile(&of_step.concat(), KEPT);
        let kept: Vec<Vec<f64>> =
            of_step.iter().map(|all| all.iter().copied().filter(|t| *t <= limit).collect()).collect();
        for (kind, cropped) in kinds.iter().zip(&kept) {
            let all = of_step[kinds.iter().position(|k| k == kind).unwrap_or(0)];
            let s = statistics::Summary::of(cropped);
            let (t, t_all) = match kind {
                login::Kind::Known => ("-".to_owned(), "-".to_owned()),
                _ => (
                    format!("**{:.2}**", statistics::welch(cropped, &kept[0])),
                    format!("{:.2}", statistics::welch(all, of_step[0])),
                ),
            };
            println!(
                "| {}, {name} | {} | {} | {:.2} | {:.2} | {:.2} | {t} | {t_all} |",
                mechanism.name(),
                kind.words(),
                s.n,
                s.mean,
                s.variance.sqrt(),
                statistics::quantile(cropped, 0.5),
            );
        }
    }
    Ok(())
}
