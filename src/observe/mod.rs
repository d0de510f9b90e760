//! What an operator sees: the log and the counters.

mod log;
mod metrics;

pub use log::{LogGuard, init_log};
pub use metrics::Metrics;
