//! PKCS #12 stores (RFC 7292) as Java reads them, and what else may stand in a file of type JKS.

use p12_keystore::error::Error;
use p12_keystore::{Certificate, CertificateBag, Pkcs12Archive, PrivateKeyBag};
use rustls::pki_types::CertificateDer;

use super::certificate;

/// First bytes of Java's own store formats.
const JKS_MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const JCEKS_MAGIC: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
/// The tag of a DER SEQUENCE, which a PKCS #12 file is.
const SEQUENCE: u8 = 0x30;

/// Opens a store of type JKS or PKCS12; as in Java, the content says which it is. `path` is for the line that converts it.
pub(super) fn open(bytes: &[u8], password: Option<&str>, path: &str) -> Result<Pkcs12Archive, String> {
    for (magic, format) in [(JKS_MAGIC, "JKS"), (JCEKS_MAGIC, "JCEKS")] {
        if bytes.starts_with(&magic) {
            return Err(format!(
                "the file is in Java's old format {format}, which is not supported; expected PKCS12: keytool -importkeystore \
                 -srckeystore {path} -srcstoretype {format} -destkeystore {path}.p12 -deststoretype PKCS12"
            ));
        }
    }
    if bytes.first() != Some(&SEQUENCE) {
        return Err("the file is neither a PKCS12 nor a JKS store; a PEM file needs the store type PEM".into());
    }
    Pkcs12Archive::from_pkcs12(bytes, password.unwrap_or_default()).map_err(|error| match (error, password) {
        (Error::MacError(_), Some(_)) => "keystore password was incorrect".into(),
        (_, None) => "the store cannot be read without its password".into(),
        (Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm, _) => {
            "the store is encrypted or signed with an algorithm that is not supported; expected what keytool writes today".into()
        }
        (error, _) => format!("the store is broken: {error}"),
    })
}

/// The certificate that belongs to `key` and those of its issuers, as far as they are in the store.
///
/// `public_key` is the key's own. Java goes by the local key id alone; here the public key must fit as well, and an id only decides
/// between several certificates for one key.
pub(super) fn chain(archive: &Pkcs12Archive, key: &PrivateKeyBag, public_key: &[u8]) -> Vec<CertificateDer<'static>> {
    let id = key.local_key_id.as_ref().map(|id| id.0.as_slice());
    let fits = |bag: &&CertificateBag| certificate::has_public_key(&bag.cert.as_der().into(), public_key);
    let own = archive.certs.iter().filter(fits);
    let Some(leaf) = own.rev().max_by_key(|bag| id.is_some() && bag.local_key_id.as_deref() == id) else {
        return Vec::new();
    };
    let mut chain = vec![&leaf.cert];
    // Each certificate is used once: issuers may point at each other.
    while let Some(next) = chain.last().and_then(|last| {
        let is_issuer = |cert: &&Certificate| cert.subject() == last.issuer() && !chain.contains(cert);
        archive.certs.iter().map(|bag| &bag.cert).find(is_issuer)
    }) {
        chain.push(next);
    }
    chain.into_iter().map(|cert| cert.as_der().to_vec().into()).collect()
}

/// What Java trusts of a store: the entries that keytool marks as trusted, and the own certificate of each key.
pub(super) fn trusted(archive: &Pkcs12Archive) -> Vec<CertificateDer<'static>> {
    let is_trusted = |bag: &&CertificateBag| {
        let of_key =
            || archive.keys.iter().any(|key| key.local_key_id.as_ref().map(|id| &id.0) == bag.local_key_id.as_ref());
        bag.trusted || bag.local_key_id.is_some() && of_key()
    };
    archive.certs.iter().filter(is_trusted).map(|bag| bag.cert.as_der().to_vec().into()).collect()
}
