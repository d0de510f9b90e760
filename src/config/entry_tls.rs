//! TLS towards a token issuer: the `ssl.*` options of a JAAS entry, which Kafka reads there and nowhere else.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::keys::{Default, KEYS};
use super::reader::Reader;
use super::source::{Setting, Settings};
use super::tls;
use super::tls_types::BackendTlsConfig;
use super::types::JaasModule;

const PREFIX: &str = "backend.";

/// What the entry's options say, with what is wrong of them, one line each. `place` is where the entry stands.
pub(super) fn read(entry: &JaasModule, place: &str) -> Result<BackendTlsConfig, Vec<String>> {
    let mut settings: Settings = BTreeMap::new();
    for key in KEYS.iter().filter(|key| key.name.starts_with("backend.ssl.")) {
        if let Default::Fixed(value) = key.default {
            let value = Zeroizing::new(value.to_owned());
            let setting = Setting { value, origin: "default".to_owned(), explicit: false, substituted: false };
            settings.insert(key.name.to_owned(), setting);
        }
    }
    for (option, value) in entry.options.iter().filter(|(option, _)| option.starts_with("ssl.")) {
        let value = std::str::from_utf8(value.expose()).map_err(|_| vec![format!("option {option} is no text")])?;
        // Whatever it is, an entry's value is not shown.
        let (value, origin) = (Zeroizing::new(value.to_owned()), format!("an option of {place}"));
        settings.insert(format!("{PREFIX}{option}"), Setting { value, origin, explicit: true, substituted: true });
    }
    let mut reader = Reader { settings: &settings, errors: Vec::new(), warnings: Vec::new() };
    let tls = tls::backend(&mut reader, None);
    match tls {
        Some(tls) if reader.errors.is_empty() && tls.verify_host_name => Ok(tls),
        Some(_) if reader.errors.is_empty() => Err(vec![
            "option ssl.endpoint.identification.algorithm: an issuer always has to show a certificate for its host; expected https"
                .to_owned(),
        ]),
        _ => Err(reader.errors.into_iter().map(|error| format!("option {}: {}", error.key, error.problem).replace(PREFIX, "")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TruststoreConfig;
    use crate::secret::Secret;

    fn read_options(options: &[(&str, &str)]) -> Result<BackendTlsConfig, Vec<String>> {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        read(&JaasModule { class: String::new(), options }, "x.sasl.jaas.config (file:3)")
    }

    #[test]
    fn without_options_it_is_the_systems_authorities() {
        let tls = read_options(&[("clientId", "a")]).unwrap();
        assert!(tls.truststore.is_none() && tls.keystore.is_none() && tls.verify_host_name);
    }

    #[test]
    fn a_trust_store_of_its_own() {
        let tls = read_options(&[("ssl.truststore.type", "PEM"), ("ssl.truststore.location", "/ca.pem")]).unwrap();
        let Some(TruststoreConfig::File { location, .. }) = tls.truststore else { panic!("no trust store") };
        assert_eq!(location.value.to_str(), Some("/ca.pem"));
        assert_eq!(location.origin, "an option of x.sasl.jaas.config (file:3)");
    }

    #[test]
    fn what_is_wrong_names_the_option_and_shows_no_value() {
        for (options, want) in [
            (&[("ssl.truststore.type", "hunter2")][..], "option ssl.truststore.type: "),
            (
                &[("ssl.truststore.password", "hunter2")],
                "option ssl.truststore.password: SSL trust store is not specified",
            ),
            (
                &[("ssl.endpoint.identification.algorithm", "")],
                "option ssl.endpoint.identification.algorithm: an issuer",
            ),
            (&[("ssl.engine.factory.class", "hunter2")], "option ssl.engine.factory.class: doorkeeper runs no Java"),
        ] {
            let told = read_options(options).unwrap_err();
            assert!(told[0].starts_with(want) && !told[0].contains("hunter2"), "{told:?}");
        }
    }
}
