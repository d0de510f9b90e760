//! Configuration: the `.properties` and JAAS grammars, every key once, and the typed result.
//!
//! [`load`] reads the file, merges defaults, file and overrides with their origins (`source`), resolves `${provider:...}`
//! placeholders (`providers`), and builds the types from the flat keys by the table in [`keys`]. Nothing stops at the first
//! fault: [`ConfigErrors`] has all of them.

mod address_block;
mod administration;
mod backend;
mod changes;
mod client;
mod docs;
mod endpoints;
mod error;
pub mod jaas;
mod jaas_tokens;
mod key_table;
pub mod keys;
mod limits;
mod listeners;
mod login;
mod metrics;
mod names;
mod naming;
mod node_hosts;
mod oauthbearer;
mod passwords;
pub mod properties;
mod providers;
mod proxy_protocol;
mod reader;
mod scram;
mod source;
mod tls;
mod tls_types;
mod token_login;
mod token_types;
mod types;
mod unsecured_token;
mod unused;

use std::fs;
use std::path::Path;

pub use address_block::{AddressBlock, network_of};
pub use changes::{Changes, Origins, changes};
pub use client::{ClientConfig, load_client};
pub use docs::documentation;
pub use error::{ConfigError, ConfigErrors};
pub use jaas::{JaasContext, JaasModule};
use login::Logins;
pub use login::{OAUTHBEARER, OAUTHBEARER_LOGIN_MODULE};
pub use names::{HostPort, ListenerName, NodeIdRanges, SecurityProtocol};
pub use node_hosts::NodeHostPattern;
pub use oauthbearer::{IssuerKeys, OauthbearerConfig, TokenIssuer};
pub use passwords::PlainSources;
use reader::Reader;
pub use tls_types::{
    BackendTlsConfig, ClientAuth, KeystoreConfig, ListenerTlsConfig, Located, StoreType, TlsVersions, TruststoreConfig,
};
pub use token_types::{ClaimValue, TokenEndpoint, TokenLogin, TokenRefresh, TokenSource, UnsecuredToken};
pub use types::{
    BackendConfig, BackendLogin, BackendSecurity, ConnectionLimits, Credentials, ListenerConfig, LoginConfig,
    LoginMechanism, MechanismConfig, ProxyProtocol, SaslListenerConfig, ServerConfig, SocketOptions,
};

/// A configuration that can be started, and what its author should know.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The typed configuration.
    pub config: ServerConfig,
    /// One line each: keys without effect, placeholders left as they are. They contain no values.
    pub warnings: Vec<String>,
    /// Where it came from, for [`changes`].
    pub origins: Origins,
}

/// Loads `file`, a `server.properties` as Kafka reads it.
///
/// `overrides` are `key=value` and win over the file. `environment` is asked for `KAFKA_OPTS` and by the environment config
/// provider. Reads the files that the configuration names, and resolves the host names in
/// `max.connections.per.ip.overrides`: not for an async worker.
pub fn load(
    file: &Path,
    overrides: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigErrors> {
    let bytes = fs::read(file).map_err(|error| {
        let problem = format!("cannot be read: {error}");
        ConfigErrors(vec![ConfigError { key: String::new(), origin: file.display().to_string(), problem }])
    })?;
    load_bytes(file, &zeroize::Zeroizing::new(bytes), overrides, environment)
}

/// `file` is only for messages.
fn load_bytes(
    file: &Path,
    bytes: &[u8],
    overrides: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigErrors> {
    let mut settings = source::merge(file, bytes, overrides).map_err(ConfigErrors)?;
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    providers::resolve(&mut settings, environment, &mut warnings, &mut errors);

    let mut logins = Logins::new(environment("KAFKA_OPTS").as_deref());
    let mut reader = Reader { settings: &settings, errors, warnings };
    let config = build(&mut reader, &mut logins);
    let Reader { mut errors, warnings, .. } = reader;
    let mut told = Vec::new();
    errors.retain(|error| {
        let is_new = !told.contains(error);
        if is_new {
            told.push(error.clone());
        }
        is_new
    });
    match config {
        Some(config) if errors.is_empty() => Ok(Loaded { config, warnings, origins: Origins::new(settings, logins) }),
        _ => Err(ConfigErrors(errors)),
    }
}

/// `None` only if something was reported.
fn build(reader: &mut Reader<'_>, logins: &mut Logins) -> Option<ServerConfig> {
    let map = endpoints::read_protocol_map(reader);
    let endpoints = endpoints::read_endpoints(reader, &map);
    let backend = backend::build(reader, logins, &map, &endpoints);
    let backend_has_tls = backend.as_ref().is_some_and(|backend| backend.security.tls.is_some());
    let token_keys_of = backend.as_ref().and_then(|backend| match &backend.security.sasl {
        Some(BackendLogin::OauthBearer(login)) => login.between_brokers.as_ref(),
        _ => None,
    });
    unused::warn(reader, &endpoints, backend_has_tls, token_keys_of);
    let listeners = listeners::build(reader, logins, endpoints);
    let limits = limits::connection_limits(reader);
    let socket = limits::socket_options(reader);
    limits::check_pairs(reader);
    let authentication_timeout = reader.millis(&keys::AUTHENTICATION_TIMEOUT_MS).unwrap_or_default();
    Some(ServerConfig {
        listeners,
        backend: backend?,
        limits,
        connections_max_idle: reader.millis(&keys::CONNECTIONS_MAX_IDLE_MS),
        socket_request_max_bytes: reader.unsigned(&keys::SOCKET_REQUEST_MAX_BYTES),
        failed_authentication_delay: reader
            .millis(&keys::CONNECTION_FAILED_AUTHENTICATION_DELAY_MS)
            .unwrap_or_default(),
        authentication_timeout,
        max_in_flight_requests: reader.unsigned(&keys::CONNECTION_MAX_IN_FLIGHT_REQUESTS),
        socket,
        shutdown_timeout: reader.millis(&keys::SHUTDOWN_TIMEOUT_MS).unwrap_or_default(),
        tls_reload_interval: reader.millis(&keys::TLS_RELOAD_INTERVAL_MS).unwrap_or_default(),
        worker_threads: limits::worker_threads(reader),
        metrics_listeners: metrics::listeners(reader),
        logins: passwords::logins(reader),
        store_dir: administration::store_dir(reader),
        administrators: std::sync::Arc::new(administration::administrators(reader)),
    })
}

#[cfg(test)]
mod tests;
