//! Every metric, once: rendering, `docs/metrics.md` and the tests of the dashboard all go from these rows.

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, until a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations, counted by size.
    Histogram,
}

impl Kind {
    /// Prometheus' word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric with all its label values.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    /// One paragraph.
    pub(super) help: &'static str,
}

macro_rules! families {
    ($($ident:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            pub(super) static $ident: Family =
                Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*
        /// All rows, in the order in which they are rendered.
        pub(super) static FAMILIES: &[&Family] = &[$(&$ident),*];
    };
}

families! {
    CONNECTIONS = "doorkeeper_connections", Gauge, ["listener", "state"],
        "Connections of clients that are open, by what they are doing: reading a PROXY protocol header, in the TLS handshake, in SASL, relayed, draining (relayed while the front or the listener is being stopped), closing (the last answer is on its way).";
    CONNECTIONS_ACCEPTED = "doorkeeper_connections_accepted_total", Counter, ["listener"],
        "Connections accepted, those that were then refused by a limit among them.";
    CONNECTIONS_REFUSED = "doorkeeper_connections_refused_total", Counter, ["listener", "reason"],
        "Connections closed by a limit before anything of theirs was read, but for a PROXY protocol header.";
    ACCEPT_WAITS = "doorkeeper_accept_waits_total", Counter, ["listener"],
        "Times that accepting waited because max.unauthenticated.connections was reached.";
    ACCEPT_FAILURES = "doorkeeper_accept_failures_total", Counter, ["listener"],
        "Times that accepting failed, for instance for want of file descriptors.";
    CONNECTIONS_CLOSED = "doorkeeper_connections_closed_total", Counter, ["listener", "reason"],
        "Connections that have ended, by the reason that their line in the log gives.";
    MAX_CONNECTIONS = "doorkeeper_max_connections", Gauge, [],
        "max.connections over all listeners; absent where there is no limit.";
    LISTENER_MAX_CONNECTIONS = "doorkeeper_listener_max_connections", Gauge, ["listener"],
        "The listener's own max.connections; absent where it has none.";
    LISTENER_MAX_UNAUTHENTICATED = "doorkeeper_listener_max_unauthenticated_connections", Gauge, ["listener"],
        "The listener's max.unauthenticated.connections: for connections in the states before relayed.";
    TLS_HANDSHAKES = "doorkeeper_tls_handshakes_total", Counter, ["listener", "outcome"],
        "TLS handshakes that have ended: ok (full), resumed, or why they failed.";
    TLS_HANDSHAKE_DURATION = "doorkeeper_tls_handshake_duration_seconds", Histogram, ["listener"],
        "How long TLS handshakes took that succeeded, waiting for the client included.";
    LOGINS = "doorkeeper_logins_total", Counter, ["listener", "mechanism", "outcome"],
        "SASL logins that have ended: success, or why the client was turned away. The mechanism is an enabled one, or unknown where the client chose none of them.";
    LOGIN_DURATION = "doorkeeper_login_duration_seconds", Histogram, ["listener"],
        "How long SASL logins took that succeeded, waiting for the client included.";
    LOGINS_WITHOUT_REAUTHENTICATION = "doorkeeper_logins_without_reauthentication_total", Counter, ["listener"],
        "SASL logins that succeeded, of clients that cannot authenticate anew because they are too old for it (Kafka's successful-authentication-no-reauth-total). Where sessions end, their connections are closed then.";
    REAUTHENTICATIONS = "doorkeeper_reauthentications_total", Counter, ["listener", "mechanism", "outcome"],
        "Times that a known client authenticated anew on its connection (KIP-368): success, or why it failed, which ends the connection. Not among doorkeeper_logins_total.";
    REAUTHENTICATION_DURATION = "doorkeeper_reauthentication_duration_seconds", Histogram, ["listener"],
        "How long that took where it succeeded, waiting for the client included; requests of the connection wait as long.";
    INSECURE_VALIDATOR = "doorkeeper_insecure_validator", Gauge, ["listener"],
        "1 for each listener whose OAUTHBEARER takes tokens without a signature, for development (sasl.oauthbearer.insecure.unsecured.tokens.allowed, or a loopback address). Absent for others.";
    LOGINS_HELD_BACK = "doorkeeper_logins_held_back_total", Counter, ["limit"],
        "Logins that were answered as wrong without a check, because too many before them had failed: from their address, or to their account (sasl.failed.logins.per.minute.per.address and .per.account). They count as rejected_credentials too.";
    PASSWORD_CHECKS = "doorkeeper_password_checks", Gauge, ["state"],
        "Checks of passwords against SCRAM credentials (PLAIN with users of the store) that wait for a thread or run on one.";
    PASSWORD_CHECKS_ENDED = "doorkeeper_password_checks_total", Counter, ["outcome"],
        "Such checks that have ended: done (computed), cached (known to be right), held_back (not computed, because too many had failed), queue_full (no room to wait: the login ended unavailable), abandoned (the client left first).";
    ISSUER_KEYS = "doorkeeper_issuer_keys", Gauge, ["url"],
        "Keys of an issuer of tokens that verify tokens now, by the URL of the configuration without its query; 0 while there are none, or the last are too old: then its tokens are refused.";
    ISSUER_KEYS_AGE = "doorkeeper_issuer_keys_age_seconds", Gauge, ["url"],
        "Since the keys in use were last seen at the issuer or in the file, in seconds; absent until they were.";
    ISSUER_KEYS_MAX_AGE = "doorkeeper_issuer_keys_max_age_seconds", Gauge, ["url"],
        "The age in seconds beyond which they are not used (sasl.oauthbearer.jwks.endpoint.max.staleness.ms).";
    ISSUER_KEY_FETCHES = "doorkeeper_issuer_key_fetches_total", Counter, ["url", "outcome"],
        "Fetches of the keys: ok, or failed, so that the last good ones stay. A file counts when it has changed, or cannot be used.";
    ISSUER_KEY_EARLY_FETCHES = "doorkeeper_issuer_key_early_fetches_total", Counter, ["url"],
        "Those fetches that were made early, because a token named a key that was not known.";
    ISSUER_UNKNOWN_KEYS_THROTTLED = "doorkeeper_issuer_unknown_keys_throttled_total", Counter, ["url"],
        "Tokens with an unknown key that caused no early fetch, because there had just been one.";
    RECEIVED_BYTES = "doorkeeper_received_bytes_total", Counter, ["listener"],
        "Bytes received from clients, counted as they are moved; with TLS those of the handshake and of the payload, without the overhead of records.";
    SENT_BYTES = "doorkeeper_sent_bytes_total", Counter, ["listener"],
        "Bytes sent to clients, counted as they are moved; with TLS those of the handshake and of the payload, without the overhead of records.";
    REQUESTS = "doorkeeper_requests_total", Counter, ["listener"],
        "Requests of clients that were relayed, or answered by the front after the login.";
    REQUESTS_IN_FLIGHT = "doorkeeper_requests_in_flight", Gauge, ["listener"],
        "Requests that wait for their response from the backend.";
    BROKERS_WITHOUT_A_PORT = "doorkeeper_brokers_without_a_port", Gauge, ["listener"],
        "Brokers of the backend that clients of the listener cannot reach, because their node id lies outside its node.id.ranges.";
    BACKEND_REACHABLE = "doorkeeper_backend_reachable", Gauge, [],
        "1 if the backend answered when it was last asked for its brokers, else 0.";
    BACKEND_BROKERS = "doorkeeper_backend_brokers", Gauge, [],
        "Brokers of the backend that are known.";
    BACKEND_CONNECTIONS = "doorkeeper_backend_connections", Gauge, [],
        "Connections to the backend that are open for clients.";
    BACKEND_CONNECTIONS_OPENED = "doorkeeper_backend_connections_opened_total", Counter, [],
        "Connections to the backend that were opened and logged in for clients.";
    BACKEND_CONNECTIONS_FAILED = "doorkeeper_backend_connections_failed_total", Counter, ["reason"],
        "Connections to the backend that a client needed and that could not be had.";
    BACKEND_REAUTHENTICATIONS = "doorkeeper_backend_reauthentications_total", Counter, ["outcome"],
        "Times that a connection to the backend was authenticated anew because the broker ends its session; one that failed closes the client's connection too.";
    BACKEND_TOKENS = "doorkeeper_backend_tokens_total", Counter, ["outcome"],
        "Attempts to get a token for the login to the backend (OAUTHBEARER), the repetitions of one round taken together.";
    BACKEND_TOKEN_EXPIRY = "doorkeeper_backend_token_expiry_timestamp_seconds", Gauge, [],
        "When the token for the login to the backend is over, in seconds since 1970; 0 while there has been none.";
    STORE_RECORDS = "doorkeeper_store_records", Gauge, [],
        "Credentials in the store, one for each user and mechanism; absent without store.dir, as the next three are.";
    STORE_REVISION = "doorkeeper_store_revision", Gauge, [],
        "Number of the newest change of the store that is on the disk.";
    STORE_FAILING = "doorkeeper_store_failing", Gauge, [],
        "1 if changes fail now because the store's disk is full or fails, else 0. Logins go on; the store tries by itself to recover.";
    STORE_CHANGES_FAILED = "doorkeeper_store_changes_failed_total", Counter, [],
        "Changes that failed for that reason.";
    CERTIFICATE_EXPIRY = "doorkeeper_certificate_expiry_timestamp_seconds", Gauge, ["listener", "store"],
        "When the first certificate of a store expires, in seconds since 1970; the listener is empty for the stores towards the backend.";
    RELOADS = "doorkeeper_reloads_total", Counter, ["subject", "outcome"],
        "Reloads of the configuration or of certificates: applied, or refused because what was found is not good, so that the old stays.";
    LAST_RELOAD_SUCCESSFUL = "doorkeeper_last_reload_successful", Gauge, ["subject"],
        "1 unless the last reload was refused.";
    LAST_RELOAD_TIMESTAMP = "doorkeeper_last_reload_timestamp_seconds", Gauge, ["subject"],
        "When the last reload was applied or refused, in seconds since 1970; the start of the process if there was none.";
    DRAINING = "doorkeeper_draining", Gauge, [],
        "1 while the front is being stopped, else 0.";
    BUILD_INFO = "doorkeeper_build_info", Gauge, ["version"],
        "Always 1; the version that runs is in the label.";
    PROCESS_CPU = "process_cpu_seconds_total", Counter, [],
        "CPU time of the process, user and system, in seconds.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, [],
        "File descriptors that are open.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, [],
        "File descriptors that may be open.";
    PROCESS_RESIDENT_MEMORY = "process_resident_memory_bytes", Gauge, [],
        "Resident memory in bytes.";
    PROCESS_VIRTUAL_MEMORY = "process_virtual_memory_bytes", Gauge, [],
        "Virtual memory in bytes.";
    PROCESS_THREADS = "process_threads", Gauge, [],
        "Threads of the process.";
    PROCESS_START_TIME = "process_start_time_seconds", Gauge, [],
        "When the process was started, in seconds since 1970.";
}
