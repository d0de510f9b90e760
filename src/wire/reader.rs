//! A bounded reader over bytes from the network: each length is checked against the bytes that are left before use, and
//! nothing is allocated.

/// Most tagged fields that a section may hold. Kafka defines far fewer; without a limit one frame of empty tags keeps a
/// thread busy for a stranger (CVE-2026-111115).
pub const MAX_TAGS: u32 = 64;

/// Kafka's limit on the bytes of a string, compact or not.
const MAX_STRING: usize = 0x7fff;

/// The bytes are not of the grammar that was expected. Carries nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes")]
pub struct Malformed;

/// Reads Kafka's primitive types from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader over `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }

    /// `INT8` or `BOOLEAN`.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// `INT16`.
    pub fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    /// `INT32`.
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// `INT64`.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// `UNSIGNED_VARINT`: at most 5 bytes, at most 2^31 - 1. Kafka takes greater values as negative counts, which mean
    /// nothing or an error wherever they occur; they are refused here.
    pub fn uvarint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok().filter(|v| *v <= i32::MAX as u32).ok_or(Malformed);
            }
        }
        Err(Malformed)
    }

    /// `NULLABLE_STRING`; any negative length is null, as Kafka reads it. Not checked for UTF-8.
    pub fn nullable_string(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match usize::try_from(self.i16()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// `STRING`. Not checked for UTF-8.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        self.nullable_string()?.ok_or(Malformed)
    }

    /// `COMPACT_NULLABLE_STRING`. Not checked for UTF-8.
    pub fn compact_nullable_string(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.compact_nullable_bytes()? {
            Some(bytes) if bytes.len() > MAX_STRING => Err(Malformed),
            other => Ok(other),
        }
    }

    /// `COMPACT_STRING`. Not checked for UTF-8.
    pub fn compact_string(&mut self) -> Result<&'a [u8], Malformed> {
        self.compact_nullable_string()?.ok_or(Malformed)
    }

    /// `NULLABLE_BYTES`.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match usize::try_from(self.i32()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// `COMPACT_NULLABLE_BYTES`.
    pub fn compact_nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.uvarint()?.checked_sub(1) {
            Some(len) => self.take(len as usize).map(Some),
            None => Ok(None),
        }
    }

    /// An `ARRAY`'s count, of entries that take at least `min_entry` bytes each; null counts as empty. It never exceeds
    /// what the bytes that are left can hold, so that it may size an allocation.
    pub fn array_count(&mut self, min_entry: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.i32()?).unwrap_or(0);
        self.checked_count(count, min_entry)
    }

    /// A `COMPACT_ARRAY`'s count; as [`Reader::array_count`].
    pub fn compact_array_count(&mut self, min_entry: usize) -> Result<usize, Malformed> {
        let count = self.uvarint()?.saturating_sub(1) as usize;
        self.checked_count(count, min_entry)
    }

    fn checked_count(&self, count: usize, min_entry: usize) -> Result<usize, Malformed> {
        if count > self.0.len() / min_entry.max(1) { Err(Malformed) } else { Ok(count) }
    }

    /// Walks a section of tagged fields (KIP-482), handing each to `field`. At most [`MAX_TAGS`]; order and duplicates are
    /// not checked, as in Kafka.
    pub fn tags(&mut self, mut field: impl FnMut(u32, &'a [u8]) -> Result<(), Malformed>) -> Result<(), Malformed> {
        let count = self.uvarint()?;
        if count > MAX_TAGS {
            return Err(Malformed);
        }
        for _ in 0..count {
            let tag = self.uvarint()?;
            let size = self.uvarint()? as usize;
            field(tag, self.take(size)?)?;
        }
        Ok(())
    }

    /// Skips a section of tagged fields; as [`Reader::tags`].
    pub fn skip_tags(&mut self) -> Result<(), Malformed> {
        self.tags(|_, _| Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uvarint_has_five_bytes_and_31_bits() {
        let read = |bytes: &[u8]| Reader::new(bytes).uvarint();
        assert_eq!(read(&[0x00]), Ok(0));
        assert_eq!(read(&[0xac, 0x02]), Ok(300));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x07]), Ok(i32::MAX as u32));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(Malformed));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Err(Malformed));
        assert_eq!(read(&[0x80]), Err(Malformed));
        assert_eq!(read(&[]), Err(Malformed));
    }

    #[test]
    fn counts_never_exceed_the_bytes_left() {
        assert_eq!(Reader::new(&[0x7f, 0xff, 0xff, 0xff, 0, 0]).array_count(1), Err(Malformed));
        assert_eq!(Reader::new(&[0, 0, 0, 2, 0, 0]).array_count(1), Ok(2));
        assert_eq!(Reader::new(&[0, 0, 0, 2, 0, 0]).array_count(2), Err(Malformed));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff]).array_count(1), Ok(0));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x07]).compact_array_count(7), Err(Malformed));
        assert_eq!(Reader::new(&[0]).compact_array_count(7), Ok(0));
    }

    #[test]
    fn tag_sections_are_bounded() {
        let section = |n: u8| {
            let mut bytes = vec![n];
            bytes.extend((0..n).flat_map(|_| [7, 0]));
            bytes
        };
        assert_eq!(Reader::new(&section(64)).skip_tags(), Ok(()));
        assert_eq!(Reader::new(&section(65)).skip_tags(), Err(Malformed));
        assert_eq!(Reader::new(&[1, 0, 2, 9]).skip_tags(), Err(Malformed));
    }
}
