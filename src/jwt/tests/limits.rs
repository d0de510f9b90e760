//! What a hostile token costs, and what nobody gets to see of one.

use std::time::Duration;

use super::kit::{KEY_SET, KEYS, accept, claims, good_token, header, now, rules};
use crate::jwt::{ClaimRules, MAX_GROUPS, MAX_TOKEN_LEN, Template, TokenFault, TokenTypes, Unverified, Value};

#[test]
fn a_token_of_the_longest_length_is_taken_apart_and_a_longer_one_is_not() {
    let filled = |len: usize| {
        let head = claims().trim_end_matches('}').to_owned();
        KEYS.token(header("ES256:p256"), format!("{head},\"x\":\"{}\"}}", "a".repeat(len)), "ES256:p256")
    };
    let overhead = filled(0).len();
    let fitting = filled((MAX_TOKEN_LEN - overhead) / 4 * 3 - 3);
    assert!(fitting.len() <= MAX_TOKEN_LEN && fitting.len() > MAX_TOKEN_LEN - 16, "{}", fitting.len());
    assert!(accept(&fitting, &KEY_SET, &rules()).is_ok());
    let longer = filled((MAX_TOKEN_LEN - overhead) / 4 * 3 + 16);
    assert!(longer.len() > MAX_TOKEN_LEN);
    assert_eq!(accept(&longer, &KEY_SET, &rules()), Err(TokenFault::TooLong));
}

/// The default accepts nobody: CVE-2026-33557 and CVE-2026-110985 were defaults that checked nothing.
#[test]
fn rules_that_name_no_issuer_or_no_audience_accept_nothing() {
    let token = good_token("RS256:rsa");
    assert_eq!(accept(&token, &KEY_SET, &ClaimRules::default()), Err(TokenFault::Issuer));
    assert_eq!(accept(&token, &KEY_SET, &ClaimRules { issuer: None, ..rules() }), Err(TokenFault::Issuer));
    assert_eq!(accept(&token, &KEY_SET, &ClaimRules { audiences: vec![], ..rules() }), Err(TokenFault::Audience));
    assert!(accept(&token, &KEY_SET, &rules()).is_ok());
}

#[test]
fn neither_token_nor_claims_are_shown_by_debug() {
    let token = good_token("RS256:rsa");
    let unverified = Unverified::parse(&token).unwrap();
    let shown = format!("{unverified:?} {:?} {:?}", unverified.header(), unverified.claims_unverified());
    let parts: Vec<&str> = token.split('.').collect();
    for secret in [parts[0], parts[1], parts[2], "alice", "kafka", "issuer.example"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn the_principal_is_put_together_from_claims() {
    let with = |template: &str| ClaimRules { principal_template: Some(Template::parse(template).unwrap()), ..rules() };
    let token = |members: &str| {
        let claims = claims().replace("\"sub\":\"alice\"", members);
        KEYS.token(header("ES256:p256"), claims, "ES256:p256")
    };
    let name = |template: &str, members: &str| {
        accept(&token(members), &KEY_SET, &with(template)).map(|accepted| accepted.principal_name)
    };
    // H-197: a tenant is a string, exactly.
    let tenant = "oauth-${tenant}-${sub}";
    assert_eq!(name(tenant, r#""sub":"alice","tenant":"1""#).unwrap(), "oauth-1-alice");
    assert_eq!(name(tenant, r#""sub":"alice""#).unwrap_err(), TokenFault::Subject);
    assert_eq!(name(tenant, r#""sub":"alice","tenant":1"#).unwrap_err(), TokenFault::Subject);
    assert_eq!(name(tenant, r#""sub":"alice","tenant":["1"]"#).unwrap_err(), TokenFault::Subject);
    assert_eq!(name(tenant, r#""sub":"alice","tenant":"1-a""#).unwrap_err(), TokenFault::Name);
    assert_eq!(name(tenant, r#""sub":"alice","tenant":"\u0661""#).unwrap(), "oauth-\u{661}-alice");
    assert_eq!(name(tenant, r#""sub":"al\u0000ice","tenant":"1""#).unwrap_err(), TokenFault::Name);
    assert_eq!(name("${azp}", r#""azp":"ANONYMOUS""#).unwrap_err(), TokenFault::ReservedName);
    // Without the claim that names the principal otherwise.
    assert_eq!(name("${azp}", r#""azp":"client""#).unwrap(), "client");
    let long = format!(r#""azp":"{}""#, "a".repeat(1020));
    assert_eq!(name("id-${azp}-id", &long).unwrap_err(), TokenFault::Name);
}

#[test]
fn groups_are_kept_as_they_are_and_bounded() {
    let rules = ClaimRules { groups_claim: Some("groups".into()), ..rules() };
    let groups = |members: &str| {
        let claims = claims().replace("\"sub\":\"alice\"", &format!("\"sub\":\"alice\"{members}"));
        let token = KEYS.token(header("ES256:p256"), claims, "ES256:p256");
        accept(&token, &KEY_SET, &rules)
            .map(|accepted| accepted.groups.into_iter().map(String::from).collect::<Vec<_>>())
    };
    assert_eq!(groups("").unwrap(), [] as [&str; 0]);
    assert_eq!(groups(r#","groups":"one""#).unwrap(), ["one"]);
    assert_eq!(groups(r#","groups":["b","a b"]"#).unwrap(), ["b", "a b"]);
    assert_eq!(groups(r#","groups":[]"#).unwrap(), [] as [&str; 0]);
    for bad in ["null", "5", "[\"a\",5]", "[\"a\",\"\"]", "\" \"", "[\"a\\n\"]", "{\"a\":1}"] {
        assert_eq!(groups(&format!(",\"groups\":{bad}")).unwrap_err(), TokenFault::Groups, "{bad}");
    }
    let many = |count: usize| format!(",\"groups\":[{}]", vec!["\"g\""; count].join(","));
    assert_eq!(groups(&many(MAX_GROUPS)).unwrap().len(), MAX_GROUPS);
    assert_eq!(groups(&many(MAX_GROUPS + 1)).unwrap_err(), TokenFault::Groups);
}

#[test]
fn times_and_scope_are_handed_on() {
    let claims = claims().replace('}', r#","scope":["read"," write"]}"#);
    let token = KEYS.token(header("ES256:p256"), claims, "ES256:p256");
    let accepted = accept(&token, &KEY_SET, &rules()).unwrap();
    assert_eq!(accepted.lifetime, Duration::from_secs(300));
    assert_eq!(accepted.expires, now() + Duration::from_secs(300));
    assert_eq!(accepted.scope, ["read", "write"]);

    let needs = |scope: &str| ClaimRules { required_scope: vec![scope.into()], ..rules() };
    assert!(accept(&token, &KEY_SET, &needs("write")).is_ok());
    assert_eq!(accept(&token, &KEY_SET, &needs("admin")), Err(TokenFault::InsufficientScope));
    let words =
        KEYS.token(header("ES256:p256"), super::kit::claims().replace('}', r#","scope":"read write"}"#), "ES256:p256");
    assert_eq!(accept(&words, &KEY_SET, &rules()).unwrap().scope, ["read write"]);
    assert!(accept(&words, &KEY_SET, &needs("write")).is_ok());
    assert_eq!(accept(&words, &KEY_SET, &needs("writ")), Err(TokenFault::InsufficientScope));
}

/// No skew and no clock makes the arithmetic wrap.
#[test]
fn extreme_clocks_and_skews_are_no_panic() {
    let token = good_token("ES256:p256");
    let claims = || Unverified::parse(&token).unwrap().verify(&KEY_SET).unwrap();
    let judge = |clock_skew, now| ClaimRules { clock_skew, ..rules() }.judge(&claims(), now).map(|_| ());
    use std::time::UNIX_EPOCH;
    assert_eq!(judge(Duration::MAX, now()), Ok(()));
    assert_eq!(judge(Duration::ZERO, now()), Ok(()));
    assert_eq!(judge(Duration::ZERO, UNIX_EPOCH), Err(TokenFault::NotYetValid));
    assert_eq!(judge(Duration::from_secs(30), UNIX_EPOCH - Duration::from_secs(1 << 40)), Err(TokenFault::NotYetValid));
    assert_eq!(judge(Duration::from_secs(30), UNIX_EPOCH + Duration::from_secs(1 << 50)), Err(TokenFault::Expired));
}

#[test]
fn the_types_of_token_are_for_the_configuration_to_say() {
    let token = |typ: &str| {
        let header = header("ES256:p256").replace('}', &format!("{typ}}}"));
        KEYS.token(header, claims(), "ES256:p256")
    };
    let only = |absent| ClaimRules { types: TokenTypes { named: vec!["at+jwt".into()], absent }, ..rules() };
    assert!(accept(&token(r#","typ":"application/AT+jwt""#), &KEY_SET, &only(false)).is_ok());
    assert_eq!(accept(&token(r#","typ":"JWT""#), &KEY_SET, &only(true)), Err(TokenFault::Type));
    assert_eq!(accept(&token(""), &KEY_SET, &only(false)), Err(TokenFault::Type));
    assert!(accept(&token(""), &KEY_SET, &only(true)).is_ok());
}

#[test]
fn claims_are_read_by_type() {
    let token = KEYS.token(header("ES256:p256"), r#"{"s":"x","n":1.5,"l":["a","b"],"m":["a",1]}"#, "ES256:p256");
    let claims = Unverified::parse(&token).unwrap().verify(&KEY_SET).unwrap();
    assert_eq!(claims.string("s"), Some("x"));
    assert_eq!(claims.string("n"), None);
    assert_eq!(claims.number("n"), Ok(Some(1.5)));
    assert_eq!(claims.number("s"), Err(TokenFault::Time));
    assert_eq!(claims.get("l").unwrap().as_strings().unwrap(), ["a", "b"]);
    assert_eq!(claims.get("m").and_then(Value::as_strings), None);
    assert_eq!(claims.iter().count(), 4);
}
