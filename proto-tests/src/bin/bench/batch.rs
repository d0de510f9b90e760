//! A record batch (format 2) that can be sent again and again.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::wire::Writer;

/// `count` records of `size` random bytes each, uncompressed.
pub fn batch(count: usize, size: usize) -> Vec<u8> {
    let mut records = Writer::default();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for i in 0..count {
        let mut record = Writer::default();
        record.i8(0).varint(0).varint(i as i64).varint(-1).varint(size as i64);
        let start = record.0.len();
        while record.0.len() < start + size {
            record.raw(&random.next().to_be_bytes());
        }
        record.0.truncate(start + size);
        record.varint(0);
        records.varint(record.0.len() as i64).raw(&record.0);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    // From the attributes on: what the checksum covers.
    let mut tail = Writer::default();
    tail.i16(0).i32(count as i32 - 1).i64(now).i64(now).i64(-1).i16(-1).i32(-1).i32(count as i32).raw(&records.0);
    let mut w = Writer::default();
    w.i64(0).i32(tail.0.len() as i32 + 9).i32(-1).i8(2).raw(&crc32c(&tail.0).to_be_bytes()).raw(&tail.0);
    w.0
}

/// Where the checksummed part begins; what is before it (offset, leader epoch) the broker sets.
pub const CHECKSUMMED: usize = 21;

/// xorshift: incompressible, and the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (i, entry) in table.iter_mut().enumerate() {
        *entry = (0..8).fold(i as u32, |c, _| if c & 1 == 1 { (c >> 1) ^ 0x82f6_3b78 } else { c >> 1 });
    }
    !bytes.iter().fold(!0, |c, byte| (c >> 8) ^ table[usize::from(c as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_is_castagnolis() {
        // RFC 3720, appendix B.4: 32 bytes of zeroes, and of ones
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }
}
