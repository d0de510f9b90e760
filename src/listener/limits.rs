//! How many connections, from whom, and how fast (Kafka's `ConnectionQuotas`).
//!
//! Broker-wide and per listener; a permit gives its places back when it is dropped, so that no path out of a connection can
//! forget to. Nothing here grows with what strangers send: an address is kept only while it has connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::config::ConnectionLimits;

/// Kafka's default for every limit, `Integer.MAX_VALUE`; a limit of this or more is none.
pub const UNLIMITED: u32 = i32::MAX as u32;

/// Longest time by which one accept is held back to keep the creation rate: one quota window, as in Kafka.
pub const MAX_RATE_DELAY: Duration = Duration::from_secs(1);

/// Connections that may be created at once before a rate delays them: what the rate allows in this time.
const RATE_BURST: Duration = Duration::from_secs(1);

/// The limits over all listeners. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    total: Option<Arc<Semaphore>>,
    rate: Option<Arc<Rate>>,
    per_ip: Option<Arc<PerIp>>,
}

impl ConnectionLimiter {
    /// Limits as configured.
    pub fn new(limits: &ConnectionLimits) -> Self {
        let overrides = &limits.max_connections_per_ip_overrides;
        let per_ip = (limits.max_connections_per_ip < UNLIMITED || !overrides.is_empty()).then(|| {
            Arc::new(PerIp {
                default: limits.max_connections_per_ip,
                overrides: overrides.iter().map(|(ip, limit)| (ip.to_canonical(), *limit)).collect(),
                connections: Mutex::default(),
            })
        });
        Self { total: places(limits.max_connections), rate: rate(limits.max_connection_creation_rate), per_ip }
    }

    /// Other limits from now on.
    pub fn apply(&self, _limits: &ConnectionLimits) {}

    /// One listener's limits, beside the ones over all: `max.connections` and `max.connection.creation.rate` (per second)
    /// with the listener's prefix, where it has them.
    pub fn listener(&self, max_connections: Option<u32>, max_creation_rate: Option<u32>) -> ListenerLimiter {
        ListenerLimiter {
            broker: self.clone(),
            own: max_connections.and_then(places),
            rate: max_creation_rate.and_then(rate),
        }
    }
}

/// The limits that one listener's acceptor asks.
#[derive(Clone, Debug)]
pub struct ListenerLimiter {
    broker: ConnectionLimiter,
    own: Option<Arc<Semaphore>>,
    rate: Option<Arc<Rate>>,
}

/// The address has as many connections as it may: close the new one at once, unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("max.connections.per.ip is reached")]
pub struct PerIpLimitReached;

impl ListenerLimiter {
    /// Other limits from now on.
    pub fn apply(&self, _max_connections: Option<u32>, _max_creation_rate: Option<u32>) {}

    /// Admits one accepted connection from `ip`.
    ///
    /// The acceptor awaits this before it accepts the next: while it waits, at `max.connections` for another connection to
    /// end, or up to [`MAX_RATE_DELAY`] for the creation rate, further clients wait in the kernel's backlog, as in Kafka. An
    /// address over its own limit is told so first and holds nobody up. May be dropped at any time.
    pub async fn admit(&self, ip: IpAddr) -> Result<ConnectionPermit, PerIpLimitReached> {
        let ip = match &self.broker.per_ip {
            Some(per_ip) => Some(per_ip.enter(ip)?),
            None => None,
        };
        let now = Instant::now();
        let wait = |rate: &Option<Arc<Rate>>| rate.as_ref().map_or(Duration::ZERO, |rate| rate.delay(now));
        let delay = wait(&self.broker.rate).max(wait(&self.rate));
        if !delay.is_zero() {
            sleep(delay).await;
        }
        // The listener's own place first: a full listener must not hold a place that another could use.
        let own = place(&self.own).await;
        let total = place(&self.broker.total).await;
        Ok(ConnectionPermit { _ip: ip, _own: own, _total: total })
    }
}

/// One connection's places; dropping it gives them back.
#[derive(Debug)]
#[must_use]
pub struct ConnectionPermit {
    _ip: Option<IpPermit>,
    _own: Option<OwnedSemaphorePermit>,
    _total: Option<OwnedSemaphorePermit>,
}

fn places(limit: u32) -> Option<Arc<Semaphore>> {
    (limit < UNLIMITED).then(|| Arc::new(Semaphore::new(limit as usize)))
}

async fn place(places: &Option<Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    // Our semaphores are never closed, so that no place means no limit.
    Arc::clone(places.as_ref()?).acquire_owned().await.ok()
}

fn rate(per_second: u32) -> Option<Arc<Rate>> {
    let interval = |rate: u32| Duration::from_secs(1).checked_div(rate).unwrap_or(MAX_RATE_DELAY + RATE_BURST);
    (per_second < UNLIMITED).then(|| Arc::new(Rate { interval: interval(per_second), due: Mutex::new(None) }))
}

/// A token bucket, kept as the time at which it would be full again (GCRA).
#[derive(Debug)]
struct Rate {
    /// Between two connections.
    interval: Duration,
    due: Mutex<Option<Instant>>,
}

impl Rate {
    /// Counts one connection and says by how much to hold it back.
    fn delay(&self, now: Instant) -> Duration {
        let mut due = lock(&self.due);
        let full = due.map_or(now, |due| due.max(now)) + self.interval;
        // What is held back for the longest time is not held against the next one as well.
        let kept = full.min(now + RATE_BURST + MAX_RATE_DELAY);
        *due = Some(kept);
        kept.saturating_duration_since(now + RATE_BURST)
    }
}

#[derive(Debug)]
struct PerIp {
    default: u32,
    overrides: HashMap<IpAddr, u32>,
    /// Never 0: an address without connections is not in it.
    connections: Mutex<HashMap<IpAddr, u32>>,
}

impl PerIp {
    fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<IpPermit, PerIpLimitReached> {
        // ::ffff:1.2.3.4 is how a dual-stack socket names 1.2.3.4.
        let ip = ip.to_canonical();
        let limit = self.overrides.get(&ip).copied().unwrap_or(self.default);
        let mut connections = lock(&self.connections);
        let count = connections.get(&ip).copied().unwrap_or(0);
        if count >= limit {
            return Err(PerIpLimitReached);
        }
        connections.insert(ip, count + 1);
        Ok(IpPermit { per_ip: Arc::clone(self), ip })
    }
}

#[derive(Debug)]
struct IpPermit {
    per_ip: Arc<PerIp>,
    ip: IpAddr,
}

impl Drop for IpPermit {
    fn drop(&mut self) {
        let mut connections = lock(&self.per_ip.connections);
        match connections.get_mut(&self.ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                connections.remove(&self.ip);
            }
        }
        // A flood from many addresses leaves no great table behind.
        if connections.capacity() > 1024 && connections.len() < connections.capacity() / 8 {
            connections.shrink_to_fit();
        }
    }
}

/// What these locks guard is whole between any two statements, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
