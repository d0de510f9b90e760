//! Which users PLAIN knows, how passwords are checked, and how many logins may fail.

use super::keys;
use super::names::ListenerName;
use super::reader::Reader;
use super::types::{LoginConfig, MechanismConfig};
use crate::scram::ScramMechanism;

/// `sasl.plain.credentials`: where the users of PLAIN are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainSources {
    /// In the JAAS entry.
    pub jaas: bool,
    /// Among the credentials of this mechanism in the store. Of one alone: who has only the other one would be told from who does not
    /// exist by the time that a check takes.
    pub scram: Option<ScramMechanism>,
}

impl PlainSources {
    /// What is wrong where SCRAM credentials are asked for and there is no store.
    pub const NO_STORE: &str =
        "sasl.plain.credentials names SCRAM credentials, which are in the store; expected store.dir to be set";
    const EXPECTED: &str = "expected jaas, scram-sha-256 or scram-sha-512, or jaas with one of the two";

    /// Those of a mechanism's configuration; without the key, JAAS alone. Fails with what is wrong.
    pub fn of(config: &MechanismConfig) -> Result<Self, String> {
        let text = config.properties.get(keys::SASL_PLAIN_CREDENTIALS.name).map_or("jaas", String::as_str);
        Self::parse(text.split(',').map(str::trim))
    }

    fn parse<'a>(elements: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut sources = Self { jaas: false, scram: None };
        for element in elements {
            let mechanism = match element {
                "jaas" => {
                    sources.jaas = true;
                    continue;
                }
                "scram-sha-256" => ScramMechanism::Sha256,
                "scram-sha-512" => ScramMechanism::Sha512,
                other => return Err(format!("'{other}' holds no credentials of PLAIN; {}", Self::EXPECTED)),
            };
            if sources.scram.replace(mechanism).is_some() {
                return Err(format!("one check is made by one hash; {}", Self::EXPECTED));
            }
        }
        if sources.jaas || sources.scram.is_some() { Ok(sources) } else { Err(Self::EXPECTED.to_owned()) }
    }
}

/// Those of a listener's PLAIN, with what is wrong reported.
pub(super) fn plain_sources(reader: &mut Reader<'_>, name: &ListenerName) -> PlainSources {
    const DEFAULT: PlainSources = PlainSources { jaas: true, scram: None };
    let Some(found) = reader.find_for(name, &keys::SASL_PLAIN_CREDENTIALS) else { return DEFAULT };
    let Some(list) = reader.distinct_list(&found) else { return DEFAULT };
    let problem = match PlainSources::parse(list.into_iter()) {
        Ok(sources) if sources.scram.is_some() && !has_store(reader) => PlainSources::NO_STORE.to_owned(),
        Ok(sources) => return sources,
        Err(_) if found.setting.substituted => PlainSources::EXPECTED.to_owned(),
        Err(problem) => problem,
    };
    reader.error(&found, problem);
    // Nothing else is to be reported for want of a JAAS entry.
    PlainSources { jaas: false, scram: Some(ScramMechanism::Sha256) }
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
