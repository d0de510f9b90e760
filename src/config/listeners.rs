//! Builds the listeners: endpoints, node ports, TLS, SASL.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::endpoints::{Endpoint, may_share_port};
use super::jaas::JaasContext;
use super::keys;
use super::limits::unauthenticated_limits;
use super::login::{Logins, OAUTHBEARER};
use super::names::{HostPort, ListenerName, NodeIdRanges};
use super::node_hosts;
use super::oauthbearer;
use super::passwords::plain_sources;
use super::proxy_protocol;
use super::reader::Reader;
use super::scram;
use super::tls;
use super::types::{ListenerConfig, MechanismConfig, SaslListenerConfig};
use crate::scram::ScramMechanism;

/// Builds all listeners; what is wrong is reported and a listener that cannot be built is left out.
pub(super) fn build(reader: &mut Reader<'_>, logins: &mut Logins, endpoints: Vec<Endpoint>) -> Vec<ListenerConfig> {
    let mut spans = Vec::new();
    let mut built = Vec::new();
    for endpoint in endpoints {
        let name = endpoint.name.clone();
        check_principal_builder(reader, &name);
        let node_id_ranges = read_ranges(reader, &name);
        let node_host_pattern = node_hosts::read(reader, &endpoint, node_id_ranges.as_ref());
        let has_node_ports = reader.find_prefixed(&name, &keys::NODE_HOST_PATTERN).is_none();
        let node_port_base = if has_node_ports {
            read_port_base(reader, &endpoint, node_id_ranges.as_ref(), &mut spans)
        } else {
            spans.extend(Span::bootstrap(&endpoint));
            0
        };
        let tls = if endpoint.protocol.has_tls() { tls::listener(reader, &endpoint) } else { None };
        let max_connections = reader.unsigned_prefixed(&name, &keys::MAX_CONNECTIONS);
        let max_connection_creation_rate = reader.unsigned_prefixed(&name, &keys::MAX_CONNECTION_CREATION_RATE);
        let (max_unauthenticated_connections, max_unauthenticated_connections_per_ip) =
            unauthenticated_limits(reader, &name);
        let proxy_protocol = proxy_protocol::read(reader, &name);
        let sasl = endpoint.protocol.has_sasl().then(|| read_sasl(reader, logins, &endpoint, proxy_protocol.is_some()));
        let mut advertised = endpoint.advertised;
        if advertised.host.is_empty() {
            advertised.host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        }
        built.push(ListenerConfig {
            name,
            security_protocol: endpoint.protocol,
            bind: endpoint.bind,
            advertised,
            node_id_ranges: node_id_ranges.unwrap_or(NodeIdRanges(Vec::new())),
            node_host_pattern,
            node_port_base,
            max_connections,
            max_connection_creation_rate,
            tls,
            max_unauthenticated_connections,
            max_unauthenticated_connections_per_ip,
            proxy_protocol,
            sasl,
        });
    }
    check_collisions(reader, &spans);
    built
}

fn check_principal_builder(reader: &mut Reader<'_>, name: &ListenerName) {
    if let Some(found) = reader.find_for(name, &keys::PRINCIPAL_BUILDER_CLASS)
        && found.setting.explicit
    {
        let _ = reader.choice(&keys::PRINCIPAL_BUILDER_CLASS, &found);
    }
}

/// `a-b,c`: not negative, first not above last, no id twice.
fn parse_ranges(list: &[&str]) -> Result<NodeIdRanges, String> {
    let mut ranges: Vec<RangeInclusive<i32>> = Vec::new();
    for text in list {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let id = |text: &str| {
            let text = text.trim();
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<i32>().ok().filter(|_| digits)
        };
        let (Some(first), Some(last)) = (id(first), id(last)) else {
            return Err("expected node ids or ranges first-last, each 0 to 2147483647".into());
        };
        if first > last {
            return Err(format!("range {first}-{last} ends before it starts"));
        }
        if let Some(other) = ranges.iter().find(|other| first <= *other.end() && *other.start() <= last) {
            return Err(format!("ranges {}-{} and {first}-{last} overlap", other.start(), other.end()));
        }
        ranges.push(first..=last);
    }
    if ranges.is_empty() {
        return Err("expected at least one node id".into());
    }
    Ok(NodeIdRanges(ranges))
}

fn read_ranges(reader: &mut Reader<'_>, name: &ListenerName) -> Option<NodeIdRanges> {
    let found = reader.find_for(name, &keys::NODE_ID_RANGES)?;
    match parse_ranges(&found.list()) {
        Ok(ranges) => Some(ranges),
        Err(problem) => {
            let problem = format!("Invalid value {} for configuration {}: {problem}", found.shown(), found.key);
            reader.error(&found, problem);
            None
        }
    }
}

/// Ports that a listener binds.
struct Span {
    listener: ListenerName,
    host: String,
    ports: RangeInclusive<u16>,
    is_bootstrap: bool,
}

impl Span {
    /// The listener's own port; `None` if the system chooses it.
    fn bootstrap(endpoint: &Endpoint) -> Option<Self> {
        let Endpoint { name, bind: HostPort { host, port }, .. } = endpoint;
        let span = Self { listener: name.clone(), host: host.clone(), ports: *port..=*port, is_bootstrap: true };
        (*port != 0).then_some(span)
    }

    fn describe(&self) -> String {
        let (first, last) = (self.ports.start(), self.ports.end());
        match self.is_bootstrap {
            true => format!("port {first} of listener {}", self.listener),
            false => format!("the node ports {first} to {last} of listener {}", self.listener),
        }
    }
}

/// All ports but the bootstrap's.
const MOST_IDS: i64 = 65534;

fn count_ids(ranges: &NodeIdRanges) -> i64 {
    ranges.0.iter().map(|range| i64::from(*range.end()) - i64::from(*range.start()) + 1).sum()
}

fn read_port_base(
    reader: &mut Reader<'_>,
    endpoint: &Endpoint,
    ranges: Option<&NodeIdRanges>,
    spans: &mut Vec<Span>,
) -> u16 {
    let Endpoint { name, bind: HostPort { host, port }, advertised, .. } = endpoint;
    let explicit = reader.find_prefixed(name, &keys::NODE_PORT_BASE);
    let key = format!("{}{}", name.key_prefix(), keys::NODE_PORT_BASE.name);
    let origin = explicit.as_ref().map_or_else(String::new, |found| found.setting.origin.clone());
    let fault = |reader: &mut Reader<'_>, problem: String| {
        reader.errors.push(super::ConfigError { key: key.clone(), origin: origin.clone(), problem });
    };
    if *port == 0 {
        if explicit.is_some() {
            fault(reader, format!("listener {name} has port 0, so its nodes get free ports; expected no value"));
        }
        if ranges.is_some_and(|ranges| count_ids(ranges) > MOST_IDS) {
            fault(
                reader,
                format!("listener {name} would need more ports than there are; expected at most {MOST_IDS} node ids"),
            );
        }
        return 0;
    }
    let base = match explicit {
        Some(found) => {
            let before = reader.errors.len();
            let base = reader.number(&keys::NODE_PORT_BASE, Some(found));
            if reader.errors.len() > before {
                return 0;
            }
            base
        }
        None => i64::from(*port) + 1,
    };
    spans.extend(Span::bootstrap(endpoint));
    let Some(ranges) = ranges else { return 0 };
    let count = count_ids(ranges);
    let last = base + count - 1;
    let shift = i64::from(advertised.port) - i64::from(*port);
    let (Ok(first_port), Ok(last_port)) = (u16::try_from(base), u16::try_from(last)) else {
        let ranges_key = format!("{}{}", name.key_prefix(), keys::NODE_ID_RANGES.name);
        fault(
            reader,
            format!("the {count} node ids of {ranges_key} would take ports {base} to {last}; expected at most 65535"),
        );
        return 0;
    };
    if base + shift < 1 || last + shift > 65535 {
        let (first, last) = (base + shift, last + shift);
        fault(reader, format!("advertised.listeners shifts the node ports to {first} to {last}; expected 1 to 65535"));
    }
    let ports = first_port..=last_port;
    spans.push(Span { listener: name.clone(), host: host.clone(), ports, is_bootstrap: false });
    first_port
}

fn check_collisions(reader: &mut Reader<'_>, spans: &[Span]) {
    for (n, a) in spans.iter().enumerate() {
        for b in &spans[n + 1..] {
            let apart = a.ports.end() < b.ports.start() || b.ports.end() < a.ports.start();
            // Two bootstrap ports are checked, with Kafka's text, where `listeners` is read.
            if apart || a.is_bootstrap && b.is_bootstrap || may_share_port(&a.host, &b.host) {
                continue;
            }
            let at = if b.is_bootstrap { a } else { b };
            let key = format!("{}{}", at.listener.key_prefix(), keys::NODE_PORT_BASE.name);
            let problem = format!(
                "{} and {} collide; set node.port.base or node.id.ranges of one of them so that they do not meet",
                a.describe(),
                b.describe()
            );
            match reader.find_by_name(&key) {
                Some(found) => reader.error(&found, problem),
                None => reader.missing(&key, problem),
            }
        }
    }
}

/// RFC 4422 §3.1: 1 to 20 of `A-Z 0-9 - _`.
fn is_mechanism_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=20).contains(&name.len()) && name.bytes().all(legal)
}

/// The mechanisms of a listener, with what is wrong reported.
pub(super) fn enabled_mechanisms(reader: &mut Reader<'_>, name: &ListenerName) -> Vec<String> {
    let Some(found) = reader.find_for(name, &keys::SASL_ENABLED_MECHANISMS) else { return Vec::new() };
    let Some(list) = reader.distinct_list(&found) else { return Vec::new() };
    if list.is_empty() {
        reader.error(&found, "No SASL mechanisms are enabled; expected at least one, for example PLAIN");
    }
    let mut mechanisms = Vec::new();
    for mechanism in list {
        if is_mechanism_name(mechanism) {
            mechanisms.push(mechanism.to_owned());
        } else {
            let shown = if found.setting.substituted { "[hidden]" } else { mechanism };
            let problem = format!("'{shown}' is no SASL mechanism name; expected 1 to 20 of A-Z 0-9 - _ (RFC 4422)");
            reader.error(&found, problem);
        }
    }
    mechanisms
}

fn read_sasl(
    reader: &mut Reader<'_>,
    logins: &mut Logins,
    endpoint: &Endpoint,
    behind_proxy: bool,
) -> SaslListenerConfig {
    let name = &endpoint.name;
    let found = reader.find_for(name, &keys::SASL_SERVER_MAX_RECEIVE_SIZE);
    let max_receive_size = u32::try_from(reader.number(&keys::SASL_SERVER_MAX_RECEIVE_SIZE, found)).unwrap_or_default();
    let found = reader.find_for(name, &keys::CONNECTIONS_MAX_REAUTH_MS);
    reader.number(&keys::CONNECTIONS_MAX_REAUTH_MS, found);
    let mut mechanisms = Vec::new();
    let enabled = enabled_mechanisms(reader, name);
    let is_scram = |mechanism: &String| ScramMechanism::from_name(mechanism).is_some();
    let plain = enabled.iter().any(|mechanism| mechanism == "PLAIN").then(|| plain_sources(reader, name));
    if enabled.iter().any(is_scram) || plain.is_some_and(|plain| plain.scram.is_some()) {
        scram::check_keys(reader, name);
    }
    for mechanism in enabled {
        let own = format!("{}{}.", name.key_prefix(), mechanism.to_lowercase());
        let reauth = &keys::CONNECTIONS_MAX_REAUTH_MS;
        let found = reader.find_by_name(&format!("{own}{}", reauth.name));
        reader.number(reauth, found);
        let (oauthbearer, jaas) = if mechanism == OAUTHBEARER {
            oauthbearer::read(reader, logins, endpoint, behind_proxy).unzip()
        } else {
            // In Kafka this class replaces the verification, so leaving it out could let the wrong clients in.
            let class = keys::SASL_SERVER_CALLBACK_HANDLER_CLASS.name;
            if let Some(found) = reader.find_by_name(&format!("{own}{class}")) {
                reader.error(&found, "doorkeeper runs no Java classes to verify credentials; expected no such key");
            }
            let jaas = if is_scram(&mechanism) {
                logins.scram_context(reader, name, &mechanism)
            } else if plain.is_some_and(|plain| !plain.jaas) && mechanism == "PLAIN" {
                // No user is there.
                Some(JaasContext::default())
            } else {
                logins.server_context(reader, name, &mechanism)
            };
            (None, jaas)
        };
        if let Some(jaas) = jaas {
            let properties = mechanism_properties(reader, name, &mechanism);
            mechanisms.push(MechanismConfig { name: mechanism, jaas, properties, oauthbearer });
        }
    }
    SaslListenerConfig { mechanisms, max_receive_size }
}

/// What a mechanism's factory may want to know beyond its JAAS entry: all that has the mechanism's prefix, and the `sasl.*`
/// and re-authentication keys of the listener and of all.
fn mechanism_properties(reader: &Reader<'_>, name: &ListenerName, mechanism: &str) -> HashMap<String, String> {
    let listener = name.key_prefix();
    let own = format!("{listener}{}.", mechanism.to_lowercase());
    let concerns = |key: &str| key.starts_with("sasl.") || key == keys::CONNECTIONS_MAX_REAUTH_MS.name;
    let has_jaas_entry = |key: &str| key == keys::SASL_JAAS_CONFIG.name;
    // Rows of the table that are not for mechanisms have no effect there, and a warning says so.
    let is_its_own = |row: &keys::Key| matches!(row.scope, keys::Scope::Mechanism | keys::Scope::MechanismOnly);
    let is_not_its_own = |key: &str| keys::Key::find(key).is_some_and(|row| !is_its_own(row));
    // The weakest first: later ones replace earlier ones.
    let mut ranked: Vec<(u8, &str, &str)> = Vec::new();
    for (key, setting) in reader.settings {
        let value = setting.value.trim_matches(|c| c <= ' ');
        if let Some(rest) = key.strip_prefix(&own).filter(|rest| !is_not_its_own(rest)) {
            ranked.push((2, rest, value));
        } else if let Some(rest) = key.strip_prefix(&listener).filter(|rest| concerns(rest)) {
            ranked.push((1, rest, value));
        } else if concerns(key) {
            ranked.push((0, key, value));
        }
    }
    ranked.sort_unstable();
    let plain = ranked.into_iter().filter(|(_, key, _)| !has_jaas_entry(key));
    plain.map(|(_, key, value)| (key.to_owned(), value.to_owned())).collect()
}
