//! All numbers as one page of text.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::families::*;
use super::labels::{ReloadOutcome, ReloadSubject};
use super::listener::ListenerMetrics;
use super::page::Page;
use super::process::ProcessFigures;
use super::{Metrics, lock, unix_seconds};
use crate::sasl::{GuessLimit, PasswordCheck};

type Listeners = [Arc<ListenerMetrics>];

impl Metrics {
    /// All values in Prometheus' text format. Reads `/proc`.
    pub fn render(&self) -> String {
        let listeners = self.all_listeners();
        let mut page = Page::default();
        connections(&mut page, &listeners);
        self.limits(&mut page, &listeners);
        logins(&mut page, &listeners);
        self.insecure(&mut page);
        self.password_checks(&mut page);
        self.issuers(&mut page);
        traffic(&mut page, &listeners);
        self.backend(&mut page, &listeners);
        self.store_figures(&mut page);
        self.certificate_expiry(&mut page);
        self.reload_totals(&mut page);
        page.single(&DRAINING, u8::from(self.is_draining()));
        page.family(&BUILD_INFO).put(&[env!("CARGO_PKG_VERSION")], 1);
        process(&mut page, &ProcessFigures::read());
        page.into_text()
    }

    fn limits(&self, page: &mut Page, listeners: &Listeners) {
        let mut samples = page.family(&MAX_CONNECTIONS);
        let limit = self.max_connections.load(Ordering::Relaxed);
        if limit != u64::MAX {
            samples.put(&[], limit);
        }
        let mut samples = page.family(&LISTENER_MAX_CONNECTIONS);
        for listener in listeners {
            if let Some(limit) = listener.max_connections() {
                samples.put(&[listener.name()], limit);
            }
        }
        let mut samples = page.family(&LISTENER_MAX_UNAUTHENTICATED);
        for listener in listeners {
            if let Some(limit) = listener.max_unauthenticated_connections() {
                samples.put(&[listener.name()], limit);
            }
        }
    }

    fn insecure(&self, page: &mut Page) {
        let listeners = lock(&self.insecure_validators);
        let mut samples = page.family(&INSECURE_VALIDATOR);
        listeners.iter().for_each(|listener| samples.put(&[listener], 1));
    }

    fn password_checks(&self, page: &mut Page) {
        let Some((guesses, passwords)) = self.logins.get() else { return };
        let mut samples = page.family(&LOGINS_HELD_BACK);
        GuessLimit::ALL.iter().for_each(|limit| samples.put(&[limit.as_str()], guesses.held_back(*limit)));
        let mut samples = page.family(&PASSWORD_CHECKS);
        samples.put(&["queued"], passwords.queued());
        samples.put(&["running"], passwords.running());
        let mut samples = page.family(&PASSWORD_CHECKS_ENDED);
        PasswordCheck::ALL.iter().for_each(|check| samples.put(&[check.as_str()], passwords.ended(*check)));
    }

    fn issuers(&self, page: &mut Page) {
        let Some(status) = self.issuers.get() else { return };
        let issuers = status();
        if issuers.is_empty() {
            return;
        }
        let mut samples = page.family(&ISSUER_KEYS);
        issuers.iter().for_each(|issuer| samples.put(&[&issuer.url], issuer.keys));
        let mut samples = page.family(&ISSUER_KEYS_AGE);
        for issuer in &issuers {
            if let Some(age) = issuer.age {
                samples.put(&[&issuer.url], age.as_secs());
            }
        }
        let mut samples = page.family(&ISSUER_KEYS_MAX_AGE);
        issuers.iter().for_each(|issuer| samples.put(&[&issuer.url], issuer.max_staleness.as_secs()));
        let mut samples = page.family(&ISSUER_KEY_FETCHES);
        for issuer in &issuers {
            samples.put(&[&issuer.url, "ok"], issuer.fetched);
            samples.put(&[&issuer.url, "failed"], issuer.failed);
        }
        let mut samples = page.family(&ISSUER_KEY_EARLY_FETCHES);
        issuers.iter().for_each(|issuer| samples.put(&[&issuer.url], issuer.early));
        let mut samples = page.family(&ISSUER_UNKNOWN_KEYS_THROTTLED);
        issuers.iter().for_each(|issuer| samples.put(&[&issuer.url], issuer.throttled));
    }

    fn backend(&self, page: &mut Page, listeners: &Listeners) {
        let Some(topology) = self.topology.get() else { return };
        let node_ids = topology.node_ids();
        let mut samples = page.family(&BROKERS_WITHOUT_A_PORT);
        for listener in listeners {
            if let Some(brokers) = listener.brokers_without_a_port(&node_ids) {
                samples.put(&[listener.name()], brokers);
            }
        }
        page.single(&BACKEND_REACHABLE, u8::from(*topology.reachable().borrow()));
        page.single(&BACKEND_BROKERS, node_ids.len());
        let counters = topology.counters();
        page.single(&BACKEND_CONNECTIONS, counters.open());
        page.single(&BACKEND_CONNECTIONS_OPENED, counters.opened());
        let mut samples = page.family(&BACKEND_CONNECTIONS_FAILED);
        counters.failed().for_each(|(reason, count)| samples.put(&[reason], count));
        let (tokens, expiry) = topology.tokens();
        for (family, (succeeded, failed)) in
            [(&BACKEND_REAUTHENTICATIONS, counters.reauthentications()), (&BACKEND_TOKENS, tokens)]
        {
            let mut samples = page.family(family);
            samples.put(&["success"], succeeded);
            samples.put(&["failure"], failed);
        }
        page.single(&BACKEND_TOKEN_EXPIRY, expiry.unwrap_or_default());
    }

    fn store_figures(&self, page: &mut Page) {
        let Some(store) = self.store() else { return };
        page.single(&STORE_RECORDS, store.records);
        page.single(&STORE_REVISION, store.revision);
        page.single(&STORE_FAILING, u8::from(store.is_failing));
        page.single(&STORE_CHANGES_FAILED, store.writes_failed);
    }

    fn certificate_expiry(&self, page: &mut Page) {
        let mut samples = page.family(&CERTIFICATE_EXPIRY);
        for (listener, store, not_after) in self.certificates() {
            samples.put(&[&listener, store.as_str()], unix_seconds(not_after));
        }
    }

    fn reload_totals(&self, page: &mut Page) {
        let reloads = *lock(&self.reloads);
        let subjects = || ReloadSubject::ALL.iter().map(|subject| (subject.as_str(), reloads[*subject as usize]));
        let mut samples = page.family(&RELOADS);
        for (subject, of) in subjects() {
            for outcome in ReloadOutcome::ALL {
                samples.put(&[subject, outcome.as_str()], of.counts[*outcome as usize]);
            }
        }
        let mut samples = page.family(&LAST_RELOAD_SUCCESSFUL);
        subjects().for_each(|(subject, of)| samples.put(&[subject], u8::from(of.last == ReloadOutcome::Applied)));
        let mut samples = page.family(&LAST_RELOAD_TIMESTAMP);
        subjects().for_each(|(subject, of)| samples.put(&[subject], unix_seconds(of.at)));
    }
}

fn connections(page: &mut Page, listeners: &Listeners) {
    let mut samples = page.family(&CONNECTIONS);
    for listener in listeners {
        listener.connections().iter().for_each(|(state, count)| samples.put(&[listener.name(), state], count));
    }
    let mut samples = page.family(&CONNECTIONS_ACCEPTED);
    listeners.iter().for_each(|listener| samples.put(&[listener.name()], listener.accepted_total()));
    let mut samples = page.family(&CONNECTIONS_REFUSED);
    for listener in listeners {
        listener.refused_totals().for_each(|(reason, count)| samples.put(&[listener.name(), reason], count));
    }
    let mut samples = page.family(&ACCEPT_WAITS);
    listeners.iter().for_each(|listener| samples.put(&[listener.name()], listener.accept_waits_total()));
    let mut samples = page.family(&ACCEPT_FAILURES);
    listeners.iter().for_each(|listener| samples.put(&[listener.name()], listener.accept_failures_total()));
    let mut samples = page.family(&CONNECTIONS_CLOSED);
    for listener in listeners {
        listener.closed_totals().for_each(|(reason, count)| samples.put(&[listener.name(), &reason], count));
    }
}

fn logins(page: &mut Page, listeners: &Listeners) {
    let mut samples = page.family(&TLS_HANDSHAKES);
    for listener in listeners {
        listener.handshakes().0.for_each(|(outcome, count)| samples.put(&[listener.name(), outcome], count));
    }
    let mut samples = page.family(&TLS_HANDSHAKE_DURATION);
    listeners.iter().for_each(|listener| samples.put_histogram(&[listener.name()], listener.handshakes().1));
    let mut samples = page.family(&LOGINS);
    for listener in listeners {
        listener.logins(|mechanism, outcome, count| samples.put(&[listener.name(), mechanism, outcome], count));
    }
    let mut samples = page.family(&LOGIN_DURATION);
    listeners.iter().for_each(|listener| samples.put_histogram(&[listener.name()], listener.login_duration()));
    let mut samples = page.family(&LOGINS_WITHOUT_REAUTHENTICATION);
    for listener in listeners {
        samples.put(&[listener.name()], listener.logins_without_reauthentication_total());
    }
    let mut samples = page.family(&REAUTHENTICATIONS);
    for listener in listeners {
        let name = listener.name();
        listener.reauthentications(|mechanism, outcome, count| samples.put(&[name, mechanism, outcome], count));
    }
    let mut samples = page.family(&REAUTHENTICATION_DURATION);
    for listener in listeners {
        samples.put_histogram(&[listener.name()], listener.reauthentication_duration());
    }
}

fn traffic(page: &mut Page, listeners: &Listeners) {
    let moved: Vec<_> = listeners.iter().map(|listener| (listener.name(), listener.moved())).collect();
    let mut samples = page.family(&RECEIVED_BYTES);
    moved.iter().for_each(|(name, moved)| samples.put(&[name], moved.received));
    let mut samples = page.family(&SENT_BYTES);
    moved.iter().for_each(|(name, moved)| samples.put(&[name], moved.sent));
    let mut samples = page.family(&REQUESTS);
    moved.iter().for_each(|(name, moved)| samples.put(&[name], moved.requests));
    let mut samples = page.family(&REQUESTS_IN_FLIGHT);
    moved.iter().for_each(|(name, moved)| samples.put(&[name], moved.in_flight));
}

fn process(page: &mut Page, figures: &ProcessFigures) {
    let mut put = |family, value: Option<f64>| {
        let mut samples = page.family(family);
        if let Some(value) = value {
            samples.put(&[], value);
        }
    };
    put(&PROCESS_CPU, figures.cpu_seconds);
    put(&PROCESS_OPEN_FDS, figures.open_fds);
    put(&PROCESS_MAX_FDS, figures.max_fds);
    put(&PROCESS_RESIDENT_MEMORY, figures.resident_bytes);
    put(&PROCESS_VIRTUAL_MEMORY, figures.virtual_bytes);
    put(&PROCESS_THREADS, figures.threads);
    put(&PROCESS_START_TIME, figures.start_seconds);
}
