//! The issuers of signed tokens: one of the plain keys, or several by name.

use super::super::keys::{self, Key};
use super::super::login::Logins;
use super::super::names::ListenerName;
use super::super::reader::{Found, Reader};
use super::super::tls_types::{BackendTlsConfig, Located};
use super::{Entry, IssuerKeys, OAUTHBEARER, Place, TokenIssuer, entry};
use crate::jwt::{ClaimRules, Template, TokenTypes};
use std::time::Duration;

/// What the keys of a named issuer begin with: its name and the rest of a plain key follow.
pub(in crate::config) const PREFIX: &str = "sasl.oauthbearer.issuer.";

/// Most issuers of a listener.
const MAX_ISSUERS: usize = 64;

/// The word in `sasl.oauthbearer.token.types` for a token that does not say its type.
const ABSENT: &str = "absent";

/// Kafka's allow list of URLs.
const ALLOWED_URLS: &str = "org.apache.kafka.sasl.oauthbearer.allowed.urls";

/// What an issuer may have of its own.
const OWN: [&Key; 13] = [
    &keys::SASL_OAUTHBEARER_EXPECTED_ISSUER,
    &keys::SASL_OAUTHBEARER_EXPECTED_AUDIENCE,
    &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_URL,
    &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS,
    &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS,
    &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS,
    &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_MAX_STALENESS_MS,
    &keys::SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS,
    &keys::SASL_OAUTHBEARER_SCOPE_CLAIM_NAME,
    &keys::SASL_OAUTHBEARER_SUB_CLAIM_NAME,
    &keys::SASL_OAUTHBEARER_GROUPS_CLAIM_NAME,
    &keys::SASL_OAUTHBEARER_PRINCIPAL_TEMPLATE,
    &keys::SASL_OAUTHBEARER_TOKEN_TYPES,
];

/// Reports keys of named issuers that nobody reads. They are no keys of Kafka's: a misspelt one would leave a token unchecked by what
/// it was meant to be checked by.
pub(super) fn check_names(reader: &mut Reader<'_>, listener: &ListenerName) {
    let place = Place { listener, issuer: None };
    let named = place.find(reader, &keys::SASL_OAUTHBEARER_ISSUERS);
    let named: Vec<&str> = named.as_ref().map(Found::list).unwrap_or_default();
    let listener = listener.key_prefix();
    let own = format!("{listener}{}.", OAUTHBEARER.to_lowercase());
    let full: Vec<String> = reader.settings.keys().cloned().collect();
    for key in full {
        let rest = [own.as_str(), listener.as_str(), ""]
            .iter()
            .find_map(|prefix| key.strip_prefix(prefix)?.strip_prefix(PREFIX));
        let (Some(rest), Some(found)) = (rest, reader.find_by_name(&key)) else { continue };
        let Some((name, suffix)) = rest.split_once('.') else {
            reader.error(&found, format!("expected {PREFIX}<name>.<key>"));
            continue;
        };
        if !OWN.iter().any(|key| key.name.strip_prefix(super::PREFIX) == Some(suffix)) {
            reader.error(&found, format!("an issuer has no key {suffix}; expected one of {}", own_keys()));
        } else if !named.contains(&name) && key.starts_with("listener.name.") {
            let origin = &found.setting.origin;
            reader.warn(format!(
                "{key} ({origin}): has no effect: {} does not name it",
                keys::SASL_OAUTHBEARER_ISSUERS.name
            ));
        }
    }
}

fn own_keys() -> String {
    let suffixes: Vec<&str> = OWN.iter().filter_map(|key| key.name.strip_prefix(super::PREFIX)).collect();
    suffixes.join(", ")
}

/// The issuers of a listener, with all that is wrong reported.
pub(super) fn read(
    reader: &mut Reader<'_>,
    logins: &Logins,
    listener: &ListenerName,
    entry: &Entry,
) -> Vec<TokenIssuer> {
    let place = Place { listener, issuer: None };
    check_waivers(reader, place);
    if let Some(found) = place.find(reader, &keys::SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS) {
        let _ = reader.choice(&keys::SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS, &found);
    }
    let Some(tls) = entry::tls(reader, entry) else { return Vec::new() };
    let Some(found) = place.find(reader, &keys::SASL_OAUTHBEARER_ISSUERS) else {
        return read_one(reader, logins, place, &tls).into_iter().collect();
    };
    let Some(names) = reader.distinct_list(&found) else { return Vec::new() };
    let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if names.len() > MAX_ISSUERS || !names.iter().all(is_name) {
        let problem = format!("expected at most {MAX_ISSUERS} names of letters, digits, - and _, separated by commas");
        reader.error(&found, problem);
        return Vec::new();
    }
    let mut issuers: Vec<TokenIssuer> = Vec::new();
    for name in names {
        let place = Place { listener, issuer: Some(name) };
        let Some(issuer) = read_one(reader, logins, place, &tls) else { continue };
        // A token says by `iss` alone who is to judge it.
        match issuers.iter().find(|other| other.rules.issuer == issuer.rules.issuer) {
            Some(other) => {
                let other = other.name.as_deref().unwrap_or_default();
                reader.error(
                    &found,
                    format!("issuers {other} and {name} have the same expected.issuer; expected each its own"),
                );
            }
            None => issuers.push(issuer),
        }
    }
    issuers
}

/// Kafka 4.4 lets one do without issuer and audience.
fn check_waivers(reader: &mut Reader<'_>, place: Place<'_>) {
    for key in [&keys::SASL_OAUTHBEARER_ALLOW_UNVERIFIED_ISSUER, &keys::SASL_OAUTHBEARER_ALLOW_UNVERIFIED_AUDIENCE] {
        let Some(found) = place.find(reader, key) else { continue };
        if reader.boolean(&found) == Some(true) {
            reader.error(
                &found,
                "issuer and audience of a token are always verified here; expected false, or no such key",
            );
        }
    }
}

fn read_one(reader: &mut Reader<'_>, logins: &Logins, place: Place<'_>, tls: &BackendTlsConfig) -> Option<TokenIssuer> {
    let told = reader.errors.len();
    let url = read_url(reader, logins, place);
    let rules = read_rules(reader, place);
    let keys = IssuerKeys {
        url: url?,
        allow_http: place.flag(reader, &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_INSECURE_HTTP_ALLOWED),
        tls: tls.clone(),
        refresh: place.millis(reader, &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS),
        retry_backoff: place.millis(reader, &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS),
        retry_backoff_max: place.millis(reader, &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS),
        max_staleness: Duration::ZERO,
        early_interval: place.millis(reader, &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_EARLY_REFRESH_MS),
    };
    let keys = IssuerKeys { max_staleness: read_staleness(reader, place, keys.refresh), ..keys };
    check_durations(reader, place, &keys);
    let issuer = TokenIssuer { name: place.issuer.map(str::to_owned), rules: rules?, keys };
    (reader.errors.len() == told).then_some(issuer)
}

fn read_url(reader: &mut Reader<'_>, logins: &Logins, place: Place<'_>) -> Option<Located<String>> {
    let key = &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_URL;
    let Some(found) = place.find(reader, key) else {
        let problem = format!(
            "not set, but listener {} takes signed tokens; expected where the issuer's keys are",
            place.listener
        );
        reader.missing(&place.key(key), problem);
        return None;
    };
    if let Some(allowed) = logins.system_property(ALLOWED_URLS)
        && !allowed.split(',').any(|url| url.trim() == found.text())
    {
        let problem = format!(
            "The URL cannot be accessed due to restrictions. Update the system property '{ALLOWED_URLS}' to allow the URL to be accessed."
        );
        reader.error(&found, problem);
        return None;
    }
    let (key, origin) = (found.key.clone(), found.setting.origin.clone());
    Some(Located { value: found.text().to_owned(), key, origin, hidden: found.setting.substituted })
}

fn read_rules(reader: &mut Reader<'_>, place: Place<'_>) -> Option<ClaimRules> {
    let issuer = required(
        reader,
        place,
        &keys::SASL_OAUTHBEARER_EXPECTED_ISSUER,
        "the issuer's name, as its tokens have it in iss",
    );
    let audience =
        required(reader, place, &keys::SASL_OAUTHBEARER_EXPECTED_AUDIENCE, "what tokens for this cluster have in aud");
    let audiences = audience.and_then(|found| {
        let list = reader.distinct_list(&found)?;
        Some(list.into_iter().map(str::to_owned).collect())
    });
    let skew = place.find(reader, &keys::SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS);
    let skew = reader.number(&keys::SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS, skew);
    let template = read_template(reader, place);
    let types = read_types(reader, place);
    let text = |key| place.text(reader, key);
    Some(ClaimRules {
        issuer: Some(issuer?.text().to_owned()),
        audiences: audiences?,
        clock_skew: Duration::from_secs(u64::try_from(skew).unwrap_or_default()),
        scope_claim: text(&keys::SASL_OAUTHBEARER_SCOPE_CLAIM_NAME).unwrap_or_else(|| "scope".to_owned()),
        sub_claim: text(&keys::SASL_OAUTHBEARER_SUB_CLAIM_NAME).unwrap_or_else(|| "sub".to_owned()),
        groups_claim: text(&keys::SASL_OAUTHBEARER_GROUPS_CLAIM_NAME),
        principal_template: template?,
        required_scope: Vec::new(),
        types: types?,
    })
}

/// A setting without which any token of the issuer would do.
fn required<'r>(reader: &mut Reader<'r>, place: Place<'_>, key: &Key, what: &str) -> Option<Found<'r>> {
    let found = place.find(reader, key);
    if found.is_none() {
        let problem = format!("not set, but listener {} takes signed tokens; expected {what}", place.listener);
        reader.missing(&place.key(key), problem);
    }
    found
}

/// The outer `None` only if something was reported.
fn read_template(reader: &mut Reader<'_>, place: Place<'_>) -> Option<Option<Template>> {
    let Some(found) = place.find(reader, &keys::SASL_OAUTHBEARER_PRINCIPAL_TEMPLATE) else { return Some(None) };
    match Template::parse(found.text()) {
        Ok(template) => Some(Some(template)),
        Err(problem) => {
            let problem = if found.setting.substituted { "no template".to_owned() } else { problem.to_string() };
            reader.error(&found, problem);
            None
        }
    }
}

fn read_types(reader: &mut Reader<'_>, place: Place<'_>) -> Option<TokenTypes> {
    let Some(found) = place.find(reader, &keys::SASL_OAUTHBEARER_TOKEN_TYPES) else {
        return Some(TokenTypes::default());
    };
    let list = reader.distinct_list(&found)?;
    let absent = list.contains(&ABSENT);
    Some(TokenTypes { named: list.into_iter().filter(|name| *name != ABSENT).map(str::to_owned).collect(), absent })
}

/// The default must not stop a broker's file that has its keys fetched more rarely.
fn read_staleness(reader: &mut Reader<'_>, place: Place<'_>, refresh: Duration) -> Duration {
    let key = &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_MAX_STALENESS_MS;
    let is_set = place.find(reader, key).is_some_and(|found| found.setting.explicit);
    let staleness = place.millis(reader, key);
    if is_set { staleness } else { staleness.max(refresh.saturating_mul(2)) }
}

fn check_durations(reader: &mut Reader<'_>, place: Place<'_>, of: &IssuerKeys) {
    let pairs = [
        (
            of.retry_backoff > of.retry_backoff_max,
            &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS,
            &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS,
        ),
        (
            of.max_staleness < of.refresh,
            &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_MAX_STALENESS_MS,
            &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS,
        ),
    ];
    for (is_wrong, key, other) in pairs {
        if let Some(found) = place.find(reader, key).filter(|_| is_wrong) {
            reader.error(&found, format!("expected at least the value of {}", place.key(other)));
        }
    }
}
