//! `--add-scram`, in the grammar of `kafka-storage format --add-scram`: `SCRAM-SHA-256=[name=alice,password=pw]`.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::failure::Failure;
use super::grammar::DEFAULT_ITERATIONS;
use super::java;
use super::scram_users::Derived;
use super::scram_value::{Password, new_salt};
use crate::scram::{self, MAX_ITERATIONS, MIN_ITERATIONS, ScramMechanism};
use crate::secret::Secret;

/// The credentials of these values. Takes milliseconds for each.
pub(super) fn parse_all(values: &[String]) -> Result<Vec<Derived>, Failure> {
    values.iter().map(|value| parse(value).map_err(Failure::Said)).collect()
}

#[derive(Default)]
struct Parts<'a> {
    name: Option<&'a str>,
    salt: Option<&'a str>,
    iterations: Option<&'a str>,
    password: Option<&'a str>,
    salted_password: Option<&'a str>,
}

/// The texts are Kafka's, without the secrets that some of them quote.
fn parse(value: &str) -> Result<Derived, String> {
    let value = value.trim_matches(|c| c <= ' ');
    let (mechanism, rest) = value
        .split_once('=')
        .ok_or("Failed to find equals sign in SCRAM argument; expected MECHANISM=[name=...,password=...]")?;
    let mechanism = ScramMechanism::from_name(mechanism)
        .ok_or_else(|| format!("The add-scram mechanism {mechanism} is not supported."))?;
    let rest = rest.strip_prefix('[').ok_or("Expected configuration string to start with [")?;
    let rest = rest.strip_suffix(']').ok_or("Expected configuration string to end with ]")?;
    let parts = Parts::parse(rest)?;
    let user = parts.name.ok_or("You must supply 'name' to add-scram")?.to_owned();
    let decode = |text: &str, what: &str| STANDARD.decode(text).map_err(|_| format!("Failed to decode given {what}"));
    let salt = parts.salt.map(|text| decode(text, "salt")).transpose()?;
    let iterations = match parts.iterations {
        None => DEFAULT_ITERATIONS,
        Some(text) => java::parse_int(text).ok_or_else(|| format!("Failed to parse iterations count: {text}"))?,
    };
    let salted = match (parts.password, parts.salted_password) {
        (None, None) => return Err("You must supply one of 'password' or 'saltedpassword' to add-scram".into()),
        (None, Some(_)) if salt.is_none() => {
            return Err("You must supply 'salt' with 'saltedpassword' to add-scram".into());
        }
        (None, Some(text)) => Some(Secret::new(decode(text, "saltedPassword")?)),
        (Some(_), _) => None,
    };
    let count = u32::try_from(iterations).unwrap_or_default();
    let bound = |sign: &str, limit| {
        format!(
            "The 'iterations' value must be {sign} {limit} for add-scram using {}",
            mechanism.as_str().replace('-', "_")
        )
    };
    if count < MIN_ITERATIONS {
        return Err(bound(">=", MIN_ITERATIONS));
    }
    if count > MAX_ITERATIONS {
        return Err(bound("<=", MAX_ITERATIONS));
    }
    let salt = match salt {
        Some(salt) => salt,
        None => new_salt()?,
    };
    let password = Password::new(parts.password.unwrap_or_default());
    let salted_password = match (salted, NonZeroU32::new(count)) {
        (Some(salted), _) => salted,
        (None, _) if password.is_empty() => return Err("The password must not be empty".into()),
        (None, Some(count)) => scram::salted_password(mechanism, password.expose(), &salt, count),
        (None, None) => return Err(bound(">=", MIN_ITERATIONS)),
    };
    Ok(Derived { user, mechanism, iterations, salt, salted_password })
}

impl<'a> Parts<'a> {
    /// Cut at every comma; of a component that is given twice the last one counts.
    fn parse(text: &'a str) -> Result<Self, String> {
        let mut parts = Self::default();
        let mut unknown = Vec::new();
        for component in text.trim_end_matches(',').split(',') {
            let (name, value) = component.split_once('=').ok_or("No equals sign found in a SCRAM component")?;
            let value = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value);
            match name {
                "name" => parts.name = Some(value),
                "salt" => parts.salt = Some(value),
                "iterations" => parts.iterations = Some(value),
                "password" => parts.password = Some(value),
                "saltedpassword" => parts.salted_password = Some(value),
                other => unknown.push(other),
            }
        }
        unknown.sort_unstable();
        // With a password, a salted password is unknown only to look at: Kafka drops it.
        if unknown.is_empty() {
            Ok(parts)
        } else {
            Err(format!("Unknown SCRAM configurations: {}", unknown.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_kafka_storage_reads_them() {
        for (value, user, iterations) in [
            ("SCRAM-SHA-256=[name=alice,password=hush]", "alice", 4096),
            (" SCRAM-SHA-512=[password=hush,iterations=8192,name=bob] ", "bob", 8192),
            ("SCRAM-SHA-256=[name=\"a b\",password=\"h=ush\"]", "a b", 4096),
        ] {
            let derived = parse(value).unwrap();
            assert_eq!((derived.user.as_str(), derived.iterations), (user, iterations), "{value}");
            assert_eq!(derived.salted_password.expose().len(), derived.mechanism.hash_len());
        }
        let derived = parse("SCRAM-SHA-256=[name=alice,salt=\"c2FsdA==\",saltedpassword=\"AAEC\"]").unwrap();
        assert_eq!((&derived.salt[..], derived.salted_password.expose()), (&b"salt"[..], &[0u8, 1, 2][..]));
        let given = parse("SCRAM-SHA-256=[name=alice,salt=c2FsdA==,password=pencil]").unwrap();
        let count = NonZeroU32::new(4096).unwrap();
        let want = scram::salted_password(ScramMechanism::Sha256, b"pencil", b"salt", count);
        assert!(given.salted_password.matches(want.expose()));
    }

    #[test]
    fn what_is_wrong_is_said_without_secrets() {
        for (value, want) in [
            ("hush", "Failed to find equals sign in SCRAM argument"),
            ("SCRAM-SHA-1=[name=a,password=hush]", "The add-scram mechanism SCRAM-SHA-1 is not supported."),
            ("SCRAM-SHA-256=name=a,password=hush]", "Expected configuration string to start with ["),
            ("SCRAM-SHA-256=[name=a,password=hush", "Expected configuration string to end with ]"),
            ("SCRAM-SHA-256=[password=hush]", "You must supply 'name' to add-scram"),
            ("SCRAM-SHA-256=[name=a]", "You must supply one of 'password' or 'saltedpassword' to add-scram"),
            ("SCRAM-SHA-256=[name=a,saltedpassword=AAEC]", "You must supply 'salt' with 'saltedpassword' to add-scram"),
            ("SCRAM-SHA-256=[name=a,salt=?,password=hush]", "Failed to decode given salt"),
            ("SCRAM-SHA-256=[name=a,salt=AAEC,saltedpassword=hush!]", "Failed to decode given saltedPassword"),
            ("SCRAM-SHA-256=[name=a,password=hush,hush]", "No equals sign found in a SCRAM component"),
            ("SCRAM-SHA-256=[name=a,password=hush,x=1,b=2]", "Unknown SCRAM configurations: b, x"),
            ("SCRAM-SHA-256=[name=a,password=hush,iterations=x]", "Failed to parse iterations count: x"),
            (
                "SCRAM-SHA-256=[name=a,password=hush,iterations=4095]",
                "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
            ),
            (
                "SCRAM-SHA-512=[name=a,password=hush,iterations=16385]",
                "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_512",
            ),
            ("SCRAM-SHA-256=[name=a,password=]", "The password must not be empty"),
        ] {
            let error = parse(value).err().unwrap();
            assert!(error.starts_with(want), "{value}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
