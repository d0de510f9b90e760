//! What an issuer, or who answers in its place, can do (F-27): each is bounded, and the last good keys stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Response;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, LOCATION};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::issuer::{Issuer, Sent, config, jwks, ok, status, until};
use super::requests::endpoint;
use crate::issuer::{FETCH_TIME_LIMIT, FetchError, HttpLimits, KeySourceConfig, KeySources, MAX_KEY_SET};

const SHORT: HttpLimits = HttpLimits { time: Duration::from_millis(300), body: MAX_KEY_SET };
const LONG: HttpLimits = HttpLimits { time: Duration::from_secs(60), body: MAX_KEY_SET };

#[test]
fn the_bounds_are_what_is_documented() {
    let HttpLimits { time, body } = HttpLimits::default();
    assert_eq!((time, body), (Duration::from_secs(5), 65_536));
    assert_eq!((FETCH_TIME_LIMIT, MAX_KEY_SET), (time, body));
}

#[tokio::test]
async fn the_time_limit_holds_whatever_trickles() {
    let issuer = Issuer::http(|_| ok("")).await;
    // Whole it would take 50 s.
    issuer.answers(|_| Response::new(Sent::drip(vec![b' '; 1000], Duration::from_millis(50))));
    let began = Instant::now();
    let error = endpoint(&issuer.url(), None, SHORT).get().await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout(limit) if limit == SHORT.time), "{error}");
    assert!(began.elapsed() >= SHORT.time);
    // One that accepts and says nothing: in plain text and in the TLS handshake.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let tls = super::issuer::trusting("ca.pem", "ssl.truststore.location");
    for (scheme, tls) in [("http", None), ("https", Some(&tls))] {
        let error = endpoint(&format!("{scheme}://{address}/"), tls, SHORT).get().await.unwrap_err();
        assert!(matches!(error, FetchError::Timeout(_)), "{scheme}: {error}");
    }
}

#[tokio::test]
async fn a_body_is_held_up_to_its_limit_and_no_further() {
    let sent = Arc::new(AtomicUsize::new(0));
    let issuer = Issuer::http(|_| ok(vec![b' '; MAX_KEY_SET])).await;
    assert_eq!(endpoint(&issuer.url(), None, LONG).get().await.unwrap().len(), MAX_KEY_SET);
    issuer.answers(|_| ok(vec![b' '; MAX_KEY_SET + 1]));
    let error = endpoint(&issuer.url(), None, LONG).get().await.unwrap_err();
    assert!(matches!(error, FetchError::TooLong(MAX_KEY_SET)) && !error.is_retryable(), "{error}");
    let counted = sent.clone();
    issuer.answers(move |_| Response::new(Sent::Endless(counted.clone())));
    for form in [false, true] {
        let endpoint = endpoint(&issuer.url(), None, LONG);
        let error = match form {
            false => endpoint.get().await.unwrap_err(),
            true => endpoint.post_form(&[], crate::secret::Secret::new("a=b")).await.unwrap_err(),
        };
        assert!(matches!(error, FetchError::TooLong(_)), "{error}");
    }
    // The rest is what fits into sockets and the server's own buffers.
    assert!(sent.load(Ordering::SeqCst) < 32 << 20, "{} bytes were taken", sent.load(Ordering::SeqCst));
    issuer.answers(|_| {
        let promised = Response::builder().header(CONTENT_LENGTH, u64::MAX / 2);
        promised.body(Sent::Endless(Arc::default())).unwrap()
    });
    let error = endpoint(&issuer.url(), None, LONG).get().await.unwrap_err();
    assert!(matches!(error, FetchError::TooLong(_)), "{error}");
}

/// Keys that are in use stay in use by the second whatever the issuer says, and a login by them waits for nothing.
#[tokio::test]
async fn the_last_good_keys_outlive_every_bad_answer() {
    let page = "<!doctype html><title>We are back soon</title>";
    let many = format!("{{\"keys\":[{}]}}", vec!["{}"; 100_000].join(","));
    let some = format!("{{\"keys\":[{}]}}", vec!["{}"; 20_000].join(","));
    let symmetric = r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"c2VjcmV0"}]}"#;
    type Bad = Box<dyn Fn(usize) -> Response<Sent> + Send + Sync>;
    let text = |body: &str| -> Bad {
        let body = body.to_owned();
        Box::new(move |_| ok(body.clone()))
    };
    let bad: Vec<(&str, Bad)> = vec![
        ("a page with status 200", text(page)),
        ("nothing", text("")),
        ("no key", text(r#"{"keys":[]}"#)),
        ("no usable key", text(symmetric)),
        ("no set", text(r#"{"key":[]}"#)),
        ("an array", text("[]")),
        ("half a set", text(r#"{"keys":[{"kty":"EC""#)),
        ("100,000 keys", text(&many)),
        ("20,000 keys in 64 KiB", text(&some)),
        ("no UTF-8", Box::new(|_| ok(vec![0xff; 100]))),
        ("an endless body", Box::new(|_| Response::new(Sent::Endless(Arc::default())))),
        ("404", Box::new(|_| status(404))),
        ("503", Box::new(|_| status(503))),
        (
            "a redirect",
            Box::new(|_| Response::builder().status(302).header(LOCATION, "/other").body(Sent::Whole(None)).unwrap()),
        ),
        (
            "gzip",
            Box::new(|_| {
                Response::builder()
                    .header(CONTENT_ENCODING, "gzip")
                    .body(Sent::Whole(Some(jwks(&["b"]).into())))
                    .unwrap()
            }),
        ),
    ];
    let issuer = Issuer::http(|_| ok(jwks(&["a"]))).await;
    let sources = KeySources::new(Handle::current());
    let source = sources.source(&KeySourceConfig { early_interval: Duration::ZERO, ..config(&issuer.url()) }).unwrap();
    source.first_fetch(Duration::from_secs(60)).await;
    for (n, (what, answer)) in bad.into_iter().enumerate() {
        issuer.answers(answer);
        let before = source.status();
        let judged_by = source.keys_for(Some(&format!("unknown {n}"))).await.expect(what);
        assert!(judged_by.has_kid("a") && judged_by.len() == 1, "{what}");
        let after = source.status();
        assert_eq!((after.failed, after.fetched), (before.failed + 1, before.fetched), "{what}");
        assert!(source.keys_for(Some("a")).await.is_ok(), "{what}");
    }
    issuer.serves(jwks(&["a", "b"]));
    assert!(source.keys_for(Some("b")).await.unwrap().has_kid("b"), "and it recovers");
}

/// An issuer that hangs holds up only tokens whose key is not known.
#[tokio::test]
async fn known_keys_wait_for_nobody() {
    let issuer = Issuer::http(|_| ok(jwks(&["a"]))).await;
    let sources = KeySources::new(Handle::current());
    let source = sources.source(&config(&issuer.url())).unwrap();
    source.first_fetch(Duration::from_secs(60)).await;
    issuer.answers(|_| Response::new(Sent::drip(vec![b' '; 100_000], Duration::from_millis(200))));
    let waiting = tokio::spawn({
        let source = source.clone();
        async move { source.keys_for(Some("b")).await }
    });
    until("the early fetch hangs", || issuer.requests() == 2).await;
    for _ in 0..1000 {
        // Not even one turn of the runtime.
        let mut known = std::pin::pin!(source.keys_for(Some("a")));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(known.as_mut().poll(cx))).await;
        assert!(matches!(polled, std::task::Poll::Ready(Ok(_))));
    }
    assert!(!waiting.is_finished());
    let judged_by = waiting.await.unwrap().expect("the old keys");
    assert!(!judged_by.has_kid("b"));
    assert_eq!(source.status().failed, 1, "by the time limit of the fetch");
}
