//! What an operator sees: the log and the counters.

mod closed;
mod failures;
mod log;
mod metrics;

pub use closed::Closed;
pub use failures::FailureLog;
pub use log::{LogGuard, init_log};
pub use metrics::Metrics;
