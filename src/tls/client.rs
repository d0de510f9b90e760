use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::error::{Owner, TlsError};
use super::{CertificateInfo, Material, trust};
use crate::config::BackendTlsConfig;

/// TLS towards the backend, as its files were when they were read.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    read: Material,
}

impl ClientTls {
    /// Reads and checks everything that `settings` name. Reads files: not for an async worker.
    pub fn load(settings: &BackendTlsConfig) -> Result<Self, TlsError> {
        let owner = Owner("backend".into());
        let mut read = Material::default();
        let roots = settings.truststore.as_ref().map(|store| trust::load(&owner, store, &mut read)).transpose()?;
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the default provider has suites for the default versions");
        let mut config =
            builder.with_root_certificates(roots.unwrap_or_else(RootCertStore::empty)).with_no_client_auth();
        config.enable_secret_extraction = true;
        Ok(Self { config: Arc::new(config), read })
    }

    /// What handshakes go by.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// The certificates that were read.
    pub fn certificates(&self) -> &[CertificateInfo] {
        &self.read.certificates
    }

    /// The files that were read.
    pub fn files(&self) -> &[PathBuf] {
        &self.read.files
    }

    /// What the operator should know: one line each.
    pub fn warnings(&self) -> &[String] {
        &self.read.warnings
    }
}
