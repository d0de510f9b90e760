//! Log set-up: for people or as JSON, the level by environment, on standard error.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// The level, or directives such as `info,doorkeeper::backend=debug` (tracing-subscriber's `EnvFilter`).
const LEVEL: &str = "DOORKEEPER_LOG";
/// `human` (the default) or `json`.
const FORMAT: &str = "DOORKEEPER_LOG_FORMAT";

/// Lines that wait to be written; while a reader of the log hangs, more are dropped: the log never holds up a connection.
const WAITING_LINES: usize = 16_384;

/// Writes what is still waiting when it is dropped.
pub struct LogGuard(#[expect(dead_code, reason = "held for its drop")] WorkerGuard);

/// Starts the log. Call it once, and hold the guard until the end.
///
/// Fails with a text for the user if an environment variable is not understood.
pub fn init_log() -> Result<LogGuard, String> {
    let filter = match std::env::var(LEVEL) {
        Ok(text) => EnvFilter::try_new(&text).map_err(|e| format!("environment variable {LEVEL}: {e}"))?,
        Err(_) => EnvFilter::new("info"),
    };
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING_LINES).finish(std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match std::env::var(FORMAT).as_deref() {
        Err(_) | Ok("" | "human") => {
            builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
        }
        Ok("json") => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        Ok(other) => return Err(format!("environment variable {FORMAT}: {other:?} is neither human nor json")),
    }
    Ok(LogGuard(guard))
}
