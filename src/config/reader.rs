//! Typed reading of settings: looks a key up by its scope, checks the value against its row, and collects what is wrong.

use std::net::IpAddr;
use std::time::Duration;

use super::error::ConfigError;
use super::keys::{Default, Key, Kind, Scope};
use super::names::{HostPort, ListenerName};
use super::source::{Setting, Settings};

/// What a load reads from and reports to.
pub(super) struct Reader<'a> {
    pub settings: &'a Settings,
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<String>,
}

/// A setting and the full key that it was found by.
pub(super) struct Found<'a> {
    pub key: String,
    pub setting: &'a Setting,
}

impl Found<'_> {
    /// The value as Kafka's type parsing trims it: Java's `trim` cuts all characters up to the blank.
    pub fn text(&self) -> &str {
        self.setting.value.trim_matches(|c| c <= ' ')
    }

    /// The value for a message, unless it may be a secret.
    pub fn shown(&self) -> &str {
        if self.setting.substituted { "[hidden]" } else { self.text() }
    }

    /// The elements of a list; a blank value has none.
    pub fn list(&self) -> Vec<&str> {
        let text = self.text();
        if text.is_empty() { Vec::new() } else { text.split(',').map(|e| e.trim_matches(|c| c <= ' ')).collect() }
    }
}

impl<'a> Reader<'a> {
    pub fn error(&mut self, found: &Found<'_>, problem: impl Into<String>) {
        let (key, origin) = (found.key.clone(), found.setting.origin.clone());
        self.errors.push(ConfigError { key, origin, problem: problem.into() });
    }

    /// An error of a key that is not set.
    pub fn missing(&mut self, key: &str, problem: impl Into<String>) {
        self.errors.push(ConfigError { key: key.into(), origin: String::new(), problem: problem.into() });
    }

    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// The key itself, without prefix.
    pub fn find(&self, key: &Key) -> Option<Found<'a>> {
        self.find_by_name(key.name)
    }

    pub fn find_by_name(&self, key: &str) -> Option<Found<'a>> {
        self.settings.get(key).map(|setting| Found { key: key.into(), setting })
    }

    /// The key if the user has set it without prefix.
    pub fn find_explicit(&self, key: &Key) -> Option<Found<'a>> {
        self.find(key).filter(|found| found.setting.explicit)
    }

    /// The key with the listener's prefix.
    pub fn find_prefixed(&self, listener: &ListenerName, key: &Key) -> Option<Found<'a>> {
        self.find_by_name(&format!("{}{}", listener.key_prefix(), key.name))
    }

    /// The key as it applies to a listener: with its prefix, else, where the scope allows, without.
    pub fn find_for(&self, listener: &ListenerName, key: &Key) -> Option<Found<'a>> {
        let prefixed = self.find_prefixed(listener, key);
        if key.scope == Scope::ListenerOnly {
            // The default stands in the settings under the bare name.
            return prefixed.or_else(|| self.find(key).filter(|found| !found.setting.explicit));
        }
        prefixed.or_else(|| self.find(key))
    }

    /// The number, checked. Out-of-range and unparsable values are reported, and the default holds for the time being.
    pub fn number(&mut self, key: &Key, found: Option<Found<'_>>) -> i64 {
        let (min, max, kind) = match key.kind {
            Kind::Int(min) => (i64::from(min), i64::from(i32::MAX), "INT"),
            Kind::Long(min) => (min, i64::MAX, "LONG"),
            Kind::Short(min, max) => (i64::from(min), i64::from(max), "SHORT"),
            _ => (i64::MIN, i64::MAX, "LONG"),
        };
        let default = match key.default {
            Default::Fixed(value) => value.parse().unwrap_or_default(),
            _ => min,
        };
        let Some(found) = found else { return default };
        let problem = match found.text().parse::<i64>() {
            Ok(value) if kind == "LONG" || i32::try_from(value).is_ok() => match value {
                _ if value < min => format!("Value must be at least {min}"),
                _ if value > max => format!("Value must be at most {max}"),
                value => return value,
            },
            _ => format!("Not a number of type {kind}"),
        };
        self.error(&found, format!("Invalid value {} for configuration {}: {problem}", found.shown(), found.key));
        default
    }

    /// The number with a fraction, checked; `None` if it was reported.
    pub fn fraction(&mut self, key: &Key, found: &Found<'_>) -> Option<f64> {
        let Kind::Double(min, max) = key.kind else { return None };
        let bound = |text: &str| text.parse::<f64>().unwrap_or_default();
        let problem = match found.text().parse::<f64>() {
            Ok(value) if value.is_finite() && value < bound(min) => format!("Value must be at least {min}"),
            Ok(value) if value.is_finite() && value > bound(max) => format!("Value must be at most {max}"),
            Ok(value) if value.is_finite() => return Some(value),
            _ => "Not a number of type DOUBLE".to_owned(),
        };
        self.error(found, format!("Invalid value {} for configuration {}: {problem}", found.shown(), found.key));
        None
    }

    /// A key without prefix as an unsigned 32-bit number; its row's minimum is not negative.
    pub fn unsigned(&mut self, key: &Key) -> u32 {
        let found = self.find(key);
        u32::try_from(self.number(key, found)).unwrap_or_default()
    }

    /// A key with the listener's prefix, if it is set there.
    pub fn unsigned_prefixed(&mut self, listener: &ListenerName, key: &Key) -> Option<u32> {
        let found = self.find_prefixed(listener, key)?;
        u32::try_from(self.number(key, Some(found))).ok()
    }

    /// Milliseconds; `None` if negative.
    pub fn millis(&mut self, key: &Key) -> Option<Duration> {
        let found = self.find(key);
        u64::try_from(self.number(key, found)).ok().map(Duration::from_millis)
    }

    /// `true` or `false`; anything else is reported.
    pub fn boolean(&mut self, found: &Found<'_>) -> Option<bool> {
        let text = found.text();
        let value = [true, false].into_iter().find(|value| text.eq_ignore_ascii_case(&value.to_string()));
        if value.is_none() {
            let (shown, key) = (found.shown(), &found.key);
            let problem =
                format!("Invalid value {shown} for configuration {key}: Expected value to be either true or false");
            self.error(found, problem);
        }
        value
    }

    /// A value that must be one of the row's choices.
    pub fn choice(&mut self, key: &Key, found: &Found<'a>) -> Option<&'a str> {
        let Kind::Choice(choices) = key.kind else { return None };
        let text = found.setting.value.trim_matches(|c| c <= ' ');
        if choices.contains(&text) {
            return Some(text);
        }
        let problem = format!(
            "Invalid value {} for configuration {}: String must be one of: {}",
            found.shown(),
            found.key,
            choices.join(", ")
        );
        self.error(found, problem);
        None
    }

    /// A list without empty or repeated elements (Kafka 4.2's texts).
    pub fn distinct_list<'f>(&mut self, found: &'f Found<'a>) -> Option<Vec<&'f str>> {
        let list = found.list();
        let problem = if list.iter().any(|element| element.is_empty()) {
            "must not be empty"
        } else if list.iter().enumerate().any(|(n, element)| list[..n].contains(element)) {
            "must not be duplicated"
        } else {
            return Some(list);
        };
        self.error(found, format!("Configuration '{}' values {problem}.", found.key));
        None
    }
}

/// `host:port` with an IPv6 host in brackets or not; `None` unless there is a port from 1 to 65535 and a host.
pub(super) fn host_port(text: &str) -> Option<HostPort> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').map_or(Some(host), |inner| inner.strip_suffix(']'))?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '%' | ':');
    let is_host =
        !host.is_empty() && host.chars().all(legal) && (!host.contains(':') || host.parse::<IpAddr>().is_ok());
    let port = decimal_port(port).filter(|&port| port != 0)?;
    is_host.then(|| HostPort { host: host.into(), port })
}

/// A port of digits only.
pub(super) fn decimal_port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
