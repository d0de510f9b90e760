//! The course of hours, by a clock that the test moves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, advance, sleep};
use tokio_util::sync::CancellationToken;

use super::issuer::{config, jwks};
use crate::issuer::fault::FetchError;
use crate::issuer::origin::{Fetched, KeyFault, Origin};
use crate::issuer::{KeySource, KeySourceConfig, NoKeys};
use crate::jwt::KeySet;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The ids of the keys, or the status of a failure.
type Answer = Result<Vec<&'static str>, u16>;

/// An issuer that is up or down, and when it was asked.
#[derive(Clone)]
struct Script {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Script {
    fn new(first: Answer) -> Self {
        Self { answer: Arc::new(Mutex::new(first)), asked: Arc::default() }
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn start(&self, config: KeySourceConfig) -> KeySource {
        let script = self.clone();
        let origin = Origin::Scripted(Box::new(move || {
            script.asked.lock().unwrap().push(Instant::now());
            match script.answer.lock().unwrap().clone() {
                Ok(kids) => Ok(Fetched::New(KeySet::parse(&jwks(&kids)).unwrap().0, Vec::new())),
                Err(status) => Err(KeyFault::Fetch(FetchError::Status(status))),
            }
        }));
        KeySource::start(config, origin, &Handle::current(), &CancellationToken::new())
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Seconds between one try and the next.
    fn waits(&self) -> Vec<f64> {
        self.asked
            .lock()
            .unwrap()
            .windows(2)
            .map(|pair| ((pair[1] - pair[0]).as_secs_f64() * 100.0).round() / 100.0)
            .collect()
    }
}

/// As by Kafka's defaults.
fn defaults() -> KeySourceConfig {
    KeySourceConfig {
        retry_backoff: Duration::from_millis(100),
        retry_backoff_max: 10 * SECOND,
        ..config("http://127.0.0.1:1/")
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_by_the_period() {
    let issuer = Script::new(Ok(vec!["a"]));
    let _source = issuer.start(defaults());
    sleep(3 * HOUR + SECOND).await;
    assert_eq!(issuer.waits(), [3600.0, 3600.0, 3600.0]);
    let issuer = Script::new(Ok(vec!["a"]));
    let _source = issuer.start(KeySourceConfig { refresh: Duration::from_millis(1), ..defaults() });
    sleep(Duration::from_millis(3500)).await;
    assert_eq!(issuer.waits(), [1.0, 1.0, 1.0], "not more often than once in a second");
    let issuer = Script::new(Ok(vec!["a"]));
    let _source = issuer.start(KeySourceConfig { refresh: Duration::MAX, ..defaults() });
    sleep(HOUR).await;
    assert_eq!(issuer.asked(), 1, "and no overflow");
}

/// F-26, REL-18.
#[tokio::test(start_paused = true)]
async fn the_last_keys_serve_until_they_are_too_old_and_not_longer() {
    let issuer = Script::new(Ok(vec!["a"]));
    let source = issuer.start(defaults());
    sleep(SECOND).await;
    issuer.set(Err(503));
    for _ in 0..23 {
        sleep(HOUR).await;
        assert!(source.keys_for(Some("a")).await.is_ok());
    }
    sleep(HOUR - 2 * SECOND).await;
    assert!(source.keys_for(Some("a")).await.is_ok(), "{:?}", source.status());
    sleep(2 * SECOND).await;
    assert!(source.keys().is_none());
    assert_eq!(source.keys_for(Some("a")).await.err(), Some(NoKeys));
    assert_eq!(source.keys_for(None).await.err(), Some(NoKeys));
    let status = source.status();
    assert_eq!((status.keys, status.age > Some(24 * HOUR)), (0, true));
    issuer.set(Ok(vec!["a"]));
    sleep(11 * SECOND).await;
    assert!(source.keys_for(Some("a")).await.is_ok(), "as soon as it is up again");
}

#[tokio::test(start_paused = true)]
async fn waits_between_tries_double_up_to_the_limit_and_start_anew() {
    let issuer = Script::new(Err(503));
    let _source = issuer.start(defaults());
    sleep(60 * SECOND).await;
    let growing = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0];
    assert_eq!(issuer.waits(), growing);
    issuer.set(Ok(vec!["a"]));
    sleep(10 * SECOND).await;
    issuer.set(Err(503));
    issuer.asked.lock().unwrap().clear();
    sleep(HOUR + SECOND).await;
    assert_eq!(issuer.waits()[..3], growing[..3]);
    let issuer = Script::new(Err(404));
    let _source = issuer.start(defaults());
    sleep(HOUR + SECOND).await;
    assert_eq!(issuer.waits(), [3600.0], "not again before the period");
    let issuer = Script::new(Err(503));
    let _source = issuer.start(KeySourceConfig { retry_backoff: 60 * SECOND, ..defaults() });
    sleep(25 * SECOND).await;
    assert_eq!(issuer.waits(), [10.0, 10.0], "the limit holds for the first wait too");
}

/// An early fetch that fails is one fetch: retries would be driven by strangers.
#[tokio::test(start_paused = true)]
async fn strangers_drive_one_fetch_per_interval_even_at_an_issuer_that_fails() {
    let issuer = Script::new(Ok(vec!["a"]));
    let source = issuer.start(defaults());
    sleep(SECOND).await;
    for answer in [Ok(vec!["a"]), Err(503), Err(404)] {
        issuer.set(answer.clone());
        let before = issuer.asked();
        // 10 minutes, well before the next refresh.
        for n in 0..600 {
            for m in 0..5 {
                assert!(source.keys_for(Some(&format!("made up {n} {m}"))).await.unwrap().has_kid("a"));
            }
            sleep(SECOND).await;
        }
        let fetches = issuer.asked() - before;
        assert!((10..=11).contains(&fetches), "{answer:?}: {fetches} in 10 minutes");
    }
    let least = issuer.waits().into_iter().fold(f64::MAX, f64::min);
    assert!(least >= 1.0, "{least}");
    assert!(issuer.waits().iter().filter(|wait| **wait < 60.0).count() <= 1, "{:?}", issuer.waits());
}

/// A new key waits at most for the interval while strangers use it up.
#[tokio::test(start_paused = true)]
async fn a_new_key_is_usable_within_the_interval_under_a_flood() {
    let issuer = Script::new(Ok(vec!["old"]));
    let source = issuer.start(defaults());
    sleep(SECOND).await;
    assert!(!source.keys_for(Some("made up")).await.unwrap().has_kid("new"));
    issuer.set(Ok(vec!["old", "new"]));
    let began = Instant::now();
    let mut n = 0;
    while !source.keys_for(Some("new")).await.unwrap().has_kid("new") {
        n += 1;
        source.keys_for(Some(&n.to_string())).await.unwrap();
        sleep(SECOND).await;
    }
    assert!((59 * SECOND..=61 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
}

/// F-24: many periods pass at once, and an early fetch is asked for: one fetch, and then at most one in a second.
#[tokio::test(start_paused = true)]
async fn a_long_pause_is_followed_by_no_burst() {
    let issuer = Script::new(Ok(vec!["a"]));
    let source = issuer.start(KeySourceConfig { refresh: 2 * SECOND, early_interval: Duration::ZERO, ..defaults() });
    sleep(SECOND).await;
    let before = issuer.asked();
    advance(Duration::from_secs(600)).await;
    let resumed = Instant::now();
    for n in 0..5 {
        source.keys_for(Some(&format!("unknown {n}"))).await.unwrap();
    }
    let seconds = resumed.elapsed().as_secs_f64();
    let fetches = issuer.asked() - before;
    assert!(fetches as f64 <= seconds + 1.0, "{fetches} in {seconds} s");
    assert!(fetches >= 2, "the refresh and the early ones, at their pace");
    assert!(issuer.waits().iter().all(|wait| *wait >= 1.0), "{:?}", issuer.waits());
}
