//! Whether the process lives and whether clients should come: what `/livez` and `/readyz` say.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::heartbeat::STUCK;
use super::metrics::{CertificateStore, Metrics};
use crate::backend::Topology;

/// A certificate that expires sooner is warned of.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 86_400);

/// What health is judged by.
#[derive(Debug)]
pub struct Health {
    metrics: Arc<Metrics>,
    topology: Arc<Topology>,
}

/// A verdict, and a text that says why.
pub(super) type Verdict = Result<String, String>;

impl Health {
    /// The health of what these belong to.
    pub fn new(metrics: Arc<Metrics>, topology: Arc<Topology>) -> Self {
        Self { metrics, topology }
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Whether each worker answers. The caller runs on the main thread, which thereby has answered too.
    pub(super) fn live(&self) -> Verdict {
        let silent = self.metrics.heartbeats().silent(Instant::now(), STUCK);
        if silent.is_empty() {
            return Ok("alive\n".to_owned());
        }
        let line = |(worker, silence): &(String, Duration)| {
            format!("not alive: {worker} has given no sign for {} s\n", silence.as_secs())
        };
        Err(silent.iter().map(line).collect())
    }

    /// Whether clients should come. All listeners are bound before anyone can ask.
    pub(super) fn ready(&self) -> Verdict {
        let backend = Backend {
            was_reached: !self.topology.node_ids().is_empty(),
            is_reachable: *self.topology.reachable().borrow(),
        };
        let verdict = ready(self.metrics.is_draining(), backend, &self.metrics.certificates(), SystemTime::now());
        // No reason to send clients away: they log in as before.
        let warning = match self.metrics.store() {
            Some(store) if store.is_failing => {
                "warning: credentials cannot be changed, the store's disk is full or fails\n"
            }
            _ => "",
        };
        match verdict {
            Ok(text) => Ok(text + warning),
            Err(text) => Err(text + warning),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Backend {
    was_reached: bool,
    is_reachable: bool,
}

fn ready(
    draining: bool,
    backend: Backend,
    certificates: &[(String, CertificateStore, SystemTime)],
    now: SystemTime,
) -> Verdict {
    let warnings: String =
        certificates.iter().filter_map(|(listener, store, at)| warning(listener, *store, *at, now)).collect();
    let not_ready = match backend {
        _ if draining => "stopping",
        Backend { was_reached: false, .. } => "the backend has not answered yet",
        Backend { is_reachable: false, .. } => "the backend does not answer",
        _ => return Ok(format!("ready\n{warnings}")),
    };
    Err(format!("not ready: {not_ready}\n{warnings}"))
}

/// A line if the certificate expires soon. It is no reason to send clients away: the old certificate still serves them.
fn warning(listener: &str, store: CertificateStore, not_after: SystemTime, now: SystemTime) -> Option<String> {
    let whose = if listener.is_empty() { String::new() } else { format!("listener {listener}: ") };
    let store = store.as_str();
    match not_after.duration_since(now) {
        Ok(left) if left >= EXPIRES_SOON => None,
        Ok(left) => {
            let hours = left.as_secs() / 3600;
            Some(format!("warning: {whose}a certificate of the {store} expires in {hours} hours\n"))
        }
        Err(_) => Some(format!("warning: {whose}a certificate of the {store} has expired\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_says_why() {
        let now = SystemTime::now();
        let backend = |was_reached, is_reachable| Backend { was_reached, is_reachable };
        let judged = |draining, backend| ready(draining, backend, &[], now);
        assert_eq!(judged(false, backend(true, true)), Ok("ready\n".into()));
        assert_eq!(judged(false, backend(false, false)), Err("not ready: the backend has not answered yet\n".into()));
        assert_eq!(judged(false, backend(true, false)), Err("not ready: the backend does not answer\n".into()));
        assert_eq!(judged(true, backend(true, true)), Err("not ready: stopping\n".into()));
    }

    #[test]
    fn a_certificate_that_expires_is_a_warning_only() {
        let now = SystemTime::now();
        let days = |days: u64| now + Duration::from_secs(days * 86_400);
        let certificates = [
            ("A".to_owned(), CertificateStore::Keystore, days(7)),
            ("B".to_owned(), CertificateStore::Truststore, days(7) - Duration::from_secs(1)),
            ("C".to_owned(), CertificateStore::Keystore, now - Duration::from_secs(1)),
            (String::new(), CertificateStore::BackendKeystore, now),
        ];
        let backend = Backend { was_reached: true, is_reachable: true };
        let want = "ready\nwarning: listener B: a certificate of the truststore expires in 167 hours\n\
            warning: listener C: a certificate of the keystore has expired\n\
            warning: a certificate of the backend_keystore expires in 0 hours\n";
        assert_eq!(ready(false, backend, &certificates, now), Ok(want.into()));
    }
}
