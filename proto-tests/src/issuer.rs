//! A real OpenID Connect issuer (npm's oidc-provider, `clients/issuer`): discovery, JWKS, and tokens by the client credentials
//! grant, over http and https. Its keys are made here, so that trials can sign what it never would.
//!
//!     let issuer = Issuer::start()?;
//!     let token = issuer.grant(ALICE)?;                                   // as a client gets it
//!     let token = issuer.token(Algorithm::Es256, &claims(&issuer, "bob"))?; // signed with its key
//!     issuer.rotate(Rotation::HardSwap)?;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::jose::{self, Algorithm, SigningKey};
use crate::pki::{self, stores};
use crate::process::{self, Background};
use crate::{Context, Result, address, check_eq, http, programs, progress, scratch};

/// The audience of its tokens: what listeners expect.
pub const AUDIENCE: &str = "proto-tests-kafka";

/// Someone who gets tokens by the client credentials grant. The name is the token's subject; the secret is `<name>-secret`.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub name: &'static str,
    pub audience: &'static str,
    pub algorithm: Algorithm,
    /// How long its tokens live.
    pub seconds: u32,
}

impl Client {
    pub fn secret(self) -> String {
        format!("{}-secret", self.name)
    }
}

pub const ALICE: Client = Client { name: "alice", audience: AUDIENCE, algorithm: Algorithm::Rs256, seconds: 600 };
pub const BOB: Client = Client { name: "bob", audience: AUDIENCE, algorithm: Algorithm::Es256, seconds: 600 };
/// Its tokens end after ten seconds.
pub const BRIEF: Client = Client { name: "brief", audience: AUDIENCE, algorithm: Algorithm::Rs256, seconds: 10 };
/// Its tokens are for another audience.
pub const STRANGER: Client =
    Client { name: "stranger", audience: "another-service", algorithm: Algorithm::Rs256, seconds: 600 };
/// Who doorkeeper is towards its backend.
pub const FRONT: Client = Client { name: "front", audience: AUDIENCE, algorithm: Algorithm::Rs256, seconds: 600 };
pub const CLIENTS: [Client; 5] = [ALICE, BOB, BRIEF, STRANGER, FRONT];

/// How new keys take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new keys are published beside the old ones, which still sign.
    Announce,
    /// The new keys sign; the old ones are published still.
    Overlap,
    /// The new keys sign, and nothing else is published.
    HardSwap,
}

/// A running issuer. Dropping it kills it.
pub struct Issuer {
    pub http: SocketAddr,
    pub https: SocketAddr,
    control: SocketAddr,
    settings: PathBuf,
    log: PathBuf,
    process: Mutex<Option<Background>>,
    keys: Mutex<Keys>,
}

/// Its keys, one generation for RS256 and ES256 after the other.
struct Keys {
    all: Vec<Arc<SigningKey>>,
    /// Generations so far; those of the last that sign.
    generation: usize,
    signing: usize,
}

impl Keys {
    fn next(&mut self) -> Result<()> {
        self.generation += 1;
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let kid = format!("{}-{}", algorithm.name().to_lowercase(), self.generation);
            self.all.push(Arc::new(SigningKey::new(&kid, algorithm)?));
        }
        Ok(())
    }

    fn of(&self, algorithm: Algorithm, generation: usize) -> Result<Arc<SigningKey>> {
        let kid = format!("{}-{generation}", algorithm.name().to_lowercase());
        self.all.iter().find(|k| k.kid == kid).cloned().ok_or_else(|| format!("no key {kid}"))
    }

    fn value(&self) -> Result<Value> {
        let key = |k: &Arc<SigningKey>| Ok(json!({"kid": k.kid, "alg": k.algorithm.name(), "pem": k.pem()?}));
        let all: Vec<Value> = self.all.iter().map(key).collect::<Result<_>>()?;
        let end = format!("-{}", self.signing);
        let sign: Vec<&str> = self.all.iter().map(|k| &*k.kid).filter(|kid| kid.ends_with(&end)).collect();
        Ok(json!({"keys": all, "sign": sign}))
    }
}

impl Issuer {
    /// Starts one with new keys, and waits until it serves.
    pub fn start() -> Result<Issuer> {
        let n = address::next(address::Role::Issuer);
        let host = address::issuer(n);
        let port = address::free_ports(host, 18_000, 3)?;
        let at = |offset| SocketAddr::from((host, port + offset));
        let (http, https, control) = (at(0), at(1), at(2));
        let dir = scratch::dir(&format!("issuer-{n}"));
        let leaf = pki::get()?.ca.server(&format!("issuer-{n}"), &[&host.to_string(), "localhost"])?;
        let mut keys = Keys { all: Vec::new(), generation: 0, signing: 1 };
        keys.next()?;
        let mut settings = json!({
            "host": host.to_string(),
            "ports": {"http": http.port(), "https": https.port(), "control": control.port()},
            "issuer": format!("https://{https}"),
            "resource": "urn:proto-tests:kafka",
            "tls": stores::pem_text(&leaf)?,
            "clients": CLIENTS.map(|c| json!({
                "id": c.name, "secret": c.secret(), "audience": c.audience, "alg": c.algorithm.name(), "seconds": c.seconds,
            })),
        });
        let signing = keys.value()?;
        settings["keys"] = signing["keys"].clone();
        settings["sign"] = signing["sign"].clone();
        let file = dir.join("settings.json");
        fs::write(&file, settings.to_string()).context("write the issuer's settings")?;
        let issuer = Issuer {
            http,
            https,
            control,
            settings: file,
            log: dir.join("log"),
            process: Mutex::new(None),
            keys: Mutex::new(keys),
        };
        issuer.serve()?;
        Ok(issuer)
    }

    fn serve(&self) -> Result<()> {
        let program = programs::prepare("issuer")?;
        let mut words = program.split_whitespace();
        let mut command = process::command(words.next().ok_or("no command")?);
        command.args(words).arg(&self.settings);
        // What an earlier start has said must not be taken for a word of this one.
        let _ = fs::remove_file(&self.log);
        let mut process = Background::start("the issuer", command, &self.log)?;
        process.wait_output("the issuer is ready", Duration::from_secs(60))?;
        *self.process() = Some(process);
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Option<Background>> {
        self.process.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Its identifier: the `iss` of its tokens.
    pub fn url(&self) -> String {
        format!("https://{}", self.https)
    }

    /// Where its keys are, by http.
    pub fn jwks_url(&self) -> String {
        format!("http://{}/jwks", self.http)
    }

    /// The same by https; the run's authority has signed its certificate.
    pub fn jwks_url_https(&self) -> String {
        format!("https://{}/jwks", self.https)
    }

    /// Where clients get tokens, by http.
    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.http)
    }

    pub fn token_url_https(&self) -> String {
        format!("https://{}/token", self.https)
    }

    /// All URLs that a Kafka may have to be allowed, as its system property takes them.
    pub fn allowed_urls(&self) -> String {
        [self.jwks_url(), self.jwks_url_https(), self.token_url(), self.token_url_https()].join(",")
    }

    /// A token by the client credentials grant.
    pub fn grant(&self, client: Client) -> Result<String> {
        let login = STANDARD.encode(format!("{}:{}", client.name, client.secret()));
        let headers = format!("Authorization: Basic {login}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        let reply = http::post(self.http, "/token", &headers, "grant_type=client_credentials")?;
        check_eq!(reply.status, 200, "a grant for {}: {}", client.name, reply.body);
        let answer: Value = serde_json::from_str(&reply.body).context("the issuer's answer")?;
        answer["access_token"].as_str().map(str::to_owned).ok_or_else(|| "no access_token in the answer".into())
    }

    /// The claims that it would put into a token for that subject, for ten minutes from now. Trials change what they like.
    pub fn claims(&self, subject: &str) -> Value {
        let now = jose::now();
        json!({"sub": subject, "iss": self.url(), "aud": AUDIENCE, "iat": now, "exp": now + 600})
    }

    /// Those claims, signed with the key that signs now: for RS256 or ES256.
    pub fn token(&self, algorithm: Algorithm, claims: &Value) -> Result<String> {
        self.key(algorithm)?.token(claims)
    }

    /// The key that signs now: for RS256 or ES256.
    pub fn key(&self, algorithm: Algorithm) -> Result<Arc<SigningKey>> {
        let keys = self.keys();
        keys.of(algorithm, keys.signing)
    }

    /// Makes new keys, but for an `Overlap` behind an `Announce`, which takes the announced ones.
    pub fn rotate(&self, how: Rotation) -> Result<()> {
        let mut keys = self.keys();
        if how == Rotation::Announce || keys.signing == keys.generation {
            keys.next()?;
        }
        if how != Rotation::Announce {
            keys.signing = keys.generation;
        }
        if how == Rotation::HardSwap {
            let end = format!("-{}", keys.signing);
            keys.all.retain(|k| k.kid.ends_with(&end));
        }
        self.tell("/keys", &keys.value()?)
    }

    /// From now on it publishes only the keys that sign.
    pub fn withdraw_old(&self) -> Result<()> {
        let mut keys = self.keys();
        let end = format!("-{}", keys.signing);
        keys.all.retain(|k| k.kid.ends_with(&end));
        self.tell("/keys", &keys.value()?)
    }

    /// From now on it holds back each answer that long.
    pub fn slow(&self, by: Duration) -> Result<()> {
        self.tell("/pace", &json!({"ms": by.as_millis() as u64}))
    }

    /// How often each path has been asked for since it was started.
    pub fn requests(&self) -> Result<BTreeMap<String, u64>> {
        let reply = http::post(self.control, "/requests", "", "")?;
        serde_json::from_str(&reply.body).context("counted requests")
    }

    /// How often its keys have been asked for.
    pub fn fetches(&self) -> Result<u64> {
        Ok(self.requests()?.get("/jwks").copied().unwrap_or(0))
    }

    fn tell(&self, path: &str, what: &Value) -> Result<()> {
        let reply = http::post(self.control, path, "", &what.to_string())?;
        check_eq!(reply.status, 200, "the issuer's {path}: {}", reply.body);
        Ok(())
    }

    /// Ends it: its ports refuse connections.
    pub fn stop(&self) {
        *self.process() = None;
    }

    /// Starts it again with the keys that it had; its counts begin anew.
    pub fn restart(&self) -> Result<()> {
        self.stop();
        self.serve()?;
        self.tell("/keys", &self.keys().value()?)
    }

    /// Its ports take connections and nobody answers, until [`Issuer::thaw`].
    pub fn freeze(&self) {
        if let Some(process) = &*self.process() {
            process.signal(Signal::STOP);
        }
    }

    pub fn thaw(&self) {
        if let Some(process) = &*self.process() {
            process.signal(Signal::CONT);
        }
    }

    /// What it has said: refused grants, errors.
    pub fn output(&self) -> String {
        self.process().as_ref().map(Background::output).unwrap_or_default()
    }
}

/// The issuer that most trials share; the first that asks starts it. Nobody rotates its keys.
pub fn shared() -> Result<&'static Issuer> {
    static SHARED: std::sync::OnceLock<Result<Issuer>> = std::sync::OnceLock::new();
    SHARED
        .get_or_init(|| {
            progress("starting the issuer of tokens");
            Issuer::start()
        })
        .as_ref()
        .map_err(Clone::clone)
}
