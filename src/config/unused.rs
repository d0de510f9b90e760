//! Warns of every key that has no effect. A broker's own `server.properties` loads, so most of these are Kafka's.

use super::endpoints::Endpoint;
use super::keys::{self, Key, Scope};
use super::names::ListenerName;
use super::oauthbearer::ISSUER_PREFIX;
use super::reader::Reader;
use super::token_login;

/// Kafka broker keys whose silence could be mistaken for safety, and what to say. A name that ends with a dot is a prefix.
const SECURITY: &[(&str, &str)] = &[
    (
        "authorizer.class.name",
        "this version does not authorize; the backend's own rules apply to the login of this front",
    ),
    ("super.users", "this version does not authorize; the backend's own rules apply to the login of this front"),
    ("allow.everyone.if.no.acl.found", "this version does not authorize"),
    ("delegation.token.", "this version has no delegation tokens"),
];

/// Kafka broker keys that a front has no use for (Kafka 4.x and, for older files, 3.x). A name that ends with a dot is a
/// prefix.
#[rustfmt::skip]
const BROKER_ONLY: &[&str] = &[
    "advertised.host.name", "advertised.port", "alter.", "auto.", "background.threads", "broker.", "client.quota.",
    "cluster.", "compression.", "control.plane.listener.name", "controlled.shutdown.", "controller.", "create.topic.policy.",
    "default.replication.factor", "delete.", "early.start.listeners", "eligible.leader.replicas.", "fetch.", "group.",
    "host.name", "initial.broker.registration.timeout.ms", "inter.broker.protocol.version", "leader.", "log.", "log4j.",
    "max.connection.creation.rate.", "max.incremental.fetch.session.cache.slots", "max.request.partition.size.limit",
    "message.max.bytes", "metadata.", "metric.", "metrics.", "min.insync.replicas", "node.id", "num.", "offset.", "offsets.",
    "password.encoder.", "port", "principal.", "process.roles", "producer.", "producer.id.", "queued.max.requests", "quota.",
    "remote.", "replica.", "replication.", "request.", "reserved.broker.max.id", "rlmm.", "rsm.", "sasl.", "security.providers",
    "server.max.", "share.", "socket.", "streams.", "telemetry.", "transaction.", "transactional.", "unclean.", "unstable.",
    "zookeeper.",
];

/// Kafka client keys (the union of producer, consumer and admin client of kafka-clients 4.3.1) that may stand behind
/// `backend.` and have no effect.
#[rustfmt::skip]
const CLIENT_KEYS: &[&str] = &[
    "acks", "allow.auto.create.topics", "auto.", "batch.size", "bootstrap.controllers", "buffer.memory", "check.crcs",
    "client.dns.lookup", "client.rack", "compression.", "config.providers", "connections.max.idle.ms",
    "default.api.timeout.ms", "delivery.timeout.ms", "enable.", "exclude.internal.topics", "fetch.", "group.",
    "heartbeat.interval.ms", "interceptor.classes", "isolation.level", "key.deserializer", "key.serializer", "linger.ms",
    "max.block.ms", "max.in.flight.requests.per.connection", "max.partition.fetch.bytes", "max.poll.", "max.request.size",
    "metadata.", "metric.reporters", "metrics.", "partition.assignment.strategy", "partitioner.", "receive.buffer.bytes",
    "request.timeout.ms", "retries", "retry.", "sasl.kerberos.", "sasl.login.", "sasl.oauthbearer.", "security.providers",
    "send.buffer.bytes", "session.timeout.ms", "share.", "socket.connection.setup.timeout.max.ms", "transaction.",
    "transactional.id", "value.deserializer", "value.serializer",
];

fn is_in(list: &[&str], key: &str) -> bool {
    list.iter().any(|known| matches(known, key))
}

fn matches(known: &str, key: &str) -> bool {
    if known.ends_with('.') { key.starts_with(known) } else { key == known }
}

/// The key if it looks like one. A line that lost its continuation may be a piece of a password.
pub(super) fn shown_key(key: &str) -> &str {
    let looks_like_one = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if looks_like_one { key } else { "[hidden]" }
}

/// Warns of each explicit key without effect; never shows a value.
///
/// `token_keys_of` is the listener between brokers where this front logs in to the backend by tokens as a broker would there.
pub(super) fn warn(
    reader: &mut Reader<'_>,
    endpoints: &[Endpoint],
    backend_has_tls: bool,
    token_keys_of: Option<&ListenerName>,
) {
    let explicit = reader.settings.iter().filter(|(_, setting)| setting.explicit);
    let mut warnings = Vec::new();
    for (key, setting) in explicit {
        if token_keys_of.is_some_and(|listener| token_login::is_read_between_brokers(listener, key)) {
            continue;
        }
        if let Some(why) = why_unused(reader, endpoints, backend_has_tls, key) {
            warnings.push(format!("{} ({}): {why}", shown_key(key), setting.origin));
        }
    }
    reader.warnings.extend(warnings);
}

fn why_unused(reader: &Reader<'_>, endpoints: &[Endpoint], backend_has_tls: bool, key: &str) -> Option<String> {
    if let Some(rest) = key.strip_prefix("listener.name.") {
        return why_listener_key_unused(reader, endpoints, rest);
    }
    if key.starts_with("config.providers.") && (key.ends_with(".class") || key.contains(".param.")) {
        return None;
    }
    if key.starts_with("backend.ssl.") && !backend_has_tls && Key::find(key).is_some() {
        return Some("has no effect: the security protocol towards the backend has no TLS".into());
    }
    if key.starts_with("ssl.") && !backend_has_tls && !endpoints.iter().any(|endpoint| endpoint.protocol.has_tls()) {
        return Some("has no effect: neither a listener nor the backend has TLS".into());
    }
    // Those that nobody reads are reported where they would be read.
    if key.starts_with(ISSUER_PREFIX) {
        return None;
    }
    match Key::find(key).map(|row| row.scope) {
        Some(Scope::Broker | Scope::Listener | Scope::Mechanism) => return None,
        Some(Scope::ListenerOnly) => {
            return Some(format!("has no effect without a listener's prefix: listener.name.<listener>.{key}"));
        }
        Some(Scope::MechanismOnly) => {
            return Some(format!(
                "has no effect without the prefix of a listener and a mechanism: listener.name.<listener>.<mechanism>.{key}"
            ));
        }
        None => {}
    }
    if let Some(client_key) = key.strip_prefix("backend.") {
        return match client_key {
            _ if is_in(CLIENT_KEYS, client_key) => Some("has no effect: a front has no use for this client key".into()),
            _ => Some("supplied but not used: neither a client key of Kafka's nor one of doorkeeper's".into()),
        };
    }
    if key.ends_with(&format!(".{}", keys::SASL_JAAS_CONFIG.name)) {
        return Some("has no effect without a listener's prefix".into());
    }
    Some(why_plain_key_unused(key))
}

fn why_plain_key_unused(key: &str) -> String {
    if let Some((_, why)) = SECURITY.iter().find(|(known, _)| matches(known, key)) {
        return format!("has no effect: {why}");
    }
    if is_in(BROKER_ONLY, key) {
        return "has no effect: a front has no use for this broker key".into();
    }
    "supplied but not used".into()
}

/// `rest` is what follows `listener.name.`.
fn why_listener_key_unused(reader: &Reader<'_>, endpoints: &[Endpoint], rest: &str) -> Option<String> {
    // A listener's name may have dots: the longest that fits is meant.
    let fitting = endpoints.iter().filter_map(|endpoint| {
        let name = endpoint.name.as_str().to_lowercase();
        rest.strip_prefix(&name)?.strip_prefix('.').map(|key| (name.len(), endpoint, key))
    });
    let Some((_, endpoint, key)) = fitting.max_by_key(|(length, ..)| *length) else {
        return Some("has no effect: there is no listener of that name (in keys names are lower case)".into());
    };
    if key.starts_with("ssl.") && !endpoint.protocol.has_tls() {
        return Some(format!("has no effect: listener {} has no TLS", endpoint.name));
    }
    if let Some(row) = Key::find(key) {
        return match row.scope {
            Scope::Listener | Scope::Mechanism | Scope::ListenerOnly => None,
            Scope::Broker => Some(format!("has no effect: {key} cannot be set per listener")),
            Scope::MechanismOnly => {
                Some("has no effect without a mechanism's prefix between the listener's and the key".into())
            }
        };
    }
    if key.starts_with(ISSUER_PREFIX) {
        return None;
    }
    if let Some((prefix, inner)) = key.split_once('.')
        && (Key::find(inner).is_some() || is_mechanism_key(inner))
    {
        return why_mechanism_key_unused(reader, endpoint, prefix, inner);
    }
    Some(why_plain_key_unused(key))
}

pub(super) fn is_mechanism_key(key: &str) -> bool {
    key.starts_with("sasl.")
}

fn why_mechanism_key_unused(reader: &Reader<'_>, endpoint: &Endpoint, prefix: &str, key: &str) -> Option<String> {
    let name: &ListenerName = &endpoint.name;
    if !endpoint.protocol.has_sasl() {
        return Some(format!("has no effect: listener {name} has no SASL"));
    }
    let enabled = reader.find_for(name, &keys::SASL_ENABLED_MECHANISMS);
    let is_enabled = |found: super::reader::Found<'_>| found.list().iter().any(|m| m.to_lowercase() == prefix);
    if !enabled.is_some_and(is_enabled) {
        return Some(format!("has no effect: listener {name} has no mechanism of that name enabled"));
    }
    match Key::find(key).map(|row| row.scope) {
        // What is not ours is for the mechanism's factory.
        Some(Scope::Mechanism | Scope::MechanismOnly) | None => None,
        Some(_) => Some(format!("has no effect: {key} cannot be set per mechanism")),
    }
}
