//! Which users PLAIN knows, how passwords are checked, and how many logins may fail.

use super::keys;
use super::names::ListenerName;
use super::reader::Reader;
use super::types::{LoginConfig, MechanismConfig};

/// `sasl.plain.credentials`: where the users of PLAIN are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainSources {
    /// In the JAAS entry.
    pub jaas: bool,
    /// Among the SCRAM credentials of the store.
    pub scram: bool,
}

impl PlainSources {
    /// What is wrong where `scram` is asked for and there is no store.
    pub const NO_STORE: &str =
        "sasl.plain.credentials with scram needs the store of credentials; expected store.dir to be set";

    /// Those of a mechanism's configuration; without the key, JAAS alone. Fails with what is wrong.
    pub fn of(config: &MechanismConfig) -> Result<Self, String> {
        let text = config.properties.get(keys::SASL_PLAIN_CREDENTIALS.name).map_or("jaas", String::as_str);
        Self::parse(text.split(',').map(str::trim))
    }

    fn parse<'a>(elements: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut sources = Self { jaas: false, scram: false };
        for element in elements {
            match element {
                "jaas" => sources.jaas = true,
                "scram" => sources.scram = true,
                other => return Err(format!("'{other}' holds no credentials of PLAIN; expected jaas, scram or both")),
            }
        }
        if sources.jaas || sources.scram { Ok(sources) } else { Err("expected jaas, scram or both".to_owned()) }
    }
}

/// Those of a listener's PLAIN, with what is wrong reported.
pub(super) fn plain_sources(reader: &mut Reader<'_>, name: &ListenerName) -> PlainSources {
    const DEFAULT: PlainSources = PlainSources { jaas: true, scram: false };
    let Some(found) = reader.find_for(name, &keys::SASL_PLAIN_CREDENTIALS) else { return DEFAULT };
    let Some(list) = reader.distinct_list(&found) else { return DEFAULT };
    let problem = match PlainSources::parse(list.into_iter()) {
        Ok(sources) if sources.scram && !has_store(reader) => PlainSources::NO_STORE.to_owned(),
        Ok(sources) => return sources,
        Err(_) if found.setting.substituted => "expected jaas, scram or both".to_owned(),
        Err(problem) => problem,
    };
    reader.error(&found, problem);
    // Nothing else is to be reported for want of a JAAS entry.
    PlainSources { jaas: false, scram: true }
}

fn has_store(reader: &Reader<'_>) -> bool {
    reader.find(&keys::STORE_DIR).is_some_and(|found| !found.text().is_empty())
}

/// What holds for all listeners.
pub(super) fn logins(reader: &mut Reader<'_>) -> LoginConfig {
    let found = reader.find(&keys::PASSWORD_VERIFICATION_THREADS);
    let verification_threads = match found {
        Some(_) => usize::try_from(reader.number(&keys::PASSWORD_VERIFICATION_THREADS, found)).unwrap_or(1),
        None => std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2),
    };
    LoginConfig {
        verification_threads,
        plain_cache_size: reader.unsigned(&keys::SASL_PLAIN_CACHE_SIZE) as usize,
        failed_per_address: reader.unsigned(&keys::SASL_FAILED_LOGINS_PER_MINUTE_PER_ADDRESS),
        failed_per_account: reader.unsigned(&keys::SASL_FAILED_LOGINS_PER_MINUTE_PER_ACCOUNT),
    }
}
