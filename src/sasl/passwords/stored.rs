//! Users as the store keeps them.

use std::net::IpAddr;
use std::sync::Arc;

use super::Passwords;
use crate::sasl::guesses::Guesser;
use crate::sasl::mechanism::Outage;
use crate::sasl::shared::ScramCredentials;
use crate::scram::{ScramCredential, ScramMechanism, UnknownUsers};

/// Checks passwords against SCRAM credentials.
#[derive(Clone)]
pub(in crate::sasl) struct StoredUsers {
    credentials: Arc<dyn ScramCredentials>,
    unknown: UnknownUsers,
    passwords: Arc<Passwords>,
}

impl StoredUsers {
    pub(in crate::sasl) fn new(
        credentials: Arc<dyn ScramCredentials>,
        unknown: UnknownUsers,
        passwords: Arc<Passwords>,
    ) -> Self {
        Self { credentials, unknown, passwords }
    }

    /// Whether it is the user's password, by the credential of SCRAM-SHA-256, or else of SCRAM-SHA-512. A user that does not exist
    /// costs what one costs that does.
    pub(in crate::sasl) async fn is_right(
        &self,
        peer: IpAddr,
        guesser: Guesser,
        user: &str,
        password: &[u8],
    ) -> Result<bool, Outage> {
        let (mechanism, credential) = self.find(user).await?;
        self.passwords.is_of(peer, guesser, user, (mechanism, credential), password).await
    }

    /// Takes the time of a check, whose outcome is of no interest: the password is known to be wrong and counted as such.
    pub(in crate::sasl) async fn take_as_long(&self, peer: IpAddr, user: &str, password: &[u8]) -> Result<(), Outage> {
        self.find(user).await?;
        let phantom = (ScramMechanism::Sha256, self.phantom(user));
        self.passwords.is_of(peer, Guesser::nobody(), user, phantom, password).await.map(drop)
    }

    /// Both are looked for and the phantom is made, whoever it is: the same steps for everybody.
    pub(super) async fn find(&self, user: &str) -> Result<(ScramMechanism, ScramCredential), Outage> {
        let sha_256 = self.credentials.find(user, ScramMechanism::Sha256).await?;
        let sha_512 = self.credentials.find(user, ScramMechanism::Sha512).await?;
        let phantom = self.phantom(user);
        let sha_256 = sha_256.map(|found| (ScramMechanism::Sha256, found));
        let sha_512 = sha_512.map(|found| (ScramMechanism::Sha512, found));
        Ok(sha_256.or(sha_512).unwrap_or((ScramMechanism::Sha256, phantom)))
    }

    /// A credential that no password fits. The same each time, and the same that SCRAM shows.
    fn phantom(&self, user: &str) -> ScramCredential {
        self.unknown.credential(ScramMechanism::Sha256, user)
    }
}
