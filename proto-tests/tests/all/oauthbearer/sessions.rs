//! Sessions end with their tokens: who brings a new one in time goes on, who does not is cut.

use std::net::SocketAddr;
use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::bearer::{self, Listener, REAUTH_MS};
use proto_tests::issuer::{self, BRIEF};
use proto_tests::jose::{self, Algorithm};
use proto_tests::oauthbearer::{self, Outcome, again, initial};
use proto_tests::programs::{file, java_with_options};
use proto_tests::wire::{Conn, End, requests};
use proto_tests::{Context, Result, check, check_eq, progress};
use serde_json::json;

use super::{Target, each};

/// How long the Java clients work, in seconds, where the environment does not say another time.
const SECONDS: u64 = 25;
const SECONDS_VARIABLE: &str = "REAUTHENTICATION_SECONDS";

pub fn trials() -> Vec<Trial> {
    [
        each("sessions::java", java),
        each("sessions::lifetimes", lifetimes),
        each("sessions::an_old_client", old_client),
        each("sessions::another_token", another_token),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn figure(line: &str, name: &str) -> Result<f64> {
    let mut words = line.split_whitespace().skip_while(|word| *word != name);
    words.nth(1).ok_or_else(|| format!("no {name} in {line:?}"))?.parse().context(format!("{name} in {line:?}"))
}

/// A producer and a consumer of a group with tokens of ten seconds, which the client gets from the issuer again and again: nothing is
/// lost, nothing comes twice, no connection is made anew.
fn java(target: Target) -> Result<()> {
    let seconds = match std::env::var(SECONDS_VARIABLE) {
        Ok(text) => text.parse().context(SECONDS_VARIABLE)?,
        Err(_) => SECONDS,
    };
    let broker = bearer::shared()?;
    let topic = format!("token-sessions-{}", target.name());
    broker.create_topic_of(&topic, 3)?;
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    let handler = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
    let text = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\nbootstrap.servers={}\n\
         sasl.login.callback.handler.class={handler}\nsasl.oauthbearer.token.endpoint.url={}\n\
         sasl.jaas.config={module} clientId=\"{}\" clientSecret=\"{}\" scope=\"kafka\";\n\
         sasl.login.refresh.min.period.seconds=1\nsasl.login.refresh.buffer.seconds=1\nsasl.login.refresh.window.factor=0.6\n",
        target.at(Listener::Secured)?,
        broker.issuer.token_url(),
        BRIEF.name,
        BRIEF.secret(),
    );
    let properties = file(&format!("{topic}.properties"), &text)?;
    let args = [properties.to_str().unwrap_or_default(), &topic, &seconds.to_string()];
    let options = [bearer::allowed(&broker.issuer.allowed_urls())];
    let said = java_with_options(&broker.home, "Sessions", &options, &args, Duration::from_secs(seconds + 150))?;
    let line = said.lines().find(|l| l.starts_with("verdict ")).ok_or_else(|| format!("no verdict:\n{said}"))?;
    progress(format!("{seconds} s with tokens of {} s at {}: {line}", BRIEF.seconds, target.name()));
    for name in ["lost", "doubled", "errors", "reconnects", "failed-reauthentications"] {
        check_eq!(figure(line, name)?, 0.0, "{name} at {}: {said}", target.name());
    }
    check!(figure(line, "acknowledged")? > 50.0 * seconds as f64, "hardly any load: {line}");
    // Three connections at least; each is renewed before its ten seconds are over.
    let least = 3.0 * (seconds as f64 / 10.0 - 1.0);
    check!(figure(line, "reauthentications")? >= least, "fewer than {least} re-authentications: {line}");
    Ok(())
}

fn token(seconds: i64) -> Result<String> {
    let issuer = issuer::shared()?;
    let now = jose::now();
    let mut claims = issuer.claims("alice");
    claims["iat"] = json!(now - 60);
    claims["exp"] = json!(now + seconds);
    issuer.token(Algorithm::Es256, &claims)
}

/// H-199: the session lasts for as long as the token, or as the listener says if that is less; 0 within the clocks' skew.
fn lifetimes(target: Target) -> Result<()> {
    for (listener, seconds, least, most) in [
        (Listener::Secured, 600, 500_000, 600_000),
        (Listener::Secured, 30, 1_000, 30_000),
        (Listener::Reauth, 600, REAUTH_MS as i64, REAUTH_MS as i64),
        (Listener::Reauth, 3, 1, 3_000),
        (Listener::Secured, -10, 0, 0),
        (Listener::Reauth, -10, 0, 0),
    ] {
        let lifetime = oauthbearer::log_in(&mut Conn::open(target.at(listener)?)?, &token(seconds)?)?;
        let what = format!("a token of {seconds} s at {}", listener.name());
        check!((least..=most).contains(&lifetime), "{what}: a session of {lifetime} ms");
    }
    // One that has outlived its token is in, and the first request ends it.
    let mut conn = Conn::open(target.at(Listener::Secured)?)?;
    oauthbearer::log_in(&mut conn, &token(-10)?)?;
    ends_at_the_next_request(&mut conn)
}

fn ends_at_the_next_request(conn: &mut Conn) -> Result<()> {
    conn.request(12, &requests::metadata(&[]))?;
    let outcome = conn.outcome(Duration::from_secs(60));
    check_eq!((outcome.end, outcome.bytes.len()), (End::Closed, 0), "the end of a session");
    Ok(())
}

/// A client that knows nothing of sessions: served until the end, then cut without an answer.
fn old_client(target: Target) -> Result<()> {
    let at: SocketAddr = target.at(Listener::Secured)?;
    let mut conn = Conn::open(at)?;
    oauthbearer::log_in(&mut conn, &token(4)?)?;
    check!(!conn.call(12, &requests::metadata(&[]))?.brokers.is_empty(), "brokers");
    std::thread::sleep(Duration::from_secs(5));
    ends_at_the_next_request(&mut conn)
}

/// On its connection a client may bring a newer token of its own, and nobody else's; one that is wrong ends it.
fn another_token(target: Target) -> Result<()> {
    let issuer = issuer::shared()?;
    let open = || -> Result<Conn> {
        let mut conn = Conn::open(target.at(Listener::Secured)?)?;
        oauthbearer::log_in(&mut conn, &token(60)?)?;
        conn.call(12, &requests::metadata(&[]))?;
        Ok(conn)
    };
    let mut conn = open()?;
    conn.handshake("OAUTHBEARER")?;
    let Outcome::In(lifetime) = again(&mut conn, initial(&token(30)?))? else {
        return Err("a newer token is refused".into());
    };
    check!((1..=30_000).contains(&lifetime), "a session of {lifetime} ms");
    conn.call(12, &requests::metadata(&[]))?;
    let mut conn = open()?;
    conn.handshake("OAUTHBEARER")?;
    let other = issuer.token(Algorithm::Es256, &issuer.claims("mallory"))?;
    match again(&mut conn, initial(&other))? {
        Outcome::Error { code: 58, text: Some(text) } => check!(text.contains("Cannot change principals"), "{text:?}"),
        other => return Err(format!("another's token: {other:?}")),
    }
    check_eq!(conn.outcome(Duration::from_secs(60)).end, End::Closed, "after another's token");
    let mut conn = open()?;
    conn.handshake("OAUTHBEARER")?;
    let got = again(&mut conn, initial(&jose::unsecured(&issuer.claims("alice"))))?;
    check!(matches!(got, Outcome::Refused { .. }), "a wrong token: {got:?}");
    check_eq!(conn.outcome(Duration::from_secs(60)).end, End::Closed, "after a wrong token");
    Ok(())
}
