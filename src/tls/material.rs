//! What was read while one side's TLS is built, and the reading itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::certificate;
use super::error::TlsError;
use super::{CertificateInfo, Store};
use crate::config::Located;
use crate::secret::Secret;

/// Largest file in bytes that is read: the largest revocation lists there are have a few dozen MB.
const MAX_FILE: u64 = 64 << 20;

/// Everything that was read, and what the operator should know of it.
#[derive(Clone, Debug)]
pub(super) struct Material {
    /// `listener EXTERNAL`, `backend`.
    pub owner: String,
    pub certificates: Vec<CertificateInfo>,
    pub files: Vec<PathBuf>,
    pub warnings: Vec<String>,
}

/// A key of the configuration and what stands there, for errors.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub key: &'a str,
    pub origin: &'a str,
    /// What the problem is put behind, in Kafka's words.
    pub what: String,
}

impl<'a> Place<'a> {
    pub fn new<T>(at: &'a Located<T>, what: impl Into<String>) -> Self {
        Self { key: &at.key, origin: &at.origin, what: what.into() }
    }

    /// A key that is not set.
    pub fn unset(key: &'a str) -> Self {
        Self { key, origin: "not set", what: String::new() }
    }
}

impl Material {
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), certificates: Vec::new(), files: Vec::new(), warnings: Vec::new() }
    }

    pub fn error(&self, place: &Place<'_>, problem: impl AsRef<str>) -> TlsError {
        let problem = match &*place.what {
            "" => problem.as_ref().to_owned(),
            what => format!("{what}: {}", problem.as_ref()),
        };
        TlsError { owner: self.owner.clone(), key: place.key.into(), origin: place.origin.into(), problem }
    }

    pub fn warn(&mut self, place: &Place<'_>, warning: impl AsRef<str>) {
        self.warnings.push(format!("{}: {} ({}): {}", self.owner, place.key, place.origin, warning.as_ref()));
    }

    /// The content of a file, and its name among those to watch.
    pub fn read_file(&mut self, path: &Located<PathBuf>, place: &Place<'_>) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        self.files.push(path.value.clone());
        read(&path.value).map_err(|error| self.error(place, format!("it cannot be read: {error}")))
    }

    /// Notes a certificate of ours or one that is trusted.
    pub fn note(&mut self, der: &CertificateDer<'_>, store: Store) {
        self.certificates.extend(certificate::info(der, store));
    }

    /// Notes a certificate of ours that clients are shown, and warns if its time is not now.
    pub fn note_own(&mut self, der: &CertificateDer<'_>, place: &Place<'_>) {
        let Some(info) = certificate::info(der, Store::Keystore) else { return };
        let now = now();
        if info.not_after < now {
            self.warn(place, format!("the certificate of {} has expired: peers will refuse it", info.subject));
        } else if info.not_before > now {
            self.warn(place, format!("the certificate of {} is not valid yet: peers will refuse it", info.subject));
        }
        self.certificates.push(info);
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The path for a message.
pub(super) fn shown(path: &Located<PathBuf>) -> String {
    if path.hidden { "[hidden]".into() } else { path.value.display().to_string() }
}

/// PEM text; bytes that are no UTF-8 can only be around the entries.
pub(super) fn text(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())
}

/// A password as text; it comes from a configuration that is text.
pub(super) fn password(secret: &Secret) -> Zeroizing<String> {
    text(secret.expose())
}

fn read(path: &std::path::Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE {
        return Err(io::Error::other(format!("it has {length} bytes; expected at most {MAX_FILE}")));
    }
    // The room is made at once: a vector that grows would leave copies of a private key behind.
    let room = usize::try_from(length).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes)? as u64;
    if read > MAX_FILE {
        return Err(io::Error::other(format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}
