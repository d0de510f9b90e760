//! What is told of certificates.

use x509_cert::Certificate;
use x509_cert::der::Decode;

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
