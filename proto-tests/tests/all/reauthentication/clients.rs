//! Real clients whose sessions end while they work.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::cluster::{self, Cluster};
use proto_tests::front::{Front, Spec};
use proto_tests::guarded::SCRAM_JAAS;
use proto_tests::http::scrape;
use proto_tests::programs::{client_properties, compile, file, prepare};
use proto_tests::scram::Hash;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Context, Result, check, check_eq, process, progress, scratch};

use super::{ALICE, with_endpoint};
use crate::scram::credential;
use crate::{clients, steady};

/// How long the Java clients work, in seconds, where the environment does not say another time.
const SECONDS: u64 = 20;
const SECONDS_VARIABLE: &str = "REAUTHENTICATION_SECONDS";

/// Milliseconds that their sessions last.
const SESSION: u64 = 5000;

pub fn trials() -> Vec<Trial> {
    let java = |mechanism: &'static str| {
        steady(&format!("reauthentication::clients::java_{mechanism}"), move |cluster| java(cluster, mechanism))
    };
    let mut all = vec![java("PLAIN"), java("SCRAM-SHA-512"), steady("reauthentication::clients::too_old", too_old)];
    // kafkajs authenticates anew ten seconds before the end, however short the session is.
    for (language, session) in [("python", 1500), ("old", 1500), ("go", 1500), ("node", 12_000)] {
        let name = format!("reauthentication::clients::{language}");
        all.push(steady(&name, move |cluster| others(cluster, language, session)));
    }
    all
}

/// A doorkeeper before the cluster whose sessions last so long, and where its metrics are.
fn front(cluster: &Cluster, session: u64) -> Result<(Front, std::net::SocketAddr)> {
    let mut spec = Spec::new(&cluster.bootstrap())?;
    let store = scratch::dir("stores").join(spec.number().to_string());
    spec.set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512")
        .set("super.users", "User:front")
        .set("store.dir", store.to_str().ok_or("a path that is text")?)
        .set("connections.max.reauth.ms", &session.to_string());
    let endpoint = with_endpoint(&mut spec)?;
    let front = spec.env("DOORKEEPER_LOG", "info,doorkeeper::relay=debug").start()?;
    let upsertion = credential(ALICE.0, Hash::Sha512, ALICE.1);
    let (admin, password) = cluster::USERS[2];
    let reply = Conn::login(front.sasl(), admin, password)?.call(0, &requests::alter_scram(vec![], vec![upsertion]))?;
    check_eq!(reply.results[0].error_code, 0, "a credential for {}", ALICE.0);
    Ok((front, endpoint))
}

fn figure(said: &str, name: &str) -> Result<f64> {
    let line = said.lines().find(|l| l.starts_with("verdict ")).ok_or_else(|| format!("no verdict:\n{said}"))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != name);
    words.nth(1).ok_or_else(|| format!("no {name} in {line:?}"))?.parse().context(format!("{name} in {line:?}"))
}

/// A producer and a consumer of a group, both at work all the time: nothing is lost, nothing comes twice, and no connection is made anew.
/// A Java client means to authenticate anew at 85 to 95 % of its session. On a machine where a thread waits longer for a processor than
/// what is then left, 250 ms, it is too late, at a broker as here: so there is a second look, and never a third.
fn java(cluster: &Cluster, mechanism: &str) -> Result<()> {
    match at_work(cluster, mechanism, "first") {
        Err(why) if why.to_string().contains(LATE) => {
            progress(format!("{mechanism}: a second look, for {why}"));
            at_work(cluster, mechanism, "second")
        }
        verdict => verdict,
    }
}

/// What a run's failure begins with in which all was right, but that the client was late.
const LATE: &str = "nothing lost, but";

fn at_work(cluster: &Cluster, mechanism: &str, look: &str) -> Result<()> {
    let seconds = match std::env::var(SECONDS_VARIABLE) {
        Ok(text) => text.parse().context(SECONDS_VARIABLE)?,
        Err(_) => SECONDS,
    };
    let (front, endpoint) = front(cluster, SESSION)?;
    let topic = format!("reauthentication-java-{}-{look}", mechanism.to_lowercase());
    cluster.create_topic(&topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let properties = match mechanism {
        "PLAIN" => client_properties(ALICE.0, ALICE.1),
        _ => {
            let login = SCRAM_JAAS.trim_end_matches(';');
            format!(
                "security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\n\
                 sasl.jaas.config={login} username=\"{}\" password=\"{}\";\n",
                ALICE.0, ALICE.1
            )
        }
    };
    let properties =
        file(&format!("{topic}.properties"), &format!("{properties}bootstrap.servers={}\n", front.sasl()))?;
    let classes = compile(cluster)?;
    let mut command = process::command("java");
    command
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx256m", "-cp"])
        .arg(format!("{}:{}/libs/*", classes.display(), cluster.home.display()))
        .arg(format!("-Dlog4j2.configurationFile={}/config/tools-log4j2.yaml", cluster.home.display()))
        .arg("Sessions")
        .arg(&properties)
        .args([&topic, &seconds.to_string()]);
    let said = process::run("Sessions", command, "", Duration::from_secs(seconds + 150))?.ok()?;
    let of = |name: &str| figure(&said, name);
    let seen = scrape(endpoint)?;
    let renewed = format!(
        "doorkeeper_reauthentications_total{{listener=\"SASL_PLAINTEXT\",mechanism=\"{mechanism}\",outcome=\"success\"}}"
    );
    let closed = |reason: &str| {
        seen[&format!("doorkeeper_connections_closed_total{{listener=\"SASL_PLAINTEXT\",reason=\"{reason}\"}}")]
    };
    let line = said.lines().find(|l| l.starts_with("verdict ")).unwrap_or_default();
    progress(format!(
        "{mechanism}, {seconds} s of sessions of {SESSION} ms: {line}; at doorkeeper {} re-authentications, {} sessions expired",
        seen[&renewed],
        closed("session_expired"),
    ));
    for name in ["lost", "doubled", "errors", "failed-reauthentications"] {
        check_eq!(of(name)?, 0.0, "{name}: {said}");
    }
    check!(of("acknowledged")? > 100.0 * seconds as f64, "hardly any load: {line}");
    // Each of the two clients has a connection to each of three brokers; sessions are renewed after 85 to 95 % of their time.
    let least = 6.0 * (seconds as f64 / 5.0 - 1.0);
    check!(of("reauthentications")? >= least, "fewer than {least} re-authentications: {line}");
    check!(seen[&renewed] >= of("reauthentications")?, "doorkeeper counts {} of them", seen[&renewed]);
    check_eq!(closed("reauthentication_failed"), 0.0, "re-authentications that failed");
    let log = front.log()?;
    let late: Vec<_> = log.iter().filter(|l| l["message"] == "a request after the session's end").collect();
    let late: Vec<String> = late.iter().map(|l| format!("{} {}", l["api"], l["late"])).collect();
    let reconnects = of("reconnects")?;
    check!(reconnects <= late.len() as f64, "{reconnects} connections were made anew, late requests: {late:?}");
    check!(
        reconnects == 0.0,
        "{LATE} {reconnects} connections were made anew after requests that came too late: {late:?}"
    );
    Ok(())
}

/// What a doorkeeper has counted at its listener, in words.
fn told(endpoint: std::net::SocketAddr) -> Result<String> {
    let seen = scrape(endpoint)?;
    let count = |name: &str| -> f64 { seen.iter().filter(|(k, _)| k.starts_with(name)).map(|(_, v)| v).sum() };
    Ok(format!(
        "{} logins, {} of clients that cannot authenticate anew, {} re-authentications, {} sessions expired",
        count("doorkeeper_logins_total{listener=\"SASL_PLAINTEXT\",mechanism=\"PLAIN\",outcome=\"success\""),
        count("doorkeeper_logins_without_reauthentication_total"),
        count("doorkeeper_reauthentications_total"),
        count("doorkeeper_connections_closed_total{listener=\"SASL_PLAINTEXT\",reason=\"session_expired\""),
    ))
}

/// Clients of other languages do all that they do elsewhere.
fn others(cluster: &Cluster, language: &str, session: u64) -> Result<()> {
    let (front, endpoint) = front(cluster, session)?;
    let topic = format!("reauthentication-{language}");
    clients::run(cluster, language, Some("Authentication failed"), front.sasl(), &topic, &[])?;
    progress(format!("{language} with sessions of {session} ms: {}", told(endpoint)?));
    Ok(())
}

/// A client that does not know of sessions is cut off at each end, comes again, and loses nothing.
fn too_old(cluster: &Cluster) -> Result<()> {
    let (front, endpoint) = front(cluster, 2000)?;
    let topic = "reauthentication-too-old";
    cluster.create_topic(topic, &[&[1, 2, 3]], &[])?;
    let client = prepare("pure")?;
    let mut words = client.split_whitespace();
    let mut command = process::command(words.next().ok_or("no command")?);
    command.args(words).args(["stay", "15", &front.sasl().to_string(), ALICE.0, ALICE.1, topic]);
    let said = process::run("kafka-python", command, "", Duration::from_secs(120))?.ok()?;
    progress(format!("kafka-python with sessions of 2000 ms: {} {}", said.trim(), told(endpoint)?));
    let mut words = said.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
    let (sent, acknowledged) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    check!(sent > 20 && sent == acknowledged, "{said}");
    let expired = r#"doorkeeper_connections_closed_total{listener="SASL_PLAINTEXT",reason="session_expired"}"#;
    let expired = scrape(endpoint)?[expired];
    check!(expired >= 3.0, "{expired} sessions expired");
    Ok(())
}
