//! What becomes of certificates that have changed: on disk, or with a reload of the configuration.

use std::sync::Arc;
use std::time::Duration;

use x509_cert::der::DateTime;

use super::Server;
use super::listeners::Running;
use super::watch::{Change, Material, Watch};
use crate::config::ListenerName;
use crate::observe::{ReloadOutcome, ReloadSubject};
use crate::tls::ClientTls;

impl Server {
    /// What the watcher has found: the good serves all handshakes from now on, the bad is refused.
    pub(super) fn change_certificates(&self, changes: Vec<Change>) {
        for change in changes {
            let outcome = match change {
                Ok(material) => {
                    self.use_material(&material);
                    ReloadOutcome::Applied
                }
                Err((listener, problem)) => {
                    let owner = owner(listener.as_ref());
                    tracing::error!(
                        %owner, "changed TLS files are refused, what was read before stays in use: {problem}"
                    );
                    ReloadOutcome::Refused
                }
            };
            self.common.metrics.reloaded(ReloadSubject::Certificates, outcome);
        }
    }

    fn use_material(&self, material: &Material) {
        match material {
            Material::Listener(settings, tls) => {
                if let Some(running) = self.listeners.iter().find(|running| *running.name() == settings.listener) {
                    running.renew_tls(tls.clone());
                }
            }
            Material::Backend(_, tls) => self.renew_backend_tls(tls.clone()),
        }
        material.tell_metrics(&self.common.metrics);
        material.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        let own = material.own_certificate();
        let (subject, valid_until) =
            own.map_or(("-", "-".to_owned()), |own| (own.subject.as_str(), date(own.not_after)));
        tracing::info!(
            owner = %owner(material.listener()), certificate = subject, %valid_until,
            "changed TLS files are in use for new handshakes"
        );
    }

    /// Connections to the backend that are made from now on go by this.
    pub(super) fn renew_backend_tls(&self, tls: Arc<ClientTls>) {
        if let Some(current) = &self.backend_tls {
            current.store(tls);
        }
    }

    /// A certificate that would be refused when it changes on disk refuses a reload too.
    pub(super) fn check_certificates(&self, new: &Watch) -> Result<(), String> {
        for material in new.materials() {
            let old = match material {
                Material::Listener(settings, _) => {
                    let running = self.listeners.iter().find(|running| *running.name() == settings.listener);
                    running.and_then(Running::tls).map(|tls| Material::Listener(settings.clone(), tls))
                }
                Material::Backend(settings, _) => {
                    self.backend_tls.as_ref().map(|tls| Material::Backend(settings.clone(), tls.load_full()))
                }
            };
            let may = material.may_follow(old.as_ref());
            may.map_err(|problem| format!("{}: {problem}", owner(material.listener())))?;
        }
        Ok(())
    }
}

fn owner(listener: Option<&ListenerName>) -> String {
    listener.map_or_else(|| "backend".to_owned(), |name| format!("listener {name}"))
}

/// Seconds since 1970 as RFC 3339 writes them.
fn date(seconds: i64) -> String {
    let elapsed = Duration::from_secs(seconds.max(0).unsigned_abs());
    DateTime::from_unix_duration(elapsed).map_or_else(|_| "never".to_owned(), |date| date.to_string())
}
