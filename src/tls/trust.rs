//! Whom we trust: trust stores, the system's authorities, revocation lists.

use rustls::RootCertStore;
use rustls::pki_types::CertificateRevocationListDer;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;

use super::error::TlsError;
use super::material::{Material, Place, now, password, shown, text};
use super::{Store, pem, pkcs12};
use crate::config::{Located, StoreType, TruststoreConfig};

/// Reads the trust store; without one, the operating system's authorities, as the JVM has its own. `key` is the one to set then.
pub(super) fn roots(
    config: Option<&TruststoreConfig>,
    key: &str,
    material: &mut Material,
) -> Result<RootCertStore, TlsError> {
    let Some(config) = config else { return system_roots(&Place::unset(key), material) };
    let (certificates, place) = match config {
        TruststoreConfig::Inline(certificates) => {
            let place = Place::new(certificates, "Invalid PEM truststore configs");
            (pem::certificates(&text(certificates.value.expose())).map_err(str::to_owned), place)
        }
        TruststoreConfig::File { store_type: StoreType::Pem, location, .. } => {
            let place = Place::new(location, format!("Failed to load PEM SSL keystore {}", shown(location)));
            let bytes = material.read_file(location, &place)?;
            (pem::certificates(&text(&bytes)).map_err(str::to_owned), place)
        }
        TruststoreConfig::File { store_type, location, password: store_password } => {
            let path = shown(location);
            let place = Place::new(location, format!("Failed to load SSL keystore {path} of type {store_type}"));
            let bytes = material.read_file(location, &place)?;
            let store_password = store_password.as_ref().map(password);
            let archive = pkcs12::open(&bytes, store_password.as_ref().map(|p| p.as_str()), &path);
            (archive.map(|archive| pkcs12::trusted(&archive)), place)
        }
    };
    let certificates = certificates.map_err(|problem| material.error(&place, problem))?;
    if certificates.is_empty() {
        let problem = "there is no trusted certificate in the store; Java, and Kafka with it, sees only those that keytool -importcert put \
                       there";
        return Err(material.error(&place, problem));
    }
    let mut roots = RootCertStore::empty();
    for (n, der) in certificates.into_iter().enumerate() {
        material.note(&der, Store::Truststore);
        let added = roots.add(der);
        added.map_err(|error| material.error(&place, format!("certificate {} cannot be trusted: {error}", n + 1)))?;
    }
    Ok(roots)
}

fn system_roots(place: &Place<'_>, material: &mut Material) -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let problem = "the operating system has no certificate authorities either; expected a trust store";
        return Err(material.error(place, problem));
    }
    Ok(roots)
}

const NO_LIST: &str = "it is no certificate revocation list of version 2 (RFC 5280 section 5.1); openssl writes that version with \
                       crl_extensions in its configuration";

/// Reads the revocation lists.
pub(super) fn crls(
    files: &[Located<std::path::PathBuf>],
    material: &mut Material,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let mut lists = Vec::new();
    for file in files {
        let place = Place::new(file, format!("revocation list {}", shown(file)));
        let bytes = material.read_file(file, &place)?;
        // The first byte of DER is no text.
        let found = if bytes.first() == Some(&0x30) {
            vec![bytes.to_vec()]
        } else {
            let entries = pem::entries(&text(&bytes)).map_err(|problem| material.error(&place, problem))?;
            entries.into_iter().filter(|entry| entry.label == "X509 CRL").map(|entry| entry.der.to_vec()).collect()
        };
        if found.is_empty() {
            return Err(material.error(&place, "No matching X509 CRL entries in PEM file"));
        }
        for der in found {
            let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der);
            let list = list.map_err(|_| material.error(&place, NO_LIST))?;
            let next = list.tbs_cert_list.next_update.map(|time| time.to_unix_duration().as_secs());
            if next.is_some_and(|next| i64::try_from(next).is_ok_and(|next| next < now())) {
                let issuer = &list.tbs_cert_list.issuer;
                material
                    .warn(&place, format!("the revocation list of {issuer} is out of date; it is used nevertheless"));
            }
            lists.push(CertificateRevocationListDer::from(der));
        }
    }
    Ok(lists)
}

/// Bytes of the authorities' names that a client may be sent; a list has 16 bits of length, and it goes out in each handshake.
const MAX_HINTS: usize = 16 << 10;

/// Whether the names of these authorities are sent to clients, so that they can choose among their certificates.
pub(super) fn sends_hints(roots: &RootCertStore) -> bool {
    roots.roots.iter().map(|root| root.subject.len() + 6).sum::<usize>() <= MAX_HINTS
}
