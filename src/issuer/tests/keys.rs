//! Keys that come and go at an issuer that answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::issuer::{Issuer, MARK, Sent, config, jwks, ok, scratch, status, trusting, until};
use crate::issuer::{KeySource, KeySourceConfig, KeySources, NoKeys};

const LIMIT: Duration = Duration::from_secs(60);

async fn started(config: &KeySourceConfig) -> (KeySources, Arc<KeySource>) {
    let sources = KeySources::new(Handle::current());
    let source = sources.source(config).unwrap();
    source.first_fetch(LIMIT).await;
    (sources, source)
}

#[tokio::test]
async fn keys_are_fetched_once_and_serve_all() {
    let issuer = Issuer::https("localhost.pem", |_| ok(jwks(&["a", "b"]))).await;
    let url = format!("https://localhost:{}/keys?tenant={MARK}", issuer.port);
    let config = KeySourceConfig { tls: trusting("ca.pem", "ssl.truststore.location"), ..config(&url) };
    let (sources, source) = started(&config).await;
    for kid in [Some("a"), Some("b"), None] {
        assert_eq!(source.keys_for(kid).await.unwrap().len(), 2, "{kid:?}");
    }
    assert_eq!(issuer.requests(), 1);
    let status = sources.status();
    assert_eq!(status.len(), 1);
    assert_eq!((status[0].keys, status[0].fetched, status[0].failed, status[0].early), (2, 1, 0, 0));
    assert!(status[0].age.is_some());
    assert_eq!(status[0].url, format!("https://localhost:{}/keys", issuer.port), "a query may hold a secret");
}

/// F-28. The first login with the new key succeeds, with overlap and without.
#[tokio::test]
async fn a_new_key_is_fetched_for_the_first_token_that_names_it() {
    let issuer = Issuer::http(|_| ok(jwks(&["old"]))).await;
    let (_sources, source) =
        started(&KeySourceConfig { early_interval: Duration::ZERO, ..config(&issuer.url()) }).await;
    issuer.serves(jwks(&["old", "new"]));
    let keys = source.keys_for(Some("new")).await.unwrap();
    assert!(keys.has_kid("new") && keys.has_kid("old"));
    issuer.serves(jwks(&["newer"]));
    let keys = source.keys_for(Some("newer")).await.unwrap();
    assert!(keys.has_kid("newer") && !keys.has_kid("old") && !keys.has_kid("new"), "a removed key is gone");
    assert_eq!((issuer.requests(), source.status().early), (3, 2));
}

#[tokio::test]
async fn a_removed_key_is_gone_with_the_next_refresh() {
    let issuer = Issuer::http(|_| ok(jwks(&["old", "new"]))).await;
    let (_sources, source) =
        started(&KeySourceConfig { refresh: Duration::from_millis(1), ..config(&issuer.url()) }).await;
    issuer.serves(jwks(&["new"]));
    until("the old key is gone", || source.keys().is_some_and(|keys| !keys.has_kid("old") && keys.has_kid("new")))
        .await;
    assert_eq!(source.status().early, 0);
}

/// What SIGHUP does: a key that was taken back is not waited for.
#[tokio::test]
async fn the_operator_may_have_the_keys_fetched_at_any_time() {
    let issuer = Issuer::http(|_| ok(jwks(&["old", "new"]))).await;
    let (sources, source) = started(&config(&issuer.url())).await;
    for kids in [&["new"][..], &["newer"]] {
        issuer.serves(jwks(kids));
        sources.fetch_now();
        until("it is fetched", || source.keys().is_some_and(|keys| keys.has_kid(kids[0]) && keys.len() == 1)).await;
    }
    assert_eq!((issuer.requests(), source.status().early), (3, 0));
}

/// All who wait for the same fetch get its keys: a rotation under a storm of logins is one fetch.
#[tokio::test]
async fn many_logins_share_one_early_fetch() {
    let issuer = Issuer::http(|_| ok(jwks(&["old"]))).await;
    let (_sources, source) = started(&config(&issuer.url())).await;
    issuer.answers(|_| Response::new(Sent::drip(jwks(&["new"]), Duration::from_millis(2))));
    let mut logins = JoinSet::new();
    for n in 0..500 {
        let source = source.clone();
        logins.spawn(async move {
            let kid = if n % 2 == 0 { "new".to_owned() } else { format!("made up {n}") };
            source.keys_for(Some(&kid)).await.unwrap().has_kid("new")
        });
    }
    while let Some(found) = logins.join_next().await {
        assert!(found.unwrap());
    }
    assert_eq!((issuer.requests(), source.status().early), (2, 1));
}

/// SEC-16: made-up ids cannot drive fetches.
#[tokio::test]
async fn a_hundred_thousand_unknown_ids_cause_one_early_fetch() {
    let issuer = Issuer::http(|_| ok(jwks(&["a"]))).await;
    let (_sources, source) = started(&config(&issuer.url())).await;
    let mut logins = JoinSet::new();
    for worker in 0..8 {
        let source = source.clone();
        logins.spawn(async move {
            for n in 0..12_500 {
                let keys = source.keys_for(Some(&format!("made up {worker} {n}"))).await.unwrap();
                assert!(keys.has_kid("a"), "what is there is what the token is judged by");
                assert!(source.status().early <= 1, "after {n}");
            }
        });
    }
    while let Some(done) = logins.join_next().await {
        done.unwrap();
    }
    assert_eq!(issuer.requests(), 2, "at the start, and one early");
    let status = source.status();
    assert_eq!((status.early, status.fetched), (1, 2));
    assert!(status.throttled >= 100_000 - 8, "{}", status.throttled);
    assert!(source.keys_for(Some(&"k".repeat(1 << 20))).await.is_ok());
    assert_eq!(issuer.requests(), 2);
}

/// F-25: down at the start is no error, and no token is judged; up again, it is noticed.
#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_tried_again() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", socket.local_addr().unwrap());
    let address = socket.local_addr().unwrap();
    drop(socket);
    let (sources, source) = started(&config(&url)).await;
    assert_eq!(source.keys_for(Some("a")).await.err(), Some(NoKeys));
    assert_eq!(source.keys_for(None).await.err(), Some(NoKeys));
    let status = &sources.status()[0];
    assert_eq!((status.keys, status.age, status.fetched), (0, None, 0));
    assert!(status.failed >= 1);
    let socket = TcpListener::bind(address).await.unwrap();
    let _issuer = Issuer::start(socket, None, Box::new(|_| ok(jwks(&["a"]))));
    until("the keys are there", || source.keys().is_some()).await;
    assert!(source.keys_for(Some("a")).await.is_ok());
}

/// Where asking again will not help, only a login that finds no keys asks once more, and then the throttle rules.
#[tokio::test]
async fn a_status_that_will_not_change_stops_the_retries() {
    let issuer = Issuer::http(|_| status(404)).await;
    let (_sources, source) = started(&config(&issuer.url())).await;
    // Retries would come every 20 to 100 ms.
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(issuer.requests(), 1);
    for _ in 0..3 {
        assert_eq!(source.keys_for(Some("a")).await.err(), Some(NoKeys));
    }
    assert_eq!((issuer.requests(), source.status().throttled), (2, 3));
    let issuer = Issuer::http(|_| status(503)).await;
    let (_sources, _source) = started(&config(&issuer.url())).await;
    until("it is tried on and on", || issuer.requests() >= 5).await;
}

#[tokio::test]
async fn equal_configurations_share_a_source_that_ends_with_its_last_user() {
    let issuer = Issuer::http(|_| ok(jwks(&["a"]))).await;
    let of = |refresh, key| KeySourceConfig {
        refresh: Duration::from_millis(refresh),
        tls: trusting("ca.pem", key),
        ..config(&issuer.url())
    };
    let (sources, one) = started(&of(1000, "listener.name.a.ssl.truststore.location")).await;
    let same = sources.source(&of(1000, "listener.name.b.ssl.truststore.location")).unwrap();
    assert!(Arc::ptr_eq(&one, &same), "where a value stands makes no difference");
    let other = sources.source(&of(3_600_000, "ssl.truststore.location")).unwrap();
    let trusting_others = KeySourceConfig { tls: trusting("nobody.pem", "ssl.truststore.location"), ..of(1000, "x") };
    let third = sources.source(&trusting_others).unwrap();
    assert!(!Arc::ptr_eq(&one, &other) && !Arc::ptr_eq(&one, &third));
    sources.first_fetches(LIMIT).await;
    let status = sources.status();
    assert_eq!((status.len(), status[0].fetched >= 3), (1, true), "one URL is shown once: {status:?}");
    assert_eq!(HashSet::from([of(1000, "x"), of(1000, "y"), of(1001, "x")]).len(), 2);
    drop((one, third));
    let before = issuer.requests();
    until("one that is in use goes on", || issuer.requests() > before).await;
    drop((same, other));
    assert!(sources.status().is_empty());
    let stopped = issuer.requests();
    sleep(Duration::from_millis(2500)).await;
    assert!(issuer.requests() <= stopped + 1, "at most the fetch that was under way");
    let again = sources.source(&of(1000, "x")).unwrap();
    again.first_fetch(LIMIT).await;
    assert!(again.keys().is_some());
}

/// The authorities may be replaced while the server runs.
#[tokio::test]
async fn a_trust_store_that_changes_counts_from_the_next_fetch_on() {
    let issuer = Issuer::https("localhost.pem", |_| ok(jwks(&["a"]))).await;
    let url = format!("https://localhost:{}/keys", issuer.port);
    let store = scratch("trust").join("trusted.pem");
    std::fs::copy(super::issuer::file("nobody.pem"), &store).unwrap();
    let config = KeySourceConfig { tls: trusting(store.to_str().unwrap(), "x"), ..config(&url) };
    let (_sources, source) = started(&config).await;
    assert_eq!((source.status().keys, issuer.requests()), (0, 0));
    std::fs::write(&store, "no certificate").unwrap();
    let failed = source.status().failed;
    until("it is tried with the last good store", || source.status().failed > failed + 1).await;
    std::fs::copy(super::issuer::file("ca.pem"), &store).unwrap();
    until("the new authority is trusted", || source.keys().is_some()).await;
}

#[tokio::test]
async fn a_bad_trust_store_is_an_error_at_once() {
    let config =
        KeySourceConfig { tls: trusting("missing.pem", "a.ssl.truststore.location"), ..config("https://localhost:1/") };
    let error = KeySources::new(Handle::current()).source(&config).unwrap_err().to_string();
    assert!(error.starts_with("issuer: a.ssl.truststore.location (f:1): "), "{error}");
    let http = KeySourceConfig { tls: config.tls.clone(), ..super::issuer::config("http://127.0.0.1:1/") };
    assert!(KeySources::new(Handle::current()).source(&http).is_ok(), "not read where it is not needed");
}

#[test]
fn without_a_runtime_there_is_no_source() {
    let error = KeySources::default().source(&config("http://127.0.0.1:1/")).unwrap_err();
    assert!(matches!(error, crate::issuer::KeySourceError::NoRuntime), "{error}");
}

#[tokio::test]
async fn a_stop_ends_all_fetching_and_leaves_the_keys() {
    let issuer = Issuer::http(|_| ok(jwks(&["a"]))).await;
    let (sources, source) =
        started(&KeySourceConfig { refresh: Duration::from_millis(1), ..config(&issuer.url()) }).await;
    sources.stop();
    sleep(Duration::from_millis(200)).await;
    let stopped = issuer.requests();
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(issuer.requests(), stopped);
    assert!(source.keys_for(Some("a")).await.is_ok());
}
