//! PLAIN (RFC 4616) with the users of the JAAS section, as Kafka's `PlainLoginModule` keeps them, with those whose SCRAM
//! credentials are in the store, or with both.

use std::collections::HashMap;
use std::future;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

use super::guesses::{Admitted, Guesses};
use super::mechanism::{
    AuthnError, BoxFuture, Mechanism, MechanismError, MechanismName, Peer, Rejection, ServerExchange, Step, Verified,
    made_up_credentials,
};
use super::passwords::StoredUsers;
use super::scram;
use super::shared::FactoryInput;
use crate::config::PlainSources;
use crate::principal::KafkaPrincipal;
use crate::secret::Secret;

/// The one login module that PLAIN accepts in its JAAS section.
pub const LOGIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

/// Longest user name (authcid and authzid alike) in bytes; RFC 4616 §2 has no more than 255 characters.
pub const MAX_USERNAME_LEN: usize = 1024;
/// Longest password in bytes; wide enough for a JWT.
pub const MAX_PASSWORD_LEN: usize = 16 * 1024;
/// Longest token: authzid, authcid, passwd and two NULs.
pub const MAX_TOKEN_LEN: usize = 2 * MAX_USERNAME_LEN + MAX_PASSWORD_LEN + 2;

const USER_OPTION_PREFIX: &str = "user_";

const ONE_PART: Rejection = Rejection::text("Invalid SASL/PLAIN response: expected 3 tokens, got 1");
const TWO_PARTS: Rejection = Rejection::text("Invalid SASL/PLAIN response: expected 3 tokens, got 2");
const FOUR_OR_MORE_PARTS: Rejection = Rejection::text("Invalid SASL/PLAIN response: expected 3 tokens, got 4");
/// Kafka has no such text: it replaces what is not UTF-8, and so lets two byte strings be one user.
const NOT_UTF8: Rejection = Rejection::text("Invalid SASL/PLAIN response: not UTF-8");
const NO_USERNAME: Rejection = Rejection::text("Authentication failed: username not specified");
const NO_PASSWORD: Rejection = Rejection::text("Authentication failed: password not specified");
const WRONG: Rejection = Rejection::text("Authentication failed: Invalid username or password");
const OTHER_AUTHZID: Rejection =
    Rejection::text("Authentication failed: Client requested an authorization id that is different from username");

/// `PLAIN`.
pub fn name() -> MechanismName {
    MechanismName::new("PLAIN").unwrap_or_else(|| unreachable!("a legal name"))
}

/// Builds PLAIN with the users of `sasl.plain.credentials`.
pub fn factory(input: &FactoryInput<'_>) -> Result<Arc<dyn Mechanism>, MechanismError> {
    let FactoryInput { config, shared, .. } = input;
    let sources = PlainSources::of(config).map_err(MechanismError)?;
    let by_name = if sources.jaas { jaas_users(input)? } else { HashMap::new() };
    let stored = match (&shared.scram, sources.scram) {
        (Some(credentials), Some(mechanism)) => {
            let unknown = scram::unknown_users(input, &**credentials)?;
            Some(StoredUsers::new(mechanism, credentials.clone(), unknown, shared.passwords.clone()))
        }
        (None, Some(_)) => return Err(MechanismError(PlainSources::NO_STORE.to_owned())),
        (_, None) => None,
    };
    Ok(Arc::new(Plain { name: name(), users: Arc::new(Users::new(by_name, stored, shared.guesses.clone())) }))
}

/// The `user_<name>` options of the first [`LOGIN_MODULE`] entry of the JAAS context. The entry's `username` and `password` are
/// Kafka's own client credentials and define no user.
fn jaas_users(input: &FactoryInput<'_>) -> Result<HashMap<Box<str>, User>, MechanismError> {
    let FactoryInput { config, listener, .. } = input;
    // A section of the static JAAS file may serve several mechanisms: the other modules are theirs.
    let mut modules = config.jaas.modules.iter().filter(|module| module.class == LOGIN_MODULE);
    let Some(module) = modules.next() else {
        let others: Vec<&str> = config.jaas.modules.iter().map(|module| module.class.as_str()).collect();
        return Err(MechanismError(format!("its JAAS configuration has no {LOGIN_MODULE}, but {others:?}")));
    };
    if modules.next().is_some() {
        tracing::warn!(%listener, "PLAIN: only the first PlainLoginModule of the JAAS section is used");
    }
    let mut users = HashMap::new();
    for (option, password) in &module.options {
        let Some(username) = option.strip_prefix(USER_OPTION_PREFIX) else { continue };
        if username.is_empty() || username.len() > MAX_USERNAME_LEN || username.contains('\0') {
            let option: String = option.chars().take(64).collect();
            return Err(MechanismError(format!("the JAAS option {option:?} names no possible user")));
        }
        if password.is_empty() {
            // RFC 4616 §2: passwd has at least one character.
            tracing::warn!(%listener, username, "PLAIN: the user has an empty password and can never log in");
            continue;
        }
        users.insert(username.into(), User { password: password.clone(), principal: KafkaPrincipal::user(username) });
    }
    if users.is_empty() {
        tracing::warn!(%listener, "PLAIN: no user can log in; users are `user_<name>` options of the login module");
    }
    Ok(users)
}

/// The mechanism.
struct Plain {
    name: MechanismName,
    users: Arc<Users>,
}

struct User {
    /// Never empty.
    password: Secret,
    /// Made once, so that a login allocates none.
    principal: KafkaPrincipal,
}

struct Users {
    /// Those of the JAAS section.
    by_name: HashMap<Box<str>, User>,
    /// What an unknown user's password is compared with, so that it costs what a wrong password costs: as many as there are users, one of
    /// them for each name, because what is always the same is always in the processor's cache. No name is theirs.
    nobodies: Box<[(Box<str>, User)]>,
    /// Those of the store, if they may log in here.
    stored: Option<StoredUsers>,
    guesses: Arc<Guesses>,
}

impl Mechanism for Plain {
    fn name(&self) -> &MechanismName {
        &self.name
    }

    fn max_token_len(&self) -> usize {
        MAX_TOKEN_LEN
    }

    fn start(&self, peer: &Peer) -> Box<dyn ServerExchange> {
        Box::new(AwaitMessage { users: Arc::clone(&self.users), peer: peer.address.ip() })
    }

    /// The made-up credentials, and a made-up password for a user that exists.
    fn must_reject(&self) -> Vec<Bytes> {
        let mut probes = made_up_credentials();
        if let (Some(user), Some(noise)) = (self.users.by_name.keys().next(), probes.last()) {
            let token = [b"\0", user.as_bytes(), b"\0", noise.as_ref()].concat();
            probes.push(token.into());
        }
        probes
    }
}

/// PLAIN's only state.
struct AwaitMessage {
    users: Arc<Users>,
    peer: IpAddr,
}

impl ServerExchange for AwaitMessage {
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>> {
        let verdict = match Message::parse(&token) {
            Ok(message) => self.users.judge(&message, self.peer),
            Err(why) => Judged::Verdict(Err(AuthnError::Malformed(why))),
        };
        // It holds a password, and the gate keeps no other reference to it.
        if let Ok(mut token) = token.try_into_mut() {
            token[..].zeroize();
        }
        match verdict {
            Judged::Verdict(verdict) => Box::pin(future::ready(verdict.map(success))),
            Judged::InTheStore(pending) => Box::pin(async move { pending.verdict(&self.users).await.map(success) }),
        }
    }
}

fn success(principal: KafkaPrincipal) -> Step {
    Step::Success { token: Bytes::new(), verified: Verified::new(principal) }
}

/// What comes of a message at once.
enum Judged {
    Verdict(Result<KafkaPrincipal, AuthnError>),
    /// The store decides, or at least takes its time.
    InTheStore(Pending),
}

/// A message whose verdict takes a while.
struct Pending {
    peer: IpAddr,
    username: String,
    password: Secret,
    own_authzid: bool,
    /// It is known to be wrong, and shall take as long as if it were not.
    is_wrong: bool,
}

impl Pending {
    async fn verdict(self, users: &Users) -> Result<KafkaPrincipal, AuthnError> {
        let Self { peer, username, password, own_authzid, is_wrong } = self;
        let Some(stored) = &users.stored else { return Err(AuthnError::Rejected(WRONG)) };
        let is_right = if is_wrong {
            stored.take_as_long(peer, &username, password.expose()).await.map(|()| false)
        } else {
            let guesser = users.guesses.by(peer, &username);
            stored.is_right(peer, guesser, &username, password.expose()).await
        };
        if !is_right.map_err(AuthnError::Unavailable)? {
            return Err(AuthnError::Rejected(WRONG));
        }
        if own_authzid { Ok(KafkaPrincipal::user(&username)) } else { Err(AuthnError::Rejected(OTHER_AUTHZID)) }
    }
}

impl Users {
    fn new(by_name: HashMap<Box<str>, User>, stored: Option<StoredUsers>, guesses: Arc<Guesses>) -> Self {
        let nobody = |like: &str| {
            let user =
                User { password: Secret::new("nobody has this password"), principal: KafkaPrincipal::anonymous() };
            ("\0".repeat(like.len()).into(), user)
        };
        let names = by_name.keys().map(AsRef::as_ref);
        let nobodies = if by_name.is_empty() { [nobody("")].into() } else { names.map(nobody).collect() };
        Self { by_name, nobodies, stored, guesses }
    }

    /// The checks in Kafka's order: parts, user, password, credentials, authorization id. So only who knows the password
    /// learns that the authorization id is wrong. A user of the JAAS section is judged by it alone.
    fn judge(&self, message: &Message<'_>, peer: IpAddr) -> Judged {
        let Message { username, password, .. } = *message;
        let wrong = || Judged::Verdict(Err(AuthnError::Rejected(WRONG)));
        if username.len() > MAX_USERNAME_LEN || password.len() > MAX_PASSWORD_LEN {
            return wrong();
        }
        let in_the_store = |is_wrong| {
            Judged::InTheStore(Pending {
                peer,
                username: username.to_owned(),
                password: Secret::new(password),
                own_authzid: message.names_itself(),
                is_wrong,
            })
        };
        if self.stored.is_some() && !self.by_name.contains_key(username) {
            return in_the_store(false);
        }
        let Ok(admitted) = self.guesses.admit(peer, username, Instant::now()) else { return wrong() };
        match self.verify(message, admitted) {
            Some(user) if message.names_itself() => Judged::Verdict(Ok(user.principal.clone())),
            Some(_) => Judged::Verdict(Err(AuthnError::Rejected(OTHER_AUTHZID))),
            // Otherwise time would tell who is in the JAAS section.
            None if self.stored.is_some() => in_the_store(true),
            None => wrong(),
        }
    }

    fn verify(&self, message: &Message<'_>, admitted: Admitted) -> Option<&User> {
        // Looked up for everybody.
        let hash = self.by_name.hasher().hash_one(message.username) as usize;
        let [first, ..] = &*self.nobodies else { return None };
        let (name, nobody) = self.nobodies.get(hash % self.nobodies.len()).unwrap_or(first);
        let (name, user, known) = match self.by_name.get_key_value(message.username) {
            Some((name, user)) => (name, user, Choice::from(1)),
            None => (name, nobody, Choice::from(0)),
        };
        // The table has compared the name of who is in it.
        black_box(**name == *message.username);
        let right = same_password(message.password.as_bytes(), user.password.expose());
        let user = bool::from(known & right).then_some(user);
        match user {
            Some(_) => admitted.succeeded(Instant::now()),
            None => admitted.failed(Instant::now()),
        }
        user
    }
}

/// Whether both are equal, in a time that depends on the length of `given` alone, which its sender knows. A plain
/// constant-time comparison of slices gives up at once where lengths differ and so tells the stored one's.
fn same_password(given: &[u8], stored: &[u8]) -> Choice {
    let mut same = (given.len() as u64).ct_eq(&(stored.len() as u64));
    for (position, byte) in given.iter().enumerate() {
        // 0 while `position` is within `stored`, else all ones: past its end its first byte is compared again and again.
        let outside = ((stored.len() as isize - 1 - position as isize) >> (isize::BITS - 1)) as usize;
        let other = stored.get(black_box(position & !outside)).copied().unwrap_or_default();
        same &= byte.ct_eq(&other);
    }
    same
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
struct Message<'a> {
    authzid: &'a str,
    username: &'a str,
    password: &'a str,
}

impl<'a> Message<'a> {
    /// Whether it asks to be the one that it proves to be.
    fn names_itself(&self) -> bool {
        self.authzid.is_empty() || self.authzid == self.username
    }

    fn parse(token: &'a [u8]) -> Result<Self, Rejection> {
        // At most four parts are looked for: a token of NULs costs no more than one that has three.
        let mut parts = token.splitn(4, |byte| *byte == 0);
        let (authzid, username, password) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(authzid), Some(username), Some(password), None) => (authzid, username, password),
            (Some(_), Some(_), None, _) => return Err(TWO_PARTS),
            (_, None, _, _) => return Err(ONE_PART),
            _ => return Err(FOUR_OR_MORE_PARTS),
        };
        let text = |part| std::str::from_utf8(part).map_err(|_| NOT_UTF8);
        let message = Self { authzid: text(authzid)?, username: text(username)?, password: text(password)? };
        if message.username.is_empty() {
            return Err(NO_USERNAME);
        }
        if message.password.is_empty() {
            return Err(NO_PASSWORD);
        }
        Ok(message)
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
