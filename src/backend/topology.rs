//! The brokers of the backend and the APIs that they know, kept up to date in the background.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::login::{self, Means};
use super::tokens::{Token, Tokens};
use super::{BackendConnection, BackendCounters, ConnectError, LoginCache, OpenConnection, connect, reauthenticate};
use crate::config::{BackendConfig, BackendLogin, HostPort};
use crate::listener::Target;
use crate::tls::ClientTls;
use crate::transport::Transport;
use crate::wire::api_versions::{ApiVersionRange, ApiVersions};
use crate::wire::{ErrorCode, metadata};

/// What is known of the backend.
#[derive(Debug)]
pub struct Topology {
    config: ArcSwap<BackendConfig>,
    /// Replaced as a whole when certificates change.
    tls: Option<Arc<ArcSwap<ClientTls>>>,
    logins: LoginCache,
    /// The token of a new login that was tried and has not been taken over yet.
    trial: Mutex<Option<Arc<Token>>>,
    /// The versions of an API that the front offers, if any.
    offered: fn(i16) -> Option<(i16, i16)>,
    brokers: ArcSwap<BTreeMap<i32, HostPort>>,
    api_versions: ArcSwap<ApiVersions>,
    cluster_id: std::sync::OnceLock<String>,
    other_cluster: AtomicBool,
    reachable: tokio::sync::watch::Sender<bool>,
    next: AtomicUsize,
    refresh: Notify,
    on_broker: Box<dyn BrokerWatcher>,
    counters: Arc<BackendCounters>,
}

/// Hears of each broker that becomes known.
pub trait BrokerWatcher: Send + Sync + std::fmt::Debug {
    /// A broker is known under this node id.
    fn broker_known(&self, node_id: i32);
}

/// Clients that come before the backend has answered for the first time wait for it so long.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

impl Topology {
    /// Knows nothing yet but where to ask; [`Topology::run`] asks. `offered` gives the versions of an API key that the front
    /// offers.
    pub fn new(
        config: BackendConfig,
        tls: Option<Arc<ArcSwap<ClientTls>>>,
        offered: fn(i16) -> Option<(i16, i16)>,
        on_broker: Box<dyn BrokerWatcher>,
    ) -> Self {
        let range = |api_key| offered(api_key).map(|(min, max)| ApiVersionRange { api_key, min, max });
        let everything = (0..i16::MAX).filter_map(range).collect();
        Self {
            logins: LoginCache::new(&config),
            config: ArcSwap::from_pointee(config),
            tls,
            trial: Mutex::default(),
            offered,
            brokers: ArcSwap::default(),
            api_versions: ArcSwap::from_pointee(ApiVersions::new(everything, Default::default())),
            cluster_id: std::sync::OnceLock::new(),
            other_cluster: AtomicBool::new(false),
            reachable: tokio::sync::watch::Sender::new(false),
            next: AtomicUsize::new(0),
            refresh: Notify::new(),
            on_broker,
            counters: Arc::default(),
        }
    }

    /// From now on connections to the backend are made like this. Those that exist stay as they are.
    pub fn reconfigure(&self, config: BackendConfig) {
        let trial = self.trial.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.logins.tokens.reconfigure(&config.security, trial);
        self.config.store(Arc::new(config));
        self.refresh.notify_one();
    }

    /// Whether a broker lets the front in when it comes like this.
    pub async fn try_login(&self, config: &BackendConfig, tls: Option<&ClientTls>) -> Result<(), ConnectError> {
        let token = Tokens::new(&config.security).obtain().await.map_err(ConnectError::NoToken)?;
        let means = Means { keys: &self.logins.scram_keys, token: token.clone() };
        let result = self.connect_any(config, tls, &means).await.map(drop);
        *self.trial.lock().unwrap_or_else(PoisonError::into_inner) = token;
        result
    }

    /// How connections to the backend are made now.
    pub fn config(&self) -> Arc<BackendConfig> {
        self.config.load_full()
    }

    /// Tells the watcher of every broker that is known, for it may watch for more than before.
    pub fn announce(&self) {
        for node_id in self.brokers.load().keys() {
            self.on_broker.broker_known(*node_id);
        }
    }

    /// What the front offers: the intersection of its table and what the backend says. Before the backend was reached for the
    /// first time, the table alone.
    pub fn api_versions(&self) -> Arc<ApiVersions> {
        self.api_versions.load_full()
    }

    /// Whether the last attempt to ask the backend succeeded; changes can be awaited.
    pub fn reachable(&self) -> tokio::sync::watch::Receiver<bool> {
        self.reachable.subscribe()
    }

    /// Whether a broker is known at this address. Asked at each Metadata response, of each broker in it.
    pub fn knows(&self, (node_id, host, port): (i32, &str, u16)) -> bool {
        self.brokers.load().get(&node_id).is_some_and(|known| known.host == host && known.port == port)
    }

    /// A response told where a broker is.
    pub fn learn(&self, (node_id, host, port): (i32, &str, u16)) {
        if self.knows((node_id, host, port)) {
            return;
        }
        tracing::info!(node_id, host = %host.escape_debug(), port, "a broker of the backend has a new address");
        self.brokers.rcu(|brokers| {
            let mut brokers = BTreeMap::clone(brokers);
            brokers.insert(node_id, HostPort { host: host.to_owned(), port });
            brokers
        });
        self.on_broker.broker_known(node_id);
    }

    /// The node ids of the brokers that are known.
    pub fn node_ids(&self) -> Vec<i32> {
        self.brokers.load().keys().copied().collect()
    }

    /// How many connections clients needed.
    pub fn counters(&self) -> &BackendCounters {
        &self.counters
    }

    /// The token by which the front logs in, for metrics: how many were obtained, how often that failed, and when the one of now is
    /// over, in seconds since 1970.
    pub fn tokens(&self) -> ((u64, u64), Option<u64>) {
        (self.logins.tokens.counts(), self.logins.tokens.expires())
    }

    /// [`Self::connect`] for a client: it counts, and so does what it gives for as long as that is held.
    pub async fn connect_counted(&self, target: Target) -> Result<(BackendConnection, OpenConnection), ConnectError> {
        match self.connect(target).await {
            Ok(connection) => Ok((connection, self.counters.count_opened())),
            Err(error) => {
                self.counters.count_failed(&error);
                Err(error)
            }
        }
    }

    /// A connection to the target that is logged in and ready for requests.
    pub async fn connect(&self, target: Target) -> Result<BackendConnection, ConnectError> {
        if self.other_cluster.load(Ordering::Relaxed) {
            return Err(ConnectError::OtherCluster);
        }
        let result = match target {
            Target::Node(id) => {
                if self.brokers.load().is_empty() {
                    // The front has just started. Whether the answer comes in time or not, the look-up decides.
                    let _ = timeout(FIRST_ANSWER, self.reachable().wait_for(|reachable| *reachable)).await;
                }
                let address = self.brokers.load().get(&id).cloned();
                match address {
                    Some(address) => self.connect_to(&address).await,
                    None => Err(ConnectError::UnknownNode(id)),
                }
            }
            Target::Any => self.connect_to_any().await,
        };
        if result.is_err() {
            self.refresh.notify_one();
        }
        result
    }

    /// Authenticates a connection anew, on which nothing may be in flight (KIP-368); by the configuration of now.
    pub async fn reauthenticate(&self, connection: BackendConnection) -> Result<BackendConnection, ConnectError> {
        let config = self.config();
        let result = match self.means(&config).await {
            Ok(means) => {
                let result = reauthenticate(&config, &means, connection).await;
                self.heed_refusal(&means, &result);
                result
            }
            Err(error) => Err(error),
        };
        self.counters.count_reauthentication(result.is_ok());
        result
    }

    async fn connect_to(&self, address: &HostPort) -> Result<BackendConnection, ConnectError> {
        let (tls, config) = (self.tls.as_ref().map(|tls| tls.load_full()), self.config());
        let means = self.means(&config).await?;
        let result = connect(&config, tls.as_deref(), &means, address).await;
        self.heed_refusal(&means, &result);
        result
    }

    async fn connect_to_any(&self) -> Result<BackendConnection, ConnectError> {
        let (tls, config) = (self.tls.as_ref().map(|tls| tls.load_full()), self.config());
        let means = self.means(&config).await?;
        let result = self.connect_any(&config, tls.as_deref(), &means).await;
        self.heed_refusal(&means, &result);
        result
    }

    /// What a login needs; a token is awaited for the set-up timeout at most.
    async fn means(&self, config: &BackendConfig) -> Result<Means<'_>, ConnectError> {
        let token = match &config.security.sasl {
            Some(BackendLogin::OauthBearer(_)) => {
                Some(self.logins.tokens.get(config.connection_setup_timeout).await.map_err(ConnectError::NoToken)?)
            }
            _ => None,
        };
        Ok(Means { keys: &self.logins.scram_keys, token })
    }

    fn heed_refusal<T>(&self, means: &Means<'_>, result: &Result<T, ConnectError>) {
        if let (Err(ConnectError::LoginRefused(..)), Some(token)) = (result, &means.token) {
            self.logins.tokens.refused(token);
        }
    }

    /// The first broker that answers, starting with another one each time; the bootstrap servers where none is known.
    async fn connect_any(
        &self,
        config: &BackendConfig,
        tls: Option<&ClientTls>,
        means: &Means<'_>,
    ) -> Result<BackendConnection, ConnectError> {
        let mut addresses: Vec<HostPort> = self.brokers.load().values().cloned().collect();
        addresses
            .extend(config.bootstrap_servers.iter().filter(|b| !addresses.contains(b)).cloned().collect::<Vec<_>>());
        let brokers = self.brokers.load().len().max(1);
        let first = self.next.fetch_add(1, Ordering::Relaxed) % brokers;
        addresses[..brokers].rotate_left(first);
        let mut last = ConnectError::UnknownNode(-1);
        for address in &addresses {
            match connect(config, tls, means, address).await {
                Ok(connection) => return Ok(connection),
                Err(e @ ConnectError::LoginRefused(..)) => return Err(e),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    /// Asks the backend for its brokers and APIs at start, at each `backend.metadata.max.age.ms`, and after a failed connect;
    /// backs off while it does not answer. Keeps a token for the front's login meanwhile, where it needs one. Ends with `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.keep_asking(&stop), self.logins.tokens.run(&stop));
    }

    async fn keep_asking(&self, stop: &CancellationToken) {
        let mut backoff = self.config.load().reconnect_backoff;
        loop {
            let config = self.config();
            let wait = match self.ask().await {
                Ok(()) => {
                    if !self.reachable.send_replace(true) {
                        tracing::info!(brokers = self.brokers.load().len(), "the backend is reachable");
                    }
                    backoff = config.reconnect_backoff;
                    config.metadata_max_age
                }
                Err(error) => {
                    if self.reachable.send_replace(false) || backoff == config.reconnect_backoff {
                        tracing::error!(%error, "the backend is unreachable; clients are closed until it answers");
                    }
                    let wait = backoff;
                    backoff = (backoff * 2).min(config.reconnect_backoff_max);
                    wait
                }
            };
            // A failed connect of a client asks for a refresh, but never sooner than the back-off allows.
            let no_sooner = tokio::time::sleep(config.reconnect_backoff.max(Duration::from_millis(50)));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                () = async { no_sooner.await; self.refresh.notified().await } => {}
            }
        }
    }

    async fn ask(&self) -> Result<(), ConnectError> {
        // It ends with the answers, long before any session does.
        let mut stream = self.connect_to_any().await?.transport;
        let name = stream.peer_addr().map_or_else(|_| "backend".to_owned(), |a| a.to_string());
        let attempt = self.ask_on(&mut stream, &name);
        match timeout(self.config.load().connection_setup_timeout, attempt).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Timeout(name)),
        }
    }

    async fn ask_on(&self, stream: &mut Transport, name: &str) -> Result<(), ConnectError> {
        let malformed = || ConnectError::Malformed(name.to_owned());
        let (mut out, config) = (BytesMut::new(), self.config());
        let software = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        ApiVersions::put_request(&mut out, API_VERSIONS_VERSION, 0, &config.client_id, software);
        metadata::put_request(&mut out, 1, &config.client_id);
        stream.write_all(&out).await.map_err(|e| ConnectError::Io(name.to_owned(), e))?;

        let frame = login::read_frame(stream, name).await?;
        let body = frame.get(4..).ok_or_else(malformed)?;
        let (error, versions) = ApiVersions::decode(body, API_VERSIONS_VERSION).map_err(|_| malformed())?;
        if error != ErrorCode::NONE {
            return Err(malformed());
        }
        let frame = login::read_frame(stream, name).await?;
        let metadata = metadata::decode_response(frame).map_err(|_| malformed())?;
        self.api_versions.store(Arc::new(versions.intersect(self.offered)));

        let cluster_id = metadata.cluster_id;
        let other = *self.cluster_id.get_or_init(|| cluster_id.clone()) != cluster_id;
        if self.other_cluster.swap(other, Ordering::Relaxed) != other && other {
            tracing::error!(
                "the backend has another cluster id than when it was first reached: nothing is relayed to it"
            );
        }
        if other {
            return Err(ConnectError::OtherCluster);
        }
        let brokers: BTreeMap<i32, HostPort> =
            metadata.brokers.into_iter().map(|(id, host, port)| (id, HostPort { host, port })).collect();
        for id in brokers.keys() {
            self.on_broker.broker_known(*id);
        }
        if **self.brokers.load() != brokers {
            for (id, address) in &brokers {
                tracing::info!(node_id = id, host = %address.host.escape_debug(), port = address.port, "broker");
            }
            self.brokers.store(Arc::new(brokers));
        }
        Ok(())
    }
}

/// Every Kafka since 2.4 knows it.
const API_VERSIONS_VERSION: i16 = 3;
