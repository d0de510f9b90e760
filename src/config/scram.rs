//! The keys of the SCRAM mechanisms.

use super::keys;
use super::names::ListenerName;
use super::reader::Reader;
use crate::scram::MAX_ITERATIONS;

/// Shortest key in bytes: as many as the hash has that it is the key of.
const MIN_KEY_LEN: usize = 32;

/// Reports what is wrong with the keys of a listener; the mechanism itself reads them.
pub(super) fn check_keys(reader: &mut Reader<'_>, listener: &ListenerName) {
    if let Some(found) = reader.find_for(listener, &keys::SASL_SCRAM_UNKNOWN_USER_KEY)
        && found.text().len() < MIN_KEY_LEN
    {
        reader.error(
            &found,
            format!("expected at least {MIN_KEY_LEN} characters, for example of `openssl rand -base64 32`"),
        );
    }
    let key = &keys::SASL_SCRAM_UNKNOWN_USER_ITERATIONS;
    let found = reader.find_for(listener, key);
    let count = reader.number(key, found);
    if let Some(found) = reader.find_for(listener, key).filter(|_| count > i64::from(MAX_ITERATIONS)) {
        let problem = format!(
            "Invalid value {} for configuration {}: Value must be at most {MAX_ITERATIONS}",
            found.shown(),
            found.key
        );
        reader.error(&found, problem);
    }
}
