//! Listeners that take tokens, by Kafka's own validator for production and by doorkeeper's.

use std::fs;
use std::net::SocketAddr;

use super::{Places, Proc, free_ports, local};
use crate::Res;
use crate::tokens::Issuer;

/// The keys by which a listener takes the tokens of that issuer and nothing else. Both programs read the same.
pub(super) fn oauthbearer_keys(listener: &str, issuer: &Issuer) -> String {
    let key = format!("listener.name.{listener}");
    format!(
        "{key}.sasl.enabled.mechanisms=OAUTHBEARER\n\
         {key}.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;\n\
         {key}.oauthbearer.sasl.server.callback.handler.class=\
         org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler\n\
         {key}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={}\n\
         {key}.oauthbearer.sasl.oauthbearer.expected.issuer={}\n\
         {key}.oauthbearer.sasl.oauthbearer.expected.audience={}\n",
        issuer.jwks_url(),
        Issuer::URL,
        Issuer::AUDIENCE,
    )
}

/// The system property without which Kafka asks no URL for keys (KIP-1139).
pub(super) fn allowed_urls(issuer: &Issuer) -> String {
    format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}", issuer.jwks_url())
}

impl Places {
    pub fn start_doorkeeper_tokens(&self, backend: SocketAddr, issuer: &Issuer) -> Res<(Proc, SocketAddr)> {
        let port = free_ports(33)?;
        let file = self.work.join("doorkeeper-tokens.properties");
        fs::write(
            &file,
            format!(
                "listeners=SASL_PLAINTEXT://127.0.0.1:{port}\n{}backend.bootstrap.servers={backend}\n\
                 connections.max.idle.ms=3600000\n",
                oauthbearer_keys("sasl_plaintext", issuer)
            ),
        )?;
        Ok((self.serve(&file, port)?, local(port)))
    }
}
