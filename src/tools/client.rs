//! A small Kafka client: one connection, requests in order, several in flight if the caller wants so.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroize;

use super::failure::Failure;
use super::kafka_error;
use crate::backend::{self, ConnectError, LoginCache};
use crate::config::ClientConfig;
use crate::tls::{ClientTls, HandshakeError};
use crate::transport::Transport;
use crate::wire::api_versions::ApiVersions;
use crate::wire::{ErrorCode, Malformed};

/// Every Kafka since 2.4 knows it.
const API_VERSIONS_VERSION: i16 = 3;
/// Largest answer in bytes: Kafka's own limit for a request; a million users have no more.
const MAX_ANSWER: usize = 100 << 20;
/// Between attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// How long attempts fail before the user is told.
const SILENCE: Duration = Duration::from_secs(1);

/// An API and the version that is spoken of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api {
    pub key: i16,
    pub version: i16,
    /// As Java's `ApiKeys` spells it.
    pub name: &'static str,
}

/// A connection that is logged in.
pub(super) struct Client {
    stream: Transport,
    name: String,
    client_id: String,
    request_timeout: Duration,
    versions: ApiVersions,
    last_id: i32,
    in_flight: VecDeque<i32>,
}

impl Client {
    /// Tries the bootstrap servers in turn until one answers or `default.api.timeout.ms` has passed. Refusals end it at once.
    pub async fn connect(config: &ClientConfig) -> Result<Self, Failure> {
        let connection = &config.connection;
        let tls = match &connection.security.tls {
            Some(settings) => Some(ClientTls::load(settings).map_err(|error| {
                Failure::Failed(format!(
                    "{} ({}): {}",
                    error.key.trim_start_matches("backend."),
                    error.origin,
                    error.problem
                ))
            })?),
            None => None,
        };
        let logins = LoginCache::new(connection);
        let begin = Instant::now();
        let end = begin + config.default_api_timeout;
        let mut backoff = FIRST_BACKOFF;
        let mut is_told = false;
        loop {
            let mut last = String::new();
            for address in &connection.bootstrap_servers {
                let name = format!("{}:{}", address.host, address.port);
                match backend::connect_once(connection, tls.as_ref(), &logins, address).await {
                    Ok(connection) => match Self::greet(connection.transport, name, config).await {
                        Ok(client) => return Ok(client),
                        Err(Lost::Ends(failure)) => return Err(failure),
                        Err(Lost::Closed(problem)) => last = problem,
                    },
                    Err(error) => last = refusal(error)?,
                }
                // A server that starts, or that takes only so many connections a second, is no news yet.
                if !is_told && begin.elapsed() >= SILENCE {
                    eprintln!("{last}; trying for {} s", config.default_api_timeout.as_secs_f32());
                    is_told = true;
                }
            }
            if Instant::now() + backoff > end {
                return Err(Failure::kafka("TimeoutException", &format!("Timed out waiting for a broker: {last}")));
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// Asks what the broker knows.
    async fn greet(stream: Transport, name: String, config: &ClientConfig) -> Result<Self, Lost> {
        let client_id = config.connection.client_id.clone();
        let versions = ApiVersions::new(Vec::new(), Default::default());
        let request_timeout = config.request_timeout;
        let in_flight = VecDeque::new();
        let mut client = Self { stream, name, client_id, request_timeout, versions, last_id: 0, in_flight };
        let software = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        client
            .put(|out, id, client_id| ApiVersions::put_request(out, API_VERSIONS_VERSION, id, client_id, software))
            .await?;
        let decode = |frame: &[u8]| {
            let (id, body) = frame.split_first_chunk().ok_or(Malformed)?;
            ApiVersions::decode(body, API_VERSIONS_VERSION).map(|answer| (i32::from_be_bytes(*id), answer))
        };
        let (error, versions) = client.take(decode).await?;
        if error != ErrorCode::NONE {
            return Err(Lost::Ends(kafka_error::failure(error, None)));
        }
        client.versions = versions;
        Ok(client)
    }

    /// Sends a request and waits for its answer.
    pub async fn call<T>(
        &mut self,
        api: Api,
        put: impl FnOnce(&mut BytesMut, i32, &str),
        decode: impl FnOnce(&[u8]) -> Result<(i32, T), Malformed>,
    ) -> Result<T, Failure> {
        self.send(api, put).await?;
        self.receive(decode).await
    }

    /// Sends a request; the answers come in the order of the requests.
    pub async fn send(&mut self, api: Api, put: impl FnOnce(&mut BytesMut, i32, &str)) -> Result<(), Failure> {
        if !self.versions.range(api.key).is_some_and(|range| range.min <= api.version && api.version <= range.max) {
            let message = format!("The node does not support {}", api.name);
            return Err(Failure::kafka("UnsupportedVersionException", &message));
        }
        Ok(self.put(put).await?)
    }

    /// How many answers are outstanding.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Reads the answer to the oldest request that has none.
    pub async fn receive<T>(
        &mut self,
        decode: impl FnOnce(&[u8]) -> Result<(i32, T), Malformed>,
    ) -> Result<T, Failure> {
        Ok(self.take(decode).await?)
    }

    async fn put(&mut self, put: impl FnOnce(&mut BytesMut, i32, &str)) -> Result<(), Lost> {
        self.last_id = self.last_id.wrapping_add(1);
        self.in_flight.push_back(self.last_id);
        let mut out = BytesMut::new();
        put(&mut out, self.last_id, &self.client_id);
        let sent = timeout(self.request_timeout, self.stream.write_all(&out)).await;
        // It may hold SaltedPasswords.
        out[..].zeroize();
        match sent {
            Ok(sent) => sent.map_err(|error| Lost::Closed(format!("{}: {error}", self.name))),
            Err(_) => Err(self.late()),
        }
    }

    async fn take<T>(&mut self, decode: impl FnOnce(&[u8]) -> Result<(i32, T), Malformed>) -> Result<T, Lost> {
        let frame = match timeout(self.request_timeout, read_frame(&mut self.stream)).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(error)) => {
                let hint =
                    "; if the broker expects another security.protocol, --command-config FILE says which is used";
                return Err(Lost::Closed(format!("{}: {error}{hint}", self.name)));
            }
            Err(_) => return Err(self.late()),
        };
        let expected = self.in_flight.pop_front();
        match decode(&frame) {
            Ok((id, answer)) if Some(id) == expected => Ok(answer),
            _ => {
                let problem = format!("{}: this is not the answer of a Kafka broker", self.name);
                Err(Lost::Ends(Failure::Failed(problem)))
            }
        }
    }

    fn late(&self) -> Lost {
        let message = format!("{}: no answer within {} ms", self.name, self.request_timeout.as_millis());
        Lost::Ends(Failure::kafka("TimeoutException", &message))
    }
}

/// Why an exchange failed.
enum Lost {
    /// The connection was closed or failed: another attempt may do better.
    Closed(String),
    /// No attempt will.
    Ends(Failure),
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Closed(problem) => Self::kafka("DisconnectException", &problem),
            Lost::Ends(failure) => failure,
        }
    }
}

/// What to say of a failed attempt, or the end where another attempt would be refused too.
fn refusal(error: ConnectError) -> Result<String, Failure> {
    match error {
        ConnectError::LoginRefused(_, message) => Err(Failure::kafka("SaslAuthenticationException", &message)),
        ConnectError::Tls(name, error) => match error {
            HandshakeError::Io(_) | HandshakeError::Closed | HandshakeError::Timeout => {
                Ok(format!("{name}: TLS: {error}"))
            }
            error => {
                Err(Failure::kafka("SslAuthenticationException", &format!("SSL handshake failed: {name}: {error}")))
            }
        },
        ConnectError::Malformed(name) => Err(Failure::Failed(format!(
            "{name}: this is not the answer of a Kafka broker; is security.protocol right?"
        ))),
        other => Ok(other.to_string()),
    }
}

/// Reads one frame without its size; memory grows with what arrives, not with what is promised.
async fn read_frame(stream: &mut Transport) -> std::io::Result<Vec<u8>> {
    use std::io::{Error, ErrorKind};
    let size = stream.read_i32().await.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::other("the broker closed the connection"),
        _ => error,
    })?;
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_ANSWER);
    let size = size.ok_or_else(|| Error::other("this is not the answer of a Kafka broker"))?;
    let mut frame = Vec::new();
    let read = stream.take(size as u64).read_to_end(&mut frame).await?;
    if read < size { Err(Error::other("the broker closed the connection within an answer")) } else { Ok(frame) }
}
