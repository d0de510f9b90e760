//! TLS of a listener.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::error::TlsError;
use super::identity::Identity;
use super::material::{Material, Place};
use super::{CertificateInfo, certificate, suites, trust};
use crate::config::{ClientAuth, KeystoreConfig, ListenerTlsConfig};

/// TLS of one listener, as its files were when they were read.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    material: Material,
    identity: Arc<Identity>,
    settings: ListenerTlsConfig,
}

impl ServerTls {
    /// Reads and checks everything that `settings` name. Reads files: not for an async worker.
    pub fn load(settings: &ListenerTlsConfig) -> Result<Self, TlsError> {
        let mut material = Material::new(format!("listener {}", settings.listener));
        let identity = Arc::new(Identity::load(&settings.keystore, &mut material)?);
        let (provider, versions) = suites::provider(settings.versions, settings.cipher_suites.as_ref(), &material)?;
        let place = keystore_place(settings);
        let usable = provider.cipher_suites.iter().filter(|suite| versions.contains(&suite.version()));
        if !identity.can_use(usable.map(|suite| suite.suite())) {
            let problem = "the private key fits none of the cipher suites and versions of this listener: every handshake would fail";
            return Err(material.error(&place, problem));
        }
        let provider = Arc::new(provider);
        let verifier = verifier(settings, &provider, &mut material)?;
        let asks = verifier.is_some();
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
        let builder = builder.map_err(|error| material.error(&place, error.to_string()))?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(identity.clone());
        // The bytes are encrypted by our own transport once the handshake is done.
        config.enable_secret_extraction = true;
        // Without a list of one's own the client's order holds: it knows which of them its processor is quick at.
        config.ignore_client_order = settings.cipher_suites.is_some();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if !asks {
            // A resumed session would bring back the client's certificate unseen, though it has expired since: only where there are
            // none is there resumption. One ticket is what Java and librdkafka use of them.
            let ticketer = aws_lc_rs::Ticketer::new();
            config.ticketer = ticketer.map_err(|error| material.error(&place, error.to_string()))?;
            config.send_tls13_tickets = 1;
        }
        Ok(Self { config: Arc::new(config), material, identity, settings: settings.clone() })
    }

    /// Whether this one may take the place of `old` while the server runs: Kafka's rules for a key store that is replaced, less what
    /// `ssl.allow.dn.changes` and `ssl.allow.san.changes` leave out. Whether it is valid today is not asked here.
    pub fn may_replace(&self, old: &Self) -> Result<(), TlsError> {
        let (ours, theirs): (Vec<_>, Vec<_>) = (self.identity.leaves().collect(), old.identity.leaves().collect());
        let place = keystore_place(&self.settings);
        if !self.settings.allow_dn_changes {
            if ours.len() != theirs.len() {
                return Err(self
                    .material
                    .error(&place, "the new key store has another number of keys than the one in use"));
            }
            if ours.iter().zip(&theirs).any(|(new, old)| certificate::subject(new) != certificate::subject(old)) {
                let problem = "the new certificate is for another subject than the one in use; ssl.allow.dn.changes=true allows it";
                return Err(self.material.error(&place, problem));
            }
        }
        let names = |leaves: &[&CertificateDer<'static>]| {
            leaves.iter().flat_map(|der| certificate::alternative_names(der)).collect::<BTreeSet<_>>()
        };

        if !self.settings.allow_san_changes && !names(&ours).is_superset(&names(&theirs)) {
            let problem =
                "the new certificate lacks alternative names of the one in use; ssl.allow.san.changes=true allows it";
            return Err(self.material.error(&place, problem));
        }
        Ok(())
    }

    /// What handshakes go by.
    pub fn config(&self) -> &Arc<ServerConfig> {
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

fn keystore_place(settings: &ListenerTlsConfig) -> Place<'_> {
    match &settings.keystore {
        KeystoreConfig::File { location, .. } => Place::new(location, ""),
        KeystoreConfig::Inline { key, .. } => Place::new(key, ""),
    }
}

/// Who looks at clients' certificates; nobody where they are not asked for any. The trust store is read in any case, as Kafka does,
/// so that one that is broken shows before somebody relies on it.
fn verifier(
    settings: &ListenerTlsConfig,
    provider: &Arc<CryptoProvider>,
    material: &mut Material,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let asks = settings.client_auth != ClientAuth::None;
    if !asks && settings.truststore.is_none() && settings.crls.is_empty() {
        return Ok(None);
    }
    let key = format!("{}ssl.truststore.location", settings.listener.key_prefix());
    let roots = trust::roots(settings.truststore.as_ref(), &key, material)?;
    if asks && settings.truststore.is_none() {
        let warning =
            "without a trust store, clients with a certificate of any of the operating system's authorities are let in";
        material.warn(&Place::unset(&key), warning);
    }
    let crls = trust::crls(&settings.crls, material)?;
    let sends_hints = trust::sends_hints(&roots);
    // A certificate whose issuer has no list here passes.
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(crls)
        .allow_unknown_revocation_status();
    if settings.client_auth == ClientAuth::Requested {
        builder = builder.allow_unauthenticated();
    }
    if !sends_hints {
        builder = builder.clear_root_hint_subjects();
    }
    let verifier = builder.build().map_err(|error| {
        let place = match settings.crls.first() {
            Some(crl) => Place::new(crl, ""),
            None => Place::unset(&key),
        };
        material.error(&place, format!("one of the revocation lists or trusted certificates cannot be used: {error}"))
    })?;
    Ok(asks.then_some(verifier))
}
