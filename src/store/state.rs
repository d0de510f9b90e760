//! What a store holds, in a few bytes that are compared: the number of the newest change, how many records there are, and their digest.

use aws_lc_rs::digest::{SHA256, digest};

use super::change::Kind;

/// The sum of the SHA-256 of all records, in four lanes: does not depend on their order, and is kept current by a subtraction and an
/// addition for each change. It tells accidents, not somebody who can write to the files: they could write the digest as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest([u64; 4]);

impl Digest {
    fn of(key: &[u8], value: &[u8]) -> [u64; 4] {
        let mut bytes = Vec::with_capacity(4 + key.len() + value.len());
        bytes.extend(u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(key);
        bytes.extend(value);
        let hash = digest(&SHA256, &bytes);
        let mut lanes = [0; 4];
        for (lane, chunk) in lanes.iter_mut().zip(hash.as_ref().as_chunks().0) {
            *lane = u64::from_be_bytes(*chunk);
        }
        lanes
    }
}

/// Bytes of a [`State`].
pub(super) const STATE_LEN: usize = 48;

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Counts the writes; each is one or more edits.
    pub(super) revision: u64,
    /// Records that are someone's data.
    pub(super) records: u64,
    /// Of all records.
    pub(super) digest: Digest,
}

impl State {
    /// A record is there that was not.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        for (lane, add) in self.digest.0.iter_mut().zip(Digest::of(key, value)) {
            *lane = lane.wrapping_add(add);
        }
        if key.first() != Some(&Kind::Meta.code()) {
            self.records = self.records.wrapping_add(1);
        }
    }

    /// A record that was there is not any more.
    pub(super) fn subtract(&mut self, key: &[u8], value: &[u8]) {
        for (lane, subtract) in self.digest.0.iter_mut().zip(Digest::of(key, value)) {
            *lane = lane.wrapping_sub(subtract);
        }
        if key.first() != Some(&Kind::Meta.code()) {
            self.records = self.records.wrapping_sub(1);
        }
    }

    pub(super) fn to_bytes(self) -> [u8; STATE_LEN] {
        let mut bytes = [0; STATE_LEN];
        let numbers = [self.revision, self.records].into_iter().chain(self.digest.0);
        for (to, number) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
            *to = number.to_be_bytes();
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([revision, records, lanes @ ..], []) = bytes.as_chunks() else { return None };
        let lanes: &[[u8; 8]; 4] = lanes.try_into().ok()?;
        let digest = Digest(lanes.map(u64::from_be_bytes));
        Some(Self { revision: u64::from_be_bytes(*revision), records: u64::from_be_bytes(*records), digest })
    }
}
