//! Puts the front's addresses in the place of the backend's. Pure functions on bytes.
//!
//! A response that is held whole may change its length ([`rewrite_frame`]). One that streams has said its length already, so its
//! tail is rewritten in place ([`tail::rewrite_tail`]).

mod configs;
mod endpoints;
pub mod tail;

use std::sync::OnceLock;

use super::api_table::{API_TABLE, ApiRow, Rewrite};
use crate::listener::Addresses;
use crate::wire::schema::{self, Direction, Mark, Program, State, WalkError, Walker};

/// A broker's address as the backend tells it: node id, host, port.
pub type LearnedBroker<'a> = (i32, &'a str, u16);

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// It carries no address; the caller passes on the bytes that it has.
    Unchanged,
    /// The whole new frame, its size included, has been appended to the output.
    Appended,
}

/// Rewrites the addresses in `frame`, a whole response behind its size. `learn` gets each broker address that stood in it.
pub fn rewrite_frame(
    row: &'static ApiRow,
    rewrite: Rewrite,
    version: i16,
    frame: &[u8],
    addresses: &Addresses,
    learn: &mut dyn FnMut(LearnedBroker<'_>),
    out: &mut Vec<u8>,
) -> Result<Rewritten, WalkError> {
    let program = program(row, rewrite, version);
    let mut edit = Edit::new(frame, out, version >= row.flexible_from);
    match rewrite {
        Rewrite::BrokerConfigs => {
            let mut visitor = configs::Configs::new(&mut edit, addresses);
            walk_all(program, frame, &mut visitor)?;
        }
        _ => {
            let mut visitor = endpoints::Endpoints::new(&mut edit, rewrite, addresses, learn);
            walk_all(program, frame, &mut visitor)?;
        }
    }
    Ok(edit.finish())
}

/// The program for a streamed response: it gives out the records and pauses before the tail that holds `NodeEndpoints`.
/// `None` if this version has none, so that the frame passes through unseen.
pub fn streaming_program(row: &'static ApiRow, version: i16) -> Option<&'static Program> {
    let response = schema::message(row.key, Direction::Response)?;
    let has_endpoints = row.key == SHARE_FETCH || version >= FIRST_FETCH_WITH_NODE_ENDPOINTS;
    (has_endpoints && response.versions.contains(version))
        .then(|| program(row, Rewrite::StreamedNodeEndpoints, version))
}

const SHARE_FETCH: i16 = 78;
/// KIP-951.
const FIRST_FETCH_WITH_NODE_ENDPOINTS: i16 = 16;

/// Most versions that an API has, with room to grow.
const MAX_VERSIONS: usize = 24;

/// The compiled program of a row and version; compiled once, at its first use.
fn program(row: &'static ApiRow, rewrite: Rewrite, version: i16) -> &'static Program {
    static PROGRAMS: [[OnceLock<Program>; MAX_VERSIONS]; API_TABLE.len()] =
        [const { [const { OnceLock::new() }; MAX_VERSIONS] }; API_TABLE.len()];
    let at = API_TABLE.iter().position(|other| other.key == row.key).unwrap_or_default();
    PROGRAMS[at][version as usize].get_or_init(|| {
        let message =
            schema::message(row.key, Direction::Response).expect("every row has a response, as its test says");
        let pause = (rewrite == Rewrite::StreamedNodeEndpoints).then_some(if row.key == SHARE_FETCH {
            "NodeEndpoints"
        } else {
            ""
        });
        message.compile(version, marks(row, rewrite), pause)
    })
}

fn marks(row: &ApiRow, rewrite: Rewrite) -> &'static [(&'static str, Mark)] {
    use endpoints::{ENTRIES, ERROR_CODE, HOST, NODE_ID, PORT};
    match (rewrite, row.key) {
        (Rewrite::Brokers, 60) => {
            &[("Brokers", ENTRIES), ("Brokers.BrokerId", NODE_ID), ("Brokers.Host", HOST), ("Brokers.Port", PORT)]
        }
        (Rewrite::Brokers, _) => {
            &[("Brokers", ENTRIES), ("Brokers.NodeId", NODE_ID), ("Brokers.Host", HOST), ("Brokers.Port", PORT)]
        }
        (Rewrite::Coordinators, _) => &[
            ("ErrorCode", ERROR_CODE),
            ("NodeId", NODE_ID),
            ("Host", HOST),
            ("Port", PORT),
            ("Coordinators.NodeId", NODE_ID),
            ("Coordinators.Host", HOST),
            ("Coordinators.Port", PORT),
            ("Coordinators.ErrorCode", ERROR_CODE),
        ],
        (Rewrite::NodeEndpoints, _) => &[
            ("NodeEndpoints", ENTRIES),
            ("NodeEndpoints.NodeId", NODE_ID),
            ("NodeEndpoints.Host", HOST),
            ("NodeEndpoints.Port", PORT),
        ],
        (Rewrite::QuorumListeners, _) => {
            &[("Nodes.NodeId", NODE_ID), ("Nodes.Listeners.Host", HOST), ("Nodes.Listeners.Port", PORT)]
        }
        (Rewrite::BrokerConfigs, _) => configs::MARKS,
        (Rewrite::StreamedNodeEndpoints, _) => &[],
    }
}

fn walk_all(program: &Program, frame: &[u8], visitor: &mut impl schema::Visitor) -> Result<(), WalkError> {
    let mut walker = Walker::new(program, frame.len() as u32);
    // No response that is held whole carries records, so the walk ends in one go.
    match walker.advance(frame, visitor)?.state {
        State::Done => Ok(()),
        _ => Err(WalkError("the response ends too early")),
    }
}

/// An output that is a copy of its input but for the places that were replaced.
struct Edit<'a> {
    input: &'a [u8],
    out: &'a mut Vec<u8>,
    start: usize,
    copied: usize,
    compact: bool,
}

impl<'a> Edit<'a> {
    fn new(input: &'a [u8], out: &'a mut Vec<u8>, compact: bool) -> Self {
        let start = out.len();
        Self { input, out, start, copied: 0, compact }
    }

    /// Copies the input up to `end`; the frame's size comes before the first byte.
    fn copy_to(&mut self, end: usize) {
        if self.out.len() == self.start {
            self.out.reserve(4 + self.input.len() + 64);
            self.out.extend([0; 4]);
        }
        self.out.extend_from_slice(&self.input[self.copied..end]);
        self.copied = end;
    }

    /// Leaves `len` bytes of the input out; the input must have been copied up to them.
    fn skip(&mut self, len: usize) {
        self.copied += len;
    }

    /// Replaces `len` bytes of the input at `at` by what `write` appends.
    fn replace(&mut self, at: usize, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.copy_to(at);
        self.skip(len);
        write(self.out);
    }

    /// Appends a string with the length prefix of this message version.
    fn string(&mut self, at: usize, len: usize, text: &str) {
        let compact = self.compact;
        self.replace(at, len, |out| {
            if compact {
                write_varint(out, text.len() as u32 + 1);
            } else {
                out.extend((text.len() as i16).to_be_bytes());
            }
            out.extend(text.as_bytes());
        });
    }

    fn finish(mut self) -> Rewritten {
        if self.copied == 0 {
            return Rewritten::Unchanged;
        }
        self.copy_to(self.input.len());
        let size = (self.out.len() - self.start - 4) as u32;
        self.out[self.start..self.start + 4].copy_from_slice(&size.to_be_bytes());
        Rewritten::Appended
    }
}

/// Appends an unsigned varint (KIP-482).
fn write_varint(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests;
