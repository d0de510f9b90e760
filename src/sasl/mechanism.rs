//! What a SASL mechanism is to the gate.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::config::ListenerName;
use crate::principal::KafkaPrincipal;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A mechanism's name as IANA registers it and Kafka compares it: case-sensitive, e.g. `PLAIN`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MechanismName(Arc<str>);

impl MechanismName {
    /// A name of 1 to 20 characters of `A-Z 0-9 - _` (RFC 4422 §3.1), or `None`.
    pub fn new(name: &str) -> Option<Self> {
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (matches!(name.len(), 1..=20) && name.bytes().all(legal)).then(|| Self(name.into()))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The other side of a connection, as far as a mechanism may know it. A mechanism never sees the socket.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where the client connected from.
    pub address: SocketAddr,
    /// The listener that it connected to.
    pub listener: ListenerName,
}

/// One way to prove who a client is. Register it with [`crate::sasl::Registry`].
pub trait Mechanism: Send + Sync {
    /// The name that clients ask for in SaslHandshake.
    fn name(&self) -> &MechanismName;

    /// Longest token in bytes that an exchange looks at; a longer one is rejected before any parsing.
    fn max_token_len(&self) -> usize;

    /// Starts one exchange with one client.
    fn start(&self, peer: &Peer) -> Box<dyn ServerExchange>;

    /// Waits, not for long, for what the mechanism can start without but would rather have. Called once, before [`Self::must_reject`].
    fn prepare(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// First tokens that this mechanism must not accept. The registry tries each in an exchange of its own when a listener
    /// starts, and answers every challenge by [`Self::must_reject_then`]; unless each ends in a rejection, the listener does not start.
    /// Override it if the default ones miss what is most likely to be wrong with the configuration; at least one is needed.
    fn must_reject(&self) -> Vec<Bytes> {
        made_up_credentials()
    }

    /// What the check at start answers to a challenge after this first token, for mechanisms in which a wrong credential is not the
    /// same token again but one that fits the challenge. It must be rejected as well.
    fn must_reject_then(&self, first: &Bytes, _challenge: &Bytes) -> Bytes {
        first.clone()
    }
}

/// One exchange in one state. A step consumes it.
pub trait ServerExchange: Send {
    /// Judges the client's next token (RFC 4422 §4). Must not block: slow work belongs on a pool of its own.
    fn step(self: Box<Self>, token: Bytes) -> BoxFuture<'static, Result<Step, AuthnError>>;
}

/// What one step of an exchange comes to.
#[must_use]
pub enum Step {
    /// The exchange goes on: `token` goes to the client, `next` judges its answer.
    Challenge {
        /// The server's token.
        token: Bytes,
        /// The state that waits for the client's next token.
        next: Box<dyn ServerExchange>,
    },
    /// The client has proved who it is.
    Success {
        /// The server's last token; empty where the mechanism has none.
        token: Bytes,
        /// Who the client is.
        verified: Verified,
    },
}

/// What a mechanism has verified; the gate alone turns it into a [`Proof`].
pub struct Verified {
    /// The authenticated principal.
    pub principal: KafkaPrincipal,
    /// For how long from now the credential is good, if it ends by itself; zero for one that has ended within the clock skew.
    pub lifetime: Option<Duration>,
    /// What else the credential says of its holder, if it says anything.
    pub attributes: Option<Arc<Attributes>>,
}

impl Verified {
    /// A principal whose credential does not end by itself and says nothing else.
    pub fn new(principal: KafkaPrincipal) -> Self {
        Self { principal, lifetime: None, attributes: None }
    }
}

/// What a credential says of its holder beside the name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The groups that it is in, as the issuer of a token names them.
    pub groups: Vec<Box<str>>,
    /// SASL extensions that the mechanism has validated (KIP-342), by name.
    pub extensions: Vec<(Box<str>, Box<str>)>,
}

/// Evidence that a SASL exchange succeeded. Only the gate makes one.
#[derive(Debug)]
pub struct Proof {
    principal: KafkaPrincipal,
    mechanism: MechanismName,
    ends: Option<Instant>,
    attributes: Option<Arc<Attributes>>,
}

impl Proof {
    /// The gate's constructor, called where an exchange's `Step::Success` is matched and nowhere else.
    pub(in crate::sasl) fn new(verified: Verified, mechanism: MechanismName, ends: Option<Instant>) -> Self {
        Self { principal: verified.principal, mechanism, ends, attributes: verified.attributes }
    }

    /// The mechanism that proved it.
    pub fn mechanism(&self) -> &MechanismName {
        &self.mechanism
    }

    /// When it is worth nothing any more, if ever: the credential has ended then, or `connections.max.reauth.ms` is over.
    pub fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// What else the credential says.
    pub fn attributes(&self) -> Option<&Arc<Attributes>> {
        self.attributes.as_ref()
    }

    /// Who, and by which mechanism.
    pub fn into_parts(self) -> (KafkaPrincipal, MechanismName) {
        (self.principal, self.mechanism)
    }
}

/// Why an exchange did not succeed.
#[derive(Debug)]
pub enum AuthnError {
    /// The token is not of the mechanism's grammar; the text goes to the client.
    Malformed(Rejection),
    /// The credentials are wrong; the text goes to the client.
    Rejected(Rejection),
    /// We could not judge: a store or key set is down. The client is closed without an answer and never told that its
    /// credentials are wrong.
    Unavailable(Outage),
}

/// The `error_message` beside error 58. Made from fixed text, so that a secret cannot be formatted into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Kafka's words for a failure that the mechanism itself has none for; they name the mechanism.
    InvalidCredentials,
    /// The mechanism's own words.
    Text(Cow<'static, str>),
}

impl Rejection {
    /// The mechanism's own fixed words.
    pub const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// What a client of `mechanism` is told.
    pub fn message(&self, mechanism: &MechanismName, occasion: Occasion) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::InvalidCredentials => Cow::Owned(format!(
                "Authentication failed during {} due to invalid credentials with SASL mechanism {mechanism}",
                occasion.as_str()
            )),
        }
    }
}

/// Which exchange of a connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The first: the login.
    Authentication,
    /// A later one (KIP-368).
    Reauthentication,
}

impl Occasion {
    /// Kafka's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Reauthentication => "re-authentication",
        }
    }
}

/// Which part of ours is down; for the log.
#[derive(Clone, Debug)]
pub struct Outage(pub &'static str);

/// Why a mechanism could not be built from its configuration. The text must not hold a secret: it is printed at start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MechanismError(pub String);

/// Made-up first messages that no mechanism may take as a login, for the check at start: none at all, a PLAIN login
/// (RFC 4616) of a random user, a SCRAM one (RFC 5802), a bearer token (RFC 7628), and plain noise.
pub fn made_up_credentials() -> Vec<Bytes> {
    let random = || format!("{:016x}", RandomState::new().hash_one(0));
    let (user, secret) = (random(), random());
    vec![
        Bytes::new(),
        format!("\0{user}\0{secret}").into(),
        format!("n,,n={user},r={secret}").into(),
        format!("n,,\x01auth=Bearer {secret}\x01\x01").into(),
        secret.into(),
    ]
}
