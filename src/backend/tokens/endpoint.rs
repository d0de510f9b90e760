//! The client credentials grant (RFC 6749 §4.4): id and secret go to the token endpoint, a token comes back.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use zeroize::{Zeroize, Zeroizing};

use super::{Obtained, TokenError};
use crate::config::TokenEndpoint;
use crate::issuer::{HttpEndpoint, HttpLimits, HttpUrl, IssuerTls};
use crate::secret::Secret;

/// Largest answer of a token endpoint in bytes: a token and a few fields.
const MAX_ANSWER: usize = 128 << 10;
/// Longest part of an endpoint's own words that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// Statuses after which Kafka's client does not ask again: the request itself is wrong, and would be again.
pub(super) const FINAL: [u16; 17] =
    [400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 501, 505];

/// The endpoint with its TLS, as its files are now. Reads files: not for an async worker.
pub(super) fn open(settings: &TokenEndpoint) -> Result<HttpEndpoint, String> {
    let url = HttpUrl::parse(&settings.url.value, settings.allow_http).map_err(|error| error.to_string())?;
    let is_https = settings.url.value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    let tls = match is_https {
        true => Some(IssuerTls::new(settings.tls.clone()).load().map_err(|error| error.to_string())?),
        false => None,
    };
    let limits = HttpLimits { time: settings.connect_timeout + settings.read_timeout, body: MAX_ANSWER };
    HttpEndpoint::new(&url, tls, limits).map_err(|error| error.to_string())
}

/// Asks for a token, again and again as the settings say.
pub(super) async fn ask(settings: &TokenEndpoint) -> Result<Obtained, TokenError> {
    let opened = settings.clone();
    let endpoint = tokio::task::spawn_blocking(move || open(&opened)).await;
    let endpoint = endpoint.map_err(|error| TokenError::Setup(error.to_string()))?.map_err(TokenError::Setup)?;
    let headers = [(AUTHORIZATION, basic(settings)), (CACHE_CONTROL, Secret::new("no-cache"))];
    let form = form(settings.scope.as_deref());
    let (first, longest) = (settings.retry_backoff, settings.retry_backoff_max);
    repeat(first, longest, || ask_once(&endpoint, &headers, &form, settings)).await
}

async fn ask_once(
    endpoint: &HttpEndpoint,
    headers: &[(HeaderName, Secret)],
    form: &str,
    settings: &TokenEndpoint,
) -> Result<Obtained, TokenError> {
    let (status, answer) = endpoint.post_form(headers, Secret::new(form)).await.map_err(TokenError::Fetch)?;
    let result = match status {
        200 | 201 => read_answer(&answer),
        _ => Err(TokenError::Refused { status, words: error_words(&answer, settings) }),
    };
    if let Ok(mut answer) = answer.try_into_mut() {
        answer[..].zeroize();
    }
    result
}

/// Kafka's `Retry`: attempts until one succeeds or is final, or `longest` has passed since the first began; the wait between them
/// begins at `first` and doubles. The first error is what is told.
async fn repeat<T, F>(first: Duration, longest: Duration, mut attempt: impl FnMut() -> F) -> Result<T, TokenError>
where
    F: Future<Output = Result<T, TokenError>>,
{
    let end = Instant::now() + longest;
    let (mut told, mut wait) = (None, first);
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let is_final = !error.is_retryable();
        tracing::debug!(%error, is_final, "the token endpoint gave no token");
        let left = end.saturating_duration_since(Instant::now());
        let error = told.unwrap_or(error);
        if is_final || left.is_zero() || wait.is_zero() {
            return Err(error);
        }
        told = Some(error);
        sleep(wait.min(left)).await;
        wait *= 2;
    }
}

/// HTTP Basic authentication (RFC 7617).
fn basic(settings: &TokenEndpoint) -> Secret {
    let part = |text: &[u8]| {
        let mut part = Zeroizing::new(Vec::new());
        match settings.urlencode_header {
            true => put_form_encoded(&mut part, text),
            false => part.extend_from_slice(text),
        }
        part
    };
    let (id, secret) = (part(settings.client_id.as_bytes()), part(settings.client_secret.expose()));
    let pair = Zeroizing::new([&id[..], b":", &secret].concat());
    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
    Secret::new([b"Basic ", encoded.as_bytes()].concat())
}

fn form(scope: Option<&str>) -> String {
    let mut form = b"grant_type=client_credentials".to_vec();
    if let Some(scope) = scope {
        form.extend_from_slice(b"&scope=");
        put_form_encoded(&mut form, scope.as_bytes());
    }
    // Percent-encoding leaves ASCII.
    String::from_utf8(form).unwrap_or_default()
}

/// `application/x-www-form-urlencoded`, as Java's `URLEncoder` and the WHATWG's URL standard have it.
fn put_form_encoded(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => {
                let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
                out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

/// RFC 6749 §5.1. A field twice is an error.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    token_type: Option<Cow<'a, str>>,
    /// Seconds. Kafka does not look at it, so that what is no number must not hurt where the token itself says its end.
    expires_in: Option<serde_json::Value>,
}

fn read_answer(answer: &Bytes) -> Result<Obtained, TokenError> {
    let Ok(mut answer) = serde_json::from_slice::<Answer<'_>>(answer) else {
        return Err(TokenError::Answer("it is no JSON object with one text access_token"));
    };
    // Kafka's client does not look at the type; a token of another one could not be shown as a bearer token.
    if answer.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(TokenError::Answer("the token is of another type than Bearer"));
    }
    let value = Secret::new(answer.access_token.trim());
    if let Cow::Owned(token) = &mut answer.access_token {
        token.zeroize();
    }
    let seconds = answer.expires_in.as_ref().and_then(serde_json::Value::as_f64);
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Obtained { value, lifetime })
}

/// RFC 6749 §5.2: the error's name and description, or those that some servers use instead; never with our secret in it.
#[derive(Deserialize)]
struct ErrorAnswer {
    #[serde(alias = "errorCode")]
    error: Option<String>,
    #[serde(alias = "errorSummary")]
    error_description: Option<String>,
}

fn error_words(answer: &[u8], settings: &TokenEndpoint) -> String {
    let Ok(answer) = serde_json::from_slice::<ErrorAnswer>(answer) else { return String::new() };
    let words: Vec<String> = [answer.error, answer.error_description].into_iter().flatten().collect();
    let words = words.join(" - ");
    let secret = settings.client_secret.expose();
    if secret.is_empty() || words.as_bytes().windows(secret.len()).any(|part| part == secret) {
        return String::new();
    }
    let shown: String = words.chars().take(MAX_SHOWN).collect();
    shown.escape_debug().to_string()
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
