//! `ssl.*` and `backend.ssl.*`: which settings apply, with Kafka's rules and texts for what does not go together. Files are
//! read later, by `tls`.

use std::path::PathBuf;

use super::endpoints::Endpoint;
use super::keys::{self, Key};
use super::names::{ListenerName, SecurityProtocol};
use super::naming;
use super::reader::{Found, Reader};
use super::tls_types::{
    BackendTlsConfig, ClientAuth, KeystoreConfig, ListenerTlsConfig, Located, StoreType, TlsVersions, TruststoreConfig,
};
use crate::secret::Secret;

/// Whose settings are read.
enum Place<'a> {
    Listener(&'a ListenerName),
    /// `backend.ssl.*`, and where those say nothing, the settings of the listener between brokers, if there is one.
    Backend(Option<&'a ListenerName>),
    /// A client's: `ssl.*` as it stands.
    Client,
}

const KEYSTORE: &[&Key] = &[
    &keys::SSL_KEYSTORE_TYPE,
    &keys::SSL_KEYSTORE_LOCATION,
    &keys::SSL_KEYSTORE_PASSWORD,
    &keys::SSL_KEY_PASSWORD,
    &keys::SSL_KEYSTORE_KEY,
    &keys::SSL_KEYSTORE_CERTIFICATE_CHAIN,
];
const TRUSTSTORE: &[&Key] = &[
    &keys::SSL_TRUSTSTORE_TYPE,
    &keys::SSL_TRUSTSTORE_LOCATION,
    &keys::SSL_TRUSTSTORE_PASSWORD,
    &keys::SSL_TRUSTSTORE_CERTIFICATES,
];

/// Keys by which Java code or a Java provider is chosen, and what is said of them.
const WITHOUT_EFFECT: &[&Key] = &[
    &keys::SSL_PROVIDER,
    &keys::SSL_SECURE_RANDOM_IMPLEMENTATION,
    &keys::SSL_KEYMANAGER_ALGORITHM,
    &keys::SSL_TRUSTMANAGER_ALGORITHM,
];

/// TLS of a listener whose protocol has it; `None` only if something was reported.
pub(super) fn listener(reader: &mut Reader<'_>, endpoint: &Endpoint) -> Option<ListenerTlsConfig> {
    let name = &endpoint.name;
    let place = Place::Listener(name);
    let told = reader.errors.len();
    let client_auth = read_client_auth(reader, endpoint);
    let naming = naming::read(reader, endpoint);
    let allow_dn_changes = read_flag(reader, &place, &keys::SSL_ALLOW_DN_CHANGES);
    let allow_san_changes = read_flag(reader, &place, &keys::SSL_ALLOW_SAN_CHANGES);
    let common = Common::read(reader, &place)?;
    if common.keystore.is_none() && reader.errors.len() == told {
        let key = format!("{}{}", name.key_prefix(), keys::SSL_KEYSTORE_LOCATION.name);
        reader.missing(
            &key,
            format!(
                "listener {name} has security protocol {} and no key store: every TLS handshake would fail; expected that key or \
                 {}, or ssl.keystore.key and ssl.keystore.certificate.chain",
                endpoint.protocol,
                keys::SSL_KEYSTORE_LOCATION.name
            ),
        );
    }
    let Common { keystore, truststore, crls, versions, cipher_suites } = common;
    let (keystore, client_auth) = (keystore?, client_auth?);
    Some(ListenerTlsConfig {
        listener: name.clone(),
        keystore,
        truststore,
        crls,
        client_auth,
        naming: naming?,
        versions,
        cipher_suites,
        allow_dn_changes: allow_dn_changes?,
        allow_san_changes: allow_san_changes?,
    })
}

/// TLS towards the backend. `between_brokers` is the listener whose settings stand in for those that `backend.` does not give.
pub(super) fn backend(reader: &mut Reader<'_>, between_brokers: Option<&ListenerName>) -> Option<BackendTlsConfig> {
    let place = Place::Backend(between_brokers);
    let verify_host_name = read_host_name_verification(reader, &place);
    let Common { keystore, truststore, crls, versions, cipher_suites } = Common::read(reader, &place)?;
    let verify_host_name = verify_host_name?;
    Some(BackendTlsConfig { keystore, truststore, crls, verify_host_name, versions, cipher_suites })
}

/// TLS of a client whose settings `reader` has and nothing else.
pub(super) fn client(reader: &mut Reader<'_>) -> Option<BackendTlsConfig> {
    let place = Place::Client;
    let verify_host_name = read_host_name_verification(reader, &place);
    let Common { keystore, truststore, crls, versions, cipher_suites } = Common::read(reader, &place)?;
    let verify_host_name = verify_host_name?;
    Some(BackendTlsConfig { keystore, truststore, crls, verify_host_name, versions, cipher_suites })
}

impl Place<'_> {
    /// The setting that applies. A key store or trust store is taken from one place as a whole, so that a password that belongs to
    /// another file never meets it.
    fn find<'a>(&self, reader: &Reader<'a>, key: &Key) -> Option<Found<'a>> {
        let own = |key: &Key| reader.find_by_name(&format!("backend.{}", key.name));
        match self {
            Self::Listener(name) => reader.find_for(name, key),
            Self::Backend(None) => own(key),
            Self::Client => reader.find(key),
            Self::Backend(Some(between_brokers)) => {
                let same = std::slice::from_ref(&key);
                let group = [KEYSTORE, TRUSTSTORE].into_iter().find(|group| group.iter().any(|k| k.name == key.name));
                let group = group.unwrap_or(&[]).iter().chain(same);
                let is_own = group.into_iter().any(|key| own(key).is_some_and(|found| found.setting.explicit));
                if is_own { own(key) } else { reader.find_for(between_brokers, key) }
            }
        }
    }
}

/// What a listener and the backend have in common.
struct Common {
    keystore: Option<KeystoreConfig>,
    truststore: Option<TruststoreConfig>,
    crls: Vec<Located<PathBuf>>,
    versions: TlsVersions,
    cipher_suites: Option<Located<Vec<String>>>,
}

impl Common {
    /// All that is wrong is reported before `None` is given.
    fn read(reader: &mut Reader<'_>, place: &Place<'_>) -> Option<Self> {
        check_java_keys(reader, place);
        let keystore = read_keystore(reader, place);
        let truststore = read_truststore(reader, place);
        let crls = read_crls(reader, place);
        let versions = read_versions(reader, place);
        let cipher_suites = read_cipher_suites(reader, place);
        Some(Self { keystore: keystore?, truststore: truststore?, crls, versions: versions?, cipher_suites })
    }
}

fn check_java_keys(reader: &mut Reader<'_>, place: &Place<'_>) {
    if let Some(found) = place.find(reader, &keys::SSL_ENGINE_FACTORY_CLASS)
        && !found.text().is_empty()
    {
        // The class would decide which certificates are good, so leaving it out could let the wrong peers in.
        reader.error(&found, "doorkeeper runs no Java classes for TLS; expected no such key");
    }
    if let Some(found) = place.find(reader, &keys::SSL_PROTOCOL) {
        let _ = reader.choice(&keys::SSL_PROTOCOL, &found);
    }
    for key in WITHOUT_EFFECT {
        if let Some(found) = place.find(reader, key) {
            let warning =
                format!("{} ({}): has no effect: doorkeeper's TLS is not Java's", found.key, found.setting.origin);
            if !reader.warnings.contains(&warning) {
                reader.warn(warning);
            }
        }
    }
}

/// The outer `None` only if something was reported.
fn read_keystore(reader: &mut Reader<'_>, place: &Place<'_>) -> Option<Option<KeystoreConfig>> {
    let store_type = read_type(reader, place, &keys::SSL_KEYSTORE_TYPE)?;
    let location = place.find(reader, &keys::SSL_KEYSTORE_LOCATION);
    let password = place.find(reader, &keys::SSL_KEYSTORE_PASSWORD);
    let key = place.find(reader, &keys::SSL_KEYSTORE_KEY);
    let chain = place.find(reader, &keys::SSL_KEYSTORE_CERTIFICATE_CHAIN);
    let key_password = place.find(reader, &keys::SSL_KEY_PASSWORD).as_ref().map(secret);
    let is_pem = store_type == StoreType::Pem;
    let fault = match (&key, &chain, &location, &password) {
        (Some(key), ..) if !is_pem => (
            key,
            format!(
                "SSL private key can be specified only for PEM, but key store type is {}.",
                type_name(reader, place, &keys::SSL_KEYSTORE_TYPE)
            ),
        ),
        (Some(key), None, ..) => (key, "SSL private key is specified, but certificate chain is not specified.".into()),
        (Some(key), _, Some(_), _) => {
            (key, "Both SSL key store location and separate private key are specified.".into())
        }
        (Some(_), _, _, Some(password)) => (password, PEM_STORE_PASSWORD.into()),
        (Some(key), Some(chain), None, None) => {
            let (key, certificate_chain) = (located_secret(key), located_secret(chain));
            return Some(Some(KeystoreConfig::Inline { key, certificate_chain, key_password }));
        }
        (None, Some(chain), ..) => {
            (chain, "SSL certificate chain is specified, but private key is not specified".into())
        }
        (.., Some(_), Some(password)) if is_pem => (password, PEM_STORE_PASSWORD.trim_end_matches('.').into()),
        (.., None, Some(password)) => {
            (password, "SSL key store is not specified, but key store password is specified.".into())
        }
        (.., Some(location), None) if !is_pem => {
            (location, "SSL key store is specified, but key store password is not specified.".into())
        }
        (.., Some(location), password) => {
            let password = password.as_ref().map(secret);
            let location = read_path(reader, location)?;
            return Some(Some(KeystoreConfig::File { store_type, location, password, key_password }));
        }
        (None, None, None, None) => return Some(None),
    };
    reader.error(fault.0, fault.1);
    None
}

const PEM_STORE_PASSWORD: &str =
    "SSL key store password cannot be specified with PEM format, only key password may be specified.";

/// The outer `None` only if something was reported.
fn read_truststore(reader: &mut Reader<'_>, place: &Place<'_>) -> Option<Option<TruststoreConfig>> {
    let store_type = read_type(reader, place, &keys::SSL_TRUSTSTORE_TYPE)?;
    let location = place.find(reader, &keys::SSL_TRUSTSTORE_LOCATION);
    let password = place.find(reader, &keys::SSL_TRUSTSTORE_PASSWORD);
    let certificates = place.find(reader, &keys::SSL_TRUSTSTORE_CERTIFICATES);
    let is_pem = store_type == StoreType::Pem;
    let fault = match (&certificates, &location, &password) {
        (Some(certificates), ..) if !is_pem => (
            certificates,
            format!(
                "SSL trust store certs can be specified only for PEM, but trust store type is {}.",
                type_name(reader, place, &keys::SSL_TRUSTSTORE_TYPE)
            ),
        ),
        (Some(certificates), Some(_), _) => {
            (certificates, "Both SSL trust store location and separate trust certificates are specified.".into())
        }
        (Some(_), None, Some(password)) => (password, PEM_TRUST_PASSWORD.into()),
        (Some(certificates), None, None) => {
            return Some(Some(TruststoreConfig::Inline(located_secret(certificates))));
        }
        (None, Some(_), Some(password)) if is_pem => (password, PEM_TRUST_PASSWORD.into()),
        (None, None, Some(password)) => {
            (password, "SSL trust store is not specified, but trust store password is specified.".into())
        }
        (None, Some(location), password) => {
            let password = password.as_ref().map(secret);
            let location = read_path(reader, location)?;
            return Some(Some(TruststoreConfig::File { store_type, location, password }));
        }
        (None, None, None) => return Some(None),
    };
    reader.error(fault.0, fault.1);
    None
}

const PEM_TRUST_PASSWORD: &str = "SSL trust store password cannot be specified for PEM format.";

fn read_type(reader: &mut Reader<'_>, place: &Place<'_>, key: &Key) -> Option<StoreType> {
    let found = place.find(reader, key)?;
    match found.text() {
        // Java looks its key store types up without regard to case, but Kafka knows PEM only like this.
        "PEM" => Some(StoreType::Pem),
        text if text.eq_ignore_ascii_case("JKS") => Some(StoreType::Jks),
        text if text.eq_ignore_ascii_case("PKCS12") => Some(StoreType::Pkcs12),
        _ => {
            let problem = format!(
                "Invalid value {} for configuration {}: String must be one of: JKS, PKCS12, PEM",
                found.shown(),
                found.key
            );
            reader.error(&found, problem);
            None
        }
    }
}

fn type_name(reader: &Reader<'_>, place: &Place<'_>, key: &Key) -> String {
    place.find(reader, key).map(|found| found.shown().to_owned()).unwrap_or_default()
}

fn read_flag(reader: &mut Reader<'_>, place: &Place<'_>, key: &Key) -> Option<bool> {
    let found = place.find(reader, key)?;
    reader.boolean(&found)
}

fn read_crls(reader: &mut Reader<'_>, place: &Place<'_>) -> Vec<Located<PathBuf>> {
    let Some(found) = place.find(reader, &keys::SSL_CRL_LOCATION) else { return Vec::new() };
    let Some(list) = reader.distinct_list(&found) else { return Vec::new() };
    list.into_iter().map(|path| located(&found, path.into())).collect()
}

fn read_versions(reader: &mut Reader<'_>, place: &Place<'_>) -> Option<TlsVersions> {
    let found = place.find(reader, &keys::SSL_ENABLED_PROTOCOLS)?;
    let mut versions = TlsVersions { tls12: false, tls13: false };
    for name in reader.distinct_list(&found)? {
        match name {
            "TLSv1.2" => versions.tls12 = true,
            "TLSv1.3" => versions.tls13 = true,
            _ => {
                let shown = if found.setting.substituted { "[hidden]" } else { name };
                let problem = format!("protocol {shown} is not supported; expected TLSv1.2, TLSv1.3 or both");
                reader.error(&found, problem);
                return None;
            }
        }
    }
    // An empty list is what the JVM has on by default.
    let none = !versions.tls12 && !versions.tls13;
    Some(if none { TlsVersions { tls12: true, tls13: true } } else { versions })
}

fn read_cipher_suites(reader: &mut Reader<'_>, place: &Place<'_>) -> Option<Located<Vec<String>>> {
    let found = place.find(reader, &keys::SSL_CIPHER_SUITES)?;
    let list = reader.distinct_list(&found).filter(|list| !list.is_empty())?;
    Some(located(&found, list.into_iter().map(str::to_owned).collect()))
}

fn read_client_auth(reader: &mut Reader<'_>, endpoint: &Endpoint) -> Option<ClientAuth> {
    let (name, key) = (&endpoint.name, &keys::SSL_CLIENT_AUTH);
    let prefixed = reader.find_prefixed(name, key);
    let found = match prefixed {
        Some(found) => found,
        None => {
            let found = reader.find(key)?;
            let auth = parse_client_auth(reader, &found)?;
            // Kafka does so as well (H-100): there the name of the user comes from SASL.
            if endpoint.protocol == SecurityProtocol::SaslSsl && auth != ClientAuth::None {
                reader.warn(format!(
                    "{} ({}): has no effect on listener {name}, because its security protocol is SASL_SSL: clients are not asked \
                     for certificates there; expected {}{}",
                    found.key,
                    found.setting.origin,
                    name.key_prefix(),
                    key.name
                ));
                return Some(ClientAuth::None);
            }
            return Some(auth);
        }
    };
    parse_client_auth(reader, &found)
}

fn parse_client_auth(reader: &mut Reader<'_>, found: &Found<'_>) -> Option<ClientAuth> {
    match found.text() {
        "none" => Some(ClientAuth::None),
        "requested" => Some(ClientAuth::Requested),
        "required" => Some(ClientAuth::Required),
        _ => {
            let problem = format!(
                "Invalid value {} for configuration {}: String must be one of: required, requested, none",
                found.shown(),
                found.key
            );
            reader.error(found, problem);
            None
        }
    }
}

fn read_host_name_verification(reader: &mut Reader<'_>, place: &Place<'_>) -> Option<bool> {
    let found = place.find(reader, &keys::SSL_ENDPOINT_IDENTIFICATION_ALGORITHM)?;
    match found.text() {
        // Java compares the algorithm's name without regard to case.
        text if text.eq_ignore_ascii_case("https") => Some(true),
        "" => {
            reader.warn(format!(
                "{} ({}): the backend's host names are NOT VERIFIED: whoever has any certificate of a trusted authority can \
                 stand in for a broker, and gets this front's login",
                found.key, found.setting.origin
            ));
            Some(false)
        }
        _ => {
            let problem = format!(
                "Invalid value {} for configuration {}: expected https, or nothing to leave host names unverified",
                found.shown(),
                found.key
            );
            reader.error(&found, problem);
            None
        }
    }
}

fn read_path(reader: &mut Reader<'_>, found: &Found<'_>) -> Option<Located<PathBuf>> {
    if found.text().is_empty() {
        reader.error(found, "expected the path of a file");
        return None;
    }
    Some(located(found, found.text().into()))
}

pub(super) fn located<T>(found: &Found<'_>, value: T) -> Located<T> {
    let (key, origin) = (found.key.clone(), found.setting.origin.clone());
    Located { value, key, origin, hidden: found.setting.substituted }
}

fn located_secret(found: &Found<'_>) -> Located<Secret> {
    located(found, secret(found))
}

fn secret(found: &Found<'_>) -> Secret {
    Secret::new(found.text())
}
