//! Fetching a key set once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::fault::FetchError;
use super::file::{FileFault, WatchedFile};
use super::http::{HttpEndpoint, HttpLimits};
use super::location::{HttpUrl, KeyLocation, UrlError};
use super::trust::IssuerTls;
use crate::jwt::{KeySet, KeySetError, SkippedKey};
use crate::tls::{ClientTls, TlsError};

/// Largest key set in bytes. The largest of the well-known issuers, with a chain of certificates beside each key, has about half.
pub const MAX_KEY_SET: usize = 64 * 1024;
/// Longest time for a fetch, from the look-up of the name to the last byte.
pub const FETCH_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Why a fetch brought no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The issuer gave none.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file has none.
    #[error(transparent)]
    File(#[from] FileFault),
    /// What is there is no key set.
    #[error("{0}")]
    Content(#[from] KeySetError),
    /// A key set in which no key can be used.
    #[error("none of its {0} keys can be used to verify tokens")]
    NoUsableKey(usize),
    /// Our own settings of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A thread failed.
    #[error("{0}")]
    Thread(io::Error),
}

impl KeyFault {
    /// Whether the next try shall come soon.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_retryable(),
            // A page of maintenance, a file that is half written.
            Self::Content(_) | Self::NoUsableKey(_) | Self::File(_) | Self::Thread(_) => true,
            Self::Tls(_) | Self::Url(_) => false,
        }
    }
}

/// What a fetch brought.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Keys, at least one that can be used.
    New(KeySet, Vec<SkippedKey>),
    /// The file is the one that was read before.
    Unchanged,
}

/// Where a source fetches from.
pub(super) enum Origin {
    Http {
        url: HttpUrl,
        settings: IssuerTls,
        tls: Option<ArcSwap<ClientTls>>,
    },
    File(Arc<WatchedFile>),
    /// For the course of time, which no real issuer can be asked to speed up.
    #[cfg(test)]
    Scripted(Box<dyn Fn() -> Result<Fetched, KeyFault> + Send + Sync>),
}

impl Origin {
    /// Reads the trust store, where the URL needs one. Blocks.
    pub(super) fn open(location: &KeyLocation, settings: &IssuerTls) -> Result<Self, TlsError> {
        Ok(match location {
            KeyLocation::File(path) => Self::File(Arc::new(WatchedFile::new(path.clone(), MAX_KEY_SET))),
            KeyLocation::Http(url) => {
                let tls = url.is_https.then(|| settings.load().map(ArcSwap::new)).transpose()?;
                Self::Http { url: url.clone(), settings: settings.clone(), tls }
            }
        })
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, KeyFault> {
        match self {
            Self::Http { url, settings, tls } => {
                let tls = match tls {
                    Some(tls) => Some(renewed(tls, settings).await),
                    None => None,
                };
                let limits = HttpLimits { time: FETCH_TIME_LIMIT, body: MAX_KEY_SET };
                let body: Bytes = HttpEndpoint::new(url, tls, limits)?.get().await?;
                blocking(move || parse(&body)).await
            }
            Self::File(file) => {
                let file = file.clone();
                blocking(move || look(&file)).await
            }
            #[cfg(test)]
            Self::Scripted(fetch) => fetch(),
        }
    }
}

/// Off the async threads, and not for longer than a fetch may take: a file system that hangs must not hold up the source for ever.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyFault> + Send + 'static,
) -> Result<T, KeyFault> {
    match tokio::time::timeout(FETCH_TIME_LIMIT, spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => Err(KeyFault::Thread(io::Error::other(panicked))),
        Err(_) => Err(FileFault::Io(io::ErrorKind::TimedOut.into()).into()),
    }
}

/// The trust store as it is now: fetches are rare, and authorities change. One that has become bad leaves the last good one.
async fn renewed(tls: &ArcSwap<ClientTls>, settings: &IssuerTls) -> Arc<ClientTls> {
    let settings = settings.clone();
    match blocking(move || Ok(settings.load()?)).await {
        Ok(loaded) => tls.store(loaded),
        Err(error) => {
            tracing::warn!(%error, "what TLS towards an issuer goes by cannot be read; the last good is used")
        }
    }
    tls.load_full()
}

/// Reads the file if it has changed. Blocks.
pub(super) fn look(file: &WatchedFile) -> Result<Fetched, KeyFault> {
    let Some((bytes, seen)) = file.look()? else { return Ok(Fetched::Unchanged) };
    let fetched = parse(&bytes)?;
    file.take(seen);
    Ok(fetched)
}

fn parse(bytes: &[u8]) -> Result<Fetched, KeyFault> {
    let (keys, skipped) = KeySet::parse(bytes)?;
    if keys.is_empty() {
        return Err(KeyFault::NoUsableKey(skipped.len()));
    }
    Ok(Fetched::New(keys, skipped))
}
