//! The options of the JAAS entry of OAUTHBEARER.

use std::time::Duration;

use zeroize::Zeroizing;

use super::super::keys::{Default, KEYS};
use super::super::reader::Reader;
use super::super::source::{Setting, Settings};
use super::super::tls;
use super::super::tls_types::BackendTlsConfig;
use super::Entry;
use crate::jwt::unsecured::UnsecuredRules;
use crate::secret::Secret;

const PRINCIPAL_CLAIM: &str = "unsecuredValidatorPrincipalClaimName";
const SCOPE_CLAIM: &str = "unsecuredValidatorScopeClaimName";
const REQUIRED_SCOPE: &str = "unsecuredValidatorRequiredScope";
const CLOCK_SKEW: &str = "unsecuredValidatorAllowableClockSkewMs";

/// Options of Kafka's that are for logging in to brokers, not for judging clients. One that ends with `_` or `.` is a prefix.
const OF_LOGIN: [&str; 6] = ["unsecuredLogin", "extension_", "clientId", "clientSecret", "scope", "ssl."];

impl Entry {
    /// An option's value. Kafka takes a blank one as not set, and cuts off the blanks around others.
    fn option(&self, name: &str) -> Option<String> {
        let value = self.context.modules.first()?.options.get(name)?;
        let text = String::from_utf8_lossy(value.expose());
        let text = text.trim_matches(|c| c <= ' ');
        (!text.trim().is_empty()).then(|| text.to_owned())
    }

    fn error(&self, reader: &mut Reader<'_>, option: &str, problem: &str) {
        let (key, origin) = (self.key.clone(), self.origin.clone());
        let problem = format!("option {option}: {problem}");
        reader.errors.push(super::super::ConfigError { key, origin, problem });
    }
}

/// The options of the validator for development; `None` only if something was reported.
pub(super) fn unsecured(reader: &mut Reader<'_>, entry: &Entry) -> Option<UnsecuredRules> {
    let told = reader.errors.len();
    warn_of_unknown(reader, entry);
    let required: Vec<String> = match entry.option(REQUIRED_SCOPE) {
        Some(text) => text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        None => Vec::new(),
    };
    // RFC 6749 §3.3
    let legal = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    if required.iter().any(|scope| !scope.bytes().all(legal)) {
        entry.error(
            reader,
            REQUIRED_SCOPE,
            "expected scopes of printable ASCII without quotes and backslashes, separated by blanks",
        );
    }
    // Kafka finds out at the first login.
    let skew = match entry.option(CLOCK_SKEW).map(|text| text.parse::<i32>()) {
        None => 0,
        Some(Ok(skew)) => match u64::try_from(skew) {
            Ok(skew) => skew,
            Err(_) => {
                entry.error(reader, CLOCK_SKEW, "Allowable clock skew millis must not be negative");
                0
            }
        },
        Some(Err(_)) => {
            entry.error(reader, CLOCK_SKEW, "expected a number of milliseconds, at most 2147483647");
            0
        }
    };
    let rules = UnsecuredRules {
        principal_claim: entry.option(PRINCIPAL_CLAIM).unwrap_or_else(|| "sub".to_owned()),
        scope_claim: entry.option(SCOPE_CLAIM).unwrap_or_else(|| "scope".to_owned()),
        required_scope: required,
        clock_skew: Duration::from_millis(skew),
    };
    (reader.errors.len() == told).then_some(rules)
}

fn warn_of_unknown(reader: &mut Reader<'_>, entry: &Entry) {
    let known = |name: &str| {
        [PRINCIPAL_CLAIM, SCOPE_CLAIM, REQUIRED_SCOPE, CLOCK_SKEW].contains(&name)
            || OF_LOGIN.iter().any(|known| name.starts_with(known))
    };
    let options = entry.context.modules.iter().flat_map(|module| module.options.keys());
    let mut unknown: Vec<&String> = options.filter(|name| !known(name)).collect();
    unknown.sort_unstable();
    for name in unknown {
        // Only what looks like one is surely no piece of a value.
        let shown = if name.starts_with("unsecuredValidator") { name } else { "[hidden]" };
        reader.warn(format!("{} ({}): option {shown} is not known and has no effect", entry.key, entry.origin));
    }
}

/// The `ssl.*` options, by which an issuer's `https` endpoint is believed; `None` only if something was reported.
pub(in crate::config) fn tls(reader: &mut Reader<'_>, entry: &Entry) -> Option<BackendTlsConfig> {
    let mut settings: Settings = KEYS
        .iter()
        .filter(|key| !key.is_pattern())
        .filter_map(|key| match key.default {
            Default::Fixed(value) => Some((key.name.to_owned(), setting(value, "default", false))),
            _ => None,
        })
        .collect();
    let options = entry.context.modules.iter().flat_map(|module| &module.options);
    for (name, value) in options.filter(|(name, _)| name.starts_with("ssl.")) {
        let origin = format!("option of {}, {}", entry.key, entry.origin);
        settings.insert(name.clone(), setting(&text(value), &origin, true));
    }
    let mut own = Reader { settings: &settings, errors: Vec::new(), warnings: Vec::new() };
    let tls = tls::client(&mut own);
    reader.errors.append(&mut own.errors);
    match tls {
        Some(tls) if !tls.verify_host_name => {
            let option = "ssl.endpoint.identification.algorithm";
            entry.error(
                reader,
                option,
                "whoever has any certificate could give keys of their own; expected https, or no such option",
            );
            None
        }
        tls => {
            reader.warnings.append(&mut own.warnings);
            tls
        }
    }
}

/// Any option's value may be a secret.
fn setting(value: &str, origin: &str, explicit: bool) -> Setting {
    Setting { value: Zeroizing::new(value.to_owned()), origin: origin.to_owned(), explicit, substituted: explicit }
}

fn text(value: &Secret) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(value.expose()).into_owned())
}
