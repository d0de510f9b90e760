//! An HTTP server on loopback that answers as a test wants, its keys, and sources that ask it.

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::{Sleep, sleep};

use crate::config::{
    BackendTlsConfig, ClientAuth, KeystoreConfig, ListenerName, ListenerTlsConfig, Located, StoreType, TlsVersions,
    TruststoreConfig,
};
use crate::issuer::{IssuerTls, KeyLocation, KeySourceConfig};
use crate::tls::ServerTls;

/// Stands in all answers that must not show in an error.
pub(super) const MARK: &str = "marked-7f3a";

/// What a test has the server answer to its n-th request, from 1.
pub(super) type Answer = Box<dyn Fn(usize) -> Response<Sent> + Send + Sync>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub line: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

struct State {
    answer: Mutex<Arc<Answer>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

pub(super) struct Issuer {
    pub port: u16,
    state: Arc<State>,
    task: AbortHandle,
}

impl Issuer {
    pub(super) async fn http(answer: impl Fn(usize) -> Response<Sent> + Send + Sync + 'static) -> Self {
        Self::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), None, Box::new(answer))
    }

    /// With the certificate in this file, see [`file`].
    pub(super) async fn https(pem: &str, answer: impl Fn(usize) -> Response<Sent> + Send + Sync + 'static) -> Self {
        let tls = Arc::new(ServerTls::load(&server_tls(pem)).unwrap());
        Self::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), Some(tls), Box::new(answer))
    }

    pub(super) fn start(socket: TcpListener, tls: Option<Arc<ServerTls>>, answer: Answer) -> Self {
        let port = socket.local_addr().unwrap().port();
        let state = Arc::new(State {
            answer: Mutex::new(Arc::new(answer)),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(socket, tls, state.clone())).abort_handle();
        Self { port, state, task }
    }

    pub(super) fn answers(&self, answer: impl Fn(usize) -> Response<Sent> + Send + Sync + 'static) {
        *self.state.answer.lock().unwrap() = Arc::new(Box::new(answer));
    }

    pub(super) fn serves(&self, keys: Vec<u8>) {
        self.answers(move |_| ok(keys.clone()));
    }

    pub(super) fn requests(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/keys?tenant={MARK}", self.port)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(socket: TcpListener, tls: Option<Arc<ServerTls>>, state: Arc<State>) {
    loop {
        let (tcp, _) = socket.accept().await.unwrap();
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let state = state.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let line = format!("{} {}", head.method, head.uri);
                    let body = body.collect().await.unwrap().to_bytes();
                    let n = {
                        let mut seen = state.seen.lock().unwrap();
                        seen.push(Seen { line, headers: head.headers, body });
                        seen.len()
                    };
                    let answer = state.answer.lock().unwrap().clone();
                    Ok::<_, Infallible>(answer(n))
                }
            });
            // A client that hangs up is what many tests are about.
            let _ = match tls {
                None => http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await,
                Some(tls) => {
                    let Ok((stream, _)) = crate::tls::accept(tcp, tls.config(), None).await else { return };
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
                }
            };
        });
    }
}

/// A body as a test wants it.
pub(super) enum Sent {
    Whole(Option<Bytes>),
    /// One byte after another.
    Drip {
        left: Bytes,
        every: Duration,
        next: Pin<Box<Sleep>>,
    },
    /// Blanks without end; counts them.
    Endless(Arc<AtomicUsize>),
}

impl Sent {
    pub(super) fn drip(bytes: impl Into<Bytes>, every: Duration) -> Self {
        Self::Drip { left: bytes.into(), every, next: Box::pin(sleep(every)) }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Drip { left, every, next } => {
                ready!(next.as_mut().poll(cx));
                *next = Box::pin(sleep(*every));
                (!left.is_empty()).then(|| left.split_to(1))
            }
            Self::Endless(sent) => {
                sent.fetch_add(1024, Ordering::SeqCst);
                Some(Bytes::from_static(&[b' '; 1024]))
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }
}

pub(super) fn ok(body: impl Into<Bytes>) -> Response<Sent> {
    Response::new(Sent::Whole(Some(body.into())))
}

pub(super) fn status(code: u16) -> Response<Sent> {
    Response::builder().status(code).body(Sent::Whole(Some(MARK.into()))).unwrap()
}

/// A key set with these ids.
pub(super) fn jwks(kids: &[&str]) -> Vec<u8> {
    static KEY: LazyLock<[String; 2]> = LazyLock::new(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half))
    });
    let [x, y] = &*KEY;
    let keys: Vec<_> = kids
        .iter()
        .map(|kid| serde_json::json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": x, "y": y}))
        .collect();
    serde_json::to_vec(&serde_json::json!({ "keys": keys })).unwrap()
}

/// Files made once per process by openssl: `ca.pem`; and certificates with their keys: `localhost.pem` for localhost and 127.0.0.1,
/// `other.pem` for another host, `expired.pem`, and `stranger.pem` for localhost by an authority that nobody trusts.
pub(super) fn file(name: &str) -> PathBuf {
    static FILES: LazyLock<PathBuf> = LazyLock::new(|| {
        let dir = scratch("certificates");
        let output = Command::new("sh").arg("-c").arg(CERTIFICATES).current_dir(&dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        dir
    });
    FILES.join(name)
}

const CERTIFICATES: &str = r#"set -eu
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null; }
authority() {
    key "$1"
    openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 -out "$1.pem" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign
}
sign() {
    key "$2"
    openssl req -new -key "$2.key" -subj "/CN=$2" -out "$2.csr"
    printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "$3" >"$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -set_serial "$4" -days "$5" -extfile "$2.ext" \
        -out "$2.crt" 2>/dev/null
    cat "$2.key" "$2.crt" >"$2.pem"
}
authority ca
authority nobody
sign ca localhost DNS:localhost,IP:127.0.0.1 1 30
sign ca other DNS:other-marked-7f3a.example 2 30
sign nobody stranger DNS:localhost,IP:127.0.0.1 3 30
"#;

/// An empty directory of this process.
pub(super) fn scratch(name: &str) -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let build = executable.parent().unwrap().parent().unwrap();
    // What earlier runs have left.
    for entry in std::fs::read_dir(build).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap_or_default();
        let process = name.strip_prefix("issuer-tests-").and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !PathBuf::from("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let dir = build.join(format!("issuer-tests-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).unwrap();
    dir
}

fn located<T>(key: &str, value: T) -> Located<T> {
    Located { value, key: key.into(), origin: "f:1".into(), hidden: false }
}

const VERSIONS: TlsVersions = TlsVersions { tls12: true, tls13: true };

fn server_tls(pem: &str) -> ListenerTlsConfig {
    ListenerTlsConfig {
        listener: ListenerName::new("issuer"),
        keystore: KeystoreConfig::File {
            store_type: StoreType::Pem,
            location: located("ssl.keystore.location", file(pem)),
            password: None,
            key_password: None,
        },
        truststore: None,
        crls: Vec::new(),
        client_auth: ClientAuth::None,
        naming: crate::principal::CertificateNaming::default(),
        versions: VERSIONS,
        cipher_suites: None,
        allow_dn_changes: false,
        allow_san_changes: false,
    }
}

/// Trusts the authority in this file; `key` is where the configuration is said to name it.
pub(super) fn trusting(pem: &str, key: &str) -> IssuerTls {
    IssuerTls::new(BackendTlsConfig {
        keystore: None,
        truststore: Some(TruststoreConfig::File {
            store_type: StoreType::Pem,
            location: located(key, file(pem)),
            password: None,
        }),
        crls: Vec::new(),
        verify_host_name: false,
        versions: VERSIONS,
        cipher_suites: None,
    })
}

/// A source with short waits between tries, else as by default.
pub(super) fn config(url: &str) -> KeySourceConfig {
    KeySourceConfig {
        location: KeyLocation::parse(url, false).unwrap(),
        tls: IssuerTls::system(),
        refresh: Duration::from_secs(3600),
        retry_backoff: Duration::from_millis(20),
        retry_backoff_max: Duration::from_millis(100),
        max_staleness: Duration::from_secs(24 * 3600),
        early_interval: Duration::from_secs(60),
    }
}

/// Waits until it is so; never gates on a time, but gives up some day.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to this: {what}");
}
