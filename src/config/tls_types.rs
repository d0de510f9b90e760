//! The TLS settings of a listener and of the backend. Paths and values as configured: nothing has been read from a file yet.

use std::fmt;
use std::path::PathBuf;

use super::names::ListenerName;
use crate::principal::CertificateNaming;
use crate::secret::Secret;

/// A value together with where it was configured, for the errors that come up when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The full key, prefix included.
    pub key: String,
    /// `file:line`, `override` or `default`.
    pub origin: String,
    /// A config provider put something into the value: it is not to be shown.
    pub hidden: bool,
}

/// TLS on one listener.
#[derive(Clone, Debug)]
pub struct ListenerTlsConfig {
    /// Whose it is.
    pub listener: ListenerName,
    /// The listener's own key and certificates.
    pub keystore: KeystoreConfig,
    /// Whom clients' certificates must come from; `None` is the system's authorities.
    pub truststore: Option<TruststoreConfig>,
    /// Ours: `ssl.crl.location`, files with revocation lists.
    pub crls: Vec<Located<PathBuf>>,
    /// `ssl.client.auth`.
    pub client_auth: ClientAuth,
    /// How clients that show a certificate are named. Without effect where the listener has SASL.
    pub naming: CertificateNaming,
    /// `ssl.enabled.protocols`.
    pub versions: TlsVersions,
    /// `ssl.cipher.suites` in JSSE's names; `None` is all that we have.
    pub cipher_suites: Option<Located<Vec<String>>>,
    /// `ssl.allow.dn.changes`: a key store that is replaced may name another subject.
    pub allow_dn_changes: bool,
    /// `ssl.allow.san.changes`: a key store that is replaced may lack alternative names that it had.
    pub allow_san_changes: bool,
}

/// TLS towards the backend.
#[derive(Clone, Debug)]
pub struct BackendTlsConfig {
    /// The certificate that this front shows if it is asked for one.
    pub keystore: Option<KeystoreConfig>,
    /// Whom the brokers' certificates must come from; `None` is the system's authorities.
    pub truststore: Option<TruststoreConfig>,
    /// Ours: `ssl.crl.location`, files with revocation lists.
    pub crls: Vec<Located<PathBuf>>,
    /// `ssl.endpoint.identification.algorithm` is `https`: the name that was dialled must be in the certificate.
    pub verify_host_name: bool,
    /// `ssl.enabled.protocols`.
    pub versions: TlsVersions,
    /// `ssl.cipher.suites` in JSSE's names; `None` is all that we have.
    pub cipher_suites: Option<Located<Vec<String>>>,
}

/// `ssl.client.auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// Clients are not asked for a certificate.
    None,
    /// Asked; a client without one is anonymous, one with a bad certificate is refused.
    Requested,
    /// Refused without a good certificate.
    Required,
}

impl fmt::Display for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Requested => "requested",
            Self::Required => "required",
        })
    }
}

/// `ssl.enabled.protocols`: at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlsVersions {
    /// TLSv1.2
    pub tls12: bool,
    /// TLSv1.3
    pub tls13: bool,
}

/// `ssl.keystore.type` and `ssl.truststore.type`. JKS and PKCS12 name the same reader: what the file is decides, as in Java.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreType {
    /// Java's own format.
    Jks,
    /// PKCS #12 (RFC 7292).
    Pkcs12,
    /// PEM (RFC 7468).
    Pem,
}

impl fmt::Display for StoreType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jks => "JKS",
            Self::Pkcs12 => "PKCS12",
            Self::Pem => "PEM",
        })
    }
}

/// A key with its certificates.
#[derive(Clone, Debug)]
pub enum KeystoreConfig {
    /// `ssl.keystore.location`
    File {
        /// `ssl.keystore.type`
        store_type: StoreType,
        /// The file.
        location: Located<PathBuf>,
        /// `ssl.keystore.password`; set unless the type is PEM.
        password: Option<Secret>,
        /// `ssl.key.password`
        key_password: Option<Secret>,
    },
    /// `ssl.keystore.key` and `ssl.keystore.certificate.chain`
    Inline {
        /// PEM text of the private key.
        key: Located<Secret>,
        /// PEM text of the certificates, the listener's own first.
        certificate_chain: Located<Secret>,
        /// `ssl.key.password`
        key_password: Option<Secret>,
    },
}

/// Certificates that are trusted.
#[derive(Clone, Debug)]
pub enum TruststoreConfig {
    /// `ssl.truststore.location`
    File {
        /// `ssl.truststore.type`
        store_type: StoreType,
        /// The file.
        location: Located<PathBuf>,
        /// `ssl.truststore.password`; without it a store is read but its integrity is not checked.
        password: Option<Secret>,
    },
    /// `ssl.truststore.certificates`, PEM text.
    Inline(Located<Secret>),
}
