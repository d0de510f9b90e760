//! Node id, host and port, wherever a response has them in that order.

use std::borrow::Cow;

use super::{Edit, LearnedBroker, write_varint};
use crate::listener::Addresses;
use crate::relay::api_table::Rewrite;
use crate::wire::schema::{Mark, Visitor};

/// An array whose elements are brokers.
pub(super) const ENTRIES: Mark = 1;
pub(super) const NODE_ID: Mark = 2;
pub(super) const HOST: Mark = 3;
/// int32, or uint16 in DescribeQuorum.
pub(super) const PORT: Mark = 4;
/// The error code that goes with a coordinator.
pub(super) const ERROR_CODE: Mark = 5;

const COORDINATOR_NOT_AVAILABLE: i16 = 15;

pub(super) struct Endpoints<'e, 'a> {
    edit: &'e mut Edit<'a>,
    rewrite: Rewrite,
    addresses: &'e Addresses,
    learn: &'e mut dyn FnMut(LearnedBroker<'_>),
    /// The current node; -1 where the backend has none to tell.
    node_id: i32,
    seen_node_id: bool,
    /// Where the backend's host stands in the input.
    host: std::ops::Range<usize>,
    entries: Option<Entries>,
    error_code_at: Option<usize>,
    tag_size_at: usize,
}

/// An array of which elements may be dropped.
struct Entries {
    count_at: usize,
    count_len: usize,
    count: u32,
    dropped: u32,
    element_at: usize,
    drop_element: bool,
}

impl<'e, 'a> Endpoints<'e, 'a> {
    pub(super) fn new(
        edit: &'e mut Edit<'a>,
        rewrite: Rewrite,
        addresses: &'e Addresses,
        learn: &'e mut dyn FnMut(LearnedBroker<'_>),
    ) -> Self {
        let (entries, error_code_at) = (None, None);
        let (node_id, seen_node_id, host, tag_size_at) = (-1, false, 0..0, 0);
        Self { edit, rewrite, addresses, learn, node_id, seen_node_id, host, entries, error_code_at, tag_size_at }
    }

    /// The front's address for the current node. A quorum's node without one is told as the bootstrap: nothing listens for
    /// controllers here, and the backend's address must not pass.
    fn address(&self) -> Option<(Cow<'e, str>, u16)> {
        let address = self.addresses.node_address(self.node_id);
        let (host, port) = self.addresses.bootstrap();
        address.or((self.rewrite == Rewrite::QuorumListeners).then_some((Cow::Borrowed(host), port)))
    }

    fn is_missing_coordinator(&self) -> bool {
        self.rewrite == Rewrite::Coordinators && self.node_id >= 0 && !self.addresses.has_node(self.node_id)
    }

    fn end_element(&mut self, at: usize) {
        let Some(entries) = &mut self.entries else { return };
        if entries.drop_element {
            self.edit.out.truncate(entries.element_at);
            self.edit.copied = at;
            entries.dropped += 1;
        } else {
            self.edit.copy_to(at);
        }
    }
}

impl Visitor for Endpoints<'_, '_> {
    fn field(&mut self, mark: Mark, start: usize, raw: &[u8], content: Option<&[u8]>) {
        match mark {
            NODE_ID => {
                self.seen_node_id = true;
                self.node_id = raw.first_chunk().map_or(-1, |id| i32::from_be_bytes(*id));
                if let Some(entries) = &mut self.entries {
                    entries.drop_element = !self.addresses.has_node(self.node_id);
                }
                if self.is_missing_coordinator() {
                    self.edit.replace(start, 4, |out| out.extend((-1i32).to_be_bytes()));
                    if let Some(at) = self.error_code_at {
                        self.edit.out[at..at + 2].copy_from_slice(&COORDINATOR_NOT_AVAILABLE.to_be_bytes());
                    }
                }
            }
            HOST => {
                let prefix = raw.len() - content.map_or(0, <[u8]>::len);
                self.host = start + prefix..start + raw.len();
                let host = self.address().map_or(Cow::Borrowed(""), |(host, _)| host);
                self.edit.string(start, raw.len(), &host);
            }
            PORT => {
                let port = self.address().map(|(_, port)| port);
                if raw.len() == 2 {
                    self.edit.replace(start, 2, |out| out.extend(port.unwrap_or(0).to_be_bytes()));
                } else {
                    self.edit.replace(start, 4, |out| out.extend(port.map_or(-1, i32::from).to_be_bytes()));
                    let backend_port = raw.first_chunk().and_then(|p| u16::try_from(i32::from_be_bytes(*p)).ok());
                    let backend_host = std::str::from_utf8(&self.edit.input[self.host.clone()]);
                    if let (Some(port), Ok(host), 0..) = (backend_port, backend_host, self.node_id) {
                        (self.learn)((self.node_id, host, port));
                    }
                }
            }
            ERROR_CODE if self.rewrite == Rewrite::Coordinators => {
                if self.is_missing_coordinator() {
                    // From version 4 on the code stands behind the address.
                    self.edit.replace(start, 2, |out| out.extend(COORDINATOR_NOT_AVAILABLE.to_be_bytes()));
                } else if !self.seen_node_id {
                    self.edit.copy_to(start + 2);
                    self.error_code_at = Some(self.edit.out.len() - 2);
                }
            }
            _ => {}
        }
    }

    fn array(&mut self, _: Mark, start: usize, raw_len: usize, count: u32) {
        self.edit.copy_to(start + raw_len);
        let count_at = self.edit.out.len() - raw_len;
        let element_at = self.edit.out.len();
        self.entries =
            Some(Entries { count_at, count_len: raw_len, count, dropped: 0, element_at, drop_element: false });
    }

    fn element(&mut self, _: Mark, start: usize) {
        self.end_element(start);
        let at = self.edit.out.len();
        if let Some(entries) = &mut self.entries {
            (entries.element_at, entries.drop_element) = (at, false);
        }
    }

    fn array_end(&mut self, _: Mark, end: usize) {
        self.end_element(end);
        let Some(entries) = self.entries.take() else { return };
        if entries.dropped > 0 {
            let (count, mut prefix) = (entries.count - entries.dropped, Vec::with_capacity(5));
            if self.edit.compact {
                write_varint(&mut prefix, count + 1);
            } else {
                prefix.extend((count as i32).to_be_bytes());
            }
            self.edit.out.splice(entries.count_at..entries.count_at + entries.count_len, prefix);
        }
    }

    fn tag(&mut self, size_start: usize, size_len: usize, _: u32) {
        self.edit.copy_to(size_start);
        self.edit.skip(size_len);
        self.tag_size_at = self.edit.out.len();
    }

    fn tag_end(&mut self, end: usize) {
        self.edit.copy_to(end);
        let mut size = Vec::with_capacity(5);
        write_varint(&mut size, (self.edit.out.len() - self.tag_size_at) as u32);
        self.edit.out.splice(self.tag_size_at..self.tag_size_at, size);
    }
}
