use std::path::PathBuf;

use super::*;

/// A file of this content that is deleted with the value.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, content: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("doorkeeper-config-{}-{n}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

const BACKEND: &str = "backend.bootstrap.servers=kafka:9092\n";

fn load_text(text: &str, overrides: &[&str], environment: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let file = TempFile::new("server.properties", text);
    let overrides: Vec<String> = overrides.iter().map(|text| text.to_string()).collect();
    let variable = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_string());
    load(&file.0, &overrides, &variable)
}

/// A configuration that must load, the backend's address added.
fn good(text: &str) -> Loaded {
    load_text(&format!("{text}\n{BACKEND}"), &[], &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// All errors of a configuration that must not load, with the directory of the file cut off.
fn errors(text: &str) -> Vec<String> {
    errors_with(text, &[], &[])
}

fn errors_with(text: &str, overrides: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let errors = match load_text(&format!("{text}\n{BACKEND}"), overrides, environment) {
        Ok(_) => panic!("loads: {text}"),
        Err(errors) => errors.0,
    };
    let cut = |origin: &str| origin.rsplit('/').next().unwrap().to_owned();
    errors.into_iter().map(|e| ConfigError { origin: cut(&e.origin), ..e }.to_string()).collect()
}

const SASL: &str = "listeners=SASL_PLAINTEXT://127.0.0.1:9192\n\
    sasl.enabled.mechanisms=PLAIN\n\
    listener.name.sasl_plaintext.plain.sasl.jaas.config=\
    org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\";\n";

#[test]
fn a_sasl_listener_loads_with_kafkas_defaults() {
    let Loaded { config, warnings, .. } = good(SASL);
    assert_eq!(warnings, [""; 0]);
    let [listener] = &config.listeners[..] else { panic!("{:?}", config.listeners) };
    assert_eq!(listener.name.as_str(), "SASL_PLAINTEXT");
    assert_eq!(listener.security_protocol, SecurityProtocol::SaslPlaintext);
    let address = HostPort { host: "127.0.0.1".into(), port: 9192 };
    assert_eq!((&listener.bind, &listener.advertised), (&address, &address));
    assert_eq!(listener.node_id_ranges, NodeIdRanges(vec![0..=31]));
    assert_eq!(listener.node_port_base, 9193);
    assert_eq!((listener.max_connections, listener.max_connection_creation_rate), (None, None));
    let sasl = listener.sasl.as_ref().unwrap();
    assert_eq!(sasl.max_receive_size, 524_288);
    assert_eq!(sasl.mechanisms.len(), 1);
    assert_eq!(sasl.mechanisms[0].name, "PLAIN");
    let module = &sasl.mechanisms[0].jaas.modules[0];
    assert_eq!(module.class, "org.apache.kafka.common.security.plain.PlainLoginModule");
    assert!(module.options["user_alice"].matches(b"alice-secret"));
    assert!(!format!("{config:?}").contains("alice-secret"));

    let millis = |duration: std::time::Duration| duration.as_millis();
    assert_eq!(config.connections_max_idle.map(millis), Some(600_000));
    assert_eq!(config.socket_request_max_bytes, 104_857_600);
    assert_eq!(millis(config.failed_authentication_delay), 100);
    assert_eq!(millis(config.authentication_timeout), 15_000);
    assert_eq!(config.max_in_flight_requests, 1000);
    assert_eq!(config.socket.send_buffer_bytes, None);
    assert_eq!(config.socket.receive_buffer_bytes, None);
    assert_eq!(config.socket.listen_backlog_size, 4096);
    assert_eq!(millis(config.shutdown_timeout), 30_000);
    assert!(config.worker_threads >= 1);
    assert_eq!(config.limits.max_connections, 2_147_483_647);
    assert_eq!(config.limits.max_connections_per_ip, 2_147_483_647);
    assert_eq!(config.limits.max_connection_creation_rate, 2_147_483_647);
    let backend = &config.backend;
    assert_eq!(backend.bootstrap_servers, [HostPort { host: "kafka".into(), port: 9092 }]);
    assert!(backend.security.tls.is_none() && backend.security.sasl.is_none());
    assert_eq!(backend.client_id, "doorkeeper");
    assert_eq!(millis(backend.connection_setup_timeout), 10_000);
    assert_eq!(millis(backend.metadata_max_age), 60_000);
    assert_eq!(millis(backend.reconnect_backoff), 50);
    assert_eq!(millis(backend.reconnect_backoff_max), 1000);
    assert_eq!(backend.rewritten_response_max_bytes, 104_857_600);
}

#[test]
fn all_errors_are_told_with_key_origin_and_expectation() {
    let text = "listeners=PLAINTEXT://127.0.0.1:9192\nsocket.request.max.bytes=many\n\nmax.connections=-1\n";
    let told = errors_with(text, &["authentication.timeout.ms=0", "worker.threads=99999999999"], &[]);
    assert_eq!(
        told,
        [
            "max.connections (server.properties:4): Invalid value -1 for configuration max.connections: Value must be at \
             least 0",
            "authentication.timeout.ms (override): Invalid value 0 for configuration authentication.timeout.ms: Value must \
             be at least 1",
            "socket.request.max.bytes (server.properties:2): Invalid value many for configuration \
             socket.request.max.bytes: Not a number of type INT",
            "worker.threads (override): Invalid value 99999999999 for configuration worker.threads: Not a number of type INT",
        ]
    );
}

mod anything;
mod backend;
mod changes;
mod files;
mod listeners;
mod login;
mod metrics;
mod naming;
mod node_hosts;
mod oauthbearer;
mod scram;
mod tls;
mod token_login;
mod unused;
