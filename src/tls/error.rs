use std::fmt;

/// Why TLS cannot be set up as configured. Never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// `listener EXTERNAL`, `backend`.
    pub owner: String,
    /// The full key.
    pub key: String,
    /// Where it was set.
    pub origin: String,
    /// What is wrong and what was expected, with the file's name where there is one.
    pub problem: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, key, origin, problem } = self;
        write!(f, "{owner}: {key} ({origin}): {problem}")
    }
}

impl std::error::Error for TlsError {}
