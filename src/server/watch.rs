//! Certificates that change on disk: key stores, trust stores and revocation lists are looked at every
//! `tls.reload.interval.ms`, and a good change serves all new handshakes.
//!
//! Looking reads files and opens key stores, which takes time: it is done off this thread, and its result comes back with the
//! [`Watch`]. Connections that exist live on.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::files::Files;
use crate::config::{BackendTlsConfig, KeystoreConfig, ListenerName, ListenerTlsConfig, Located, TruststoreConfig};
use crate::observe::{CertificateStore, Metrics};
use crate::tls::{CertificateInfo, ClientTls, ServerTls, Store, TlsError};

/// TLS material together with where it came from.
#[derive(Debug)]
pub(super) struct Watched {
    material: Material,
    files: Files,
}

impl Watched {
    /// Reads and checks what a listener's settings name.
    pub(super) fn listener(settings: &ListenerTlsConfig) -> Result<(Self, Arc<ServerTls>), TlsError> {
        let ListenerTlsConfig { keystore, truststore, crls, .. } = settings;
        let files = Files::new(paths(Some(keystore), truststore.as_ref(), crls));
        let tls = Arc::new(ServerTls::load(settings)?);
        let material = Material::Listener(settings.clone(), tls.clone());
        Ok((Self { material, files }, tls))
    }

    /// Reads and checks what the settings towards the backend name.
    pub(super) fn backend(settings: &BackendTlsConfig) -> Result<(Self, Arc<ClientTls>), TlsError> {
        let BackendTlsConfig { keystore, truststore, crls, .. } = settings;
        let files = Files::new(paths(keystore.as_ref(), truststore.as_ref(), crls));
        let tls = Arc::new(ClientTls::load(settings)?);
        let material = Material::Backend(settings.clone(), tls.clone());
        Ok((Self { material, files }, tls))
    }
}

fn paths(
    keystore: Option<&KeystoreConfig>,
    truststore: Option<&TruststoreConfig>,
    crls: &[Located<PathBuf>],
) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = crls.iter().map(|crl| crl.value.clone()).collect();
    if let Some(KeystoreConfig::File { location, .. }) = keystore {
        paths.push(location.value.clone());
    }
    if let Some(TruststoreConfig::File { location, .. }) = truststore {
        paths.push(location.value.clone());
    }
    paths
}

/// Whose TLS it is, its settings, and what was made of them.
#[derive(Clone, Debug)]
pub(super) enum Material {
    Listener(ListenerTlsConfig, Arc<ServerTls>),
    Backend(BackendTlsConfig, Arc<ClientTls>),
}

impl Material {
    /// The listener's name; `None` for the backend.
    pub(super) fn listener(&self) -> Option<&ListenerName> {
        match self {
            Self::Listener(settings, _) => Some(&settings.listener),
            Self::Backend(..) => None,
        }
    }

    /// When its certificates expire. The system's authorities are nobody's choice here, and not told.
    pub(super) fn tell_metrics(&self, metrics: &Metrics) {
        use CertificateStore::{BackendKeystore, BackendTruststore, Keystore, Truststore};
        let (stores, has_truststore) = match self {
            Self::Listener(settings, _) => ([Keystore, Truststore], settings.truststore.is_some()),
            Self::Backend(settings, _) => ([BackendKeystore, BackendTruststore], settings.truststore.is_some()),
        };
        let expiries = |store: Store| {
            let of_store = self.certificates().iter().filter(|certificate| certificate.store == store);
            of_store.map(|c| UNIX_EPOCH + Duration::from_secs(c.not_after.max(0).unsigned_abs())).collect::<Vec<_>>()
        };
        let listener = self.listener().map(ListenerName::as_str);
        metrics.set_certificates(listener, stores[0], &expiries(Store::Keystore));
        let trusted = if has_truststore { expiries(Store::Truststore) } else { Vec::new() };
        metrics.set_certificates(listener, stores[1], &trusted);
    }

    /// Its own certificate, if it has one.
    pub(super) fn own_certificate(&self) -> Option<&CertificateInfo> {
        self.certificates().iter().find(|certificate| certificate.store == Store::Keystore)
    }

    /// What the operator should know of it, one line each.
    pub(super) fn warnings(&self) -> &[String] {
        match self {
            Self::Listener(_, tls) => tls.warnings(),
            Self::Backend(_, tls) => tls.warnings(),
        }
    }

    pub(super) fn certificates(&self) -> &[CertificateInfo] {
        match self {
            Self::Listener(_, tls) => tls.certificates(),
            Self::Backend(_, tls) => tls.certificates(),
        }
    }

    fn load_again(&self) -> Result<Self, String> {
        let new = match self {
            Self::Listener(settings, _) => {
                ServerTls::load(settings).map(|tls| Self::Listener(settings.clone(), Arc::new(tls)))
            }
            Self::Backend(settings, _) => {
                ClientTls::load(settings).map(|tls| Self::Backend(settings.clone(), Arc::new(tls)))
            }
        };
        let new = new.map_err(|error| error.to_string())?;
        new.may_follow(Some(self))?;
        Ok(new)
    }

    /// Whether it may be used from now on, in the place of `old` or as the first of a new listener: Kafka's rules for names
    /// (`ssl.allow.dn.changes`, `ssl.allow.san.changes`), and ours for time.
    pub(super) fn may_follow(&self, old: Option<&Self>) -> Result<(), String> {
        if let (Self::Listener(_, new), Some(Self::Listener(_, old))) = (self, old) {
            // Whose it is, is told by whoever tells this.
            new.may_replace(old)
                .map_err(|TlsError { key, origin, problem, .. }| format!("{key} ({origin}): {problem}"))?;
        }
        are_valid(old.map(Self::certificates), self.certificates(), now())
    }
}

/// A start takes a certificate that has expired, because the other listeners may still be of use; a change to one is a mistake.
fn are_valid(old: Option<&[CertificateInfo]>, new: &[CertificateInfo], now: i64) -> Result<(), String> {
    for certificate in new.iter().filter(|certificate| certificate.store == Store::Keystore) {
        if old.is_some_and(|old| old.contains(certificate)) {
            continue;
        }
        let subject = &certificate.subject;
        if certificate.not_after < now {
            return Err(format!("the certificate of {subject} has expired"));
        }
        if certificate.not_before > now {
            return Err(format!("the certificate of {subject} is not valid yet"));
        }
    }
    Ok(())
}

/// Seconds since 1970.
fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// All that is watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    watched: Vec<Watched>,
    interval: Duration,
}

/// One change: the new material, or whose it is and why it is not used.
pub(super) type Change = Result<Material, (Option<ListenerName>, String)>;

impl Watch {
    /// `interval` of zero watches nothing.
    pub(super) fn new(watched: Vec<Watched>, interval: Duration) -> Self {
        Self { watched, interval }
    }

    pub(super) fn materials(&self) -> impl Iterator<Item = &Material> {
        self.watched.iter().map(|watched| &watched.material)
    }

    /// Looks once. Reads files.
    fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for watched in &mut self.watched {
            if !watched.files.have_changed() {
                continue;
            }
            changes.push(match watched.material.load_again() {
                Ok(material) => {
                    watched.material = material.clone();
                    Ok(material)
                }
                Err(problem) => Err((watched.material.listener().cloned(), problem)),
            });
        }
        changes
    }
}

/// Looks again and again.
pub(super) enum Watcher {
    Waiting(Watch, Instant),
    Looking(JoinHandle<(Watch, Vec<Change>)>),
}

impl Watcher {
    pub(super) fn new(watch: Watch) -> Self {
        let next = Instant::now() + watch.interval;
        Self::Waiting(watch, next)
    }

    #[cfg(test)]
    pub(super) fn interval(&self) -> Option<Duration> {
        match self {
            Self::Waiting(watch, _) => Some(watch.interval),
            Self::Looking(_) => None,
        }
    }

    /// What the next look that sees something has seen. May be dropped at any time, nothing is lost.
    pub(super) async fn next(&mut self) -> Vec<Change> {
        loop {
            match self {
                Self::Waiting(watch, _) if watch.interval.is_zero() || watch.watched.is_empty() => pending().await,
                Self::Waiting(watch, at) => {
                    sleep_until(*at).await;
                    let mut watch = std::mem::take(watch);
                    *self = Self::Looking(tokio::task::spawn_blocking(move || {
                        let changes = watch.look();
                        (watch, changes)
                    }));
                }
                Self::Looking(looking) => match looking.await {
                    Ok((watch, changes)) => {
                        *self = Self::new(watch);
                        if !changes.is_empty() {
                            return changes;
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "certificates are watched no more until the next reload");
                        *self = Self::new(Watch::default());
                    }
                },
            }
        }
    }
}
