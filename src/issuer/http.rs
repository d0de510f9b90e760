//! One request to one URL: bounded in time and in bytes, without redirects.
//!
//! Each request has a connection of its own, which ends with it: requests are minutes apart, and a connection that is kept could
//! only be one that the other side has closed meanwhile.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::address;
use super::fault::FetchError;
use super::location::{HttpUrl, UrlError};
use crate::secret::Secret;
use crate::tls::{self, ClientTls};
use crate::transport::Transport;

/// Largest head of an answer in bytes, and most header lines in it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 6;

/// The bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpLimits {
    /// From the look-up of the name to the last byte.
    pub time: Duration,
    /// Bytes of the answer's body.
    pub body: usize,
}

impl Default for HttpLimits {
    /// What an issuer's keys and tokens get: 5 s and 64 KiB.
    fn default() -> Self {
        Self { time: Duration::from_secs(5), body: 64 * 1024 }
    }
}

/// One URL that the configuration names.
#[derive(Clone, Debug)]
pub struct HttpEndpoint {
    url: Arc<HttpUrl>,
    /// Set exactly if the URL is `https`.
    tls: Option<Arc<ClientTls>>,
    limits: HttpLimits,
}

impl HttpEndpoint {
    /// `https` needs `tls`, and verifies the URL's host by it.
    pub fn new(url: &HttpUrl, tls: Option<Arc<ClientTls>>, limits: HttpLimits) -> Result<Self, UrlError> {
        if url.is_https && tls.is_none() {
            return Err(UrlError::NoTls);
        }
        let tls = tls.filter(|_| url.is_https);
        Ok(Self { url: Arc::new(url.clone()), tls, limits })
    }

    /// The body of a GET that was answered with 200.
    pub async fn get(&self) -> Result<Bytes, FetchError> {
        let (status, body) = self.exchange(Method::GET, &[], None).await?;
        match status {
            StatusCode::OK => Ok(body),
            other => Err(FetchError::Status(other.as_u16())),
        }
    }

    /// Posts a form, already encoded (`application/x-www-form-urlencoded`); gives the status, which is none of the redirects, and
    /// the body. The values of `headers` are secrets.
    pub async fn post_form(&self, headers: &[(HeaderName, Secret)], form: Secret) -> Result<(u16, Bytes), FetchError> {
        let (status, body) = self.exchange(Method::POST, headers, Some(form)).await?;
        Ok((status.as_u16(), body))
    }

    async fn exchange(
        &self,
        method: Method,
        headers: &[(HeaderName, Secret)],
        form: Option<Secret>,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let deadline = Instant::now() + self.limits.time;
        let whole_body = method == Method::POST;
        let request = self.request(method, headers, form)?;
        let exchange = async {
            let transport = self.connect(deadline).await?;
            let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
                .max_buf_size(MAX_HEAD)
                .max_headers(MAX_HEADERS)
                .handshake(TokioIo::new(transport))
                .await?;
            let answer = async {
                let response = sender.send_request(request).await?;
                let status = check_head(&response)?;
                if status != StatusCode::OK && !whole_body {
                    // Nobody reads what an error page says.
                    return Ok((status, Bytes::new()));
                }
                Ok((status, read_body(response.into_body(), self.limits.body).await?))
            };
            let mut answer = pin!(answer);
            // The connection moves bytes while it is polled. When it ends, what it has read is still with the answer.
            tokio::select! {
                answer = &mut answer => answer,
                _ = connection => answer.await,
            }
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(FetchError::Timeout(self.limits.time)))
    }

    fn request(
        &self,
        method: Method,
        headers: &[(HeaderName, Secret)],
        form: Option<Secret>,
    ) -> Result<Request<Full<Bytes>>, FetchError> {
        let host = HeaderValue::from_str(&self.url.host_header()).map_err(|_| FetchError::Request)?;
        let mut request = Request::new(Full::new(form.as_ref().map(wiped).unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.target.parse().map_err(|_| FetchError::Request)?;
        let all = request.headers_mut();
        all.insert(HOST, host);
        all.insert(CONNECTION, HeaderValue::from_static("close"));
        all.insert(ACCEPT, HeaderValue::from_static("application/json"));
        all.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        all.insert(USER_AGENT, HeaderValue::from_static(concat!("doorkeeper/", env!("CARGO_PKG_VERSION"))));
        if form.is_some() {
            all.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        for (name, value) in headers {
            let mut value = HeaderValue::from_maybe_shared(wiped(value)).map_err(|_| FetchError::Request)?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        Ok(request)
    }

    async fn connect(&self, deadline: Instant) -> Result<Transport, FetchError> {
        let tcp = self.dial(deadline).await?;
        let Some(tls) = &self.tls else { return Ok(Transport::Plain(tcp)) };
        let host = tls::server_name(&self.url.host)?;
        Ok(Transport::Tls(Box::new(tls::connect(tcp, tls.config(), host).await?)))
    }

    /// Tries the host's addresses in turn. The name is looked up each time, and what is checked is what is dialled.
    async fn dial(&self, deadline: Instant) -> Result<TcpStream, FetchError> {
        let mut addresses = self.resolve().await?;
        addresses.truncate(MAX_ADDRESSES);
        let mut failed = FetchError::NoAddress;
        while !addresses.is_empty() {
            let address = addresses.remove(0);
            // An address that swallows packets leaves time to the next one.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = if addresses.is_empty() { left } else { left / 2 };
            failed = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(FetchError::Connect)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => FetchError::Connect(error),
                Err(_) => FetchError::Connect(io::ErrorKind::TimedOut.into()),
            };
        }
        Err(failed)
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, FetchError> {
        let HttpUrl { host, port, .. } = &*self.url;
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(literal) => vec![SocketAddr::new(literal, *port)],
            Err(_) => tokio::net::lookup_host((host.as_str(), *port)).await.map_err(FetchError::LookUp)?.collect(),
        };
        if found.is_empty() {
            return Err(FetchError::NoAddress);
        }
        let allowed: Vec<_> = found.into_iter().filter(|found| address::is_allowed(host, found.ip())).collect();
        if allowed.is_empty() { Err(FetchError::ForbiddenAddress) } else { Ok(allowed) }
    }
}

/// Bytes that are wiped when the last who holds them lets go.
fn wiped(secret: &Secret) -> Bytes {
    Bytes::from_owner(Zeroizing::new(secret.expose().to_vec()))
}

/// Refuses what is never followed or unpacked.
fn check_head(response: &Response<Incoming>) -> Result<StatusCode, FetchError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect(status.as_u16()));
    }
    let mut encodings = response.headers().get_all(CONTENT_ENCODING).iter();
    if !encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(FetchError::Encoded);
    }
    Ok(status)
}

/// No more than `limit` bytes are held, whatever length was promised.
async fn read_body(mut body: Incoming, limit: usize) -> Result<Bytes, FetchError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| FetchError::Http("the answer ended early"))?;
        // Trailers say nothing that is asked for.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - whole.len() {
            return Err(FetchError::TooLong(limit));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
