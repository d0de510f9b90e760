use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::probes::{SigningKey, compact, prove};
use super::*;
use crate::config::{
    BackendTlsConfig, IssuerKeys, JaasContext, ListenerName, Located, MechanismConfig, OauthbearerConfig,
    SaslListenerConfig, TlsVersions, TokenIssuer,
};
use crate::issuer::KeySources;
use crate::jwt::unsecured::UnsecuredRules;
use crate::jwt::{ClaimRules, Template};
use crate::sasl::{Mechanisms, Occasion, Registry, RegistryError, Shared};

const INVALID: &str = r#"{"status":"invalid_token"}"#;
const GENERIC: &str =
    "Authentication failed during authentication due to invalid credentials with SASL mechanism OAUTHBEARER";

fn shared() -> Shared {
    Shared { key_sources: Arc::new(KeySources::default()), ..Shared::default() }
}

async fn build(config: OauthbearerConfig, shared: &Shared) -> Result<Mechanisms, RegistryError> {
    let (jaas, properties) = (JaasContext::default(), HashMap::new());
    let mechanism = MechanismConfig { name: OAUTHBEARER.to_owned(), jaas, properties, oauthbearer: Some(config) };
    let config = SaslListenerConfig { mechanisms: vec![mechanism], max_receive_size: 524_288 };
    Registry::with_builtin().build(&config, &ListenerName::new("CLIENTS"), shared).await
}

/// One exchange.
struct Login(Box<dyn ServerExchange>);

/// What came of a message.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    In(String),
    Challenge(String),
    Malformed(String),
    Rejected(String),
    Unavailable(&'static str),
}

impl Login {
    fn new(mechanisms: &Mechanisms) -> Self {
        Self::from(mechanisms, [192, 0, 2, 1])
    }

    fn from(mechanisms: &Mechanisms, address: [u8; 4]) -> Self {
        let address = SocketAddr::from((Ipv4Addr::from(address), 5));
        let peer = Peer { address, listener: ListenerName::new("CLIENTS") };
        Self(mechanisms.get(OAUTHBEARER.as_bytes()).expect("enabled").start(&peer))
    }

    async fn step(self, message: impl Into<Bytes>) -> Result<Verified, (Told, Option<Self>)> {
        match self.0.step(message.into()).await {
            Ok(Step::Success { token, verified }) => {
                assert!(token.is_empty());
                Ok(verified)
            }
            Ok(Step::Challenge { token, next }) => {
                Err((Told::Challenge(String::from_utf8(token.to_vec()).unwrap()), Some(Self(next))))
            }
            Err(AuthnError::Malformed(why)) => {
                Err((Told::Malformed(why.message(&name(), Occasion::Authentication).into_owned()), None))
            }
            Err(AuthnError::Rejected(why)) => {
                Err((Told::Rejected(why.message(&name(), Occasion::Authentication).into_owned()), None))
            }
            Err(AuthnError::Unavailable(Outage(what))) => Err((Told::Unavailable(what), None)),
        }
    }

    async fn told(self, message: impl Into<Bytes>) -> Told {
        match self.step(message).await {
            Ok(verified) => Told::In(verified.principal.to_string()),
            Err((told, _)) => told,
        }
    }
}

fn message(token: &str) -> String {
    format!("n,,\x01auth=Bearer {token}\x01\x01")
}

fn seconds(from_now: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + from_now
}

fn unsecured(claims: &Value) -> String {
    compact(&json!({"alg": "none"}), claims, "")
}

fn alice() -> String {
    unsecured(&json!({"sub": "alice", "exp": seconds(60)}))
}

async fn development(rules: UnsecuredRules) -> Mechanisms {
    build(OauthbearerConfig::Unsecured(rules), &shared()).await.expect("mechanisms")
}

#[tokio::test]
async fn a_good_token_gives_its_holder_until_it_ends() {
    let mechanisms = development(UnsecuredRules::default()).await;
    let verified = Login::new(&mechanisms).step(message(&alice())).await.ok().expect("in");
    assert_eq!(verified.principal.to_string(), "User:alice");
    let lifetime = verified.lifetime.expect("a token ends");
    assert!(lifetime <= Duration::from_secs(60) && lifetime > Duration::from_secs(50), "{lifetime:?}");
    assert_eq!(verified.attributes, None);
    // H-175
    for scheme in ["bearer", "BEARER", "Bearer  "] {
        let message = message(&alice()).replace("Bearer", scheme);
        assert_eq!(Login::new(&mechanisms).told(message).await, Told::In("User:alice".into()));
    }
}

#[tokio::test]
async fn extensions_are_kept_with_the_session() {
    let mechanisms = development(UnsecuredRules::default()).await;
    let message = format!("n,,\x01host=kafka\x01auth=Bearer {}\x01trace=a b\x01\x01", alice());
    let verified = Login::new(&mechanisms).step(message).await.ok().expect("in");
    let extensions = vec![("host".into(), "kafka".into()), ("trace".into(), "a b".into())];
    assert_eq!(*verified.attributes.expect("attributes"), Attributes { groups: vec![], extensions });
}

/// H-171, SEC-27.
#[tokio::test]
async fn nobody_is_called_otherwise_than_the_token_says() {
    let mechanisms = development(UnsecuredRules::default()).await;
    let with = |authzid: &str| message(&alice()).replace("n,,", &format!("n,a={authzid},"));
    assert_eq!(Login::new(&mechanisms).told(with("alice")).await, Told::In("User:alice".into()));
    for other in ["bob", "Alice", "alice ", "=2Calice"] {
        let text = format!(
            "Authentication failed: Client requested an authorization id ({other}) that is different from the token's principal name (alice)"
        );
        assert_eq!(Login::new(&mechanisms).told(with(other)).await, Told::Rejected(text));
    }
    // The name is compared as it is written.
    let comma = unsecured(&json!({"sub": "a,b", "exp": seconds(60)}));
    let message = message(&comma).replace("n,,", "n,a=a=2Cb,");
    assert!(matches!(Login::new(&mechanisms).told(message).await, Told::Rejected(_)));
}

/// H-181, H-182, H-183, SEC-28: what follows a bad token is the acknowledgement, or the end.
#[tokio::test]
async fn a_bad_token_is_answered_by_json_and_that_by_one_byte() {
    let mechanisms = development(UnsecuredRules::default()).await;
    let refuse = async || match Login::new(&mechanisms).step(message("a.b.c")).await {
        Err((Told::Challenge(json), Some(next))) => {
            assert_eq!(json, INVALID);
            next
        }
        _ => panic!("no challenge"),
    };
    assert_eq!(refuse().await.told(&b"\x01"[..]).await, Told::Rejected(INVALID.into()));
    for other in [message(&alice()), String::new(), "\x01\x01".into(), "\x02".into(), message("a.b.c")] {
        assert_eq!(refuse().await.told(other).await, Told::Malformed(GENERIC.into()));
    }
    // Nothing is to be acknowledged before.
    assert_eq!(Login::new(&mechanisms).told(&b"\x01"[..]).await, Told::Malformed(GENERIC.into()));
}

/// H-177: nothing of what the client sends comes back.
#[tokio::test]
async fn answers_hold_nothing_of_the_token() {
    let mechanisms = development(UnsecuredRules::default()).await;
    for value in ["a\r\nSet-Cookie: x", "\"}", "a\\b", "</script>"] {
        let told = Login::new(&mechanisms).told(format!("n,,\x01auth=Bearer {value}\x01\x01")).await;
        assert_eq!(told, Told::Malformed(GENERIC.into()));
        let with = format!("n,,\x01auth=Bearer hunter2\x01x={value}\x01\x01");
        assert_eq!(Login::new(&mechanisms).told(with).await, Told::Challenge(INVALID.into()));
    }
}

/// H-184, H-185, and A-42.
#[tokio::test]
async fn tokens_that_are_not_good() {
    let mechanisms = development(UnsecuredRules::default()).await;
    let claims = json!({"sub": "alice", "exp": seconds(60)});
    let header = |header: Value| compact(&header, &claims, "");
    let dots = ".".repeat(50_000);
    for token in [
        ".".into(),
        "..".into(),
        "a.b".into(),
        "a.b.c.d".into(),
        "a.b.c.d.e".into(),
        dots,
        header(json!({"alg": "None"})),
        header(json!({"alg": "nOnE"})),
        header(json!({"alg": ""})),
        header(json!({"alg": null})),
        header(json!({"alg": 5})),
        header(json!({})),
        header(json!({"alg": "HS256"})),
        compact(&json!({"alg": "none"}), &claims, "c2ln"),
        unsecured(&json!({"sub": "alice"})),
        unsecured(&json!({"exp": seconds(60)})),
        unsecured(&json!({"sub": " ", "exp": seconds(60)})),
        unsecured(&json!({"sub": 1, "exp": seconds(60)})),
        unsecured(&json!({"sub": "alice", "exp": seconds(-1)})),
        unsecured(&json!({"sub": "alice", "exp": "1"})),
        unsecured(&json!({"sub": "alice", "exp": seconds(60), "iat": seconds(30)})),
        unsecured(&json!({"sub": "alice", "exp": seconds(60), "iat": "now"})),
    ] {
        assert_eq!(Login::new(&mechanisms).told(message(&token)).await, Told::Challenge(INVALID.into()), "{token:.80}");
    }
    let too_long = message(&"a".repeat(MAX_TOKEN_LEN + 1));
    assert!(too_long.len() < MAX_MESSAGE_LEN);
    assert_eq!(Login::new(&mechanisms).told(too_long).await, Told::Challenge(INVALID.into()));
}

/// A-39
#[tokio::test]
async fn a_scope_that_is_missing_is_told() {
    let required_scope = vec!["read".to_owned(), "write".to_owned()];
    let mechanisms = development(UnsecuredRules { required_scope, ..UnsecuredRules::default() }).await;
    let with = |scope: Value| message(&unsecured(&json!({"sub": "alice", "exp": seconds(60), "scope": scope})));
    let told = r#"{"status":"insufficient_scope", "scope":"[read, write]"}"#;
    for scope in [json!("read"), json!(["write"]), json!([]), json!("read write")] {
        assert_eq!(Login::new(&mechanisms).told(with(scope)).await, Told::Challenge(told.into()));
    }
    let Err((Told::Challenge(_), Some(next))) = Login::new(&mechanisms).step(with(json!("read"))).await else {
        panic!()
    };
    assert_eq!(next.told(&b"\x01"[..]).await, Told::Rejected(told.into()));
    assert_eq!(Login::new(&mechanisms).told(with(json!(["write", "x", "read"]))).await, Told::In("User:alice".into()));
}

#[tokio::test]
async fn a_flood_of_bad_tokens_is_held_back_and_who_has_logged_in_is_not() {
    let shared = shared();
    shared.guesses.set_limits(5, 2);
    let mechanisms = build(OauthbearerConfig::Unsecured(UnsecuredRules::default()), &shared).await.expect("mechanisms");
    let token = |name: &str| message(&unsecured(&json!({"sub": name, "exp": seconds(60)})));
    assert_eq!(Login::new(&mechanisms).told(token("alice")).await, Told::In("User:alice".into()));
    for n in 0..20 {
        // Made-up tokens in a user's name from elsewhere do not count for the user.
        let bad = message(&unsecured(&json!({"sub": "bob", "exp": n})));
        assert_eq!(Login::new(&mechanisms).told(bad).await, Told::Challenge(INVALID.into()));
    }
    assert_eq!(Login::new(&mechanisms).told(token("carol")).await, Told::Challenge(INVALID.into()));
    assert_eq!(Login::new(&mechanisms).told(token("alice")).await, Told::In("User:alice".into()));
    for name in ["alice", "bob", "carol"] {
        let elsewhere = Login::from(&mechanisms, [192, 0, 2, 2]);
        assert_eq!(elsewhere.told(token(name)).await, Told::In(format!("User:{name}")));
    }
}

/// A file of this content that is deleted with the value.
struct TempFile(PathBuf);

impl TempFile {
    fn new(content: &str) -> Self {
        use std::hash::{BuildHasher, RandomState};
        let path = std::env::temp_dir().join(format!("doorkeeper-jwks-{:016x}.json", RandomState::new().hash_one(0)));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn url(&self) -> String {
        format!("file://{}", self.0.display())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn issuer(issuer: &str, url: String, change: impl FnOnce(&mut ClaimRules)) -> TokenIssuer {
    let mut rules =
        ClaimRules { issuer: Some(issuer.into()), audiences: vec!["kafka".into()], ..ClaimRules::default() };
    change(&mut rules);
    let tls = BackendTlsConfig {
        keystore: None,
        truststore: None,
        crls: Vec::new(),
        verify_host_name: true,
        versions: TlsVersions { tls12: true, tls13: true },
        cipher_suites: None,
    };
    let url = Located {
        value: url,
        key: "sasl.oauthbearer.jwks.endpoint.url".into(),
        origin: "server.properties:7".into(),
        hidden: false,
    };
    let keys = IssuerKeys {
        url,
        allow_http: false,
        tls,
        refresh: Duration::from_secs(3600),
        retry_backoff: Duration::from_millis(100),
        retry_backoff_max: Duration::from_secs(10),
        max_staleness: Duration::from_secs(86400),
        early_interval: Duration::from_secs(60),
    };
    TokenIssuer { name: None, rules, keys }
}

fn good(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": ["other", "kafka"], "sub": "alice", "iat": seconds(0), "exp": seconds(60), "roles": ["dev", "ops"]})
}

#[tokio::test]
async fn each_issuer_vouches_for_its_own() {
    let (corp, partner) = (SigningKey::random().unwrap(), SigningKey::random().unwrap());
    let files = (TempFile::new(&corp.key_set()), TempFile::new(&partner.key_set()));
    let config = OauthbearerConfig::Issuers(vec![
        issuer("https://corp", files.0.url(), |rules| rules.groups_claim = Some("roles".into())),
        issuer("https://partner", files.1.url(), |rules| {
            rules.principal_template = Some(Template::parse("partner-${sub}").unwrap());
            rules.audiences = vec!["other".into()];
        }),
    ]);
    let shared = shared();
    let mechanisms = build(config, &shared).await.expect("mechanisms");
    let show = async |token: String| Login::new(&mechanisms).told(message(&token)).await;
    let verified =
        Login::new(&mechanisms).step(message(&corp.token(&good("https://corp")).unwrap())).await.ok().expect("in");
    assert_eq!(verified.principal.to_string(), "User:alice");
    assert_eq!(verified.attributes.expect("groups").groups, ["dev".into(), "ops".into()]);
    assert!(verified.lifetime.is_some_and(|lifetime| lifetime <= Duration::from_secs(60)));
    assert_eq!(show(partner.token(&good("https://partner")).unwrap()).await, Told::In("User:partner-alice".into()));

    // The keys of one are no keys of the other, and a stranger's are nobody's.
    let stranger = SigningKey::random().unwrap();
    for token in [
        corp.token(&good("https://partner")),
        partner.token(&good("https://corp")),
        stranger.token(&good("https://corp")),
    ] {
        assert_eq!(show(token.unwrap()).await, Told::Challenge(INVALID.into()));
    }
    // SEC-12, H-191 to H-195
    let with = |name: &str, value: Value| {
        let mut claims = good("https://corp");
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims
    };
    for claims in [
        with("aud", Value::Null),
        with("aud", json!("Kafka")),
        with("aud", json!([])),
        with("iss", Value::Null),
        with("iss", json!("https://corp/")),
        with("iss", json!("HTTPS://corp")),
        with("iss", json!(["https://corp"])),
        with("exp", Value::Null),
        with("exp", json!(seconds(-31))),
        with("iat", Value::Null),
        with("nbf", json!(seconds(40))),
        with("sub", Value::Null),
        with("sub", json!("  ")),
        with("sub", json!("ANONYMOUS")),
        with("scope", json!("")),
    ] {
        assert_eq!(show(corp.token(&claims).unwrap()).await, Told::Challenge(INVALID.into()), "{claims}");
    }
    for bad in [compact(&json!({"alg": "none"}), &good("https://corp"), ""), unsecured(&good("https://corp"))] {
        assert_eq!(show(bad).await, Told::Challenge(INVALID.into()));
    }
    // Expired within the skew it is good, for no time at all.
    let late = corp
        .token(&{
            let mut claims = with("exp", json!(seconds(-5)));
            claims["iat"] = json!(seconds(-60));
            claims
        })
        .unwrap();
    let verified = Login::new(&mechanisms).step(message(&late)).await.ok().expect("in");
    assert_eq!(verified.lifetime, Some(Duration::ZERO));
}

#[tokio::test]
async fn while_the_issuer_is_away_nobody_is_told_that_the_token_is_wrong() {
    // Nothing listens there.
    let config = OauthbearerConfig::Issuers(vec![issuer("https://corp", "http://127.0.0.1:1/jwks".into(), |_| ())]);
    let mechanisms = build(config, &shared()).await.expect("it starts");
    let stranger = SigningKey::random().unwrap();
    let told = Login::new(&mechanisms).told(message(&stranger.token(&good("https://corp")).unwrap())).await;
    assert_eq!(told, Told::Unavailable("the issuer's keys"));
    // What no key could make good is refused all the same.
    let mut expired = good("https://corp");
    expired["exp"] = json!(seconds(-100));
    for token in [stranger.token(&expired).unwrap(), stranger.token(&good("https://other")).unwrap(), alice()] {
        assert_eq!(Login::new(&mechanisms).told(message(&token)).await, Told::Challenge(INVALID.into()));
    }
}

#[tokio::test]
async fn what_cannot_start_names_its_key() {
    for (url, problem) in [
        ("http://192.0.2.1/jwks", "http is for loopback addresses"),
        ("ftp://issuer/jwks", "expected a URL of the scheme"),
        ("file:///nowhere/jwks.json", ""),
        ("https://user:hunter2@issuer/jwks", "user information"),
    ] {
        let config = OauthbearerConfig::Issuers(vec![issuer("https://corp", url.into(), |_| ())]);
        let told = build(config, &shared()).await.expect_err("refused").to_string();
        let start =
            "listener CLIENTS: SASL mechanism OAUTHBEARER: sasl.oauthbearer.jwks.endpoint.url (server.properties:7): ";
        assert!(told.starts_with(start) && told.contains(problem) && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn the_proof_at_start_holds_for_all_rules() {
    let of = |change: fn(&mut ClaimRules)| {
        let rules = issuer("https://corp", String::new(), change).rules;
        prove(&rules, SystemTime::now())
    };
    assert_eq!(of(|_| ()), Ok(()));
    assert_eq!(of(|rules| rules.sub_claim = "azp".into()), Ok(()));
    assert_eq!(of(|rules| rules.principal_template = Some(Template::parse("${tenant}/${sub}").unwrap())), Ok(()));
    assert_eq!(of(|rules| rules.clock_skew = Duration::ZERO), Ok(()));
    // Rules that nothing fits take nothing.
    assert_eq!(of(|rules| rules.issuer = None), Ok(()));
}
