//! What a reload changes of OAUTHBEARER.

use super::Shows::{self, Effect, Nothing};

/// A key set of one key (RFC 7517, appendix A.1).
pub(super) const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"1",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

const SIGNED: &str = "listeners=SASL_PLAINTEXT://127.0.0.1:0
listener.name.sasl_plaintext.node.id.ranges=0-1
sasl.enabled.mechanisms=PLAIN,OAUTHBEARER
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\";
listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
sasl.oauthbearer.jwks.endpoint.url=file://@/keys.json
sasl.oauthbearer.expected.issuer=https://issuer
sasl.oauthbearer.expected.audience=kafka
worker.threads=1
";

/// As the rows of all other keys.
pub(super) fn rows() -> Vec<(&'static str, &'static str, Vec<&'static str>, Shows)> {
    let class = "org.apache.kafka.common.security.oauthbearer";
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let own = "listener.name.sasl_plaintext.oauthbearer";
    let handler = leak(format!("{own}.sasl.server.callback.handler.class={class}.OAuthBearerValidatorCallbackHandler"));
    let validator = leak(format!("sasl.oauthbearer.jwt.validator.class={class}.BrokerJwtValidator"));
    let permission = leak(format!("{own}.sasl.oauthbearer.insecure.unsecured.tokens.allowed=true"));
    let row = |name, lines| (name, SIGNED, lines, Effect);
    vec![
        row("sasl.oauthbearer.jwks.endpoint.url", vec!["sasl.oauthbearer.jwks.endpoint.url=file://@/other.json"]),
        row("sasl.oauthbearer.jwks.endpoint.refresh.ms", vec!["sasl.oauthbearer.jwks.endpoint.refresh.ms=9"]),
        row(
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
            vec!["sasl.oauthbearer.jwks.endpoint.retry.backoff.ms=9"],
        ),
        row(
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
            vec!["sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms=900"],
        ),
        row(
            "sasl.oauthbearer.jwks.endpoint.max.staleness.ms",
            vec!["sasl.oauthbearer.jwks.endpoint.max.staleness.ms=90000000"],
        ),
        row(
            "sasl.oauthbearer.jwks.endpoint.early.refresh.ms",
            vec!["sasl.oauthbearer.jwks.endpoint.early.refresh.ms=9"],
        ),
        row(
            "sasl.oauthbearer.jwks.endpoint.insecure.http.allowed",
            vec!["sasl.oauthbearer.jwks.endpoint.insecure.http.allowed=true"],
        ),
        row("sasl.oauthbearer.expected.issuer", vec!["sasl.oauthbearer.expected.issuer=https://other"]),
        row("sasl.oauthbearer.expected.audience", vec!["sasl.oauthbearer.expected.audience=kafka,other"]),
        (
            "sasl.oauthbearer.allow.unverified.issuer",
            SIGNED,
            vec!["sasl.oauthbearer.allow.unverified.issuer=False"],
            Nothing,
        ),
        (
            "sasl.oauthbearer.allow.unverified.audience",
            SIGNED,
            vec!["sasl.oauthbearer.allow.unverified.audience=False"],
            Nothing,
        ),
        row("sasl.oauthbearer.clock.skew.seconds", vec!["sasl.oauthbearer.clock.skew.seconds=9"]),
        row("sasl.oauthbearer.sub.claim.name", vec!["sasl.oauthbearer.sub.claim.name=azp"]),
        row("sasl.oauthbearer.scope.claim.name", vec!["sasl.oauthbearer.scope.claim.name=scp"]),
        row("sasl.oauthbearer.groups.claim.name", vec!["sasl.oauthbearer.groups.claim.name=roles"]),
        row("sasl.oauthbearer.principal.template", vec!["sasl.oauthbearer.principal.template=x-${sub}"]),
        row("sasl.oauthbearer.token.types", vec!["sasl.oauthbearer.token.types=at+jwt"]),
        ("sasl.oauthbearer.jwt.validator.class", SIGNED, vec![validator], Nothing),
        ("sasl.server.callback.handler.class", SIGNED, vec![handler], Nothing),
        row("sasl.oauthbearer.issuers", vec!["sasl.oauthbearer.issuers=a"]),
        row(
            "sasl.oauthbearer.issuer.<name>.<key>",
            vec!["sasl.oauthbearer.issuers=a", "sasl.oauthbearer.issuer.a.expected.issuer=https://other"],
        ),
        row(
            "sasl.oauthbearer.insecure.unsecured.tokens.allowed",
            vec!["-sasl.oauthbearer.jwks.endpoint.url", permission],
        ),
    ]
}
