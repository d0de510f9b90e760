//! What a client certificate gives on a listener, in words: `doorkeeper explain-certificate`.

use std::fmt::{self, Write};
use std::time::SystemTime;

use x509_cert::der::{DateTime, pem};

use crate::config::{ClientAuth, ListenerConfig};
use crate::principal::{Certificate, KafkaPrincipal, Named};

/// What became of a certificate, or of a token.
#[derive(Debug)]
pub struct Explanation {
    /// What is told, with a word for each line.
    lines: Vec<(&'static str, String)>,
    /// Whether its holder is refused.
    pub is_refused: bool,
}

/// The first certificate in a file's content, PEM or DER, as DER.
pub fn certificate_in(content: &[u8]) -> Result<Vec<u8>, String> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let find = |within: &[u8], what: &[u8]| within.windows(what.len()).position(|part| part == what);
    let Some(from) = find(content, BEGIN) else {
        // A DER certificate begins with a SEQUENCE.
        let is_der = content.first() == Some(&0x30);
        return is_der.then(|| content.to_vec()).ok_or("it is no certificate; expected PEM or DER".into());
    };
    let text = &content[from..];
    let to = find(text, END).ok_or("its PEM text has no end")? + END.len();
    pem::decode_vec(&text[..to]).map(|(_, der)| der).map_err(|error| format!("its PEM text is broken: {error}"))
}

/// Explains a DER certificate. An error says that there is nothing to explain: it is none, or the listener asks for none.
///
/// Whether the listener trusts the certificate's issuer is not looked at.
pub fn explain(listener: &ListenerConfig, der: &[u8], now: SystemTime) -> Result<Explanation, String> {
    let (name, protocol) = (&listener.name, listener.security_protocol);
    let Some(tls) = &listener.tls else {
        return Err(format!("listener {name} has security protocol {protocol}: its clients show no certificate"));
    };
    let certificate = Certificate::from_der(der).map_err(|error| format!("the certificate cannot be read: {error}"))?;
    let mut told = Explanation { lines: Vec::new(), is_refused: false };
    told.line("subject", certificate.subject().unwrap_or_else(|error| error.to_string()));
    match certificate.alternative_names() {
        Ok(names) if names.is_empty() => told.line("names", "none".into()),
        Ok(names) => names.into_iter().for_each(|name| told.line("names", name)),
        Err(_) => told.line("names", "cannot be read".into()),
    }
    let (from, to) = certificate.validity;
    told.line("valid", format!("{} to {}", time(from), time(to)));
    told.line("listener", format!("{name}, {protocol}, ssl.client.auth={}", tls.client_auth));

    if tls.client_auth == ClientAuth::None {
        if protocol.has_sasl() {
            told.line("principal", "what SASL proves; clients are not asked for a certificate".into());
        } else {
            told.line("principal", format!("{}; clients are not asked for a certificate", KafkaPrincipal::anonymous()));
        }
        return Ok(told);
    }
    if let Some(why) = why_no_handshake(&certificate, now) {
        told.refused(why);
    } else if protocol.has_sasl() {
        told.line("principal", "what SASL proves, whatever the certificate says".into());
    } else {
        match tls.naming.named(der) {
            Ok(Named { principal, name, rule }) => {
                told.line("name", format!("{name} (ssl.principal.source={})", tls.naming.source));
                told.line("rule", format!("{rule} of {}: {}", tls.naming.rules.count(), tls.naming.rules.text(rule)));
                told.line("principal", principal.to_string());
            }
            Err(error) => told.refused(error.to_string()),
        }
    }
    Ok(told)
}

/// What every TLS handshake with it would fail by.
fn why_no_handshake(certificate: &Certificate<'_>, now: SystemTime) -> Option<String> {
    let (from, to) = certificate.validity;
    match certificate.version {
        _ if now > to => Some(format!("the certificate has expired: it was valid until {}", time(to))),
        _ if now < from => Some(format!("the certificate is not valid yet: it is from {}", time(from))),
        3 => None,
        version => Some(format!("the certificate has X.509 version {version}; expected 3")),
    }
}

fn time(at: SystemTime) -> String {
    DateTime::from_system_time(at).map_or_else(|_| "?".into(), |at| at.to_string())
}

impl Explanation {
    /// An explanation in these lines, each with its word.
    pub(crate) fn new(lines: Vec<(&'static str, String)>, is_refused: bool) -> Self {
        Self { lines, is_refused }
    }

    fn line(&mut self, word: &'static str, text: String) {
        self.lines.push((word, text));
    }

    fn refused(&mut self, why: String) {
        self.is_refused = true;
        self.line("refused", why);
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, text) in &self.lines {
            write!(f, "{word:11}")?;
            // A stranger's control characters are not for a terminal, nor is what turns the direction of text.
            for c in text.chars() {
                match c {
                    '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                        write!(f, "{}", c.escape_unicode())?;
                    }
                    c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                    c => f.write_char(c)?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
