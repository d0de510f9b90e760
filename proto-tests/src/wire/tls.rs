//! How a raw client speaks TLS: whom it trusts, who it is, what it offers.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme, SupportedProtocolVersion};

use crate::pki::{Authority, Leaf};
use crate::{Context, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Tls12,
    Tls13,
}

impl Version {
    fn of(self) -> &'static SupportedProtocolVersion {
        match self {
            Version::Tls12 => &rustls::version::TLS12,
            Version::Tls13 => &rustls::version::TLS13,
        }
    }
}

/// A client's side of TLS, ready for many connections.
#[derive(Clone)]
pub struct Client {
    config: ClientConfig,
    name: Option<String>,
}

impl Client {
    /// One that trusts that authority, offers TLS 1.2 and 1.3, has no certificate, never resumes, and asks for no host name: the
    /// server's certificate has to be for its IP address.
    pub fn trusting(authority: &Authority) -> Result<Client> {
        Self::build(authority, &[&rustls::version::TLS13, &rustls::version::TLS12])
    }

    /// The same with one version only.
    pub fn only(authority: &Authority, version: Version) -> Result<Client> {
        Self::build(authority, &[version.of()])
    }

    fn build(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.certificate().to_vec())).context("trust the authority")?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .context("choose versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        config.enable_secret_extraction = true;
        Ok(Client { config, name: None })
    }

    /// Shows that certificate to every server that asks for one, whatever authorities it names.
    pub fn showing(mut self, leaf: &Leaf) -> Result<Client> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf.key.pkcs8()?));
        let key = aws_lc_rs::sign::any_supported_type(&key).context("load the client's key")?;
        let chain = leaf.chain.iter().map(|c| CertificateDer::from(c.clone())).collect();
        self.config.client_auth_cert_resolver = Arc::new(Always(Arc::new(CertifiedKey::new(chain, key))));
        Ok(self)
    }

    /// Asks for that host name, and wants a certificate for it.
    pub fn asking_for(mut self, host: &str) -> Client {
        self.name = Some(host.to_owned());
        self
    }

    /// Resumes where the server lets it, with early data where it offers that.
    pub fn resuming(mut self) -> Client {
        self.config.enable_early_data = true;
        self.config.resumption = rustls::client::Resumption::in_memory_sessions(64);
        self
    }

    pub fn offering_alpn(mut self, protocols: &[&[u8]]) -> Client {
        self.config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        self
    }

    /// Tells the secrets of each connection to `log`.
    pub fn telling(mut self, log: Arc<dyn rustls::KeyLog>) -> Client {
        self.config.key_log = log;
        self
    }

    pub fn connection(&self, to: SocketAddr) -> Result<ClientConnection> {
        let name = match &self.name {
            Some(name) => ServerName::try_from(name.clone()).context("a host name")?,
            None => ServerName::from(to.ip()),
        };
        ClientConnection::new(Arc::new(self.config.clone()), name).context("begin TLS")
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
