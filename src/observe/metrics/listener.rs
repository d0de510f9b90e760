//! What is counted for one listener. Connections hold it directly: no name is looked up on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::labels::{ConnectionState, DRAINING, HandshakeOutcome, Refused};
use super::values::{Histogram, Words};
use crate::listener::Addresses;
use crate::relay::{CloseReason, ConnectionTraffic, Moved, Traffic};
use crate::sasl::gate::GateFailureReason;

/// The mechanism of a login whose client chose none that is enabled.
pub(super) const UNKNOWN_MECHANISM: &str = "unknown";
const SUCCESS: &str = "success";
const NO_LIMIT: u64 = u64::MAX;

/// Reasons of connections that ended before the gate or the relay could give one.
pub(super) const CLOSED_BEFORE: [&str; 5] =
    [TLS_HANDSHAKE_FAILED, CERTIFICATE_NAME_REFUSED, PROXY_HEADER_FAILED, ADDRESS_LIMIT, ABORTED];
const TLS_HANDSHAKE_FAILED: &str = "tls_handshake_failed";
const CERTIFICATE_NAME_REFUSED: &str = "certificate_name_refused";
const PROXY_HEADER_FAILED: &str = "proxy_header_failed";
const ADDRESS_LIMIT: &str = "address_limit";
const ABORTED: &str = "aborted";

/// One listener's numbers.
#[derive(Debug)]
pub struct ListenerMetrics {
    name: String,
    states: Words,
    draining: AtomicBool,
    accepted: AtomicU64,
    refused: Words,
    accept_waits: AtomicU64,
    accept_failures: AtomicU64,
    closed: Words,
    closed_at_login: Words,
    handshakes: Words,
    handshake_duration: Histogram,
    /// Grows when a reload enables a mechanism; the last one is [`UNKNOWN_MECHANISM`]'s.
    logins: ArcSwap<Vec<Arc<Logins>>>,
    login_duration: Histogram,
    logins_without_reauthentication: AtomicU64,
    reauthentication_duration: Histogram,
    traffic: Traffic,
    max_connections: AtomicU64,
    max_unauthenticated: AtomicU64,
    addresses: ArcSwapOption<Addresses>,
}

#[derive(Debug)]
struct Logins {
    mechanism: String,
    outcomes: Words,
    /// Of clients that were known already.
    reauthentications: Words,
}

/// Why a connection ended, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedBy {
    reason: &'static str,
    at_login: bool,
}

impl ClosedBy {
    /// Its TLS handshake failed.
    pub const TLS_HANDSHAKE: Self = Self::of(TLS_HANDSHAKE_FAILED);
    /// The certificate is good and names nobody.
    pub const CERTIFICATE_NAME: Self = Self::of(CERTIFICATE_NAME_REFUSED);
    /// Its PROXY protocol header was bad, or missing where it is required.
    pub const PROXY_HEADER: Self = Self::of(PROXY_HEADER_FAILED);
    /// The address that its PROXY protocol header names has too many.
    pub const ADDRESS_LIMIT: Self = Self::of(ADDRESS_LIMIT);
    /// The front was stopped before it had logged in.
    pub const SHUTDOWN: Self = Self::of("shutdown");
    const ABORTED: Self = Self::of(ABORTED);

    const fn of(reason: &'static str) -> Self {
        Self { reason, at_login: false }
    }

    /// The end of a relayed connection.
    pub fn relay(reason: &CloseReason) -> Self {
        Self::of(reason.as_str())
    }

    /// A client that did not get past the gate.
    pub fn gate(reason: GateFailureReason) -> Self {
        Self { reason: reason.as_str(), at_login: true }
    }
}

impl ListenerMetrics {
    /// All zero.
    pub(super) fn new(name: &str) -> Self {
        let unknown = Arc::new(Logins::new(UNKNOWN_MECHANISM));
        Self {
            name: name.to_owned(),
            states: Words::new(ConnectionState::ALL.iter().map(|state| state.as_str())),
            draining: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            refused: Words::new(Refused::ALL.iter().map(|reason| reason.as_str())),
            accept_waits: AtomicU64::new(0),
            accept_failures: AtomicU64::new(0),
            closed: Words::new(CloseReason::NAMES.iter().copied().chain(CLOSED_BEFORE)),
            closed_at_login: Words::new(GateFailureReason::ALL.iter().map(|reason| reason.as_str())),
            handshakes: Words::new(HandshakeOutcome::ALL.iter().map(|outcome| outcome.as_str())),
            handshake_duration: Histogram::default(),
            logins: ArcSwap::from_pointee(vec![unknown]),
            login_duration: Histogram::default(),
            logins_without_reauthentication: AtomicU64::new(0),
            reauthentication_duration: Histogram::default(),
            traffic: Traffic::default(),
            max_connections: AtomicU64::new(NO_LIMIT),
            max_unauthenticated: AtomicU64::new(NO_LIMIT),
            addresses: ArcSwapOption::empty(),
        }
    }

    /// The listener's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection was accepted.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// It was closed by a limit.
    pub fn refused(&self, reason: Refused) {
        self.refused.add(reason.as_str());
    }

    /// Accepting waits, because too many have not logged in yet.
    pub fn accept_waits(&self) {
        self.accept_waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Accepting failed.
    pub fn accept_failed(&self) {
        self.accept_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection is served from now on. What this gives counts it until it is dropped, however that comes about.
    pub fn connection(self: &Arc<Self>, state: ConnectionState) -> OpenClient {
        self.states.add(state.as_str());
        OpenClient { listener: self.clone(), state, closed_by: ClosedBy::ABORTED }
    }

    /// A TLS handshake has ended after so long.
    pub fn tls_handshake(&self, outcome: HandshakeOutcome, took: Duration) {
        self.handshakes.add(outcome.as_str());
        if outcome.is_success() {
            self.handshake_duration.observe(took);
        }
    }

    /// Mechanisms that are enabled now. Those that no longer are keep their counts.
    pub fn enable_mechanisms<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        let mut logins = Vec::clone(&self.logins.load());
        for name in names {
            if logins.iter().all(|known| known.mechanism != name) {
                let at = logins.len() - 1;
                logins.insert(at, Arc::new(Logins::new(name)));
            }
        }
        self.logins.store(Arc::new(logins));
    }

    /// A SASL login has ended after so long. A mechanism that is not enabled counts as unknown.
    pub fn login(&self, mechanism: Option<&str>, result: Result<(), GateFailureReason>, took: Duration) {
        self.count(mechanism, result, |logins| &logins.outcomes);
        if result.is_ok() {
            self.login_duration.observe(took);
        }
    }

    /// The login that succeeded was that of a client that cannot authenticate anew.
    pub fn login_without_reauthentication(&self) {
        self.logins_without_reauthentication.fetch_add(1, Ordering::Relaxed);
    }

    /// A known client's authentication has ended after so long; else as [`Self::login`].
    pub fn reauthentication(&self, mechanism: Option<&str>, result: Result<(), GateFailureReason>, took: Duration) {
        self.count(mechanism, result, |logins| &logins.reauthentications);
        if result.is_ok() {
            self.reauthentication_duration.observe(took);
        }
    }

    fn count(&self, mechanism: Option<&str>, result: Result<(), GateFailureReason>, of: fn(&Logins) -> &Words) {
        let logins = self.logins.load();
        let own = mechanism.and_then(|name| logins.iter().find(|logins| logins.mechanism == name));
        if let Some(logins) = own.or_else(|| logins.last()) {
            of(logins).add(result.err().map_or(SUCCESS, GateFailureReason::as_str));
        }
    }

    /// The count of bytes and requests of one connection, on the thread that serves it.
    pub fn traffic(&self) -> ConnectionTraffic {
        self.traffic.here()
    }

    /// The listener's own `max.connections`, if it has one.
    pub fn set_max_connections(&self, limit: Option<u32>) {
        self.max_connections.store(limit.map_or(NO_LIMIT, u64::from), Ordering::Relaxed);
    }

    /// The listener's `max.unauthenticated.connections`.
    pub fn set_max_unauthenticated_connections(&self, limit: u32) {
        self.max_unauthenticated.store(u64::from(limit), Ordering::Relaxed);
    }

    /// The addresses that clients are told: brokers without one are counted.
    pub fn set_addresses(&self, addresses: Arc<Addresses>) {
        self.addresses.store(Some(addresses));
    }

    /// The listener accepts no more, and its relays finish what is in flight: they are shown as draining from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn resume(&self) {
        self.draining.store(false, Ordering::Relaxed);
    }

    /// The listener is gone: what it was configured to is shown no more, what it has counted is.
    pub(super) fn retire(&self) {
        self.drain();
        self.set_max_connections(None);
        self.max_unauthenticated.store(NO_LIMIT, Ordering::Relaxed);
        self.addresses.store(None);
    }

    /// For each state, how many.
    pub(super) fn connections(&self) -> Vec<(&'static str, u64)> {
        let draining = self.draining.load(Ordering::Relaxed);
        let mut states: Vec<_> = self.states.iter().collect();
        states.push((DRAINING, 0));
        let relayed = states.iter().position(|(state, _)| *state == ConnectionState::Relayed.as_str());
        if let (true, Some(relayed)) = (draining, relayed) {
            let last = states.len() - 1;
            states[last].1 = std::mem::take(&mut states[relayed].1);
        }
        states
    }

    pub(super) fn accepted_total(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn refused_totals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.refused.iter()
    }

    pub(super) fn accept_waits_total(&self) -> u64 {
        self.accept_waits.load(Ordering::Relaxed)
    }

    pub(super) fn accept_failures_total(&self) -> u64 {
        self.accept_failures.load(Ordering::Relaxed)
    }

    /// The log's words as label values are written; those of the gate are marked, for it shares some with the relay.
    pub(super) fn closed_totals(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let at_login = self.closed_at_login.iter().map(|(reason, count)| (format!("login_{reason}"), count));
        self.closed.iter().map(|(reason, count)| (reason.replace(' ', "_"), count)).chain(at_login)
    }

    pub(super) fn max_connections(&self) -> Option<u64> {
        Some(self.max_connections.load(Ordering::Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    pub(super) fn max_unauthenticated_connections(&self) -> Option<u64> {
        Some(self.max_unauthenticated.load(Ordering::Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    pub(super) fn handshakes(&self) -> (impl Iterator<Item = (&'static str, u64)> + '_, &Histogram) {
        (self.handshakes.iter(), &self.handshake_duration)
    }

    /// Calls `each` with mechanism, outcome and count.
    pub(super) fn logins(&self, mut each: impl FnMut(&str, &str, u64)) {
        for logins in self.logins.load().iter() {
            logins.outcomes.iter().for_each(|(outcome, count)| each(&logins.mechanism, outcome, count));
        }
    }

    /// The same of the clients that were known already.
    pub(super) fn reauthentications(&self, mut each: impl FnMut(&str, &str, u64)) {
        for logins in self.logins.load().iter() {
            logins.reauthentications.iter().for_each(|(outcome, count)| each(&logins.mechanism, outcome, count));
        }
    }

    pub(super) fn login_duration(&self) -> &Histogram {
        &self.login_duration
    }

    pub(super) fn logins_without_reauthentication_total(&self) -> u64 {
        self.logins_without_reauthentication.load(Ordering::Relaxed)
    }

    pub(super) fn reauthentication_duration(&self) -> &Histogram {
        &self.reauthentication_duration
    }

    pub(super) fn moved(&self) -> Moved {
        self.traffic.moved()
    }

    /// How many of these brokers have no port here; `None` once the listener is gone.
    pub(super) fn brokers_without_a_port(&self, node_ids: &[i32]) -> Option<usize> {
        let addresses = self.addresses.load();
        let addresses = addresses.as_ref()?;
        Some(node_ids.iter().filter(|id| !addresses.has_node(**id)).count())
    }
}

impl Logins {
    fn new(mechanism: &str) -> Self {
        let outcomes = || {
            let failures = GateFailureReason::ALL.iter().map(|reason| reason.as_str());
            Words::new(std::iter::once(SUCCESS).chain(failures))
        };
        Self { mechanism: mechanism.to_owned(), outcomes: outcomes(), reauthentications: outcomes() }
    }
}

/// One open connection. Its end is counted when this is dropped, also when the task that serves it panics.
#[derive(Debug)]
#[must_use]
pub struct OpenClient {
    listener: Arc<ListenerMetrics>,
    state: ConnectionState,
    closed_by: ClosedBy,
}

impl OpenClient {
    /// It is doing something else now.
    pub fn enter(&mut self, state: ConnectionState) {
        self.listener.states.add(state.as_str());
        self.listener.states.subtract(self.state.as_str());
        self.state = state;
    }

    /// Why it ends. Without it, it counts as aborted.
    pub fn close(&mut self, closed_by: ClosedBy) {
        self.closed_by = closed_by;
        self.enter(ConnectionState::Closing);
    }
}

impl Drop for OpenClient {
    fn drop(&mut self) {
        self.listener.states.subtract(self.state.as_str());
        let listener = &self.listener;
        let words = if self.closed_by.at_login { &listener.closed_at_login } else { &listener.closed };
        words.add(self.closed_by.reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(listener: &ListenerMetrics, name: &str) -> u64 {
        listener.connections().iter().find(|(state, _)| *state == name).unwrap().1
    }

    fn closed(listener: &ListenerMetrics, name: &str) -> u64 {
        listener.closed_totals().find(|(reason, _)| reason == name).unwrap().1
    }

    #[test]
    fn a_panic_in_a_connection_leaves_no_connection_behind() {
        let listener = Arc::new(ListenerMetrics::new("L"));
        let other = listener.connection(ConnectionState::Sasl);
        let task = {
            let listener = listener.clone();
            std::thread::spawn(move || {
                let mut open = listener.connection(ConnectionState::Sasl);
                open.enter(ConnectionState::Relayed);
                panic!("as a bug would");
            })
        };
        assert!(task.join().is_err());
        assert_eq!((state(&listener, "sasl"), state(&listener, "relayed")), (1, 0));
        assert_eq!(closed(&listener, "aborted"), 1);
        drop(other);
        assert_eq!(listener.connections().iter().map(|(_, n)| n).sum::<u64>(), 0);
    }

    #[test]
    fn every_reason_has_its_counter() {
        let listener = Arc::new(ListenerMetrics::new("L"));
        let mut reasons = vec![
            ClosedBy::TLS_HANDSHAKE,
            ClosedBy::CERTIFICATE_NAME,
            ClosedBy::PROXY_HEADER,
            ClosedBy::ADDRESS_LIMIT,
            ClosedBy::ABORTED,
        ];
        reasons.extend(CloseReason::NAMES.iter().map(|name| ClosedBy::of(name)));
        reasons.extend(GateFailureReason::ALL.iter().map(|reason| ClosedBy::gate(*reason)));
        for reason in &reasons {
            listener.connection(ConnectionState::Relayed).close(*reason);
        }
        let totals: Vec<_> = listener.closed_totals().collect();
        assert_eq!(totals.len(), reasons.len());
        assert!(totals.iter().all(|(_, count)| *count == 1), "{totals:?}");
        assert_eq!(closed(&listener, "login_malformed_request") + closed(&listener, "malformed_request"), 2);
        assert!(CloseReason::NAMES.contains(&ClosedBy::SHUTDOWN.reason));
    }

    #[test]
    fn relayed_connections_drain_and_others_do_not() {
        let listener = Arc::new(ListenerMetrics::new("L"));
        let _relayed = listener.connection(ConnectionState::Relayed);
        let _sasl = listener.connection(ConnectionState::Sasl);
        assert_eq!((state(&listener, "relayed"), state(&listener, "draining")), (1, 0));
        listener.drain();
        assert_eq!((state(&listener, "relayed"), state(&listener, "draining"), state(&listener, "sasl")), (0, 1, 1));
    }

    #[test]
    fn logins_are_counted_by_enabled_mechanisms_only() {
        let listener = ListenerMetrics::new("L");
        listener.enable_mechanisms(["PLAIN"]);
        let took = Duration::from_millis(3);
        listener.login(Some("PLAIN"), Ok(()), took);
        listener.login(Some("GSSAPI"), Err(GateFailureReason::UnsupportedMechanism), took);
        listener.login(None, Err(GateFailureReason::PeerClosed), took);
        listener.enable_mechanisms(["PLAIN", "SCRAM-SHA-256"]);
        listener.login(Some("SCRAM-SHA-256"), Err(GateFailureReason::RejectedCredentials), took);
        let mut seen = Vec::new();
        listener.logins(|mechanism, outcome, count| {
            if count > 0 {
                seen.push(format!("{mechanism} {outcome} {count}"));
            }
        });
        let want = [
            "PLAIN success 1",
            "SCRAM-SHA-256 rejected_credentials 1",
            "unknown peer_closed 1",
            "unknown unsupported_mechanism 1",
        ];
        assert_eq!(seen, want);
        assert_eq!(listener.login_duration().read().0.iter().sum::<u64>(), 1);
    }
}
