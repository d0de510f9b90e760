//! Counters of the process. Their names and labels come from the program and the configuration alone, never from clients.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::listener::AddressLimitReached;

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:literal,)+) => {
        /// One value for each counter and gauge.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        impl Metrics {
            /// All values in Prometheus' text format.
            pub fn render(&self) -> String {
                let mut out = String::new();
                $(
                    let help = [$($doc),+].concat();
                    let value = self.$name.load(Ordering::Relaxed);
                    let name = concat!("doorkeeper_", stringify!($name));
                    // Writing to a String cannot fail.
                    let _ = write!(out, "# HELP {name} {}\n# TYPE {name} {}\n{name} {value}\n", help.trim(), $kind);
                )+
                out
            }
        }
    };
}

metrics! {
    /// Connections accepted on all listeners.
    connections_accepted_total: "counter",
    /// Connections closed at once because their address has too many.
    connections_refused_per_ip_total: "counter",
    /// Connections closed at once because their address has too many that have not authenticated.
    connections_refused_unauthenticated_per_ip_total: "counter",
    /// Connections closed because they came without the PROXY header that they must have, or from elsewhere than a trusted balancer.
    connections_refused_proxy_protocol_total: "counter",
    /// Times that accepting waited because too many connections of a listener had not authenticated.
    unauthenticated_limit_waits_total: "counter",
    /// Connections that are open.
    connections_open: "gauge",
    /// Clients that proved who they are.
    authentications_successful_total: "counter",
    /// Clients that did not.
    authentications_failed_total: "counter",
    /// Times that accepting failed for want of a resource, such as file descriptors.
    accept_failures_total: "counter",
    /// Brokers of the backend that have no port on a listener because their node id lies outside its node.id.ranges, summed over listeners.
    brokers_without_a_port: "gauge",
    /// Bytes received from clients.
    bytes_received_total: "counter",
    /// Bytes sent to clients.
    bytes_sent_total: "counter",
}

impl Metrics {
    /// A connection was accepted and is served.
    pub fn connection_opened(&self) {
        Self::add(&self.connections_open, 1);
    }

    /// It has ended.
    pub fn connection_closed(&self) {
        self.connections_open.fetch_sub(1, Ordering::Relaxed);
    }

    /// An address has as many connections as it may.
    pub fn address_refused(&self, limit: AddressLimitReached) {
        let counter = match limit {
            AddressLimitReached::Connections => &self.connections_refused_per_ip_total,
            AddressLimitReached::Unauthenticated => &self.connections_refused_unauthenticated_per_ip_total,
        };
        Self::add(counter, 1);
    }

    /// A client proved who it is.
    pub fn authentication_succeeded(&self) {
        Self::add(&self.authentications_successful_total, 1);
    }

    /// A client did not.
    pub fn authentication_failed(&self) {
        Self::add(&self.authentications_failed_total, 1);
    }

    /// Bytes of a connection that has ended.
    pub fn bytes_moved(&self, from_clients: u64, to_clients: u64) {
        Self::add(&self.bytes_received_total, from_clients);
        Self::add(&self.bytes_sent_total, to_clients);
    }

    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_rendered_with_its_help_and_type() {
        let metrics = Metrics::default();
        Metrics::add(&metrics.connections_accepted_total, 3);
        let text = metrics.render();
        assert!(text.contains(
            "# TYPE doorkeeper_connections_accepted_total counter\ndoorkeeper_connections_accepted_total 3\n"
        ));
        assert_eq!(text.lines().count() % 3, 0);
    }
}
