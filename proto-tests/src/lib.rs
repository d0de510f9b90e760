//! The harness of the end-to-end tests: everything that speaks Kafka bytes to a running doorkeeper.
//!
//! Modules in the order in which a run needs them. `tests/all.rs` holds the trials.

pub mod address;
pub mod jose;
pub mod pki;
pub mod process;
pub mod random;
pub mod scratch;

pub mod bearer;
pub mod cluster;
pub mod false_issuer;
pub mod front;
pub mod guarded;
pub mod haproxy;
pub mod hostile;
pub mod http;
pub mod issuer;
pub mod kraft;
pub mod odd_keys;
pub mod wire;

pub mod compare;
pub mod ledger;
pub mod load;
pub mod oauthbearer;
pub mod programs;
pub mod scram;
pub mod scram_client;
pub mod standin;
pub mod tap;

/// What a harness function gives: an error is a sentence for the person who reads the failed trial.
pub type Result<T, E = String> = std::result::Result<T, E>;

/// Adds what was being done to an error.
pub trait Context<T> {
    fn context(self, what: impl AsRef<str>) -> Result<T>;
}

impl<T, E: std::fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl AsRef<str>) -> Result<T> {
        self.map_err(|e| format!("{}: {e}", what.as_ref()))
    }
}

/// Calls `probe` until it gives a value; fails after `limit` with the last thing that it said.
pub fn wait_for<T>(
    what: &str,
    limit: std::time::Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let end = std::time::Instant::now() + limit;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(why) if std::time::Instant::now() >= end => {
                return Err(format!("waited {limit:?} for {what}; the last look said: {why}"));
            }
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
}

/// One line of progress, past the test runner's capture, so that a long step is never silent.
pub fn progress(text: impl AsRef<str>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "proto-tests: {}", text.as_ref());
}

#[macro_export]
macro_rules! check {
    ($cond:expr, $($say:tt)+) => {
        if !$cond {
            return Err(format!($($say)+));
        }
    };
}

/// Both sides as text when they differ.
#[macro_export]
macro_rules! check_eq {
    ($left:expr, $right:expr, $($say:tt)+) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            return Err(format!("{}\n   seen: {left:?}\n   want: {right:?}", format!($($say)+)));
        }
    }};
}
