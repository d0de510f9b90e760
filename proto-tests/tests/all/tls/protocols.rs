//! Clients of four languages produce and consume over all four security protocols. (Over SASL_PLAINTEXT those of `clients::` do.)

use std::net::SocketAddr;

use libtest_mimic::Trial;
use proto_tests::cluster::{Cluster, Tls};
use proto_tests::pki::{self, stores};
use proto_tests::programs::{file, tool};
use proto_tests::{Result, address, check, check_eq};

use super::{front, name};
use crate::clients::{self, CLIENTS};
use crate::steady;

const PROTOCOLS: [&str; 3] = ["PLAINTEXT", "SSL", "SASL_SSL"];

pub fn trials() -> Vec<Trial> {
    let mut all = Vec::new();
    for protocol in PROTOCOLS {
        for (language, refusal) in CLIENTS {
            all.push(steady(&format!("tls::protocols::{protocol}_{language}"), move |cluster| {
                let refusal = Some(refusal).filter(|_| protocol == "SASL_SSL");
                let topic = format!("tls-{}-{language}", protocol.to_lowercase());
                clients::run(cluster, language, refusal, at(cluster, protocol)?, &topic, &environment(protocol)?)
            }));
        }
        all.push(steady(&format!("tls::protocols::{protocol}_java"), move |cluster| java(cluster, protocol)));
    }
    all.push(steady("tls::protocols::kafka_takes_the_same_clients", |cluster| {
        let at = cluster.brokers[1].tls(Tls::Required);
        clients::run(cluster, "go", None, at, "tls-kafka-go", &environment("SSL")?)
    }));
    all
}

/// Where a client of that protocol comes to doorkeeper; SSL is where a certificate is demanded.
fn at(cluster: &Cluster, protocol: &str) -> Result<SocketAddr> {
    let front = front(cluster)?;
    Ok(match protocol {
        "PLAINTEXT" => front.plain(),
        "SSL" => front.at(name(Tls::Required)),
        _ => front.at(name(Tls::Sasl)),
    })
}

/// Files with the authority, a client's certificate and its key.
fn files() -> Result<[String; 3]> {
    let pki = pki::get()?;
    let leaf = pki.ca.client("CN=alice,O=Example")?;
    let path = |name: &str, text: &str| Ok::<_, String>(stores::text(&stores::file(name, text)?).to_owned());
    // A name for each call: trials run side by side.
    let n = leaf.serial;
    Ok([
        path(&format!("ca-{n}.pem"), &pki.ca.pem())?,
        path(&format!("client-{n}.pem"), &leaf.chain_pem())?,
        path(&format!("client-{n}.key"), &leaf.key_pem()?)?,
    ])
}

fn environment(protocol: &str) -> Result<Vec<(&'static str, String)>> {
    let [ca, certificate, key] = files()?;
    let mut all = vec![("CLIENT_PROTOCOL", protocol.to_owned())];
    if protocol.ends_with("SSL") {
        all.push(("CLIENT_CA", ca));
    }
    if protocol == "SSL" {
        all.extend([("CLIENT_CERT", certificate), ("CLIENT_KEY", key)]);
    }
    Ok(all)
}

/// Client properties for the Java tools: a client's own certificate for SSL, PLAIN for SASL_SSL.
fn java_properties(protocol: &str) -> Result<String> {
    let mut text = format!("security.protocol={protocol}\n");
    if protocol.ends_with("SSL") {
        let [ca, ..] = files()?;
        text += &format!("ssl.truststore.type=PEM\nssl.truststore.location={ca}\n");
    }
    if protocol == "SSL" {
        let leaf = pki::get()?.ca.client("CN=alice,O=Example")?;
        let keystore = stores::pem(&leaf, &format!("java-{}", leaf.serial))?;
        text += &format!("ssl.keystore.type=PEM\nssl.keystore.location={}\n", stores::text(&keystore));
    }
    if protocol.starts_with("SASL") {
        text += "sasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
                 username=\"alice\" password=\"alice-secret\";\n";
    }
    Ok(text)
}

/// The console clients, and what the addresses are that a client of this protocol is told: in TLS the tap is blind, and this is
/// the look for backend addresses instead.
fn java(cluster: &Cluster, protocol: &str) -> Result<()> {
    let topic = format!("tls-{}-java", protocol.to_lowercase());
    cluster.create_topic(&topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let bootstrap = at(cluster, protocol)?.to_string();
    let properties = file(&format!("{topic}.properties"), &java_properties(protocol)?)?;
    let run = |name: &str, args: &[&str], input: &str| {
        tool(cluster, name, &bootstrap, &properties, args, input)?.ok().map_err(|e| format!("{name} {args:?}: {e}"))
    };
    let lines: Vec<String> = (0..50).map(|i| format!("line {i:02}")).collect();
    run("kafka-console-producer.sh", &["--topic", &topic], &(lines.join("\n") + "\n"))?;
    let read = ["--topic", &topic, "--from-beginning", "--max-messages", "50", "--timeout-ms", "30000"];
    let seen = run("kafka-console-consumer.sh", &read, "")?;
    let mut got: Vec<&str> = seen.lines().collect();
    got.sort();
    check_eq!(got, lines, "what the console consumer read");
    let told = run("kafka-broker-api-versions.sh", &[], "")?;
    check!(!told.contains(&address::broker_prefix()), "a backend address came through:\n{told}");
    check_eq!(told.matches("(id: ").count(), 3, "nodes in\n{told}");
    Ok(())
}
