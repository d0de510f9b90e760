//! DescribeConfigs: the values of a broker that name its listeners.

use std::borrow::Cow;

use super::Edit;
use crate::listener::Addresses;
use crate::wire::schema::{Mark, Visitor};

const RESOURCE_TYPE: Mark = 1;
const RESOURCE_NAME: Mark = 2;
const NAME: Mark = 3;
const VALUE: Mark = 4;

pub(super) const MARKS: &[(&str, Mark)] = &[
    ("Results.ResourceType", RESOURCE_TYPE),
    ("Results.ResourceName", RESOURCE_NAME),
    ("Results.Configs.Name", NAME),
    ("Results.Configs.Value", VALUE),
    ("Results.Configs.Synonyms.Name", NAME),
    ("Results.Configs.Synonyms.Value", VALUE),
];

/// ConfigResource.Type.BROKER.
const BROKER: u8 = 4;

pub(super) struct Configs<'e, 'a> {
    edit: &'e mut Edit<'a>,
    addresses: &'e Addresses,
    is_broker: bool,
    node_id: Option<i32>,
    kind: Option<AddressValue>,
}

/// What an address-bearing value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddressValue {
    /// `NAME://host:port,...`
    Listeners,
    /// `id@host:port,...`
    Voters,
    /// `host:port,...`
    Servers,
}

impl AddressValue {
    fn of(config: &[u8]) -> Option<Self> {
        match config {
            b"listeners" | b"advertised.listeners" => Some(Self::Listeners),
            b"controller.quorum.voters" => Some(Self::Voters),
            b"controller.quorum.bootstrap.servers" => Some(Self::Servers),
            _ => None,
        }
    }

    /// The value as a client of the front may see it.
    fn rewritten(self, value: &str, node_id: Option<i32>, addresses: &Addresses) -> String {
        if value.is_empty() {
            return String::new();
        }
        // A node without an address is told as the bootstrap.
        let address_of = |id: Option<i32>| {
            let (host, port) = addresses.bootstrap();
            let (host, port) = id.and_then(|id| addresses.node_address(id)).unwrap_or((Cow::Borrowed(host), port));
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        };
        match self {
            Self::Listeners => format!("{}://{}", addresses.listener(), address_of(node_id)),
            Self::Voters => {
                let voters = value.split(',').filter_map(|voter| voter.split_once('@')?.0.trim().parse().ok());
                voters.map(|id: i32| format!("{id}@{}", address_of(Some(id)))).collect::<Vec<_>>().join(",")
            }
            Self::Servers => address_of(None),
        }
    }
}

impl<'e, 'a> Configs<'e, 'a> {
    pub(super) fn new(edit: &'e mut Edit<'a>, addresses: &'e Addresses) -> Self {
        Self { edit, addresses, is_broker: false, node_id: None, kind: None }
    }
}

impl Visitor for Configs<'_, '_> {
    fn field(&mut self, mark: Mark, start: usize, raw: &[u8], content: Option<&[u8]>) {
        match (mark, content) {
            (RESOURCE_TYPE, _) => self.is_broker = raw == [BROKER],
            (RESOURCE_NAME, Some(name)) => self.node_id = std::str::from_utf8(name).ok().and_then(|n| n.parse().ok()),
            (NAME, Some(name)) => self.kind = AddressValue::of(name).filter(|_| self.is_broker),
            (VALUE, Some(value)) => {
                if let Some(kind) = self.kind {
                    let value = String::from_utf8_lossy(value);
                    let value = kind.rewritten(&value, self.node_id, self.addresses);
                    self.edit.string(start, raw.len(), &value);
                }
            }
            _ => {}
        }
    }
}
