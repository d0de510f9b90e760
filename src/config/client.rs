//! The properties of a Kafka client, as the tools get them by `--command-config`. They are the keys that a server's configuration has
//! behind `backend.`, and are read by the same code.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::endpoints::ProtocolMap;
use super::error::{ConfigError, ConfigErrors};
use super::keys::{Default, KEYS};
use super::login::Logins;
use super::reader::Reader;
use super::source::{Setting, Settings};
use super::types::BackendConfig;
use super::{backend, properties, providers};

const PREFIX: &str = "backend.";
/// Kafka's own defaults, where they are not the server's.
const DEFAULTS: [(&str, &str); 3] =
    [("security.protocol", "PLAINTEXT"), ("sasl.mechanism", "GSSAPI"), ("client.id", "doorkeeper-tools")];

/// How a tool connects.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where to, and how connections are secured.
    pub connection: BackendConfig,
    /// `request.timeout.ms`: longest time that an answer may take.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: how long connections are tried.
    pub default_api_timeout: Duration,
    /// One line each: what the user should know.
    pub warnings: Vec<String>,
}

/// Reads the properties of a client. `bootstrap_servers` wins over the file's; `environment` is asked by the environment config provider.
/// Reads the files that the configuration names.
pub fn load_client(
    file: Option<&Path>,
    bootstrap_servers: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ClientConfig, ConfigErrors> {
    let mut settings = read(file)?;
    let origin = "the command line".to_owned();
    let given =
        Setting { value: Zeroizing::new(bootstrap_servers.to_owned()), origin, explicit: true, substituted: false };
    settings.insert(format!("{PREFIX}bootstrap.servers"), given);
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    providers::resolve(&mut settings, environment, &mut warnings, &mut errors);

    let mut reader = Reader { settings: &settings, errors, warnings };
    require_login(&mut reader);
    let told = reader.errors.len();
    let mut logins = Logins::new(None);
    let connection = if told == 0 { backend::build(&mut reader, &mut logins, &ProtocolMap::new(), &[]) } else { None };
    let request_timeout = millis(&mut reader, "request.timeout.ms", 30_000);
    let default_api_timeout = millis(&mut reader, "default.api.timeout.ms", 60_000);
    let Reader { errors, warnings, .. } = reader;
    let as_client = |text: String| text.replace(PREFIX, "");
    match connection {
        Some(connection) if errors.is_empty() => {
            let warnings = warnings.into_iter().map(as_client).collect();
            Ok(ClientConfig { connection, request_timeout, default_api_timeout, warnings })
        }
        _ => Err(ConfigErrors(
            errors
                .into_iter()
                .map(|e| ConfigError { key: as_client(e.key), origin: e.origin, problem: as_client(e.problem) })
                .collect(),
        )),
    }
}

/// The file's entries and the defaults, under the keys that a server has for them.
fn read(file: Option<&Path>) -> Result<Settings, ConfigErrors> {
    let setting = |value: &str, origin: String, explicit| Setting {
        value: Zeroizing::new(value.to_owned()),
        origin,
        explicit,
        substituted: false,
    };
    let mut settings: Settings = BTreeMap::new();
    for key in KEYS.iter().filter(|key| !key.is_pattern()) {
        if let Default::Fixed(value) = key.default {
            settings.insert(key.name.to_owned(), setting(value, "default".to_owned(), false));
        }
    }
    // Explicit, so that nothing is taken from a listener between brokers instead.
    for (key, value) in DEFAULTS {
        settings.insert(format!("{PREFIX}{key}"), setting(value, "default".to_owned(), true));
    }
    let Some(file) = file else { return Ok(settings) };
    let shown = file.display().to_string();
    let fault =
        |problem: String| ConfigErrors(vec![ConfigError { key: String::new(), origin: shown.clone(), problem }]);
    let bytes = std::fs::read(file).map_err(|error| fault(format!("cannot be read: {error}")))?;
    let entries = properties::parse_latin1(&Zeroizing::new(bytes)).map_err(|error| fault(error.to_string()))?;
    for entry in entries {
        let key = match entry.key.starts_with("config.providers") {
            true => entry.key,
            false => format!("{PREFIX}{}", entry.key),
        };
        settings.insert(key, setting(&entry.value, format!("{shown}:{}", entry.line), true));
    }
    Ok(settings)
}

/// A client's login is in its properties: what a server could take from its own listeners does not apply.
fn require_login(reader: &mut Reader<'_>) {
    let Some(protocol) = reader.find_by_name("backend.security.protocol") else { return };
    if !protocol.text().starts_with("SASL_") || reader.find_by_name("backend.sasl.jaas.config").is_some() {
        return;
    }
    let problem =
        format!("not set, but security.protocol is {}; expected a login module with its options", protocol.shown());
    reader.missing("sasl.jaas.config", problem);
}

fn millis(reader: &mut Reader<'_>, key: &str, default: u64) -> Duration {
    let Some(found) = reader.find_by_name(&format!("{PREFIX}{key}")) else { return Duration::from_millis(default) };
    match found.text().parse::<i32>().ok().and_then(|value| u64::try_from(value).ok()) {
        Some(value) => Duration::from_millis(value),
        None => {
            let problem =
                format!("Invalid value {} for configuration {key}: expected 0 to {}", found.shown(), i32::MAX);
            reader.error(&found, problem);
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn load(name: &str, text: &str) -> Result<ClientConfig, String> {
        let path = std::env::temp_dir().join(format!("doorkeeper-client-{}-{name}", std::process::id()));
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let loaded = load_client(Some(&path), "one:1,two:2", &|_| None);
        std::fs::remove_file(&path).unwrap();
        loaded.map_err(|errors| errors.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn without_a_file_it_is_plaintext() {
        let config = load_client(None, "one:1,[::1]:2", &|_| None).unwrap();
        assert_eq!(config.connection.bootstrap_servers.len(), 2);
        assert!(config.connection.security.tls.is_none() && config.connection.security.sasl.is_none());
        assert_eq!(config.request_timeout, Duration::from_secs(30));
        assert_eq!(config.connection.client_id, "doorkeeper-tools");
        let error = load_client(None, "nowhere", &|_| None).unwrap_err().to_string();
        assert!(error.starts_with("bootstrap.servers (the command line): Invalid url"), "{error}");
    }

    #[test]
    fn a_clients_keys_are_read() {
        let config = load(
            "whole",
            "bootstrap.servers=ignored:9\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n\
             sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"hush\";\n\
             ssl.truststore.type=PEM\nssl.truststore.location=/ca.pem\nssl.endpoint.identification.algorithm=\n\
             client.id=mine\nrequest.timeout.ms=1500\ndefault.api.timeout.ms=2500\nretries=3\n",
        )
        .unwrap();
        assert!(!config.connection.security.tls.unwrap().verify_host_name);
        assert!(config.connection.security.sasl.is_some());
        assert_eq!(config.connection.client_id, "mine");
        assert_eq!(config.request_timeout, Duration::from_millis(1500));
        assert_eq!(config.default_api_timeout, Duration::from_millis(2500));
        assert!(config.warnings.iter().any(|warning| warning.starts_with("ssl.endpoint.identification.algorithm (")));
    }

    #[test]
    fn what_is_wrong_names_the_clients_key() {
        for (text, want) in [
            ("security.protocol=TLS\n", "security.protocol (FILE:1): Invalid value TLS"),
            ("security.protocol=SASL_SSL\n", "sasl.jaas.config: not set, but security.protocol is SASL_SSL"),
            ("request.timeout.ms=soon\n", "request.timeout.ms (FILE:1): Invalid value soon"),
            ("\nssl.truststore.type=ZIP\nsecurity.protocol=SSL\n", "ssl.truststore.type (FILE:2): Invalid value ZIP"),
            ("x=\\u12\n", "FILE: line 1: malformed"),
        ] {
            let error = load("wrong", text).unwrap_err();
            assert!(error.starts_with(want), "{text:?}: {error}");
        }
    }
}
