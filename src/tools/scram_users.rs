//! Users' SCRAM credentials, in a cluster or in a store: described and altered by the same words.

use super::client::{Api, Client};
use super::failure::Failure;
use super::kafka_error;
use crate::admin::{self, Alteration};
use crate::scram::ScramMechanism;
use crate::secret::Secret;
use crate::store::Store;
use crate::wire::ErrorCode;
use crate::wire::header::api_key;
use crate::wire::scram_admin::{
    AlterRequest, AlterResponse, Deletion, DescribeRequest, DescribeResponse, Upsertion, VERSION,
};

const DESCRIBE: Api =
    Api { key: api_key::DESCRIBE_USER_SCRAM_CREDENTIALS, version: VERSION, name: "DESCRIBE_USER_SCRAM_CREDENTIALS" };
const ALTER: Api =
    Api { key: api_key::ALTER_USER_SCRAM_CREDENTIALS, version: VERSION, name: "ALTER_USER_SCRAM_CREDENTIALS" };

/// Where users are kept.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub(super) enum Users {
    /// Behind a server that speaks Kafka.
    Server(Client),
    /// In a store that no server has open.
    Store(Store),
}

/// A credential to set, derived from its password.
pub(super) struct Derived {
    pub user: String,
    pub mechanism: ScramMechanism,
    pub iterations: i32,
    pub salt: Vec<u8>,
    pub salted_password: Secret,
}

/// What is told of one user: the credentials' mechanism and iterations, or an error and its words.
pub(super) type Described = (String, Result<Vec<(String, i32)>, (ErrorCode, Option<String>)>);
/// What became of one user's changes.
pub(super) type Changed = (String, Result<(), (ErrorCode, Option<String>)>);

impl Users {
    /// Describes these users, or all.
    pub async fn describe(&mut self, users: Vec<String>) -> Result<Vec<Described>, Failure> {
        match self {
            Self::Server(client) => {
                let request = DescribeRequest { users };
                let put = |out: &mut _, id, client_id: &str| request.put(out, id, client_id);
                let response = client.call(DESCRIBE, put, DescribeResponse::decode).await?;
                if response.error != ErrorCode::NONE {
                    return Err(kafka_error::failure(response.error, response.error_message.as_deref()));
                }
                let described = response.results.into_iter().map(|result| {
                    let credentials =
                        result.credentials.into_iter().map(|(code, iterations)| (mechanism_name(code), iterations));
                    let told = match result.error {
                        ErrorCode::NONE => Ok(credentials.collect()),
                        error => Err((error, result.error_message)),
                    };
                    (result.user, told)
                });
                Ok(described.collect())
            }
            Self::Store(store) => {
                let described = admin::describe_scram(Some(store), users).await;
                let described =
                    described.map_err(|refusal| kafka_error::failure(refusal.error, Some(&refusal.message)))?;
                let described = described.into_iter().map(|(user, told)| {
                    let told = told.map_err(|refusal| (refusal.error, Some(refusal.message))).map(|credentials| {
                        credentials
                            .into_iter()
                            .map(|(mechanism, iterations)| (mechanism.as_str().to_owned(), iterations as i32))
                            .collect()
                    });
                    (user, told)
                });
                Ok(described.collect())
            }
        }
    }

    /// Asks for changes. The answer is read by [`Self::changed`]; a server may be asked for more meanwhile.
    pub async fn change(
        &mut self,
        deletions: Vec<(String, ScramMechanism)>,
        upsertions: Vec<Derived>,
    ) -> Result<Option<Vec<Changed>>, Failure> {
        match self {
            Self::Server(client) => {
                let deletions = deletions
                    .into_iter()
                    .map(|(user, mechanism)| Deletion { user, mechanism: mechanism.code() })
                    .collect();
                let upsertions = upsertions
                    .into_iter()
                    .map(|one| Upsertion {
                        user: one.user,
                        mechanism: one.mechanism.code(),
                        iterations: one.iterations,
                        salt: one.salt,
                        salted_password: one.salted_password,
                    })
                    .collect();
                let request = AlterRequest { deletions, upsertions };
                client.send(ALTER, |out, id, client_id| request.put(out, id, client_id)).await?;
                Ok(None)
            }
            Self::Store(store) => {
                let deletions = deletions
                    .into_iter()
                    .map(|(user, mechanism)| Alteration::Delete { user, mechanism: mechanism.code() });
                let upsertions = upsertions.into_iter().map(|one| Alteration::Upsert {
                    user: one.user,
                    mechanism: one.mechanism.code(),
                    iterations: one.iterations,
                    salt: one.salt,
                    salted_password: one.salted_password,
                });
                let outcomes = admin::alter_scram(store, deletions.chain(upsertions).collect()).await;
                let changed = outcomes
                    .into_iter()
                    .map(|(user, outcome)| (user, outcome.map_err(|refusal| (refusal.error, Some(refusal.message)))));
                Ok(Some(changed.collect()))
            }
        }
    }

    /// The answer to the oldest [`Self::change`] that a server still owes.
    pub async fn changed(&mut self) -> Result<Vec<Changed>, Failure> {
        let Self::Server(client) = self else { return Ok(Vec::new()) };
        let response = client.receive(AlterResponse::decode).await?;
        let changed = response.results.into_iter().map(|result| match result.error {
            ErrorCode::NONE => (result.user, Ok(())),
            error => (result.user, Err((error, result.error_message))),
        });
        Ok(changed.collect())
    }

    /// How many answers are owed.
    pub fn in_flight(&self) -> usize {
        match self {
            Self::Server(client) => client.in_flight(),
            Self::Store(_) => 0,
        }
    }
}

fn mechanism_name(code: i8) -> String {
    ScramMechanism::from_code(code).map_or("UNKNOWN", ScramMechanism::as_str).to_owned()
}
