//! What differs between two configurations, and whether a running server may take the new one over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::error::ConfigError;
use super::keys::{self, Key, Scope};
use super::names::{HostPort, ListenerName};
use super::source::Settings;
use super::types::ListenerConfig;
use super::unused::{is_mechanism_key, shown_key};
use super::{Loaded, login};
use crate::secret::Secret;

/// The settings that a configuration was made from, to compare the next one with. Shows no value.
#[derive(Clone)]
pub struct Origins {
    settings: Arc<Settings>,
    /// The content of the static JAAS file, if it was read: the key stays the same when the file changes.
    jaas_file: Option<Secret>,
}

impl Origins {
    pub(super) fn new(settings: Settings, logins: login::Logins) -> Self {
        Self { settings: Arc::new(settings), jaas_file: logins.into_content() }
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(|setting| setting.value.trim_matches(|c| c <= ' '))
    }

    fn origin(&self, key: &str) -> String {
        self.settings.get(key).filter(|setting| setting.explicit).map_or_else(String::new, |s| s.origin.clone())
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.settings.keys().map(|key| shown_key(key))).finish()
    }
}

/// What differs between the configuration that runs and a new one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Full names of the keys that differ and have an effect, in order. Keys only; values may be secrets.
    pub keys: Vec<String>,
    /// Why the new one cannot be taken over without a restart; empty if it can.
    pub refused: Vec<ConfigError>,
}

impl Changes {
    /// Whether connections to the backend may be made otherwise than before.
    pub fn touches_the_backend(&self) -> bool {
        let of_backend = |key: &String| key.starts_with("backend.") || *key == keys::JAAS_FILE.name;
        // Where `backend.` keys are left out, the listener between brokers has them.
        let of_listener = |key: &String| {
            let parts = ["ssl.", "sasl.login.", "sasl.oauthbearer."];
            key.ends_with(keys::SASL_JAAS_CONFIG.name) || parts.iter().any(|part| key.contains(part))
        };
        self.keys.iter().any(|key| of_backend(key) || of_listener(key))
    }
}

/// Compares by value: a key that is now written out with its default has not changed.
pub fn changes(running: &Loaded, new: &Loaded) -> Changes {
    let (before, after) = (&running.origins, &new.origins);
    let names = |loaded: &Loaded| loaded.config.listeners.iter().map(|l| l.name.clone()).collect::<BTreeSet<_>>();
    let (old_names, new_names) = (names(running), names(new));
    let listeners: BTreeMap<ListenerName, bool> = old_names
        .union(&new_names)
        .map(|name| (name.clone(), old_names.contains(name) == new_names.contains(name)))
        .collect();

    let all: BTreeSet<&String> = before.settings.keys().chain(after.settings.keys()).collect();
    let mut changes = Changes::default();
    for key in all {
        let same_value = before.value(key) == after.value(key);
        let same_file = key != keys::JAAS_FILE.name || same_jaas_file(before, after);
        if same_value && same_file {
            continue;
        }
        let effect = effect(key, &listeners);
        if effect != Effect::None {
            changes.keys.push(shown_key(key).to_owned());
        }
        if let Effect::Restart(problem) = effect {
            changes.refused.push(ConfigError { key: shown_key(key).to_owned(), origin: after.origin(key), problem });
        }
    }
    // KAFKA_OPTS may name the file: then no key does.
    if !same_jaas_file(before, after) && !changes.keys.iter().any(|key| key == keys::JAAS_FILE.name) {
        changes.keys.push(keys::JAAS_FILE.name.to_owned());
    }
    for old in &running.config.listeners {
        let Some(new_one) = new.config.listeners.iter().find(|listener| listener.name == old.name) else { continue };
        refuse_new_address(old, new_one, after, &mut changes.refused);
    }
    changes
}

fn same_jaas_file(before: &Origins, after: &Origins) -> bool {
    match (&before.jaas_file, &after.jaas_file) {
        (Some(before), Some(after)) => before.matches(after.expose()),
        (before, after) => before.is_none() == after.is_none(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Effect {
    /// Nobody reads it.
    None,
    Live,
    /// Only a restart can change it, and why.
    Restart(String),
}

/// `listeners`: those of either configuration, and whether they are in both.
fn effect(key: &str, listeners: &BTreeMap<ListenerName, bool>) -> Effect {
    let of_row =
        |row: &Key, why: &dyn Fn() -> String| if row.reloadable { Effect::Live } else { Effect::Restart(why()) };
    let Some(rest) = key.strip_prefix("listener.name.") else {
        if key.starts_with("config.providers") {
            return Effect::Live;
        }
        return match Key::find(key) {
            Some(row) if matches!(row.scope, Scope::Broker | Scope::Listener | Scope::Mechanism) => {
                of_row(row, &|| "Cannot update these configs dynamically; a restart is needed".to_owned())
            }
            // What is the mechanisms' own.
            None if is_mechanism_key(key) => Effect::Live,
            _ => Effect::None,
        };
    };
    // A listener's name may have dots: the longest that fits is meant.
    let fitting = listeners.iter().filter_map(|(name, stays)| {
        let key = rest.strip_prefix(&name.as_str().to_lowercase())?.strip_prefix('.')?;
        Some((name, *stays, key))
    });
    let Some((name, stays, key)) = fitting.max_by_key(|(name, ..)| name.as_str().len()) else { return Effect::None };
    if !stays {
        // It comes or goes as a whole, with all its keys.
        return Effect::Live;
    }
    let frozen = || existing_listener(name);
    match Key::find(key) {
        Some(row) if matches!(row.scope, Scope::Listener | Scope::Mechanism | Scope::ListenerOnly) => {
            of_row(row, &frozen)
        }
        Some(_) => Effect::None,
        None if is_mechanism_key(key) => Effect::Live,
        None => match key.split_once('.') {
            Some((_, inner)) => match Key::find(inner) {
                Some(row) if matches!(row.scope, Scope::Mechanism | Scope::MechanismOnly) => of_row(row, &frozen),
                None if is_mechanism_key(inner) => Effect::Live,
                _ => Effect::None,
            },
            None => Effect::None,
        },
    }
}

/// Kafka's text.
fn existing_listener(name: &ListenerName) -> String {
    format!(
        "Configs cannot be updated dynamically for existing listener {name}, restart broker or create a new listener for update"
    )
}

/// What three keys say of several listeners at once: a listener that stays keeps its protocol, and its ports and addresses,
/// because clients know them.
fn refuse_new_address(old: &ListenerConfig, new: &ListenerConfig, origins: &Origins, refused: &mut Vec<ConfigError>) {
    let name = &old.name;
    let mut refuse = |key: &Key, problem: String| {
        refused.push(ConfigError { key: key.name.to_owned(), origin: origins.origin(key.name), problem });
    };
    if old.security_protocol != new.security_protocol {
        let problem = format!("Security protocol cannot be updated for existing listener {name}");
        refuse(&keys::LISTENER_SECURITY_PROTOCOL_MAP, problem);
    }
    let moved = |old: &HostPort, new: &HostPort| {
        let (old, new) = (format!("{}:{}", old.host, old.port), format!("{}:{}", new.host, new.port));
        format!("{} (its address is {old}, and would be {new})", existing_listener(name))
    };
    if old.bind != new.bind {
        refuse(&keys::LISTENERS, moved(&old.bind, &new.bind));
    } else if old.advertised != new.advertised {
        refuse(&keys::ADVERTISED_LISTENERS, moved(&old.advertised, &new.advertised));
    }
}
