//! TLS as a client: towards the backend, and towards the issuers of tokens.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::sign::SingleCertAndKey;

use super::error::TlsError;
use super::identity::Identity;
use super::material::{Material, Place};
use super::nameless::NamelessVerifier;
use super::{CertificateInfo, suites, trust};
use crate::config::BackendTlsConfig;

const TRUSTSTORE: &str = "backend.ssl.truststore.location";

/// TLS as a client, as its files were when they were read.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    material: Material,
}

impl ClientTls {
    /// Reads and checks everything that `settings` name. Reads files: not for an async worker.
    pub fn load(settings: &BackendTlsConfig) -> Result<Self, TlsError> {
        Self::load_for("backend", TRUSTSTORE, settings)
    }

    /// The same towards another server than the backend: `owner` is what errors begin with, `truststore` the key to set where no
    /// trust store is named and the system has no authorities.
    pub fn load_for(owner: &str, truststore: &str, settings: &BackendTlsConfig) -> Result<Self, TlsError> {
        let mut material = Material::new(owner);
        let identity = settings.keystore.as_ref().map(|store| Identity::load(store, &mut material)).transpose()?;
        let (provider, versions) = suites::provider(settings.versions, settings.cipher_suites.as_ref(), &material)?;
        let provider = Arc::new(provider);
        let roots = trust::roots(settings.truststore.as_ref(), truststore, &mut material)?;
        let crls = trust::crls(&settings.crls, &mut material)?;
        let place = match settings.crls.first() {
            Some(crl) => Place::new(crl, ""),
            None => Place::unset(truststore),
        };
        // A certificate whose issuer has no list here passes.
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .with_crls(crls)
            .allow_unknown_revocation_status()
            .build()
            .map_err(|error| material.error(&place, error.to_string()))?;
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions);
        let builder = builder.map_err(|error| material.error(&place, error.to_string()))?;
        let builder = if settings.verify_host_name {
            builder.with_webpki_verifier(verifier)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(NamelessVerifier(verifier)))
        };
        let mut config = match identity.and_then(|identity| identity.first()) {
            Some(key) => {
                // rustls keeps no public way from a shared key; the chain and the key itself are shared all the same.
                let key = rustls::sign::CertifiedKey::clone(&key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_secret_extraction = true;
        // Each connection verifies the broker anew: an expired or revoked certificate does not come back by resumption.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), material })
    }

    #[cfg(test)]
    pub(super) fn with_config(config: ClientConfig) -> Self {
        Self { config: Arc::new(config), material: Material::new("test") }
    }

    /// What handshakes go by.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// The certificates that were read.
    pub fn certificates(&self) -> &[CertificateInfo] {
        &self.material.certificates
    }

    /// The files that were read.
    pub fn files(&self) -> &[PathBuf] {
        &self.material.files
    }

    /// What the operator should know: one line each, with the listener or `backend`, and the key.
    pub fn warnings(&self) -> &[String] {
        &self.material.warnings
    }
}
