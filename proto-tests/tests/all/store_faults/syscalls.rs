//! A disk that fails: system calls of the store that end with EIO, by strace.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::front::Front;
use proto_tests::ledger::{Answer, Credential, Key, Ledger};
use proto_tests::process::{self, Background};
use proto_tests::random::Random;
use proto_tests::scram::Hash;
use proto_tests::scram_client::{Client, Secret};
use proto_tests::wire::Conn;
use proto_tests::wire::scram::Login;
use proto_tests::{Result, check, progress, scratch, wait_for};
use rustix::process::Signal;

use super::{PATIENCE, Start, admin, change, spec, start, stop, try_start, users};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("store_faults::disk_fails_when_written", write_fails),
        free("store_faults::disk_fails_when_read", read_fails),
        free("store_faults::disk_fails_at_the_start", start_fails),
    ]
}

/// strace at a process that runs, until it is dropped.
struct Faults {
    strace: Background,
    trace: PathBuf,
}

impl Faults {
    /// Injects `fault` from now on, where strace is there and may look at other processes.
    fn at(front: &Front, name: &str, fault: &str) -> Result<Option<Faults>> {
        let trace = scratch::dir("strace").join(name);
        let mut command = process::command("strace");
        let calls = fault.split(':').next().unwrap_or_default();
        command.args(["-f", "-e", &format!("trace={calls}"), "-e", &format!("inject={fault}"), "-o"]);
        command.arg(&trace).args(["-p", &front.process.pid().to_string()]);
        let log = trace.with_extension("log");
        let mut strace = Background::start("strace", command, &log)?;
        match strace.wait_output("attached", Duration::from_secs(20)) {
            Ok(()) => Ok(Some(Faults { strace, trace })),
            Err(why) => {
                skipped(&why);
                Ok(None)
            }
        }
    }

    /// Lets go of the process. Gives how many calls were made to fail.
    fn end(mut self) -> Result<usize> {
        self.strace.signal(Signal::INT);
        let _ = self.strace.wait(PATIENCE)?;
        Ok(injected(&self.trace))
    }
}

fn injected(trace: &Path) -> usize {
    fs::read_to_string(trace).unwrap_or_default().matches("(INJECTED)").count()
}

fn skipped(why: &str) {
    progress(format!("SKIPPED: strace cannot be used here, so no disk has failed: {why}"));
}

/// After a failed sync nothing is acknowledged, logins go on, and what was acknowledged before and after is there.
fn write_fails() -> Result<()> {
    let mut random = Random::seeded("disk fails when written");
    let (spec, _store) = spec()?;
    let (mut front, _) = start(&spec)?;
    let (mut ledger, names) = (Ledger::default(), users("user", 8));
    let mut conn = admin(&front)?;
    change(&mut ledger, &mut conn, &mut random, &names, 20)?;
    let Some(faults) = Faults::at(&front, "write", "fdatasync,fsync,sync_file_range:error=EIO")? else { return Ok(()) };
    let mut acknowledged = 0;
    // Each of other users, of whom each may be there afterwards or not.
    let doubtful: Vec<Vec<String>> = (0..10).map(|n| users(&format!("doubtful-{n}"), 3)).collect();
    for users in &doubtful {
        let changes = ledger.draw(&mut random, users);
        match ledger.send(&mut conn, changes)? {
            Answer::Done => acknowledged += 1,
            Answer::Refused(code, message) => check!(code == 56, "a failed sync is answered by {code} {message:?}"),
            Answer::None => return Err("a change was not answered when the disk failed".into()),
        }
    }
    // What is old works: the doubtful are not asked about while the disk fails.
    let (mut right, keys) = (0, ledger.keys());
    for key in &keys {
        right += ledger.log_in(front.sasl(), key)?;
    }
    let failed = faults.end()?;
    progress(format!(
        "disk fails when written: {failed} calls failed, acknowledged meanwhile {acknowledged}, {right} logins right"
    ));
    check!(failed > 0, "no call has failed: the store syncs by other calls");
    check!(acknowledged == 0, "{acknowledged} changes were acknowledged while each sync failed");
    check!(front.process.ended().is_none(), "it has ended:\n{}", process::tail(&front.process.output()));
    // It may want a start before it takes changes again, but must say so.
    let again = wait_for("changes to be taken again", Duration::from_secs(15), || {
        let changes = ledger.draw(&mut random, &users("again", 3));
        match ledger.send(&mut conn, changes)? {
            Answer::Done => Ok(()),
            other => {
                ledger.settle(false);
                std::thread::sleep(Duration::from_millis(100));
                Err(format!("{other:?}"))
            }
        }
    });
    progress(format!(
        "changes after the disk works again: {}",
        again.map_or_else(|why| why, |()| "taken without a start".into())
    ));
    front.process.stop();
    let (front, _) = start(&spec)?;
    let verdict = ledger.judge(front.sasl(), &mut admin(&front)?, &mut random, usize::MAX)?;
    progress(format!("of {} doubtful changes {} were there after a kill", doubtful.len(), verdict.carried_out));
    Ok(())
}

/// Reads that fail never let in a wrong password, and never call a right one wrong.
fn read_fails() -> Result<()> {
    let mut random = Random::seeded("disk fails when read");
    let (spec, _store) = spec()?;
    let (mut front, _) = start(&spec)?;
    let (mut ledger, names) = (Ledger::default(), users("user", 100));
    change(&mut ledger, &mut admin(&front)?, &mut random, &names, 200)?;
    stop(&mut front)?;
    let (front, _) = start(&spec)?;
    let reads = "pread64,preadv,preadv2,io_uring_enter,readahead:error=EIO";
    let Some(faults) = Faults::at(&front, "read", reads)? else { return Ok(()) };
    let keys: Vec<Key> = ledger.keys().into_iter().collect();
    let (mut accepted, mut closed) = (0, 0);
    for (user, number) in &keys {
        let hash = *Hash::BOTH.iter().find(|h| h.number() == *number).ok_or("no such mechanism")?;
        let right = ledger.credential(&(user.clone(), *number)).cloned();
        let wrong = Credential::draw(&mut random, right.as_ref());
        for (credential, is_right) in [(right, true), (Some(wrong), false)] {
            let Some(credential) = credential else { continue };
            let client = Client::new(hash, user, Secret::Salted(credential.salted));
            match Conn::open(front.sasl())?.scram(&client) {
                Ok(Login::Accepted) if is_right => accepted += 1,
                Ok(Login::Accepted) => return Err(format!("{user} was let in with a wrong password")),
                Ok(Login::Refused { code, message, .. }) if is_right => {
                    return Err(format!("a right password of {user} was refused with {code} {message:?}"));
                }
                Ok(Login::Refused { .. }) => {}
                Err(_) => closed += 1,
            }
        }
    }
    let failed = faults.end()?;
    progress(format!(
        "disk fails when read: {failed} calls failed, let in with the right password {accepted}, with a wrong one 0, connections closed {closed}"
    ));
    ledger.judge(front.sasl(), &mut admin(&front)?, &mut random, usize::MAX).map(drop)
}

/// A read that fails while the store is opened: it does not serve, or serves what was acknowledged.
fn start_fails() -> Result<()> {
    let mut random = Random::seeded("disk fails at the start");
    let (mut spec, store) = spec()?;
    let (mut front, _) = start(&spec)?;
    let (mut ledger, names) = (Ledger::default(), users("user", 8));
    change(&mut ledger, &mut admin(&front)?, &mut random, &names, 30)?;
    front.process.stop();
    let calls = "trace=execve,pread64,fdatasync,fsync,openat";
    let trace = scratch::dir("strace").join("start");
    spec.under(&["strace", "-f", "-e", calls, "-o", &trace.display().to_string()]);
    let Start::Serves(front, _) = try_start(&spec)? else {
        skipped(&fs::read_to_string(&trace).unwrap_or_default());
        return Ok(());
    };
    gone(*front)?;
    let first = calls_of_the_loader(&trace, &store) + 1;
    let (mut served, mut refused, mut failed) = (0, 0, 0);
    for n in first..first + 8 {
        let trace = scratch::dir("strace").join(format!("start-{n}"));
        let inject = format!("inject=pread64,fdatasync,fsync:error=EIO:when={n}");
        spec.under(&["strace", "-f", "-e", calls, "-e", &inject, "-o", &trace.display().to_string()]);
        match try_start(&spec)? {
            Start::Refused { code, said, .. } => {
                check!(code.is_some_and(|c| c != 0) && !said.contains("panicked"), "it ends with {code:?}: {said}");
                refused += 1;
            }
            Start::Serves(front, _) => {
                ledger.judge(front.sasl(), &mut admin(&front)?, &mut random, 8)?;
                served += 1;
                gone(*front)?;
            }
        }
        failed += injected(&trace);
    }
    progress(format!(
        "disk fails at the start: {failed} calls failed, refused {refused}, served what was acknowledged {served}"
    ));
    spec.under(&[]);
    let (front, _) = start(&spec)?;
    ledger.judge_all(&mut admin(&front)?)?;
    ledger.judge(front.sasl(), &mut admin(&front)?, &mut random, usize::MAX).map(drop)
}

/// Ends a process that strace has started, and waits until it is gone too.
fn gone(front: Front) -> Result<()> {
    let at = front.sasl();
    drop(front);
    wait_for("the traced process to be gone", PATIENCE, || match Conn::open(at) {
        Ok(_) => Err("it takes connections".into()),
        Err(_) => Ok(()),
    })
}

/// How many reads the first thread makes before it comes to the store: of libraries, which fail in another way.
fn calls_of_the_loader(trace: &Path, store: &Path) -> usize {
    let text = fs::read_to_string(trace).unwrap_or_default();
    let (first, store) = (text.split(' ').next().unwrap_or_default(), store.display().to_string());
    let before = text.lines().take_while(|line| !line.contains(&store));
    before.filter(|line| line.starts_with(first) && line.contains("pread64(")).count()
}
