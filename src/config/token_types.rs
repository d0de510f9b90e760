//! How this front gets the tokens by which it logs in to the backend (OAUTHBEARER).

use std::path::PathBuf;
use std::time::Duration;

use super::names::ListenerName;
use super::tls_types::{BackendTlsConfig, Located};
use crate::secret::Secret;

/// The front's own login by OAUTHBEARER.
#[derive(Clone, Debug)]
pub struct TokenLogin {
    /// Where tokens come from.
    pub source: TokenSource,
    /// SASL extensions (KIP-342), sent with each token: names of letters, values of printable ASCII and white space.
    pub extensions: Vec<(String, String)>,
    /// When a token is replaced.
    pub refresh: TokenRefresh,
    /// The listener whose settings hold where `backend.` gives none.
    pub between_brokers: Option<ListenerName>,
}

/// `sasl.login.refresh.*`.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRefresh {
    /// `window.factor`: after which part of its lifetime a token is replaced, 0.5 to 1.
    pub window_factor: f64,
    /// `window.jitter`: up to which further part of it the replacement is put off at random, 0 to 0.25.
    pub window_jitter: f64,
    /// `min.period.seconds`: shortest time between two replacements.
    pub min_period: Duration,
    /// `buffer.seconds`: how long before its end a token is replaced at the latest.
    pub buffer: Duration,
}

/// Where tokens come from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// Made here, signed by nobody: for development.
    Unsecured(UnsecuredToken),
    /// A file that somebody else keeps fresh.
    File(Located<PathBuf>),
    /// A token endpoint, by the client credentials grant (RFC 6749 §4.4).
    Endpoint(Box<TokenEndpoint>),
}

/// What an unsecured token says.
#[derive(Clone, Debug, PartialEq)]
pub struct UnsecuredToken {
    /// `unsecuredLoginLifetimeSeconds`.
    pub lifetime: Duration,
    /// Claims beside `iat` and `exp`, by name.
    pub claims: Vec<(String, ClaimValue)>,
}

/// The value of a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimValue {
    /// `unsecuredLoginStringClaim_<name>`.
    Text(String),
    /// `unsecuredLoginNumberClaim_<name>`; finite.
    Number(f64),
    /// `unsecuredLoginListClaim_<name>`.
    List(Vec<String>),
}

/// A token endpoint and how it is asked.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    /// `sasl.oauthbearer.token.endpoint.url`, `http:` or `https:`.
    pub url: Located<String>,
    /// Ours: `http:` may go to other hosts than loopback addresses.
    pub allow_http: bool,
    /// Whom an `https:` endpoint's certificate must come from, and what of ours is shown to it.
    pub tls: BackendTlsConfig,
    /// The front's client id; not empty.
    pub client_id: String,
    /// Its secret; not empty.
    pub client_secret: Secret,
    /// The scope that is asked for, if any.
    pub scope: Option<String>,
    /// `sasl.oauthbearer.header.urlencode`: id and secret are form-encoded before they go into the Basic header (RFC 6749 §2.3.1).
    pub urlencode_header: bool,
    /// `sasl.login.retry.backoff.ms`: wait before the second attempt; it doubles.
    pub retry_backoff: Duration,
    /// `sasl.login.retry.backoff.max.ms`: no attempt begins later than this after the first.
    pub retry_backoff_max: Duration,
    /// `sasl.login.connect.timeout.ms`.
    pub connect_timeout: Duration,
    /// `sasl.login.read.timeout.ms`.
    pub read_timeout: Duration,
}
