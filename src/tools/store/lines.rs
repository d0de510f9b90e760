//! Credentials as lines of JSON: the form of `export` and `import`. The first line is a header, each other one a credential.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::scram::{CredentialError, MAX_ITERATIONS, ScramCredential, ScramMechanism};

/// Version of the form of header and credentials.
const VERSION: u32 = 1;
/// Longest line in bytes, without its end. A credential takes 300 bytes; the longest name and salt, each byte escaped, 9 KiB.
pub const MAX_LINE: usize = 32 << 10;

/// One credential of a user.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The user's name.
    pub user: String,
    /// Of which mechanism.
    pub mechanism: ScramMechanism,
    /// The verifier.
    pub credential: ScramCredential,
}

/// A line that was read.
#[derive(Debug)]
pub enum Line {
    /// What follows.
    Header {
        /// How many credentials.
        records: Option<u64>,
    },
    /// A credential.
    Entry(Entry),
}

/// What is wrong with a line. Nothing of its values is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No JSON, or not the fields that it should have; the text says which field or where.
    #[error("{0}")]
    Form(String),
    /// Something that this release does not know.
    #[error("its kind \"{0}\" is not known")]
    Kind(String),
    /// Written by a later release.
    #[error("version {0} of its form is not known")]
    Version(u32),
    /// Neither of the two.
    #[error("the mechanism of user '{}' is neither SCRAM-SHA-256 nor SCRAM-SHA-512", .0.escape_debug())]
    Mechanism(String),
    /// The field is not base64 with padding (RFC 4648 section 4).
    #[error("the {1} of user '{user}' is not base64", user = .0.escape_debug())]
    Base64(String, &'static str),
    /// Too weak, or a field of a wrong length.
    #[error("user '{user}': {1}", user = .0.escape_debug())]
    Credential(String, CredentialError),
    /// As for administrators.
    #[error("user '{}': more than {MAX_ITERATIONS} iterations", .0.escape_debug())]
    TooManyIterations(String),
}

/// What every line has.
#[derive(Deserialize)]
struct Kind {
    kind: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    kind: String,
    version: u32,
    /// Number of the newest change in it; for people.
    #[serde(default)]
    revision: Option<u64>,
    #[serde(default)]
    records: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScramLine {
    kind: String,
    version: u32,
    user: String,
    mechanism: String,
    iterations: u32,
    salt: String,
    stored_key: String,
    server_key: String,
}

impl Drop for ScramLine {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

/// The first line, with its end.
pub fn header(revision: u64, records: u64) -> String {
    let line = HeaderLine { kind: "header".into(), version: VERSION, revision: Some(revision), records: Some(records) };
    // Numbers and fixed words can be written.
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

impl Entry {
    /// Its line, with its end.
    pub fn line(&self) -> Zeroizing<String> {
        let line = ScramLine {
            kind: "scram".into(),
            version: VERSION,
            user: self.user.clone(),
            mechanism: self.mechanism.as_str().into(),
            iterations: self.credential.iterations(),
            salt: STANDARD.encode(self.credential.salt()),
            stored_key: STANDARD.encode(self.credential.stored_key().expose()),
            server_key: STANDARD.encode(self.credential.server_key().expose()),
        };
        Zeroizing::new(serde_json::to_string(&line).unwrap_or_default() + "\n")
    }
}

impl Line {
    /// Reads a line without its end.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let Kind { kind, version } = serde_json::from_slice(line).map_err(form)?;
        match kind.as_str() {
            "header" | "scram" if version != VERSION => Err(LineError::Version(version)),
            "header" => {
                let HeaderLine { records, .. } = serde_json::from_slice(line).map_err(form)?;
                Ok(Self::Header { records })
            }
            "scram" => entry(serde_json::from_slice(line).map_err(form)?).map(Self::Entry),
            _ => Err(LineError::Kind(kind.escape_debug().take(40).collect())),
        }
    }
}

fn entry(line: ScramLine) -> Result<Entry, LineError> {
    let (user, iterations) = (line.user.clone(), line.iterations);
    let mechanism = ScramMechanism::from_name(&line.mechanism).ok_or_else(|| LineError::Mechanism(user.clone()))?;
    let bytes = |text: &str, name| match STANDARD.decode(text) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(_) => Err(LineError::Base64(user.clone(), name)),
    };
    let salt = bytes(&line.salt, "salt")?;
    let stored_key = bytes(&line.stored_key, "stored_key")?;
    let server_key = bytes(&line.server_key, "server_key")?;
    if iterations > MAX_ITERATIONS {
        return Err(LineError::TooManyIterations(user));
    }
    match ScramCredential::from_keys(mechanism, &salt, &stored_key, &server_key, iterations) {
        Ok(credential) => Ok(Entry { user, mechanism, credential }),
        Err(error) => Err(LineError::Credential(user, error)),
    }
}

/// serde's words where they name a field; the others can quote a value.
fn form(error: serde_json::Error) -> LineError {
    let text = error.to_string();
    let names_a_field =
        ["unknown field", "missing field", "duplicate field"].iter().any(|start| text.starts_with(start));
    LineError::Form(match text.split_once(" at line ") {
        Some((text, _)) if names_a_field => text.to_owned(),
        _ if error.is_data() => format!("a field has a value of another type, before column {}", error.column()),
        _ => format!("no JSON, at column {}", error.column()),
    })
}
