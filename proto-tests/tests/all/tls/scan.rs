//! An independent look at a listener with TLS (SEC-54): sslscan finds no old version, no weak cipher, no compression, no
//! renegotiation, no SHA-1.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::front::Spec;
use proto_tests::pki::name::Name;
use proto_tests::pki::{self, Key, Wish, stores};
use proto_tests::standin::Standin;
use proto_tests::{Result, check, process, progress};

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![free("tls::sslscan", scan)]
}

fn scan() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut spec = Spec::new(&standin.at.to_string())?;
    let host = spec.host().to_string();
    let rsa = pki::get()?.ca.leaf(&Wish::server(Name::parse("CN=rsa"), &[&host]), Key::rsa()?)?;
    let keystore = stores::pem(&rsa, "scan-rsa")?;
    let front = spec
        .tls_listener("EC", "SSL")?
        .tls_listener("RSA", "SASL_SSL")?
        .set("listener.name.rsa.ssl.keystore.location", stores::text(&keystore))
        .start()?;
    for listener in ["EC", "RSA"] {
        let mut command = process::command("sslscan");
        command.args(["--no-colour", "--xml=-", "--iana-names", "--show-sigs", &front.at(listener).to_string()]);
        let xml = process::run("sslscan", command, "", Duration::from_secs(180))?.ok()?;
        judge(&xml).map_err(|e| format!("{listener}: {e}\n{xml}"))?;
        progress(format!("sslscan found {} ciphers at {listener}, none of them weak", tags(&xml, "cipher").count()));
    }
    Ok(())
}

/// The elements of that name, each as the text between its brackets.
fn tags<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let open = format!("<{name} ");
    xml.split('<').filter_map(move |part| {
        let whole = part.split('>').next()?;
        whole.starts_with(&open[1..]).then_some(whole)
    })
}

fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}

fn judge(xml: &str) -> Result<()> {
    for tag in tags(xml, "protocol") {
        let (version, enabled) = (attribute(tag, "version"), attribute(tag, "enabled") == "1");
        let want = attribute(tag, "type") == "tls" && ["1.2", "1.3"].contains(&version);
        check!(enabled == want, "{tag}");
    }
    check!(tags(xml, "protocol").count() >= 6, "not all versions were looked at");
    let mut seen = Vec::new();
    for tag in tags(xml, "cipher") {
        let (version, name) = (attribute(tag, "sslversion"), attribute(tag, "cipher"));
        check!(["TLSv1.2", "TLSv1.3"].contains(&version), "{tag}");
        check!(attribute(tag, "strength") == "strong" || attribute(tag, "strength") == "acceptable", "{tag}");
        let bits: u32 = attribute(tag, "bits").parse().unwrap_or(0);
        check!(bits >= 128, "{tag}");
        check!(name.contains("GCM") || name.contains("POLY1305"), "no AEAD: {tag}");
        check!(version == "TLSv1.3" || name.contains("ECDHE"), "no forward secrecy: {tag}");
        seen.push(version);
    }
    check!(seen.contains(&"TLSv1.2") && seen.contains(&"TLSv1.3"), "ciphers of both versions: {seen:?}");
    // Nothing of OpenSSL's, nothing that was ever broken.
    check!(tags(xml, "heartbleed").all(|tag| attribute(tag, "vulnerable") == "0"), "heartbleed");
    check!(tags(xml, "compression").all(|tag| attribute(tag, "supported") == "0"), "compression");
    let insecure =
        tags(xml, "renegotiation").any(|tag| attribute(tag, "secure") == "0" && attribute(tag, "supported") == "1");
    check!(!insecure, "insecure renegotiation");
    for tag in tags(xml, "connection-signature-algorithm").chain(tags(xml, "signature-algorithm")) {
        let text = tag.to_ascii_lowercase();
        check!(!text.contains("sha1") && !text.contains("md5"), "{tag}");
    }
    Ok(())
}
