//! `NodeEndpoints` at the end of a response whose length has been sent already.
//!
//! Fetch has them as tagged field 0 of the message (KIP-951), ShareFetch as an array before its tagged fields. The new tail has
//! exactly the old one's length: what the rewritten endpoints leave over is filled with an unknown tagged field, which every
//! client skips; where they don't fit they are left out, and the client asks for Metadata.

use super::{LearnedBroker, write_varint};
use crate::listener::Addresses;
use crate::wire::{Malformed, Reader};

/// Longest tail that is held to be rewritten, in bytes: far more than the endpoints of all brokers of a large cluster.
pub const MAX_TAIL: usize = 1 << 20;

/// The tagged field of Fetch that holds the endpoints.
const NODE_ENDPOINTS_TAG: u32 = 0;
/// Number of the filling field. No schema uses one near it.
const FILLER_TAG: u32 = 100;

/// Rewrites a Fetch tail (`endpoints_are_tagged`) or a ShareFetch tail in place. `learn` gets the backend's addresses.
pub fn rewrite_tail(
    tail: &mut [u8],
    endpoints_are_tagged: bool,
    addresses: &Addresses,
    learn: &mut dyn FnMut(LearnedBroker<'_>),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(tail);
    let mut array = Vec::new();
    if !endpoints_are_tagged && !rewrite_array(&mut reader, addresses, learn, &mut array)? {
        return Ok(());
    }
    let mut tags = Vec::new();
    let count = reader.uvarint()?;
    let mut has_endpoints = false;
    for _ in 0..count {
        let (tag, size) = (reader.uvarint()?, reader.uvarint()?);
        let data = reader.take(size as usize)?;
        if endpoints_are_tagged && tag == NODE_ENDPOINTS_TAG {
            array.clear();
            has_endpoints = rewrite_array(&mut Reader::new(data), addresses, learn, &mut array)?;
        } else {
            tags.push((tag, data));
        }
    }
    if !reader.rest().is_empty() {
        return Err(Malformed);
    }
    let with = match (endpoints_are_tagged, has_endpoints) {
        (true, false) => return Ok(()),
        (true, true) => {
            let all: Vec<_> = std::iter::once((NODE_ENDPOINTS_TAG, &array[..])).chain(tags.iter().copied()).collect();
            filled(&[], &all, tail.len())
        }
        (false, _) => filled(&array, &tags, tail.len()),
    };
    // Without endpoints there is always room: an entry is longer than a filler's own bytes.
    let empty_array: &[u8] = if endpoints_are_tagged { &[] } else { &[1] };
    let new = with.or_else(|| filled(empty_array, &tags, tail.len())).ok_or(Malformed)?;
    tail.copy_from_slice(&new);
    Ok(())
}

/// Bytes of an endpoint with an empty host and no rack.
const SMALLEST_ENTRY: usize = 4 + 1 + 4 + 1 + 1;

/// Appends the compact array of endpoints with the front's addresses; nodes without a port are left out. Says whether there
/// was any entry.
fn rewrite_array(
    reader: &mut Reader<'_>,
    addresses: &Addresses,
    learn: &mut dyn FnMut(LearnedBroker<'_>),
    out: &mut Vec<u8>,
) -> Result<bool, Malformed> {
    let count = reader.compact_array_count(SMALLEST_ENTRY)?;
    let mut entries = Vec::new();
    let mut kept = 0u32;
    for _ in 0..count {
        let node_id = reader.i32()?;
        let host = reader.compact_string()?;
        let port = reader.i32()?;
        let rest = reader.rest();
        reader.compact_nullable_string()?;
        reader.skip_tags()?;
        let rest = &rest[..rest.len() - reader.rest().len()];
        if let (Ok(host), Ok(port), 0..) = (std::str::from_utf8(host), u16::try_from(port), node_id) {
            learn((node_id, host, port));
        }
        let Some((front_host, port)) = addresses.node_address(node_id) else { continue };
        entries.extend(node_id.to_be_bytes());
        write_varint(&mut entries, front_host.len() as u32 + 1);
        entries.extend(front_host.as_bytes());
        entries.extend(i32::from(port).to_be_bytes());
        entries.extend(rest);
        kept += 1;
    }
    write_varint(out, kept + 1);
    out.extend(entries);
    Ok(count > 0)
}

/// `head`, then a tagged section of `tags` and as much filler as makes it `len` bytes; `None` if that can't be.
fn filled(head: &[u8], tags: &[(u32, &[u8])], len: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for (tag, data) in tags {
        write_varint(&mut body, *tag);
        write_varint(&mut body, data.len() as u32);
        body.extend(*data);
    }
    let mut filler_tag = tags.last().map_or(FILLER_TAG, |(tag, _)| FILLER_TAG.max(tag + 1));
    let mut count = tags.len() as u32;
    loop {
        let mut prefix = Vec::with_capacity(5);
        write_varint(&mut prefix, count);
        let have = head.len() + prefix.len() + body.len();
        let gap = len.checked_sub(have)?;
        if gap == 0 {
            return Some([head, &prefix, &body].concat());
        }
        let mut tag = Vec::with_capacity(5);
        write_varint(&mut tag, filler_tag);
        let room = gap.checked_sub(tag.len() + 1)?;
        // A size of n bytes leaves room for a whole range of fillers but for one at each of its borders, which takes two.
        let size = (1..=5usize).find_map(|n| {
            let size = (room + 1).checked_sub(n)?;
            (varint_len(size as u32) == n).then_some(size)
        });
        body.extend(tag);
        let size = size.unwrap_or(0);
        write_varint(&mut body, size as u32);
        body.resize(body.len() + size, 0);
        (count, filler_tag) = (count + 1, filler_tag + 1);
    }
}

fn varint_len(value: u32) -> usize {
    (32 - value.leading_zeros() as usize).max(1).div_ceil(7)
}
