//! Damaged and hostile bytes: nothing panics, and nothing is silently lost or brought back.

use proptest::prelude::*;

use super::super::batch::{Batch, BatchError};
use super::super::record::MetadataRecord;
use super::build::{batch, good, seal, snapshot};
use super::*;

#[test]
fn a_compressed_or_old_batch_is_named() {
    let problem = |batch: Vec<u8>| Scratch::with(&[(&segment(0), &batch)]).problem();
    let compressed = problem(batch(0, 1, &[&good("a")]));
    assert_eq!(compressed, "has a batch that is compressed with gzip, which a metadata log never is, at byte 0");
    assert!(problem(batch(0, 4, &[&good("a")])).contains("compressed with zstd"));
    assert!(problem(batch(0, 7, &[&good("a")])).contains("compressed with an unknown codec"));
    let mut old = batch(0, 0, &[&good("a")]);
    old[16] = 1;
    assert_eq!(problem(old), "has a batch of format 1; only format 2 is known, at byte 0");
    let mut long = batch(0, 0, &[&good("a")]);
    long[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(problem(long), "has a batch of an impossible length, 2147483647 bytes, at byte 0");
}

#[test]
fn a_snapshot_must_be_whole() {
    for end in 0..SNAPSHOT.len() {
        let scratch = Scratch::with(&[(SNAPSHOT_NAME, &SNAPSHOT[..end])]);
        assert_eq!(scratch.problem(), "is not a whole snapshot", "{end}");
    }
    let headless = batch(0, 0, &[&good("a")]);
    assert_eq!(Scratch::with(&[(SNAPSHOT_NAME, &headless)]).problem(), "is not a whole snapshot");
    let longer = [snapshot(&[&good("a")]), batch(3, 0, &[&good("b")])].concat();
    assert_eq!(Scratch::with(&[(SNAPSHOT_NAME, &longer)]).problem(), "is not a whole snapshot");
}

/// The log after each of its batches, and what is said of it.
fn states() -> Vec<Vec<(String, &'static str, Vec<u8>)>> {
    let (mut states, mut end) = (Vec::new(), 0);
    loop {
        states.push(keys(&Scratch::with(&[(&segment(0), &LOG[..end])]).read().unwrap()));
        let Ok((_, rest)) = Batch::read(&LOG[end..]) else { return states };
        end = LOG.len() - rest.len();
    }
}

#[test]
fn a_log_that_is_cut_anywhere_gives_what_was_then() {
    let states = states();
    let scratch = Scratch::new();
    let mut reached = 0;
    for end in 0..=LOG.len() {
        scratch.put(&segment(0), &LOG[..end]);
        let found = scratch.read().unwrap();
        if found.notes.is_empty() && end > 0 {
            reached += 1;
        }
        assert_eq!(keys(&found), states[reached], "cut at {end}");
    }
    assert_eq!(reached, 16);
}

#[test]
fn a_bit_that_is_flipped_is_noticed() {
    let whole = states().pop().unwrap();
    let scratch = Scratch::with(&[(SNAPSHOT_NAME, SNAPSHOT)]);
    let mut refused = 0;
    let mut check = |name: &str, content: &[u8]| {
        for position in 0..content.len() * 8 {
            // One bit of each byte.
            if position % 8 != (position / 8) % 8 {
                continue;
            }
            let mut damaged = content.to_vec();
            damaged[position / 8] ^= 1 << (position % 8);
            scratch.put(name, &damaged);
            match scratch.read() {
                Err(_) => refused += 1,
                // The leader epoch of a batch is not in its checksum, and is of no use here.
                Ok(found) if found.notes.is_empty() => assert_eq!(keys(&found), whole, "{name}: bit {position}"),
                // The length of the last batch: as if it were being written. It is told.
                Ok(_) => assert!(position / 8 > content.len() - 200, "{name}: bit {position}"),
            }
        }
        scratch.put(name, content);
    };
    check(&segment(0), LOG);
    check(SNAPSHOT_NAME, SNAPSHOT);
    assert!(refused > (LOG.len() + SNAPSHOT.len()) * 95 / 100, "{refused}");
}

#[test]
fn counts_and_lengths_within_a_batch_are_bounded() {
    let good = batch(0, 0, &[&good("a")]);
    for (at, bytes) in [(23, i32::MAX), (23, -1), (57, i32::MAX), (57, -1), (57, 0), (61, i32::MAX), (61, -1)] {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&bytes.to_be_bytes());
        seal(&mut bad);
        let read = Batch::read(&bad).and_then(|(batch, _)| batch.records::<BatchError>(|_| Ok(())));
        assert_eq!(read.err(), Some(BatchError::Malformed), "{bytes} at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = MetadataRecord::parse(&bytes);
        for first in [1, 11, 22] {
            let _ = MetadataRecord::parse(&[&[1, first, 0], &bytes[..]].concat());
        }
        let _ = Batch::read(&bytes);
    }

    #[test]
    fn no_batch_with_a_right_checksum_panics(bytes in proptest::collection::vec(any::<u8>(), 70..300), count in 1..4i32) {
        let mut bad = [&[0; 12], &bytes[..]].concat();
        bad[8..12].copy_from_slice(&(bytes.len() as i32).to_be_bytes());
        bad[16] = 2;
        bad[22] &= 0xf8;
        bad[23..27].copy_from_slice(&(count - 1).to_be_bytes());
        bad[57..61].copy_from_slice(&count.to_be_bytes());
        seal(&mut bad);
        let (batch, rest) = Batch::read(&bad).unwrap();
        prop_assert!(rest.is_empty());
        let _ = batch.records::<BatchError>(|record| {
            assert!(record.key.len() + record.value.len() < bytes.len());
            let _ = MetadataRecord::parse(record.value);
            Ok(())
        });
    }

    /// Bytes of the fixture changed, with the checksum made right again: what is inside is reached.
    #[test]
    fn no_changed_record_panics(at in 21..(3174 - 2984usize), with in any::<u8>()) {
        let mut bad = LOG[2984..].to_vec();
        bad[at] = with;
        seal(&mut bad);
        let scratch = Scratch::with(&[(&segment(26), &bad), (&format!("{:020}-0000000001.checkpoint", 26), SNAPSHOT)]);
        let _ = scratch.read();
    }
}
