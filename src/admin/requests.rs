//! The operations as requests of Kafka's protocol.

use bytes::BytesMut;

use super::Administration;
use super::scram::{self, Alteration, Outcome, Refusal};
use crate::principal::KafkaPrincipal;
use crate::wire::header::{RequestHeader, api_key};
use crate::wire::scram_admin::{
    AlterRequest, AlterResponse, Altered, Deletion, DescribeRequest, DescribeResponse, Described, Upsertion,
};
use crate::wire::{ErrorCode, Malformed};

/// Kafka's words for error 31.
const NOT_AUTHORIZED: &str = "Cluster authorization failed.";
/// For error 54, on a front that keeps nothing.
const NO_STORE: &str = "This server keeps no credentials: store.dir is not set.";

impl Administration {
    /// Largest request in bytes of an administrator; a credential takes about 130.
    pub const MAX_REQUEST: u32 = 8 << 20;

    /// The whole response frame for a request (without its size) of DescribeUserScramCredentials or
    /// AlterUserScramCredentials, whose version has been checked. Fails for one that does not parse.
    pub async fn answer(&self, caller: &KafkaPrincipal, request: &[u8]) -> Result<BytesMut, Malformed> {
        let (header, body) = RequestHeader::parse(request)?;
        let mut out = BytesMut::new();
        match header.api_key {
            api_key::DESCRIBE_USER_SCRAM_CREDENTIALS => {
                self.describe(caller, DescribeRequest::decode(body)?).await.put(&mut out, header.correlation_id);
            }
            api_key::ALTER_USER_SCRAM_CREDENTIALS => {
                self.alter(caller, AlterRequest::decode(body)?).await.put(&mut out, header.correlation_id);
            }
            _ => return Err(Malformed),
        }
        Ok(out)
    }

    async fn describe(&self, caller: &KafkaPrincipal, request: DescribeRequest) -> DescribeResponse {
        if !self.may(caller) {
            let error = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
            // As Kafka: one result for each user that was asked for, without its name, and without a message.
            let result = |_| Described { user: String::new(), error, error_message: None, credentials: Vec::new() };
            let results = request.users.iter().map(result).collect();
            return DescribeResponse { error, error_message: None, results };
        }
        match scram::describe(self.store.as_ref(), request.users).await {
            Ok(described) => {
                let results = described.into_iter().map(|(user, of)| described_result(user, of)).collect();
                // Kafka's description that succeeds has an empty message, not none.
                DescribeResponse { error: ErrorCode::NONE, error_message: Some(String::new()), results }
            }
            Err(Refusal { error, message }) => {
                DescribeResponse { error, error_message: Some(message), results: Vec::new() }
            }
        }
    }

    async fn alter(&self, caller: &KafkaPrincipal, request: AlterRequest) -> AlterResponse {
        let alterations = alterations(request);
        let refused = |error: ErrorCode, message: &str| {
            let mut users: Vec<&str> = alterations.iter().map(Alteration::user).collect();
            users.sort_unstable();
            users.dedup();
            let result = |user: &str| Altered { user: user.to_owned(), error, error_message: Some(message.to_owned()) };
            AlterResponse { results: users.into_iter().map(result).collect() }
        };
        if !self.may(caller) {
            tracing::warn!(%caller, "may not change credentials");
            return refused(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, NOT_AUTHORIZED);
        }
        let Some(store) = &self.store else { return refused(ErrorCode::SECURITY_DISABLED, NO_STORE) };
        let outcomes = scram::alter(store, alterations).await;
        log(caller, &outcomes);
        let result = |(user, outcome): (String, Result<(), Refusal>)| match outcome {
            Ok(()) => Altered { user, error: ErrorCode::NONE, error_message: None },
            Err(Refusal { error, message }) => Altered { user, error, error_message: Some(message) },
        };
        AlterResponse { results: outcomes.into_iter().map(result).collect() }
    }
}

/// Most users that one line of the log names.
const NAMED: usize = 10;

/// Who has changed whose credentials: what an auditor asks for.
fn log(caller: &KafkaPrincipal, outcomes: &[Outcome]) {
    let changed: Vec<&str> =
        outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(user, _)| user.as_str()).collect();
    let (users, refused) = (changed.len(), outcomes.len() - changed.len());
    let named = &changed[..users.min(NAMED)];
    let more = users - named.len();
    tracing::info!(%caller, users, refused, ?named, more, "credentials changed");
}

fn described_result(user: String, of: Result<Vec<(crate::scram::ScramMechanism, u32)>, Refusal>) -> Described {
    match of {
        Ok(of) => {
            let credentials =
                of.into_iter().map(|(mechanism, iterations)| (mechanism.code(), iterations as i32)).collect();
            Described { user, error: ErrorCode::NONE, error_message: Some(String::new()), credentials }
        }
        Err(Refusal { error, message }) => {
            Described { user, error, error_message: Some(message), credentials: Vec::new() }
        }
    }
}

/// Deletions first, as Kafka judges them.
fn alterations(request: AlterRequest) -> Vec<Alteration> {
    let delete = |Deletion { user, mechanism }| Alteration::Delete { user, mechanism };
    let upsert = |Upsertion { user, mechanism, iterations, salt, salted_password }| Alteration::Upsert {
        user,
        mechanism,
        iterations,
        salt,
        salted_password,
    };
    let deletions = request.deletions.into_iter().map(delete);
    deletions.chain(request.upsertions.into_iter().map(upsert)).collect()
}
