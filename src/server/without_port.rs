//! Warns, once each, of brokers that clients of a listener cannot reach.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::BrokerWatcher;
use crate::listener::Addresses;

/// Hears of each broker, and knows the listeners that there are now.
#[derive(Debug, Default)]
pub(super) struct BrokersWithoutPort {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    listeners: Vec<Arc<Addresses>>,
    warned: HashSet<(String, i32)>,
}

impl BrokersWithoutPort {
    /// From now on these are the listeners. What was said of others is forgotten.
    pub(super) fn follow(&self, listeners: Vec<Arc<Addresses>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.warned.retain(|(name, _)| listeners.iter().any(|addresses| addresses.listener() == name));
        known.listeners = listeners;
    }
}

impl BrokerWatcher for Arc<BrokersWithoutPort> {
    fn broker_known(&self, node_id: i32) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { listeners, warned } = &mut *known;
        for addresses in listeners.iter().filter(|addresses| !addresses.has_node(node_id)) {
            if warned.insert((addresses.listener().to_owned(), node_id)) {
                tracing::error!(
                    listener = %addresses.listener(), node_id,
                    "broker {node_id} is out of reach for clients of this listener: its node id lies outside \
                     listener.name.<listener>.node.id.ranges; partitions that it leads cannot be used until the ranges include it"
                );
            }
        }
    }
}
