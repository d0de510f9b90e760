//! What a listener with TLS is made of: keystores of every kind, protocols and ciphers, lists of revoked certificates, resumption,
//! and the keys that Kafka ignores.

use std::time::{Duration, Instant};

use kafka_protocol::messages::ApiVersionsRequest;
use libtest_mimic::Trial;
use proto_tests::cluster::{Cluster, Tls};
use proto_tests::front::{Front, Spec, check_file};
use proto_tests::pki::name::Name;
use proto_tests::pki::{self, Key, Wish, stores};
use proto_tests::standin::Standin;
use proto_tests::wire::records::batch;
use proto_tests::wire::tls::{Client, Version};
use proto_tests::wire::{Conn, End, requests};
use proto_tests::{Context, Result, check, check_eq, process, progress};

use super::{front, name};
use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        steady("tls::server::keystores", keystores),
        free("tls::server::protocols_and_ciphers", protocols_and_ciphers),
        free("tls::server::revoked", revoked),
        steady("tls::server::resumption_keeps_the_principal", resumption),
        steady("tls::server::renegotiation_by_openssl", renegotiation),
        free("tls::server::unprefixed_client_auth_warns_on_sasl_ssl", unprefixed),
        free("tls::server::bad_combinations", bad_combinations),
        free("tls::server::silent_clients_do_not_stop_a_login", silent),
        free("tls::server::half_a_frame_is_no_request", half_a_frame),
    ]
}

/// Each keystore serves a handshake and a produce, in both versions of TLS.
fn keystores(cluster: &Cluster) -> Result<()> {
    let topic = "tls-keystores";
    cluster.create_topic(topic, &[&[1, 2, 3]], &[])?;
    let pki = pki::get()?;
    let mut spec = Spec::new(&cluster.bootstrap())?;
    let host = spec.host().to_string();
    let leaf = |key: Key| pki.ca.leaf(&Wish::server(Name::parse("CN=front"), &[&host]), key);
    let (ec, rsa) = (leaf(Key::ec()?)?, leaf(Key::rsa()?)?);
    let middle = pki.ca.below(&Wish::authority(Name::parse("CN=middle")))?;
    let behind = middle.leaf(&Wish::server(Name::parse("CN=behind"), &[&host]), Key::ec()?)?;
    let encrypted = stores::encrypted_key(&ec)?;
    let both = format!("{encrypted}{}", ec.chain_pem());
    let path = |p: std::path::PathBuf| stores::text(&p).to_owned();
    let kind = |kind: &str| ("type", kind.to_owned());
    let password = |text: &str| ("password", text.to_owned());
    let rows: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("PEMFILE", vec![kind("PEM"), ("location", path(stores::pem(&ec, "ks-ec")?))]),
        ("PEMRSA", vec![kind("PEM"), ("location", path(stores::pem(&rsa, "ks-rsa")?))]),
        ("PEMCHAIN", vec![kind("PEM"), ("location", path(stores::pem(&behind, "ks-behind")?))]),
        (
            "PEMINLINE",
            vec![
                kind("PEM"),
                ("key", stores::inline(&ec.key_pem()?)),
                ("certificate.chain", stores::inline(&ec.chain_pem())),
            ],
        ),
        (
            "PEMSPACES",
            vec![
                kind("PEM"),
                ("key", ec.key_pem()?.trim_end().replace('\n', " ")),
                ("certificate.chain", ec.chain_pem().trim_end().replace('\n', " ")),
            ],
        ),
        ("PEMENCRYPTED", vec![kind("PEM"), ("location", path(stores::file("ks-encrypted.pem", &both)?))]),
        (
            "PEMENCRYPTEDINLINE",
            vec![
                kind("PEM"),
                ("key", stores::inline(&encrypted)),
                ("certificate.chain", stores::inline(&ec.chain_pem())),
            ],
        ),
        (
            "PKCS12",
            vec![kind("PKCS12"), ("location", path(stores::pkcs12(&ec, "ks-p12")?)), password(stores::PASSWORD)],
        ),
        (
            "PKCS12RSA",
            vec![kind("PKCS12"), ("location", path(stores::pkcs12(&rsa, "ks-p12r")?)), password(stores::PASSWORD)],
        ),
        ("JKS", vec![kind("JKS"), ("location", path(stores::jks(&rsa, "ks-jks")?)), password(stores::PASSWORD)]),
    ];
    for (listener, keys) in &rows {
        spec.listener(listener, "SSL");
        let prefix = format!("listener.name.{}.ssl", listener.to_lowercase());
        for (key, value) in keys {
            spec.set(&format!("{prefix}.keystore.{key}"), value);
        }
        if listener.contains("ENCRYPTED") || *listener == "JKS" {
            spec.set(&format!("{prefix}.key.password"), stores::KEY_PASSWORD);
        }
    }
    let front = spec.start()?;
    for (listener, _) in &rows {
        for version in [Version::Tls12, Version::Tls13] {
            let what = format!("{listener} with {version:?}");
            let client = Client::only(&pki.ca, version)?;
            let mut conn = Conn::open_tls(front.node_at(listener, 1), &client).context(&what)?;
            let seen = conn.call(9, &requests::produce(topic, 0, -1, batch(&[b"x"]).into())).context(&what)?;
            check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "{what}: produce");
        }
    }
    let output = front.process.output();
    for secret in [stores::PASSWORD, stores::KEY_PASSWORD, "PRIVATE KEY"] {
        check!(!output.contains(secret), "the log holds {secret:?}");
    }
    Ok(())
}

/// `ssl.enabled.protocols` and `ssl.cipher.suites` bind what is negotiated.
fn protocols_and_ciphers() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let front = Spec::new(&standin.at.to_string())?
        .tls_listener("OLD", "SSL")?
        .set("listener.name.old.ssl.enabled.protocols", "TLSv1.2")
        .tls_listener("NEW", "SSL")?
        .set("listener.name.new.ssl.enabled.protocols", "TLSv1.3")
        .tls_listener("ONE", "SSL")?
        .set("listener.name.one.ssl.cipher.suites", "TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
        .start()?;
    let ca = &pki::get()?.ca;
    for (listener, version, served) in [
        ("OLD", Version::Tls12, true),
        ("OLD", Version::Tls13, false),
        ("NEW", Version::Tls12, false),
        ("NEW", Version::Tls13, true),
        ("ONE", Version::Tls12, true),
        ("ONE", Version::Tls13, true),
    ] {
        match (Conn::open_tls(front.at(listener), &Client::only(ca, version)?), served) {
            (Ok(mut conn), true) => {
                conn.call(3, &requests::api_versions())?;
                if listener == "ONE" {
                    let suite =
                        conn.tls().and_then(|t| t.negotiated_cipher_suite()).map(|s| format!("{:?}", s.suite()));
                    check!(suite.clone().is_some_and(|s| s.contains("AES_128_GCM_SHA256")), "{version:?}: {suite:?}");
                }
            }
            (Err(why), false) => check!(why.contains("fatal alert: ProtocolVersion"), "{listener} {version:?}: {why}"),
            (Ok(_), false) => return Err(format!("{listener} takes {version:?}")),
            (Err(why), true) => return Err(format!("{listener} {version:?}: {why}")),
        }
    }
    Ok(())
}

/// H-097: a certificate on the list is turned away, its neighbour is not.
fn revoked() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let ca = &pki::get()?.ca;
    let (bad, good) = (ca.client("CN=revoked")?, ca.client("CN=alice,O=Example")?);
    let list = stores::file("revoked.crl", &ca.revoke(&[bad.serial])?)?;
    let front = Spec::new(&standin.at.to_string())?
        .tls_listener("SSL", "SSL")?
        .set("listener.name.ssl.ssl.client.auth", "required")
        .set("listener.name.ssl.ssl.crl.location", stores::text(&list))
        .start()?;
    for version in [Version::Tls12, Version::Tls13] {
        let come = |leaf| -> Result<()> {
            let mut conn = Conn::open_tls(front.at("SSL"), &Client::only(ca, version)?.showing(leaf)?)?;
            conn.call(3, &requests::api_versions()).map(drop)
        };
        come(&good)?;
        let why = come(&bad).err().unwrap_or_default();
        check!(why.contains("fatal alert: CertificateRevoked"), "a revoked certificate with {version:?}: {why:?}");
    }
    Ok(())
}

/// H-102: a resumed session has the name of the first one, and no early data is ever offered. Straight and through doorkeeper.
fn resumption(cluster: &Cluster) -> Result<()> {
    let front = front(cluster)?;
    let ca = &pki::get()?.ca;
    for (who, at) in [("kafka", cluster.brokers[0].tls(Tls::Required)), ("front", front.at(name(Tls::Required)))] {
        for version in [Version::Tls12, Version::Tls13] {
            let client = Client::only(ca, version)?.showing(&ca.client("CN=alice,O=Example")?)?.resuming();
            let mut kinds = Vec::new();
            for _ in 0..3 {
                let mut tls = client.connection(at)?;
                check!(tls.early_data().is_none(), "{who} {version:?}: early data is offered");
                let mut conn = Conn::open_tls(at, &client)?;
                conn.call(3, &requests::api_versions())?;
                kinds.push(format!("{:?}", conn.tls().and_then(|t| t.handshake_kind())));
                let peer = conn.stream().local_addr().context("an address")?;
                conn.finish()?;
                conn.outcome(Duration::from_secs(20));
                if who == "front" {
                    check_eq!(front.closed(peer)?["principal"], "User:CN=alice,O=Example", "{version:?}: principal");
                }
            }
            progress(format!("{who} {version:?}: handshakes {kinds:?}"));
        }
    }
    Ok(())
}

/// H-101: what a real client does when it wants to renegotiate.
fn renegotiation(cluster: &Cluster) -> Result<()> {
    let front = front(cluster)?;
    for (who, at) in [("kafka", cluster.brokers[0].tls(Tls::None)), ("front", front.at(name(Tls::None)))] {
        let mut command = process::command("sh");
        // The line has to come while the input goes on: at its end openssl would say goodbye.
        let line = format!("{{ echo R; sleep 3; }} | openssl s_client -tls1_2 -connect {at}");
        command.args(["-c", &line]);
        let said = process::run("openssl", command, "", Duration::from_secs(60))?;
        let text = format!("{}{}", said.stdout, said.stderr);
        check!(text.contains("RENEGOTIATING"), "{who}: openssl did not renegotiate: {text}");
        check!(said.code != Some(0), "{who}: it was let renegotiate: {text}");
    }
    Conn::open_tls(front.at(name(Tls::None)), &Client::trusting(&pki::get()?.ca)?)?
        .call(3, &requests::api_versions())?;
    Ok(())
}

/// H-100, A-67: without the listener's prefix the key means nothing to SASL_SSL; doorkeeper says so, and asks for no certificate.
fn unprefixed() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let ca = &pki::get()?.ca;
    let front = |spec: &mut Spec| -> Result<Front> { spec.tls_listener("SASL_SSL", "SASL_SSL")?.start() };
    let come = |front: &Front| {
        Conn::login_tls(front.at("SASL_SSL"), &Client::trusting(ca)?, "alice", "alice-secret").map(drop)
    };
    let ignoring = front(Spec::new(&standin.at.to_string())?.set("ssl.client.auth", "required"))?;
    come(&ignoring)?;
    let warned = ignoring.log()?.iter().any(|l| {
        l["level"] == "WARN" && l.to_string().contains("ssl.client.auth") && l.to_string().contains("SASL_SSL")
    });
    check!(warned, "no warning about ssl.client.auth:\n{}", ignoring.process.output());
    drop(ignoring);
    let demanding =
        front(Spec::new(&standin.at.to_string())?.set("listener.name.sasl_ssl.ssl.client.auth", "required"))?;
    let why = come(&demanding).err().unwrap_or_default();
    check!(why.contains("fatal alert"), "without a certificate, where the listener demands one: {why:?}");
    let client = Client::trusting(ca)?.showing(&ca.client("CN=not the principal")?)?;
    let mut conn = Conn::login_tls(demanding.at("SASL_SSL"), &client, "alice", "alice-secret")?;
    let peer = conn.stream().local_addr().context("an address")?;
    conn.finish()?;
    conn.outcome(Duration::from_secs(20));
    // On SASL_SSL the certificate never names anyone.
    check_eq!(demanding.closed(peer)?["principal"], "User:alice", "principal");
    Ok(())
}

/// What it is, the keys behind `ssl.`, and the words that it needs.
type Combination<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str);

/// Kafka's words for what does not go together, with the key and the line.
fn bad_combinations() -> Result<()> {
    let leaf = pki::get()?.ca.server("x", &["127.0.0.1"])?;
    let other = pki::get()?.ca.server("y", &["127.0.0.1"])?;
    let pem = stores::pem(&leaf, "bad-combinations")?;
    let (pem, key, chain) = (stores::text(&pem), stores::inline(&leaf.key_pem()?), stores::inline(&leaf.chain_pem()));
    let mismatch = stores::file("mismatch.pem", &format!("{}{}", leaf.key_pem()?, other.chain_pem()))?;
    let p12 = stores::pkcs12(&leaf, "bad-combinations")?;
    let rows: Vec<Combination> = vec![
        (
            "inline key with a PKCS12 store",
            vec![("keystore.type", "PKCS12"), ("keystore.key", &key), ("keystore.certificate.chain", &chain)],
            "SSL private key can be specified only for PEM, but key store type is PKCS12.",
        ),
        (
            "inline key without a chain",
            vec![("keystore.type", "PEM"), ("keystore.key", &key)],
            "SSL private key is specified, but certificate chain is not specified.",
        ),
        (
            "chain without a key",
            vec![("keystore.type", "PEM"), ("keystore.certificate.chain", &chain)],
            "SSL certificate chain is specified, but private key is not specified",
        ),
        (
            "inline key and a location",
            vec![
                ("keystore.type", "PEM"),
                ("keystore.key", &key),
                ("keystore.certificate.chain", &chain),
                ("keystore.location", pem),
            ],
            "Both SSL key store location and separate private key are specified.",
        ),
        (
            "PEM with a store password",
            vec![("keystore.type", "PEM"), ("keystore.location", pem), ("keystore.password", "canary")],
            "SSL key store password cannot be specified with PEM format, only key password may be specified.",
        ),
        (
            "PKCS12 without a password",
            vec![("keystore.type", "PKCS12"), ("keystore.location", stores::text(&p12))],
            "SSL key store is specified, but key store password is not specified.",
        ),
        (
            "no such cipher",
            vec![("keystore.type", "PEM"), ("keystore.location", pem), ("cipher.suites", "TLS_NONSENSE")],
            "TLS_NONSENSE",
        ),
        (
            "no such protocol",
            vec![("keystore.type", "PEM"), ("keystore.location", pem), ("enabled.protocols", "TLSv9")],
            "TLSv9",
        ),
        (
            "no such client auth",
            vec![("keystore.type", "PEM"), ("keystore.location", pem), ("client.auth", "Required")],
            "ssl.client.auth",
        ),
        (
            "a key that does not fit",
            vec![("keystore.type", "PEM"), ("keystore.location", stores::text(&mismatch))],
            "mismatch.pem",
        ),
        (
            "a file that is not there",
            vec![("keystore.type", "PEM"), ("keystore.location", "/nonexistent.pem")],
            "/nonexistent.pem",
        ),
        (
            "a wrong password",
            vec![
                ("keystore.type", "PKCS12"),
                ("keystore.location", stores::text(&p12)),
                ("keystore.password", "wrong-pass-canary"),
            ],
            "keystore",
        ),
    ];
    let mut wrong = Vec::new();
    for (what, keys, words) in rows {
        let mut spec = Spec::new("127.0.0.1:9")?;
        spec.listener("SSL", "SSL");
        for (key, value) in keys {
            spec.set(&format!("listener.name.ssl.ssl.{key}"), value);
        }
        let name = format!("tls-{}.properties", what.replace(' ', "-"));
        let (path, said) = check_file(&name, &spec.properties())?;
        let text = format!("{}{}", said.stdout, said.stderr);
        let placed = text.contains(stores::text(&path));
        if said.code.is_none_or(|c| c == 0) || !text.contains(words) || !placed || text.contains("canary") {
            wrong.push(format!("{what}: exit {:?}, says {text:?}", said.code));
        }
    }
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Four thousand clients that only open a connection: the next one with a password is served, and the silent ones are closed at
/// the deadline.
fn silent() -> Result<()> {
    const CLIENTS: usize = 4000;
    let standin = Standin::start(Standin::reserve()?)?;
    let front = Spec::new(&standin.at.to_string())?
        .tls_listener("SASL_SSL", "SASL_SSL")?
        .set("authentication.timeout.ms", "10000")
        .start()?;
    let client = Client::trusting(&pki::get()?.ca)?;
    let begin = Instant::now();
    let mut silent = (0..CLIENTS).map(|_| Conn::open(front.at("SASL_SSL"))).collect::<Result<Vec<_>>>()?;
    let opened = begin.elapsed();
    let begin = Instant::now();
    let mut conn = Conn::login_tls(front.at("SASL_SSL"), &client, "alice", "alice-secret")?;
    conn.call(3, &ApiVersionsRequest::default())?;
    let served = begin.elapsed();
    check!(served < Duration::from_secs(5), "a login beside {CLIENTS} silent clients took {served:?}");
    let mut open = 0;
    for conn in &mut silent {
        if conn.outcome(Duration::from_secs(20)).end == End::Open {
            open += 1;
        }
    }
    check_eq!(open, 0, "silent clients that are still open");
    conn.call(3, &ApiVersionsRequest::default())?;
    progress(format!(
        "{CLIENTS} silent clients came in {opened:?}; a login took {served:?}; all were closed after {:?}",
        begin.elapsed()
    ));
    Ok(())
}

/// H-104: what was cut off in TLS never becomes a request at the backend.
fn half_a_frame() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let front = Spec::new(&standin.at.to_string())?
        .tls_listener("SSL", "SSL")?
        .set("backend.metadata.max.age.ms", "3600000")
        .start()?;
    for version in [Version::Tls12, Version::Tls13] {
        let mut conn = Conn::open_tls(front.node_at("SSL", 1), &Client::only(&pki::get()?.ca, version)?)?;
        conn.call(12, &requests::metadata(&["whole"]))?;
        let frame = proto_tests::wire::frame_of(12, 77, &requests::metadata(&["half-canary"]))?;
        let before = standin.seen().requests.len();
        conn.send(&frame[..frame.len() - 1])?;
        conn.finish()?;
        let seen = conn.outcome(Duration::from_secs(20));
        check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "{version:?}: the client");
        let after = standin.seen();
        check_eq!(after.requests.len(), before, "{version:?}: requests at the backend");
        let text = String::from_utf8_lossy(&after.bytes).into_owned();
        check!(!text.contains("half-canary"), "{version:?}: half a request became one");
    }
    Ok(())
}
