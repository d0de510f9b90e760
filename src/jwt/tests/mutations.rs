//! Whatever is changed in a signed token, it is refused; whatever comes, nothing panics.

use std::sync::LazyLock;

use jsonwebtoken::{DecodingKey, EncodingKey, Header as TheirHeader, Validation};
use proptest::prelude::*;

use super::kit::{AUDIENCE, ISSUER, KEY_SET, KEYS, NOW, accept, claims, good_token, now, rules, ways};
use crate::jwt::unsecured::{Unsecured, UnsecuredRules};
use crate::jwt::{Candidate, KeySet, Unverified, explain};

static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| ways().map(|how| good_token(&how)).collect());

/// Each bit of the text of a token of each algorithm.
#[test]
fn a_token_with_any_bit_flipped_is_refused() {
    let mut count = 0;
    for token in TOKENS.iter() {
        assert!(accept(token, &KEY_SET, &rules()).is_ok());
        for at in 0..token.len() * 8 {
            let mut bytes = token.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            // What is no UTF-8 is refused by who reads the exchange.
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(accept(&changed, &KEY_SET, &rules()).is_err(), "bit {at}");
                count += 1;
            }
        }
    }
    assert!(count > 10_000, "{count}");
}

proptest! {
    #[test]
    fn a_token_with_anything_replaced_is_refused(
        which in 0..10_usize, at in any::<prop::sample::Index>(), count in 0..4_usize, with in "[A-Za-z0-9_.=+/ -]{0,4}",
    ) {
        let token = &TOKENS[which];
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..(at + count).min(token.len()), &with);
        prop_assume!(changed != *token);
        prop_assert!(accept(&changed, &KEY_SET, &rules()).is_err());
    }

    #[test]
    fn parts_of_different_tokens_do_not_go_together(one in 0..10_usize, other in 0..10_usize, part in 0..3_usize) {
        let mut parts: Vec<&str> = TOKENS[one].split('.').collect();
        let others: Vec<&str> = TOKENS[other].split('.').collect();
        parts[part] = others[part];
        let mixed = parts.join(".");
        prop_assume!(!TOKENS.contains(&mixed));
        prop_assert!(accept(&mixed, &KEY_SET, &rules()).is_err());
    }

    #[test]
    fn no_text_makes_anything_panic(text in "\\PC{0,200}") {
        touch(&text);
    }

    #[test]
    fn no_header_and_no_claims_make_anything_panic(
        header in prop::collection::vec(any::<u8>(), 0..80), claims in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        touch(&KEYS.token(header, claims, "none"));
    }

    #[test]
    fn no_json_makes_anything_panic(
        alg in prop::sample::select(vec!["RS256", "ES256", "EdDSA", "none"]), key in "[a-z0-9#S]{1,8}", value in JSON, claim in "[a-z]{3}", other in JSON,
    ) {
        let header = format!(r#"{{"alg":"{alg}","{key}":{value}}}"#);
        touch(&KEYS.token(header, format!(r#"{{"{claim}":{other},"exp":{value}}}"#), "ES256:p256"));
    }

    #[test]
    fn no_key_set_makes_anything_panic(text in "\\PC{0,200}", member in "(kty|n|e|crv|x|y|alg|use|kid|key_ops|x5c|x5t)", value in JSON) {
        let _ = KeySet::parse(text.as_bytes());
        for name in ["rsa", "p256", "p521", "ed"] {
            // The changed member stands twice, or alone.
            let jwk = KEYS.jwk(name, name, &format!(r#","{member}":{value}"#));
            let _ = KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes());
            let jwk = jwk.replacen(&format!("\"{member}\""), "\"other\"", 1);
            let _ = KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes());
        }
    }
}

const JSON: &str = r#"(-?[0-9]{1,30}(\.[0-9]{1,5})?(e[0-9]{1,3})?|"[A-Za-z0-9_-]{0,50}"|null|true|\[\]|\{\}|\["a",1,\{"b":\[null\]\}\])"#;

/// Everything that is done with a text that should be a token.
fn touch(text: &str) {
    assert!(accept(text, &KEY_SET, &rules()).is_err());
    if let Ok(token) = Unverified::parse(text) {
        let _ = (token.issuer(), token.header().kid(), rules().judge(token.claims_unverified(), now()));
    }
    if let Ok(claims) = Unsecured::parse(text) {
        let _ = UnsecuredRules::default().judge(&claims, now());
    }
    let (rules, unsecured) = (rules(), UnsecuredRules::default());
    let issuer = Candidate::Issuer { rules: &rules, keys: Some(&KEY_SET) };
    explain(text, &[issuer], now());
    explain(text, &[Candidate::Unsecured(&unsecured)], now());
}

/// Another implementation makes tokens that we accept, and accepts ours.
#[test]
fn tokens_are_those_of_jsonwebtoken() {
    use jsonwebtoken::Algorithm as Theirs;
    let claims: serde_json::Value = serde_json::from_str(&claims()).unwrap();
    for (algorithm, name, key, pkcs8) in [
        (Theirs::ES256, "ES256:p256", "p256", KEYS.pkcs8("p256")),
        (Theirs::ES384, "ES384:p384", "p384", KEYS.pkcs8("p384")),
        (Theirs::EdDSA, "EdDSA:ed", "ed", KEYS.pkcs8("ed")),
        (Theirs::RS256, "RS256:rsa", "rsa", KEYS.pkcs1()),
        (Theirs::PS512, "PS512:rsa", "rsa", KEYS.pkcs1()),
    ] {
        let signer = match algorithm {
            Theirs::ES256 | Theirs::ES384 => EncodingKey::from_ec_der(&pkcs8),
            Theirs::EdDSA => EncodingKey::from_ed_der(&pkcs8),
            _ => EncodingKey::from_rsa_der(&pkcs8),
        };
        let header = TheirHeader { kid: Some(key.into()), ..TheirHeader::new(algorithm) };
        let token = jsonwebtoken::encode(&header, &claims, &signer).unwrap();
        assert_eq!(accept(&token, &KEY_SET, &rules()).unwrap().principal_name, "alice", "{name}");

        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(&KEYS.jwk(key, key, "")).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        // It has a clock of its own.
        validation.validate_exp = false;
        let verifier = DecodingKey::from_jwk(&jwk).unwrap();
        let decoded = jsonwebtoken::decode::<serde_json::Value>(good_token(name), &verifier, &validation).unwrap();
        assert_eq!(decoded.claims["exp"], NOW + 300, "{name}");
    }
}
