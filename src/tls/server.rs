use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;

use super::error::{Owner, TlsError};
use super::{CertificateInfo, Material, identity, trust};
use crate::config::{ClientAuth, ListenerTlsConfig};

/// TLS of one listener, as its files were when they were read.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    read: Material,
}

impl ServerTls {
    /// Reads and checks everything that `settings` name. Reads files: not for an async worker.
    pub fn load(settings: &ListenerTlsConfig) -> Result<Self, TlsError> {
        let owner = Owner(format!("listener {}", settings.listener));
        let mut read = Material::default();
        let identity = identity::load(&owner, &settings.keystore, &mut read)?;
        let general = |error: rustls::Error| owner.error(&identity::unit(keystore_at(settings)), error.to_string());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.map_err(general)?;
        let roots = settings.truststore.as_ref().map(|store| trust::load(&owner, store, &mut read)).transpose()?;
        let builder = match (settings.client_auth, roots) {
            (ClientAuth::None, _) | (_, None) => builder.with_no_client_auth(),
            (auth, Some(roots)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if auth == ClientAuth::Requested { verifier.allow_unauthenticated() } else { verifier };
                let verifier = verifier
                    .build()
                    .map_err(|error| owner.error(&identity::unit(keystore_at(settings)), error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.enable_secret_extraction = true;
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(general)?;
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config), read })
    }

    /// What handshakes go by.
    pub fn config(&self) -> &Arc<ServerConfig> {
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

fn keystore_at(settings: &ListenerTlsConfig) -> &crate::config::Located<PathBuf> {
    match &settings.keystore {
        crate::config::KeystoreConfig::File { location, .. } => location,
        crate::config::KeystoreConfig::Inline { .. } => unreachable!(),
    }
}
