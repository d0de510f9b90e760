//! One request: what is sent, whom it trusts, and what of an answer is taken.

use std::time::Duration;

use hyper::Response;
use hyper::header::{CONTENT_ENCODING, HeaderName, LOCATION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::issuer::{Issuer, MARK, Sent, ok, status, trusting};
use crate::issuer::{FetchError, HttpEndpoint, HttpLimits, HttpUrl, IssuerTls, UrlError};
use crate::secret::Secret;

const LIMITS: HttpLimits = HttpLimits { time: Duration::from_secs(60), body: 1000 };

pub(super) fn endpoint(url: &str, tls: Option<&IssuerTls>, limits: HttpLimits) -> HttpEndpoint {
    let url = HttpUrl::parse(url, true).unwrap();
    HttpEndpoint::new(&url, tls.map(|tls| tls.load().unwrap()), limits).unwrap()
}

async fn get(url: &str) -> Result<bytes::Bytes, FetchError> {
    endpoint(url, None, LIMITS).get().await
}

#[tokio::test]
async fn a_get_asks_for_json_without_packing_and_a_post_sends_its_form() {
    let issuer = Issuer::http(|_| ok("{}")).await;
    let url = issuer.url();
    assert_eq!(get(&url).await.unwrap(), "{}");
    let form = Secret::new("grant_type=client_credentials");
    let authorization = (HeaderName::from_static("authorization"), Secret::new("Basic YTpi"));
    let answer = endpoint(&url, None, LIMITS).post_form(&[authorization], form.clone()).await.unwrap();
    assert_eq!(answer, (200, "{}".into()));
    let seen = issuer.seen();
    assert_eq!(
        [&*seen[0].line, &*seen[1].line],
        [format!("GET /keys?tenant={MARK}"), format!("POST /keys?tenant={MARK}")]
    );
    let host = format!("127.0.0.1:{}", issuer.port);
    let version = concat!("doorkeeper/", env!("CARGO_PKG_VERSION"));
    let both = [
        ("host", &*host),
        ("accept", "application/json"),
        ("connection", "close"),
        ("accept-encoding", "identity"),
        ("user-agent", version),
    ];
    for (name, value) in both {
        assert!(seen.iter().all(|seen| seen.headers[name] == value), "{name}");
    }
    assert_eq!(seen[0].headers.len(), 5, "{:?}", seen[0].headers);
    assert_eq!(seen[1].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(seen[1].headers["authorization"], "Basic YTpi");
    assert_eq!(seen[1].body, form.expose());
    let bad = (HeaderName::from_static("authorization"), Secret::new("Basic a\r\nX: y"));
    let refused = endpoint(&url, None, LIMITS).post_form(&[bad], form).await;
    assert!(matches!(refused, Err(FetchError::Request)), "{refused:?}");
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn the_certificate_must_be_for_the_host_and_of_a_trusted_authority() {
    let tls = trusting("ca.pem", "ssl.truststore.location");
    let good = Issuer::https("localhost.pem", |_| ok("{}")).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/keys", good.port);
        assert_eq!(endpoint(&url, Some(&tls), LIMITS).get().await.unwrap(), "{}", "{host}");
    }
    let strangers = trusting("nobody.pem", "ssl.truststore.location");
    let refused = [
        ("localhost.pem", &strangers, "TLS: its certificate is of an authority that is not trusted"),
        ("stranger.pem", &tls, "TLS: its certificate is of an authority that is not trusted"),
        ("other.pem", &tls, "TLS: its certificate is for another host"),
    ];
    for (certificate, trust, want) in refused {
        let bad = Issuer::https(certificate, |_| ok("{}")).await;
        let url = format!("https://localhost:{}/keys", bad.port);
        let error = endpoint(&url, Some(trust), LIMITS).get().await.unwrap_err();
        assert_eq!(error.to_string(), want, "{certificate}");
        assert!(error.is_retryable());
        assert_eq!(bad.requests(), 0, "{certificate}: nothing is asked of a stranger");
    }
    let plain = Issuer::http(|_| ok("{}")).await;
    let url = format!("https://127.0.0.1:{}/keys", plain.port);
    let error = endpoint(&url, Some(&tls), LIMITS).get().await.unwrap_err();
    assert!(matches!(error, FetchError::Tls(_)), "{error}");
}

#[tokio::test]
async fn only_200_is_taken_and_what_may_change_is_asked_again() {
    let issuer = Issuer::http(|_| status(200)).await;
    let again = [408, 425, 429, 500, 502, 503, 504, 599];
    let not_again = [201, 204, 206, 400, 401, 403, 404, 405, 410, 413, 451, 501, 505];
    for code in again.into_iter().chain(not_again) {
        issuer.answers(move |_| status(code));
        let error = get(&issuer.url()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("status {code}"));
        assert_eq!(error.is_retryable(), again.contains(&code), "{code}");
    }
    issuer.answers(|_| status(401));
    let answer = endpoint(&issuer.url(), None, LIMITS).post_form(&[], Secret::new("a=b")).await.unwrap();
    assert_eq!(answer, (401, MARK.into()), "a token endpoint says more by its status and body");
}

/// CVE-2025-27817's second half: a redirect goes past every check of the URL.
#[tokio::test]
async fn redirects_are_not_followed_nor_repeated() {
    let target = Issuer::http(|_| ok("{}")).await;
    let elsewhere = target.url();
    let issuer = Issuer::http(|_| ok("{}")).await;
    for (code, to) in [
        (301, elsewhere.clone()),
        (302, "http://169.254.169.254/marked-7f3a".to_owned()),
        (303, "/keys2".to_owned()),
        (307, elsewhere.clone()),
        (308, "file:///etc/passwd".to_owned()),
    ] {
        issuer.answers(move |_| {
            let answer = Response::builder().status(code).header(LOCATION, to.clone());
            answer.body(Sent::Whole(Some(MARK.into()))).unwrap()
        });
        for error in [
            get(&issuer.url()).await.unwrap_err(),
            endpoint(&issuer.url(), None, LIMITS).post_form(&[], Secret::new("a=b")).await.unwrap_err(),
        ] {
            assert!(matches!(error, FetchError::Redirect(got) if got == code), "{error}");
            assert!(!error.is_retryable());
            let text = format!("{error} {error:?}");
            assert!(!text.contains("marked") && !text.contains("169.254") && !text.contains("passwd"), "{text}");
        }
    }
    assert_eq!((target.connections(), issuer.requests()), (0, 10));
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    let issuer = Issuer::http(|_| ok("{}")).await;
    for encoding in ["gzip", "br", "deflate", "identity, gzip", "zstd", ""] {
        issuer.answers(move |_| {
            Response::builder().header(CONTENT_ENCODING, encoding).body(Sent::Whole(Some(MARK.into()))).unwrap()
        });
        let error = get(&issuer.url()).await.unwrap_err();
        assert!(matches!(error, FetchError::Encoded), "{encoding}: {error}");
    }
    issuer.answers(|_| {
        Response::builder().header(CONTENT_ENCODING, "identity").body(Sent::Whole(Some("{}".into()))).unwrap()
    });
    assert_eq!(get(&issuer.url()).await.unwrap(), "{}");
}

#[tokio::test]
async fn no_connection_is_an_error_without_a_word_of_the_target() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let error = get(&format!("http://127.0.0.1:{port}/keys")).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect(_)) && error.is_retryable(), "{error}");
    let error = get("http://issuer.invalid/keys").await.unwrap_err();
    assert!(matches!(error, FetchError::LookUp(_) | FetchError::NoAddress) && error.is_retryable(), "{error}");
}

/// A name that stands for this machine, other than localhost: DNS rebinding. The legacy spellings of an address are names here.
#[tokio::test]
async fn a_name_for_this_machine_is_not_dialled() {
    let issuer = Issuer::http(|_| ok("{}")).await;
    for host in ["0x7f000001", "0xa9fea9fe"] {
        let error = get(&format!("http://{host}:{}/keys", issuer.port)).await.unwrap_err();
        // Not every system's resolver knows this spelling.
        assert!(matches!(error, FetchError::ForbiddenAddress | FetchError::LookUp(_)), "{host}: {error}");
    }
    for host in ["127.1", "2130706433", "0177.0.0.1", "2852039166", "0"] {
        assert_eq!(HttpUrl::parse(&format!("https://{host}/"), true).err(), Some(UrlError::Host), "{host}");
    }
    assert_eq!(issuer.connections(), 0);
    assert!(get(&format!("http://localhost:{}/keys", issuer.port)).await.is_ok());
}

/// What answers is no HTTP, or less or more of it than there should be.
#[tokio::test]
async fn broken_answers_are_errors_without_their_bytes() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", MARK.repeat(10_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "marked-7f3a: x\r\n".repeat(100));
    let answers = [
        ("SSH-2.0-marked-7f3a\r\n", "the answer is no HTTP/1"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nmarked-7f3a", "the answer ended early"),
        ("HTTP/1.1 200 OK\r\nContent-Length: marked-7f3a\r\n\r\n", "the answer is no HTTP/1"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmarke", "the answer ended early"),
        ("", "the answer ended early"),
        (&*huge, "the head of the answer is too large"),
        (&*many, "the head of the answer is too large"),
    ];
    for (answer, want) in answers {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", socket.local_addr().unwrap());
        let answer = answer.to_owned();
        let server = tokio::spawn(async move {
            let (mut tcp, _) = socket.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = tcp.read(&mut head).await.unwrap();
            let _ = tcp.write_all(answer.as_bytes()).await;
            let _ = tcp.shutdown().await;
            // Until the client has had enough: unread bytes would make a reset of it.
            while tcp.read(&mut head).await.is_ok_and(|n| n > 0) {}
        });
        let error = get(&url).await.unwrap_err();
        assert_eq!(error.to_string(), want);
        assert!(!format!("{error:?}").contains("marked") && error.is_retryable(), "{error:?}");
        server.await.unwrap();
    }
}
