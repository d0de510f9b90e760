//! When a token begins and ends by its own claims. Nothing is verified: it is our own token, and the broker will.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

#[derive(Deserialize)]
struct Dates {
    exp: Option<f64>,
    iat: Option<f64>,
}

/// What a JWT says of its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) begins: Option<SystemTime>,
    pub(super) expires: SystemTime,
}

/// `None` where the token is no JWT, or one without end.
pub(super) fn times(token: &str) -> Option<Times> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let dates: Dates = serde_json::from_slice(&payload).ok()?;
    Some(Times { begins: dates.iat.and_then(date), expires: date(dates.exp?)? })
}

/// NumericDate (RFC 7519 §2): seconds since 1970, maybe with a fraction.
fn date(seconds: f64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn dates_are_seconds_with_or_without_a_fraction() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        let both = times(&token(r#"{"sub":"a","iat":1000,"exp":1000.5,"scope":["x"]}"#));
        assert_eq!(both, Some(Times { begins: Some(at(1_000_000)), expires: at(1_000_500) }));
        assert_eq!(times(&token(r#"{"exp":1}"#)), Some(Times { begins: None, expires: at(1000) }));
        assert_eq!(times(&token(r#"{"exp":1,"iat":-5}"#)).unwrap().begins, None);
    }

    #[test]
    fn what_says_no_end_has_none() {
        for claims in [
            "{}",
            r#"{"exp":null}"#,
            r#"{"exp":"1"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            "[]",
            "",
            "{",
            r#"{"exp":1,"exp":2}"#,
        ] {
            assert_eq!(times(&token(claims)), None, "{claims}");
        }
        for text in ["", "opaque", "a.b", "a.b.c.d", "a.!.c", "e30.e30."] {
            assert_eq!(times(text), None, "{text}");
        }
    }
}
