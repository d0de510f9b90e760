//! The proxies that take TLS from the client, and what all of them have in common.
//!
//! Each serves two ports: one that leads to Kafka, and one that takes a handshake and opens no connection to anything, so
//! that the price of a handshake can be told from that of a connection to the backend. doorkeeper and Kafka need one only.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Places, Proc, answers, free_ports, jaas, local};
use crate::Res;
use crate::identity::Identity;

/// A running proxy before Kafka.
pub struct Front {
    pub proc: Proc,
    pub addr: SocketAddr,
    /// Where a handshake leads no further.
    pub handshake_only: SocketAddr,
}

/// Kafka's keys for a listener of this certificate, TLS 1.3 and the one suite.
pub(super) fn ssl_keys(prefix: &str, identity: &Identity) -> String {
    format!(
        "{prefix}ssl.keystore.type=PEM\n{prefix}ssl.keystore.location={}\n{prefix}ssl.enabled.protocols=TLSv1.3\n\
         {prefix}ssl.cipher.suites=TLS_AES_128_GCM_SHA256\n",
        identity.keystore.display()
    )
}

impl Places {
    pub fn start_doorkeeper_tls(&self, backend: SocketAddr, identity: &Identity) -> Res<Front> {
        let port = free_ports(33)?;
        let file = self.work.join("doorkeeper-tls.properties");
        fs::write(
            &file,
            format!(
                "listeners=TLS://127.0.0.1:{port}\nlistener.security.protocol.map=TLS:SASL_SSL\n\
                 sasl.enabled.mechanisms=PLAIN\nlistener.name.tls.plain.sasl.jaas.config={jaas}\n{ssl}\
                 backend.bootstrap.servers={backend}\nconnections.max.idle.ms=3600000\n",
                jaas = jaas(),
                ssl = ssl_keys("listener.name.tls.", identity),
            ),
        )?;
        // It dials Kafka for a client only when a request needs that.
        Ok(Front { proc: self.serve(&file, port)?, addr: local(port), handshake_only: local(port) })
    }

    pub fn start_haproxy_tls(&self, backend: SocketAddr, identity: &Identity) -> Res<Front> {
        let port = free_ports(2)?;
        let file = self.work.join("haproxy-tls.cfg");
        let bind = format!("ssl crt {} ssl-min-ver TLSv1.3 curves X25519:P-256", identity.keystore.display());
        fs::write(
            &file,
            // The second never gets its first byte, and so never a connection to its server.
            format!(
                "global\n    maxconn 5000\n    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n\
                 defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n\
                 listen kafka\n    bind 127.0.0.1:{port} {bind}\n    server kafka {backend}\n\
                 listen handshakes\n    bind 127.0.0.1:{other} {bind}\n    tcp-request inspect-delay 60s\n    \
                 tcp-request content accept if {{ req.len gt 0 }}\n    tcp-request content reject\n    \
                 server kafka {backend}\n",
                other = port + 1,
            ),
        )?;
        Ok(Front { proc: self.run_haproxy(&file, port)?, addr: local(port), handshake_only: local(port + 1) })
    }

    /// As many workers as HAProxy and doorkeeper have: one for each core.
    pub fn start_envoy(&self, envoy: &Path, backend: SocketAddr, identity: &Identity) -> Res<Front> {
        let port = free_ports(2)?;
        let file = self.work.join("envoy.json");
        let address =
            |addr: SocketAddr| serde_json::json!({"socket_address": {"address": addr.ip(), "port_value": addr.port()}});
        let type_url = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
        let tls = serde_json::json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": type_url("transport_sockets.tls.v3.DownstreamTlsContext"),
                "common_tls_context": {
                    "tls_params": {
                        "tls_minimum_protocol_version": "TLSv1_3",
                        "tls_maximum_protocol_version": "TLSv1_3",
                        "ecdh_curves": ["X25519", "P-256"],
                    },
                    "tls_certificates": [{
                        "certificate_chain": {"filename": identity.chain},
                        "private_key": {"filename": identity.key},
                    }],
                },
            },
        });
        let listener = |name: &str, port: u16, filter: serde_json::Value| {
            serde_json::json!({
                "name": name,
                "address": address(local(port)),
                "filter_chains": [{"transport_socket": tls, "filters": [filter]}],
            })
        };
        let to_kafka = serde_json::json!({
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": type_url("filters.network.tcp_proxy.v3.TcpProxy"), "stat_prefix": "kafka", "cluster": "kafka",
            },
        });
        let nowhere = serde_json::json!({
            "name": "envoy.filters.network.echo",
            "typed_config": {"@type": type_url("filters.network.echo.v3.Echo")},
        });
        let config = serde_json::json!({
            // Nobody reads the statistics.
            "stats_config": {"stats_matcher": {"reject_all": true}},
            "static_resources": {
                "listeners": [listener("kafka", port, to_kafka), listener("handshakes", port + 1, nowhere)],
                "clusters": [{
                    "name": "kafka",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "load_assignment": {
                        "cluster_name": "kafka",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(backend)}}]}],
                    },
                }],
            },
        });
        fs::write(&file, serde_json::to_vec_pretty(&config)?)?;
        let workers = std::thread::available_parallelism()?.to_string();
        let proc = Proc::start(
            "Envoy",
            Command::new(envoy).arg("-c").arg(&file).args([
                "--concurrency",
                &workers,
                "--disable-hot-restart",
                "-l",
                "warn",
            ]),
            &self.work.join("envoy.log"),
            || answers(local(port)) && answers(local(port + 1)),
        )?;
        Ok(Front { proc, addr: local(port), handshake_only: local(port + 1) })
    }
}
