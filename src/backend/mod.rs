//! The Kafka cluster behind us: dialling it, logging in to it, and knowing its brokers.

mod counters;
mod login;
mod random;
mod scram_keys;
mod session;
mod tokens;
mod topology;

use std::io;
use std::net::{IpAddr, SocketAddr};

use login::{Means, Round};
use scram_keys::ScramKeys;
use session::Session;
use socket2::SockRef;
use tokens::Tokens;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::{BackendConfig, HostPort};
use crate::scram::client::ClientError;
use crate::tls::{self, ClientTls, HandshakeError};
use crate::transport::Transport;

pub use counters::{BackendCounters, OpenConnection};
pub use tokens::{NoToken, TokenError, TokenSetupError, check as check_tokens};
pub use topology::{BrokerWatcher, Topology};

/// Why no backend connection could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No address of that broker is known, or it has none.
    #[error("no broker with node id {0} is known")]
    UnknownNode(i32),
    /// The cluster has another cluster id than at start: it is not the cluster that this front stands for.
    #[error("the backend is another cluster than it was")]
    OtherCluster,
    /// Dial, DNS or I/O failure.
    #[error("{0}: {1}")]
    Io(String, io::Error),
    /// No TLS connection could be made, or the broker's certificate is not good for its host. Nothing else was sent to it.
    #[error("{0}: TLS: {1}")]
    Tls(String, HandshakeError),
    /// `backend.socket.connection.setup.timeout.ms` has passed.
    #[error("{0}: no connection within the set-up timeout")]
    Timeout(String),
    /// The backend refused the front's own credentials.
    #[error("{0}: the backend refuses the front's login: {1}")]
    LoginRefused(String, String),
    /// The SCRAM exchange came to nothing: the broker did not prove that it knows the front's credential, or asked for what a
    /// client must not do.
    #[error("{0}: SASL: {1}")]
    Sasl(String, ClientError),
    /// There is no token to log in with.
    #[error("no token to log in with: {0}")]
    NoToken(NoToken),
    /// The backend's answer was not understood.
    #[error("{0}: malformed answer")]
    Malformed(String),
}

impl ConnectError {
    /// Everything that [`Self::as_str`] says.
    pub const NAMES: [&str; 9] =
        ["unknown_node", "other_cluster", "io", "timeout", "tls", "login_refused", "sasl", "no_token", "malformed"];

    /// A fixed word, for metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownNode(_) => "unknown_node",
            Self::OtherCluster => "other_cluster",
            Self::Io(..) => "io",
            Self::Timeout(_) => "timeout",
            Self::Tls(..) => "tls",
            Self::LoginRefused(..) => "login_refused",
            Self::Sasl(..) => "sasl",
            Self::NoToken(_) => "no_token",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// A connection to a broker that is logged in.
pub struct BackendConnection {
    /// Its socket, with TLS where it has it.
    pub transport: Transport,
    session: Option<Box<Session>>,
}

impl BackendConnection {
    /// When it must authenticate anew before the next request (KIP-368), if the broker ends its session.
    pub fn reauthenticate_at(&self) -> Option<Instant> {
        self.session.as_ref().map(|session| session.renew_at)
    }
}

/// What logins keep from one to the next.
#[derive(Debug)]
pub struct LoginCache {
    scram_keys: ScramKeys,
    tokens: Tokens,
}

impl LoginCache {
    /// Nothing yet, for logins by this configuration.
    pub fn new(config: &BackendConfig) -> Self {
        Self { scram_keys: ScramKeys::default(), tokens: Tokens::new(&config.security) }
    }
}

/// A connection that is logged in, for a program that makes a few and not many.
pub async fn connect_once(
    config: &BackendConfig,
    tls: Option<&ClientTls>,
    cache: &LoginCache,
    address: &HostPort,
) -> Result<BackendConnection, ConnectError> {
    let token = cache.tokens.get_or_obtain().await.map_err(ConnectError::NoToken)?;
    connect(config, tls, &Means { keys: &cache.scram_keys, token }, address).await
}

/// Dials `address`, makes it a TLS connection if there is `tls`, and logs in, all within the set-up timeout.
async fn connect(
    config: &BackendConfig,
    tls: Option<&ClientTls>,
    means: &Means<'_>,
    address: &HostPort,
) -> Result<BackendConnection, ConnectError> {
    let name = || format!("{}:{}", address.host, address.port);
    let attempt = async {
        let stream = dial(address).await.map_err(|e| ConnectError::Io(name(), e))?;
        let mut transport = match tls {
            None => Transport::Plain(stream),
            Some(tls) => secure(stream, tls, address).await.map_err(|e| ConnectError::Tls(name(), e))?,
        };
        transport.is_known();
        let begin = Instant::now();
        let lifetime = login::log_in(config, means, &mut transport, &name(), Round::First).await?;
        Ok(BackendConnection { transport, session: Session::new(begin, lifetime) })
    };
    match tokio::time::timeout(config.connection_setup_timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout(name())),
    }
}

/// Authenticates the connection anew, on which nothing may be in flight. Within the set-up timeout, and no sooner than a broker allows.
async fn reauthenticate(
    config: &BackendConfig,
    means: &Means<'_>,
    connection: BackendConnection,
) -> Result<BackendConnection, ConnectError> {
    let BackendConnection { mut transport, session } = connection;
    let name = transport.peer_addr().map_or_else(|_| "backend".to_owned(), |address| address.to_string());
    if let Some(session) = session {
        session.may_be_renewed().await;
    }
    let begin = Instant::now();
    let attempt = login::log_in(config, means, &mut transport, &name, Round::Again);
    match tokio::time::timeout(config.connection_setup_timeout, attempt).await {
        Ok(lifetime) => Ok(BackendConnection { transport, session: Session::new(begin, lifetime?) }),
        Err(_) => Err(ConnectError::Timeout(name)),
    }
}

/// The handshake, in which the broker proves that it is `address.host`.
async fn secure(stream: TcpStream, tls: &ClientTls, address: &HostPort) -> Result<Transport, HandshakeError> {
    let host = tls::server_name(&address.host)?;
    let stream = tls::connect(stream, tls.config(), host).await?;
    Ok(Transport::Tls(Box::new(stream)))
}

/// Tries each address of the host in turn.
async fn dial(address: &HostPort) -> io::Result<TcpStream> {
    let stream = match address.host.parse::<IpAddr>() {
        Ok(ip) => TcpStream::connect(SocketAddr::new(ip, address.port)).await?,
        Err(_) => TcpStream::connect((address.host.as_str(), address.port)).await?,
    };
    // Small frames leave at once.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&crate::socket::keepalive())?;
    Ok(stream)
}
