//! Why there is no token to log in with.

use std::io;
use std::sync::Arc;

use crate::issuer::FetchError;

/// Why an attempt to get a token came to nothing. None holds a byte of a token or secret.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file with the token cannot be read.
    #[error("the file {0} cannot be read: {1}")]
    File(String, io::Error),
    /// The token endpoint gave no answer.
    #[error("the token endpoint: {0}")]
    Fetch(FetchError),
    /// It refused: the status, and its own words if they can be shown.
    #[error("the token endpoint refuses with status {status}{}{words}", if words.is_empty() { "" } else { ": " })]
    Refused {
        /// Of its answer.
        status: u16,
        /// Bounded and escaped; may be empty.
        words: String,
    },
    /// Its answer is none of RFC 6749 §5.1.
    #[error("the answer of the token endpoint is not understood: {0}")]
    Answer(&'static str),
    /// The token itself cannot be used.
    #[error("{0}")]
    Unfit(&'static str),
    /// The endpoint cannot be asked at all: its URL, or the files of its TLS.
    #[error("the token endpoint cannot be asked: {0}")]
    Setup(String),
}

impl TokenError {
    /// Whether the same question may be answered a moment later.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_retryable(),
            Self::Refused { status, .. } => !super::endpoint::FINAL.contains(status),
            Self::File(..) | Self::Answer(_) | Self::Unfit(_) | Self::Setup(_) => false,
        }
    }
}

/// Why a login has no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoToken {
    /// The last attempt to get one failed.
    #[error("{0}")]
    Failed(Arc<TokenError>),
    /// None came in time.
    #[error("none came within the set-up timeout")]
    Late,
}

impl NoToken {
    /// Whether the one who gives tokens is away for now, which says nothing about the login.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Failed(error) => error.is_retryable(),
            Self::Late => true,
        }
    }
}
