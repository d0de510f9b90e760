//! What is looked up in certificates.

use std::collections::BTreeSet;

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;

use super::{CertificateInfo, Store};

/// Subject and validity, if they can be read.
pub(super) fn info(der: &[u8], store: Store) -> Option<CertificateInfo> {
    let certificate = Certificate::from_der(der).ok()?;
    let tbs = certificate.tbs_certificate();
    let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Some(CertificateInfo {
        store,
        subject: tbs.subject().to_string(),
        not_before: seconds(tbs.validity().not_before),
        not_after: seconds(tbs.validity().not_after),
    })
}

/// Whether it is a certificate for this public key, a SubjectPublicKeyInfo in DER.
pub(super) fn has_public_key(der: &CertificateDer<'_>, public_key: &[u8]) -> bool {
    if let Ok(certificate) = ParsedCertificate::try_from(der) {
        return *certificate.subject_public_key_info() == *public_key;
    }
    // What rustls does not parse, X.509 version 1 for one, may be shown to clients all the same: they judge it.
    let certificate = Certificate::from_der(der).ok();
    let own = certificate.and_then(|c| c.tbs_certificate().subject_public_key_info().to_der().ok());
    own.is_some_and(|own| own == public_key)
}

/// The subject as text for comparison: Kafka takes two spellings that differ in case as the same.
pub(super) fn subject(der: &[u8]) -> Option<String> {
    Certificate::from_der(der).ok().map(|c| c.tbs_certificate().subject().to_string().to_lowercase())
}

/// The subject alternative names, each in DER.
pub(super) fn alternative_names(der: &[u8]) -> BTreeSet<Vec<u8>> {
    let names = Certificate::from_der(der).ok().and_then(|certificate| {
        let (_, names) = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok()??;
        Some(names.0.iter().filter_map(|name| name.to_der().ok()).collect())
    });
    names.unwrap_or_default()
}
