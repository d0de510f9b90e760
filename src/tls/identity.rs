//! Private keys with their certificates: what a key store gives.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::certificate;
use super::error::{Owner, TlsError};
use super::{Material, Store, pem};
use crate::config::{KeystoreConfig, Located};

/// Reads the key store.
pub(super) fn load(owner: &Owner, config: &KeystoreConfig, read: &mut Material) -> Result<Arc<CertifiedKey>, TlsError> {
    let (key_text, chain_text, at) = match config {
        KeystoreConfig::File { location, .. } => {
            let bytes = read_file(owner, location, read)?;
            let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
            (text.clone(), text, Located { value: (), ..unit(location) })
        }
        KeystoreConfig::Inline { key, certificate_chain, .. } => {
            let text = |bytes: &[u8]| Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
            (text(key.value.expose()), text(certificate_chain.value.expose()), unit(key))
        }
    };
    let key = pem::entries(&key_text)
        .map_err(|problem| owner.error(&at, problem))?
        .into_iter()
        .find(|entry| entry.label == "PRIVATE KEY")
        .ok_or_else(|| owner.error(&at, "No matching PRIVATE KEY entries in PEM file"))?;
    let chain = certificates(&chain_text).map_err(|problem| owner.error(&at, problem))?;
    let key = PrivateKeyDer::try_from(key.der.to_vec()).map_err(|problem| owner.error(&at, problem))?;
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| owner.error(&at, error.to_string()))?;
    for der in &chain {
        read.certificates.extend(certificate::info(der, Store::Keystore));
    }
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

pub(super) fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let entries = pem::entries(text)?.into_iter().filter(|entry| entry.label == "CERTIFICATE");
    let certificates: Vec<_> = entries.map(|entry| CertificateDer::from(entry.der.to_vec())).collect();
    if certificates.is_empty() { Err("No matching CERTIFICATE entries in PEM file") } else { Ok(certificates) }
}

pub(super) fn unit<T>(at: &Located<T>) -> Located<()> {
    Located { value: (), key: at.key.clone(), origin: at.origin.clone(), hidden: at.hidden }
}

pub(super) fn read_file(
    owner: &Owner,
    at: &Located<std::path::PathBuf>,
    read: &mut Material,
) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let path: &Path = &at.value;
    read.files.push(path.to_owned());
    let mut bytes = Zeroizing::new(Vec::new());
    let result = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    result.map_err(|error| owner.error(at, format!("{} cannot be read: {error}", path.display())))?;
    Ok(bytes)
}
