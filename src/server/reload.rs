//! SIGHUP: the configuration is read again and, if all of it is good, takes effect.
//!
//! 1. Load it (`config::load`), off this thread: it reads files and resolves names.
//! 2. Compare: what needs a restart refuses the whole reload (`config::changes`).
//! 3. Build everything from it, try a changed login at the backend, bind the ports of new listeners.
//! 4. Apply, without a failure and without a wait in between: limits, backend, listeners that stay, come and go.
//!
//! Up to step 4 nothing has taken effect. A connection keeps for its whole life what it was accepted with, unless its listener
//! goes.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use super::listeners::{Bound, Running, limit_of};
use super::parts::{self, Parts};
use super::watch::Watcher;
use super::{Server, Source, StartError, credentials};
use crate::backend::ConnectError;
use crate::config::{ConfigError, ConfigErrors, ListenerConfig, Loaded, changes};
use crate::issuer::FETCH_WAIT;
use crate::observe::{ReloadOutcome, ReloadSubject};
use crate::sasl::Registry;

/// Why the configuration that runs stays.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Configuration(#[from] ConfigErrors),
    #[error(transparent)]
    Parts(#[from] StartError),
    #[error("{0}; a listener that goes with this reload keeps its ports until then: remove it in a reload of its own")]
    PortOfLeaving(StartError),
    #[error("the new login to the backend does not work: {0}")]
    Backend(#[from] ConnectError),
    #[error("{0}")]
    Certificate(String),
    #[error("the configuration could not be loaded: {0}")]
    Loading(#[from] JoinError),
}

impl Refused {
    /// One line each.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Configuration(ConfigErrors(errors)) => errors.iter().map(ConfigError::to_string).collect(),
            other => vec![other.to_string()],
        }
    }
}

/// A configuration that is good, with everything built and bound.
struct Prepared {
    loaded: Loaded,
    parts: Parts,
    /// For each listener of the configuration: its ports, if it is new.
    bound: Vec<Option<Bound>>,
    changed: Vec<String>,
}

/// The longest wait for the ports of a listener that an earlier reload has removed.
const PORTS_CLOSE: Duration = Duration::from_secs(5);

impl Server {
    /// Reloads, and says in the log how that went. May be dropped at any time: then nothing has happened.
    pub(super) async fn reload(&mut self, source: &Arc<Source>, registry: &Registry) {
        match self.prepare(source, registry).await {
            Ok(prepared) => {
                let changed = if prepared.changed.is_empty() { "nothing".into() } else { prepared.changed.join(", ") };
                for warning in prepared.loaded.warnings.iter().chain(&prepared.parts.warnings) {
                    tracing::warn!("{warning}");
                }
                self.apply(prepared);
                tracing::info!(%changed, "reloaded");
                self.count(ReloadOutcome::Applied);
            }
            Err(refused) => {
                for line in refused.lines() {
                    tracing::error!("not reloaded: {line}");
                }
                tracing::error!("the configuration was not reloaded; the one that runs stays as it is");
                self.count(ReloadOutcome::Refused);
            }
        }
    }

    async fn prepare(&mut self, source: &Arc<Source>, registry: &Registry) -> Result<Prepared, Refused> {
        let source = source.clone();
        let loaded = tokio::task::spawn_blocking(move || source()).await??;
        let changes = changes(&self.loaded, &loaded);
        if !changes.refused.is_empty() {
            return Err(ConfigErrors(changes.refused).into());
        }
        let parts =
            parts::build(&loaded.config, registry, &self.shared, &self.administration, &self.failure_delays).await?;
        self.check_certificates(&parts.watch).map_err(Refused::Certificate)?;
        self.shared.key_sources.first_fetches(FETCH_WAIT).await;
        if changes.touches_the_backend() {
            self.try_backend(&loaded, &parts).await?;
        }
        let bound = self.bind_new(&loaded).await?;
        Ok(Prepared { loaded, parts, bound, changed: changes.keys })
    }

    /// A backend or a token endpoint that is away says nothing about the login; one that refuses it, or is not who it should be, does.
    async fn try_backend(&self, loaded: &Loaded, parts: &Parts) -> Result<(), Refused> {
        match self.common.topology.try_login(&loaded.config.backend, parts.backend_tls.as_deref()).await {
            Err(ConnectError::Io(..) | ConnectError::Timeout(_)) => {
                tracing::warn!("the backend is unreachable: the new login to it could not be tried");
                Ok(())
            }
            Err(ConnectError::NoToken(error)) if error.is_outage() => {
                tracing::warn!(%error, "no token is to be had now: the new login to the backend could not be tried");
                Ok(())
            }
            result => Ok(result?),
        }
    }

    async fn bind_new(&mut self, loaded: &Loaded) -> Result<Vec<Option<Bound>>, Refused> {
        for acceptors in std::mem::take(&mut self.closing) {
            // If one hangs, binding says whether that matters.
            let _ = tokio::time::timeout(PORTS_CLOSE, acceptors.wait()).await;
        }
        let config = &loaded.config;
        let one_leaves =
            self.listeners.iter().any(|running| config.listeners.iter().all(|l| l.name != *running.name()));
        let bind = |listener: &ListenerConfig| match self.listeners.iter().any(|l| *l.name() == listener.name) {
            true => Ok(None),
            false => Bound::bind(listener, config).map(Some),
        };
        let bound = config.listeners.iter().map(bind).collect::<Result<_, _>>().map_err(StartError::from);
        bound.map_err(|error| if one_leaves { Refused::PortOfLeaving(error) } else { error.into() })
    }

    /// Nothing here fails or waits.
    fn apply(&mut self, Prepared { loaded, parts, bound, .. }: Prepared) {
        let config = &loaded.config;
        self.administration.set_administrators(config.administrators.clone());
        self.common.limiter.apply(&config.limits);
        credentials::apply(&self.shared, &config.logins);
        self.common.metrics.set_insecure_validators(config.insecure_validators());
        self.common.metrics.set_max_connections(limit_of(config.limits.max_connections));
        self.common.topology.reconfigure(config.backend.clone());
        if let Some(tls) = parts.backend_tls {
            self.renew_backend_tls(tls);
        }
        let mut before = std::mem::take(&mut self.listeners);
        for ((listener, parts_of), bound) in config.listeners.iter().zip(parts.listeners).zip(bound) {
            let rules = (config, &parts.relay);
            let stays = before.iter().position(|running| *running.name() == listener.name);
            if let Some(at) = stays {
                let running = before.swap_remove(at);
                running.renew(listener, parts_of, rules);
                self.listeners.push(running);
            } else if let Some(bound) = bound {
                let started = Running::start(bound, listener, parts_of, rules, &self.common, &mut self.workers);
                self.listeners.push(started);
            }
        }
        self.closing.extend(before.into_iter().map(|running| running.close(&self.common.metrics)));
        self.without_port.follow(self.listeners.iter().map(|listener| listener.addresses().clone()).collect());
        self.common.topology.announce();
        self.shared.key_sources.fetch_now();
        parts.watch.materials().for_each(|material| material.tell_metrics(&self.common.metrics));
        self.watcher = Watcher::new(parts.watch);
        self.loaded = loaded;
    }

    fn count(&self, outcome: ReloadOutcome) {
        self.common.metrics.reloaded(ReloadSubject::Configuration, outcome);
    }
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
