//! A doorkeeper of a trial's own before a counting stand-in, whose only listener takes tokens, and a stream of logins at it.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto_tests::bearer::{JAAS, VALIDATOR};
use proto_tests::front::{Front, Spec};
use proto_tests::http::scrape;
use proto_tests::issuer::AUDIENCE;
use proto_tests::oauthbearer::{self, Outcome, exchange, initial};
use proto_tests::standin::Standin;
use proto_tests::wire::Conn;
use proto_tests::{Result, address};

pub struct Own {
    pub front: Front,
    pub metrics: SocketAddr,
    _backend: Standin,
}

/// The key of the listener for OAUTHBEARER, with that end.
pub fn key(end: &str) -> String {
    format!("listener.name.sasl_plaintext.oauthbearer.{end}")
}

/// What it is started with: keys from that URL, tokens of that issuer; new keys may be asked for once a second. PLAIN beside it.
pub fn spec(backend: &Standin, jwks_url: &str, issuer: &str) -> Result<(Spec, SocketAddr)> {
    let mut spec = Spec::new(&backend.at.to_string())?;
    let host = spec.host();
    let metrics = SocketAddr::from((host, address::free_ports(host, 20_000, 1)?));
    spec.set("sasl.enabled.mechanisms", "OAUTHBEARER,PLAIN")
        .set(&key("sasl.jaas.config"), JAAS)
        .set(&key("sasl.server.callback.handler.class"), VALIDATOR)
        .set(&key("sasl.oauthbearer.jwks.endpoint.url"), jwks_url)
        .set(&key("sasl.oauthbearer.expected.issuer"), issuer)
        .set(&key("sasl.oauthbearer.expected.audience"), AUDIENCE)
        .set(&key("sasl.oauthbearer.jwks.endpoint.early.refresh.ms"), "1000")
        .set("metrics.listeners", &format!("http://{metrics}"))
        .set("connection.failed.authentication.delay.ms", "1");
    Ok((spec, metrics))
}

pub fn start(jwks_url: &str, issuer: &str, set: impl FnOnce(&mut Spec)) -> Result<Own> {
    let backend = Standin::start(Standin::reserve()?)?;
    let (mut spec, metrics) = spec(&backend, jwks_url, issuer)?;
    set(&mut spec);
    Ok(Own { front: spec.start()?, metrics, _backend: backend })
}

impl Own {
    pub fn log_in(&self, token: &str) -> Result<()> {
        oauthbearer::log_in(&mut Conn::open(self.front.sasl())?, token).map(drop)
    }

    pub fn outcome(&self, token: &str) -> Result<Outcome> {
        exchange(&mut Conn::open(self.front.sasl())?, initial(token))
    }

    /// By the other mechanism, which has to succeed whatever the issuer does.
    pub fn log_in_with_a_password(&self) -> Result<()> {
        Conn::login(self.front.sasl(), "alice", "alice-secret").map(drop)
    }

    /// The sum of all samples whose name begins so.
    pub fn sample(&self, name: &str) -> Result<f64> {
        Ok(scrape(self.metrics)?.into_iter().filter(|(k, _)| k.starts_with(name)).map(|(_, v)| v).sum())
    }

    /// Fetches of the keys since its start, whatever came of them.
    pub fn fetches(&self) -> Result<f64> {
        self.sample("doorkeeper_issuer_key_fetches_total")
    }
}

/// What came of a stream of logins.
#[derive(Debug, Default)]
pub struct Stream {
    /// How long each took that got in, in no order.
    pub times: Vec<Duration>,
    /// What the others were told, the first few.
    pub failed: Vec<String>,
    pub failures: usize,
}

impl Stream {
    pub fn percentile(&self, of_hundred: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        times.get((times.len() * of_hundred / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Logs in again and again on two threads, each time with a new token of `token`, while `meanwhile` runs.
pub fn stream<T>(
    at: SocketAddr,
    token: impl Fn() -> Result<String> + Sync,
    meanwhile: impl FnOnce(&Progress) -> Result<T>,
) -> Result<(Stream, T)> {
    const THREADS: usize = 2;
    let (done, seen) = (AtomicBool::new(false), Mutex::new(Stream::default()));
    let progress = Progress(AtomicUsize::new(0));
    let value = std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let got = timed(at, &token);
                    let mut seen = seen.lock().expect("no holder panics");
                    match got {
                        Ok(time) => seen.times.push(time),
                        Err(why) => {
                            seen.failures += 1;
                            if seen.failed.len() < 5 {
                                seen.failed.push(why);
                            }
                        }
                    }
                    drop(seen);
                    progress.0.fetch_add(1, Ordering::Relaxed);
                    // Two cores: what is looked at is not how many there can be.
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        let value = meanwhile(&progress);
        done.store(true, Ordering::Relaxed);
        value
    })?;
    Ok((seen.into_inner().map_err(|e| e.to_string())?, value))
}

fn timed(at: SocketAddr, token: &impl Fn() -> Result<String>) -> Result<Duration> {
    let token = token()?;
    let begin = Instant::now();
    oauthbearer::log_in(&mut Conn::open(at)?, &token)?;
    Ok(begin.elapsed())
}

/// How many logins have ended.
pub struct Progress(AtomicUsize);

impl Progress {
    /// Waits until that many more have ended.
    pub fn wait_more(&self, logins: usize) -> Result<()> {
        let goal = self.0.load(Ordering::Relaxed) + logins;
        proto_tests::wait_for(&format!("{logins} logins"), Duration::from_secs(60), || {
            let now = self.0.load(Ordering::Relaxed);
            if now >= goal { Ok(()) } else { Err(format!("{} are missing", goal - now)) }
        })
    }
}
