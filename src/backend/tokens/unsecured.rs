//! Tokens that nobody has signed (RFC 7515 appendix A.5), as Kafka's client makes them for development.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::config::{ClaimValue, UnsecuredToken};
use crate::secret::Secret;

/// A token that begins `now`.
pub(super) fn make(settings: &UnsecuredToken, now: SystemTime) -> Secret {
    // Milliseconds as a fraction, as Kafka's client writes them.
    let millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64;
    let mut claims = Map::new();
    claims.insert("exp".to_owned(), Value::from(millis(now + settings.lifetime) / 1000.0));
    claims.insert("iat".to_owned(), Value::from(millis(now) / 1000.0));
    for (name, value) in &settings.claims {
        let value = match value {
            ClaimValue::Text(text) => Value::from(text.as_str()),
            ClaimValue::Number(number) => Value::from(*number),
            ClaimValue::List(elements) => Value::from(elements.as_slice()),
        };
        claims.insert(name.clone(), value);
    }
    let claims = Value::Object(claims).to_string();
    Secret::new(format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::claims;
    use super::*;

    #[test]
    fn the_claims_are_in_the_token() {
        let settings = UnsecuredToken {
            lifetime: Duration::from_secs(60),
            claims: vec![
                ("sub".into(), ClaimValue::Text("a \"front\" \\".into())),
                ("level".into(), ClaimValue::Number(2.0)),
                ("scope".into(), ClaimValue::List(vec!["a".into(), String::new()])),
            ],
        };
        let now = UNIX_EPOCH + Duration::from_millis(1_000_250);
        let token = make(&settings, now);
        let text = std::str::from_utf8(token.expose()).unwrap();
        let parts: Vec<&str> = text.split('.').collect();
        assert_eq!((parts.len(), parts[2]), (3, ""));
        let decoded = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(decoded(parts[0]), serde_json::json!({ "alg": "none" }));
        let want = serde_json::json!({
            "exp": 1060.25, "iat": 1000.25, "sub": "a \"front\" \\", "level": 2.0, "scope": ["a", ""]
        });
        assert_eq!(decoded(parts[1]), want);
        let times = claims::times(text).unwrap();
        assert_eq!((times.begins, times.expires), (Some(now), now + Duration::from_secs(60)));
    }
}
