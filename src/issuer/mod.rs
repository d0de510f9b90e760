//! Talks to the issuers of tokens: their keys, and for this front's own login their tokens.
//!
//! [`HttpEndpoint`] is one URL with its bounds. A [`KeySource`] keeps the keys of one issuer and fetches them in the background;
//! [`KeySources`] has all of them. What an issuer, or who speaks in its place, can cause by its answers, and a stranger by made-up
//! tokens, is in `docs/decisions/issuer-keys.md`.

mod address;
mod fault;
mod file;
mod http;
mod key_state;
mod location;
mod origin;
mod refresh;
mod source;
mod sources;
mod throttle;
mod trust;

pub use fault::FetchError;
pub use file::FileFault;
pub use http::{HttpEndpoint, HttpLimits};
pub use key_state::KeySourceConfig;
pub use location::{HttpUrl, KeyLocation, UrlError};
pub use origin::{FETCH_TIME_LIMIT, KeyFault, MAX_KEY_SET};
pub use source::{FETCH_WAIT, KeySource, KeySourceStatus, NoKeys};
pub use sources::{KeySourceError, KeySources};
pub use trust::IssuerTls;

#[cfg(test)]
mod tests;
