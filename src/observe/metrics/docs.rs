//! `docs/metrics.md`, generated from the table of metrics.

use super::families::{FAMILIES, Kind};
use super::labels::{CertificateStore, ConnectionState, DRAINING, HandshakeOutcome, Refused};
use super::listener::CLOSED_BEFORE;
use super::values::Histogram;
use crate::backend::ConnectError;
use crate::relay::CloseReason;
use crate::sasl::gate::GateFailureReason;
use crate::sasl::{GuessLimit, PasswordCheck};

const HEAD: &str = "\
# Metrics

<!-- Generated from src/observe/metrics by `doorkeeper docs metrics`; do not edit. -->

`GET /metrics` at `metrics.listeners` shows them in Prometheus' text format; SIGUSR1 writes the same text into the log. Label
values come from the configuration and from the lists below, never from clients. `etc/prometheus.yml`,
`etc/prometheus-alerts.yml` and `etc/grafana-dashboard.json` are a start for scraping, alerts and a dashboard.

| metric | type | labels | meaning |
|---|---|---|---|
";

/// The text of `docs/metrics.md`.
pub fn documentation() -> String {
    let mut text = String::from(HEAD);
    for family in FAMILIES {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, labels, help) = (family.name, family.kind.as_str(), labels.join(", "), family.help);
        text.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
        assert!(family.kind != Kind::Counter || name.ends_with("_total"), "Prometheus' rule of naming");
    }
    let mut list = |of: &str, words: Vec<String>| {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        text.push_str(&format!("\n{of}: {}.\n", words.join(", ")));
    };
    let seconds = Histogram::LIMITS.iter().map(f64::to_string).collect();
    list("Buckets of the histograms, in seconds", seconds);
    let states = ConnectionState::ALL.iter().map(|state| state.as_str()).chain([DRAINING]);
    list("`state` of a connection", states.map(str::to_owned).collect());
    list("`reason` of a refused connection", Refused::ALL.iter().map(|reason| reason.as_str().to_owned()).collect());
    let gate = || GateFailureReason::ALL.iter().map(|reason| reason.as_str().to_owned());
    let outcomes = HandshakeOutcome::ALL.iter().map(|outcome| outcome.as_str().to_owned());
    list("`outcome` of a TLS handshake", outcomes.collect());
    list("`outcome` of a login or re-authentication", std::iter::once("success".to_owned()).chain(gate()).collect());
    list("`limit` of logins that were held back", GuessLimit::ALL.map(|limit| limit.as_str().to_owned()).to_vec());
    list("`outcome` of a password check", PasswordCheck::ALL.map(|check| check.as_str().to_owned()).to_vec());
    list("`outcome` of a fetch of an issuer's keys", ["ok", "failed"].map(str::to_owned).to_vec());
    let relayed = CloseReason::NAMES.iter().map(|name| name.replace(' ', "_"));
    list("`reason` of the end of a relayed connection", relayed.collect());
    list(
        "`reason` of the end of a connection that was not relayed: `login_` and the outcome of its login, or",
        CLOSED_BEFORE.map(str::to_owned).to_vec(),
    );
    list("`reason` of a backend connection that failed", ConnectError::NAMES.map(str::to_owned).to_vec());
    list("`store`", CertificateStore::ALL.iter().map(|store| store.as_str().to_owned()).collect());
    text
}
