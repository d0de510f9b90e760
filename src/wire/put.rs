//! Writing Kafka's primitive types and whole frames.

use bytes::{BufMut, BytesMut};

use super::LENGTH_PREFIX;

/// Appends one frame: `fill` writes what follows the length prefix.
pub(super) fn frame(out: &mut BytesMut, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    fill(out);
    let size = (out.len() - start - LENGTH_PREFIX) as u32;
    out[start..start + LENGTH_PREFIX].copy_from_slice(&size.to_be_bytes());
}

pub(super) fn uvarint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// The longest prefix that a Kafka string may have, cut at a character's edge.
fn within_limit(text: &str) -> &str {
    &text[..text.floor_char_boundary(i16::MAX as usize)]
}

pub(super) fn string(out: &mut BytesMut, text: &str) {
    let text = within_limit(text);
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

pub(super) fn nullable_string(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.put_i16(-1),
    }
}

pub(super) fn compact_string(out: &mut BytesMut, text: &str) {
    compact_bytes(out, within_limit(text).as_bytes());
}

pub(super) fn compact_nullable_string(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => compact_string(out, text),
        None => out.put_u8(0),
    }
}

pub(super) fn bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

pub(super) fn compact_bytes(out: &mut BytesMut, bytes: &[u8]) {
    uvarint(out, bytes.len() as u32 + 1);
    out.put_slice(bytes);
}

/// An empty section of tagged fields.
pub(super) fn no_tags(out: &mut BytesMut) {
    out.put_u8(0);
}
