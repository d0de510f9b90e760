//! Brokers and doorkeepers that die under load, many clients at the same moment, and a backend that wants a login.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::{Front, Spec};
use proto_tests::load::Load;
use proto_tests::wire::Conn;
use proto_tests::wire::records::batch;
use proto_tests::wire::requests::{self, metadata};
use proto_tests::{Result, check, check_eq, progress, wait_for};

use crate::{cluster, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        steady("reliability::two_hundred_clients_at_once", two_hundred),
        steady("reliability::backend_with_sasl_plain", sasl_backend),
        steady("reliability::doorkeeper_killed_under_load", front_killed),
        alone("reliability::broker_killed_under_load", broker_killed),
    ]
}

/// A trial that takes brokers down: it runs by itself, and leaves all brokers up.
fn alone(name: &str, body: impl FnOnce(&Cluster) -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let cluster = cluster()?;
        let _alone = cluster.alone();
        let verdict = body(&cluster);
        cluster.revive()?;
        Ok(verdict?)
    })
}

/// All log in and ask for metadata at the same moment; all are served.
fn two_hundred(cluster: &Cluster) -> Result<()> {
    const CLIENTS: usize = 200;
    let mut front = Spec::new(&cluster.bootstrap())?.start()?;
    let (ready, at) = (Barrier::new(CLIENTS), front.sasl());
    let begin = Instant::now();
    let served = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|i| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    let (user, password) = [("alice", "alice-secret"), ("bob", "bob-secret")][i % 2];
                    let mut conn = Conn::login(at, user, password)?;
                    let brokers = conn.call(12, &metadata(&[]))?.brokers.len();
                    check_eq!(brokers, 3, "brokers");
                    // Held until all are in: two hundred at once, not one after another.
                    ready.wait();
                    Ok(())
                })
            })
            .collect();
        clients.into_iter().map(|c| c.join().unwrap_or_else(|_| Err("it panicked".into()))).collect::<Result<Vec<()>>>()
    })?;
    check_eq!(served.len(), CLIENTS, "clients served");
    progress(format!("{CLIENTS} clients were in and served after {:?}", begin.elapsed()));
    check_eq!(front.process.ended().map(|s| s.to_string()), None, "doorkeeper has ended");
    Ok(())
}

/// The connection to the brokers is itself authenticated; and with a wrong password there nobody blames the client.
fn sasl_backend(cluster: &Cluster) -> Result<()> {
    let login = |password: &str| {
        format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"front\" password=\"{password}\";"
        )
    };
    let spec = |password: &str| -> Result<Spec> {
        Ok(Spec::new(&cluster.sasl_bootstrap())?
            .set("backend.security.protocol", "SASL_PLAINTEXT")
            .set("backend.sasl.mechanism", "PLAIN")
            .set("backend.sasl.jaas.config", &login(password))
            .take())
    };
    let name = "reliability-sasl";
    cluster.create_topic(name, &[&[1, 2, 3]], &[])?;
    let front = spec("front-secret")?.start()?;
    let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
    let nodes = conn.call(12, &metadata(&[name]))?.brokers.len();
    check_eq!(nodes, 3, "brokers");
    let seen = conn.call(9, &requests::produce(name, 0, -1, batch(&[b"x"]).into()))?;
    check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce");

    let front = spec("not-the-password-canary")?.launch()?;
    wait_for("a word about the refused login", Duration::from_secs(30), || {
        let told = front
            .log()?
            .iter()
            .any(|l| (l["level"] == "WARN" || l["level"] == "ERROR") && l.to_string().contains("uthentication failed"));
        if told { Ok(()) } else { Err(front.process.output()) }
    })?;
    let mut conn = Conn::open(front.sasl())?;
    conn.request(1, &requests::handshake("PLAIN"))?;
    conn.request(1, &requests::plain("alice", "alice-secret"))?;
    conn.request(12, &metadata(&[]))?;
    let seen = conn.outcome(Duration::from_secs(30));
    let text = String::from_utf8_lossy(&seen.bytes).into_owned();
    check!(!text.contains("Authentication failed"), "the client is blamed: {text:?}");
    check!(!front.process.output().contains("not-the-password-canary"), "the log holds the backend's password");
    Ok(())
}

fn no_loss(verdict: &str) -> Result<()> {
    check!(verdict.contains(" lost 0 doubled 0 errors 0 end"), "the load says {verdict:?}");
    Ok(())
}

fn front_killed(cluster: &Cluster) -> Result<()> {
    let topic = "reliability-front";
    cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let spec = Spec::new(&cluster.bootstrap())?;
    let mut front: Front = spec.start()?;
    let mut load = Load::start(cluster, "front", &front.sasl().to_string(), topic)?;
    load.wait_more(2000)?;
    front.process.stop();
    std::thread::sleep(Duration::from_millis(700));
    let _again = spec.start()?;
    load.wait_more(2000)?;
    let verdict = load.finish()?;
    progress(format!("doorkeeper killed under load: {verdict}"));
    no_loss(&verdict)
}

fn broker_killed(cluster: &Cluster) -> Result<()> {
    let topic = "reliability-broker";
    cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let front = Spec::new(&cluster.bootstrap())?.start()?;
    let mut load = Load::start(cluster, "broker", &front.sasl().to_string(), topic)?;
    load.wait_more(2000)?;
    progress("killing broker 2 under load");
    cluster.broker(2).kill();
    load.wait_more(2000)?;
    cluster.revive()?;
    load.wait_more(2000)?;
    let verdict = load.finish()?;
    progress(format!("broker killed under load: {verdict}"));
    no_loss(&verdict)
}
