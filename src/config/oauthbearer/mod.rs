//! OAUTHBEARER on a listener: who judges its tokens, and by what.
//!
//! Kafka takes its validator for development, which believes everyone, wherever no callback handler class is set, and twice shipped a
//! validator for production that checked nothing because an option was missing (CVE-2026-33557, CVE-2026-110985). Here the validator
//! for production is taken as soon as anything asks for it, each of its parts must then be there, and the one for development needs a
//! permission.

mod entry;
mod issuers;

pub(super) use entry::tls as entry_tls;
pub(super) use issuers::PREFIX as ISSUER_PREFIX;

use super::endpoints::Endpoint;
use super::jaas::JaasContext;
use super::keys::{self, Key};
use super::login::{Entry, Logins, OAUTHBEARER};
use super::names::ListenerName;
use super::reader::{Found, Reader};
use super::tls_types::{BackendTlsConfig, Located};
use crate::jwt::ClaimRules;
use crate::jwt::unsecured::UnsecuredRules;
use std::net::IpAddr;
use std::time::Duration;

/// By what a listener judges the tokens of OAUTHBEARER.
#[derive(Clone, Debug)]
pub enum OauthbearerConfig {
    /// For development: tokens without a signature. It believes everyone.
    Unsecured(UnsecuredRules),
    /// Tokens that one of these has signed: at least one, no two with the same `iss`.
    Issuers(Vec<TokenIssuer>),
}

/// One issuer whose tokens a listener takes.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// Its name in `sasl.oauthbearer.issuers`; `None` where there is only the one of the plain keys.
    pub name: Option<String>,
    /// What its tokens must claim. An issuer and an audience are always named.
    pub rules: ClaimRules,
    /// Where its keys are.
    pub keys: IssuerKeys,
}

/// Where the keys of an issuer are, and how they are fetched.
#[derive(Clone, Debug)]
pub struct IssuerKeys {
    /// `sasl.oauthbearer.jwks.endpoint.url`, not looked into yet.
    pub url: Located<String>,
    /// Ours: `http` goes to every host, not only to loopback addresses.
    pub allow_http: bool,
    /// The `ssl.*` options of the JAAS entry.
    pub tls: BackendTlsConfig,
    /// `sasl.oauthbearer.jwks.endpoint.refresh.ms`
    pub refresh: Duration,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.ms`
    pub retry_backoff: Duration,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms`
    pub retry_backoff_max: Duration,
    /// Ours: keys that were last seen longer ago are not used.
    pub max_staleness: Duration,
    /// Ours: the least time between two fetches because of unknown key ids.
    pub early_interval: Duration,
}

impl OauthbearerConfig {
    /// Whether tokens need no signature.
    pub fn is_unsecured(&self) -> bool {
        matches!(self, Self::Unsecured(_))
    }
}

/// Keys that only the validator for production reads: where one is set and no keys are, the URL has been forgotten.
const OF_PRODUCTION: [&Key; 9] = [
    &keys::SASL_OAUTHBEARER_EXPECTED_ISSUER,
    &keys::SASL_OAUTHBEARER_EXPECTED_AUDIENCE,
    &keys::SASL_OAUTHBEARER_SCOPE_CLAIM_NAME,
    &keys::SASL_OAUTHBEARER_SUB_CLAIM_NAME,
    &keys::SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS,
    &keys::SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS,
    &keys::SASL_OAUTHBEARER_GROUPS_CLAIM_NAME,
    &keys::SASL_OAUTHBEARER_PRINCIPAL_TEMPLATE,
    &keys::SASL_OAUTHBEARER_TOKEN_TYPES,
];

/// A listener's OAUTHBEARER with its JAAS context; `None` only if something was reported.
pub(super) fn read(
    reader: &mut Reader<'_>,
    logins: &mut Logins,
    endpoint: &Endpoint,
    behind_proxy: bool,
) -> Option<(OauthbearerConfig, JaasContext)> {
    let told = reader.errors.len();
    let place = Place { listener: &endpoint.name, issuer: None };
    let class = read_class(reader, &endpoint.name);
    let permission = own_flag(reader, &endpoint.name, &keys::SASL_OAUTHBEARER_INSECURE_UNSECURED_TOKENS_ALLOWED);
    issuers::check_names(reader, &endpoint.name);
    if reader.errors.len() > told {
        return None;
    }
    let url = place.find(reader, &keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_URL);
    let issuers = place.find(reader, &keys::SASL_OAUTHBEARER_ISSUERS);
    let asks_for_production = class.or(url).or(issuers);
    match (asks_for_production, permission) {
        (Some(asks), Some(permission)) => {
            let problem = format!(
                "allows tokens without a signature, but {} asks for signed ones; expected one of the two",
                asks.key
            );
            reader.error(&permission, problem);
            None
        }
        (Some(_), None) => {
            let entry = logins.oauthbearer_entry(reader, &endpoint.name, false)?;
            let issuers = issuers::read(reader, logins, &endpoint.name, &entry);
            (reader.errors.len() == told).then_some((OauthbearerConfig::Issuers(issuers), entry.context))
        }
        (None, permission) => {
            if permission.is_none() && !may_be_unsecured(reader, endpoint, behind_proxy) {
                return None;
            }
            let entry = logins.oauthbearer_entry(reader, &endpoint.name, true)?;
            let rules = entry::unsecured(reader, &entry)?;
            warn_of_unsecured(reader, &endpoint.name, permission.as_ref());
            Some((OauthbearerConfig::Unsecured(rules), entry.context))
        }
    }
}

/// Whose settings are read.
#[derive(Clone, Copy)]
struct Place<'a> {
    listener: &'a ListenerName,
    /// Its name in `sasl.oauthbearer.issuers`.
    issuer: Option<&'a str>,
}

/// What all of the mechanism's keys begin with.
const PREFIX: &str = "sasl.oauthbearer.";

impl Place<'_> {
    /// The setting that applies: an issuer's own before what holds for all issuers; of each the longest prefix wins. One without a value
    /// counts as not set, so that a listener can do without what all others have.
    fn find<'r>(&self, reader: &Reader<'r>, key: &Key) -> Option<Found<'r>> {
        self.find_any(reader, key).filter(|found| !found.text().is_empty())
    }

    fn find_any<'r>(&self, reader: &Reader<'r>, key: &Key) -> Option<Found<'r>> {
        let listener = self.listener.key_prefix();
        let prefixes = [format!("{listener}{}.", OAUTHBEARER.to_lowercase()), listener, String::new()];
        let mut names = vec![key.name.to_owned()];
        if let (Some(issuer), Some(suffix)) = (self.issuer, key.name.strip_prefix(PREFIX)) {
            names.insert(0, format!("{}{issuer}.{suffix}", issuers::PREFIX));
        }
        names
            .iter()
            .flat_map(|name| prefixes.iter().map(move |prefix| format!("{prefix}{name}")))
            .find_map(|key| reader.find_by_name(&key))
    }

    /// The key in messages of what is missing.
    fn key(&self, key: &Key) -> String {
        match (self.issuer, key.name.strip_prefix(PREFIX)) {
            (Some(issuer), Some(suffix)) => format!("{}{issuer}.{suffix}", issuers::PREFIX),
            _ => key.name.to_owned(),
        }
    }

    fn millis(&self, reader: &mut Reader<'_>, key: &Key) -> Duration {
        let found = self.find(reader, key);
        Duration::from_millis(u64::try_from(reader.number(key, found)).unwrap_or_default())
    }

    fn text(&self, reader: &Reader<'_>, key: &Key) -> Option<String> {
        self.find(reader, key).map(|found| found.text().to_owned())
    }

    /// Whether it is true; what is no flag is reported.
    fn flag(&self, reader: &mut Reader<'_>, key: &Key) -> bool {
        self.find(reader, key).and_then(|found| reader.boolean(&found)).unwrap_or_default()
    }
}

/// The class that asks for the validator for production, if it is set.
fn read_class<'r>(reader: &mut Reader<'r>, listener: &ListenerName) -> Option<Found<'r>> {
    let key = &keys::SASL_SERVER_CALLBACK_HANDLER_CLASS;
    let found =
        reader.find_by_name(&format!("{}{}.{}", listener.key_prefix(), OAUTHBEARER.to_lowercase(), key.name))?;
    reader.choice(key, &found)?;
    Some(found)
}

/// A flag of the mechanism on this listener alone, if it is true; what is no flag is reported.
fn own_flag<'r>(reader: &mut Reader<'r>, listener: &ListenerName, key: &Key) -> Option<Found<'r>> {
    let found =
        reader.find_by_name(&format!("{}{}.{}", listener.key_prefix(), OAUTHBEARER.to_lowercase(), key.name))?;
    reader.boolean(&found)?.then_some(found)
}

/// Whether a listener that nothing else is said of may believe everyone, as Kafka would have it do; why not is reported.
fn may_be_unsecured(reader: &mut Reader<'_>, endpoint: &Endpoint, behind_proxy: bool) -> bool {
    let name = &endpoint.name;
    let place = Place { listener: name, issuer: None };
    let set = OF_PRODUCTION.iter().filter_map(|key| place.find(reader, key)).find(|found| found.setting.explicit);
    let is_local = is_loopback(&endpoint.bind.host) && !behind_proxy;
    let why = match set {
        Some(set) => format!("not set, but {} is; expected where the issuer's keys are", set.key),
        None if is_local => return true,
        None => format!(
            "not set: listener {name} would take tokens without a signature from everyone; expected where the issuer's keys are. \
             Only for development {}{}.{}=true allows it, or a listener that is bound to a loopback address{}",
            name.key_prefix(),
            OAUTHBEARER.to_lowercase(),
            keys::SASL_OAUTHBEARER_INSECURE_UNSECURED_TOKENS_ALLOWED.name,
            if behind_proxy { " and reads no PROXY protocol headers" } else { "" }
        ),
    };
    reader.missing(keys::SASL_OAUTHBEARER_JWKS_ENDPOINT_URL.name, why);
    false
}

/// Whether only this machine reaches what is bound there.
pub(super) fn is_loopback(host: &str) -> bool {
    // RFC 6761 §6.3
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn warn_of_unsecured(reader: &mut Reader<'_>, listener: &ListenerName, permission: Option<&Found<'_>>) {
    let why = match permission {
        Some(found) => format!("because {} ({}) says so", found.key, found.setting.origin),
        None => "because it is bound to a loopback address and no issuer is configured".to_owned(),
    };
    reader.warn(format!(
        "listener {listener}: OAUTHBEARER is INSECURE: it believes tokens WITHOUT A SIGNATURE, {why}; everyone who reaches it can be \
         anyone; for development only"
    ));
}
