//! The values of kafka-configs: `--add-config`, `--add-config-file`, `--delete-config`, and the credentials in them.

use std::path::Path;

use zeroize::Zeroizing;

use super::failure::Failure;
use super::java;
use super::scram_value::Password;
use crate::config::properties;
use crate::scram::{MIN_ITERATIONS, ScramMechanism};

/// Iterations where none are given.
pub(super) const DEFAULT_ITERATIONS: i32 = MIN_ITERATIONS as i32;

/// Configs to add: names and values, each name once.
#[derive(Default)]
pub(super) struct Additions(Vec<(String, Zeroizing<String>)>);

impl Additions {
    /// Reads the value of `--add-config`: `k1=v1,k2=[v1,v2],k3=v3`. Brackets are cut out of values wherever they stand.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut additions = Self::default();
        for config in java_split(text) {
            let parts = split_outside_brackets(config, b'=');
            let [name, value] = parts[..] else {
                return Err(Failure::said(
                    "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
                     \"key=[val1,val2]\" to group values which contain commas.",
                ));
            };
            let value: String = value.chars().filter(|c| !matches!(c, '[' | ']')).collect();
            additions.set(trim(name), trim(&Zeroizing::new(value)));
        }
        additions.check_names()?;
        Ok(additions)
    }

    /// Reads a properties file.
    pub fn read(file: &str) -> Result<Self, Failure> {
        let failed = |problem: String| Failure::Failed(format!("{file}: {problem}"));
        let bytes = std::fs::read(Path::new(file)).map_err(|error| failed(error.to_string()))?;
        let entries = properties::parse_latin1(&Zeroizing::new(bytes)).map_err(|error| failed(error.to_string()))?;
        let mut additions = Self::default();
        for entry in entries {
            additions.set(&entry.key, &entry.value);
        }
        additions.check_names()?;
        Ok(additions)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), Zeroizing::new(value.to_owned())));
    }

    fn check_names(&self) -> Result<(), Failure> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '.' | '_' | '-');
        match self.names().find(|name| !name.chars().all(legal)) {
            Some(name) => Err(Failure::said(format!("Invalid character found for config key: {name}"))),
            None => Ok(()),
        }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Java's `trim`, which cuts all characters up to the blank.
fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// `split(",")` outside brackets as Java does it: empty strings at the end do not count, a text without comma is one.
fn java_split(text: &str) -> Vec<&str> {
    let mut parts = split_outside_brackets(text, b',');
    if parts.len() > 1 {
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
    }
    parts
}

/// Cuts at each separator after which no `]` comes before a `[` or the end, which is what Kafka calls outside of brackets.
fn split_outside_brackets(text: &str, separator: u8) -> Vec<&str> {
    let outside = |rest: &str| rest.find(['[', ']']).is_none_or(|at| rest.as_bytes()[at] == b'[');
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| *byte == separator) {
        if outside(&text[at + 1..]) {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Reads a credential as `--add-config` has it: `iterations=8192,password=pw`, in this order, the iterations left out or -1 for the
/// default.
pub(super) fn scram_value(mechanism: ScramMechanism, value: &str) -> Result<(i32, Password), Failure> {
    // Kafka shows the whole value, in which there may be a password.
    let invalid = || {
        Failure::said(format!(
            "Invalid credential property {}=[hidden]; expected iterations=N,password=TEXT or password=TEXT",
            mechanism.as_str().replace('-', "_")
        ))
    };
    let (iterations, rest) = match value.strip_prefix("iterations=") {
        Some(rest) => {
            let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
            let digits = number.strip_prefix('-').unwrap_or(number);
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(invalid());
            }
            (Some(number), rest)
        }
        None => (None, value),
    };
    let password = rest.strip_prefix("password=").filter(|text| !text.contains(is_line_end)).ok_or_else(invalid)?;
    let iterations = match iterations {
        None | Some("-1") => DEFAULT_ITERATIONS,
        Some(number) => {
            java::parse_int(number).ok_or_else(|| Failure::said(format!("For input string: \"{number}\"")))?
        }
    };
    if iterations < DEFAULT_ITERATIONS {
        return Err(Failure::said(format!(
            "Iterations {iterations} is less than the minimum {MIN_ITERATIONS} required for {mechanism}"
        )));
    }
    Ok((iterations, Password::new(password)))
}

/// What a `.` of a Java expression does not match.
fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(failure: Failure) -> String {
        match failure {
            Failure::Said(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn configs_are_cut_as_kafka_cuts_them() {
        for (text, want) in [
            ("a=b", &[("a", "b")][..]),
            ("a=b,c=d", &[("a", "b"), ("c", "d")]),
            (" a = b , c = d ", &[("a", "b"), ("c", "d")]),
            ("a=[b,c],d=e", &[("a", "b,c"), ("d", "e")]),
            ("a=[b=c,d=e]", &[("a", "b=c,d=e")]),
            ("a=", &[("a", "")]),
            ("a=b,", &[("a", "b")]),
            (",", &[]),
            ("a=b,a=c", &[("a", "c")]),
            ("a=[x]y,b=[z]", &[("a", "xy"), ("b", "z")]),
            (
                "SCRAM-SHA-256=[iterations=8192,password=pw],SCRAM-SHA-512=[password=a=b]",
                &[("SCRAM-SHA-256", "iterations=8192,password=pw"), ("SCRAM-SHA-512", "password=a=b")],
            ),
        ] {
            let additions = Additions::parse(text).unwrap();
            assert_eq!(additions.iter().collect::<Vec<_>>(), want, "{text:?}");
        }
        for text in ["", "a", "a=b=c", ",a=b", "a=b,,c=d", "a=x]y,b=[z]", "SCRAM-SHA-256=password=x"] {
            let error = said(Additions::parse(text).err().unwrap());
            assert!(error.starts_with("requirement failed: Invalid entity config"), "{text:?}: {error}");
        }
        let error = said(Additions::parse("a b=c").err().unwrap());
        assert_eq!(error, "Invalid character found for config key: a b");
    }

    #[test]
    fn credentials_are_read_as_kafka_reads_them() {
        let read = |value| scram_value(ScramMechanism::Sha256, value);
        for (value, iterations, password) in [
            ("iterations=8192,password=pw", 8192, "pw"),
            ("password=pw", 4096, "pw"),
            ("iterations=-1,password=pw", 4096, "pw"),
            ("password=pw,iterations=8192", 4096, "pw,iterations=8192"),
            ("password=", 4096, ""),
            ("iterations=99999,password=a=b,c", 99999, "a=b,c"),
        ] {
            let (seen, secret) = read(value).unwrap();
            assert_eq!((seen, secret.expose()), (iterations, password.as_bytes()), "{value:?}");
        }
        for (value, want) in [
            ("iterations=4095,password=pw", "Iterations 4095 is less than the minimum 4096 required for SCRAM-SHA-256"),
            ("iterations=-2,password=pw", "Iterations -2 is less than the minimum 4096 required for SCRAM-SHA-256"),
            ("iterations=,password=pw", "For input string: \"\""),
            ("iterations=-,password=pw", "For input string: \"-\""),
            ("iterations=99999999999,password=pw", "For input string: \"99999999999\""),
        ] {
            assert_eq!(said(read(value).err().unwrap()), want);
        }
        for value in ["", "x", "pasword=hush", "iterations=8192", "iterations=a,password=hush", "password=hu\nsh"] {
            let error = said(read(value).err().unwrap());
            assert!(error.starts_with("Invalid credential property SCRAM_SHA_256=[hidden]"), "{value:?}: {error}");
            assert!(!error.contains("hush"));
        }
    }
}
