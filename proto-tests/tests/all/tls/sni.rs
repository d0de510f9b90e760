//! Addresses by server name: one port for all brokers, and the name that a client asks for says which one it wants (H-095).

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::{Front, Spec};
use proto_tests::pki::{self, stores};
use proto_tests::programs::file;
use proto_tests::wire::records::batch;
use proto_tests::wire::requests::{self, metadata};
use proto_tests::wire::tls::{Client, Version};
use proto_tests::wire::{Conn, PATIENCE};
use proto_tests::{Context, Result, check, check_eq, process};

use crate::steady;

const BOOTSTRAP: &str = "bootstrap.kafka.test";

pub fn trials() -> Vec<Trial> {
    vec![
        steady("tls::sni::the_name_says_which_broker", by_name),
        steady("tls::sni::other_names_are_refused", unknown),
        steady("tls::sni::java", java),
    ]
}

fn node(id: i32) -> String {
    format!("broker-{id}.kafka.test")
}

fn start(cluster: &Cluster) -> Result<Front> {
    let mut spec = Spec::new(&cluster.bootstrap())?;
    let host = spec.host();
    let names = [BOOTSTRAP.to_owned(), node(1), node(2), node(3)];
    let server = pki::get()?.ca.server("sni", &names.each_ref().map(String::as_str))?;
    let keystore = stores::pem(&server, &format!("sni-{}", spec.number()))?;
    spec.tls_listener("SNI", "SSL")?
        .set("listener.name.sni.ssl.keystore.location", stores::text(&keystore))
        .set("listener.name.sni.node.host.pattern", "broker-$(nodeId).kafka.test");
    let (plain, port) = (spec.port(), spec.at("SNI").port());
    let advertised = format!("SASL_PLAINTEXT://{host}:{plain},SNI://{BOOTSTRAP}:{port}");
    spec.set("advertised.listeners", &advertised).start()
}

fn client(name: &str) -> Result<Client> {
    Ok(Client::trusting(&pki::get()?.ca)?.asking_for(name))
}

fn by_name(cluster: &Cluster) -> Result<()> {
    let topic = "tls-sni";
    cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let front = start(cluster)?;
    let at = front.at("SNI");
    for asked in [BOOTSTRAP.to_owned(), node(1), node(2), node(3), node(2).to_uppercase()] {
        let mut conn = Conn::open_tls(at, &client(&asked)?).context(&asked)?;
        let told = conn.call(12, &metadata(&[]))?;
        let mut seen: Vec<String> =
            told.brokers.iter().map(|b| format!("{}@{}:{}", b.node_id.0, b.host.as_str(), b.port)).collect();
        seen.sort();
        let want: Vec<String> = (1..=3).map(|id| format!("{id}@{}:{}", node(id), at.port())).collect();
        check_eq!(seen, want, "nodes that a client of {asked} is told");
    }
    // Only the leader takes a record: the connection leads to the broker of that name.
    for asked in 1..=3 {
        let mut conn = Conn::open_tls(at, &client(&node(asked))?)?;
        for leader in 1..=3 {
            let request = requests::produce(topic, leader - 1, -1, batch(&[b"by name"]).into());
            let code = conn.call(9, &request)?.responses[0].partition_responses[0].error_code;
            // NOT_LEADER_OR_FOLLOWER
            check_eq!(code, if leader == asked { 0 } else { 6 }, "record for the leader {leader} at {}", node(asked));
        }
    }
    Ok(())
}

/// A name of no broker, of one that is not there, and none at all: the alert says why, and so does the log.
fn unknown(cluster: &Cluster) -> Result<()> {
    let front = start(cluster)?;
    let at = front.at("SNI");
    for version in [Version::Tls12, Version::Tls13] {
        let only = Client::only(&pki::get()?.ca, version)?;
        for name in ["broker-9.kafka.test", "broker-1.kafka.test.evil.test", "broker-01.kafka.test", "nobody.test"] {
            let why = Conn::open_tls(at, &only.clone().asking_for(name)).err().unwrap_or_default();
            check!(why.contains("fatal alert: UnrecognisedName"), "{version:?} {name}: {why:?}");
            proto_tests::wait_for(&format!("a word about {name}"), PATIENCE, || {
                let told = front.log()?.iter().any(|l| l.to_string().contains(name));
                if told { Ok(()) } else { Err(process::tail(&front.process.output())) }
            })?;
        }
        let why = Conn::open_tls(at, &only).err().unwrap_or_default();
        check!(why.contains("fatal alert"), "{version:?} no name: {why:?}");
    }
    Ok(())
}

/// Java resolves the names by a file of its own, and finds all brokers.
fn java(cluster: &Cluster) -> Result<()> {
    let topic = "tls-sni-java";
    cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let front = start(cluster)?;
    let at = front.at("SNI");
    let names: Vec<String> = std::iter::once(BOOTSTRAP.to_owned()).chain((1..=3).map(node)).collect();
    let hosts = file("sni.hosts", &names.iter().map(|name| format!("{} {name}\n", at.ip())).collect::<String>())?;
    let ca = stores::file("sni-ca.pem", &pki::get()?.ca.pem())?;
    let text = format!("security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\n", ca.display());
    let properties = file("sni.properties", &text)?;
    let run = |name: &str, args: &[&str], input: &str| {
        let mut command = cluster.tool(name);
        command.env("KAFKA_OPTS", format!("-Djdk.net.hosts.file={}", hosts.display()));
        command.args(["--bootstrap-server", &format!("{BOOTSTRAP}:{}", at.port()), "--command-config"]);
        command.arg(&properties).args(["--topic", topic]).args(args);
        process::run(name, command, input, Duration::from_secs(90))?.ok().context(name)
    };
    let lines: Vec<String> = (0..60).map(|i| format!("line {i:02}")).collect();
    run("kafka-console-producer.sh", &[], &(lines.join("\n") + "\n"))?;
    let read = ["--from-beginning", "--max-messages", "60", "--timeout-ms", "30000"];
    let seen = run("kafka-console-consumer.sh", &read, "")?;
    let mut got: Vec<&str> = seen.lines().collect();
    got.sort();
    check_eq!(got, lines, "what the console consumer read");
    Ok(())
}
