//! `listeners`, `advertised.listeners` and `listener.security.protocol.map`, with Kafka's rules and texts.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::keys;
use super::names::{HostPort, ListenerName, SecurityProtocol};
use super::reader::{Found, Reader, decimal_port};

/// One listener as far as the three keys describe it.
pub(super) struct Endpoint {
    pub name: ListenerName,
    pub protocol: SecurityProtocol,
    pub bind: HostPort,
    /// The host is empty where it is this machine's name.
    pub advertised: HostPort,
}

pub(super) type ProtocolMap = HashMap<ListenerName, SecurityProtocol>;

/// Kafka's names of the protocols, in any case.
pub(super) fn protocol(name: &str) -> Option<SecurityProtocol> {
    use SecurityProtocol::{Plaintext, SaslPlaintext, SaslSsl, Ssl};
    [Plaintext, Ssl, SaslPlaintext, SaslSsl].into_iter().find(|p| p.as_str().eq_ignore_ascii_case(name))
}

/// Whether two sockets may share a port by Kafka's rule: one literal IPv4 and one literal IPv6 address.
pub(super) fn may_share_port(a: &str, b: &str) -> bool {
    let is_v4 = |host: &str| host.parse::<Ipv4Addr>().is_ok();
    let is_v6 = |host: &str| host.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    is_v4(a) && is_v6(b) || is_v6(a) && is_v4(b)
}

/// Reads the map; what is wrong is left out of it.
pub(super) fn read_protocol_map(reader: &mut Reader<'_>) -> ProtocolMap {
    let mut map = ProtocolMap::new();
    let Some(found) = reader.find(&keys::LISTENER_SECURITY_PROTOCOL_MAP) else { return map };
    for entry in found.list() {
        let Some((name, protocol_name)) = entry.rsplit_once(':').filter(|(name, _)| !name.trim().is_empty()) else {
            let problem =
                "Error parsing configuration property 'listener.security.protocol.map': expected NAME:PROTOCOL";
            reader.error(&found, problem);
            continue;
        };
        let (name, protocol_name) = (ListenerName::new(name.trim()), protocol_name.trim());
        let Some(protocol) = protocol(protocol_name) else {
            let shown = if found.setting.substituted { "[hidden]" } else { protocol_name };
            reader.error(
                &found,
                format!(
                    "Invalid security protocol `{shown}` defined in listener.security.protocol.map; expected PLAINTEXT, \
                     SSL, SASL_PLAINTEXT or SASL_SSL"
                ),
            );
            continue;
        };
        if map.insert(name.clone(), protocol).is_some() {
            let problem =
                format!("Error parsing configuration property 'listener.security.protocol.map': {name} is given twice");
            reader.error(&found, problem);
        }
    }
    map
}

/// Reads the listeners for clients, in their order. Whatever is wrong is reported; what remains can be checked further.
pub(super) fn read_endpoints(reader: &mut Reader<'_>, map: &ProtocolMap) -> Vec<Endpoint> {
    let controllers: Vec<ListenerName> = reader
        .find(&keys::CONTROLLER_LISTENER_NAMES)
        .map(|found| found.list().into_iter().map(ListenerName::new).collect())
        .unwrap_or_default();
    let Some(listeners) = reader.find(&keys::LISTENERS) else { return Vec::new() };
    if listeners.list().is_empty() {
        let problem = "Configuration 'listeners' must not be empty. Valid values include: any non-empty value";
        reader.error(&listeners, problem);
        return Vec::new();
    }
    let mut bound = parse_list(reader, &listeners, "listeners");
    check_distinct_ports(reader, &listeners, &bound);
    bound.retain(|(name, _)| {
        let is_controller = controllers.contains(name);
        if is_controller {
            let origin = &listeners.setting.origin;
            reader.warn(format!("listeners ({origin}): {name} is skipped: controller.listener.names names it"));
        }
        !is_controller
    });

    let explicit = reader.find(&keys::ADVERTISED_LISTENERS).filter(|found| !found.text().is_empty());
    let advertised = explicit.as_ref().map(|found| {
        let mut list = parse_list(reader, found, "advertised.listeners");
        list.retain(|(name, _)| !controllers.contains(name));
        check_subset(reader, found, &list, &bound);
        list
    });
    if advertised.as_ref().unwrap_or(&bound).is_empty() && reader.errors.is_empty() {
        let at = explicit.as_ref().unwrap_or(&listeners);
        reader.error(at, "There must be at least one broker advertised listener.");
    }

    let mut endpoints = Vec::new();
    for (name, bind) in bound {
        let given = advertised.as_ref().and_then(|list| list.iter().find(|(other, _)| *other == name));
        let at = if given.is_some() { explicit.as_ref().unwrap_or(&listeners) } else { &listeners };
        let told = given.map_or(&bind, |(_, told)| told).clone();
        if told.host == "0.0.0.0" {
            let problem =
                "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.";
            reader.error(at, format!("{problem} (listener {name})"));
        }
        // A free port cannot be known beforehand, and the nodes' ports are told relative to this one.
        if (told.port == 0) != (bind.port == 0) {
            let (bound, told) = (bind.port, told.port);
            reader.error(
                at,
                format!(
                    "listener {name} is bound to port {bound} but tells port {told}; expected both or neither to be 0"
                ),
            );
            continue;
        }
        if advertised.is_some() && given.is_none() {
            let origin = &at.setting.origin;
            reader.warn(format!(
                "listeners ({origin}): {name} is not in advertised.listeners; clients are told the address that it is bound to"
            ));
        }
        match map.get(&name) {
            Some(&protocol) => endpoints.push(Endpoint { name, protocol, bind, advertised: told }),
            None => wrapped(reader, &listeners, &format!("No security protocol defined for listener {name}")),
        }
    }
    endpoints
}

fn java_list(found: &Found<'_>) -> String {
    if found.setting.substituted { "[hidden]".into() } else { format!("[{}]", found.list().join(", ")) }
}

/// Kafka wraps the cause in this text.
fn wrapped(reader: &mut Reader<'_>, found: &Found<'_>, cause: &str) {
    reader.error(found, format!("Error creating broker listeners from '{}': {cause}", java_list(found)));
}

fn parse_list(reader: &mut Reader<'_>, found: &Found<'_>, key: &str) -> Vec<(ListenerName, HostPort)> {
    let list = found.list();
    let mut parsed: Vec<(ListenerName, HostPort)> = Vec::new();
    for (n, text) in list.iter().enumerate() {
        if text.is_empty() {
            reader.error(found, format!("Configuration '{key}' values must not be empty."));
            continue;
        }
        if list[..n].contains(text) {
            reader.error(found, format!("Configuration '{key}' values must not be duplicated."));
            continue;
        }
        let Some((name, address)) = parse_endpoint(text) else {
            let shown = if found.setting.substituted { "[hidden]" } else { text };
            wrapped(
                reader,
                found,
                &format!("Unable to parse {shown} to a broker endpoint; expected NAME://host:port, port 0 to 65535"),
            );
            continue;
        };
        if parsed.iter().any(|(other, _)| *other == name) {
            let cause = format!("Each listener must have a different name, listeners: {}", java_list(found));
            wrapped(reader, found, &cause);
            continue;
        }
        parsed.push((name, address));
    }
    parsed
}

/// Kafka's pattern is `^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)`; a negative port, which could never be bound, and an
/// empty name are refused here already.
fn parse_endpoint(text: &str) -> Option<(ListenerName, HostPort)> {
    let (name, address) = text.rsplit_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
    let is_host = host.chars().all(legal);
    let port = decimal_port(port)?;
    (is_host && !name.is_empty()).then(|| (ListenerName::new(name), HostPort { host: host.into(), port }))
}

fn check_distinct_ports(reader: &mut Reader<'_>, found: &Found<'_>, bound: &[(ListenerName, HostPort)]) {
    let mut ports: Vec<u16> = bound.iter().map(|(_, address)| address.port).filter(|&port| port != 0).collect();
    ports.sort_unstable();
    ports.dedup();
    for port in ports {
        let hosts: Vec<&str> =
            bound.iter().filter(|(_, a)| a.port == port).map(|(_, address)| address.host.as_str()).collect();
        let literal = |host: &str| may_share_port(host, "::1") || may_share_port(host, "127.0.0.1");
        let listeners = java_list(found);
        let cause = match hosts[..] {
            [] | [_] => continue,
            [a, b] if may_share_port(a, b) => continue,
            [a, b] if literal(a) && literal(b) => format!(
                "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: \
                 {listeners}, port: {port}"
            ),
            [_, _] => format!("Each listener must have a different port, listeners: {listeners}"),
            _ => format!(
                "Each listener must have a different port unless exactly one listener has an IPv4 address and the other \
                 IPv6 address, listeners: {listeners}, port: {port}"
            ),
        };
        wrapped(reader, found, &cause);
    }
}

fn check_subset(
    reader: &mut Reader<'_>,
    found: &Found<'_>,
    advertised: &[(ListenerName, HostPort)],
    bound: &[(ListenerName, HostPort)],
) {
    if advertised.iter().all(|(name, _)| bound.iter().any(|(other, _)| other == name)) {
        return;
    }
    let names =
        |list: &[(ListenerName, HostPort)]| list.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
    reader.error(
        found,
        format!(
            "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found {}. \
             The valid options based on the current configuration are {}",
            names(advertised),
            names(bound)
        ),
    );
}
