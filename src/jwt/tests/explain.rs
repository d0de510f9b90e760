//! What `explain` tells, and what it never does.

use super::kit::{ISSUER, KEY_SET, KEYS, NOW, claims, good_token, header, now, rules};
use crate::jwt::unsecured::UnsecuredRules;
use crate::jwt::{Candidate, ClaimRules, Explanation, TokenFault, Verdict, explain};

fn text(explanation: &Explanation) -> String {
    explanation.lines.iter().map(|(word, text)| format!("{word}: {text}\n")).collect()
}

#[test]
fn each_step_of_a_good_token_is_told_and_no_part_of_its_text() {
    let (rules, other) = (rules(), ClaimRules { issuer: Some("https://other.example".into()), ..rules() });
    let candidates =
        [Candidate::Issuer { rules: &other, keys: None }, Candidate::Issuer { rules: &rules, keys: Some(&KEY_SET) }];
    let token = good_token("ES256:p256");
    let explanation = explain(&token, &candidates, now());
    let told = text(&explanation);
    assert!(
        matches!(explanation.verdict, Verdict::Accepted(ref accepted) if accepted.principal_name == "alice"),
        "{told}"
    );
    for line in [
        "header: alg = \"ES256\"",
        "claims: sub = \"alice\"",
        "key: kid \"p256\", EC P-256",
        "signature: fits",
        "times: exp is 2027-01-15T08:05:00Z",
        "principal: User:alice",
        "verdict: accepted: User:alice until 2027-01-15T08:05:00Z",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    for part in token.split('.') {
        assert!(!told.contains(part), "{told}");
    }
}

#[test]
fn all_that_is_wrong_is_told_and_the_first_is_the_verdict() {
    let rules = rules();
    let candidates = [Candidate::Issuer { rules: &rules, keys: Some(&KEY_SET) }];
    let bad = format!(r#"{{"iss":"{ISSUER}","aud":"other","sub":"","iat":{NOW},"exp":5}}"#);
    let explanation = explain(&KEYS.token(header("RS256:rsa"), bad, "RS256:stranger"), &candidates, now());
    let told = text(&explanation);
    assert_eq!(explanation.verdict, Verdict::Refused(TokenFault::Signature));
    for line in [
        "signature: refused: ",
        "audience: refused: ",
        "times: refused: ",
        "principal: refused: ",
        "verdict: refused: the signature does not fit",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}

#[test]
fn what_cannot_be_parsed_is_shown_as_far_as_it_can() {
    let rules = rules();
    let candidates = [Candidate::Issuer { rules: &rules, keys: Some(&KEY_SET) }];
    let explained = |token: &str| {
        let explanation = explain(token, &candidates, now());
        (text(&explanation), explanation.verdict)
    };
    let (told, verdict) = explained(&KEYS.token(r#"{"alg":"none"}"#, claims(), "none"));
    assert!(told.contains("header: alg = \"none\"") && told.contains("claims: sub"), "{told}");
    assert_eq!(verdict, Verdict::Refused(TokenFault::Algorithm));
    assert_eq!(explained("secret").1, Verdict::Refused(TokenFault::Parts));
    assert!(!explained("secret").0.contains("secret"));
    let other = claims().replace(ISSUER, "https://evil.example");
    let (told, verdict) = explained(&KEYS.token(header("RS256:rsa"), other, "RS256:rsa"));
    assert!(told.contains(&format!("expected {ISSUER}")), "{told}");
    assert_eq!(verdict, Verdict::Refused(TokenFault::Issuer));
}

#[test]
fn without_keys_there_is_no_verdict_but_on_the_claims() {
    let rules = rules();
    let candidates = [Candidate::Issuer { rules: &rules, keys: None }];
    assert_eq!(explain(&good_token("RS256:rsa"), &candidates, now()).verdict, Verdict::NoKeys);
    let expired = claims().replace(&(NOW + 300).to_string(), "5").replace(&(NOW - 10).to_string(), "4");
    let expired = KEYS.token(header("RS256:rsa"), expired, "RS256:rsa");
    assert_eq!(explain(&expired, &candidates, now()).verdict, Verdict::Refused(TokenFault::Expired));
}

#[test]
fn unsecured_tokens_are_explained_to_who_takes_them() {
    let rules = UnsecuredRules::default();
    let candidates = [Candidate::Unsecured(&rules)];
    let token = KEYS.token(r#"{"alg":"none"}"#, claims(), "none");
    let explanation = explain(&token, &candidates, now());
    assert!(matches!(explanation.verdict, Verdict::Accepted(_)), "{}", text(&explanation));
    assert_eq!(
        explain(&good_token("RS256:rsa"), &candidates, now()).verdict,
        Verdict::Refused(TokenFault::NotUnsecured)
    );
}
