use std::time::Duration;

use regex::Regex;

use super::families::FAMILIES;
use super::*;
use crate::config::{BackendConfig, BackendSecurity, HostPort};
use crate::sasl::gate::GateFailureReason;

/// A backend that is never asked.
pub(in crate::observe) fn never_asked() -> Arc<Topology> {
    #[derive(Debug)]
    struct Nobody;
    impl crate::backend::BrokerWatcher for Nobody {
        fn broker_known(&self, _: i32) {}
    }
    let nowhere = HostPort { host: "127.0.0.1".into(), port: 9 };
    let config = BackendConfig {
        bootstrap_servers: vec![nowhere],
        security: BackendSecurity { tls: None, sasl: None },
        client_id: String::new(),
        connection_setup_timeout: Duration::from_secs(1),
        metadata_max_age: Duration::from_secs(1),
        reconnect_backoff: Duration::ZERO,
        reconnect_backoff_max: Duration::ZERO,
        rewritten_response_max_bytes: 1024,
    };
    Arc::new(Topology::new(config, None, |_| None, Box::new(Nobody)))
}

/// Numbers in which each metric has a sample.
fn full() -> Metrics {
    let metrics = Metrics::default();
    let topology = never_asked();
    topology.learn((1, "broker", 9092));
    topology.learn((7, "broker", 9092));
    metrics.watch_backend(topology);
    metrics.watch_store(|| StoreStatus { revision: 9, records: 4, writes_failed: 1, is_failing: true });
    metrics.watch_logins(Arc::default(), Arc::default());
    metrics.watch_issuers(|| {
        vec![KeySourceStatus {
            url: "https://issuer.example/keys".into(),
            keys: 2,
            age: Some(Duration::from_secs(7)),
            max_staleness: Duration::from_secs(86_400),
            fetched: 3,
            failed: 1,
            early: 1,
            throttled: 4,
        }]
    });
    metrics.set_insecure_validators(vec!["CLIENTS".into()]);
    metrics.set_max_connections(Some(100));
    let listener = metrics.listener("CLIENTS");
    listener.enable_mechanisms(["PLAIN"]);
    listener.set_max_connections(Some(50));
    listener.set_max_unauthenticated_connections(20);
    let advertised = HostPort { host: "front".into(), port: 9192 };
    let addresses = crate::listener::Addresses::from_parts("CLIENTS", &advertised, vec![(1, 9193)]);
    listener.set_addresses(Arc::new(addresses));
    let at = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    for store in CertificateStore::ALL {
        let of_backend = matches!(store, CertificateStore::BackendKeystore | CertificateStore::BackendTruststore);
        let later = at + Duration::from_secs(5);
        metrics.set_certificates((!of_backend).then_some("CLIENTS"), *store, &[later, at]);
    }
    metrics
}

/// Samples by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect(line);
        (name.to_owned(), value.parse().expect(line))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let (count, samples) = (lines.clone().count(), lines.map(sample).collect::<BTreeMap<_, _>>());
    assert_eq!(samples.len(), count, "a sample is there twice");
    samples
}

#[test]
fn every_metric_has_help_type_and_a_sample() {
    let text = full().render();
    let samples = samples(&text);
    for family in FAMILIES {
        let name = family.name;
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        assert!(text.contains(&format!("# TYPE {name} {}\n", family.kind.as_str())), "{name}");
        let of_family = |sample: &&String| {
            let bare = sample.split('{').next().unwrap();
            bare == name || ["_bucket", "_sum", "_count"].iter().any(|end| bare == format!("{name}{end}"))
        };
        assert!(samples.keys().any(|sample| of_family(&sample)), "{name} has no sample");
    }
    assert_eq!(text.matches("# TYPE ").count(), FAMILIES.len());
}

#[test]
fn names_follow_prometheus_rules() {
    let name = Regex::new("^(doorkeeper|process)(_[a-z]+)+$").unwrap();
    for family in FAMILIES {
        assert!(name.is_match(family.name), "{}", family.name);
        let counts = family.kind == families::Kind::Counter;
        assert_eq!(family.name.ends_with("_total"), counts, "{}", family.name);
        assert!(family.help.ends_with('.') && !family.help.contains('|'), "{}", family.name);
    }
}

#[test]
fn events_move_their_samples_and_no_others() {
    let metrics = full();
    let listener = metrics.listener("CLIENTS");
    let before = samples(&metrics.render());
    listener.accepted();
    listener.refused(Refused::PerAddress);
    listener.tls_handshake(HandshakeOutcome::Resumed, Duration::from_millis(2));
    listener.tls_handshake(HandshakeOutcome::UnknownName, Duration::from_millis(2));
    listener.login(Some("PLAIN"), Ok(()), Duration::from_millis(2));
    listener.login(Some("PLAIN"), Err(GateFailureReason::RejectedCredentials), Duration::from_millis(2));
    let mut open = listener.connection(ConnectionState::TlsHandshake);
    open.enter(ConnectionState::Relayed);
    listener.traffic().add_bytes(10, 20);
    metrics.reloaded(ReloadSubject::Certificates, ReloadOutcome::Refused);
    metrics.drain();
    let after = samples(&metrics.render());
    let moved: Vec<String> = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(*value) && !name.starts_with("process_"))
        .filter(|(name, _)| !name.contains("_bucket") && !name.contains("_sum") && !name.contains("timestamp"))
        .map(|(name, value)| {
            format!("{} {value}", name.trim_start_matches("doorkeeper_").replace("listener=\"CLIENTS\"", "L"))
        })
        .collect();
    let want = [
        "connections_accepted_total{L} 1",
        "connections_refused_total{L,reason=\"max_connections_per_ip\"} 1",
        "connections{L,state=\"draining\"} 1",
        "draining 1",
        "last_reload_successful{subject=\"certificates\"} 0",
        "login_duration_seconds_count{L} 1",
        "logins_total{L,mechanism=\"PLAIN\",outcome=\"rejected_credentials\"} 1",
        "logins_total{L,mechanism=\"PLAIN\",outcome=\"success\"} 1",
        "received_bytes_total{L} 10",
        "reloads_total{subject=\"certificates\",outcome=\"refused\"} 1",
        "sent_bytes_total{L} 20",
        "tls_handshake_duration_seconds_count{L} 1",
        "tls_handshakes_total{L,outcome=\"resumed\"} 1",
        "tls_handshakes_total{L,outcome=\"unknown_name\"} 1",
    ];
    assert_eq!(moved, want);
    assert_eq!(after["doorkeeper_brokers_without_a_port{listener=\"CLIENTS\"}"], 1.0);
    assert_eq!(
        after["doorkeeper_certificate_expiry_timestamp_seconds{listener=\"CLIENTS\",store=\"keystore\"}"], 2e9,
        "the first to expire"
    );
}

#[test]
fn a_retired_listener_keeps_its_counts_and_comes_back_to_them() {
    let metrics = full();
    metrics.listener("CLIENTS").accepted();
    metrics.retire_listener("CLIENTS");
    let text = metrics.render();
    assert!(text.contains("doorkeeper_connections_accepted_total{listener=\"CLIENTS\"} 1\n"));
    for gone in ["listener_max_connections{", "brokers_without_a_port{", "timestamp_seconds{listener=\"CLIENTS\""] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains("timestamp_seconds{listener=\"\",store=\"backend_keystore\"} 2000000000\n"));
    let again = metrics.listener("CLIENTS");
    again.accepted();
    let _open = again.connection(ConnectionState::Relayed);
    let text = metrics.render();
    assert!(text.contains("doorkeeper_connections_accepted_total{listener=\"CLIENTS\"} 2\n"));
    assert!(text.contains("doorkeeper_connections{listener=\"CLIENTS\",state=\"relayed\"} 1\n"));
}

#[test]
fn the_document_is_up_to_date() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text == documentation(), "run `cargo run -- docs metrics > docs/metrics.md`");
}

/// What stands in `etc/`, with its name.
fn shipped() -> Vec<(&'static str, String)> {
    let read = |name| std::fs::read_to_string(format!("{}/etc/{name}", env!("CARGO_MANIFEST_DIR"))).expect(name);
    ["grafana-dashboard.json", "prometheus-alerts.yml"].map(|name| (name, read(name).replace("\\\"", "\""))).into()
}

#[test]
fn dashboard_and_alerts_use_metrics_that_exist() {
    let samples = samples(&full().render());
    let rendered: std::collections::BTreeSet<&str> = samples.keys().map(|s| s.split('{').next().unwrap()).collect();
    let name = Regex::new("(doorkeeper|process)_[a-z_]+").unwrap();
    for (file, text) in shipped() {
        let used: Vec<&str> = name.find_iter(&text).map(|found| found.as_str()).collect();
        assert!(used.len() > 15, "{file} uses {used:?}");
        for used in used {
            assert!(rendered.contains(used), "{file}: {used} is no metric");
        }
    }
    let dashboard = &shipped()[0].1;
    for family in FAMILIES {
        assert!(dashboard.contains(family.name), "{} is not on the dashboard", family.name);
    }
}

/// A slip in a label value makes an alert that never fires.
#[test]
fn alerts_select_labels_that_exist() {
    let page = full().render();
    let matcher = Regex::new("([a-z]+)(=|!=|=~|!~)\"([^\"]*)\"").unwrap();
    let mut seen = 0;
    for (file, text) in shipped() {
        for matched in matcher.captures_iter(&text).filter(|m| !m[3].starts_with('$') && &m[1] != "job") {
            for value in matched[3].split('|') {
                assert!(page.contains(&format!("{}=\"{value}\"", &matched[1])), "{file}: {}", &matched[0]);
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} were looked at");
}

#[test]
fn alerts_show_labels_that_their_metrics_have() {
    let label = Regex::new(r"\$labels\.([a-z]+)").unwrap();
    let known = |label: &str| label == "instance" || FAMILIES.iter().any(|family| family.labels.contains(&label));
    for found in label.captures_iter(&shipped()[1].1) {
        assert!(known(&found[1]), "{}", &found[0]);
    }
}
