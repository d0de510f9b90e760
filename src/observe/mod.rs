//! What an operator sees: the log and the counters.

mod closed;
mod log;
mod metrics;

pub use closed::Closed;
pub use log::{LogGuard, init_log};
pub use metrics::{
    CertificateStore, ClosedBy, ConnectionState, HandshakeOutcome, ListenerMetrics, Metrics, OpenClient, Refused,
    ReloadOutcome, ReloadSubject, documentation as metrics_documentation,
};
