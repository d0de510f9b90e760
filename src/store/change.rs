//! The one record of what changed, and its bytes.
//!
//! A [`Change`] is a key and a value, or a key and no value where something is removed: what RocksDB keeps, what an edit writes and
//! what a compacted topic would carry is the same [`Record`]. A key begins with its kind; a value begins with the version of its form.

use crate::scram::{ScramCredential, ScramMechanism};

/// One change, as it is kept and as later other fronts will tell each other.
#[derive(Clone, Debug)]
pub enum Change {
    /// The user has this credential from now on.
    SetScram {
        /// The user's name.
        user: String,
        /// Of which mechanism.
        mechanism: ScramMechanism,
        /// The verifier.
        credential: ScramCredential,
    },
    /// The user has no credential of this mechanism any more.
    RemoveScram {
        /// The user's name.
        user: String,
        /// Of which mechanism.
        mechanism: ScramMechanism,
    },
}

/// The kinds of records. Each has a column family of RocksDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the store knows about itself. Such records stand in the digest, but are no one's data.
    Meta,
    /// SCRAM credentials.
    Scram,
}

impl Kind {
    /// All, in the order of their codes.
    pub(super) const ALL: [Self; 2] = [Self::Meta, Self::Scram];

    /// First byte of a key. Never to be used for something else.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Meta => 0,
            Self::Scram => 1,
        }
    }

    /// Name of its column family. RocksDB always has one that is called `default`.
    pub(super) const fn family(self) -> &'static str {
        match self {
            Self::Meta => "default",
            Self::Scram => "scram",
        }
    }
}

/// A change in bytes. No value: what stood under the key is removed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The code of the kind, and what names the record within it.
    pub(super) key: Vec<u8>,
    /// The version of the form, and the fields.
    pub(super) value: Option<Vec<u8>>,
}

/// Bytes that are no record that this release knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record that this release does not understand")]
pub(super) struct Unreadable;

/// Version of a credential's form: iterations (4 bytes, big endian as all numbers here), length of the salt (2), salt, StoredKey, ServerKey.
const SCRAM_VERSION: u8 = 1;

impl Change {
    /// Whom it is about.
    pub fn user(&self) -> &str {
        match self {
            Self::SetScram { user, .. } | Self::RemoveScram { user, .. } => user,
        }
    }

    pub(super) fn record(&self) -> Record {
        match self {
            Self::SetScram { user, mechanism, credential } => {
                Record { key: scram_key(user, *mechanism), value: Some(scram_value(credential)) }
            }
            Self::RemoveScram { user, mechanism } => Record { key: scram_key(user, *mechanism), value: None },
        }
    }

    /// What a record changes. Records of [`Kind::Meta`] are none.
    pub(super) fn from_record(key: &[u8], value: Option<&[u8]>) -> Result<Self, Unreadable> {
        let (user, mechanism) = scram_name(key)?;
        Ok(match value {
            Some(value) => Self::SetScram { user, mechanism, credential: scram_credential(mechanism, value)? },
            None => Self::RemoveScram { user, mechanism },
        })
    }
}

/// Kind, the name with a NUL written as 00 FF, 00 01, the mechanism: keys are in the order of the names' bytes, and all of a user stand
/// together.
pub(super) fn scram_key(user: &str, mechanism: ScramMechanism) -> Vec<u8> {
    let mut key = Vec::with_capacity(user.len() + 4);
    key.push(Kind::Scram.code());
    for byte in user.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend([0, 1, mechanism.code().unsigned_abs()]);
    key
}

fn scram_name(key: &[u8]) -> Result<(String, ScramMechanism), Unreadable> {
    let mechanism = scram_mechanism(key).ok_or(Unreadable)?;
    let [_, name @ .., 0, 1, _] = key else { return Err(Unreadable) };
    let mut user = Vec::with_capacity(name.len());
    let mut rest = name.iter();
    while let Some(byte) = rest.next() {
        user.push(*byte);
        if *byte == 0 && rest.next() != Some(&0xff) {
            return Err(Unreadable);
        }
    }
    Ok((String::from_utf8(user).map_err(|_| Unreadable)?, mechanism))
}

fn scram_value(credential: &ScramCredential) -> Vec<u8> {
    let salt = credential.salt();
    let mut value = vec![SCRAM_VERSION];
    value.extend(credential.iterations().to_be_bytes());
    // A credential's salt is at most MAX_SALT_LEN long.
    value.extend(u16::try_from(salt.len()).unwrap_or(u16::MAX).to_be_bytes());
    value.extend(salt);
    value.extend(credential.stored_key().expose());
    value.extend(credential.server_key().expose());
    value
}

/// Of which mechanism the credential with this key is.
pub(super) fn scram_mechanism(key: &[u8]) -> Option<ScramMechanism> {
    let [kind, .., 0, 1, code] = key else { return None };
    (*kind == Kind::Scram.code()).then(|| ScramMechanism::from_code(i8::try_from(*code).ok()?)).flatten()
}

/// The credential in a value.
pub(super) fn scram_credential(mechanism: ScramMechanism, value: &[u8]) -> Result<ScramCredential, Unreadable> {
    let (version, rest) = value.split_first().ok_or(Unreadable)?;
    if *version != SCRAM_VERSION {
        return Err(Unreadable);
    }
    let (iterations, rest) = rest.split_first_chunk().ok_or(Unreadable)?;
    let (salt_len, rest) = rest.split_first_chunk().ok_or(Unreadable)?;
    let (salt, keys) = rest.split_at_checked(usize::from(u16::from_be_bytes(*salt_len))).ok_or(Unreadable)?;
    let (stored_key, server_key) = keys.split_at_checked(mechanism.hash_len()).ok_or(Unreadable)?;
    ScramCredential::from_keys(mechanism, salt, stored_key, server_key, u32::from_be_bytes(*iterations))
        .map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written_and_keys_are_in_the_order_of_the_names(
            one in any::<String>(), other in any::<String>(), salt in prop::collection::vec(any::<u8>(), 1..1024), is_long: bool,
        ) {
            let mechanism = ScramMechanism::ALL[usize::from(is_long)];
            let key = vec![7; mechanism.hash_len()];
            let credential = ScramCredential::from_keys(mechanism, &salt, &key, &key, 4096).unwrap();
            let record = Change::SetScram { user: one.clone(), mechanism, credential }.record();
            let read = Change::from_record(&record.key, record.value.as_deref()).unwrap();
            prop_assert_eq!(read.user(), &one);
            prop_assert!(read.record() == record);
            let removal = Change::from_record(&record.key, None).unwrap();
            let removed = removal.record() == Record { key: record.key.clone(), value: None };
            prop_assert!(removed);
            let [first, second] = [&one, &other].map(|name| scram_key(name, mechanism));
            prop_assert_eq!(first.cmp(&second), one.as_bytes().cmp(other.as_bytes()));
            // A byte less or more is no record.
            let value = record.value.unwrap();
            prop_assert!(Change::from_record(&record.key, Some(&value[1..])).is_err());
            prop_assert!(Change::from_record(&record.key, Some(&value[..value.len() - 1])).is_err());
            prop_assert!(Change::from_record(&record.key, Some(&[&value[..], &[0]].concat())).is_err());
        }

        #[test]
        fn whatever_stands_there_is_a_record_or_not(
            key in prop::collection::vec(prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()], 0..20),
            value in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(change) = Change::from_record(&key, None) {
                prop_assert_eq!(change.record().key, &key[..]);
            }
            let with_version = [&[SCRAM_VERSION][..], &value].concat();
            if let Ok(change) = Change::from_record(&scram_key("alice", ScramMechanism::Sha256), Some(&with_version)) {
                prop_assert_eq!(change.record().value, Some(with_version));
            }
        }
    }
}
