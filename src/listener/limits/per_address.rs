//! How many connections one address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::lock;

/// Counts by address. An address is kept only while it has connections: nothing grows with what strangers send.
#[derive(Debug)]
pub(super) struct PerAddress(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    limit: u32,
    overrides: HashMap<IpAddr, u32>,
    /// Never 0.
    counts: HashMap<IpAddr, u32>,
}

impl PerAddress {
    pub(super) fn new(limit: u32, overrides: &HashMap<IpAddr, u32>) -> Arc<Self> {
        let overrides = canonical(overrides);
        Arc::new(Self(Mutex::new(Counts { limit, overrides, counts: HashMap::new() })))
    }

    /// From now on these are the limits. An address that is above its own keeps what it has.
    pub(super) fn set(&self, limit: u32, overrides: &HashMap<IpAddr, u32>) {
        let mut counts = lock(&self.0);
        counts.limit = limit;
        counts.overrides = canonical(overrides);
    }

    /// Counts one more; `None` if the address has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Entry> {
        // ::ffff:1.2.3.4 is how a dual-stack socket names 1.2.3.4.
        let ip = ip.to_canonical();
        let mut counts = lock(&self.0);
        let limit = counts.overrides.get(&ip).copied().unwrap_or(counts.limit);
        let count = counts.counts.get(&ip).copied().unwrap_or(0);
        if count >= limit {
            return None;
        }
        counts.counts.insert(ip, count + 1);
        Some(Entry { counts: Arc::clone(self), ip })
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        lock(&self.0).counts.len()
    }
}

fn canonical(overrides: &HashMap<IpAddr, u32>) -> HashMap<IpAddr, u32> {
    overrides.iter().map(|(ip, limit)| (ip.to_canonical(), *limit)).collect()
}

/// One counted connection; dropping it takes it off.
#[derive(Debug)]
pub(super) struct Entry {
    counts: Arc<PerAddress>,
    ip: IpAddr,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts.0);
        let counts = &mut counts.counts;
        match counts.get_mut(&self.ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.ip);
            }
        }
        // A flood from many addresses leaves no great table behind.
        if counts.capacity() > 1024 && counts.len() < counts.capacity() / 8 {
            counts.shrink_to_fit();
        }
    }
}
