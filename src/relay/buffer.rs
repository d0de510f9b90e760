//! A lent buffer with the bytes of one direction.

use bytes::BytesMut;
use zeroize::Zeroize;

pub use crate::stock::BUFFER_LEN;
use crate::stock::Lent;

/// A lent buffer. `start..end` holds bytes; what lies before `cleared` may be sent on.
pub struct Buffer {
    bytes: Lent,
    pub start: usize,
    pub cleared: usize,
    pub end: usize,
}

impl Buffer {
    /// Borrows an empty buffer.
    pub fn lend() -> Self {
        Self { bytes: Lent::buffer(), start: 0, cleared: 0, end: 0 }
    }

    /// A buffer that holds `bytes`, which may be more than [`BUFFER_LEN`].
    pub fn holding(bytes: &[u8]) -> Self {
        let mut lent = Lent::at_least(bytes.len());
        lent[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: lent, start: 0, cleared: 0, end: bytes.len() }
    }

    /// Bytes that have arrived and are not cleared yet.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.cleared..self.end]
    }

    /// Bytes that may be sent on.
    pub fn to_send(&self) -> &[u8] {
        &self.bytes[self.start..self.cleared]
    }

    /// What has arrived and is not cleared yet, which may be a password: it is wiped here before the buffer goes to the next.
    pub fn into_secret(mut self) -> BytesMut {
        let unread = BytesMut::from(self.unread());
        self.bytes[self.cleared..self.end].zeroize();
        unread
    }

    /// Whether it holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room behind the bytes, at most `limit`; bytes move to the front where there is none.
    pub fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.cleared, self.end) = (0, 0, 0);
        } else if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.cleared, self.end, self.start) = (self.cleared - self.start, self.end - self.start, 0);
        }
        let end = self.bytes.len().min(self.end + limit);
        &mut self.bytes[self.end..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_moves_bytes_to_the_front_when_the_end_is_reached() {
        let mut buffer = Buffer::lend();
        let len = buffer.room(usize::MAX).len();
        assert_eq!(len, BUFFER_LEN);
        (buffer.start, buffer.cleared, buffer.end) = (BUFFER_LEN - 2, BUFFER_LEN - 1, BUFFER_LEN);
        buffer.bytes[BUFFER_LEN - 1] = 7;
        assert_eq!(buffer.room(100).len(), 100);
        assert_eq!((buffer.to_send().len(), buffer.unread()), (1, &[7][..]));
    }
}
