//! The options of a JAAS entry by which Kafka's client makes an unsecured token, read as Kafka reads them.

use std::collections::HashMap;
use std::time::Duration;

use super::token_types::{ClaimValue, UnsecuredToken};
use crate::secret::Secret;

/// How all of them begin.
pub(super) const OPTION: &str = "unsecuredLogin";
/// SASL extensions.
pub(super) const EXTENSION: &str = "unsecuredLoginExtension_";

const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);
/// Kafka sets them itself.
const RESERVED: [&str; 2] = ["iat", "exp"];

/// The token that the entry's options describe. An error never has a value in it.
pub(super) fn read(all: &HashMap<String, Secret>) -> Result<UnsecuredToken, String> {
    let mut options: Vec<(&str, &str)> = Vec::new();
    for (option, value) in all {
        let Some(name) = option.strip_prefix(OPTION) else { continue };
        let value = std::str::from_utf8(value.expose()).map_err(|_| format!("option {option} is no text"))?;
        options.push((name, value));
    }
    options.sort_unstable();
    let mut token = UnsecuredToken { lifetime: DEFAULT_LIFETIME, claims: Vec::new() };
    let mut principal_claim = "sub";
    for (name, value) in options {
        let option = || format!("option {OPTION}{name}");
        let (kind, claim) = name.split_once('_').unwrap_or((name, ""));
        let value = match (kind, claim) {
            ("Extension", _) => continue,
            ("PrincipalClaimName", "") => {
                principal_claim = if value.trim().is_empty() { principal_claim } else { value.trim() };
                continue;
            }
            // Which claim is the scope matters to who reads the token.
            ("ScopeClaimName", "") => continue,
            ("LifetimeSeconds", "") => {
                let seconds = value.parse::<u32>().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.ok_or_else(|| format!("{}: expected 1 to {} seconds", option(), u32::MAX))?;
                token.lifetime = Duration::from_secs(u64::from(seconds));
                continue;
            }
            ("StringClaim" | "NumberClaim" | "ListClaim", "") => {
                return Err(format!("{}: expected a claim's name behind it", option()));
            }
            ("StringClaim", _) => ClaimValue::Text(value.to_owned()),
            ("NumberClaim", _) => {
                let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                ClaimValue::Number(number.ok_or_else(|| format!("{}: expected a number", option()))?)
            }
            ("ListClaim", _) => ClaimValue::List(list(value).map_err(|problem| format!("{}: {problem}", option()))?),
            _ => return Err(format!("Kafka has no {}", option())),
        };
        if RESERVED.contains(&claim) {
            return Err(format!("Cannot explicitly set the '{claim}' claim"));
        }
        if token.claims.iter().any(|(name, _)| name == claim) {
            return Err(format!("{}: the claim is there twice", option()));
        }
        token.claims.push((claim.to_owned(), value));
    }
    let principal = token.claims.iter().find(|(name, _)| name == principal_claim);
    if !principal.is_some_and(|(_, value)| matches!(value, ClaimValue::Text(text) if !text.trim().is_empty())) {
        return Err(format!("expected option {OPTION}StringClaim_{principal_claim}: the name of this front"));
    }
    Ok(token)
}

/// The first character separates the elements; Java's `String.split` leaves empty ones at the end away, and Kafka then adds one if
/// there was an empty element anywhere.
fn list(value: &str) -> Result<Vec<String>, &'static str> {
    let Some(delimiter) = value.chars().next() else { return Ok(Vec::new()) };
    // Kafka puts these into a regular expression as they are, and it then has none.
    if matches!(delimiter, '*' | '+' | '?' | ')') {
        return Err("the separator must not be one of * + ? )");
    }
    let text = &value[delimiter.len_utf8()..];
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let all: Vec<&str> = text.split(delimiter).collect();
    let has_empty = all.iter().any(|element| element.is_empty());
    let end = all.iter().rposition(|element| !element.is_empty()).map_or(0, |last| last + 1);
    let mut elements: Vec<String> = all[..end].iter().map(|element| (*element).to_owned()).collect();
    if has_empty {
        elements.push(String::new());
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(options: &[(&str, &str)]) -> HashMap<String, Secret> {
        options.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
    }

    #[test]
    fn claims_of_all_kinds() {
        let token = read(&entry(&[
            ("unsecuredLoginStringClaim_sub", "front"),
            ("unsecuredLoginNumberClaim_level", " 2 "),
            ("unsecuredLoginListClaim_scope", "|a|b"),
            ("unsecuredLoginLifetimeSeconds", "60"),
            ("unsecuredLoginExtension_trace", "x"),
            ("unsecuredLoginScopeClaimName", "scp"),
            ("unsecuredValidatorRequiredScope", "of the other side"),
        ]))
        .unwrap();
        assert_eq!(token.lifetime, Duration::from_secs(60));
        let claims = [
            ("scope", ClaimValue::List(vec!["a".into(), "b".into()])),
            ("level", ClaimValue::Number(2.0)),
            ("sub", ClaimValue::Text("front".into())),
        ];
        assert_eq!(token.claims, claims.map(|(name, value)| (name.to_owned(), value)));
        let named = [("unsecuredLoginStringClaim_user", "front"), ("unsecuredLoginPrincipalClaimName", " user ")];
        assert_eq!(read(&entry(&named)).unwrap().lifetime, DEFAULT_LIFETIME);
    }

    #[test]
    fn what_makes_no_token_is_refused() {
        let sub = ("unsecuredLoginStringClaim_sub", "hunter2");
        let expected = "expected option unsecuredLoginStringClaim_sub: the name of this front";
        for (options, want) in [
            (&[][..], expected),
            (&[("unsecuredLoginStringClaim_sub", " ")], expected),
            (&[("unsecuredLoginNumberClaim_sub", "1")], expected),
            (&[sub, ("unsecuredLoginStringClaim_exp", "1")], "Cannot explicitly set the 'exp' claim"),
            (&[sub, ("unsecuredLoginNumberClaim_iat", "1")], "Cannot explicitly set the 'iat' claim"),
            (
                &[sub, ("unsecuredLoginNumberClaim_a", "hunter2")],
                "option unsecuredLoginNumberClaim_a: expected a number",
            ),
            (&[sub, ("unsecuredLoginNumberClaim_a", "inf")], "option unsecuredLoginNumberClaim_a: expected a number"),
            (
                &[sub, ("unsecuredLoginLifetimeSeconds", "0")],
                "option unsecuredLoginLifetimeSeconds: expected 1 to 4294967295 seconds",
            ),
            (
                &[sub, ("unsecuredLoginStringClaim_", "x")],
                "option unsecuredLoginStringClaim_: expected a claim's name behind it",
            ),
            (
                &[sub, ("unsecuredLoginNumberClaim_sub", "1")],
                "option unsecuredLoginStringClaim_sub: the claim is there twice",
            ),
            (&[sub, ("unsecuredLoginStringclaim_x", "x")], "Kafka has no option unsecuredLoginStringclaim_x"),
            (
                &[sub, ("unsecuredLoginListClaim_x", "+a+b")],
                "option unsecuredLoginListClaim_x: the separator must not be one of * + ? )",
            ),
        ] {
            assert_eq!(read(&entry(options)).unwrap_err(), want);
        }
    }

    /// As Java's `split` and Kafka's own rule behind it make them.
    #[test]
    fn lists_as_kafka_cuts_them() {
        for (text, want) in [
            ("", &[][..]),
            ("|", &[]),
            ("|a", &["a"]),
            (",a,b c", &["a", "b c"]),
            ("|a|", &["a", ""]),
            ("||a", &["", "a", ""]),
            ("|a||b", &["a", "", "b", ""]),
            (".a.b", &["a", "b"]),
        ] {
            assert_eq!(list(text).unwrap(), want, "{text}");
        }
    }
}
