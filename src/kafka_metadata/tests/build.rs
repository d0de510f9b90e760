//! Batches and records made by hand.

/// A batch of these values at that offset.
pub fn batch(base: i64, attributes: i16, values: &[&[u8]]) -> Vec<u8> {
    let records: Vec<_> = values.iter().map(|value| (&b""[..], *value)).collect();
    batch_of(base, attributes, &records)
}

/// A control batch of that type.
pub fn control(base: i64, kind: u8) -> Vec<u8> {
    batch_of(base, 0x20, &[(&[0, 0, 0, kind], &[0, 0])])
}

/// A whole snapshot with these values.
pub fn snapshot(values: &[&[u8]]) -> Vec<u8> {
    [control(0, 3), batch(1, 0, values), control(1 + values.len() as i64, 4)].concat()
}

fn batch_of(base: i64, attributes: i16, records: &[(&[u8], &[u8])]) -> Vec<u8> {
    let count = records.len() as i32;
    let mut checked = attributes.to_be_bytes().to_vec();
    checked.extend((count - 1).to_be_bytes());
    checked.extend([0; 8 + 8]);
    checked.extend([0xff; 8 + 2 + 4]);
    checked.extend(count.to_be_bytes());
    for (delta, (key, value)) in records.iter().enumerate() {
        let mut record = vec![0, 0];
        record.extend(varint(delta as i64));
        for field in [key, value] {
            record.extend(varint(if field.is_empty() { -1 } else { field.len() as i64 }));
            record.extend(*field);
        }
        record.extend(varint(0));
        checked.extend(varint(record.len() as i64));
        checked.extend(record);
    }
    let mut all = base.to_be_bytes().to_vec();
    all.extend((checked.len() as i32 + 9).to_be_bytes());
    all.extend([0, 0, 0, 1, 2]);
    all.extend(crc32c::crc32c(&checked).to_be_bytes());
    all.extend(checked);
    all
}

/// Makes the checksum of a batch right again.
pub fn seal(batch: &mut [u8]) {
    let checksum = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
}

/// `VARINT`.
fn varint(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A UserScramCredentialRecord.
pub fn set(user: &str, mechanism: u8, salt: &[u8], key: &[u8], iterations: i32) -> Vec<u8> {
    let mut record = vec![1, 11, 0];
    record.push(user.len() as u8 + 1);
    record.extend(user.as_bytes());
    record.push(mechanism);
    for field in [salt, key, key] {
        record.push(field.len() as u8 + 1);
        record.extend(field);
    }
    record.extend(iterations.to_be_bytes());
    record.push(0);
    record
}

/// A good UserScramCredentialRecord of SCRAM-SHA-256.
pub fn good(user: &str) -> Vec<u8> {
    set(user, 1, b"salt", &[7; 32], 4096)
}

/// A RemoveUserScramCredentialRecord of SCRAM-SHA-256.
pub fn remove(user: &str) -> Vec<u8> {
    let mut record = vec![1, 22, 0, user.len() as u8 + 1];
    record.extend(user.as_bytes());
    record.extend([1, 0]);
    record
}

/// Records without content.
pub const BEGIN: &[u8] = &[1, 23, 0, 0];
pub const END: &[u8] = &[1, 24, 0, 0];
pub const ABORT: &[u8] = &[1, 25, 0, 0];
