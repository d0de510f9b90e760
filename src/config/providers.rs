//! Config providers: `${provider:key}` and `${provider:path:key}` inside values.
//!
//! As in Kafka a placeholder that cannot be resolved stays as literal text; ours is warned of. What a provider returns is
//! not looked at again. Classes other than Kafka's three are refused.

use std::fs;
use std::path::{Path, PathBuf};

use regex::bytes::{Regex, RegexBuilder};
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::properties;
use super::source::Settings;
use super::unused::shown_key;

const PACKAGE: &str = "org.apache.kafka.common.config.provider.";

/// `param.allowed.paths`: canonical, `None` if everything is allowed.
type AllowedPaths = Option<Vec<PathBuf>>;

enum Provider {
    File(AllowedPaths),
    Directory(AllowedPaths),
    Environment(Regex),
}

/// Why a placeholder has no value.
enum Miss {
    /// It stays as it is; the reason goes into a warning.
    Literal(String),
    /// The start fails.
    Fatal(String),
}

/// Resolves every placeholder of every value in place.
pub(super) fn resolve(
    settings: &mut Settings,
    environment: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
    errors: &mut Vec<ConfigError>,
) {
    let providers = configured(settings, warnings, errors);
    for (key, setting) in settings.iter_mut() {
        if key == "config.providers" || key.starts_with("config.providers.") {
            continue;
        }
        let resolved = substitute(&setting.value, |placeholder| {
            let outcome = match providers.iter().find(|(name, _)| name == placeholder.provider) {
                Some((_, Some(provider))) => provider.get(&placeholder, environment),
                // Its error is already told.
                Some((_, None)) => return None,
                None => Err(Miss::Literal("there is no such config provider".into())),
            };
            match outcome {
                Ok(value) => Some(value),
                Err(Miss::Literal(why)) => {
                    let origin = &setting.origin;
                    let key = shown_key(key);
                    warnings.push(format!("{key} ({origin}): a ${{...}} placeholder is left as it is: {why}"));
                    None
                }
                Err(Miss::Fatal(problem)) => {
                    errors.push(ConfigError { key: shown_key(key).into(), origin: setting.origin.clone(), problem });
                    None
                }
            }
        });
        if let Some(value) = resolved {
            setting.value = value;
            setting.substituted = true;
        }
    }
}

/// The listed providers; `None` for one that could not be made.
fn configured(
    settings: &Settings,
    warnings: &mut Vec<String>,
    errors: &mut Vec<ConfigError>,
) -> Vec<(String, Option<Provider>)> {
    let Some(list) = settings.get("config.providers").filter(|list| !list.value.is_empty()) else { return Vec::new() };
    let mut providers = Vec::new();
    // Kafka does not trim the names.
    for name in list.value.split(',') {
        let key = format!("config.providers.{name}.class");
        let Some(class) = settings.get(&key) else {
            warnings.push(format!("config.providers ({}): provider '{name}' has no {key} and is skipped", list.origin));
            continue;
        };
        let param = |param: &str| {
            let key = format!("config.providers.{name}.param.{param}");
            settings.get(&key).map(|setting| (key, setting))
        };
        let made = match class.value.trim().strip_prefix(PACKAGE) {
            Some("FileConfigProvider") => allowed_paths(param("allowed.paths").map(|p| p.1.value.as_str()))
                .map(Provider::File)
                .map_err(|problem| (param("allowed.paths"), problem)),
            Some("DirectoryConfigProvider") => allowed_paths(param("allowed.paths").map(|p| p.1.value.as_str()))
                .map(Provider::Directory)
                .map_err(|problem| (param("allowed.paths"), problem)),
            Some("EnvVarConfigProvider") => allowlist(param("allowlist.pattern").map_or(".*", |p| p.1.value.as_str()))
                .map(Provider::Environment)
                .map_err(|problem| (param("allowlist.pattern"), problem)),
            _ => Err((
                None,
                format!(
                    "expected {PACKAGE}FileConfigProvider, {PACKAGE}DirectoryConfigProvider or \
                     {PACKAGE}EnvVarConfigProvider; there are no other config providers"
                ),
            )),
        };
        let made = made.map_err(|(at, problem)| {
            let (key, origin) = at.map_or((key, &class.origin), |(key, setting)| (key, &setting.origin));
            errors.push(ConfigError { key, origin: origin.clone(), problem });
        });
        providers.push((name.to_owned(), made.ok()));
    }
    providers
}

fn allowed_paths(value: Option<&str>) -> Result<AllowedPaths, String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let canonical = |path: &str| {
        if !Path::new(path).is_absolute() {
            return Err(format!("Path {path} is not absolute"));
        }
        fs::canonicalize(path).map_err(|_| format!("Path {path} does not exist"))
    };
    value.split(',').map(canonical).collect::<Result<_, _>>().map(Some)
}

/// Java's `\w` and `\d` know ASCII only, hence no Unicode. Look-around, which only Java has, is refused.
fn allowlist(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .unicode(false)
        .build()
        .map_err(|_| "expected a regular expression (without look-around or back references)".into())
}

struct Placeholder<'a> {
    provider: &'a str,
    path: Option<&'a str>,
    key: &'a str,
}

/// Kafka's pattern is `\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}`. `None` if nothing was replaced.
fn substitute(
    value: &str,
    mut get: impl FnMut(Placeholder<'_>) -> Option<Zeroizing<String>>,
) -> Option<Zeroizing<String>> {
    let mut result = Zeroizing::new(String::new());
    let mut replaced = false;
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        let inside = from.find('}').map(|end| (&from[2..end], end + 1));
        let Some(((provider, after), end)) = inside.and_then(|(text, end)| Some((text.split_once(':')?, end))) else {
            result.push_str("${");
            rest = &from[2..];
            continue;
        };
        let (path, key) = after.split_once(':').map_or((None, after), |(path, key)| (Some(path), key));
        match get(Placeholder { provider, path, key }) {
            Some(text) => {
                result.push_str(&text);
                replaced = true;
            }
            None => result.push_str(&from[..end]),
        }
        rest = &from[end..];
    }
    result.push_str(rest);
    replaced.then_some(result)
}

impl Provider {
    fn get(
        &self,
        placeholder: &Placeholder<'_>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Zeroizing<String>, Miss> {
        let key = placeholder.key;
        let path = placeholder.path.filter(|path| !path.is_empty());
        let need_path = || path.map(Path::new).ok_or_else(|| Miss::Literal("it names no path".into()));
        match self {
            Self::File(allowed) => {
                let path = need_path()?;
                check_allowed(path, allowed)?;
                let unreadable =
                    |why: String| Miss::Fatal(format!("Could not read properties from file {}: {why}", path.display()));
                let bytes = Zeroizing::new(fs::read(path).map_err(|e| unreadable(e.to_string()))?);
                let entries = properties::parse_utf8(&bytes).map_err(|e| unreadable(e.to_string()))?;
                let found = entries.into_iter().rev().find(|entry| entry.key == key);
                let missing = || Miss::Literal(format!("{} has no such key", path.display()));
                found.map(|entry| Zeroizing::new(entry.value)).ok_or_else(missing)
            }
            Self::Directory(allowed) => {
                let path = need_path()?;
                check_allowed(path, allowed)?;
                let file = path.join(key);
                // Kafka looks the name up in the directory's listing, so it cannot lead out of it.
                let inside = !key.contains('/') && !matches!(key, "" | "." | "..");
                if !inside || !file.is_file() {
                    return Err(Miss::Literal(format!("{} has no such regular file", path.display())));
                }
                let text = fs::read_to_string(&file).map(Zeroizing::new);
                text.map_err(|e| Miss::Fatal(format!("Could not read file {}: {e}", file.display())))
            }
            Self::Environment(allowlist) => {
                if path.is_some() {
                    return Err(Miss::Fatal("Path is not supported for EnvVarConfigProvider".into()));
                }
                if !allowlist.is_match(key.as_bytes()) {
                    return Err(Miss::Literal("allowlist.pattern does not allow that variable".into()));
                }
                let missing = || Miss::Literal("there is no such environment variable".into());
                environment(key).map(Zeroizing::new).ok_or_else(missing)
            }
        }
    }
}

fn check_allowed(path: &Path, allowed: &AllowedPaths) -> Result<(), Miss> {
    let Some(allowed) = allowed else { return Ok(()) };
    let real = fs::canonicalize(path).map_err(|e| Miss::Fatal(format!("Could not read {}: {e}", path.display())))?;
    if allowed.iter().any(|parent| real.starts_with(parent)) {
        return Ok(());
    }
    Err(Miss::Literal(format!("allowed.paths does not allow {}", path.display())))
}

#[cfg(test)]
mod tests;
