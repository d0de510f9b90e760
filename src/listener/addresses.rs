//! Which port of a listener stands for which broker.

use crate::config::{HostPort, ListenerConfig};

/// Which broker a port stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whichever answers: it is the listener's own port, the bootstrap.
    Any,
    /// The broker with this node id.
    Node(i32),
}

/// The addresses that clients of one listener are told: one host, a bootstrap port and a port for each node id in range.
///
/// The mapping depends on the configuration alone, so it is the same after every restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    listener: String,
    host: String,
    bootstrap_port: u16,
    /// Sorted by node id.
    nodes: Vec<(i32, u16)>,
}

impl Addresses {
    /// The advertised addresses. `shift` is applied to each bound node port: the advertised minus the bound bootstrap port, so
    /// that one port-forwarding rule covers a listener.
    pub fn new(config: &ListenerConfig) -> Self {
        let shift = i32::from(config.advertised.port) - i32::from(config.bind.port);
        let port_of = |offset: u16| u16::try_from(i32::from(config.node_port_base) + i32::from(offset) + shift).ok();
        let nodes = config.node_id_ranges.iter().filter_map(|(id, offset)| Some((id, port_of(offset)?))).collect();
        Self::from_parts(config.name.as_str(), &config.advertised, nodes)
    }

    pub(crate) fn from_parts(listener: &str, advertised: &HostPort, mut nodes: Vec<(i32, u16)>) -> Self {
        nodes.sort_unstable();
        let HostPort { host, port } = advertised.clone();
        Self { listener: listener.to_owned(), host, bootstrap_port: port, nodes }
    }

    /// The listener's name.
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// The host of all addresses.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The listener's own port.
    pub fn bootstrap_port(&self) -> u16 {
        self.bootstrap_port
    }

    /// The port that stands for a node; `None` if the node id lies outside `node.id.ranges`.
    pub fn node_port(&self, node_id: i32) -> Option<u16> {
        self.nodes.binary_search_by_key(&node_id, |(id, _)| *id).ok().map(|at| self.nodes[at].1)
    }
}
