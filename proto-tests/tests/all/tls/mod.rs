//! TLS: the four security protocols, client certificates and the names that they give, keystores of every kind, hostile bytes, and
//! TLS towards the brokers. Most trials run at a real broker too: its word is the judge.

mod backend;
mod client_auth;
mod principals;
mod protocols;
mod records;
mod scan;
mod server_side;
mod sni;

use std::net::SocketAddr;
use std::sync::OnceLock;

use kafka_protocol::messages::CreateDelegationTokenRequest;
use libtest_mimic::Trial;
use proto_tests::Result;
use proto_tests::cluster::{self, Cluster, Tls};
use proto_tests::front::{Front, Spec};
use proto_tests::wire::tls::Client;
use proto_tests::wire::{Conn, PATIENCE, requests};

pub fn trials() -> Vec<Trial> {
    [
        backend::trials(),
        client_auth::trials(),
        principals::trials(),
        protocols::trials(),
        records::trials(),
        scan::trials(),
        server_side::trials(),
        sni::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The name of the doorkeeper's listener that is set as that of the brokers.
pub fn name(listener: Tls) -> &'static str {
    match listener {
        Tls::None => "TLSNONE",
        Tls::Requested => "SSL",
        Tls::Required => "TLSREQUIRED",
        Tls::Rules => "TLSRULES",
        Tls::Sasl => "SASL_SSL",
    }
}

/// The doorkeeper that these trials share: all four protocols, and a listener for each of the brokers' with TLS, set alike.
pub fn front(cluster: &Cluster) -> Result<&'static Front> {
    static FRONT: OnceLock<Result<Front>> = OnceLock::new();
    FRONT
        .get_or_init(|| {
            let mut spec = Spec::new(&cluster.bootstrap())?;
            spec.with_plaintext();
            for listener in [Tls::None, Tls::Requested, Tls::Required, Tls::Rules, Tls::Sasl] {
                let protocol = if listener == Tls::Sasl { "SASL_SSL" } else { "SSL" };
                spec.tls_listener(name(listener), protocol)?;
            }
            spec.set("ssl.client.auth", "required")
                .set("listener.name.tlsnone.ssl.client.auth", "none")
                .set("listener.name.ssl.ssl.client.auth", "requested")
                .set("listener.name.tlsrequired.ssl.client.auth", "required")
                .set("listener.name.tlsrules.ssl.client.auth", "requested")
                .set("listener.name.tlsrules.ssl.principal.mapping.rules", cluster::MAPPING_RULES)
                .start()
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// What became of a client: served under that principal, or turned away with those words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visit {
    Served(String),
    Refused(String),
}

/// Comes to a broker, and asks for a delegation token: its answer names the owner.
pub fn visit_kafka(to: SocketAddr, client: &Client) -> Visit {
    let ask = || {
        let mut conn = Conn::open_tls(to, client)?;
        conn.call(3, &requests::api_versions())?;
        conn.call(3, &CreateDelegationTokenRequest::default().with_max_lifetime_ms(-1))
    };
    match ask() {
        // DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: nobody in particular asks.
        Ok(answer) if answer.error_code == 64 => Visit::Served("User:ANONYMOUS".into()),
        Ok(answer) if answer.error_code == 0 => {
            Visit::Served(format!("{}:{}", answer.principal_type, answer.principal_name))
        }
        Ok(answer) => Visit::Refused(format!("error {} for a delegation token", answer.error_code)),
        Err(why) => Visit::Refused(why),
    }
}

/// Comes to doorkeeper; its log names the principal.
pub fn visit_front(front: &Front, listener: Tls, client: &Client) -> Result<Visit> {
    let mut conn = match Conn::open_tls(front.at(name(listener)), client) {
        Ok(conn) => conn,
        Err(why) => return Ok(Visit::Refused(why)),
    };
    let peer = conn.stream().local_addr().map_err(|e| e.to_string())?;
    if let Err(why) = conn.call(3, &requests::api_versions()) {
        return Ok(Visit::Refused(why));
    }
    conn.finish()?;
    conn.outcome(PATIENCE);
    let line = front.closed(peer)?;
    Ok(Visit::Served(line["principal"].as_str().unwrap_or_default().to_owned()))
}
