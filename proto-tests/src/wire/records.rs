//! Record batches (magic 2), written by hand so that a 90 MB one needs no second copy.

/// CRC-32C (Castagnoli) by table: this harness needs it once in a while, not fast.
pub fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut c = i as u32;
            let mut bit = 0;
            while bit < 8 {
                c = if c & 1 == 1 { 0x82f6_3b78 ^ (c >> 1) } else { c >> 1 };
                bit += 1;
            }
            table[i] = c;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |c, b| TABLE[((c ^ u32::from(*b)) & 0xff) as usize] ^ (c >> 8))
}

fn varint(n: i64) -> Vec<u8> {
    let mut z = ((n << 1) ^ (n >> 63)) as u64;
    let mut out = Vec::new();
    while z > 0x7f {
        out.push(z as u8 | 0x80);
        z >>= 7;
    }
    out.push(z as u8);
    out
}

/// One uncompressed batch with a record for each value, without keys, producer id or timestamps of note.
pub fn batch(values: &[&[u8]]) -> Vec<u8> {
    let mut records = Vec::with_capacity(values.iter().map(|v| v.len() + 20).sum());
    for (i, value) in values.iter().enumerate() {
        let mut head = vec![0]; // attributes
        head.extend(varint(0)); // timestamp delta
        head.extend(varint(i as i64)); // offset delta
        head.extend(varint(-1)); // no key
        head.extend(varint(value.len() as i64));
        records.extend(varint((head.len() + value.len() + 1) as i64));
        records.extend(head);
        records.extend_from_slice(value);
        records.push(0); // no headers
    }
    let count = values.len() as i32;
    let mut body = Vec::with_capacity(records.len() + 40); // what the checksum covers
    body.extend(0i16.to_be_bytes()); // attributes
    body.extend((count - 1).to_be_bytes()); // last offset delta
    body.extend(1_700_000_000_000i64.to_be_bytes());
    body.extend(1_700_000_000_000i64.to_be_bytes());
    body.extend((-1i64).to_be_bytes()); // producer id
    body.extend((-1i16).to_be_bytes()); // producer epoch
    body.extend((-1i32).to_be_bytes()); // base sequence
    body.extend(count.to_be_bytes());
    body.append(&mut records);
    let mut out = Vec::with_capacity(body.len() + 21);
    out.extend(0i64.to_be_bytes()); // base offset
    out.extend((body.len() as i32 + 9).to_be_bytes());
    out.extend((-1i32).to_be_bytes()); // leader epoch
    out.push(2); // magic
    out.extend(crc32c(&body).to_be_bytes());
    out.append(&mut body);
    out
}

#[test]
fn crc_of_the_check_string() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}
