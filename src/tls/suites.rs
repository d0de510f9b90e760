//! Cipher suites and protocol versions, by Java's names.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::error::TlsError;
use super::material::{Material, Place};
use crate::config::{Located, TlsVersions};

/// What handshakes are made of: the cryptography with the chosen suites only, and the versions for which there are any.
pub(super) fn provider(
    versions: TlsVersions,
    suites: Option<&Located<Vec<String>>>,
    material: &Material,
) -> Result<(CryptoProvider, Vec<&'static SupportedProtocolVersion>), TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(names) = suites {
        let place = Place::new(names, "");
        provider.cipher_suites.clear();
        for name in &names.value {
            let shown = if names.hidden { "[hidden]" } else { name };
            let suite = aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().find(|suite| java_name(*suite) == *name);
            let suite = suite.ok_or_else(|| {
                material.error(&place, format!("cipher suite {shown} is not supported; expected {}", all_names()))
            })?;
            provider.cipher_suites.push(suite);
        }
    }
    let is_on = |version: &SupportedProtocolVersion| {
        if *version == TLS13 { versions.tls13 } else { versions.tls12 }
    };
    let has_suite = |version: &SupportedProtocolVersion| provider.cipher_suites.iter().any(|s| s.version() == version);
    let chosen: Vec<_> = [&TLS13, &TLS12].into_iter().filter(|version| is_on(version) && has_suite(version)).collect();
    if let (true, Some(names)) = (chosen.is_empty(), suites) {
        let problem = "none of these cipher suites is for a version of TLS that ssl.enabled.protocols has";
        return Err(material.error(&Place::new(names, ""), problem));
    }
    Ok((provider, chosen))
}

/// rustls names the suites of TLS 1.3 apart, Java (and RFC 8446) does not.
fn java_name(suite: SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

fn all_names() -> String {
    let names: Vec<String> = aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().map(java_name).collect();
    names.join(", ")
}
