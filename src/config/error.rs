//! What is wrong with a configuration: everything at once, each with its key and where the value came from.

use std::fmt;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key; empty if the fault is not in one key.
    pub key: String,
    /// `file:line`, `override`, `default`, an environment variable; empty if the key is not set.
    pub origin: String,
    /// What is wrong and what was expected: Kafka's own text where Kafka has one. Never contains a secret value.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, origin, problem } = self;
        match (key.is_empty(), origin.is_empty()) {
            (true, true) => write!(f, "{problem}"),
            (true, false) => write!(f, "{origin}: {problem}"),
            (false, true) => write!(f, "{key}: {problem}"),
            (false, false) => write!(f, "{key} ({origin}): {problem}"),
        }
    }
}

/// All faults of a configuration, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
