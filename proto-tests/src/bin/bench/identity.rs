//! The certificate that all the programs show, and clients that trust it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Res;

/// A key on P-256 and its certificate, self-signed, as files that all the programs read.
pub struct Identity {
    pub key: PathBuf,
    pub chain: PathBuf,
    /// Both in one, as Kafka's PEM keystores and HAProxy want it.
    pub keystore: PathBuf,
}

impl Identity {
    pub fn create(dir: &Path) -> Res<Self> {
        std::fs::create_dir_all(dir)?;
        let (key, chain, keystore) = (dir.join("key.pem"), dir.join("chain.pem"), dir.join("keystore.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "30",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&chain)
            .output()
            .map_err(|e| format!("openssl cannot be started: {e}"))?;
        if !made.status.success() {
            return Err(format!("openssl req: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        std::fs::write(&keystore, [std::fs::read(&key)?, std::fs::read(&chain)?].concat())?;
        Ok(Self { key, chain, keystore })
    }

    /// Clients that trust this certificate. Of one run there is one, so it may live as long as the program.
    pub fn client(&self) -> Res<&'static Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.chain)? {
            roots.add(certificate?)?;
        }
        let offered = rustls::crypto::CryptoProvider {
            cipher_suites: vec![provider::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![provider::kx_group::X25519, provider::kx_group::SECP256R1],
            ..provider::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(offered))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Box::leak(Box::new(Arc::new(config))))
    }
}
