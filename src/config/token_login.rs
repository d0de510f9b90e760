//! The front's own login by OAUTHBEARER: Kafka's keys and JAAS options for where tokens come from.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::jaas::JaasContext;
use super::keys::{self, Key, LOGIN_HANDLERS};
use super::login::{Entry, Logins, OAUTHBEARER_LOGIN_MODULE};
use super::names::{HostPort, ListenerName};
use super::oauthbearer::{entry_tls, is_loopback};
use super::reader::{Found, Reader};
use super::tls::located;
use super::token_types::{TokenEndpoint, TokenLogin, TokenRefresh, TokenSource};
use super::unsecured_token;
use crate::secret::Secret;

/// The mechanism in keys.
const MECHANISM: &str = "oauthbearer";
const EXTENSION: &str = "extension_";

type Options = HashMap<String, Secret>;

/// Keys that say where this front's tokens come from and by which secret. They are taken from one place together, so that a secret
/// never meets a URL that it does not belong to.
const TOGETHER: &[&Key] = &[
    &keys::BACKEND_SASL_JAAS_CONFIG,
    &keys::BACKEND_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL,
    &keys::BACKEND_SASL_OAUTHBEARER_CLIENT_ID,
    &keys::BACKEND_SASL_OAUTHBEARER_CLIENT_SECRET,
];

/// Whose settings are read.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// `backend.*` alone.
    Own,
    /// What `backend.` does not give is what a broker would use for its own logins on this listener.
    BetweenBrokers(&'a ListenerName),
}

impl<'a> Place<'a> {
    pub fn of(reader: &Reader<'_>, between_brokers: &'a ListenerName) -> Self {
        let is_own = TOGETHER.iter().any(|key| reader.find_explicit(key).is_some());
        if is_own { Self::Own } else { Self::BetweenBrokers(between_brokers) }
    }

    fn find<'r>(self, reader: &Reader<'r>, key: &Key) -> Option<Found<'r>> {
        let own = reader.find(key);
        let Self::BetweenBrokers(listener) = self else { return own };
        if own.as_ref().is_some_and(|found| found.setting.explicit) {
            return own;
        }
        names_between_brokers(listener, key).iter().find_map(|name| reader.find_by_name(name)).or(own)
    }
}

/// The names under which a broker finds a client key for its own logins, the strongest first.
fn names_between_brokers(listener: &ListenerName, key: &Key) -> Vec<String> {
    let (prefix, name) = (listener.key_prefix(), key.name.trim_start_matches("backend."));
    let of_mechanism = format!("{prefix}{MECHANISM}.{name}");
    // Kafka knows classes by the longest name alone.
    if name == "sasl.login.callback.handler.class" {
        return vec![of_mechanism];
    }
    vec![of_mechanism, format!("{prefix}{name}"), name.to_owned()]
}

/// Whether `key`, which has no prefix `backend.`, is one that a front's login by tokens between brokers reads.
pub(super) fn is_read_between_brokers(listener: &ListenerName, key: &str) -> bool {
    let rows = keys::KEYS.iter().filter(|row| row.name.starts_with("backend.sasl.login."));
    let rows = rows.chain(keys::KEYS.iter().filter(|row| row.name.starts_with("backend.sasl.oauthbearer.")));
    rows.copied().any(|row| names_between_brokers(listener, row).iter().any(|name| name == key))
}

/// Collects what is wrong, under the key that it can be mended by.
struct Told<'t, 'a> {
    reader: &'t mut Reader<'a>,
    entry: &'t Entry,
    place: Place<'t>,
}

impl Told<'_, '_> {
    fn of_entry(&mut self, problem: String) {
        let (key, origin) = (self.entry.key.clone(), self.entry.origin.clone());
        self.reader.errors.push(ConfigError { key, origin, problem });
    }
}

/// The backend's own JAAS entry, if `found`; without one, keys say all that it would. `None` only if something was reported.
pub(super) fn own_entry(reader: &mut Reader<'_>, logins: &Logins, found: Option<&Found<'_>>) -> Option<Entry> {
    let Some(found) = found else {
        let (context, key) = (JaasContext::default(), keys::BACKEND_SASL_JAAS_CONFIG.name.to_owned());
        return Some(Entry { context, key, origin: String::new() });
    };
    let context = logins.property(reader, found)?;
    let (key, origin) = (found.key.clone(), found.setting.origin.clone());
    let modules: Vec<_> =
        context.modules.into_iter().filter(|module| module.class == OAUTHBEARER_LOGIN_MODULE).collect();
    if modules.len() != 1 {
        let problem = format!("expected exactly one {OAUTHBEARER_LOGIN_MODULE}, found {}", modules.len());
        reader.error(found, problem);
        return None;
    }
    Some(Entry { context: JaasContext { modules }, key, origin })
}

/// The login that the entry and the keys in `place` describe; `None` only if something was reported.
pub(super) fn read(
    reader: &mut Reader<'_>,
    place: Place<'_>,
    entry: &Entry,
    backend: &[HostPort],
) -> Option<TokenLogin> {
    let mut told = Told { reader, entry, place };
    let nothing = HashMap::new();
    let options = entry.context.modules.first().map_or(&nothing, |module| &module.options);
    let begin = told.reader.errors.len();
    let refresh = read_refresh(told.reader, place);
    for key in [
        &keys::BACKEND_SASL_OAUTHBEARER_GRANT_TYPE,
        &keys::BACKEND_SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS,
        &keys::BACKEND_SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS,
    ] {
        // Between brokers the classes of a listener's own judge of tokens have the same names.
        if let Some(found) = told.reader.find(key) {
            let _ = told.reader.choice(key, &found);
        }
    }
    let url = place.find(told.reader, &keys::BACKEND_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL);
    let url = url.filter(|found| !found.text().is_empty());
    let handler = place.find(told.reader, &keys::BACKEND_SASL_LOGIN_CALLBACK_HANDLER_CLASS);
    let is_unsecured = match &handler {
        Some(found) => {
            let class = told.reader.choice(&keys::BACKEND_SASL_LOGIN_CALLBACK_HANDLER_CLASS, found)?;
            class != LOGIN_HANDLERS[0]
        }
        None => url.is_none(),
    };
    let (source, extensions) = match (is_unsecured, url) {
        (false, Some(url)) => {
            if options.keys().any(|option| option.starts_with(unsecured_token::OPTION)) {
                let problem = "options that begin with unsecuredLogin do not go together with a token endpoint";
                told.of_entry(problem.to_owned());
            }
            let source = issued(&mut told, options, &url);
            (source, extensions(&mut told, options, EXTENSION))
        }
        (true, None) => {
            check_insecure(&mut told, backend);
            let token = unsecured_token::read(options).map_err(|problem| told.of_entry(problem)).ok();
            (token.map(TokenSource::Unsecured), extensions(&mut told, options, unsecured_token::EXTENSION))
        }
        (false, None) => {
            let key = keys::BACKEND_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL.name;
            let problem =
                "not set, but the class for logins takes tokens from there; expected https://... or file:/...";
            told.reader.missing(key, problem);
            return None;
        }
        (true, Some(url)) => {
            told.reader.error(
                &url,
                "the class for logins makes unsecured tokens and asks no token endpoint; expected no such key",
            );
            return None;
        }
    };
    if told.reader.errors.len() > begin {
        return None;
    }
    let between_brokers = match place {
        Place::Own => None,
        Place::BetweenBrokers(listener) => Some(listener.clone()),
    };
    Some(TokenLogin { source: source?, extensions: extensions?, refresh: refresh?, between_brokers })
}

fn read_refresh(reader: &mut Reader<'_>, place: Place<'_>) -> Option<TokenRefresh> {
    let fraction = |reader: &mut Reader<'_>, key| {
        let found = place.find(reader, key)?;
        reader.fraction(key, &found)
    };
    let window_factor = fraction(reader, &keys::BACKEND_SASL_LOGIN_REFRESH_WINDOW_FACTOR);
    let window_jitter = fraction(reader, &keys::BACKEND_SASL_LOGIN_REFRESH_WINDOW_JITTER);
    let min_period = number(reader, place, &keys::BACKEND_SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS);
    let buffer = number(reader, place, &keys::BACKEND_SASL_LOGIN_REFRESH_BUFFER_SECONDS);
    Some(TokenRefresh {
        window_factor: window_factor?,
        window_jitter: window_jitter?,
        min_period: Duration::from_secs(min_period),
        buffer: Duration::from_secs(buffer),
    })
}

/// A number that is not negative.
fn number(reader: &mut Reader<'_>, place: Place<'_>, key: &Key) -> u64 {
    let found = place.find(reader, key);
    u64::try_from(reader.number(key, found)).unwrap_or_default()
}

/// Tokens that somebody issues, from a file or a token endpoint.
fn issued(told: &mut Told<'_, '_>, options: &Options, url: &Found<'_>) -> Option<TokenSource> {
    let (scheme, rest) = url.text().split_once(':').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("file") {
        // `file:/path` and, with an empty host, `file:///path`.
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if !path.starts_with('/') || path.contains(['%', '?', '#']) {
            let problem = "expected file: and an absolute path without %, ? and #, such as file:/run/secrets/token";
            told.reader.error(url, problem);
            return None;
        }
        return Some(TokenSource::File(located(url, PathBuf::from(path))));
    }
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) || !rest.starts_with("//") {
        told.reader.error(url, "expected a URL that begins with https://, http:// or file:");
        return None;
    }
    let place = told.place;
    let client_id = key_or_option(told, options, &keys::BACKEND_SASL_OAUTHBEARER_CLIENT_ID, "clientId");
    let client_secret = key_or_option(told, options, &keys::BACKEND_SASL_OAUTHBEARER_CLIENT_SECRET, "clientSecret");
    for (key, option, value) in [
        (&keys::BACKEND_SASL_OAUTHBEARER_CLIENT_ID, "clientId", &client_id),
        (&keys::BACKEND_SASL_OAUTHBEARER_CLIENT_SECRET, "clientSecret", &client_secret),
    ] {
        if value.is_none() {
            let problem =
                format!("not set; the token endpoint wants it (option {option} of the JAAS entry would do as well)");
            told.reader.missing(key.name, problem);
        }
    }
    let scope = key_or_option(told, options, &keys::BACKEND_SASL_OAUTHBEARER_SCOPE, "scope");
    let tls = entry_tls(told.reader, told.entry);
    let allow_http = told.reader.find(&keys::BACKEND_SASL_OAUTHBEARER_TOKEN_ENDPOINT_INSECURE_HTTP_ALLOWED)?;
    let allow_http = told.reader.boolean(&allow_http);
    let urlencode = place.find(told.reader, &keys::BACKEND_SASL_OAUTHBEARER_HEADER_URLENCODE)?;
    let urlencode_header = told.reader.boolean(&urlencode);
    let has_colon = |id: &Secret| id.expose().contains(&b':');
    if urlencode_header == Some(false) && client_id.as_ref().is_some_and(has_colon) {
        let problem = "a client id with a colon cannot stand in a Basic header (RFC 7617) unless it is encoded; expected \
                       backend.sasl.oauthbearer.header.urlencode=true";
        told.reader.missing(keys::BACKEND_SASL_OAUTHBEARER_HEADER_URLENCODE.name, problem);
    }
    let mut millis = |key| Duration::from_millis(number(told.reader, place, key));
    let retry_backoff = millis(&keys::BACKEND_SASL_LOGIN_RETRY_BACKOFF_MS);
    let retry_backoff_max = millis(&keys::BACKEND_SASL_LOGIN_RETRY_BACKOFF_MAX_MS);
    let connect_timeout = millis(&keys::BACKEND_SASL_LOGIN_CONNECT_TIMEOUT_MS);
    let read_timeout = millis(&keys::BACKEND_SASL_LOGIN_READ_TIMEOUT_MS);
    if retry_backoff_max < retry_backoff
        && let Some(found) = place.find(told.reader, &keys::BACKEND_SASL_LOGIN_RETRY_BACKOFF_MAX_MS)
    {
        let first = keys::BACKEND_SASL_LOGIN_RETRY_BACKOFF_MS.name;
        told.reader.error(&found, format!("expected at least the value of {first}, {} ms", retry_backoff.as_millis()));
    }
    Some(TokenSource::Endpoint(Box::new(TokenEndpoint {
        url: located(url, url.text().to_owned()),
        allow_http: allow_http?,
        tls: tls?,
        client_id: String::from_utf8(client_id?.expose().to_vec()).ok()?,
        client_secret: client_secret?,
        scope: scope.and_then(|scope| String::from_utf8(scope.expose().to_vec()).ok()),
        urlencode_header: urlencode_header?,
        retry_backoff,
        retry_backoff_max,
        connect_timeout,
        read_timeout,
    })))
}

/// The key, else the option of the JAAS entry; blanks around it do not count, and nothing else is nothing.
fn key_or_option(told: &mut Told<'_, '_>, options: &Options, key: &Key, option: &str) -> Option<Secret> {
    let found = told.place.find(told.reader, key);
    let text = match (&found, options.get(option)) {
        (Some(found), _) => found.text().as_bytes(),
        (None, Some(value)) => value.expose(),
        (None, None) => return None,
    };
    let text = text.trim_ascii();
    if std::str::from_utf8(text).is_err() {
        told.of_entry(format!("option {option} is no text"));
        return None;
    }
    (!text.is_empty()).then(|| Secret::new(text))
}

/// The options of the entry that are SASL extensions, checked as Kafka's client does.
fn extensions(told: &mut Told<'_, '_>, options: &Options, prefix: &str) -> Option<Vec<(String, String)>> {
    let mut extensions = Vec::new();
    for (option, value) in options {
        let Some(name) = option.strip_prefix(prefix) else { continue };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphabetic()) || name == "auth" {
            let problem = "the name of a SASL extension is of letters A to Z and a to z, and not auth";
            told.of_entry(format!("option {prefix}<name>: {problem}"));
            return None;
        }
        let legal = |b: &u8| matches!(b, 0x21..=0x7e | b' ' | b'\t' | b'\r' | b'\n');
        let text = std::str::from_utf8(value.expose()).ok();
        let text = text.filter(|text| !text.is_empty() && text.as_bytes().iter().all(legal));
        let Some(text) = text else {
            told.of_entry(format!(
                "option {option}: the value of a SASL extension is of printable ASCII and not empty"
            ));
            return None;
        };
        extensions.push((name.to_owned(), text.to_owned()));
    }
    extensions.sort_unstable();
    Some(extensions)
}

/// Unsecured tokens are for development: towards another machine only where a key that says so allows it. Always with a warning.
fn check_insecure(told: &mut Told<'_, '_>, backend: &[HostPort]) {
    let key = &keys::BACKEND_SASL_OAUTHBEARER_INSECURE_UNSECURED_TOKENS_ALLOWED;
    let is_allowed = told.reader.find(key).and_then(|found| told.reader.boolean(&found)).unwrap_or_default();
    if is_allowed || backend.iter().all(|server| is_loopback(&server.host)) {
        told.reader.warn(
            "backend: this front logs in by unsecured tokens (OAUTHBEARER without a token endpoint): whoever reaches the backend \
             can do so under any name; never in production",
        );
        return;
    }
    let problem = format!(
        "without {} tokens are unsecured, which a backend on another machine must not take; expected that key, or {}=true",
        keys::BACKEND_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL.name,
        key.name
    );
    told.reader.missing(key.name, problem);
}
