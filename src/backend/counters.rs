//! How many connections to the backend were opened for clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ConnectError;

/// Counts of connections that clients needed; the front's own questions to the backend are not among them.
#[derive(Debug, Default)]
pub struct BackendCounters {
    opened: AtomicU64,
    open: AtomicU64,
    failed: [AtomicU64; ConnectError::NAMES.len()],
    reauthenticated: AtomicU64,
    not_reauthenticated: AtomicU64,
}

impl BackendCounters {
    /// Connections that were opened and logged in.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Attempts that came to nothing, by [`ConnectError::as_str`].
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        ConnectError::NAMES.iter().zip(&self.failed).map(|(name, count)| (*name, count.load(Ordering::Relaxed)))
    }

    /// How often a connection was authenticated anew (KIP-368), and how often that failed.
    pub fn reauthentications(&self) -> (u64, u64) {
        (self.reauthenticated.load(Ordering::Relaxed), self.not_reauthenticated.load(Ordering::Relaxed))
    }

    pub(super) fn count_reauthentication(&self, is_good: bool) {
        let count = if is_good { &self.reauthenticated } else { &self.not_reauthenticated };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_opened(self: &Arc<Self>) -> OpenConnection {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.clone())
    }

    pub(super) fn count_failed(&self, error: &ConnectError) {
        if let Some(at) = ConnectError::NAMES.iter().position(|name| *name == error.as_str()) {
            self.failed[at].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts one open connection until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Arc<BackendCounters>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_counted_under_its_name() {
        let counters = Arc::new(BackendCounters::default());
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let tls = crate::tls::HandshakeError::Closed;
        let name = || String::from("broker");
        let errors = [
            ConnectError::UnknownNode(1),
            ConnectError::OtherCluster,
            ConnectError::Io(name(), io),
            ConnectError::Timeout(name()),
            ConnectError::Tls(name(), tls),
            ConnectError::LoginRefused(name(), name()),
            ConnectError::Sasl(name(), crate::scram::client::ClientError::ServerSignature),
            ConnectError::NoToken(crate::backend::NoToken::Late),
            ConnectError::Malformed(name()),
        ];
        errors.iter().for_each(|error| counters.count_failed(error));
        assert!(counters.failed().all(|(_, count)| count == 1));
        let open = counters.count_opened();
        assert_eq!((counters.opened(), counters.open()), (1, 1));
        drop(open);
        assert_eq!((counters.opened(), counters.open()), (1, 0));
    }
}
