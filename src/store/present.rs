//! Which credentials there are, so that it takes as long to find out that one is not there as to read one that is.
//!
//! RocksDB looks for a key in what was written last, then in file after file from new to old, and stops where it has found it. What is
//! there is so found the sooner the later it was written, and what is not there is looked for everywhere. Who asks for a credential that
//! is not there therefore has one read that is: another one for each name, always the same, drawn from all.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::change::scram_mechanism;
use crate::scram::ScramMechanism;

/// Most credentials of a mechanism that are read instead. More than RocksDB's cache has blocks, so that they are not more at hand than those
/// of users.
const MAX_SAMPLE: usize = 4096;

/// Five to ten bytes for each credential, and the samples.
#[derive(Debug, Default)]
pub(super) struct Present {
    random: RandomState,
    /// Hashes of the keys. One that is not there and has the hash of one that is, one in 40,000 with 100,000 users, is looked for.
    hashes: HashSet<u32>,
    /// How many more keys than one have this hash.
    more: HashMap<u32, u32>,
    /// Of each mechanism, in the order of [`ScramMechanism::ALL`]: hash and key.
    samples: [Vec<(u32, Box<[u8]>)>; ScramMechanism::ALL.len()],
}

impl Present {
    /// The key, which had no value, has one from now on. Keys of other kinds are left out.
    pub(super) fn add(&mut self, key: &[u8]) {
        let Some(of) = sample_of(key) else { return };
        let hash = self.random.hash_one(key);
        if !self.hashes.insert(short(hash)) {
            *self.more.entry(short(hash)).or_default() += 1;
        }
        let sample = &mut self.samples[of];
        if sample.len() < MAX_SAMPLE {
            sample.push((short(hash), key.into()));
        } else if let Some(one) = sample.get_mut(below(hash, self.hashes.len())) {
            // Whichever came, all are in the sample with about the same probability.
            *one = (short(hash), key.into());
        }
    }

    /// The key, which had a value, has none from now on.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let Some(of) = sample_of(key) else { return };
        let hash = short(self.random.hash_one(key));
        match self.more.get_mut(&hash) {
            None => {
                self.hashes.remove(&hash);
            }
            Some(1) => {
                self.more.remove(&hash);
            }
            Some(more) => *more -= 1,
        }
        let sample = &mut self.samples[of];
        if let Some(at) = sample.iter().position(|(other, other_key)| *other == hash && **other_key == *key) {
            sample.swap_remove(at);
        }
    }

    /// The value of a key is another one.
    pub(super) fn change(&mut self, key: &[u8], had_value: bool, has_value: bool) {
        match (had_value, has_value) {
            (false, true) => self.add(key),
            (true, false) => self.remove(key),
            _ => {}
        }
    }

    /// Whether the key can have a value; the time that the answer takes says the same.
    pub(super) fn may_have(&self, key: &[u8]) -> bool {
        self.hashes.contains(&short(self.random.hash_one(key)))
    }

    /// The key to read, and whether it is that one: if not, there is none of that key.
    pub(super) fn to_read(&self, key: &[u8]) -> (Vec<u8>, bool) {
        let hash = self.random.hash_one(key);
        let sample = sample_of(key).map_or(&[][..], |of| &self.samples[of]);
        let instead = sample.get(below(hash.rotate_left(32), sample.len()));
        match (self.hashes.contains(&short(hash)), instead) {
            (false, Some((_, instead))) => (instead.to_vec(), false),
            // Where there are no others, the key itself is looked for.
            _ => (key.to_vec(), true),
        }
    }
}

/// Which sample a key belongs to.
fn sample_of(key: &[u8]) -> Option<usize> {
    let mechanism = scram_mechanism(key)?;
    ScramMechanism::ALL.iter().position(|one| *one == mechanism)
}

fn short(hash: u64) -> u32 {
    hash as u32
}

/// A number less than `n`, evenly spread; 0 for none.
fn below(hash: u64, n: usize) -> usize {
    ((u128::from(hash) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::change::scram_key;

    const SHA_256: ScramMechanism = ScramMechanism::Sha256;

    fn key(n: usize) -> Vec<u8> {
        scram_key(&format!("user-{n}"), SHA_256)
    }

    #[test]
    fn who_is_there_is_read_and_for_who_is_not_another_one_always_the_same() {
        let mut present = Present::default();
        assert_eq!(present.to_read(&key(0)), (key(0), true), "there is nothing else to read");
        (0..100).for_each(|n| present.add(&key(n)));
        present.add(&scram_key("other", ScramMechanism::Sha512));
        let all: HashSet<_> = (0..100).map(key).collect();
        assert!(all.iter().all(|key| present.to_read(key) == (key.clone(), true)));
        assert!(all.iter().all(|key| present.may_have(key)));
        let mut read = HashSet::new();
        for n in 100..10_000 {
            let (instead, is_it) = present.to_read(&key(n));
            assert!(!is_it && all.contains(&instead));
            assert_eq!(present.to_read(&key(n)), (instead.clone(), false));
            read.insert(instead);
        }
        assert_eq!(read.len(), 100, "each of them is read for somebody");
        (0..99).for_each(|n| present.remove(&key(n)));
        assert_eq!(present.to_read(&key(0)), (key(99), false));
        present.remove(&key(99));
        assert_eq!(present.to_read(&key(0)), (key(0), true));
    }

    #[test]
    fn the_sample_is_bounded_and_of_all_that_came() {
        let mut present = Present::default();
        let n = 4 * MAX_SAMPLE;
        (0..n).for_each(|n| present.add(&key(n)));
        let [sample, none] = &present.samples;
        assert!(sample.len() == MAX_SAMPLE && none.is_empty());
        let first: HashSet<_> = (0..n / 2).map(key).collect();
        let of_first = sample.iter().filter(|(_, key)| first.contains(&**key)).count();
        assert!((MAX_SAMPLE / 3..MAX_SAMPLE * 2 / 3).contains(&of_first), "{of_first} of {MAX_SAMPLE}");
    }

    /// Nobody is lost because somebody else goes.
    #[test]
    fn keys_of_one_hash_are_counted() {
        let mut present = Present::default();
        let n = 300_000;
        (0..n).for_each(|n| present.add(&key(n)));
        let twice = present.more.values().sum::<u32>() as usize;
        assert_eq!(present.hashes.len() + twice, n);
        assert!((1..100).contains(&twice), "some ten are expected: {twice}");
        (0..n).step_by(2).for_each(|n| present.remove(&key(n)));
        assert!((1..n).step_by(2).all(|n| present.to_read(&key(n)) == (key(n), true)));
        (1..n).step_by(2).for_each(|n| present.remove(&key(n)));
        assert!(present.hashes.is_empty() && present.more.is_empty() && present.samples.iter().all(Vec::is_empty));
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let mut present = Present::default();
        for key in [&b""[..], b"\0state", b"\x01", b"\x01alice\0\x01\x07"] {
            present.add(key);
            present.remove(key);
            present.change(key, false, true);
            assert_eq!(present.to_read(key), (key.to_vec(), true));
        }
        assert!(present.hashes.is_empty());
    }
}
