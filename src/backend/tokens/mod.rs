//! The tokens by which this front logs in to the backend (OAUTHBEARER): one at a time, shared by all connections, and replaced in
//! the background before it ends.

mod claims;
mod endpoint;
mod error;
mod file;
mod refresh;
mod unsecured;

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::random;
use crate::config::{BackendLogin, BackendSecurity, TokenLogin, TokenSource};
use crate::secret::Secret;

pub use error::{NoToken, TokenError};

/// Longest token in bytes.
const MAX_TOKEN: usize = 64 << 10;
/// How often the file with a token is looked at.
const FILE_LOOK: Duration = Duration::from_secs(1);
/// While a login waits, the next round after a failed one comes so much later.
const WHILE_WAITED_FOR: Duration = Duration::from_secs(1);
/// A token that a broker refuses is replaced before its time if it is at least so old.
const REFUSED_AGE: Duration = Duration::from_secs(10);

/// A token that a broker may take.
#[derive(Debug)]
pub(super) struct Token {
    value: Secret,
    begins: Option<SystemTime>,
    expires: SystemTime,
    obtained: Instant,
    /// How its file was just before it was read.
    stamp: Option<file::Stamp>,
    /// What it was obtained by.
    login: Arc<TokenLogin>,
}

impl Token {
    pub(super) fn value(&self) -> &Secret {
        &self.value
    }

    fn is_over(&self) -> bool {
        self.expires <= SystemTime::now()
    }
}

/// A token as a source gave it.
struct Obtained {
    value: Secret,
    /// How long it is good, where somebody said so beside the token.
    lifetime: Option<Duration>,
}

/// The token of now, and what keeps it fresh.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    login: ArcSwapOption<TokenLogin>,
    current: ArcSwapOption<Token>,
    /// Tells each attempt's end, and its error if it came to nothing.
    ends: watch::Sender<Option<Arc<TokenError>>>,
    /// There is another login.
    changed: Notify,
    /// A login found no token, or a broker refused it.
    asked: Notify,
    is_refused: AtomicBool,
    obtained: AtomicU64,
    failed: AtomicU64,
}

/// Reads what the token endpoint's TLS needs, so that an error shows before anything is used. Reads files: not for an async worker.
pub fn check(security: &BackendSecurity) -> Result<(), TokenSetupError> {
    let Some(BackendLogin::OauthBearer(login)) = &security.sasl else { return Ok(()) };
    let TokenSource::Endpoint(settings) = &login.source else { return Ok(()) };
    let failed = |problem| {
        let (key, origin) = (settings.url.key.clone(), settings.url.origin.clone());
        TokenSetupError { key, origin, problem }
    };
    endpoint::open(settings).map(drop).map_err(failed)
}

/// The token endpoint cannot be asked as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("{key} ({origin}): {problem}")]
pub struct TokenSetupError {
    /// The full key, prefix included.
    pub key: String,
    /// `file:line`, `override` or `default`.
    pub origin: String,
    /// What is wrong.
    pub problem: String,
}

impl Tokens {
    /// For the login in `security`, if that is one by token.
    pub(super) fn new(security: &BackendSecurity) -> Self {
        let tokens = Self::default();
        tokens.login.store(login_of(security));
        tokens
    }

    /// From now on tokens are obtained like this. The one of now serves until there is a new one; `trial` may have brought that.
    pub(super) fn reconfigure(&self, security: &BackendSecurity, trial: Option<Arc<Token>>) {
        let login = login_of(security);
        if let Some(token) = trial.filter(|token| login.as_ref().is_some_and(|login| Arc::ptr_eq(login, &token.login)))
        {
            self.current.store(Some(token));
        }
        self.login.store(login);
        self.changed.notify_one();
    }

    /// The token of now; if there is none that is good, the next one, awaited for `limit` at most.
    pub(super) async fn get(&self, limit: Duration) -> Result<Arc<Token>, NoToken> {
        let mut ends = self.ends.subscribe();
        if let Some(token) = self.good() {
            return Ok(token);
        }
        self.asked.notify_one();
        let next = async {
            loop {
                if ends.changed().await.is_err() {
                    return pending().await;
                }
                let error = ends.borrow_and_update().clone();
                match (self.good(), error) {
                    (Some(token), _) => return Ok(token),
                    (None, Some(error)) => return Err(NoToken::Failed(error)),
                    // It was over at once.
                    (None, None) => {}
                }
            }
        };
        timeout(limit, next).await.unwrap_or(Err(NoToken::Late))
    }

    /// A broker has refused `token`, which may be the issuer's doing: if it is not quite new it is replaced.
    pub(super) fn refused(&self, token: &Arc<Token>) {
        let is_current = self.current.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, token));
        if is_current && token.obtained.elapsed() >= REFUSED_AGE {
            self.is_refused.store(true, Ordering::Relaxed);
            self.asked.notify_one();
        }
    }

    /// Obtains a token now, for who does not [`run`](Self::run).
    pub(super) async fn obtain(&self) -> Result<Option<Arc<Token>>, NoToken> {
        let Some(login) = self.login.load_full() else { return Ok(None) };
        match obtain(&login).await {
            Ok(token) => Ok(Some(self.have(token))),
            Err(error) => Err(NoToken::Failed(self.tell(error))),
        }
    }

    /// The token of now if it is good, else one that is obtained now.
    pub(super) async fn get_or_obtain(&self) -> Result<Option<Arc<Token>>, NoToken> {
        match self.good() {
            Some(token) => Ok(Some(token)),
            None => self.obtain().await,
        }
    }

    /// Keeps a good token, until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                // What is under way for another login is given up.
                () = self.changed.notified() => {}
                () = self.keep() => {}
            }
        }
    }

    /// How many tokens were obtained, and how often that failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.obtained.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// When the token of now is over, in seconds since 1970.
    pub(super) fn expires(&self) -> Option<u64> {
        let expires = self.current.load().as_ref()?.expires;
        expires.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    fn good(&self) -> Option<Arc<Token>> {
        self.current.load_full().filter(|token| !token.is_over())
    }

    /// Keeps a good token for the login of now; never ends.
    async fn keep(&self) {
        let Some(login) = self.login.load_full() else { return pending().await };
        let mut held = self.good().filter(|token| Arc::ptr_eq(&token.login, &login));
        loop {
            if let Some(token) = &held {
                self.rest(token).await;
            }
            held = match obtain(&login).await {
                Ok(token) => Some(self.have(token)),
                Err(error) => {
                    tracing::warn!(%error, "no token for the login to the backend");
                    self.tell(error);
                    self.rest_after_failure().await;
                    None
                }
            };
        }
    }

    fn have(&self, token: Token) -> Arc<Token> {
        let expires_in = token.expires.duration_since(SystemTime::now()).unwrap_or_default();
        tracing::info!(expires_in_s = expires_in.as_secs(), "a new token for the login to the backend");
        let token = Arc::new(token);
        self.current.store(Some(token.clone()));
        self.is_refused.store(false, Ordering::Relaxed);
        self.obtained.fetch_add(1, Ordering::Relaxed);
        self.ends.send_replace(None);
        token
    }

    fn tell(&self, error: TokenError) -> Arc<TokenError> {
        let error = Arc::new(error);
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.ends.send_replace(Some(error.clone()));
        error
    }

    /// Until the token is to be replaced.
    async fn rest(&self, token: &Token) {
        if let TokenSource::File(path) = &token.login.source {
            return self.rest_until_file_changes(&path.value, token.stamp).await;
        }
        let now = SystemTime::now();
        let keep = refresh::keep_for(&token.login.refresh, token.begins, token.expires, now, random::fraction());
        let due = Instant::now() + keep;
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.asked.notified() => {}
            }
            if self.wants_another() {
                return;
            }
        }
    }

    /// Who keeps the file fresh knows when. It counts once two looks have seen the same: it may be half written.
    async fn rest_until_file_changes(&self, path: &Path, read: Option<file::Stamp>) {
        let mut last = None;
        loop {
            tokio::select! {
                () = sleep(FILE_LOOK) => {}
                () = self.asked.notified() => if self.wants_another() {
                    return;
                },
            }
            let now = file::look(path).await;
            if now.is_some() && now != read && now == last {
                return;
            }
            last = now;
        }
    }

    async fn rest_after_failure(&self) {
        let begin = Instant::now();
        tokio::select! {
            () = sleep(refresh::AFTER_FAILURE) => {}
            () = async {
                loop {
                    self.asked.notified().await;
                    if self.wants_another() {
                        break;
                    }
                }
            } => sleep_until(begin + WHILE_WAITED_FOR).await,
        }
    }

    /// Whether the token of now does not do, whatever time is left to it.
    fn wants_another(&self) -> bool {
        self.good().is_none() || self.is_refused.load(Ordering::Relaxed)
    }
}

fn login_of(security: &BackendSecurity) -> Option<Arc<TokenLogin>> {
    match &security.sasl {
        Some(BackendLogin::OauthBearer(login)) => Some(login.clone()),
        _ => None,
    }
}

async fn obtain(login: &Arc<TokenLogin>) -> Result<Token, TokenError> {
    let now = SystemTime::now();
    match &login.source {
        TokenSource::Unsecured(settings) => {
            judge(Obtained { value: unsecured::make(settings, now), lifetime: None }, login)
        }
        TokenSource::File(path) => {
            // Looked at first: a change while it is read is one.
            let stamp = file::look(&path.value).await;
            let token = judge(Obtained { value: file::read(&path.value).await?, lifetime: None }, login)?;
            Ok(Token { stamp, ..token })
        }
        TokenSource::Endpoint(settings) => judge(endpoint::ask(settings).await?, login),
    }
}

/// A token that can be sent and is not over yet.
fn judge(Obtained { value, lifetime }: Obtained, login: &Arc<TokenLogin>) -> Result<Token, TokenError> {
    let unfit = |problem| Err(TokenError::Unfit(problem));
    if value.expose().len() > MAX_TOKEN {
        return unfit("the token is longer than 64 KiB");
    }
    // RFC 6750 §2.1, b64token: nothing else can stand in the login.
    let is_body = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let body = value.expose().iter().take_while(|byte| is_body(byte)).count();
    let text = std::str::from_utf8(value.expose()).unwrap_or_default();
    if body == 0 || value.expose()[body..].iter().any(|byte| *byte != b'=') {
        return unfit("there is no token, or it has characters that a bearer token cannot have");
    }
    let now = SystemTime::now();
    let (begins, expires) = match (claims::times(text), lifetime) {
        (Some(times), _) => (times.begins, times.expires),
        (None, Some(lifetime)) => (Some(now), now.checked_add(lifetime).unwrap_or(now)),
        (None, None) => return unfit("nobody says when the token is over: neither a claim exp nor expires_in"),
    };
    if expires <= now {
        return unfit("the token is over already; are the clocks of this machine and of the issuer right?");
    }
    Ok(Token { value, begins, expires, obtained: Instant::now(), stamp: None, login: login.clone() })
}

#[cfg(test)]
mod tests;
