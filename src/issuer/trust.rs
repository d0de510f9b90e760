//! TLS towards issuers: whose certificates are believed, and what of ours is shown.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::config::{BackendTlsConfig, KeystoreConfig, Located, TlsVersions, TruststoreConfig};
use crate::secret::Secret;
use crate::tls::{ClientTls, TlsError};

/// The key that errors name where there is neither a trust store nor an authority of the operating system's.
const TRUSTSTORE: &str = "ssl.truststore.location";

/// What TLS towards an issuer goes by, as the configuration has it. Two are equal if they name the same files and values, wherever
/// these stand.
#[derive(Clone, Debug)]
pub struct IssuerTls(Arc<BackendTlsConfig>);

impl IssuerTls {
    /// With the operating system's authorities, as Kafka does with the JVM's.
    pub fn system() -> Self {
        Self::new(BackendTlsConfig {
            keystore: None,
            truststore: None,
            crls: Vec::new(),
            verify_host_name: true,
            versions: TlsVersions { tls12: true, tls13: true },
            cipher_suites: None,
        })
    }

    /// With what `settings` name. The issuer must show a certificate for the URL's host whatever they say of that: refuse a
    /// configuration that turns it off.
    pub fn new(settings: BackendTlsConfig) -> Self {
        Self(Arc::new(BackendTlsConfig { verify_host_name: true, ..settings }))
    }

    /// Reads and checks the files. Not for an async worker.
    pub fn load(&self) -> Result<Arc<ClientTls>, TlsError> {
        ClientTls::load_for("issuer", TRUSTSTORE, &self.0).map(Arc::new)
    }
}

impl PartialEq for IssuerTls {
    fn eq(&self, other: &Self) -> bool {
        let BackendTlsConfig { keystore, truststore, crls, verify_host_name, versions, cipher_suites } = &*self.0;
        let other = &*other.0;
        let values = |of: &Option<Located<Vec<String>>>| of.as_ref().map(|suites| suites.value.clone());
        same_keystores(keystore.as_ref(), other.keystore.as_ref())
            && same_truststores(truststore.as_ref(), other.truststore.as_ref())
            && crls.iter().map(|crl| &crl.value).eq(other.crls.iter().map(|crl| &crl.value))
            && (verify_host_name, versions) == (&other.verify_host_name, &other.versions)
            && values(cipher_suites) == values(&other.cipher_suites)
    }
}

impl Eq for IssuerTls {}

/// By what is no secret.
impl Hash for IssuerTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(TruststoreConfig::File { location, .. }) = &self.0.truststore {
            location.value.hash(state);
        }
        self.0.versions.hash(state);
    }
}

fn same_keystores(one: Option<&KeystoreConfig>, other: Option<&KeystoreConfig>) -> bool {
    use KeystoreConfig::{File, Inline};
    match (one, other) {
        (None, None) => true,
        (
            Some(File { store_type, location, password, key_password }),
            Some(File {
                store_type: other_type,
                location: other_location,
                password: other_password,
                key_password: other_key,
            }),
        ) => {
            (store_type, &location.value) == (other_type, &other_location.value)
                && same_secrets(password.as_ref(), other_password.as_ref())
                && same_secrets(key_password.as_ref(), other_key.as_ref())
        }
        (
            Some(Inline { key, certificate_chain, key_password }),
            Some(Inline { key: other_key, certificate_chain: other_chain, key_password: other_password }),
        ) => {
            key.value.matches(other_key.value.expose())
                && certificate_chain.value.matches(other_chain.value.expose())
                && same_secrets(key_password.as_ref(), other_password.as_ref())
        }
        _ => false,
    }
}

fn same_truststores(one: Option<&TruststoreConfig>, other: Option<&TruststoreConfig>) -> bool {
    use TruststoreConfig::{File, Inline};
    match (one, other) {
        (None, None) => true,
        (
            Some(File { store_type, location, password }),
            Some(File { store_type: other_type, location: other_location, password: other_password }),
        ) => {
            (store_type, &location.value) == (other_type, &other_location.value)
                && same_secrets(password.as_ref(), other_password.as_ref())
        }
        (Some(Inline(certificates)), Some(Inline(others))) => certificates.value.matches(others.value.expose()),
        _ => false,
    }
}

fn same_secrets(one: Option<&Secret>, other: Option<&Secret>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.matches(other.expose()),
        _ => false,
    }
}
