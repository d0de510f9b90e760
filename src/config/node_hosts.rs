//! `node.host.pattern`: the host names of nodes on a listener that tells them apart by the name that a TLS client asks for.

use std::fmt;
use std::ops::RangeInclusive;

use super::endpoints::Endpoint;
use super::keys;
use super::names::NodeIdRanges;
use super::reader::Reader;

/// What stands for the node id in a pattern.
pub(super) const PLACEHOLDER: &str = "$(nodeId)";

/// A host name for each node id, such as `broker-$(nodeId).kafka.example.com`.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeHostPattern {
    /// What stands before the node id, in lower case.
    prefix: String,
    suffix: String,
}

impl NodeHostPattern {
    #[cfg(test)]
    pub(crate) fn new(prefix: &str, suffix: &str) -> Self {
        Self::parse(&format!("{prefix}{PLACEHOLDER}{suffix}"), i32::MAX).expect("a test's pattern is good")
    }

    /// The host of a node.
    pub fn host(&self, node_id: i32) -> String {
        format!("{}{node_id}{}", self.prefix, self.suffix)
    }

    /// The node that a host name stands for, in whatever case; `None` unless it is exactly what [`Self::host`] gives for an id
    /// that is not negative.
    pub fn node_id(&self, host: &str) -> Option<i32> {
        let digits = self.between(host).filter(|digits| digits.len() == 1 || !digits.starts_with('0'))?;
        digits.parse().ok()
    }

    /// What stands in the place of the node id, if that is digits only.
    fn between<'h>(&self, host: &'h str) -> Option<&'h str> {
        let (start, rest) = host.split_at_checked(self.prefix.len())?;
        let (digits, end) = rest.split_at_checked(rest.len().checked_sub(self.suffix.len())?)?;
        let fits = start.eq_ignore_ascii_case(&self.prefix) && end.eq_ignore_ascii_case(&self.suffix);
        (fits && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
    }

    /// Reads a pattern whose names must be good for all ids up to `last_id`.
    fn parse(text: &str, last_id: i32) -> Result<Self, String> {
        let (prefix, suffix) = text.split_once(PLACEHOLDER).ok_or_else(|| format!("expected {PLACEHOLDER} in it"))?;
        if suffix.contains(PLACEHOLDER) {
            return Err(format!("expected {PLACEHOLDER} only once"));
        }
        let pattern = Self { prefix: prefix.to_ascii_lowercase(), suffix: suffix.to_ascii_lowercase() };
        check_dns_name(&pattern.host(last_id))
            .map_err(|problem| format!("node {last_id} would have a name that {problem}"))?;
        Ok(pattern)
    }
}

impl fmt::Debug for NodeHostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{PLACEHOLDER}{}", self.prefix, self.suffix)
    }
}

/// Whether clients send a name as the server name of TLS (RFC 6066 §3): letters, digits and hyphens, no address. Java sends none
/// that has no dot.
fn check_dns_name(name: &str) -> Result<(), &'static str> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 {
        return Err("is longer than 253 characters");
    }
    if !name.split('.').all(is_label) {
        return Err("is no DNS name");
    }
    match name.rsplit_once('.') {
        None => Err("has no dot, so that clients do not send it"),
        Some((_, last)) if last.bytes().all(|b| b.is_ascii_digit()) => Err("ends like an IP address"),
        Some(_) => Ok(()),
    }
}

/// The pattern of a listener, if it has one; what is wrong with it is reported.
pub(super) fn read(
    reader: &mut Reader<'_>,
    endpoint: &Endpoint,
    ranges: Option<&NodeIdRanges>,
) -> Option<NodeHostPattern> {
    let name = &endpoint.name;
    let found = reader.find_prefixed(name, &keys::NODE_HOST_PATTERN)?;
    let fault = |reader: &mut Reader<'_>, problem: String| {
        let problem = format!("Invalid value {} for configuration {}: {problem}", found.shown(), found.key);
        reader.error(&found, problem);
    };
    if !endpoint.protocol.has_tls() {
        let protocol = endpoint.protocol;
        fault(
            reader,
            format!(
                "listener {name} has security protocol {protocol}, whose clients send no server name; expected SSL or SASL_SSL"
            ),
        );
        return None;
    }
    let last_id = ranges.and_then(|ranges| ranges.0.iter().map(RangeInclusive::end).max().copied()).unwrap_or(0);
    let pattern = match NodeHostPattern::parse(found.text(), last_id) {
        Ok(pattern) => pattern,
        Err(problem) => {
            fault(reader, problem);
            return None;
        }
    };
    let bootstrap = &endpoint.advertised.host;
    if let Err(problem) = check_dns_name(bootstrap) {
        let shown = if bootstrap.is_empty() { "this machine's name" } else { bootstrap };
        fault(
            reader,
            format!("the bootstrap name in advertised.listeners, {shown}, {problem}; expected a DNS name with a dot"),
        );
    } else if pattern.between(bootstrap).is_some() {
        fault(reader, format!("the bootstrap name in advertised.listeners, {bootstrap}, is the name of a node too"));
    }
    if let Some(base) = reader.find_prefixed(name, &keys::NODE_PORT_BASE) {
        let problem = format!(
            "listener {name} has {}, so its nodes have no ports of their own; expected only one of the two",
            found.key
        );
        reader.error(&base, problem);
    }
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NodeHostPattern {
        NodeHostPattern::parse(text, i32::MAX).unwrap()
    }

    #[test]
    fn a_name_for_each_node_and_back() {
        let pattern = pattern("Broker-$(nodeId).Kafka.example.com");
        assert_eq!(pattern.host(0), "broker-0.kafka.example.com");
        assert_eq!(pattern.host(i32::MAX), "broker-2147483647.kafka.example.com");
        for id in [0, 1, 10, 105, i32::MAX] {
            assert_eq!(pattern.node_id(&pattern.host(id)), Some(id));
            assert_eq!(pattern.node_id(&pattern.host(id).to_uppercase()), Some(id));
        }
    }

    #[test]
    fn names_that_are_no_nodes() {
        let pattern = pattern("broker-$(nodeId).kafka.example.com");
        for name in [
            "",
            "broker-.kafka.example.com",
            "broker-01.kafka.example.com",
            "broker-00.kafka.example.com",
            "broker-+1.kafka.example.com",
            "broker--1.kafka.example.com",
            "broker-1x.kafka.example.com",
            "broker- 1.kafka.example.com",
            "broker-1 .kafka.example.com",
            "broker-1.2.kafka.example.com",
            "broker-0x1.kafka.example.com",
            "broker-\u{661}.kafka.example.com",
            "broker-1\0.kafka.example.com",
            "broker-2147483648.kafka.example.com",
            "broker-99999999999999999999.kafka.example.com",
            "broker-1.kafka.example.co",
            "broker-1.kafka.example.com.",
            "xbroker-1.kafka.example.com",
            "broker-1.kafka.example.com.evil.example",
            "br\u{f6}ker-1.kafka.example.com",
            "broker-.kafka.example.com.kafka.example.com",
            "broker-1.\u{212a}afka.example.com",
            "kafka.example.com",
        ] {
            assert_eq!(pattern.node_id(name), None, "{name}");
        }
    }

    #[test]
    fn the_id_may_stand_beside_digits_and_alone() {
        let beside = pattern("b1$(nodeId)2.example.com");
        assert_eq!(beside.node_id("b1122.example.com"), Some(12));
        assert_eq!(beside.node_id("b12.example.com"), None);
        assert_eq!(pattern("$(nodeId).example.com").node_id("7.example.com"), Some(7));
        assert_eq!(pattern("kafka.n$(nodeId).example").node_id("kafka.n7.example"), Some(7));
    }

    #[test]
    fn bad_patterns() {
        let long = format!("{}$(nodeId).example.com", "x".repeat(54));
        let longer = format!("$(nodeId).{}example.com", "x.".repeat(117));
        for (text, problem) in [
            ("broker.example.com", "expected $(nodeId) in it"),
            ("", "expected $(nodeId) in it"),
            ("b-$(nodeid).example.com", "expected $(nodeId) in it"),
            ("b-$(nodeId).$(nodeId).example.com", "expected $(nodeId) only once"),
            ("b-$(nodeId)", "node 2147483647 would have a name that has no dot, so that clients do not send it"),
            ("b_$(nodeId).example.com", "node 2147483647 would have a name that is no DNS name"),
            ("b-$(nodeId)..example.com", "node 2147483647 would have a name that is no DNS name"),
            ("b-$(nodeId).example.com.", "node 2147483647 would have a name that is no DNS name"),
            ("b-$(nodeId).example.com:9092", "node 2147483647 would have a name that is no DNS name"),
            ("b-$(nodeId)-.example.com", "node 2147483647 would have a name that is no DNS name"),
            ("-$(nodeId).example.com", "node 2147483647 would have a name that is no DNS name"),
            ("*.$(nodeId).example.com", "node 2147483647 would have a name that is no DNS name"),
            ("b-$(nodeId).ex\u{e4}mple.com", "node 2147483647 would have a name that is no DNS name"),
            ("10.0.0.$(nodeId)", "node 2147483647 would have a name that ends like an IP address"),
            (&long, "node 2147483647 would have a name that is no DNS name"),
            (&longer, "node 2147483647 would have a name that is longer than 253 characters"),
        ] {
            assert_eq!(NodeHostPattern::parse(text, i32::MAX), Err(problem.to_owned()), "{text}");
        }
        assert!(NodeHostPattern::parse(&long, 31).is_ok());
    }
}
