//! The typed configuration that the rest of the program is built from. Plain values: they know no file and no key text.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address_block::AddressBlock;
use super::jaas::JaasContext;
use super::names::{HostPort, ListenerName, NodeIdRanges, SecurityProtocol};
use super::node_hosts::NodeHostPattern;
use super::oauthbearer::OauthbearerConfig;
use super::tls_types::{BackendTlsConfig, ListenerTlsConfig};
use super::token_types::TokenLogin;
use crate::principal::KafkaPrincipal;
use crate::scram::ScramMechanism;
use crate::secret::Secret;

/// Everything that the server is built from.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// At least one.
    pub listeners: Vec<ListenerConfig>,
    /// The Kafka cluster behind us.
    pub backend: BackendConfig,
    /// Limits over all listeners.
    pub limits: ConnectionLimits,
    /// `connections.max.idle.ms`; `None` where it is negative.
    pub connections_max_idle: Option<Duration>,
    /// `socket.request.max.bytes`: largest request frame in bytes after authentication.
    pub socket_request_max_bytes: u32,
    /// `connection.failed.authentication.delay.ms`.
    pub failed_authentication_delay: Duration,
    /// Ours: longest time from accept to authenticated.
    pub authentication_timeout: Duration,
    /// Ours: most requests that one connection may have in flight before we stop reading from it.
    pub max_in_flight_requests: u32,
    /// `socket.*` keys.
    pub socket: SocketOptions,
    /// `shutdown.timeout.ms`.
    pub shutdown_timeout: Duration,
    /// Ours: how often the files of TLS are looked at; zero for never.
    pub tls_reload_interval: Duration,
    /// Ours: threads that serve connections.
    pub worker_threads: usize,
    /// Ours, `metrics.listeners`: where metrics and health are asked for by HTTP. An empty host means all interfaces.
    pub metrics_listeners: Vec<HostPort>,
    /// Ours, `store.dir`: where credentials are kept. `None`: this front keeps nothing.
    pub store_dir: Option<PathBuf>,
    /// How passwords are checked, and how many logins may fail.
    pub logins: LoginConfig,
    /// `super.users` and, ours, `admin.principals`: who may change credentials.
    pub administrators: Arc<HashSet<KafkaPrincipal>>,
}

impl ServerConfig {
    /// The listeners that take tokens without a signature.
    pub fn insecure_validators(&self) -> Vec<String> {
        let is_one =
            |mechanism: &MechanismConfig| mechanism.oauthbearer.as_ref().is_some_and(OauthbearerConfig::is_unsecured);
        let listeners =
            self.listeners.iter().filter(|l| l.sasl.as_ref().is_some_and(|sasl| sasl.mechanisms.iter().any(is_one)));
        listeners.map(|listener| listener.name.as_str().to_owned()).collect()
    }
}

/// One listener.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Its name.
    pub name: ListenerName,
    /// Its security protocol.
    pub security_protocol: SecurityProtocol,
    /// Where it is bound; this port is the bootstrap.
    pub bind: HostPort,
    /// Host and bootstrap port that clients are told.
    pub advertised: HostPort,
    /// `listener.name.<l>.node.id.ranges`.
    pub node_id_ranges: NodeIdRanges,
    /// `listener.name.<l>.node.host.pattern`: nodes have host names instead of ports of their own.
    pub node_host_pattern: Option<NodeHostPattern>,
    /// `listener.name.<l>.node.port.base`: the port that is bound for the first node id. Advertised node ports are shifted by
    /// the difference between the advertised and the bound bootstrap port. 0 where `bind.port` is 0 or nodes have host names.
    pub node_port_base: u16,
    /// This listener's own `max.connections`, if it has one.
    pub max_connections: Option<u32>,
    /// This listener's own `max.connection.creation.rate` per second, if it has one.
    pub max_connection_creation_rate: Option<u32>,
    /// Set exactly if the security protocol has TLS.
    pub tls: Option<ListenerTlsConfig>,
    /// Ours: most connections that have not authenticated, at least 1.
    pub max_unauthenticated_connections: u32,
    /// Ours: most of them from one address, at least 1.
    pub max_unauthenticated_connections_per_ip: u32,
    /// Ours: `proxy.protocol`, unless it is off.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Set exactly if the security protocol has SASL.
    pub sasl: Option<SaslListenerConfig>,
}

/// How a listener reads PROXY protocol headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Whether connections without one are refused.
    pub required: bool,
    /// Who may send one; not empty.
    pub trusted: Vec<AddressBlock>,
}

impl ProxyProtocol {
    /// Whether a header from this address is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|block| block.contains(address))
    }
}

/// How passwords are checked, and how many logins may fail, over all listeners.
#[derive(Clone, Debug)]
pub struct LoginConfig {
    /// `password.verification.threads`, at least 1.
    pub verification_threads: usize,
    /// `sasl.plain.cache.size`; 0 remembers nothing.
    pub plain_cache_size: usize,
    /// `sasl.failed.logins.per.minute.per.address`; 0 is no limit.
    pub failed_per_address: u32,
    /// `sasl.failed.logins.per.minute.per.account`; 0 is no limit.
    pub failed_per_account: u32,
}

/// The SASL settings of one listener.
#[derive(Clone, Debug)]
pub struct SaslListenerConfig {
    /// `sasl.enabled.mechanisms` in the configured order, without duplicates.
    pub mechanisms: Vec<MechanismConfig>,
    /// `sasl.server.max.receive.size` in bytes.
    pub max_receive_size: u32,
}

/// One enabled mechanism of one listener, as its factory in the registry gets it.
#[derive(Clone)]
pub struct MechanismConfig {
    /// The mechanism's name as written in `sasl.enabled.mechanisms`.
    pub name: String,
    /// Its JAAS context.
    pub jaas: JaasContext,
    /// Every other property that applies to this listener and mechanism, already resolved by precedence
    /// (`listener.name.<l>.<mechanism>.K`, then `listener.name.<l>.K`, then `K`), by the plain key `K`.
    pub properties: HashMap<String, String>,
    /// Set exactly if it is OAUTHBEARER: by what tokens are judged.
    pub oauthbearer: Option<OauthbearerConfig>,
}

impl fmt::Debug for MechanismConfig {
    /// Shows the properties' keys only: a mechanism of the user's own may keep secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, jaas, properties, oauthbearer } = self;
        let mut keys: Vec<_> = properties.keys().collect();
        keys.sort_unstable();
        f.debug_struct("MechanismConfig")
            .field("name", name)
            .field("jaas", jaas)
            .field("properties", &keys)
            .field("oauthbearer", oauthbearer)
            .finish()
    }
}

/// Limits on connections.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// `max.connections` over all listeners.
    pub max_connections: u32,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: u32,
    /// `max.connections.per.ip.overrides`, host names resolved.
    pub max_connections_per_ip_overrides: HashMap<IpAddr, u32>,
    /// `max.connection.creation.rate` per second over all listeners.
    pub max_connection_creation_rate: u32,
}

/// Socket options of accepted sockets; `None` leaves the operating system's own.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// `socket.send.buffer.bytes`.
    pub send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`.
    pub receive_buffer_bytes: Option<u32>,
    /// `socket.listen.backlog.size`.
    pub listen_backlog_size: u32,
}

/// The Kafka cluster behind us and how we log in to it.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// `backend.bootstrap.servers`.
    pub bootstrap_servers: Vec<HostPort>,
    /// How connections to it are secured.
    pub security: BackendSecurity,
    /// `backend.client.id`.
    pub client_id: String,
    /// `backend.socket.connection.setup.timeout.ms`: dial and login together.
    pub connection_setup_timeout: Duration,
    /// `backend.metadata.max.age.ms`: how often brokers and API versions are asked for again.
    pub metadata_max_age: Duration,
    /// `backend.reconnect.backoff.ms`.
    pub reconnect_backoff: Duration,
    /// `backend.reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Duration,
    /// Ours: largest response in bytes that is held whole because its fields must change.
    pub rewritten_response_max_bytes: u32,
}

/// How a backend connection is secured: each of Kafka's four security protocols is one combination.
#[derive(Clone, Debug, Default)]
pub struct BackendSecurity {
    /// SSL and SASL_SSL.
    pub tls: Option<BackendTlsConfig>,
    /// SASL_PLAINTEXT and SASL_SSL.
    pub sasl: Option<BackendLogin>,
}

/// This front's own login to the backend.
#[derive(Clone, Debug)]
pub enum BackendLogin {
    /// PLAIN: the password itself is sent.
    Plain(Credentials),
    /// SCRAM: both sides prove that they know it.
    Scram(ScramMechanism, Credentials),
    /// OAUTHBEARER: whoever issues tokens has checked who this front is.
    OauthBearer(Arc<TokenLogin>),
}

impl BackendLogin {
    /// How.
    pub fn mechanism(&self) -> LoginMechanism {
        match self {
            Self::Plain(_) => LoginMechanism::Plain,
            Self::Scram(mechanism, _) => LoginMechanism::Scram(*mechanism),
            Self::OauthBearer(_) => LoginMechanism::OauthBearer,
        }
    }
}

/// A user's name and password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// As whom.
    pub username: String,
    /// Whose password.
    pub password: Secret,
}

/// A mechanism by which this front can log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMechanism {
    /// PLAIN.
    Plain,
    /// SCRAM-SHA-256 or SCRAM-SHA-512.
    Scram(ScramMechanism),
    /// OAUTHBEARER.
    OauthBearer,
}

impl LoginMechanism {
    /// The mechanism of this name, exactly as spelled.
    pub fn from_name(name: &str) -> Option<Self> {
        let others = [Self::Plain, Self::OauthBearer];
        let other = others.into_iter().find(|mechanism| mechanism.as_str() == name);
        other.or_else(|| ScramMechanism::from_name(name).map(Self::Scram))
    }

    /// The name that IANA and Kafka know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(mechanism) => mechanism.as_str(),
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}
