//! Which principal a client certificate gives.

use std::fmt;
use std::str::FromStr;

use super::certificate::Certificate;
use super::mapping::{MAX_NAME_LEN, MappingError, MappingRules};
use super::subject::SubjectError;
use super::{KafkaPrincipal, NameKind, alternative_names};

/// Where in a certificate the client's name is: `ssl.principal.source`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameSource {
    /// The subject, as in Kafka.
    #[default]
    Subject,
    /// The one subject alternative name of this kind.
    AlternativeName(NameKind),
}

impl NameSource {
    /// The values of the key.
    pub const VALUES: &'static [&'static str] = &["subject", "san.uri", "san.dns", "san.email"];

    fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::AlternativeName(NameKind::Uri) => "san.uri",
            Self::AlternativeName(NameKind::Dns) => "san.dns",
            Self::AlternativeName(NameKind::Email) => "san.email",
        }
    }
}

impl FromStr for NameSource {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        use NameKind::{Dns, Email, Uri};
        let kinds = [Uri, Dns, Email].map(Self::AlternativeName);
        [Self::Subject].into_iter().chain(kinds).find(|source| source.as_str() == text).ok_or(())
    }
}

impl fmt::Display for NameSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one listener names the clients that come with a certificate. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CertificateNaming {
    /// `ssl.principal.source`
    pub source: NameSource,
    /// `ssl.principal.mapping.rules`
    pub rules: MappingRules,
}

/// A certificate's principal, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The principal.
    pub principal: KafkaPrincipal,
    /// What stood in the certificate.
    pub name: String,
    /// The number of the rule that made the principal of it, from 1.
    pub rule: usize,
}

/// Why a certificate gives no principal. The connection is to be closed; Kafka does so at its first request.
///
/// Texts quote what stands in the certificate in an escaped and shortened form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamingError {
    /// It is no certificate as RFC 5280 has it.
    #[error("the client certificate cannot be read")]
    Malformed,
    /// The subject has no unambiguous text.
    #[error("the subject of the client certificate holds {0}")]
    Unprintable(&'static str),
    /// It has no subject alternative name of the kind.
    #[error(
        "the client certificate has no {0} among its subject alternative names, which ssl.principal.source asks for"
    )]
    NoSuchName(NameKind),
    /// It has several: which one is the client would be a guess.
    #[error(
        "the client certificate has {1} subject alternative names that are a {0}; ssl.principal.source expects one"
    )]
    SeveralNames(NameKind, usize),
    /// The name has something else than printable ASCII.
    #[error("the {0} of the client certificate has other characters than printable ASCII")]
    NotPlain(NameKind),
    /// There is nothing that could be a name: an empty subject, or a rule that leaves nothing over.
    #[error("the name of the client is empty; ssl.principal.source can take it from an alternative name")]
    Empty,
    /// A rule's replacement has put a NUL into it.
    #[error("the name of the client has a NUL")]
    Nul,
    /// Longer than rules are applied to.
    #[error("the name of the client is longer than {MAX_NAME_LEN} bytes")]
    TooLong,
    /// Kafka's `NoMatchingRule`.
    #[error("no rule of ssl.principal.mapping.rules applies to {}", Quoted(.0))]
    NoRule(String),
    /// The subject holds a line break.
    #[error("the name of the client has a line break, which rules of ssl.principal.mapping.rules are not applied to")]
    LineBreak,
    /// A rule's pattern takes too long on this name.
    #[error("rule {number} of ssl.principal.mapping.rules takes too many steps on {}", Quoted(.name))]
    TooCostly {
        /// The rule's number, from 1.
        number: usize,
        /// What it was applied to.
        name: String,
    },
}

impl From<SubjectError> for NamingError {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::Malformed => Self::Malformed,
            SubjectError::Unprintable(what) => Self::Unprintable(what),
        }
    }
}

impl CertificateNaming {
    /// The principal of the holder of this certificate, which must have been verified.
    pub fn principal(&self, end_entity_der: &[u8]) -> Result<KafkaPrincipal, NamingError> {
        self.named(end_entity_der).map(|named| named.principal)
    }

    /// The principal, the name that it was made from, and the rule that did it.
    pub fn named(&self, end_entity_der: &[u8]) -> Result<Named, NamingError> {
        let certificate = Certificate::from_der(end_entity_der).map_err(|_| NamingError::Malformed)?;
        let name = self.name(&certificate)?;
        let (mapped, rule) = match self.rules.apply(&name) {
            Ok(mapped) => mapped,
            Err(MappingError::NoRule) => return Err(NamingError::NoRule(name)),
            Err(MappingError::TooLong) => return Err(NamingError::TooLong),
            Err(MappingError::LineBreak) => return Err(NamingError::LineBreak),
            Err(MappingError::TooCostly(number)) => return Err(NamingError::TooCostly { number, name }),
        };
        if mapped.is_empty() {
            return Err(NamingError::Empty);
        }
        if mapped.contains('\0') {
            return Err(NamingError::Nul);
        }
        Ok(Named { principal: KafkaPrincipal::user(&mapped), name, rule })
    }

    /// What the rules are applied to.
    fn name(&self, certificate: &Certificate<'_>) -> Result<String, NamingError> {
        let kind = match self.source {
            NameSource::Subject => return Ok(certificate.subject()?),
            NameSource::AlternativeName(kind) => kind,
        };
        let all = certificate.alternative_names.unwrap_or_default();
        let names = alternative_names::of_kind(all, kind).map_err(|_| NamingError::Malformed)?;
        match names[..] {
            [] => Err(NamingError::NoSuchName(kind)),
            [name] => alternative_names::text(name).map(str::to_owned).ok_or(NamingError::NotPlain(kind)),
            _ => Err(NamingError::SeveralNames(kind, names.len())),
        }
    }
}

/// Most characters of a name in a message.
const MAX_QUOTED: usize = 200;

/// A name in a message: escaped, since a log line is no place for a stranger's control characters, and cut.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        let start: String = characters.by_ref().take(MAX_QUOTED).collect();
        write!(f, "{start:?}{}", if characters.next().is_some() { "..." } else { "" })
    }
}
