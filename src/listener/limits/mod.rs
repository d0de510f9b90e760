//! How many connections, from whom, and how fast (Kafka's `ConnectionQuotas`), and how many that nobody has vouched for yet.
//!
//! Broker-wide and per listener; a permit gives its places back when it is dropped, so that no path out of a connection can
//! forget to. Every connection is counted, whether there is a limit or not, so that limits can change while connections last.

mod per_address;
mod places;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep};

use self::per_address::{Entry, PerAddress};
use self::places::{Place, Places};
use self::rate::Rate;
use crate::config::{ConnectionLimits, ListenerConfig, network_of};

pub use self::rate::MAX_RATE_DELAY;

/// Kafka's default for every limit, `Integer.MAX_VALUE`; a limit of this or more is none.
pub const UNLIMITED: u32 = i32::MAX as u32;

/// The limits over all listeners. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    total: Arc<Places>,
    rate: Arc<Rate>,
    per_ip: Arc<PerAddress>,
}

impl ConnectionLimiter {
    /// Limits as configured.
    pub fn new(limits: &ConnectionLimits) -> Self {
        Self {
            total: Places::new(limits.max_connections),
            rate: Arc::new(Rate::new(limits.max_connection_creation_rate)),
            per_ip: PerAddress::new(limits.max_connections_per_ip, &limits.max_connections_per_ip_overrides),
        }
    }

    /// From now on these are the limits. Nobody is closed for it: where a limit is now below what there is, nobody new gets in
    /// until enough have left.
    pub fn apply(&self, limits: &ConnectionLimits) {
        self.total.resize(limits.max_connections);
        self.rate.set(limits.max_connection_creation_rate);
        self.per_ip.set(limits.max_connections_per_ip, &limits.max_connections_per_ip_overrides);
    }

    /// One listener's limits, beside the ones over all.
    pub fn listener(&self, limits: &ListenerLimits) -> ListenerLimiter {
        ListenerLimiter {
            broker: self.clone(),
            own: Places::new(limits.max_connections.unwrap_or(UNLIMITED)),
            rate: Arc::new(Rate::new(limits.max_connection_creation_rate.unwrap_or(UNLIMITED))),
            unauthenticated: Places::new(limits.max_unauthenticated_connections),
            unauthenticated_per_ip: PerAddress::new(limits.max_unauthenticated_connections_per_ip, &HashMap::new()),
        }
    }
}

/// The limits of one listener's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// `max.connections` with the listener's prefix, where it has it.
    pub max_connections: Option<u32>,
    /// `max.connection.creation.rate` per second with the listener's prefix, where it has it.
    pub max_connection_creation_rate: Option<u32>,
    /// `max.unauthenticated.connections`.
    pub max_unauthenticated_connections: u32,
    /// `max.unauthenticated.connections.per.ip`.
    pub max_unauthenticated_connections_per_ip: u32,
}

impl From<&ListenerConfig> for ListenerLimits {
    fn from(config: &ListenerConfig) -> Self {
        Self {
            max_connections: config.max_connections,
            max_connection_creation_rate: config.max_connection_creation_rate,
            max_unauthenticated_connections: config.max_unauthenticated_connections,
            max_unauthenticated_connections_per_ip: config.max_unauthenticated_connections_per_ip,
        }
    }
}

/// The limits that one listener's acceptor asks. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct ListenerLimiter {
    broker: ConnectionLimiter,
    own: Arc<Places>,
    rate: Arc<Rate>,
    unauthenticated: Arc<Places>,
    unauthenticated_per_ip: Arc<PerAddress>,
}

/// The address has as many connections as it may: close the new one at once, unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressLimitReached {
    /// Of connections of any kind, over all listeners.
    #[error("max.connections.per.ip is reached")]
    Connections,
    /// Of connections to this listener that have not authenticated.
    #[error("max.unauthenticated.connections.per.ip is reached")]
    Unauthenticated,
}

impl ListenerLimiter {
    /// From now on these are the listener's own limits, as with [`ConnectionLimiter::apply`].
    pub fn apply(&self, limits: &ListenerLimits) {
        self.own.resize(limits.max_connections.unwrap_or(UNLIMITED));
        self.rate.set(limits.max_connection_creation_rate.unwrap_or(UNLIMITED));
        self.unauthenticated.resize(limits.max_unauthenticated_connections);
        self.unauthenticated_per_ip.set(limits.max_unauthenticated_connections_per_ip, &HashMap::new());
    }

    /// Admits one accepted connection from `ip`; without `ip` it is a balancer's, and the client's address is still to be read:
    /// see [`Self::admit_address`].
    ///
    /// The acceptor awaits this before it accepts the next: while it waits, at `max.connections` for another connection to
    /// end, at `max.unauthenticated.connections` for another client to log in or to be out of time, or up to
    /// [`MAX_RATE_DELAY`] for the creation rate, further clients wait in the kernel's backlog, as in Kafka. An address over
    /// its own limit is told so first and holds nobody up. May be dropped at any time.
    pub async fn admit(&self, ip: Option<IpAddr>) -> Result<ConnectionPermit, AddressLimitReached> {
        let (ip, from) = match ip {
            Some(ip) => self.enter(ip).map(|(ip, from)| (Some(ip), Some(from)))?,
            None => (None, None),
        };
        let now = Instant::now();
        let delay = self.broker.rate.delay(now).max(self.rate.delay(now));
        if !delay.is_zero() {
            sleep(delay).await;
        }
        // The listener's own places first: a full listener must not hold a place that another could use.
        let place = self.unauthenticated.take().await;
        let own = self.own.take().await;
        let total = self.broker.total.take().await;
        let unauthenticated = Some(Unauthenticated { _place: place, _from: from });
        Ok(ConnectionPermit { unauthenticated, _ip: ip, _own: own, _total: total })
    }

    /// The client behind a balancer turned out to be at `ip`: counts it there.
    pub fn admit_address(&self, permit: &mut ConnectionPermit, ip: IpAddr) -> Result<(), AddressLimitReached> {
        // It may not be counted twice.
        permit._ip = None;
        let (ip, from) = self.enter(ip)?;
        permit._ip = Some(ip);
        if let Some(unauthenticated) = &mut permit.unauthenticated {
            unauthenticated._from = Some(from);
        }
        Ok(())
    }

    /// Whether the next connection has to wait until another client has logged in or is out of time.
    pub fn waits_for_logins(&self) -> bool {
        self.unauthenticated.is_full()
    }

    fn enter(&self, ip: IpAddr) -> Result<(Entry, Entry), AddressLimitReached> {
        let of_all = self.broker.per_ip.enter(ip).ok_or(AddressLimitReached::Connections)?;
        let from = self.unauthenticated_per_ip.enter(network_of(ip)).ok_or(AddressLimitReached::Unauthenticated)?;
        Ok((of_all, from))
    }
}

/// One connection's places; dropping it gives them back.
#[derive(Debug)]
#[must_use]
pub struct ConnectionPermit {
    unauthenticated: Option<Unauthenticated>,
    _ip: Option<Entry>,
    _own: Place,
    _total: Place,
}

impl ConnectionPermit {
    /// The client is known: from now on it does not count among those that are not.
    pub fn authenticated(&mut self) {
        self.unauthenticated = None;
    }
}

#[derive(Debug)]
struct Unauthenticated {
    _place: Place,
    _from: Option<Entry>,
}

/// What these locks guard is whole between any two statements, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
