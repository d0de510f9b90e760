//! `ssl.principal.source` and `ssl.principal.mapping.rules`: how clients with a certificate are named.

use super::endpoints::Endpoint;
use super::keys;
use super::reader::Reader;
use crate::principal::{CertificateNaming, MappingRules, NameSource};

/// The naming of a listener that has TLS; `None` only if something was reported.
pub(super) fn read(reader: &mut Reader<'_>, endpoint: &Endpoint) -> Option<CertificateNaming> {
    let source = read_source(reader, endpoint);
    let rules = read_rules(reader, endpoint);
    if endpoint.protocol.has_sasl() {
        for key in [&keys::SSL_PRINCIPAL_SOURCE, &keys::SSL_PRINCIPAL_MAPPING_RULES] {
            if let Some(found) = reader.find_prefixed(&endpoint.name, key) {
                let (key, origin) = (&found.key, &found.setting.origin);
                let warning = format!(
                    "{key} ({origin}): has no effect: on listener {} the name of a client comes from SASL, never from its certificate",
                    endpoint.name
                );
                reader.warn(warning);
            }
        }
    }
    Some(CertificateNaming { source: source?, rules: rules? })
}

fn read_source(reader: &mut Reader<'_>, endpoint: &Endpoint) -> Option<NameSource> {
    let found = reader.find_for(&endpoint.name, &keys::SSL_PRINCIPAL_SOURCE)?;
    reader.choice(&keys::SSL_PRINCIPAL_SOURCE, &found)?.parse().ok()
}

fn read_rules(reader: &mut Reader<'_>, endpoint: &Endpoint) -> Option<MappingRules> {
    let found = reader.find_for(&endpoint.name, &keys::SSL_PRINCIPAL_MAPPING_RULES)?;
    match MappingRules::parse(found.text()) {
        Ok(rules) => {
            if rules.count() == 0 {
                let (key, origin) = (&found.key, &found.setting.origin);
                let warning = format!("{key} ({origin}): there is no rule, so no client certificate gives a principal");
                if !reader.warnings.contains(&warning) {
                    reader.warn(warning);
                }
            }
            Some(rules)
        }
        Err(_) if found.setting.substituted => {
            reader.error(&found, "Invalid rule: [hidden]");
            None
        }
        Err(problem) => {
            reader.error(&found, problem);
            None
        }
    }
}
