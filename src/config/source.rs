//! Merges defaults, the file and the overrides, and remembers where every value came from.
//!
//! figment merges and keeps the provenance. Kafka's keys are flat: `ssl.keystore` and `ssl.keystore.location` may both
//! exist, so the provider's dictionary keeps the dots in its keys, where figment's own would nest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use figment::value::magic::Tagged;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::keys::{Default, KEYS};
use super::properties;

/// One key's value.
#[derive(Clone)]
pub(super) struct Setting {
    /// As written, not trimmed.
    pub value: Zeroizing<String>,
    /// `file:line`, `override` or `default`.
    pub origin: String,
    /// Given by the user, not the default.
    pub explicit: bool,
    /// A config provider put something in: not to be shown whatever the key.
    pub substituted: bool,
}

/// All keys with a value, defaults included.
pub(super) type Settings = BTreeMap<String, Setting>;

/// A flat set of string values and the origin of each.
struct Layer {
    name: &'static str,
    values: Arc<BTreeMap<String, (String, String)>>,
}

const DEFAULTS: &str = "defaults";

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let values = Arc::clone(&self.values);
        Metadata::named(self.name).interpolater(move |_: &Profile, keys: &[&str]| {
            values.get(&keys.join(".")).map_or_else(String::new, |(_, origin)| origin.clone())
        })
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict: Dict =
            self.values.iter().map(|(key, (value, _))| (key.clone(), Value::from(value.as_str()))).collect();
        Ok(Profile::Default.collect(dict))
    }
}

/// Defaults, then the file, then `overrides` (`key=value` each); the later wins.
pub(super) fn merge(file: &Path, bytes: &[u8], overrides: &[String]) -> Result<Settings, Vec<ConfigError>> {
    let shown = file.display().to_string();
    let fault = |origin: &str, problem: String| ConfigError { key: String::new(), origin: origin.into(), problem };
    let mut errors = Vec::new();

    let defaults = KEYS.iter().filter_map(|key| match key.default {
        Default::Fixed(value) if !key.is_pattern() => Some((key.name.into(), (value.into(), "default".into()))),
        _ => None,
    });
    let mut from_file = BTreeMap::new();
    match properties::parse_latin1(bytes) {
        Ok(entries) => {
            from_file.extend(entries.into_iter().map(|e| (e.key, (e.value, format!("{shown}:{}", e.line)))));
        }
        Err(error) => errors.push(fault(&shown, error.to_string())),
    }
    let mut from_overrides = BTreeMap::new();
    for (n, text) in overrides.iter().enumerate() {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                from_overrides.insert(key.trim().to_owned(), (value.to_owned(), "override".to_owned()));
            }
            // The text itself may be a secret.
            _ => errors.push(fault(&format!("override {}", n + 1), "expected key=value".into())),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }

    let figment = Figment::new()
        .merge(Layer { name: DEFAULTS, values: Arc::new(defaults.collect()) })
        .merge(Layer { name: "file", values: Arc::new(from_file) })
        .merge(Layer { name: "overrides", values: Arc::new(from_overrides) });
    let merged = figment
        .extract::<BTreeMap<String, Tagged<String>>>()
        .map_err(|_| vec![fault(&shown, "cannot be merged with the defaults".into())])?;
    let settings = merged.into_iter().map(|(key, tagged)| {
        let metadata = figment.get_metadata(tagged.tag());
        let origin = metadata.map_or_else(String::new, |m| m.interpolate(&Profile::Default, &[key.as_str()]));
        let explicit = metadata.is_none_or(|m| m.name != DEFAULTS);
        let value = Zeroizing::new(tagged.into_inner());
        (key, Setting { value, origin, explicit, substituted: false })
    });
    Ok(settings.collect())
}
