//! The backend: where it is and how this front logs in to it. What `backend.*` leaves open is done as a broker does it
//! between brokers.

use std::sync::Arc;

use super::endpoints::{self, Endpoint, ProtocolMap};
use super::jaas::JaasContext;
use super::keys;
use super::listeners::enabled_mechanisms;
use super::login::{Logins, SCRAM_LOGIN_MODULE};
use super::names::{HostPort, ListenerName, SecurityProtocol};
use super::reader::{Found, Reader, host_port};
use super::tls;
use super::token_login::{self, Place};
use super::types::{BackendConfig, BackendLogin, BackendSecurity, Credentials, LoginMechanism};

const PLAIN_LOGIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

const NO_CLASSES: &str = "this version runs no Java classes to log in to the backend; expected no such key";

/// `None` only if something was reported.
pub(super) fn build(
    reader: &mut Reader<'_>,
    logins: &mut Logins,
    map: &ProtocolMap,
    endpoints: &[Endpoint],
) -> Option<BackendConfig> {
    refuse_unsafe(reader);
    let bootstrap_servers = read_bootstrap(reader);
    let security = read_security(reader, logins, map, endpoints, &bootstrap_servers);
    let client_id = reader.find(&keys::BACKEND_CLIENT_ID).map(|found| found.text().to_owned()).unwrap_or_default();
    let connection_setup_timeout = reader.millis(&keys::BACKEND_CONNECTION_SETUP_TIMEOUT_MS).unwrap_or_default();
    let metadata_max_age = reader.millis(&keys::BACKEND_METADATA_MAX_AGE_MS).unwrap_or_default();
    let reconnect_backoff = reader.millis(&keys::BACKEND_RECONNECT_BACKOFF_MS).unwrap_or_default();
    let reconnect_backoff_max = reader.millis(&keys::BACKEND_RECONNECT_BACKOFF_MAX_MS).unwrap_or_default();
    let rewritten_response_max_bytes = reader.unsigned(&keys::BACKEND_REWRITTEN_RESPONSE_MAX_BYTES);
    Some(BackendConfig {
        bootstrap_servers,
        security: security?,
        client_id,
        connection_setup_timeout,
        metadata_max_age,
        reconnect_backoff,
        reconnect_backoff_max,
        rewritten_response_max_bytes,
    })
}

/// Client keys that change how a connection is secured: leaving them out in silence would be worse than not starting.
fn refuse_unsafe(reader: &mut Reader<'_>) {
    let classes = ["sasl.client.callback.handler.class", "sasl.login.class"];
    let keys: Vec<String> = reader.settings.keys().filter(|key| key.starts_with("backend.")).cloned().collect();
    for key in keys {
        let client_key = &key["backend.".len()..];
        if classes.contains(&client_key)
            && let Some(found) = reader.find_by_name(&key)
        {
            reader.error(&found, NO_CLASSES);
        }
    }
}

fn read_bootstrap(reader: &mut Reader<'_>) -> Vec<HostPort> {
    let key = &keys::BACKEND_BOOTSTRAP_SERVERS;
    let Some(found) = reader.find(key).filter(|found| !found.text().is_empty()) else {
        let problem = format!(
            "Missing required configuration \"{}\" which has no default value: expected host:port of the Kafka cluster, \
             separated by commas",
            key.name
        );
        reader.missing(key.name, problem);
        return Vec::new();
    };
    let mut servers = Vec::new();
    for text in found.list() {
        match host_port(text) {
            Some(server) => servers.push(server),
            None => {
                let shown = if found.setting.substituted { "[hidden]" } else { text };
                let problem = format!("Invalid url in {}: {shown}; expected host:port, port 1 to 65535", key.name);
                reader.error(&found, problem);
            }
        }
    }
    servers
}

/// The listener between brokers and its protocol, as a broker with this configuration would have them.
fn inter_broker(
    reader: &mut Reader<'_>,
    map: &ProtocolMap,
    endpoints: &[Endpoint],
) -> Option<(ListenerName, SecurityProtocol)> {
    let by_name = reader.find(&keys::INTER_BROKER_LISTENER_NAME).filter(|found| !found.text().is_empty());
    let by_protocol = reader.find(&keys::SECURITY_INTER_BROKER_PROTOCOL)?;
    let Some(found) = by_name else {
        let protocol = endpoints::protocol(reader.choice(&keys::SECURITY_INTER_BROKER_PROTOCOL, &by_protocol)?)?;
        return Some((ListenerName::new(protocol.as_str()), protocol));
    };
    if by_protocol.setting.explicit {
        let problem = "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.";
        reader.error(&found, problem);
    }
    let name = ListenerName::new(found.text());
    let shown = if found.setting.substituted { "[hidden]" } else { name.as_str() };
    if !endpoints.iter().any(|endpoint| endpoint.name == name) {
        let options: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        let problem = format!(
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on \
             currently configured listeners are {}",
            options.join(",")
        );
        reader.error(&found, problem);
    }
    let Some(&protocol) = map.get(&name) else {
        let problem = format!(
            "Listener with name {shown} defined in inter.broker.listener.name not found in listener.security.protocol.map."
        );
        reader.error(&found, problem);
        return None;
    };
    Some((name, protocol))
}

fn read_security(
    reader: &mut Reader<'_>,
    logins: &mut Logins,
    map: &ProtocolMap,
    endpoints: &[Endpoint],
    servers: &[HostPort],
) -> Option<BackendSecurity> {
    let (listener, inter_protocol) = inter_broker(reader, map, endpoints)?;
    let explicit = reader.find_explicit(&keys::BACKEND_SECURITY_PROTOCOL);
    let protocol = match &explicit {
        Some(found) => endpoints::protocol(reader.choice(&keys::BACKEND_SECURITY_PROTOCOL, found)?)?,
        None => inter_protocol,
    };
    let between_brokers = explicit.is_none().then_some(&listener);
    let (mut tls, mut sasl) = (None, None);
    if protocol.has_tls() {
        tls = tls::backend(reader, between_brokers);
    }
    if protocol.has_sasl() {
        sasl = read_login(reader, logins, endpoints, &listener, servers);
    }
    // What is missing has been reported.
    let is_whole = tls.is_some() == protocol.has_tls() && sasl.is_some() == protocol.has_sasl();
    is_whole.then_some(BackendSecurity { tls, sasl })
}

/// The login by SASL; `None` only if something was reported.
fn read_login(
    reader: &mut Reader<'_>,
    logins: &mut Logins,
    endpoints: &[Endpoint],
    listener: &ListenerName,
    servers: &[HostPort],
) -> Option<BackendLogin> {
    let explicit = reader.find_explicit(&keys::BACKEND_SASL_MECHANISM);
    let is_explicit = explicit.is_some();
    let found = explicit.or_else(|| reader.find(&keys::SASL_MECHANISM_INTER_BROKER_PROTOCOL))?;
    let mechanism = found.text().to_owned();
    if !is_explicit
        && endpoints.iter().any(|endpoint| endpoint.name == *listener && endpoint.protocol.has_sasl())
        && !enabled_mechanisms(reader, listener).contains(&mechanism)
    {
        let problem = "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when SASL is used \
                       for inter-broker communication";
        reader.error(&found, problem);
        return None;
    }
    let Some(spoken) = LoginMechanism::from_name(&mechanism) else {
        let problem = format!(
            "this version speaks PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER to the backend, but the mechanism would be \
             {}{}",
            found.shown(),
            if is_explicit { "" } else { "; set backend.sasl.mechanism" }
        );
        reader.error(&found, problem);
        return None;
    };
    refuse_handler(reader, spoken);
    let own = reader.find(&keys::BACKEND_SASL_JAAS_CONFIG);
    if spoken == LoginMechanism::OauthBearer {
        let place = Place::of(reader, listener);
        let entry = match place {
            Place::Own => token_login::own_entry(reader, logins, own.as_ref()),
            Place::BetweenBrokers(listener) => {
                wanted(reader, |reader| logins.oauthbearer_entry(reader, listener, true))
            }
        };
        let login = token_login::read(reader, place, &entry?, servers)?;
        return Some(BackendLogin::OauthBearer(Arc::new(login)));
    }
    let context = match &own {
        Some(found) => logins.property(reader, found)?,
        None => wanted(reader, |reader| logins.server_context(reader, listener, &mechanism))?,
    };
    match spoken {
        LoginMechanism::Scram(scram) => {
            credentials(reader, own.as_ref(), listener, (spoken, SCRAM_LOGIN_MODULE), context)
                .map(|credentials| BackendLogin::Scram(scram, credentials))
        }
        _ => {
            credentials(reader, own.as_ref(), listener, (spoken, PLAIN_LOGIN_MODULE), context).map(BackendLogin::Plain)
        }
    }
}

/// What `find` finds in a listener's settings; its errors say what it was wanted for.
fn wanted<'a, T>(reader: &mut Reader<'a>, find: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Option<T> {
    let told = reader.errors.len();
    let found = find(reader);
    for error in &mut reader.errors[told..] {
        let key = keys::BACKEND_SASL_JAAS_CONFIG.name;
        error.problem.push_str(&format!(" (wanted to log in to the backend; {key} would do as well)"));
    }
    found
}

/// The class by which Kafka's client gets its tokens: other mechanisms have none.
fn refuse_handler(reader: &mut Reader<'_>, mechanism: LoginMechanism) {
    let found = reader.find_explicit(&keys::BACKEND_SASL_LOGIN_CALLBACK_HANDLER_CLASS);
    if let Some(found) = found.filter(|_| mechanism != LoginMechanism::OauthBearer) {
        reader.error(&found, NO_CLASSES);
    }
}

fn credentials(
    reader: &mut Reader<'_>,
    own: Option<&Found<'_>>,
    listener: &ListenerName,
    (mechanism, class): (LoginMechanism, &str),
    context: JaasContext,
) -> Option<Credentials> {
    let mut modules = context.modules.into_iter().filter(|module| module.class == class);
    let mut is_token = false;
    let found = modules.find_map(|mut module| {
        is_token |= module.options.get("tokenauth").is_some_and(|value| value.expose().eq_ignore_ascii_case(b"true"));
        let username = module.options.remove("username")?;
        let password = module.options.remove("password")?;
        let username = String::from_utf8(username.expose().to_vec()).ok()?;
        (!username.is_empty() && !password.is_empty()).then_some(Credentials { username, password })
    });
    if found.is_some() && !is_token {
        return found;
    }
    let (problem, otherwise) = if is_token {
        let problem =
            "this version logs in to the backend as a user, not by a delegation token; expected no option tokenauth";
        (problem.to_owned(), "has one")
    } else {
        (format!("expected a {class} with options username and password to log in to the backend"), "has none")
    };
    match own {
        Some(found) => reader.error(found, problem),
        None => {
            let mechanism = mechanism.as_str();
            let place = format!("the JAAS entry of listener {listener} for {mechanism} {otherwise}");
            reader.missing(keys::BACKEND_SASL_JAAS_CONFIG.name, format!("{problem}; {place}"));
        }
    }
    None
}
