//! TLS towards the brokers: who they have to be, and that nobody else gets a byte (F-33).

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::cluster::{Cluster, Tls};
use proto_tests::front::{Front, Spec};
use proto_tests::pki::name::Name;
use proto_tests::pki::{self, Key, Leaf, Wish};
use proto_tests::standin::Standin;
use proto_tests::wire::records::batch;
use proto_tests::wire::requests::{self, metadata};
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, check, check_eq, process, wait_for};

use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        steady("tls::backend::ssl_with_a_certificate", |cluster| serves(cluster, "SSL", Tls::Required)),
        steady("tls::backend::ssl_without_one", |cluster| serves(cluster, "SSL", Tls::None)),
        steady("tls::backend::sasl_ssl", |cluster| serves(cluster, "SASL_SSL", Tls::Sasl)),
        free("tls::backend::a_wrong_peer_gets_nothing", wrong_peers),
        free("tls::backend::host_names_are_not_verified_when_told_so", no_names),
        free("tls::backend::a_peer_without_tls_gets_nothing", no_tls),
    ]
}

/// Produces through each of the three brokers, whose stores are of three kinds.
fn serves(cluster: &Cluster, protocol: &str, listener: Tls) -> Result<()> {
    let name = format!("tls-backend-{listener:?}");
    cluster.create_topic(&name, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let front = Spec::new(&cluster.tls_bootstrap(listener))?
        .tls_backend(protocol, listener == Tls::Required)?
        .tls_listener("SSL", "SSL")?
        .start()?;
    let client = proto_tests::wire::tls::Client::trusting(&pki::get()?.ca)?;
    for partition in 0..3 {
        let request = requests::produce(&name, partition, -1, batch(&[b"through TLS twice"]).into());
        let id = partition + 1;
        for mut conn in
            [Conn::login(front.node(id), "alice", "alice-secret")?, Conn::open_tls(front.node_at("SSL", id), &client)?]
        {
            let brokers = conn.call(12, &metadata(&[]))?.brokers;
            check_eq!(brokers.len(), 3, "brokers");
            let seen = conn.call(9, &request)?;
            check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce to partition {partition}");
        }
    }
    Ok(())
}

/// A stand-in with TLS, and a doorkeeper that has been served by it once and asks for nothing of its own any more.
fn counted(certificate: &Leaf, algorithm: Option<&str>) -> Result<(Front, Standin)> {
    let standin = Standin::start(Standin::reserve()?)?;
    standin.tell_certificate(certificate)?;
    let mut spec = Spec::new(&standin.at.to_string())?;
    spec.tls_backend("SSL", false)?.set("backend.metadata.max.age.ms", "3600000");
    if let Some(algorithm) = algorithm {
        spec.set("backend.ssl.endpoint.identification.algorithm", algorithm);
    }
    Ok((spec.start()?, standin))
}

fn for_host(host: &str) -> Wish {
    Wish::server(Name::parse("CN=a broker"), &[host])
}

fn ask(front: &Front) -> Result<usize> {
    let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
    Ok(conn.call(12, &metadata(&["canary"]))?.brokers.len())
}

/// From now on the peer shows that certificate; a client's request must lead to nothing but the end.
fn closed(front: &Front, standin: &Standin, what: &str, leaf: &Leaf) -> Result<()> {
    let (number, lines) = (standin.tell_certificate(leaf)?, front.log()?.len());
    let mut conn = Conn::login(front.node(1), "alice", "alice-secret")?;
    conn.request(12, &metadata(&["canary"]))?;
    let seen = conn.outcome(Duration::from_secs(30));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "{what}: the client");
    check_eq!(standin.seen().received.get(&number).copied(), None, "{what}: bytes that reached the peer");
    // Why is said where the operator looks, with the peer's address.
    let peer = standin.at.to_string();
    wait_for(&format!("{what}: a word about the peer"), Duration::from_secs(10), || {
        let log = front.log()?;
        let told = log.iter().skip(lines).any(|l| {
            let loud = l["level"] == "WARN" || l["level"] == "ERROR";
            let text = l.to_string();
            loud && text.contains(&peer) && (text.contains("ertificate") || text.contains("TLS"))
        });
        if told { Ok(()) } else { Err(process::tail(&front.process.output())) }
    })
}

fn wrong_peers() -> Result<()> {
    let pki = pki::get()?;
    // The right certificate can be made only when the address is known: the stand-in's comes first.
    let standin_host = |s: &Standin| s.at.ip().to_string();
    let at = Standin::reserve()?;
    let standin = Standin::start(at)?;
    let good = pki.ca.leaf(&for_host(&standin_host(&standin)), Key::ec()?)?;
    standin.tell_certificate(&good)?;
    let front =
        Spec::new(&at.to_string())?.tls_backend("SSL", false)?.set("backend.metadata.max.age.ms", "3600000").start()?;
    check_eq!(ask(&front)?, 1, "brokers");
    let host = standin_host(&standin);
    let wish = || for_host(&host);
    let mut client_only = wish();
    client_only.usages = Wish::client(Name::default()).usages;
    let rows = [
        ("another address", pki.ca.leaf(&for_host("127.80.0.250"), Key::ec()?)?),
        ("a name that isn't asked for", pki.ca.leaf(&for_host("broker.example"), Key::ec()?)?),
        ("no alternative name, the address as CN", pki.ca.client(&format!("CN={host}"))?),
        ("another authority", pki.other.leaf(&wish(), Key::ec()?)?),
        ("expired", pki.ca.leaf(&wish().expired(), Key::ec()?)?),
        ("not yet valid", pki.ca.leaf(&wish().not_yet_valid(), Key::ec()?)?),
        ("for clients only", pki.ca.leaf(&client_only, Key::ec()?)?),
        ("self-signed", pki::self_signed(&wish())?),
    ];
    for (what, leaf) in &rows {
        closed(&front, &standin, what, leaf)?;
        // It is looked at each time: the next good one is served.
        standin.tell_certificate(&good)?;
        wait_for(&format!("service after {what}"), Duration::from_secs(20), || ask(&front))?;
    }
    Ok(())
}

fn no_names() -> Result<()> {
    let pki = pki::get()?;
    let elsewhere = pki.ca.leaf(&for_host("broker.example"), Key::ec()?)?;
    let (front, standin) = counted(&elsewhere, Some(""))?;
    check_eq!(ask(&front)?, 1, "brokers");
    // The name is all that is let pass.
    let untrusted = pki.other.leaf(&for_host(&standin.at.ip().to_string()), Key::ec()?)?;
    closed(&front, &standin, "another authority, with names unverified", &untrusted)?;
    let expired = pki.ca.leaf(&for_host("broker.example").expired(), Key::ec()?)?;
    closed(&front, &standin, "expired, with names unverified", &expired)
}

/// A plain listener where TLS should be: it gets a ClientHello, which is nobody's secret, and nothing else.
fn no_tls() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut front = Spec::new(&standin.at.to_string())?
        .tls_backend("SSL", false)?
        .set("authentication.timeout.ms", "4000")
        .launch()?;
    front.process.wait_output("\"ready\"", Duration::from_secs(30))?;
    let mut conn = Conn::open(front.sasl())?;
    conn.request(1, &requests::handshake("PLAIN"))?;
    conn.request(1, &requests::plain("alice", "alice-secret"))?;
    conn.request(12, &metadata(&["canary"]))?;
    let seen = conn.outcome(Duration::from_secs(30));
    check_eq!(seen.end, End::Closed, "a client without a backend");
    let seen = standin.seen();
    let text = String::from_utf8_lossy(&seen.bytes).into_owned();
    check!(!text.contains("canary") && !text.contains("alice-secret"), "the peer without TLS got a client's bytes");
    Ok(())
}
