//! What stands for a credential that is not there, brought up with the work of reading one that is.
//!
//! The store's search is the same for both; what remains is that a record which was found is fetched from memory that nobody has used
//! since the last login of its user, and copied twice. What was worked out a moment ago would come out of the processor's cache instead.

use std::hint::black_box;
use std::sync::LazyLock;

use crate::scram::{ScramCredential, ScramMechanism};

/// Records that stand in memory as those of users do. As many names can be asked for in turn before one of them is met again.
const SLOTS: usize = 1024;
/// Bytes of one: a credential of SCRAM-SHA-512 and its key.
const SLOT: usize = 192;

/// What is in it is of no interest; it is written once, so that each page has memory of its own.
static RECORDS: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0x5a; SLOTS * SLOT].into());

/// The same credential, read from a copy that began as a record of the same length, another one for each name.
pub(super) fn as_if_read(mechanism: ScramMechanism, stand_in: &ScramCredential) -> ScramCredential {
    let (salt, stored_key, server_key) =
        (stand_in.salt(), stand_in.stored_key().expose(), stand_in.server_key().expose());
    // A keyed hash of the name: always the same for it.
    let [low, high, ..] = stored_key else { return stand_in.clone() };
    let slot = usize::from(u16::from_be_bytes([*high, *low])) % SLOTS * SLOT;
    let len = salt.len() + stored_key.len() + server_key.len();
    let found = RECORDS.get(slot..slot + len.min(SLOT)).unwrap_or_default();
    // RocksDB's copy, and the store's.
    let mut record = black_box(found.to_vec()).clone();
    record.clear();
    [salt, stored_key, server_key].into_iter().for_each(|field| record.extend_from_slice(field));
    let (salt, keys) = record.split_at(salt.len());
    let (stored_key, server_key) = keys.split_at(stored_key.len());
    ScramCredential::from_keys(mechanism, salt, stored_key, server_key, stand_in.iterations())
        .unwrap_or_else(|_| stand_in.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::UnknownUsers;
    use crate::secret::Secret;

    #[test]
    fn it_is_the_same_credential() {
        for mechanism in ScramMechanism::ALL {
            let unknown = UnknownUsers::new(Secret::new("key"), 4096).unwrap();
            for n in 0..3000 {
                let stand_in = unknown.credential(mechanism, &format!("nobody-{n}"));
                let read = as_if_read(mechanism, &stand_in);
                assert_eq!((read.salt(), read.iterations()), (stand_in.salt(), stand_in.iterations()));
                assert!(read.stored_key().matches(stand_in.stored_key().expose()));
                assert!(read.server_key().matches(stand_in.server_key().expose()));
            }
        }
    }

    /// So that none is shortened.
    #[test]
    fn a_slot_holds_the_longest_record_that_stands_for_a_user() {
        assert!(26 + 2 * ScramMechanism::Sha512.hash_len() <= SLOT);
    }
}
