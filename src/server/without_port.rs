//! Warns, once each, of brokers that clients of a listener cannot reach.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::BrokerWatcher;
use crate::listener::Addresses;
use crate::observe::Metrics;

/// Hears of each broker, and knows the listeners that there are now.
#[derive(Debug)]
pub(super) struct BrokersWithoutPort {
    metrics: Arc<Metrics>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    listeners: Vec<Arc<Addresses>>,
    warned: HashSet<(String, i32)>,
}

impl BrokersWithoutPort {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, known: Mutex::default() }
    }

    /// From now on these are the listeners. What was said of others is forgotten.
    pub(super) fn follow(&self, listeners: Vec<Arc<Addresses>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.warned.retain(|(name, _)| listeners.iter().any(|addresses| addresses.listener() == name));
        known.listeners = listeners;
        self.metrics.brokers_without_a_port.store(known.warned.len() as u64, Ordering::Relaxed);
    }
}

impl BrokerWatcher for Arc<BrokersWithoutPort> {
    fn broker_known(&self, node_id: i32) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { listeners, warned } = &mut *known;
        for addresses in listeners.iter().filter(|addresses| addresses.node_port(node_id).is_none()) {
            if warned.insert((addresses.listener().to_owned(), node_id)) {
                tracing::error!(
                    listener = %addresses.listener(), node_id,
                    "broker {node_id} is out of reach for clients of this listener: its node id lies outside \
                     listener.name.<listener>.node.id.ranges; partitions that it leads cannot be used until the ranges include it"
                );
            }
        }
        self.metrics.brokers_without_a_port.store(warned.len() as u64, Ordering::Relaxed);
    }
}
