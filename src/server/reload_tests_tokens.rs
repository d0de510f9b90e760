//! What a reload changes of the login to the backend by token. The token endpoint is away throughout, which refuses no reload.

use super::Shows::{self, Effect, Nothing, Refusal};

const TOKEN: &str = "listeners=PLAINTEXT://127.0.0.1:0
listener.name.plaintext.node.id.ranges=0-1
worker.threads=1
backend.security.protocol=SASL_PLAINTEXT
backend.sasl.mechanism=OAUTHBEARER
backend.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=a clientSecret=b;
backend.sasl.oauthbearer.token.endpoint.url=http://127.0.0.1:1/
backend.sasl.login.retry.backoff.ms=0
backend.sasl.login.retry.backoff.max.ms=0
backend.socket.connection.setup.timeout.ms=50
";

/// As the rows of all other keys.
pub(super) fn rows() -> Vec<(&'static str, &'static str, Vec<&'static str>, Shows)> {
    let row = |name: &'static str, value: &str, shows| {
        let line: &'static str = Box::leak(format!("{name}={value}").into_boxed_str());
        (name, TOKEN, vec![line], shows)
    };
    let class = |name: &str| format!("org.apache.kafka.common.security.oauthbearer.{name}");
    // A secret does not show; the id beside it does.
    let secret = (
        "backend.sasl.oauthbearer.client.credentials.client.secret",
        TOKEN,
        vec![
            "backend.sasl.oauthbearer.client.credentials.client.secret=x",
            "backend.sasl.oauthbearer.client.credentials.client.id=x",
        ],
        Effect,
    );
    vec![
        row("backend.sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:2/", Effect),
        row("backend.sasl.login.callback.handler.class", &class("OAuthBearerLoginCallbackHandler"), Nothing),
        row("backend.sasl.oauthbearer.client.credentials.client.id", "x", Effect),
        secret,
        row("backend.sasl.oauthbearer.scope", "x", Effect),
        row("backend.sasl.oauthbearer.header.urlencode", "true", Effect),
        row("backend.sasl.oauthbearer.grant.type", "password", Refusal),
        row("backend.sasl.oauthbearer.jwt.retriever.class", &class("ClientCredentialsJwtRetriever"), Nothing),
        row("backend.sasl.oauthbearer.jwt.validator.class", &class("ClientJwtValidator"), Nothing),
        row("backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed", "true", Nothing),
        row("backend.sasl.oauthbearer.token.endpoint.insecure.http.allowed", "true", Effect),
        row("backend.sasl.login.connect.timeout.ms", "9", Effect),
        row("backend.sasl.login.read.timeout.ms", "9", Effect),
        row("backend.sasl.login.retry.backoff.max.ms", "9", Effect),
        (
            "backend.sasl.login.retry.backoff.ms",
            TOKEN,
            vec!["backend.sasl.login.retry.backoff.ms=1", "backend.sasl.login.retry.backoff.max.ms=1"],
            Effect,
        ),
        row("backend.sasl.login.refresh.window.factor", "0.6", Effect),
        row("backend.sasl.login.refresh.window.jitter", "0.1", Effect),
        row("backend.sasl.login.refresh.min.period.seconds", "9", Effect),
        row("backend.sasl.login.refresh.buffer.seconds", "9", Effect),
    ]
}
