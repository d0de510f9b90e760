//! Describing and changing SCRAM credentials, with the checks and texts of Kafka's `ScramControlManager` (KIP-554).

use std::collections::{HashMap, HashSet};

use crate::scram::{
    CredentialError, MAX_ITERATIONS, MAX_SALT_LEN, MAX_USER_LEN, MIN_ITERATIONS, ScramCredential, ScramMechanism,
};
use crate::secret::Secret;
use crate::store::{Change, Store, StoreError, View};
use crate::wire::ErrorCode;

/// One change that is asked for.
#[derive(Clone, Debug)]
pub enum Alteration {
    /// Remove a credential.
    Delete {
        /// Whose.
        user: String,
        /// Kafka's code of the mechanism.
        mechanism: i8,
    },
    /// Set a credential.
    Upsert {
        /// Whose.
        user: String,
        /// Kafka's code of the mechanism.
        mechanism: i8,
        /// Of the SaltedPassword.
        iterations: i32,
        /// Of the SaltedPassword.
        salt: Vec<u8>,
        /// From which the keys are made.
        salted_password: Secret,
    },
}

/// Why a user's alterations are not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's code.
    pub error: ErrorCode,
    /// In words.
    pub message: String,
}

impl Refusal {
    fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::new(ErrorCode::KAFKA_STORAGE_ERROR, "The disk of the credential store is full."),
            StoreError::Failed(_) => {
                Self::new(ErrorCode::KAFKA_STORAGE_ERROR, "The credential store failed. The server's log says how.")
            }
        }
    }
}

/// What became of a user's alterations, all of which are made or none.
pub type Outcome = (String, Result<(), Refusal>);

impl Alteration {
    /// The user.
    pub fn user(&self) -> &str {
        match self {
            Self::Delete { user, .. } | Self::Upsert { user, .. } => user,
        }
    }

    fn mechanism(&self) -> i8 {
        match self {
            Self::Delete { mechanism, .. } | Self::Upsert { mechanism, .. } => *mechanism,
        }
    }

    /// The change that it is, if nothing is wrong with it by itself.
    fn change(&self) -> Result<Change, Refusal> {
        let unacceptable = |message: &str| Refusal::new(ErrorCode::UNACCEPTABLE_CREDENTIAL, message);
        let user = self.user();
        if user.is_empty() {
            return Err(unacceptable("Username must not be empty"));
        }
        let unknown = || Refusal::new(ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
        let mechanism = ScramMechanism::from_code(self.mechanism()).ok_or_else(unknown)?;
        let user = user.to_owned();
        let Self::Upsert { iterations, salt, salted_password, .. } = self else {
            return Ok(Change::RemoveScram { user, mechanism });
        };
        let iterations = match u32::try_from(*iterations) {
            Ok(iterations) if iterations > MAX_ITERATIONS => return Err(unacceptable("Too many iterations")),
            Ok(iterations) if iterations >= MIN_ITERATIONS => iterations,
            _ => return Err(unacceptable("Too few iterations")),
        };
        // Kafka takes such names; nobody can log in with them.
        if user.len() > MAX_USER_LEN || user.contains('\0') {
            return Err(unacceptable("Username must not be longer than 1024 bytes or contain NUL"));
        }
        if salted_password.is_empty() {
            return Err(unacceptable("Salted password must not be empty"));
        }
        let credential = ScramCredential::from_salted_password(mechanism, salted_password.expose(), salt, iterations);
        let credential = credential.map_err(|error| match error {
            CredentialError::SaltLength => unacceptable(&format!("Salt must have 1 to {MAX_SALT_LEN} bytes")),
            other => unacceptable(&other.to_string()),
        })?;
        Ok(Change::SetScram { user, mechanism, credential })
    }
}

/// Makes alterations: those of a user all or none, those of all users that have no fault together. One outcome for each user, in the
/// order in which they are first named.
///
/// In one thing this is more than Kafka's: there a user must not be named twice in one request, here only the same user *and*
/// mechanism twice is a duplicate, so that the command of Kafka's documentation that sets both mechanisms works.
pub async fn alter(store: &Store, alterations: Vec<Alteration>) -> Vec<Outcome> {
    let users: Vec<String> = in_order(alterations.iter().map(Alteration::user));
    // The arithmetic before anyone is made to wait.
    let planned = Planned::new(alterations);
    let decided = store.edit(move |view| planned.decide(view)).await;
    match decided {
        Ok(mut refusals) => users
            .into_iter()
            .map(|user| {
                let refusal = refusals.remove(&user);
                (user, refusal.map_or(Ok(()), Err))
            })
            .collect(),
        Err(error) => {
            tracing::error!(%error, users = users.len(), "credentials were not changed");
            let refusal = Refusal::from(error);
            users.into_iter().map(|user| (user, Err(refusal.clone()))).collect()
        }
    }
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(*name)).map(str::to_owned).collect()
}

/// The alterations in their order, each with what can be said of it without looking at the store.
struct Planned(Vec<(Alteration, Result<Change, Refusal>)>);

impl Planned {
    fn new(alterations: Vec<Alteration>) -> Self {
        let judge = |alteration: Alteration| {
            let change = alteration.change();
            (alteration, change)
        };
        Self(alterations.into_iter().map(judge).collect())
    }

    /// The changes of the users with no fault, and the first fault of each other one: as in Kafka nothing that follows it counts.
    fn decide(self, view: &dyn View) -> Result<(Vec<Change>, HashMap<String, Refusal>), StoreError> {
        let (mut changes, mut refusals) = (Vec::new(), HashMap::new());
        let mut named = HashSet::new();
        for (alteration, change) in self.0 {
            let user = alteration.user();
            if refusals.contains_key(user) {
                continue;
            }
            let change = if !named.insert((user.to_owned(), alteration.mechanism())) {
                let message = "A user credential cannot be altered twice in the same request";
                Err(Refusal::new(ErrorCode::DUPLICATE_RESOURCE, message))
            } else if let Ok(Change::RemoveScram { mechanism, .. }) = &change
                && view.scram(user, *mechanism)?.is_none()
            {
                let message = "Attempt to delete a user credential that does not exist";
                Err(Refusal::new(ErrorCode::RESOURCE_NOT_FOUND, message))
            } else {
                change
            };
            match change {
                Ok(change) => changes.push(change),
                Err(refusal) => drop(refusals.insert(user.to_owned(), refusal)),
            }
        }
        changes.retain(|change| !refusals.contains_key(change.user()));
        Ok((changes, refusals))
    }
}

/// What there is to tell of one user: mechanisms and iterations.
pub type Description = (String, Result<Vec<(ScramMechanism, u32)>, Refusal>);

/// Describes these users, or all if none is named. A name that comes twice gets one answer, an error.
pub async fn describe(store: Option<&Store>, users: Vec<String>) -> Result<Vec<Description>, Refusal> {
    let failed = |error: StoreError| {
        tracing::error!(%error, "credentials cannot be read");
        Refusal::from(error)
    };
    if users.is_empty() {
        let Some(store) = store else { return Ok(Vec::new()) };
        let all = store.scram_users().await.map_err(failed)?;
        return Ok(all.into_iter().map(|(user, of)| (user, Ok(of))).collect());
    }
    let mut times: HashMap<&str, u32> = HashMap::new();
    for user in &users {
        *times.entry(user).or_default() += 1;
    }
    let mut described = Vec::new();
    for user in in_order(users.iter().map(String::as_str)) {
        if times.get(user.as_str()).is_some_and(|times| *times > 1) {
            let message =
                format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}");
            described.push((user, Err(Refusal::new(ErrorCode::DUPLICATE_RESOURCE, message))));
            continue;
        }
        let of = match store {
            Some(store) => store.scram_of(&user).await.map_err(failed)?,
            None => Vec::new(),
        };
        let found = if of.is_empty() {
            let message = format!("Attempt to describe a user credential that does not exist: {user}");
            Err(Refusal::new(ErrorCode::RESOURCE_NOT_FOUND, message))
        } else {
            Ok(of)
        };
        described.push((user, found));
    }
    Ok(described)
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
