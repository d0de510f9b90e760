//! Bodies in a flexible version (KIP-482), where every structure ends with tagged fields: what the APIs share whose bodies are read and
//! written by hand.

use bytes::BytesMut;

use super::put;
use super::reader::{Malformed, Reader};

/// A name: a `COMPACT_STRING`, which must be UTF-8.
pub(super) fn text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    utf8(reader.compact_string()?)
}

/// The same, or null.
pub(super) fn nullable_text(reader: &mut Reader<'_>) -> Result<Option<String>, Malformed> {
    reader.compact_nullable_string()?.map(utf8).transpose()
}

fn utf8(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed)
}

/// What is said to people: a `COMPACT_NULLABLE_STRING`, with U+FFFD for what is not UTF-8.
pub(super) fn words(reader: &mut Reader<'_>) -> Result<Option<String>, Malformed> {
    let bytes = reader.compact_nullable_string()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// A `COMPACT_ARRAY` of structures of at least `min_entry` bytes each, tagged fields included. Null is empty.
pub(super) fn structures<'a, T>(
    reader: &mut Reader<'a>,
    min_entry: usize,
    mut each: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.compact_array_count(min_entry)?;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(each(reader)?);
        reader.skip_tags()?;
    }
    Ok(all)
}

/// A response frame without its size, whose body begins with the time that the client was throttled; gives the correlation id too.
pub(super) fn response<'a, T>(
    frame: &'a [u8],
    body: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<(i32, T), Malformed> {
    let mut reader = Reader::new(frame);
    let correlation_id = reader.i32()?;
    reader.skip_tags()?;
    let _throttle_time_ms = reader.i32()?;
    let body = body(&mut reader)?;
    reader.skip_tags()?;
    Ok((correlation_id, body))
}

/// Writes a `COMPACT_ARRAY` of structures without tagged fields.
pub(super) fn put_structures<T>(out: &mut BytesMut, all: &[T], mut each: impl FnMut(&mut BytesMut, &T)) {
    put::uvarint(out, all.len() as u32 + 1);
    for one in all {
        each(out, one);
        put::no_tags(out);
    }
}
