//! What the records of a snapshot and a log amount to.

use std::collections::BTreeMap;

use super::batch::{Batch, BatchError};
use super::record::{KafkaCredential, MetadataRecord, RecordError, Whose};
use crate::scram::{CredentialError, ScramCredential, ScramMechanism};

/// The credentials of a cluster's users after the batches that were applied.
#[derive(Debug, Default)]
pub struct Image {
    credentials: BTreeMap<Whose, KafkaCredential>,
    /// The changes of a transaction that has begun and not ended. In a removal there is no credential.
    transaction: Option<Vec<(Whose, Option<KafkaCredential>)>>,
}

/// Why a batch cannot be applied. The text goes on after a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The batch itself.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// One of its records.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The end of a transaction without its beginning, or two beginnings.
    #[error("has a transaction that begins or ends out of turn")]
    Transaction,
}

/// A credential that Kafka has and that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("user '{}': {problem}", user.escape_debug())]
pub struct Unusable {
    /// Whose.
    pub user: String,
    /// Why.
    pub problem: UnusableReason,
}

/// Why a credential cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableReason {
    /// Of a newer Kafka, or of none.
    #[error("a credential of the SCRAM mechanism {0}, which is not known")]
    Mechanism(i8),
    /// Too weak, or a field of a wrong length.
    #[error("{0}: {1}")]
    Credential(ScramMechanism, CredentialError),
    /// Nobody can be called so.
    #[error("the name is empty")]
    NoName,
}

impl Image {
    /// Applies a batch. The records of a control batch say nothing about users.
    pub fn apply(&mut self, batch: &Batch<'_>) -> Result<(), ImageError> {
        batch.records(
            |record| {
                if batch.is_control { Ok(()) } else { self.apply_record(MetadataRecord::parse(record.value)?) }
            },
        )
    }

    fn apply_record(&mut self, record: MetadataRecord) -> Result<(), ImageError> {
        match record {
            MetadataRecord::SetScram(whose, credential) => self.change(whose, Some(credential)),
            MetadataRecord::RemoveScram(whose) => self.change(whose, None),
            MetadataRecord::Begin if self.transaction.is_none() => self.transaction = Some(Vec::new()),
            MetadataRecord::End if self.transaction.is_some() => {
                for (whose, credential) in self.transaction.take().unwrap_or_default() {
                    self.change(whose, credential);
                }
            }
            MetadataRecord::Abort if self.transaction.is_some() => self.transaction = None,
            MetadataRecord::Begin | MetadataRecord::End | MetadataRecord::Abort => return Err(ImageError::Transaction),
            MetadataRecord::Other => {}
        }
        Ok(())
    }

    fn change(&mut self, whose: Whose, credential: Option<KafkaCredential>) {
        match (&mut self.transaction, credential) {
            (Some(changes), credential) => changes.push((whose, credential)),
            (None, Some(credential)) => {
                self.credentials.insert(whose, credential);
            }
            (None, None) => {
                self.credentials.remove(&whose);
            }
        }
    }

    /// Whether a transaction has begun and not ended. Nothing of it is in the credentials.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// All credentials in the order of the names' bytes, and what is wrong with those that cannot be taken.
    pub fn into_credentials(self) -> (Vec<(String, ScramMechanism, ScramCredential)>, Vec<Unusable>) {
        let (mut good, mut unusable) = (Vec::new(), Vec::new());
        for (Whose { user, mechanism }, credential) in self.credentials {
            match usable(&user, mechanism, &credential) {
                Ok((mechanism, credential)) => good.push((user, mechanism, credential)),
                Err(problem) => unusable.push(Unusable { user, problem }),
            }
        }
        (good, unusable)
    }
}

fn usable(user: &str, code: i8, found: &KafkaCredential) -> Result<(ScramMechanism, ScramCredential), UnusableReason> {
    if user.is_empty() {
        return Err(UnusableReason::NoName);
    }
    let mechanism = ScramMechanism::from_code(code).ok_or(UnusableReason::Mechanism(code))?;
    let iterations = u32::try_from(found.iterations).unwrap_or(0);
    let (stored_key, server_key) = (found.stored_key.expose(), found.server_key.expose());
    ScramCredential::from_keys(mechanism, &found.salt, stored_key, server_key, iterations)
        .map(|credential| (mechanism, credential))
        .map_err(|problem| UnusableReason::Credential(mechanism, problem))
}
