//! The words that keys and values share: listeners, security protocols, hosts with ports, node ids.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A listener's name, upper case as Kafka keeps it; its keys are prefixed `listener.name.<lower case>.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerName(Arc<str>);

impl ListenerName {
    /// Upper-cases `name`.
    pub fn new(name: &str) -> Self {
        Self(name.to_uppercase().into())
    }

    /// The name's text, upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `listener.name.<lower case name>.`
    pub fn key_prefix(&self) -> String {
        format!("listener.name.{}.", self.0.to_lowercase())
    }
}

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Kafka's four security protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// No TLS, no SASL.
    Plaintext,
    /// TLS, no SASL.
    Ssl,
    /// SASL, no TLS.
    SaslPlaintext,
    /// SASL inside TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Whether clients must authenticate by SASL.
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Whether the connection is encrypted.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Kafka's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A host name or literal address (IPv6 without brackets) and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Host; empty means all interfaces where it is bound.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Which broker node ids have an address, in the order in which ports are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdRanges(pub Vec<RangeInclusive<i32>>);

impl NodeIdRanges {
    /// Whether a node id is in one of them.
    pub fn contains(&self, node_id: i32) -> bool {
        self.0.iter().any(|range| range.contains(&node_id))
    }

    /// Every node id with its offset from the node port base: the ranges are laid out one after another.
    pub fn iter(&self) -> impl Iterator<Item = (i32, u16)> + '_ {
        self.0.iter().flat_map(|range| range.clone()).zip(0u16..)
    }
}
