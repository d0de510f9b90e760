//! Record batches of format 2, the only one that a metadata log has: one batch is read from bytes, its checksum verified, and its
//! records walked. Nothing is copied.

use crate::wire::{Malformed, Reader};

/// Bytes of the two fields before what a batch's length counts: base offset and length.
pub const PREFIX: usize = 12;
/// Bytes of a batch without records, after the prefix.
const SMALLEST: usize = 49;
/// Longest batch that is read, in bytes after the prefix. KRaft writes 8 MiB at most.
pub const MAX_BATCH: usize = 64 << 20;

const MAGIC: u8 = 2;
/// Bits of a batch's attributes.
const COMPRESSION: i16 = 0x07;
const CONTROL: i16 = 0x20;

/// What is wrong with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("ends in the middle of a batch")]
    Incomplete,
    /// Smaller than a batch can be, or above [`MAX_BATCH`].
    #[error("has a batch of an impossible length, {0} bytes")]
    Length(i32),
    /// Written by something much older or newer, or no batch at all.
    #[error("has a batch of format {0}; only format 2 is known")]
    Format(u8),
    /// CRC-32C.
    #[error("has a batch whose checksum is wrong")]
    Checksum,
    /// KRaft writes none of these.
    #[error("has a batch that is compressed with {0}, which a metadata log never is")]
    Compressed(&'static str),
    /// The checksum is right, the content is not.
    #[error("has a batch that is malformed")]
    Malformed,
}

impl From<Malformed> for BatchError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// One batch whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The offset of its first record.
    pub base_offset: i64,
    /// Its records are for the log's own keeping: snapshot header and footer, voters, a new leader.
    pub is_control: bool,
    /// The offset of its last record.
    pub last_offset: i64,
    count: usize,
    records: &'a [u8],
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Empty if there is none; of a control record, its version and type.
    pub key: &'a [u8],
    /// Empty if there is none.
    pub value: &'a [u8],
}

/// What stands in a batch's prefix: its base offset, and how many bytes follow.
pub fn prefix(bytes: &[u8; PREFIX]) -> Result<(i64, usize), BatchError> {
    let mut reader = Reader::new(bytes);
    let (base_offset, length) = (reader.i64()?, reader.i32()?);
    match usize::try_from(length) {
        Ok(after) if (SMALLEST..=MAX_BATCH).contains(&after) => Ok((base_offset, after)),
        _ => Err(BatchError::Length(length)),
    }
}

impl<'a> Batch<'a> {
    /// The batch at the start of these bytes, and what follows it.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BatchError> {
        let (head, rest) = bytes.split_first_chunk().ok_or(BatchError::Incomplete)?;
        let (base_offset, after) = prefix(head)?;
        let (body, rest) = rest.split_at_checked(after).ok_or(BatchError::Incomplete)?;
        let mut reader = Reader::new(body);
        let _leader_epoch = reader.i32()?;
        let magic = reader.u8()?;
        if magic != MAGIC {
            return Err(BatchError::Format(magic));
        }
        let checksum = reader.i32()?;
        if crc32c::crc32c(reader.rest()) != checksum.cast_unsigned() {
            return Err(BatchError::Checksum);
        }
        let attributes = reader.i16()?;
        if let Some(codec) = codec(attributes) {
            return Err(BatchError::Compressed(codec));
        }
        let last_delta = reader.i32()?;
        // Two timestamps, producer id, producer epoch, base sequence.
        reader.take(8 + 8 + 8 + 2 + 4)?;
        let count = usize::try_from(reader.i32()?).map_err(|_| BatchError::Malformed)?;
        // Nothing was ever compacted away: as many records as offsets, and a record takes 7 bytes at least.
        let last_offset = base_offset.checked_add(last_delta.into()).ok_or(BatchError::Malformed)?;
        if base_offset < 0
            || count == 0
            || usize::try_from(last_delta).ok() != Some(count - 1)
            || count > reader.rest().len() / 7
        {
            return Err(BatchError::Malformed);
        }
        let is_control = attributes & CONTROL != 0;
        Ok((Self { base_offset, is_control, last_offset, count, records: reader.rest() }, rest))
    }

    /// Hands each record to `each`, in order.
    pub fn records<E: From<BatchError>>(&self, mut each: impl FnMut(Record<'a>) -> Result<(), E>) -> Result<(), E> {
        let mut reader = Reader::new(self.records);
        for _ in 0..self.count {
            each(record(&mut reader).map_err(BatchError::from)?)?;
        }
        if reader.rest().is_empty() { Ok(()) } else { Err(BatchError::Malformed.into()) }
    }
}

fn codec(attributes: i16) -> Option<&'static str> {
    match attributes & COMPRESSION {
        0 => None,
        1 => Some("gzip"),
        2 => Some("snappy"),
        3 => Some("lz4"),
        4 => Some("zstd"),
        _ => Some("an unknown codec"),
    }
}

fn record<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, Malformed> {
    let length = usize::try_from(varint(reader)?).map_err(|_| Malformed)?;
    let mut reader = Reader::new(reader.take(length)?);
    let _attributes = reader.u8()?;
    let _timestamp_delta = varint(&mut reader)?;
    let _offset_delta = varint(&mut reader)?;
    let key = nullable(&mut reader)?;
    let value = nullable(&mut reader)?;
    for _ in 0..varint(&mut reader)? {
        let name = usize::try_from(varint(&mut reader)?).map_err(|_| Malformed)?;
        reader.take(name)?;
        nullable(&mut reader)?;
    }
    if reader.rest().is_empty() { Ok(Record { key, value }) } else { Err(Malformed) }
}

fn nullable<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    match usize::try_from(varint(reader)?) {
        Ok(length) => reader.take(length),
        Err(_) => Ok(&[]),
    }
}

/// `VARINT` and `VARLONG`: zigzag, at most ten bytes.
fn varint(reader: &mut Reader<'_>) -> Result<i64, Malformed> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    Err(Malformed)
}
