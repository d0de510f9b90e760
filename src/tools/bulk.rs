//! Setting the credentials of many users: derived on all cores, sent in batches of which several are in flight.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::failure::Failure;
use super::kafka_error;
use super::output::print;
use super::rows::{Row, shown};
use super::scram_users::{Changed, Derived, Users};

/// Credentials in one request. A server applies a request's changes together, and a controller takes at most 10,000.
const BATCH: usize = 500;
/// Requests that wait for their answer.
const IN_FLIGHT: usize = 4;
/// Refusals that are shown one by one.
const MAX_SHOWN: usize = 100;

/// Loads the rows of a file; an error after all that could be done was done.
pub(super) async fn load(file: &str, rows: Vec<Row>, mut users: Users) -> Result<(), Failure> {
    let begin = Instant::now();
    let known = known(&mut users).await?;
    let rows = Arc::new(rows);
    let mut load = Load {
        users,
        known,
        rows: Arc::clone(&rows),
        sent: VecDeque::new(),
        tally: Tally::default(),
        progress: Progress::new(rows.len() as u64),
    };
    let result = load.run().await;
    load.progress.finish();
    let Load { tally, .. } = load;
    let name = shown(file);
    for (line, user, problem) in tally.failed.iter().take(MAX_SHOWN) {
        eprintln!("{name}:{line}: {}: {problem}", kafka_error::printable(user));
    }
    if tally.failed.len() > MAX_SHOWN {
        eprintln!("{name}: {} more were refused", tally.failed.len() - MAX_SHOWN);
    }
    let left = rows.len() as u64 - tally.created - tally.changed - tally.failed.len() as u64;
    let left = if left == 0 { String::new() } else { format!(", {left} not done") };
    print(&format!(
        "{name}: {} credentials: {} created, {} changed, {} failed{left}, in {:.1} s\n",
        rows.len(),
        tally.created,
        tally.changed,
        tally.failed.len(),
        begin.elapsed().as_secs_f64()
    ));
    result?;
    if tally.failed.is_empty() { Ok(()) } else { Err(Failure::said(format!("{name}: not all credentials were set"))) }
}

/// The credentials that there are: what is set of them is changed, not created.
async fn known(users: &mut Users) -> Result<HashSet<(String, String)>, Failure> {
    let mut known = HashSet::new();
    for (user, told) in users.describe(Vec::new()).await? {
        for (mechanism, _) in told.unwrap_or_default() {
            known.insert((user.clone(), mechanism));
        }
    }
    Ok(known)
}

#[derive(Default)]
struct Tally {
    created: u64,
    changed: u64,
    /// Line, user and what was said.
    failed: Vec<(u64, String, String)>,
}

struct Load {
    users: Users,
    known: HashSet<(String, String)>,
    rows: Arc<Vec<Row>>,
    /// The rows of each request that has no answer yet.
    sent: VecDeque<Vec<usize>>,
    tally: Tally,
    progress: Progress,
}

impl Load {
    async fn run(&mut self) -> Result<(), Failure> {
        let mut derived = derive_all(&self.rows);
        let mut batch = Batch::default();
        while let Some((row, result)) = derived.recv().await {
            batch.add(row, result.map_err(Failure::Failed)?);
            if batch.rows.len() == BATCH {
                self.send(&mut batch).await?;
            }
        }
        while !batch.rows.is_empty() {
            self.send(&mut batch).await?;
        }
        while self.users.in_flight() > 0 {
            let changed = self.users.changed().await?;
            self.count(changed);
        }
        Ok(())
    }

    async fn send(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let (rows, credentials) = batch.take();
        self.sent.push_back(rows);
        if let Some(changed) = self.users.change(Vec::new(), credentials).await? {
            self.count(changed);
        }
        while self.users.in_flight() >= IN_FLIGHT {
            let changed = self.users.changed().await?;
            self.count(changed);
        }
        Ok(())
    }

    /// The answer to the oldest request.
    fn count(&mut self, changed: Vec<Changed>) {
        let mut outcomes: HashMap<String, _> = changed.into_iter().collect();
        let rows = self.sent.pop_front().unwrap_or_default();
        self.progress.advance(rows.len() as u64);
        for row in rows {
            let row = &self.rows[row];
            match outcomes.remove(&row.user) {
                Some(Ok(())) if self.known.contains(&(row.user.clone(), row.mechanism.as_str().to_owned())) => {
                    self.tally.changed += 1;
                }
                Some(Ok(())) => self.tally.created += 1,
                Some(Err((error, message))) => {
                    let (class, words) = kafka_error::text(error, message.as_deref());
                    self.tally.failed.push((row.line, row.user.clone(), format!("{class}: {words}")));
                }
                None => self.tally.failed.push((row.line, row.user.clone(), "the server did not answer".into())),
            }
        }
    }
}

/// What goes into one request. Kafka refuses a request that names a user twice, so a second mechanism waits for the next.
#[derive(Default)]
struct Batch {
    rows: Vec<usize>,
    credentials: Vec<Derived>,
    users: HashSet<String>,
    held: Vec<(usize, Derived)>,
}

impl Batch {
    fn add(&mut self, row: usize, credential: Derived) {
        if self.users.insert(credential.user.clone()) {
            self.rows.push(row);
            self.credentials.push(credential);
        } else {
            self.held.push((row, credential));
        }
    }

    /// The request; those that were held are in the next.
    fn take(&mut self) -> (Vec<usize>, Vec<Derived>) {
        let taken = std::mem::take(self);
        for (row, credential) in taken.held {
            self.add(row, credential);
        }
        (taken.rows, taken.credentials)
    }
}

/// Derives all credentials on as many threads as there are cores. The threads end with the receiver.
fn derive_all(rows: &Arc<Vec<Row>>) -> mpsc::Receiver<(usize, Result<Derived, String>)> {
    let (results, receiver) = mpsc::channel(2 * BATCH);
    let next = Arc::new(AtomicUsize::new(0));
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        let (rows, next, results) = (Arc::clone(rows), Arc::clone(&next), results.clone());
        thread::spawn(move || {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(row) = rows.get(n) else { return };
                if results.blocking_send((n, row.derive())).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// How far it is: a bar on a terminal, else a line now and then.
enum Progress {
    Bar(ProgressBar),
    Lines { done: u64, total: u64, told: Instant },
}

const BETWEEN_LINES: Duration = Duration::from_secs(5);

impl Progress {
    fn new(total: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { done: 0, total, told: Instant::now() };
        }
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} credentials, {eta} left") {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn advance(&mut self, by: u64) {
        match self {
            Self::Bar(bar) => bar.inc(by),
            Self::Lines { done, total, told } => {
                *done += by;
                if told.elapsed() >= BETWEEN_LINES {
                    eprintln!("{done} of {total} credentials");
                    *told = Instant::now();
                }
            }
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish();
        }
    }
}
