//! What an operator sees: the log, the metrics and health.

mod closed;
mod endpoint;
mod failures;
mod health;
mod heartbeat;
mod log;
mod metrics;

pub use closed::Closed;
pub use endpoint::{Endpoint, EndpointError};
pub use failures::FailureLog;
pub use health::Health;
pub use heartbeat::Heartbeat;
pub use log::{LogGuard, init_log};
pub use metrics::{
    CertificateStore, ClosedBy, ConnectionState, HandshakeOutcome, ListenerMetrics, Metrics, OpenClient, Refused,
    ReloadOutcome, ReloadSubject, documentation as metrics_documentation,
};
