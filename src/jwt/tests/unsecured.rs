//! Tokens without a signature, by the rules of Kafka's handler for development.

use std::time::Duration;

use super::kit::{KEYS, NOW, good_token, now};
use crate::jwt::TokenFault;
use crate::jwt::unsecured::{Unsecured, UnsecuredRules};

fn token(claims: &str) -> String {
    KEYS.token(r#"{"alg":"none"}"#, claims, "none")
}

fn judge(rules: &UnsecuredRules, claims: &str) -> Result<String, TokenFault> {
    let claims = Unsecured::parse(&token(claims)).unwrap();
    rules.judge(&claims, now()).map(|accepted| accepted.principal_name)
}

#[test]
fn only_what_says_exactly_none_and_has_no_signature_is_taken() {
    let with = |alg: &str| Unsecured::parse(&KEYS.token(format!(r#"{{"alg":{alg}}}"#), "{}", "none")).map(|_| ());
    assert_eq!(with("\"none\""), Ok(()));
    for alg in ["\"None\"", "\"NONE\"", "\"nOnE\"", "\"\"", "null", "5", "\"RS256\"", "\"none \"", "[\"none\"]"] {
        assert_eq!(with(alg), Err(TokenFault::NotUnsecured), "{alg}");
    }
    assert_eq!(Unsecured::parse("e30.e30.").map(|_| ()), Err(TokenFault::NotUnsecured));
    assert_eq!(Unsecured::parse(&good_token("RS256:rsa")).map(|_| ()), Err(TokenFault::NotUnsecured));
    assert_eq!(Unsecured::parse(&format!("{}AA", token("{}"))).map(|_| ()), Err(TokenFault::NotUnsecured));
    let whole = token("{}");
    for (text, fault) in [
        (whole.trim_end_matches('.'), TokenFault::Parts),
        (&*format!("{whole}."), TokenFault::Parts),
        ("..", TokenFault::Json),
        ("eyJhbGciOiJub25lIn0..", TokenFault::Json),
        ("", TokenFault::Parts),
    ] {
        assert_eq!(Unsecured::parse(text).map(|_| ()), Err(fault), "{text}");
    }
    let crit = KEYS.token(r#"{"alg":"none","crit":["x"]}"#, "{}", "none");
    assert_eq!(Unsecured::parse(&crit).map(|_| ()), Err(TokenFault::Critical));
}

#[test]
fn claims_are_judged_as_kafka_does() {
    let rules = UnsecuredRules::default();
    let soon = NOW + 300;
    for (claims, expected) in [
        (format!(r#"{{"sub":"alice","exp":{soon}}}"#), Ok("alice")),
        (format!(r#"{{"sub":" alice ","exp":{soon}.5,"iat":{NOW}.0}}"#), Ok(" alice ")),
        (format!(r#"{{"sub":"alice","exp":{NOW}.001}}"#), Ok("alice")),
        (format!(r#"{{"sub":"alice","exp":{NOW}}}"#), Err(TokenFault::Expired)),
        (format!(r#"{{"sub":"alice","exp":{soon},"iat":{NOW}.5}}"#), Err(TokenFault::NotYetValid)),
        (format!(r#"{{"sub":"alice","exp":{NOW}.1,"iat":{NOW}}}"#), Ok("alice")),
        (r#"{"sub":"alice","exp":1e300}"#.into(), Ok("alice")),
        (r#"{"sub":"alice"}"#.into(), Err(TokenFault::NoExpiry)),
        (r#"{"sub":"alice","exp":"5"}"#.into(), Err(TokenFault::Time)),
        (r#"{"sub":"alice","exp":-1}"#.into(), Err(TokenFault::Time)),
        (format!(r#"{{"sub":"alice","exp":{soon},"iat":null}}"#), Err(TokenFault::Time)),
        (format!(r#"{{"exp":{soon}}}"#), Err(TokenFault::Subject)),
        (format!(r#"{{"sub":"  ","exp":{soon}}}"#), Err(TokenFault::Subject)),
        (format!(r#"{{"sub":5,"exp":{soon}}}"#), Err(TokenFault::Subject)),
        (format!(r#"{{"sub":"a\u0000","exp":{soon}}}"#), Err(TokenFault::Name)),
        (format!(r#"{{"sub":"ANONYMOUS","exp":{soon}}}"#), Err(TokenFault::ReservedName)),
    ] {
        assert_eq!(judge(&rules, &claims), expected.map(str::to_owned), "{claims}");
    }
    let skewed = UnsecuredRules { clock_skew: Duration::from_millis(1500), ..rules.clone() };
    let expires = |at: f64| format!(r#"{{"sub":"alice","exp":{at}}}"#);
    assert!(judge(&skewed, &expires(NOW as f64 - 1.25)).is_ok());
    assert_eq!(judge(&skewed, &expires(NOW as f64 - 1.5)), Err(TokenFault::Expired));
    let issued = |at: f64| format!(r#"{{"sub":"alice","exp":{soon},"iat":{at}}}"#);
    assert!(judge(&skewed, &issued(NOW as f64 + 1.5)).is_ok());
    assert_eq!(judge(&skewed, &issued(NOW as f64 + 1.75)), Err(TokenFault::NotYetValid));
    let order = format!(r#"{{"sub":"alice","exp":{NOW},"iat":{NOW}}}"#);
    assert_eq!(judge(&skewed, &order), Err(TokenFault::TimeOrder));
}

#[test]
fn a_scope_that_is_text_is_one_element() {
    let needs = |scope: &[&str]| UnsecuredRules {
        required_scope: scope.iter().map(|element| (*element).into()).collect(),
        scope_claim: "s".into(),
        principal_claim: "p".into(),
        ..UnsecuredRules::default()
    };
    let claims = |scope: &str| format!(r#"{{"p":"alice","exp":{},"s":{scope}}}"#, NOW + 300);
    assert!(judge(&needs(&["a", "b"]), &claims(r#"["b","a","c"]"#)).is_ok());
    assert!(judge(&needs(&["a"]), &claims("\"a\"")).is_ok());
    assert!(judge(&needs(&["a b"]), &claims("\"a b\"")).is_ok());
    assert_eq!(judge(&needs(&["a"]), &claims("\"a b\"")), Err(TokenFault::InsufficientScope));
    assert_eq!(judge(&needs(&["a", "d"]), &claims(r#"["a"]"#)), Err(TokenFault::InsufficientScope));
    assert_eq!(judge(&needs(&[]), &claims("5")), Err(TokenFault::Scope));
    assert_eq!(judge(&needs(&[]), &claims("[5]")), Err(TokenFault::Scope));
}
