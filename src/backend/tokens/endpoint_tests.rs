use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::config::{BackendTlsConfig, Located, TlsVersions};

fn settings(id: &str, secret: &str, urlencode_header: bool) -> TokenEndpoint {
    let versions = TlsVersions { tls12: true, tls13: true };
    TokenEndpoint {
        url: Located { value: "https://issuer/token".into(), key: String::new(), origin: String::new(), hidden: false },
        allow_http: false,
        tls: BackendTlsConfig {
            keystore: None,
            truststore: None,
            crls: Vec::<Located<PathBuf>>::new(),
            verify_host_name: true,
            versions,
            cipher_suites: None,
        },
        client_id: id.to_owned(),
        client_secret: Secret::new(secret),
        scope: None,
        urlencode_header,
        retry_backoff: Duration::from_millis(100),
        retry_backoff_max: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(1),
    }
}

#[test]
fn the_secret_goes_into_a_basic_header() {
    let header = |urlencode| {
        let header = basic(&settings("jdoe:x", "99$123 ü", urlencode));
        let text = String::from_utf8(header.expose().to_vec()).unwrap();
        String::from_utf8(STANDARD.decode(text.strip_prefix("Basic ").unwrap()).unwrap()).unwrap()
    };
    assert_eq!(header(false), "jdoe:x:99$123 ü");
    assert_eq!(header(true), "jdoe%3Ax:99%24123+%C3%BC");
}

#[test]
fn the_form_asks_for_the_scope() {
    assert_eq!(form(None), "grant_type=client_credentials");
    assert_eq!(form(Some("a b/c~*-._")), "grant_type=client_credentials&scope=a+b%2Fc%7E*-._");
}

fn answer(text: &str) -> Result<(String, Option<Duration>), TokenError> {
    let Obtained { value, lifetime } = read_answer(&Bytes::copy_from_slice(text.as_bytes()))?;
    Ok((String::from_utf8(value.expose().to_vec()).unwrap(), lifetime))
}

#[test]
fn answers_of_token_endpoints() {
    let good = |text, token: &str, seconds: Option<f64>| {
        assert_eq!(answer(text).unwrap(), (token.to_owned(), seconds.map(Duration::from_secs_f64)), "{text}");
    };
    good(r#"{"access_token":"a.b.c","token_type":"Bearer","expires_in":60,"scope":"x"}"#, "a.b.c", Some(60.0));
    good(r#"{"access_token":" a\u002eb ","token_type":"bearer"}"#, "a.b", None);
    // What Kafka's client never looks at does not hurt.
    good(r#"{"access_token":"a","expires_in":"60"}"#, "a", None);
    good(r#"{"access_token":"a","expires_in":-1}"#, "a", None);
    for bad in [
        "",
        "{",
        "[]",
        "null",
        r#"{"token_type":"Bearer"}"#,
        r#"{"access_token":null}"#,
        r#"{"access_token":1}"#,
        r#"{"access_token":"a","access_token":"b"}"#,
        r#"{"access_token":"a","token_type":"DPoP"}"#,
        r#"{"access_token":"a"} x"#,
    ] {
        let error = answer(bad).unwrap_err();
        assert!(matches!(error, TokenError::Answer(_)) && !error.is_retryable(), "{bad}: {error}");
    }
}

#[test]
fn an_error_is_shown_bounded_and_without_our_secret() {
    let settings = settings("id", "hunter2", false);
    let words = |text: &str| error_words(text.as_bytes(), &settings);
    assert_eq!(words(r#"{"error":"invalid_client","error_description":"no"}"#), "invalid_client - no");
    assert_eq!(words(r#"{"errorCode":"E1","errorSummary":"b\u0007"}"#), "E1 - b\\u{7}");
    assert_eq!(words(r#"{"error":"x","error_description":"hunter2 is wrong"}"#), "");
    assert_eq!(words("<html>"), "");
    let long = words(&format!(r#"{{"error":"{}"}}"#, "x".repeat(5000)));
    assert_eq!(long.len(), MAX_SHOWN);
    let error = TokenError::Refused { status: 401, words: "invalid_client".into() };
    assert_eq!(error.to_string(), "the token endpoint refuses with status 401: invalid_client");
    assert_eq!(
        TokenError::Refused { status: 503, words: String::new() }.to_string(),
        "the token endpoint refuses with status 503"
    );
}

fn refused(status: u16) -> TokenError {
    TokenError::Refused { status, words: String::new() }
}

#[tokio::test(start_paused = true)]
async fn waits_double_until_the_time_is_over() {
    let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
    let begin = Instant::now();
    let seen = std::sync::Mutex::new(Vec::new());
    let failing = repeat(first, longest, || {
        seen.lock().unwrap().push(begin.elapsed().as_millis());
        async { Err::<(), _>(refused(500)) }
    });
    assert!(matches!(failing.await, Err(TokenError::Refused { status: 500, .. })));
    // 100, 200, ... 6400 ms between them, and the last one when 10 s are over.
    assert_eq!(*seen.lock().unwrap(), [0, 100, 300, 700, 1500, 3100, 6300, 10000]);
}

#[tokio::test(start_paused = true)]
async fn what_is_final_ends_it_and_what_succeeds_too() {
    let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
    for status in FINAL {
        let begin = Instant::now();
        let result = repeat(first, longest, || async move { Err::<(), _>(refused(status)) }).await;
        assert!(result.is_err() && begin.elapsed().is_zero(), "{status}");
    }
    // The first error is the one that is told, as in Kafka.
    let tried = AtomicU32::new(0);
    let result = repeat(first, longest, || {
        let n = tried.fetch_add(1, Ordering::Relaxed);
        async move { Err::<(), _>(refused(if n < 2 { 503 } else { 400 })) }
    });
    assert!(matches!(result.await, Err(TokenError::Refused { status: 503, .. })));
    assert_eq!(tried.load(Ordering::Relaxed), 3);
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let tried = AtomicU32::new(0);
        let result = repeat(first, longest, || {
            let n = tried.fetch_add(1, Ordering::Relaxed);
            async move { if n < 2 { Err(refused(status)) } else { Ok(n) } }
        });
        assert_eq!(result.await.unwrap(), 2, "{status}");
    }
    let once = repeat(first, Duration::ZERO, || async { Err::<(), _>(refused(500)) });
    assert!(once.await.is_err());
}
