//! Which address of a listener stands for which broker.

use std::borrow::Cow;

use crate::config::{HostPort, ListenerConfig, NodeHostPattern, NodeIdRanges};

/// Which broker a port, or a name that a TLS client asks for, stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whichever answers: it is the listener's own address, the bootstrap.
    Any,
    /// The broker with this node id.
    Node(i32),
}

/// The addresses that clients of one listener are told: the bootstrap, and one for each node id in range.
///
/// The mapping depends on the configuration alone, so it is the same after every restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    listener: String,
    host: String,
    bootstrap_port: u16,
    nodes: Nodes,
}

/// What tells the nodes apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Nodes {
    /// Ports, sorted by node id; all have the bootstrap's host.
    ByPort(Vec<(i32, u16)>),
    /// Host names; all have the bootstrap's port.
    ByName(NodeHostPattern, NodeIdRanges),
}

impl Addresses {
    /// The advertised addresses. `shift` is applied to each bound node port: the advertised minus the bound bootstrap port, so
    /// that one port-forwarding rule covers a listener.
    pub fn new(config: &ListenerConfig) -> Self {
        if let Some(pattern) = &config.node_host_pattern {
            let (pattern, ids) = (pattern.clone(), config.node_id_ranges.clone());
            return Self::by_name(config.name.as_str(), &config.advertised, pattern, ids);
        }
        let shift = i32::from(config.advertised.port) - i32::from(config.bind.port);
        let port_of = |offset: u16| u16::try_from(i32::from(config.node_port_base) + i32::from(offset) + shift).ok();
        let nodes = config.node_id_ranges.iter().filter_map(|(id, offset)| Some((id, port_of(offset)?))).collect();
        Self::from_parts(config.name.as_str(), &config.advertised, nodes)
    }

    pub(crate) fn from_parts(listener: &str, advertised: &HostPort, mut nodes: Vec<(i32, u16)>) -> Self {
        nodes.sort_unstable();
        let HostPort { host, port } = advertised.clone();
        Self { listener: listener.to_owned(), host, bootstrap_port: port, nodes: Nodes::ByPort(nodes) }
    }

    /// Nodes that are told apart by name, all at the bootstrap's port.
    pub(crate) fn by_name(listener: &str, advertised: &HostPort, pattern: NodeHostPattern, ids: NodeIdRanges) -> Self {
        let HostPort { host, port } = advertised.clone();
        Self { listener: listener.to_owned(), host, bootstrap_port: port, nodes: Nodes::ByName(pattern, ids) }
    }

    /// The listener's name.
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// Host and port of the bootstrap.
    pub fn bootstrap(&self) -> (&str, u16) {
        (&self.host, self.bootstrap_port)
    }

    /// Host and port that stand for a node; `None` if the node id lies outside `node.id.ranges`.
    pub fn node_address(&self, node_id: i32) -> Option<(Cow<'_, str>, u16)> {
        match &self.nodes {
            Nodes::ByPort(nodes) => {
                let at = nodes.binary_search_by_key(&node_id, |(id, _)| *id).ok()?;
                Some((Cow::Borrowed(&self.host), nodes[at].1))
            }
            Nodes::ByName(pattern, ranges) => {
                ranges.contains(node_id).then(|| (Cow::Owned(pattern.host(node_id)), self.bootstrap_port))
            }
        }
    }

    /// Whether a node has an address here.
    pub fn has_node(&self, node_id: i32) -> bool {
        match &self.nodes {
            Nodes::ByPort(nodes) => nodes.binary_search_by_key(&node_id, |(id, _)| *id).is_ok(),
            Nodes::ByName(_, ranges) => ranges.contains(node_id),
        }
    }

    /// Whether the name that a TLS client asks for says which broker it wants: then [`Self::target_for`] has to be asked, and what
    /// it does not know is to be refused.
    pub fn are_by_name(&self) -> bool {
        matches!(self.nodes, Nodes::ByName(..))
    }

    /// What the server name of a TLS client (RFC 6066 §3) stands for, in whatever case and with a dot at its end or not. `None` if
    /// it is neither the bootstrap's nor that of a node in `node.id.ranges`, and always where ports tell the nodes apart.
    pub fn target_for(&self, server_name: &str) -> Option<Target> {
        let Nodes::ByName(pattern, ranges) = &self.nodes else { return None };
        let name = server_name.strip_suffix('.').unwrap_or(server_name);
        if name.eq_ignore_ascii_case(&self.host) {
            return Some(Target::Any);
        }
        pattern.node_id(name).filter(|id| ranges.contains(*id)).map(Target::Node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_tell_nodes_apart() {
        let advertised = HostPort { host: "front".into(), port: 9192 };
        let addresses = Addresses::from_parts("CLIENTS", &advertised, vec![(2, 9195), (1, 9194)]);
        assert_eq!(addresses.bootstrap(), ("front", 9192));
        assert_eq!(addresses.node_address(1), Some((Cow::Borrowed("front"), 9194)));
        assert!(matches!(addresses.node_address(2), Some((Cow::Borrowed("front"), 9195))));
        assert_eq!(addresses.node_address(0), None);
        assert!(addresses.has_node(2) && !addresses.has_node(3) && !addresses.are_by_name());
        assert_eq!(addresses.target_for("front"), None);
    }

    fn by_name() -> Addresses {
        let pattern = NodeHostPattern::new("Broker-", ".kafka.example.com");
        let advertised = HostPort { host: "Kafka.example.com".into(), port: 443 };
        let ids = NodeIdRanges(vec![100..=102, 0..=5, i32::MAX..=i32::MAX]);
        Addresses::by_name("EXTERNAL", &advertised, pattern, ids)
    }

    #[test]
    fn names_tell_nodes_apart() {
        let addresses = by_name();
        assert_eq!(addresses.bootstrap(), ("Kafka.example.com", 443));
        assert_eq!(addresses.node_address(101), Some(("broker-101.kafka.example.com".into(), 443)));
        assert_eq!(addresses.node_address(6), None);
        assert_eq!(addresses.node_address(-1), None);
        assert!(addresses.has_node(i32::MAX) && !addresses.has_node(103) && addresses.are_by_name());
    }

    #[test]
    fn what_a_server_name_stands_for() {
        let addresses = by_name();
        for (name, target) in [
            ("kafka.example.com", Some(Target::Any)),
            ("KAFKA.EXAMPLE.COM.", Some(Target::Any)),
            ("broker-0.kafka.example.com", Some(Target::Node(0))),
            ("BROKER-101.kafka.example.com.", Some(Target::Node(101))),
            ("broker-2147483647.kafka.example.com", Some(Target::Node(i32::MAX))),
            ("broker-6.kafka.example.com", None),
            ("broker-00.kafka.example.com", None),
            ("broker-+1.kafka.example.com", None),
            ("broker-0.kafka.example.com..", None),
            ("kafka.example.com..", None),
            (".kafka.example.com", None),
            ("x.kafka.example.com", None),
            ("*.kafka.example.com", None),
            ("kafka.example.co", None),
            ("", None),
            (".", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(addresses.target_for(name), target, "{name}");
        }
        // Each address that clients are told leads back to its node.
        for id in [0, 5, 100, 102, i32::MAX] {
            let (host, _) = addresses.node_address(id).unwrap();
            assert_eq!(addresses.target_for(&host), Some(Target::Node(id)));
        }
    }
}
