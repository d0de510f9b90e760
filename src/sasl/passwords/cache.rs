//! Passwords that were right, so that a client that comes often does not cost milliseconds each time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use aws_lc_rs::{hmac, rand::SystemRandom};
use subtle::{Choice, ConstantTimeEq};

use crate::scram::ScramCredential;

/// Entries that share a lock; the oldest of them makes room.
const WAYS: usize = 16;

/// What stands for a user with a password that is right for a credential: an HMAC under a key that no other process has.
#[derive(Clone, Copy)]
pub(super) struct Tag([u8; 32]);

/// A set of tags. A password or a credential that changes has another tag, so nothing has to be taken out.
pub(super) struct Cache {
    key: hmac::Key,
    sets: ArcSwap<Sets>,
}

struct Sets {
    size: usize,
    sets: Box<[Mutex<Vec<Tag>>]>,
}

impl Sets {
    fn new(size: usize) -> Self {
        Self { size, sets: std::iter::repeat_with(Mutex::default).take(size.div_ceil(WAYS)).collect() }
    }

    fn set(&self, tag: &Tag) -> Option<MutexGuard<'_, Vec<Tag>>> {
        let [a, b, c, d, ..] = tag.0;
        let at = (u32::from_ne_bytes([a, b, c, d]) as usize).checked_rem(self.sets.len())?;
        // What it guards is whole between any two statements.
        Some(self.sets[at].lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cache {
    /// With room for `size`, rounded up to a multiple of 16; 0 keeps nothing.
    pub(super) fn new(size: usize) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Self { key: key.expect("the system gives random bytes"), sets: ArcSwap::from_pointee(Sets::new(size)) }
    }

    /// Another size; what was kept is forgotten.
    pub(super) fn resize(&self, size: usize) {
        if self.size() != size {
            self.sets.store(Sets::new(size).into());
        }
    }

    pub(super) fn size(&self) -> usize {
        self.sets.load().size
    }

    pub(super) fn tag(&self, user: &str, credential: &ScramCredential, password: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user.as_bytes(), credential.stored_key().expose(), password] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        Tag(tag)
    }

    pub(super) fn has(&self, tag: &Tag) -> bool {
        let sets = self.sets.load();
        let Some(set) = sets.set(tag) else { return false };
        set.iter().fold(Choice::from(0), |found, known| found | known.0.ct_eq(&tag.0)).into()
    }

    pub(super) fn keep(&self, tag: Tag) {
        let sets = self.sets.load();
        let Some(mut set) = sets.set(&tag) else { return };
        if set.iter().any(|known| known.0.ct_eq(&tag.0).into()) {
            return;
        }
        if set.len() >= WAYS {
            set.remove(0);
        }
        set.push(tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::ScramMechanism;

    #[test]
    fn a_tag_is_of_user_credential_and_password() {
        let credential = |salt: &[u8]| ScramCredential::from_password(ScramMechanism::Sha256, b"secret", salt, 4096);
        let (old, new) = (credential(b"salt").unwrap(), credential(b"new salt").unwrap());
        let cache = Cache::new(1000);
        let tags = [
            cache.tag("alice", &old, b"secret"),
            cache.tag("alice", &old, b"secret "),
            cache.tag("alic", &old, b"esecret"),
            cache.tag("bob", &old, b"secret"),
            cache.tag("alice", &new, b"secret"),
            Cache::new(1000).tag("alice", &old, b"secret"),
        ];
        cache.keep(tags[0]);
        cache.keep(tags[0]);
        assert_eq!(tags.map(|tag| cache.has(&tag)), [true, false, false, false, false, false]);
        assert!(cache.has(&cache.tag("alice", &old, b"secret")));
    }

    #[test]
    fn it_does_not_outgrow_its_size() {
        let cache = Cache::new(100);
        let tag = |n: u32| {
            let mut tag = [0; 32];
            tag[..4].copy_from_slice(&n.to_ne_bytes());
            Tag(tag)
        };
        (0..10_000).for_each(|n| cache.keep(tag(n)));
        assert_eq!((0..10_000).filter(|n| cache.has(&tag(*n))).count(), 112);
        assert!(cache.has(&tag(9_999)) && !cache.has(&tag(0)));
        cache.resize(0);
        cache.keep(tag(1));
        assert!(!cache.has(&tag(1)) && !cache.has(&tag(9_999)));
        cache.resize(16);
        cache.keep(tag(1));
        assert!(cache.has(&tag(1)));
    }
}
