//! `ssl.principal.mapping.rules` and `ssl.principal.source`.

use super::*;
use crate::principal::{NameKind, NameSource};

const STORE: &str = "listeners=SSL://h:9192\nssl.keystore.location=/k\nssl.keystore.password=hunter2\n";

fn naming(text: &str) -> crate::principal::CertificateNaming {
    good(&format!("{STORE}{text}")).config.listeners.remove(0).tls.unwrap().naming
}

#[test]
fn the_naming_of_a_listener() {
    let default = naming("");
    assert_eq!(default.source, NameSource::Subject);
    assert_eq!(default.rules.apply("CN=a,O=b"), Ok(("CN=a,O=b".into(), 1)));
    // The file halves backslashes, as a broker's does.
    let both = naming(
        "ssl.principal.source=san.dns\nssl.principal.mapping.rules=RULE:x/y/\n\
         listener.name.ssl.ssl.principal.source=san.uri\n\
         listener.name.ssl.ssl.principal.mapping.rules= RULE:^spiffe:\\\\/\\\\/([^,]+)$/$1/L , DEFAULT \n",
    );
    assert_eq!(both.source, NameSource::AlternativeName(NameKind::Uri));
    assert_eq!(both.rules.apply("spiffe://A"), Ok(("a".into(), 1)));
    assert_eq!(both.rules.apply("u:v"), Ok(("u:v".into(), 2)));
}

#[test]
fn faults_of_the_naming() {
    let key = "ssl.principal.mapping.rules (server.properties:4)";
    let cases = [
        ("mapping.rules=foo", format!("{key}: Invalid rule: `foo`, unmatched substring: `foo`")),
        ("mapping.rules=DEFAULT/L", format!("{key}: Invalid rule: `DEFAULT/L`, unmatched substring: `/L`")),
        (
            "mapping.rules=DEFAULT,RULE:(a/b/",
            format!(
                "{key}: Invalid rule: `RULE:(a/b/`: the pattern has an unmatched (, which is an error or is not supported here"
            ),
        ),
        (
            "mapping.rules=RULE:(?x)a/b/",
            format!(
                "{key}: Invalid rule: `RULE:(?x)a/b/`: the pattern has the flag x, which is an error or is not supported here"
            ),
        ),
        (
            "mapping.rules=RULE:a/$1/",
            format!("{key}: Invalid rule: `RULE:a/$1/`: the replacement cannot be used: No group 1"),
        ),
        (
            "source=san",
            "ssl.principal.source (server.properties:4): Invalid value san for configuration ssl.principal.source: String must \
             be one of: subject, san.uri, san.dns, san.email"
                .into(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(&format!("{STORE}ssl.principal.{text}\n")), [expected], "{text}");
    }
    // A pattern that only the crate itself refuses: one line of its explanation.
    let told = errors(&format!("{STORE}ssl.principal.mapping.rules=RULE:(a{{60000}}){{60000}}/b/\n"));
    assert!(told[0].contains("the pattern is not supported here: ") && !told[0].contains('\n'), "{told:?}");
}

#[test]
fn naming_that_has_no_effect_is_warned_of() {
    let Loaded { warnings, .. } = good(&format!("{STORE}ssl.principal.mapping.rules=\n"));
    assert!(warnings[0].ends_with("there is no rule, so no client certificate gives a principal"), "{warnings:?}");
    let sasl = SASL.replace("sasl_plaintext", "sasl_ssl").replace("SASL_PLAINTEXT", "SASL_SSL");
    let store = "ssl.keystore.location=/k\nssl.keystore.password=hunter2\n";
    let Loaded { warnings, .. } = good(&format!("{sasl}{store}listener.name.sasl_ssl.ssl.principal.source=san.uri\n"));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("the name of a client comes from SASL, never from its certificate"), "{warnings:?}");
}
