//! Whom we trust: trust stores.

use rustls::RootCertStore;

use super::certificate;
use super::error::{Owner, TlsError};
use super::identity::{certificates, read_file};
use super::{Material, Store};
use crate::config::TruststoreConfig;

/// Reads the trust store.
pub(super) fn load(owner: &Owner, config: &TruststoreConfig, read: &mut Material) -> Result<RootCertStore, TlsError> {
    let (text, at) = match config {
        TruststoreConfig::File { location, .. } => {
            let bytes = read_file(owner, location, read)?;
            (String::from_utf8_lossy(&bytes).into_owned(), super::identity::unit(location))
        }
        TruststoreConfig::Inline(text) => {
            (String::from_utf8_lossy(text.value.expose()).into_owned(), super::identity::unit(text))
        }
    };
    let mut roots = RootCertStore::empty();
    for der in certificates(&text).map_err(|problem| owner.error(&at, problem))? {
        read.certificates.extend(certificate::info(&der, Store::Truststore));
        roots.add(der).map_err(|error| owner.error(&at, error.to_string()))?;
    }
    Ok(roots)
}
