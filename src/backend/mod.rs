//! The Kafka cluster behind us: dialling it, logging in to it, and knowing its brokers.

mod counters;
mod login;
mod scram_keys;
mod topology;

use std::io;
use std::net::{IpAddr, SocketAddr};

use scram_keys::ScramKeys;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::config::{BackendConfig, HostPort};
use crate::scram::client::ClientError;
use crate::tls::{self, ClientTls, HandshakeError};
use crate::transport::Transport;

pub use counters::{BackendCounters, OpenConnection};
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
    /// The backend's answer was not understood.
    #[error("{0}: malformed answer")]
    Malformed(String),
}

impl ConnectError {
    /// Everything that [`Self::as_str`] says.
    pub const NAMES: [&str; 8] =
        ["unknown_node", "other_cluster", "io", "timeout", "tls", "login_refused", "sasl", "malformed"];

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
            Self::Malformed(_) => "malformed",
        }
    }
}

/// A connection that is logged in, for a program that makes one and not many.
pub async fn connect_once(
    config: &BackendConfig,
    tls: Option<&ClientTls>,
    address: &HostPort,
) -> Result<Transport, ConnectError> {
    connect(config, tls, &ScramKeys::default(), address).await
}

/// Dials `address`, makes it a TLS connection if there is `tls`, and logs in, all within the set-up timeout.
async fn connect(
    config: &BackendConfig,
    tls: Option<&ClientTls>,
    keys: &ScramKeys,
    address: &HostPort,
) -> Result<Transport, ConnectError> {
    let name = || format!("{}:{}", address.host, address.port);
    let attempt = async {
        let stream = dial(address).await.map_err(|e| ConnectError::Io(name(), e))?;
        let mut stream = match tls {
            None => Transport::Plain(stream),
            Some(tls) => secure(stream, tls, address).await.map_err(|e| ConnectError::Tls(name(), e))?,
        };
        stream.is_known();
        login::log_in(config, keys, &mut stream, &name()).await?;
        Ok(stream)
    };
    match tokio::time::timeout(config.connection_setup_timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout(name())),
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
