//! `GET /metrics`, `/livez` and `/readyz` over HTTP/1.
//!
//! It is no way in: it reads a request's head of bounded size within a deadline, answers, and closes. It runs on the main
//! thread's runtime and never on a worker's.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::health::{Health, Verdict};
use crate::config::HostPort;

/// Most connections at a time. One more ends the oldest: clients that say nothing must not shut out those that ask.
const MAX_CONNECTIONS: usize = 64;
/// Longest time until a request's head is there.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Longest life of a connection, which carries one request.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(15);
/// Largest head of a request, and most header lines in it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// After a failed accept the next try waits so long instead of spinning.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The endpoint could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listeners: cannot listen on {address}: {error}")]
pub struct EndpointError {
    address: String,
    error: io::Error,
}

/// The bound sockets.
#[derive(Debug)]
pub struct Endpoint {
    sockets: Vec<TcpListener>,
}

impl Endpoint {
    /// Binds each address; an empty host means all interfaces. Call it inside of the runtime that shall serve.
    pub fn bind(addresses: &[HostPort]) -> Result<Self, EndpointError> {
        let bind = |address: &HostPort| {
            let failed = |error| EndpointError { address: format!("{}:{}", address.host, address.port), error };
            listen(address).map_err(failed)
        };
        Ok(Self { sockets: addresses.iter().map(bind).collect::<Result<_, _>>()? })
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok())
    }

    /// Answers from now on, on tasks of this runtime, until it ends.
    pub fn serve(self, health: &Arc<Health>) {
        for socket in self.sockets {
            tokio::spawn(accept(socket, health.clone()));
        }
    }
}

fn listen(address: &HostPort) -> io::Result<TcpListener> {
    let HostPort { host, port } = address;
    let socket = if host.is_empty() {
        // Both families where the system has IPv6.
        StdListener::bind(("::", *port)).or_else(|_| StdListener::bind(("0.0.0.0", *port)))?
    } else {
        StdListener::bind((host.as_str(), *port))?
    };
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

async fn accept(socket: TcpListener, health: Arc<Health>) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() >= MAX_CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                open.push_back(tokio::spawn(serve(stream, health.clone())).abort_handle());
            }
            Err(error) => {
                tracing::debug!(%error, "metrics endpoint: cannot accept");
                sleep(FAILURE_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, health: Arc<Health>) {
    let answer = service_fn(move |request| {
        let health = health.clone();
        async move { Ok::<_, Infallible>(answer(&request, &health).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    match timeout(CONNECTION_DEADLINE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "metrics endpoint: a connection failed"),
        Err(_) => tracing::debug!("metrics endpoint: a connection took too long"),
    }
}

async fn answer(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    // RFC 9112 §3.2: exactly one, but in HTTP/1.0.
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || hosts == 0 && request.version() != Version::HTTP_10 {
        return text(StatusCode::BAD_REQUEST, TEXT, "expected one Host header\n");
    }
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/livez" | "/readyz") {
        return text(StatusCode::NOT_FOUND, TEXT, "there is /metrics, /livez and /readyz\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "expected GET or HEAD\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/livez" => verdict(health.live()),
        "/readyz" => verdict(health.ready()),
        _ => {
            // `/proc` is read, which may take a while where there are many descriptors.
            let metrics = health.metrics().clone();
            match tokio::task::spawn_blocking(move || metrics.render()).await {
                Ok(page) => text(StatusCode::OK, EXPOSITION, page),
                Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the metrics could not be rendered\n"),
            }
        }
    }
}

fn verdict(verdict: Verdict) -> Response<Full<Bytes>> {
    match verdict {
        Ok(good) => text(StatusCode::OK, TEXT, good),
        Err(bad) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, bad),
    }
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
