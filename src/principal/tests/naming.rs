//! `ssl.principal.source`, refusals, and the cost of hostile names.

use std::time::{Duration, Instant};

use super::der::{self, UTF8};
use super::*;

const CN: &str = "2.5.4.3";

fn with_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    der::certificate(&der::name(&[&[(CN, UTF8, b"subject")]]), &[der::alternative_names(names)])
}

fn with_subject(subject: &str) -> Vec<u8> {
    der::certificate(&der::name(&[&[(CN, UTF8, subject.as_bytes())]]), &[])
}

fn naming(source: &str, rules: &str) -> CertificateNaming {
    CertificateNaming { source: source.parse().unwrap(), rules: MappingRules::parse(rules).unwrap() }
}

/// The principal, or `!` and the refusal.
fn said(naming: &CertificateNaming, certificate: &[u8]) -> String {
    naming.principal(certificate).map_or_else(|error| format!("!{error}"), |principal| principal.to_string())
}

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// A source, names by tag, and what is said.
type Case<'a> = (&'a str, &'a [(u8, &'a [u8])], String);

#[test]
fn alternative_names_as_the_source() {
    let spiffe: (u8, &[u8]) = (URI, b"spiffe://example.org/ns/a/sa/b");
    let all: &[(u8, &[u8])] = &[(IP, &[127, 0, 0, 1]), (DNS, b"Client.example.org"), spiffe, (EMAIL, b"a@example.org")];
    let none = "which ssl.principal.source asks for";
    let plain = "of the client certificate has other characters than printable ASCII";
    let cases: &[Case<'_>] = &[
        ("subject", all, "User:CN=subject".into()),
        ("san.uri", all, "User:spiffe://example.org/ns/a/sa/b".into()),
        ("san.dns", all, "User:Client.example.org".into()),
        ("san.email", all, "User:a@example.org".into()),
        ("san.uri", &[(DNS, b"a")], format!("!the client certificate has no URI among its subject alternative names, {none}")),
        ("san.dns", &[spiffe], format!("!the client certificate has no DNS name among its subject alternative names, {none}")),
        (
            "san.email",
            &[],
            format!("!the client certificate has no e-mail address among its subject alternative names, {none}"),
        ),
        (
            "san.dns",
            &[(DNS, b"a"), (URI, b"u:v"), (DNS, b"b")],
            "!the client certificate has 2 subject alternative names that are a DNS name; ssl.principal.source expects one"
                .into(),
        ),
        (
            "san.dns",
            &[(DNS, b"a"), (DNS, b"a")],
            "!the client certificate has 2 subject alternative names that are a DNS name; ssl.principal.source expects one"
                .into(),
        ),
        ("san.dns", &[(DNS, b"good.example\0.evil.example")], format!("!the DNS name {plain}")),
        ("san.uri", &[(URI, b"spiffe://a\0b")], format!("!the URI {plain}")),
        ("san.uri", &[(URI, b"spiffe://a\n")], format!("!the URI {plain}")),
        ("san.uri", &[(URI, b"")], format!("!the URI {plain}")),
        ("san.uri", &[(URI, "spiffe://ä".as_bytes())], format!("!the URI {plain}")),
        ("san.email", &[(EMAIL, b"a@b, c@d")], format!("!the e-mail address {plain}")),
        // A constructed or unknown tag of that number is not the kind.
        ("san.uri", &[(0xa6, b"\x0c\x01a")], format!("!the client certificate has no URI among its subject alternative names, {none}")),
        ("san.uri", &[(0x46, b"a")], format!("!the client certificate has no URI among its subject alternative names, {none}")),
    ];
    for (source, names, expected) in cases {
        assert_eq!(said(&naming(source, "DEFAULT"), &with_names(names)), *expected, "{source} {names:?}");
    }
    // No extension at all; and rules apply to the name whatever its source.
    assert!(said(&naming("san.uri", "DEFAULT"), &with_subject("a")).starts_with("!the client certificate has no URI"));
    let rules = naming("san.uri", r"RULE:^spiffe:\/\/example\.org\/ns\/([^\/]+)\/sa\/([^\/]+)$/$1.$2/U,DEFAULT");
    assert_eq!(said(&rules, &with_names(all)), "User:A.B");
    let named = rules.named(&with_names(all)).unwrap();
    assert_eq!((&*named.name, named.rule), ("spiffe://example.org/ns/a/sa/b", 1));
    assert_eq!(rules.named(&with_names(&[(URI, b"u:v")])).unwrap().rule, 2);
}

#[test]
fn two_extensions_of_alternative_names_are_none() {
    let subject = der::name(&[&[(CN, UTF8, b"a")]]);
    let one = der::alternative_names(&[(URI, b"u:a")]);
    let two = der::certificate(&subject, &[one.clone(), der::alternative_names(&[(URI, b"u:b")])]);
    assert_eq!(said(&naming("san.uri", "DEFAULT"), &two), "!the client certificate cannot be read");
    // Others do not disturb, nor does a critical one.
    let other = ("2.5.29.15", true, vec![0x03, 0x02, 0x05, 0xa0]);
    let good = der::certificate(&subject, &[other, (one.0, true, one.2)]);
    assert_eq!(said(&naming("san.uri", "DEFAULT"), &good), "User:u:a");
}

#[test]
fn refusals_of_the_rules() {
    let no_rule = naming("subject", "RULE:^CN=admin$/x/");
    assert_eq!(
        said(&no_rule, &with_subject("a\x1b[2J\"b")),
        r#"!no rule of ssl.principal.mapping.rules applies to "CN=a\u{1b}[2J\\\"b""#
    );
    let long = said(&no_rule, &with_subject(&"x".repeat(1000)));
    assert!(long.len() < 300 && long.ends_with("..."), "{long}");
    assert_eq!(
        said(&naming("subject", ""), &with_subject("a")),
        r#"!no rule of ssl.principal.mapping.rules applies to "CN=a""#
    );
    assert_eq!(
        said(&naming("subject", "RULE:.*//"), &with_subject("a")),
        "!the name of the client is empty; ssl.principal.source can take it from an alternative name"
    );
    let nul = MappingRules::parse("RULE:^(.*)$/$1\0/").unwrap();
    assert_eq!(
        said(&CertificateNaming { rules: nul, ..Default::default() }, &with_subject("a")),
        "!the name of the client has a NUL"
    );
    assert_eq!(
        said(&naming("subject", "RULE:x/y/,DEFAULT"), &with_subject("a\nb")),
        "!the name of the client has a line break, which rules of ssl.principal.mapping.rules are not applied to"
    );
    let too_long = "!the name of the client is longer than 2048 bytes";
    assert_eq!(said(&naming("subject", "RULE:x/y/,DEFAULT"), &with_subject(&"a".repeat(2046))), too_long);
    assert_eq!(said(&naming("subject", "RULE:.*(.{1100}).*/$1$1/"), &with_subject(&"a".repeat(1800))), too_long);
    assert!(said(&naming("subject", "DEFAULT"), &with_subject(&"a".repeat(9000))).starts_with("User:CN=aaa"));
    // An empty subject that a rule gives a name.
    let empty = der::certificate(&der::name(&[]), &[]);
    assert_eq!(
        said(&naming("subject", "DEFAULT"), &empty),
        "!the name of the client is empty; ssl.principal.source can take it from an alternative name"
    );
    assert_eq!(said(&naming("subject", "RULE:^$/nobody/"), &empty), "User:nobody");
}

#[test]
fn a_hostile_name_costs_little() {
    let patterns = [
        "(a+)+$",
        "(a|aa)+$",
        "(.*)*x",
        "(?=(a+)+$)x.*",
        r"(a*)\1\1\1b",
        r"(?:(?=(a*))\1?)+b",
        "(?:(?=.*b)a|a)+c",
        "CN=(?:[^,]*a)*(?<=b)c",
        r"(?:.*?,)*\bx",
        "(?>(?:a|a?)+)b",
    ];
    let names = ["a".repeat(2000) + "!", "a,".repeat(1000) + "!", "ab".repeat(1000) + "!"];
    for pattern in patterns {
        // What is refused at start costs nothing later.
        let Ok(rules) = MappingRules::parse(&format!("RULE:{pattern}/x/")) else { continue };
        for name in &names {
            let begin = Instant::now();
            let applied = rules.apply(name);
            let took = begin.elapsed();
            // Without optimization it takes some ten times as long as in a release.
            assert!(took < Duration::from_secs(3), "{pattern}: {took:?} {applied:?}");
            assert!(
                matches!(applied, Err(MappingError::NoRule | MappingError::TooCostly(1))),
                "{pattern}: {applied:?}"
            );
        }
    }
    // Many matches, each replaced.
    let rules = MappingRules::parse("RULE:[a!]+?/x/").unwrap();
    assert_eq!(rules.apply(&"a".repeat(2000)), Err(MappingError::TooCostly(1)));
}

#[test]
fn the_sources_values() {
    for value in NameSource::VALUES {
        assert_eq!(value.parse::<NameSource>().unwrap().to_string(), *value);
    }
    assert!("san.ip".parse::<NameSource>().is_err());
    assert_eq!(format!("{:?}", naming("san.uri", "DEFAULT,RULE:a/b/L").rules), r#"["DEFAULT", "RULE:a/b/L"]"#);
}
