//! Who a client is, as Kafka names it: plain values and pure functions.
//!
//! [`CertificateNaming`] makes a principal of a client certificate: `certificate` finds the subject and the alternative names,
//! `subject` prints the one as Java does, and `mapping` applies Kafka's rules, whose patterns `java_regex` translates.

mod alternative_names;
mod certificate;
mod java_regex;
mod mapping;
mod naming;
mod replacement;
mod subject;

pub use alternative_names::NameKind;
pub use certificate::Certificate;
pub use mapping::{MAX_NAME_LEN, MappingError, MappingRules};
pub use naming::{CertificateNaming, NameSource, Named, NamingError};
pub use subject::SubjectError;

use std::fmt;
use std::sync::Arc;

/// A Kafka principal, `Type:Name`; equality is exact on both parts (spec: DefaultKafkaPrincipalBuilder).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KafkaPrincipal {
    principal_type: Arc<str>,
    name: Arc<str>,
}

impl KafkaPrincipal {
    /// The principal type of every built-in mechanism.
    pub const USER_TYPE: &'static str = "User";

    /// `User:<name>`, the name unmodified.
    pub fn user(name: &str) -> Self {
        Self { principal_type: Self::USER_TYPE.into(), name: name.into() }
    }

    /// `User:ANONYMOUS`: a PLAINTEXT listener's client, or an SSL client without a certificate.
    pub fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }

    /// The part after the first colon.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part before the first colon, nearly always `User`.
    pub fn principal_type(&self) -> &str {
        &self.principal_type
    }
}

impl fmt::Display for KafkaPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}

impl fmt::Debug for KafkaPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
