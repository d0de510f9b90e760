//! Processes that use a store and are killed, or whose system calls fail.
//!
//! A child is this very test program, told to run the one test below that is no test.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::*;

const WHAT: &str = "DOORKEEPER_STORE_CHILD";
const WHERE: &str = "DOORKEEPER_STORE_DIR";

/// A process with a store, killed when it is dropped.
pub(super) struct Child {
    process: Process,
    lines: Receiver<String>,
}

impl Child {
    /// Starts one that does `what` with the store in `directory`.
    pub(super) fn start(what: &str, directory: &Path) -> Self {
        Self::start_under(&[], what, directory)
    }

    /// As [`Child::start`], as an argument of another program.
    pub(super) fn start_under(program: &[&str], what: &str, directory: &Path) -> Self {
        let own = std::env::current_exe().unwrap().display().to_string();
        let mut words = program.iter().copied().chain([own.as_str()]);
        let process = Command::new(words.next().unwrap())
            .args(words)
            .args(["--ignored", "--exact", "store::tests::child::what_a_child_does", "--nocapture"])
            .env(WHAT, what)
            .env(WHERE, directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut process = process.unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line).map_err(|_| ()))
        });
        Self { process, lines }
    }

    /// The next line that it has written; nothing when it has ended.
    pub(super) fn line(&self) -> Option<String> {
        self.lines.recv().ok()
    }

    pub(super) fn wait_for(&self, line: &str) {
        while self.line().expect("the child has ended") != line {}
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it with SIGKILL and gives the lines that it had written.
    pub(super) fn kill(mut self) -> Vec<String> {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.lines.iter().collect()
    }

    /// Waits for its end, and gives what it has written.
    pub(super) fn finish(mut self) -> Vec<String> {
        let lines = self.lines.iter().collect();
        let _ = self.process.wait();
        lines
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

#[test]
#[ignore = "what a child process of the trials does"]
fn what_a_child_does() {
    let (Ok(what), Some(directory)) = (std::env::var(WHAT), std::env::var_os(WHERE)) else { return };
    let memory = resident();
    let store = Store::open(Path::new(&directory)).unwrap();
    // The test program has begun the line.
    say("");
    say("open");
    match what.as_str() {
        "hold" => loop {
            std::thread::park();
        },
        "storm" => storm(&store, u32::MAX),
        "brief storm" => storm(&store, 40),
        "steps" => steps(&store),
        "memory" => {
            say(&format!("opened {}", resident() - memory));
            for n in 0..1000 {
                assert!(iterations(&store, &format!("user-{n}")).is_some());
            }
            say(&format!("read {}", resident() - memory));
        }
        other => panic!("{other}"),
    }
}

/// Bytes of memory of this process, without those that are pages of files: how much of a program was read depends on who built it.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// Writers that each change a pair of users again and again, and say before and after each change which it is.
pub(super) const WRITERS: u32 = 6;

/// The state of a writer's pair after its change `n`: removed each third time.
pub(super) fn after(n: u32) -> Option<u32> {
    (n % 3 != 0).then_some(4096 + n)
}

pub(super) fn pair(writer: u32) -> [String; 2] {
    [format!("{writer}-left"), format!("{writer}-right")]
}

pub(super) fn changes(writer: u32, n: u32) -> Vec<Change> {
    pair(writer).map(|user| after(n).map_or_else(|| remove(&user), |count| set(&user, count))).into()
}

fn storm(store: &Store, changes_of_each: u32) {
    // Where the child before this one had come to, so that numbers only grow.
    let start = store.status().revision as u32 * 100;
    let end = start.saturating_add(changes_of_each);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for n in start..end {
                    say(&format!("begun {writer} {n}"));
                    edit(store, changes(writer, n)).unwrap();
                    say(&format!("done {writer} {n}"));
                }
            });
        }
    });
    say("ended");
}

/// One change after another, until twenty have succeeded after one that failed.
fn steps(store: &Store) {
    let (mut n, mut after_failure) = (1, 0);
    while after_failure < 20 {
        say(&format!("begun 0 {n}"));
        match edit(store, changes(0, n)) {
            Ok(()) => {
                say(&format!("done 0 {n}"));
                after_failure += u32::from(store.status().writes_failed > 0);
            }
            Err(error) => {
                say(&format!("failed 0 {n} {error}"));
                // What readers see is what was acknowledged, at each moment until the store has recovered.
                while store.status().is_failing {
                    say(&format!("seen 0 {:?} {}", iterations(store, "0-left"), users(store).len()));
                }
            }
        }
        say(&format!("seen 0 {:?} {}", iterations(store, "0-left"), users(store).len()));
        n += 1;
    }
}
