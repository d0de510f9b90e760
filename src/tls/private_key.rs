//! Private keys in PEM: PKCS#8, plain or encrypted, and beyond Kafka the unencrypted older forms of OpenSSL.

use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfoOwned;
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode, Reader, SliceReader};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::spki::AlgorithmIdentifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use super::pem;

const CONVERT: &str = "openssl pkcs8 -topk8 -v2 aes256 -in OLD -out NEW";

/// Most rounds of a key derivation, and most bytes that it may take: a key that needs more is broken or malicious.
const MAX_ROUNDS: u32 = 10_000_000;
const MAX_SCRYPT_BYTES: u64 = 1 << 30;

/// The one private key of a PEM text.
pub(super) fn from_pem(text: &str, password: Option<&str>) -> Result<Arc<dyn SigningKey>, String> {
    let mut keys = pem::entries(text)?;
    keys.retain(|entry| entry.label.ends_with("PRIVATE KEY"));
    let [key] = &keys[..] else {
        return Err(match keys.len() {
            0 => "No matching PRIVATE KEY entries in PEM file".into(),
            n => format!("Expected one private key, but found {n}"),
        });
    };
    if key.is_legacy_encrypted {
        return Err(format!("the private key is encrypted in OpenSSL's own way; expected PKCS#8: {CONVERT}"));
    }
    match (&*key.label, password) {
        ("ENCRYPTED PRIVATE KEY", Some(password)) => {
            let key = decrypt(&key.der, password)?;
            signing_key(&PrivatePkcs8KeyDer::from(&key[..]).into())
        }
        ("ENCRYPTED PRIVATE KEY", None) => {
            Err("the private key is encrypted, but ssl.key.password is not specified".into())
        }
        (_, Some(_)) => Err("ssl.key.password is specified, but the private key is not encrypted".into()),
        ("PRIVATE KEY", None) => signing_key(&PrivatePkcs8KeyDer::from(&key.der[..]).into()),
        ("RSA PRIVATE KEY", None) => signing_key(&PrivatePkcs1KeyDer::from(&key.der[..]).into()),
        ("EC PRIVATE KEY", None) => signing_key(&PrivateSec1KeyDer::from(&key.der[..]).into()),
        (label, None) => Err(format!("a private key of the form {label} is not supported; expected PKCS#8: {CONVERT}")),
    }
}

/// A key that can sign handshakes.
pub(super) fn signing_key(der: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, String> {
    aws_lc_rs::sign::any_supported_type(der).map_err(|_| {
        "the private key is broken or of a kind that is not supported; expected RSA of 2048 to 8192 bits, EC on P-256, P-384 or \
         P-521, or Ed25519"
            .into()
    })
}

fn decrypt(der: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let info = EncryptedPrivateKeyInfoOwned::from_der(der).map_err(|_| unsupported(der))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else { return Err(unsupported(der)) };
    let is_excessive = match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => kdf.iteration_count > MAX_ROUNDS,
        Kdf::Scrypt(kdf) => {
            let bytes = kdf.cost_parameter.saturating_mul(u64::from(kdf.block_size)).saturating_mul(128);
            bytes > MAX_SCRYPT_BYTES || kdf.parallelization > 16
        }
        _ => return Err(unsupported(der)),
    };
    if is_excessive {
        return Err("the key derivation of the encrypted private key asks for far too much work".into());
    }
    let key = parameters.decrypt(password, info.encrypted_data.as_bytes());
    key.map(Zeroizing::new)
        .map_err(|_| "the private key cannot be decrypted: ssl.key.password is wrong, or it is broken".into())
}

/// Names the algorithm of an encryption that we do not have.
fn unsupported(der: &[u8]) -> String {
    let algorithm = SliceReader::new(der).and_then(|mut reader| {
        reader.sequence(|reader| {
            let algorithm: AlgorithmIdentifier<AnyRef<'_>> = reader.decode()?;
            let _: &OctetStringRef = reader.decode()?;
            Ok::<_, pkcs8::der::Error>(algorithm.oid.to_string())
        })
    });
    match algorithm {
        Ok(oid) => format!(
            "the private key is encrypted with {}, which is not supported; expected PBES2 with AES or 3DES: {CONVERT}",
            name(&oid).unwrap_or(&oid)
        ),
        Err(_) => "the encrypted private key is broken; expected PKCS#8".into(),
    }
}

/// Names of RFC 8018 and RFC 7292 for the older encryptions.
fn name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "1.2.840.113549.1.5.1" => "pbeWithMD2AndDES-CBC",
        "1.2.840.113549.1.5.3" => "pbeWithMD5AndDES-CBC",
        "1.2.840.113549.1.5.10" => "pbeWithSHA1AndDES-CBC",
        "1.2.840.113549.1.5.11" => "pbeWithSHA1AndRC2-CBC",
        "1.2.840.113549.1.5.13" => "PBES2 in a variant of its own",
        "1.2.840.113549.1.12.1.3" => "pbeWithSHAAnd3-KeyTripleDES-CBC",
        "1.2.840.113549.1.12.1.6" => "pbeWithSHAAnd40BitRC2-CBC",
        _ => return None,
    })
}
