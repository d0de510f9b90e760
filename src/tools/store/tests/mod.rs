//! The form of the lines, and what imports make of them. What the commands print and how they end is tried in `proto-tests`.

mod imports;
mod lines;

use super::lines::Entry;
use crate::scram::{ScramCredential, ScramMechanism};

/// A credential whose keys are that byte.
fn entry(user: &str, mechanism: ScramMechanism, key: u8) -> Entry {
    let keys = vec![key; mechanism.hash_len()];
    let credential = ScramCredential::from_keys(mechanism, b"salt", &keys, &keys, 4096).unwrap();
    Entry { user: user.into(), mechanism, credential }
}

const SALT: &str = "c2FsdA==";
/// 32 bytes.
const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// A line of a good credential, with these fields replaced; an empty value leaves the field out.
fn line(replaced: &[(&str, &str)]) -> String {
    let fields = [
        ("kind", "\"scram\""),
        ("version", "1"),
        ("user", "\"alice\""),
        ("mechanism", "\"SCRAM-SHA-256\""),
        ("iterations", "4096"),
        ("salt", &format!("\"{SALT}\"")),
        ("stored_key", &format!("\"{KEY}\"")),
        ("server_key", &format!("\"{KEY}\"")),
    ]
    .map(|(name, value)| {
        let value = replaced.iter().find(|(replaced, _)| *replaced == name).map_or(value, |(_, value)| value);
        if value.is_empty() { String::new() } else { format!("\"{name}\":{value}") }
    });
    let added =
        replaced.iter().filter(|(name, _)| name.starts_with('+')).map(|(name, v)| format!("\"{}\":{v}", &name[1..]));
    let all: Vec<String> = fields.into_iter().filter(|field| !field.is_empty()).chain(added).collect();
    format!("{{{}}}", all.join(","))
}
