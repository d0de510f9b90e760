//! Users as the store keeps them.

use std::net::IpAddr;
use std::sync::Arc;

use super::Passwords;
use crate::sasl::guesses::Guesser;
use crate::sasl::mechanism::Outage;
use crate::sasl::shared::ScramCredentials;
use crate::scram::{ScramCredential, ScramMechanism, UnknownUsers};

/// Checks passwords against the SCRAM credentials of one mechanism.
#[derive(Clone)]
pub(in crate::sasl) struct StoredUsers {
    mechanism: ScramMechanism,
    credentials: Arc<dyn ScramCredentials>,
    unknown: UnknownUsers,
    passwords: Arc<Passwords>,
}

impl StoredUsers {
    pub(in crate::sasl) fn new(
        mechanism: ScramMechanism,
        credentials: Arc<dyn ScramCredentials>,
        unknown: UnknownUsers,
        passwords: Arc<Passwords>,
    ) -> Self {
        Self { mechanism, credentials, unknown, passwords }
    }

    /// Whether it is the user's password. A user that does not exist costs what one costs that does.
    pub(in crate::sasl) async fn is_right(
        &self,
        peer: IpAddr,
        guesser: Guesser,
        user: &str,
        password: &[u8],
    ) -> Result<bool, Outage> {
        let credential = self.find(user).await?;
        self.passwords.is_of(peer, guesser, user, (self.mechanism, credential), password).await
    }

    /// Takes the time of a check, whose outcome is of no interest: the password is known to be wrong and counted as such.
    pub(in crate::sasl) async fn take_as_long(&self, peer: IpAddr, user: &str, password: &[u8]) -> Result<(), Outage> {
        self.find(user).await?;
        let phantom = (self.mechanism, self.phantom(user));
        self.passwords.is_of(peer, Guesser::nobody(), user, phantom, password).await.map(drop)
    }

    /// The phantom is made, whoever it is: the same steps for everybody.
    pub(super) async fn find(&self, user: &str) -> Result<ScramCredential, Outage> {
        let found = self.credentials.find(user, self.mechanism).await?;
        let phantom = self.phantom(user);
        Ok(found.unwrap_or(phantom))
    }

    /// A credential that no password fits. The same each time, and the same that SCRAM shows.
    fn phantom(&self, user: &str) -> ScramCredential {
        self.unknown.credential(self.mechanism, user)
    }
}
