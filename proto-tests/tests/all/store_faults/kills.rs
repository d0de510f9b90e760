//! kill -9 and SIGTERM in a storm of changes: what was acknowledged is there after the next start, and of what was not, all or
//! nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::front::Front;
use proto_tests::ledger::{Answer, Change, Credential, Ledger, Verdict};
use proto_tests::random::{Random, size_of_run};
use proto_tests::{Result, check_eq, progress};

use super::{PATIENCE, admin, spec, start, users};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("store_faults::killed_in_a_storm_of_changes", || {
            storm("kills", size_of_run("DOORKEEPER_KILLS", 25), |front| {
                front.process.stop();
                Ok(())
            })
        }),
        free("store_faults::stopped_in_a_storm_of_changes", || {
            storm("stops", size_of_run("DOORKEEPER_STOPS", 8), super::stop)
        }),
    ]
}

/// Connections that change credentials at the same time.
const WRITERS: usize = 4;
/// Few, so that each is created, changed and deleted often.
const USERS_OF_EACH: usize = 6;
/// Logins after each start, beside those with what was open when the process was killed.
const LOGINS: usize = 8;

/// Ends a server while it is told to change things.
type End = fn(&mut Front) -> Result<()>;

fn storm(what: &str, kills: usize, end: End) -> Result<()> {
    let crowd = size_of_run("DOORKEEPER_STORE_USERS", 40);
    let mut random = Random::seeded(&format!("{what} in a storm of changes"));
    let (spec, _store) = spec()?;
    let (mut front, _) = start(&spec)?;
    let mut others = load(&front, &mut random, crowd)?;
    let users: Vec<Vec<String>> = (0..WRITERS).map(|w| users(&format!("writer-{w}"), USERS_OF_EACH)).collect();
    let mut ledgers = vec![Ledger::default(); WRITERS];
    let (mut total, mut restarts, mut idle) = (Verdict::default(), Vec::new(), 0);
    for n in 1..=kills {
        let before = acknowledged(&ledgers);
        write_until_ended(&mut front, end, &mut ledgers, &users, &mut random)
            .map_err(|e| format!("{n} of {what}: {e}"))?;
        idle += usize::from(acknowledged(&ledgers) == before);
        let begin = Instant::now();
        front = start(&spec)?.0;
        let mut admin = admin(&front)?;
        restarts.push(begin.elapsed());
        let judged = |error: String| format!("after {n} {what}: {error}");
        for ledger in &mut ledgers {
            let seen = ledger.judge(front.sasl(), &mut admin, &mut random, LOGINS / WRITERS).map_err(judged)?;
            total.logins += seen.logins;
            total.carried_out += seen.carried_out;
            total.dropped += seen.dropped;
        }
        if let Some((key, _)) = others.any(&mut random) {
            total.logins += others.log_in(front.sasl(), key).map_err(judged)?;
        }
        if n % 100 == 0 {
            progress(format!("{n} {what}"));
        }
    }
    let changes = acknowledged(&ledgers);
    ledgers.into_iter().for_each(|ledger| others.merge(ledger));
    others.judge_all(&mut admin(&front)?)?;
    restarts.sort();
    progress(format!(
        "{kills} {what} with {crowd} users beside: {changes} requests acknowledged, of {} without an answer {} carried out; lost 0, torn 0, \
         revived 0; {} logins; until an administrator was in: median {:?}, longest {:?}; {what} without a change before {idle}",
        total.carried_out + total.dropped,
        total.carried_out,
        total.logins,
        restarts[restarts.len() / 2],
        restarts[restarts.len() - 1],
    ));
    // A storm in which nothing is acknowledged shows nothing.
    check_eq!(idle * 2 < kills, true, "{idle} of {kills} {what} came before any change");
    Ok(())
}

fn acknowledged(ledgers: &[Ledger]) -> u64 {
    ledgers.iter().map(|l| l.changes).sum()
}

/// Users that nobody changes any more.
fn load(front: &Front, random: &mut Random, count: usize) -> Result<Ledger> {
    let (mut ledger, mut admin, begin) = (Ledger::default(), admin(front)?, Instant::now());
    let keys: Vec<_> = (0..count).map(|n| (format!("crowd-{n}"), 1 + (n % 2) as i8)).collect();
    for some in keys.chunks(500) {
        let changes: Vec<Change> = some.iter().map(|key| (key.clone(), Some(Credential::draw(random, None)))).collect();
        check_eq!(ledger.send(&mut admin, changes)?, Answer::Done, "creation of users");
    }
    progress(format!("{count} users are in the store after {:?}", begin.elapsed()));
    Ok(ledger)
}

/// Has all writers change credentials, and ends the server at some moment.
fn write_until_ended(
    front: &mut Front,
    end: End,
    ledgers: &mut [Ledger],
    users: &[Vec<String>],
    random: &mut Random,
) -> Result<()> {
    let at = front.sasl();
    // Both, so that the end comes at any moment of a change, and not before all of them on a busy machine.
    let (enough, delay) = (random.below(24), Duration::from_micros(random.below(20_000) as u64));
    let acknowledged = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = ledgers
            .iter_mut()
            .zip(users)
            .map(|(ledger, users)| {
                let (mut random, over, acknowledged) = (random.fork(), &over, &acknowledged);
                let mut conn = super::Conn::login(at, "alice", "alice-secret");
                scope.spawn(move || -> Result<()> {
                    let conn = conn.as_mut().map_err(|error| error.clone())?;
                    loop {
                        let changes = ledger.draw(&mut random, users);
                        match ledger.send(conn, changes)? {
                            Answer::Done => {
                                acknowledged.fetch_add(1, Ordering::SeqCst);
                            }
                            Answer::None if over.load(Ordering::SeqCst) => return Ok(()),
                            other => return Err(format!("a change was answered by {other:?}")),
                        }
                    }
                })
            })
            .collect();
        let begin = Instant::now();
        let goes_on = || begin.elapsed() < PATIENCE && !writers.iter().any(|w| w.is_finished());
        while acknowledged.load(Ordering::SeqCst) < enough && goes_on() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(delay);
        // Before the end: a writer may see its connection break at once.
        over.store(true, Ordering::SeqCst);
        let ended = end(front);
        writers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| Err("a writer panicked".into())))?;
        ended
    })
}
