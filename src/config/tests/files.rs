//! The files in the repository: samples and the generated documentation.

use std::path::Path;

use super::*;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn load_sample(name: &str, overrides: &[String]) -> Loaded {
    load(&repository().join(name), overrides, &|_| None).unwrap_or_else(|errors| panic!("{name}\n{errors}"))
}

#[test]
fn every_sample_loads_without_a_warning() {
    let mut samples = vec!["etc/server.properties".to_owned()];
    for entry in fs::read_dir(repository().join("etc/samples")).unwrap() {
        samples.push(format!("etc/samples/{}", entry.unwrap().file_name().into_string().unwrap()));
    }
    assert!(samples.len() >= 6);
    // The sample names its JAAS file from the root of the repository.
    let jaas = repository().join("etc/kafka_server_jaas.conf");
    for sample in &samples {
        let overrides = [format!("java.security.auth.login.config={}", jaas.display())];
        assert_eq!(load_sample(sample, &overrides).warnings, [""; 0], "{sample}");
    }
    let with_login = load_sample(
        "etc/samples/sasl_plaintext.properties",
        &[format!("java.security.auth.login.config={}", jaas.display())],
    );
    let login = with_login.config.backend.security.sasl.expect("no login");
    assert!(matches!(login, BackendLogin::Plain(Credentials { username, .. }) if username == "doorkeeper"));
}

#[test]
fn the_annotated_sample_is_what_make_run_promises() {
    let config = load_sample("etc/server.properties", &[]).config;
    let listener = &config.listeners[0];
    assert_eq!((listener.bind.host.as_str(), listener.bind.port), ("127.0.0.1", 9192));
    assert_eq!(listener.security_protocol, SecurityProtocol::SaslPlaintext);
    let mechanism = &listener.sasl.as_ref().unwrap().mechanisms[0];
    assert!(mechanism.jaas.modules[0].options["user_alice"].matches(b"alice-secret"));
    assert_eq!(config.backend.bootstrap_servers, [HostPort { host: "127.0.0.1".into(), port: 9092 }]);
    assert!(config.backend.security.tls.is_none() && config.backend.security.sasl.is_none());
}

/// Commented-out defaults must be the defaults, and no key may be left out.
#[test]
fn the_annotated_sample_explains_every_key() {
    let text = fs::read_to_string(repository().join("etc/server.properties")).unwrap();
    for key in keys::KEYS.iter().filter(|key| !key.is_pattern()) {
        let assigned = |line: &&str| {
            line.split_once('=').is_some_and(|(left, _)| {
                let left = left.trim_start_matches('#');
                left == key.name || left.starts_with("listener.name.") && left.ends_with(&format!(".{}", key.name))
            })
        };
        let line = text.lines().find(assigned).unwrap_or_else(|| panic!("{} is not in the sample", key.name));
        if let keys::Default::Fixed(default) = key.default
            && line.starts_with('#')
        {
            assert_eq!(line.split_once('=').unwrap().1, default, "{}", key.name);
        }
    }
}

#[test]
fn the_committed_documentation_is_the_generated_one() {
    let path = repository().join("docs/configuration.md");
    if std::env::var_os("DOORKEEPER_WRITE_DOCS").is_some() {
        fs::write(&path, documentation()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == documentation(),
        "docs/configuration.md is out of date; write it anew with DOORKEEPER_WRITE_DOCS=1 cargo test --lib config, or with \
         `doorkeeper docs configuration > docs/configuration.md`"
    );
}

#[test]
fn keys_are_unique_and_their_defaults_are_valid() {
    for (n, key) in keys::KEYS.iter().enumerate() {
        assert!(keys::KEYS[..n].iter().all(|other| other.name != key.name), "{} is twice in the table", key.name);
        assert_eq!(keys::Key::find(key.name).map(|found| found.name), Some(key.name));
        if let keys::Default::Fixed(default) = key.default {
            match key.kind {
                keys::Kind::Int(min) => assert!(default.parse::<i32>().unwrap() >= min, "{}", key.name),
                keys::Kind::Long(min) => assert!(default.parse::<i64>().unwrap() >= min, "{}", key.name),
                keys::Kind::Choice(choices) => assert!(choices.contains(&default), "{}", key.name),
                _ => {}
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_an_error() {
    let told = load(Path::new("/nowhere/server.properties"), &[], &|_| None).unwrap_err().to_string();
    assert!(told.starts_with("/nowhere/server.properties: cannot be read: "), "{told}");
    assert_eq!(errors("a=1\nb=\\u12"), ["server.properties: line 2: malformed \\uxxxx encoding"]);
    assert_eq!(
        errors_with("", &["hunter2", "=x"], &[]),
        ["override 1: expected key=value", "override 2: expected key=value"]
    );
}

#[test]
fn the_later_source_wins_and_is_the_origin() {
    let text = format!("shutdown.timeout.ms=5\nshutdown.timeout.ms = 6 \n{BACKEND}");
    let timeout = |overrides: &[&str]| load_text(&text, overrides, &[]).unwrap().config.shutdown_timeout.as_millis();
    assert_eq!(timeout(&[]), 6);
    assert_eq!(timeout(&["shutdown.timeout.ms=7", " shutdown.timeout.ms =8"]), 8);
    let told = errors_with("shutdown.timeout.ms=1\nshutdown.timeout.ms=x", &[], &[]);
    assert!(told[0].starts_with("shutdown.timeout.ms (server.properties:2): "), "{told:?}");
    // Keys are flat: one may be the beginning of another.
    assert_eq!(good("max.connections=5\nmax.connections.per.ip=4").config.limits.max_connections_per_ip, 4);
}
