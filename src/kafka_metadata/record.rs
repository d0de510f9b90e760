//! Metadata records: the frame that all have, and the content of those that are about SCRAM and about transactions (KIP-868).

use crate::secret::Secret;
use crate::wire::{Malformed, Reader};

/// The only version of the frame around a record.
const FRAME: u32 = 1;

/// Kafka's numbers of the records that are understood (`metadata/src/main/resources/common/metadata`).
mod key {
    pub const USER_SCRAM_CREDENTIAL: u32 = 11;
    pub const REMOVE_USER_SCRAM_CREDENTIAL: u32 = 22;
    pub const BEGIN_TRANSACTION: u32 = 23;
    pub const END_TRANSACTION: u32 = 24;
    pub const ABORT_TRANSACTION: u32 = 25;
}

/// What a record says, as far as it matters here.
#[derive(Debug)]
pub enum MetadataRecord {
    /// The user has this credential from now on.
    SetScram(Whose, KafkaCredential),
    /// The user has no credential of this mechanism any more.
    RemoveScram(Whose),
    /// What follows holds when the transaction has ended, all or none.
    Begin,
    /// It holds.
    End,
    /// It does not.
    Abort,
    /// Something else.
    Other,
}

/// A user and Kafka's number of a mechanism. Neither is judged here: what a later record replaces or removes need not be good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whose {
    /// The user's name.
    pub user: String,
    /// 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
    pub mechanism: i8,
}

/// A credential as Kafka has it.
#[derive(Clone, Debug)]
pub struct KafkaCredential {
    /// The salt.
    pub salt: Vec<u8>,
    /// `H(ClientKey)`.
    pub stored_key: Secret,
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: Secret,
    /// The iteration count.
    pub iterations: i32,
}

/// What is wrong with a record. The text goes on after a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not of the grammar.
    #[error("has a record that is malformed")]
    Malformed,
    /// A newer Kafka.
    #[error("has a record in a frame of version {0}, which is not known: a newer Kafka wrote it")]
    Frame(u32),
    /// A newer Kafka.
    #[error("has a record about a SCRAM credential of version {0}, which is not known: a newer Kafka wrote it")]
    Version(u32),
}

impl From<Malformed> for RecordError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl MetadataRecord {
    /// Reads a record's value.
    pub fn parse(value: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(value);
        let frame = reader.uvarint()?;
        if frame != FRAME {
            return Err(RecordError::Frame(frame));
        }
        let (key, version) = (reader.uvarint()?, reader.uvarint()?);
        match key {
            key::USER_SCRAM_CREDENTIAL | key::REMOVE_USER_SCRAM_CREDENTIAL if version != 0 => {
                Err(RecordError::Version(version))
            }
            key::USER_SCRAM_CREDENTIAL => Ok(set_scram(reader)?),
            key::REMOVE_USER_SCRAM_CREDENTIAL => {
                let whose = whose(&mut reader)?;
                end(reader)?;
                Ok(Self::RemoveScram(whose))
            }
            key::BEGIN_TRANSACTION => Ok(Self::Begin),
            key::END_TRANSACTION => Ok(Self::End),
            key::ABORT_TRANSACTION => Ok(Self::Abort),
            _ => Ok(Self::Other),
        }
    }
}

fn set_scram(mut reader: Reader<'_>) -> Result<MetadataRecord, Malformed> {
    let whose = whose(&mut reader)?;
    let credential = KafkaCredential {
        salt: bytes(&mut reader)?.into(),
        stored_key: Secret::new(bytes(&mut reader)?),
        server_key: Secret::new(bytes(&mut reader)?),
        iterations: reader.i32()?,
    };
    end(reader)?;
    Ok(MetadataRecord::SetScram(whose, credential))
}

fn whose(reader: &mut Reader<'_>) -> Result<Whose, Malformed> {
    let name = reader.compact_string()?;
    let user = std::str::from_utf8(name).map_err(|_| Malformed)?.to_owned();
    Ok(Whose { user, mechanism: reader.u8()?.cast_signed() })
}

fn bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    reader.compact_nullable_bytes()?.ok_or(Malformed)
}

/// Tagged fields, which may come with a later Kafka, are all that may follow.
fn end(mut reader: Reader<'_>) -> Result<(), Malformed> {
    reader.skip_tags()?;
    if reader.rest().is_empty() { Ok(()) } else { Err(Malformed) }
}
