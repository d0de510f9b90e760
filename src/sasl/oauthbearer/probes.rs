//! Tokens that must not be accepted, for the check at start.
//!
//! Kafka has twice shipped a validator that accepted everything because an option was missing. So before a listener starts, a token
//! that nobody's issuer has signed is shown to each of its issuers' rules with keys made for the occasion, whether the issuer is there
//! or not ([`prove`]); and the mechanism itself is shown tokens that are wrong in one thing each ([`bad_tokens`]): those whose refusal
//! takes no keys always, and the one with a stranger's signature where there are keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::validator::{Issuer, verdict};
use crate::jwt::unsecured::UnsecuredRules;
use crate::jwt::{ClaimRules, KeySet, TokenFault, Unverified};

/// For how long the made-up tokens are good.
const HOUR: Duration = Duration::from_secs(3600);

/// Why nothing could be proved.
const NO_KEY: &str = "no key could be made";

/// Shows that these rules take no token whose signature fits none of the keys, whatever it claims. Fails with what is wrong.
pub(super) fn prove(rules: &ClaimRules, now: SystemTime) -> Result<(), &'static str> {
    let (ours, strangers) = (SigningKey::random()?, SigningKey::random()?);
    let keys = KeySet::parse(ours.key_set().as_bytes()).map_err(|_| NO_KEY)?.0;
    let judge = |token: &str| Unverified::parse(token).and_then(|token| verdict(rules, token, &keys, now));
    let claims = claims(rules, now);
    if judge(&strangers.token(&claims)?) != Err(TokenFault::Signature) {
        return Err("a token with a stranger's signature is not refused for it");
    }
    // Else the refusal would say nothing of the signature.
    match judge(&ours.token(&claims)?) {
        Err(TokenFault::Signature) => Err("no signature is good"),
        _ => Ok(()),
    }
}

/// Tokens that the listener of this issuer must refuse.
pub(super) fn bad_tokens(issuer: &Issuer, now: SystemTime) -> Vec<String> {
    let rules = &issuer.rules;
    let good = claims(rules, now);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let long_ago = seconds(now.checked_sub(rules.clock_skew + HOUR).unwrap_or(UNIX_EPOCH));
    let mut tokens = vec![
        compact(&json!({"alg": "none"}), &good, ""),
        compact(&json!({"alg": "none"}), &good, "c2lnbmF0dXJl"),
        compact(&json!({"alg": "HS256"}), &good, &URL_SAFE_NO_PAD.encode([0; 32])),
    ];
    let Ok(stranger) = SigningKey::random() else { return tokens };
    let mut expired = with("exp", json!(long_ago));
    expired["iat"] = json!(long_ago.saturating_sub(1));
    let wrong = [
        expired,
        with("aud", json!(format!("not {}", rules.audiences.join(" ")))),
        with("iss", json!(format!("not {}", rules.issuer.as_deref().unwrap_or_default()))),
    ];
    tokens.extend(wrong.iter().filter_map(|claims| stranger.token(claims).ok()));
    if issuer.has_keys() {
        tokens.extend(stranger.token(&good));
    }
    tokens
}

/// Tokens that even a listener for development must refuse.
pub(super) fn bad_unsecured_tokens(rules: &UnsecuredRules, now: SystemTime) -> Vec<String> {
    let long_ago = seconds(now.checked_sub(rules.clock_skew + HOUR).unwrap_or(UNIX_EPOCH));
    let mut good = json!({"exp": seconds(now + HOUR), rules.scope_claim.as_str(): rules.required_scope});
    good[rules.principal_claim.as_str()] = json!("nobody");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    vec![
        compact(&json!({"alg": "RS256"}), &good, "c2lnbmF0dXJl"),
        compact(&json!({"alg": "none"}), &good, "c2lnbmF0dXJl"),
        compact(&json!({"alg": "none"}), &with("exp", json!(long_ago)), ""),
        compact(&json!({"alg": "none"}), &with(&rules.principal_claim, json!(" ")), ""),
    ]
}

/// All that the rules ask of a token, as far as can be made up.
fn claims(rules: &ClaimRules, now: SystemTime) -> Value {
    let mut claims = json!({
        "iss": rules.issuer,
        "aud": rules.audiences,
        "iat": seconds(now),
        "exp": seconds(now + HOUR),
        rules.sub_claim.as_str(): "nobody",
    });
    for name in rules.principal_template.iter().flat_map(|template| template.claims()) {
        claims[name] = json!("nobody");
    }
    claims
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(super) fn compact(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

/// A key that nobody else has, and that is forgotten at once.
pub(super) struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    pub(super) fn random() -> Result<Self, &'static str> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self).map_err(|_| NO_KEY)
    }

    /// The public key as a set of one.
    pub(super) fn key_set(&self) -> String {
        // Uncompressed (SEC 1 §2.3.3): 4, then x and y of 32 bytes each.
        let point = self.0.public_key().as_ref();
        let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "x": coordinate(1..33), "y": coordinate(33..65)}]})
            .to_string()
    }

    pub(super) fn token(&self, claims: &Value) -> Result<String, &'static str> {
        let unsigned = compact(&json!({"alg": "ES256"}), claims, "");
        let signed = unsigned.trim_end_matches('.');
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| NO_KEY)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }
}
