//! How doorkeeper logs in to a backend that takes tokens, and stays logged in to one that ends sessions.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::bearer::{self, BearerBroker, Listener, REAUTH_MS, SCRAM_USER};
use proto_tests::false_issuer::{Answer, FalseIssuer};
use proto_tests::front::{Front, Spec, check_file};
use proto_tests::issuer::{BRIEF, Client, FRONT, STRANGER};
use proto_tests::jose::{self, Algorithm};
use proto_tests::load::Load;
use proto_tests::pki::{self, stores};
use proto_tests::programs::client_properties;
use proto_tests::wire::records::batch;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, address, check, check_eq, http, progress, scratch, wait_for};
use serde_json::json;

use crate::free;

const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

pub fn trials() -> Vec<Trial> {
    vec![
        free("backend_login::unsecured", unsecured),
        free("backend_login::issuer", issuer),
        free("backend_login::refused", refused),
        free("backend_login::file", file),
        free("backend_login::issuer_down", issuer_down),
        free("backend_login::reload", reload),
        free("backend_login::configuration", configuration),
        free("backend_login::reauthentication::plain", || under_load("plain", Listener::Reauth, plain)),
        free("backend_login::reauthentication::scram", || under_load("scram", Listener::Reauth, scram)),
        free("backend_login::reauthentication::token", || {
            under_load("token", Listener::Reauth, |spec| by_grant(spec, FRONT, false))
        }),
        free("backend_login::reauthentication::token_end", || {
            under_load("token-end", Listener::Secured, |spec| by_grant(spec, BRIEF, false))
        }),
        free("backend_login::reauthentication::idle", idle),
        free("backend_login::reauthentication::refused", not_again),
    ]
}

/// A doorkeeper before that listener of the broker, with metrics. The login is still missing.
fn spec(listener: Listener) -> Result<Spec> {
    let mut spec = Spec::new(&bearer::shared()?.at(listener).to_string())?;
    let metrics = format!("http://{}:{}", spec.host(), spec.port() + address::BLOCK);
    spec.set("backend.security.protocol", listener.protocol()).set("metrics.listeners", &metrics);
    Ok(spec)
}

fn by_token<'s>(spec: &'s mut Spec, options: &str) -> &'s mut Spec {
    spec.set("backend.sasl.mechanism", "OAUTHBEARER")
        .set("backend.sasl.jaas.config", &format!("{MODULE} required {options};"))
}

/// As that client of the issuer.
fn by_grant(spec: &mut Spec, client: Client, https: bool) -> Result<()> {
    let issuer = bearer::shared()?.issuer;
    let trust = stores::file("backend-issuer-trust.pem", &pki::get()?.ca.pem())?;
    let trust = format!("ssl.truststore.type=PEM ssl.truststore.location=\"{}\"", stores::text(&trust));
    let url = if https { issuer.token_url_https() } else { issuer.token_url() };
    by_token(spec, &format!("clientId=\"{}\" clientSecret=\"{}\" {trust}", client.name, client.secret()))
        .set("backend.sasl.oauthbearer.token.endpoint.url", &url);
    Ok(())
}

fn plain(spec: &mut Spec) -> Result<()> {
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"alice-secret\";";
    spec.set("backend.sasl.mechanism", "PLAIN").set("backend.sasl.jaas.config", login);
    Ok(())
}

fn scram(spec: &mut Spec) -> Result<()> {
    let (user, password) = SCRAM_USER;
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
    let login = format!("{module} required username=\"{user}\" password=\"{password}\";");
    spec.set("backend.sasl.mechanism", "SCRAM-SHA-256").set("backend.sasl.jaas.config", &login);
    Ok(())
}

/// The front's own figures.
fn metric(spec: &Spec, name: &str) -> Result<f64> {
    let samples = http::scrape((spec.host(), spec.port() + address::BLOCK).into())?;
    samples.get(name).copied().ok_or_else(|| format!("no {name}"))
}

fn reauthentications(spec: &Spec, outcome: &str) -> Result<f64> {
    metric(spec, &format!("doorkeeper_backend_reauthentications_total{{outcome=\"{outcome}\"}}"))
}

fn tokens(spec: &Spec, outcome: &str) -> Result<f64> {
    metric(spec, &format!("doorkeeper_backend_tokens_total{{outcome=\"{outcome}\"}}"))
}

/// A client's record goes in.
fn produce(conn: &mut Conn, topic: &str) -> Result<()> {
    let reply = conn.call(9, &requests::produce(topic, 0, -1, batch(&[b"record"]).into()))?;
    check_eq!(reply.responses[0].partition_responses[0].error_code, 0, "a produced record");
    Ok(())
}

fn open(front: &Front) -> Result<Conn> {
    Conn::login(front.node(1), "alice", "alice-secret")
}

/// Everything goes through, at the bootstrap port and at the node's.
fn serves(front: &Front, topic: &str) -> Result<()> {
    bearer::shared()?.create_topic(topic)?;
    let seen = Conn::login(front.sasl(), "alice", "alice-secret")?.call(12, &requests::metadata(&[topic]))?;
    check_eq!(seen.brokers.len(), 1, "brokers");
    produce(&mut open(front)?, topic)
}

/// Tokens of our own making, with all kinds of claims and an extension, at Kafka's validator for development.
fn unsecured() -> Result<()> {
    for (listener, options) in [
        (Listener::Unsecured, "unsecuredLoginStringClaim_sub=\"front\" unsecuredLoginExtension_trace=\"a b\""),
        (Listener::UnsecuredTls, "unsecuredLoginStringClaim_sub=\"front\" unsecuredLoginLifetimeSeconds=\"60\""),
        (
            Listener::Options,
            "unsecuredLoginPrincipalClaimName=\"name\" unsecuredLoginStringClaim_name=\"the front\" \
             unsecuredLoginScopeClaimName=\"roles\" unsecuredLoginListClaim_roles=\"|read|write\" \
             unsecuredLoginNumberClaim_level=\"2.5\"",
        ),
    ] {
        let mut spec = spec(listener)?;
        if listener.protocol() == "SASL_SSL" {
            spec.tls_backend("SASL_SSL", false)?;
        }
        let front = by_token(&mut spec, options).start()?;
        serves(&front, &format!("backend-{}", listener.name().to_lowercase()))?;
        check!(front.process.output().contains("unsecured tokens"), "no warning of unsecured tokens");
    }
    // Too little scope: the broker's reasons are in the log, and the front does not come up.
    let mut spec = spec(Listener::Options)?;
    let options = "unsecuredLoginPrincipalClaimName=\"name\" unsecuredLoginStringClaim_name=\"front\"";
    let mut front = by_token(&mut spec, options).launch()?;
    front.process.wait_output("refuses the front's login: ", Duration::from_secs(30))?;
    check!(front.process.output().contains("insufficient_scope"), "{}", front.process.output());
    Ok(())
}

/// The client credentials grant at a real issuer, over http and https, in plain text and inside TLS.
fn issuer() -> Result<()> {
    for (listener, https) in [(Listener::Secured, false), (Listener::Secured, true), (Listener::SecuredTls, true)] {
        let mut spec = spec(listener)?;
        if listener.protocol() == "SASL_SSL" {
            spec.tls_backend("SASL_SSL", false)?;
        }
        by_grant(&mut spec, FRONT, https)?;
        let front = spec.start()?;
        serves(&front, &format!("backend-{}-{https}", listener.name().to_lowercase()))?;
        let log = front.process.output();
        check!(!log.contains(&FRONT.secret()) && !log.contains("eyJ"), "a secret is in the log");
        // One token for all connections.
        check_eq!(tokens(&spec, "success")?, 1.0, "tokens");
        let expiry = metric(&spec, "doorkeeper_backend_token_expiry_timestamp_seconds")?;
        check!((500.0..=601.0).contains(&(expiry - jose::now() as f64)), "the token's end: {expiry}");
    }
    Ok(())
}

/// What the broker or the issuer refuses is told in the log, and clients are closed as `backend unavailable`.
fn refused() -> Result<()> {
    // Tokens for another audience.
    let mut strange = spec(Listener::Secured)?;
    by_grant(&mut strange, STRANGER, false)?;
    let mut front = strange.launch()?;
    front.process.wait_output("refuses the front's login: ", Duration::from_secs(30))?;
    check!(front.process.output().contains("invalid_token"), "{}", front.process.output());
    is_unavailable(&front, "login")?;

    // A wrong secret: the issuer says so, once, and is not asked again and again.
    let mut wrong = spec(Listener::Secured)?;
    let url = bearer::shared()?.issuer.token_url();
    by_token(&mut wrong, "clientId=front clientSecret=hunter2")
        .set("backend.sasl.oauthbearer.token.endpoint.url", &url);
    let mut front = wrong.launch()?;
    front.process.wait_output("refuses with status 401", Duration::from_secs(30))?;
    is_unavailable(&front, "no token to log in with")?;
    let failed = tokens(&wrong, "failure")?;
    check!((1.0..=40.0).contains(&failed), "{failed} attempts");
    check!(!front.process.output().contains("hunter2"), "the secret is in the log");
    Ok(())
}

fn is_unavailable(front: &Front, why: &str) -> Result<()> {
    let mut conn = Conn::login(front.sasl(), "alice", "alice-secret")?;
    let peer = conn.stream().local_addr().map_err(|e| e.to_string())?;
    conn.stream().set_read_timeout(Some(Duration::from_secs(60))).map_err(|e| e.to_string())?;
    check!(conn.call(12, &requests::metadata(&[])).is_err(), "an answer without a backend");
    let line = front.closed("SASL_PLAINTEXT", peer)?;
    let reason = line["reason"].as_str().unwrap_or_default().to_owned();
    check!(reason.starts_with("backend unavailable") && reason.contains(why), "{line}");
    Ok(())
}

/// A token file of that name, with a token for that subject.
fn token_file(name: &str, subject: &str) -> Result<PathBuf> {
    let path = scratch::dir("backend-tokens").join(name);
    let issuer = bearer::shared()?.issuer;
    put(&path, &issuer.token(Algorithm::Es256, &issuer.claims(subject))?)?;
    Ok(path)
}

/// Puts another file in its place, as who keeps tokens fresh does.
fn put(path: &PathBuf, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, format!("{text}\n"))
        .and_then(|()| fs::rename(&new, path))
        .map_err(|e| format!("write a token: {e}"))
}

/// A file of tokens is read again when it changes; what is no token does not replace one.
fn file() -> Result<()> {
    let path = token_file("rotated", "front")?;
    let mut spec = spec(Listener::Secured)?;
    let url = format!("file:{}", path.display());
    let front = by_token(&mut spec, "").set("backend.sasl.oauthbearer.token.endpoint.url", &url).start()?;
    serves(&front, "backend-file")?;
    put(&path, "no token at all")?;
    wait_for("a refused file", Duration::from_secs(20), || {
        check!(tokens(&spec, "failure")? >= 1.0, "none yet");
        Ok(())
    })?;
    produce(&mut open(&front)?, "backend-file")?;
    let issuer = bearer::shared()?.issuer;
    put(&path, &issuer.token(Algorithm::Rs256, &issuer.claims("front"))?)?;
    wait_for("the new token", Duration::from_secs(30), || {
        check_eq!(tokens(&spec, "success")?, 2.0, "tokens");
        Ok(())
    })?;
    produce(&mut open(&front)?, "backend-file")
}

/// The answer of a token endpoint with a token that the broker takes for so many seconds.
fn grant(subject: &str, seconds: i64) -> Result<Answer> {
    let issuer = bearer::shared()?.issuer;
    let mut claims = issuer.claims(subject);
    claims["exp"] = json!(jose::now() + seconds);
    let token = issuer.token(Algorithm::Es256, &claims)?;
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds});
    Ok(Answer::Typed("application/json", body.to_string().into_bytes()))
}

/// A front with the keys that make its waits short, and the endpoint that it asks.
fn with_endpoint(listener: Listener, answer: Answer) -> Result<(Spec, FalseIssuer)> {
    let endpoint = FalseIssuer::start(answer)?;
    let mut spec = spec(listener)?;
    by_token(&mut spec, "clientId=front clientSecret=s")
        .set("backend.sasl.oauthbearer.token.endpoint.url", &endpoint.jwks_url())
        .set("backend.sasl.login.retry.backoff.max.ms", "300")
        .set("backend.socket.connection.setup.timeout.ms", "3000");
    Ok((spec, endpoint))
}

/// The endpoint is away when a token is to be replaced: the old one serves to its end; then clients are closed; and when the endpoint is
/// back, so are they.
fn issuer_down() -> Result<()> {
    let (spec, endpoint) = with_endpoint(Listener::Secured, grant("front", 25)?)?;
    let begin = Instant::now();
    let front = spec.start()?;
    serves(&front, "backend-down")?;
    endpoint.tell(Answer::Close);
    wait_for("a failed replacement", Duration::from_secs(60), || {
        check!(tokens(&spec, "failure")? >= 1.0, "none yet");
        Ok(())
    })?;
    if begin.elapsed() < Duration::from_secs(23) {
        produce(&mut open(&front)?, "backend-down")?;
    }
    sleep(Duration::from_secs(27).saturating_sub(begin.elapsed()));
    for (answer, why) in [
        (Answer::Status(503), "status 503"),
        (Answer::Endless, "more than"),
        (Answer::Redirect("http://127.0.0.1:1/".into()), "redirects"),
        (Answer::Body(b"{}".to_vec()), "not understood"),
    ] {
        endpoint.tell(answer);
        wait_for(why, Duration::from_secs(60), || is_unavailable(&front, why))?;
    }
    endpoint.tell(grant("front", 600)?);
    wait_for("a client that is served again", Duration::from_secs(60), || produce(&mut open(&front)?, "backend-down"))?;
    check!(endpoint.seen().requests < 200, "{:?}", endpoint.seen());
    Ok(())
}

/// Another login by reload: one that does not work is refused, and one that works takes over without a gap.
fn reload() -> Result<()> {
    let (mut spec, endpoint) = with_endpoint(Listener::Secured, grant("front", 600)?)?;
    let front = spec.start()?;
    serves(&front, "backend-reload")?;
    let path = token_file("of-a-reload", "front")?;
    let url = |path: &str| format!("file:{path}");
    let mut bad = spec.take();
    bad.set("backend.sasl.oauthbearer.token.endpoint.url", &url("/nowhere/token"));
    let told = front.refuse(&bad.properties())?;
    check!(told.len() == 1 && told[0].contains("no token to log in with: the file /nowhere/token"), "{told:?}");
    produce(&mut open(&front)?, "backend-reload")?;
    let mut good = bad.take();
    good.set("backend.sasl.oauthbearer.token.endpoint.url", &url(&path.display().to_string()));
    endpoint.tell(Answer::Close);
    check_eq!(front.reload(&good)?, "backend.sasl.oauthbearer.token.endpoint.url", "what has changed");
    let before = endpoint.seen().requests;
    produce(&mut open(&front)?, "backend-reload")?;
    check_eq!(endpoint.seen().requests, before, "questions at the old endpoint");
    Ok(())
}

/// `doorkeeper check` names key, file and line, and no secret.
fn configuration() -> Result<()> {
    for (lines, want) in [
        ("backend.sasl.oauthbearer.token.endpoint.url=http://issuer.example/token\n", "http is for loopback addresses"),
        ("backend.sasl.oauthbearer.token.endpoint.url=https://u:p@issuer.example/\n", "no user information"),
        ("backend.sasl.oauthbearer.token.endpoint.url=file:token\n", "an absolute path"),
        ("", "backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed"),
    ] {
        let text = format!(
            "listeners=PLAINTEXT://127.0.0.1:0\nbackend.bootstrap.servers=kafka.example:1\n\
             backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=OAUTHBEARER\n\
             backend.sasl.jaas.config={MODULE} required clientId=a clientSecret=hunter2;\n{lines}"
        );
        let (file, said) = check_file("backend-tokens.properties", &text)?;
        let words = format!("{}{}", said.stdout, said.stderr);
        check!(words.contains(want) && !words.contains("hunter2"), "{lines}{words}");
        check!(lines.is_empty() || words.contains(&format!("{}:6", file.display())), "no line in {words}");
        check!(said.code != Some(0), "it is good: {lines}");
    }
    Ok(())
}

/// A broker that ends sessions, under a producer and a consumer that run for a minute: nothing is lost, and neither they nor doorkeeper
/// connect again.
fn under_load(name: &str, listener: Listener, login: impl FnOnce(&mut Spec) -> Result<()>) -> Result<()> {
    let broker: &BearerBroker = bearer::shared()?;
    let topic = format!("backend-reauth-{name}");
    broker.create_topic(&topic)?;
    let mut spec = spec(listener)?;
    login(&mut spec)?;
    let front = spec.start()?;
    let properties = format!("{}bootstrap.servers={}\n", client_properties("alice", "alice-secret"), front.sasl());
    let mut load = Load::both(&broker.home, &topic, &properties, &topic)?;
    load.wait_more(2500)?;
    let opened = metric(&spec, "doorkeeper_backend_connections_opened_total")?;
    let before = reauthentications(&spec, "success")?;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        load.wait_more(500)?;
    }
    let after = reauthentications(&spec, "success")?;
    let opened_since = metric(&spec, "doorkeeper_backend_connections_opened_total")? - opened;
    let verdict = load.finish()?;
    progress(format!("{name}: {verdict}; {} re-authentications in a minute", after - before));
    check!(verdict.contains(" lost 0 doubled 0 errors 0 connections 0"), "{verdict}");
    check_eq!(opened_since, 0.0, "new backend connections");
    check_eq!(reauthentications(&spec, "failure")?, 0.0, "failed re-authentications");
    // Two connections at least, each in less than the session's length, but for those of a token that grows old.
    check!(after - before >= 20.0, "{} re-authentications", after - before);
    if name == "token-end" {
        check!(tokens(&spec, "success")? >= 6.0, "{} tokens", tokens(&spec, "success")?);
    }
    Ok(())
}

/// A client that says nothing for longer than the broker's session is served on the same backend connection.
fn idle() -> Result<()> {
    let mut spec = spec(Listener::Reauth)?;
    plain(&mut spec)?;
    let front = spec.start()?;
    serves(&front, "backend-idle")?;
    let mut conn = open(&front)?;
    produce(&mut conn, "backend-idle")?;
    let opened = metric(&spec, "doorkeeper_backend_connections_opened_total")?;
    for round in 1..=2 {
        sleep(Duration::from_millis(REAUTH_MS + 1500));
        produce(&mut conn, "backend-idle")?;
        check_eq!(reauthentications(&spec, "success")?, f64::from(round), "re-authentications");
    }
    check_eq!(metric(&spec, "doorkeeper_backend_connections_opened_total")?, opened, "backend connections");
    Ok(())
}

/// The broker does not take the front's new token, which is for somebody else: the client is closed, and comes back.
fn not_again() -> Result<()> {
    let (spec, endpoint) = with_endpoint(Listener::Reauth, grant("front", 10)?)?;
    let front = spec.start()?;
    serves(&front, "backend-changed")?;
    let mut conn = open(&front)?;
    let peer = conn.stream().local_addr().map_err(|e| e.to_string())?;
    produce(&mut conn, "backend-changed")?;
    endpoint.tell(grant("another", 600)?);
    wait_for("the end of the connection", Duration::from_secs(30), || {
        sleep(Duration::from_millis(200));
        check!(produce(&mut conn, "backend-changed").is_err(), "it goes on");
        Ok(())
    })?;
    let line = front.closed("SASL_PLAINTEXT", peer)?;
    let reason = line["reason"].as_str().unwrap_or_default();
    check!(reason.starts_with("backend unavailable") && reason.contains("Cannot change principals"), "{line}");
    check_eq!(reauthentications(&spec, "failure")?, 1.0, "failed re-authentications");
    produce(&mut open(&front)?, "backend-changed")
}
