//! Certificates that change while clients come and go (F-31 to F-33, A-70): key stores, trust stores, revocation lists.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::front::{Front, Spec};
use proto_tests::load::Load;
use proto_tests::pki::name::Name;
use proto_tests::pki::{self, Authority, Key, Leaf, Wish, stores};
use proto_tests::standin::Standin;
use proto_tests::wire::requests::metadata;
use proto_tests::wire::tls::Client;
use proto_tests::wire::{Conn, End};
use proto_tests::{Context, Result, address, check, check_eq, progress, scratch, wait_for};

use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        steady("certificates::a_thousand_swaps_under_load", thousand_swaps),
        free("certificates::a_file_that_is_written_slowly", written_slowly),
        free("certificates::authorities_and_revocation_lists_change", authorities),
        free("certificates::a_volume_as_kubernetes_mounts_it", kubernetes),
        free("certificates::towards_the_backend", backend),
        free("certificates::a_reload_of_tls_settings", settings),
    ]
}

/// A directory whose files are replaced whole, by a rename.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        Directory(scratch::dir(&format!("certificates-{name}")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn replace(&self, name: &str, text: &str) -> Result<()> {
        let new = self.path("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, self.path(name))).context("replace a file")
    }
}

/// A front whose listener TLS has its stores in `directory`, and which looks at them often.
struct Tls {
    front: Front,
    spec: Spec,
    metrics: SocketAddr,
    host: String,
}

impl Tls {
    fn start(mut spec: Spec, directory: &Directory, more: &[(&str, &str)]) -> Result<Tls> {
        let host = spec.host().to_string();
        let metrics: SocketAddr = (spec.host(), address::free_ports(spec.host(), 9400, 1)?).into();
        spec.tls_listener("TLS", "SSL")?
            .set("listener.name.tls.ssl.keystore.location", stores::text(&directory.path("keystore.pem")))
            .set("metrics.listeners", &format!("http://{metrics}"))
            .set("tls.reload.interval.ms", "20");
        for (key, value) in more {
            spec.set(key, value);
        }
        let front = spec.start()?;
        Ok(Tls { front, spec, metrics, host })
    }

    fn at(&self) -> SocketAddr {
        self.front.at("TLS")
    }

    /// How many changes of certificates were applied and refused.
    fn changes(&self) -> Result<(usize, usize)> {
        let mut stream = TcpStream::connect(self.metrics).context("connect to the metrics")?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").context("ask for the metrics")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).context("read the metrics")?;
        let count = |outcome: &str| {
            let name = format!("doorkeeper_reloads_total{{subject=\"certificates\",outcome=\"{outcome}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
            line.ok_or(format!("no {name} in {text}"))?.trim().parse().context("a number")
        };
        Ok((count("applied")?, count("refused")?))
    }

    /// Does something to the files, and waits until it is noticed. Says whether the change was applied.
    fn change(&self, change: impl FnOnce() -> Result<()>) -> Result<bool> {
        let before = self.changes()?;
        change()?;
        let mut after = before;
        wait_for("a change to be noticed", Duration::from_secs(30), || {
            after = self.changes()?;
            if after == before { Err(format!("{after:?}")) } else { Ok(()) }
        })?;
        check_eq!(after.0 + after.1, before.0 + before.1 + 1, "changes noticed at one change");
        Ok(after.0 > before.0)
    }

    fn last_line(&self, what: &str) -> Result<String> {
        let lines = self.front.log()?.into_iter().filter_map(|l| Some(l["message"].as_str()?.to_owned()));
        lines.rev().find(|line| line.contains(what)).ok_or(format!("no line with {what:?}"))
    }
}

fn server(authority: &Authority, host: &str) -> Result<Leaf> {
    authority.server("a front", &[host])
}

fn wish(host: &str) -> Wish {
    Wish::server(Name::parse("CN=a front"), &[host])
}

fn served(conn: &mut Conn) -> Result<()> {
    check!(!conn.call(12, &metadata(&[]))?.brokers.is_empty(), "no brokers");
    Ok(())
}

/// A client that connects anew is served, or turned away.
fn visit(to: SocketAddr, client: &Client) -> Result<()> {
    served(&mut Conn::open_tls(to, client)?)
}

/// 1,000 changes, one in ten of them broken, each noticed for what it is; 20 handshakes a second, none of which fails, and a
/// producer that loses nothing.
fn thousand_swaps(cluster: &Cluster) -> Result<()> {
    const CHANGES: usize = 1000;
    let ca = &pki::get()?.ca;
    let topic = "certificates-swaps";
    cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]], &[])?;
    let directory = Directory::new("swaps");
    let spec = Spec::new(&cluster.bootstrap())?;
    directory.replace("keystore.pem", &stores::pem_text(&server(ca, &spec.host().to_string())?)?)?;
    let tls = Tls::start(spec, &directory, &[])?;
    let trust = stores::file("swaps-trust.pem", &ca.pem())?;
    let properties = format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\nbootstrap.servers={}\n",
        stores::text(&trust),
        tls.at()
    );
    let mut load = Load::with(cluster, "swaps", &properties, topic)?;
    load.wait_more(500)?;

    let client = Client::trusting(ca)?;
    let done = AtomicBool::new(false);
    let handshakes = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let seen = Mutex::new(BTreeSet::new());
    let begin = Instant::now();
    let outcome = std::thread::scope(|scope| {
        for lane in 0..2 {
            let (tls, client, done, handshakes, failures, seen) = (&tls, &client, &done, &handshakes, &failures, &seen);
            scope.spawn(move || {
                let mut next = Instant::now() + Duration::from_millis(50 * lane);
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    next += Duration::from_millis(100);
                    let result = Conn::open_tls(tls.at(), client).and_then(|mut conn| {
                        let shown = conn.peer_certificate().ok_or("no certificate")?;
                        seen.lock().expect("no holder panics").insert(shown);
                        served(&mut conn)
                    });
                    handshakes.fetch_add(1, Ordering::Relaxed);
                    if let Err(error) = result {
                        failures.lock().expect("no holder panics").push(error);
                    }
                }
            });
        }
        let outcome = (|| {
            for n in 0..CHANGES {
                let broken = n % 10 == 9;
                let text =
                    if broken { bad(ca, &tls.host, n / 10)? } else { stores::pem_text(&server(ca, &tls.host)?)? };
                let applied = tls.change(|| directory.replace("keystore.pem", &text))?;
                check_eq!(applied, !broken, "change {n}: {:?}", tls.last_line("TLS files"));
            }
            Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        outcome
    });
    outcome?;
    let took = begin.elapsed();
    load.wait_more(500)?;
    let verdict = load.finish()?;
    let (handshakes, seen) = (handshakes.into_inner(), seen.into_inner().map_err(|e| e.to_string())?.len());
    let failures = failures.into_inner().map_err(|e| e.to_string())?;
    progress(format!(
        "{CHANGES} changes of certificates in {:.0} s: {handshakes} handshakes, {} failed, {seen} certificates seen; load: {verdict}",
        took.as_secs_f32(),
        failures.len()
    ));
    check!(failures.is_empty(), "{} handshakes of {handshakes} failed: {:?}", failures.len(), failures.first());
    check!(handshakes as f32 > took.as_secs_f32() * 15.0, "only {handshakes} handshakes in {took:?}");
    check!(seen > handshakes / 4, "only {seen} certificates were seen in {handshakes} handshakes");
    check!(verdict.contains(" lost 0 doubled 0 errors 0 end"), "the load says {verdict:?}");
    Ok(())
}

/// A key store that must be refused, in turn of another kind.
fn bad(ca: &Authority, host: &str, n: usize) -> Result<String> {
    let good = server(ca, host)?;
    let text = stores::pem_text(&good)?;
    Ok(match n % 6 {
        0 => text[..text.len() / 2].to_owned(),
        1 => format!("{}{}", server(ca, host)?.key_pem()?, good.chain_pem()),
        2 => stores::pem_text(&ca.leaf(&wish(host).expired(), Key::ec()?)?)?,
        3 => stores::pem_text(&ca.leaf(&wish(host).not_yet_valid(), Key::ec()?)?)?,
        4 => stores::pem_text(&ca.server("somebody else", &[host])?)?,
        _ => String::new(),
    })
}

/// A writer that takes its time: nothing of what is half there is served.
fn written_slowly() -> Result<()> {
    let ca = &pki::get()?.ca;
    let standin = Standin::start(Standin::reserve()?)?;
    let spec = Spec::new(&standin.at.to_string())?;
    let directory = Directory::new("slowly");
    let keystore = directory.path("keystore.pem");
    directory.replace("keystore.pem", &stores::pem_text(&server(ca, &spec.host().to_string())?)?)?;
    let tls = Tls::start(spec, &directory, &[])?;
    let client = Client::trusting(ca)?;
    let leaf = server(ca, &tls.host)?;
    let text = stores::pem_text(&leaf)?;
    let before = tls.changes()?;
    // Faster than one looks: no complaint. Slower: complaints, and the old stays.
    for pause in [5, 150] {
        for end in (0..text.len() - 20).step_by(text.len() / 6) {
            fs::write(&keystore, &text[..end]).context("write in place")?;
            std::thread::sleep(Duration::from_millis(pause));
            visit(tls.at(), &client)?;
        }
    }
    check_eq!(tls.changes()?.0, before.0, "changes applied while the file was not whole");
    check!(tls.changes()?.1 > before.1, "nobody complained about half a key store");
    fs::write(&keystore, &text).context("write in place")?;
    wait_for("the new certificate", Duration::from_secs(20), || {
        let shown = Conn::open_tls(tls.at(), &client)?.peer_certificate();
        if shown.as_deref() == Some(leaf.certificate()) { Ok(()) } else { Err("another is shown".into()) }
    })
}

/// F-32: who is let in follows the files; who is in stays in.
fn authorities() -> Result<()> {
    let pki = pki::get()?;
    let standin = Standin::start(Standin::reserve()?)?;
    let spec = Spec::new(&standin.at.to_string())?;
    let directory = Directory::new("authorities");
    directory.replace("keystore.pem", &stores::pem_text(&server(&pki.ca, &spec.host().to_string())?)?)?;
    directory.replace("trust.pem", &pki.ca.pem())?;
    directory.replace("crl.pem", &pki.ca.revoke(&[])?)?;
    let (trust, crl) = (directory.path("trust.pem"), directory.path("crl.pem"));
    let more = [
        ("listener.name.tls.ssl.client.auth", "required"),
        ("listener.name.tls.ssl.truststore.location", stores::text(&trust)),
        ("listener.name.tls.ssl.crl.location", stores::text(&crl)),
    ];
    let tls = Tls::start(spec, &directory, &more)?;
    let (alice, bob, carol) = (pki.ca.client("CN=alice")?, pki.ca.client("CN=bob")?, pki.other.client("CN=carol")?);
    let client = |leaf: &Leaf| Client::trusting(&pki.ca)?.resuming().showing(leaf);
    let clients = [client(&alice)?, client(&bob)?, client(&carol)?];
    let table = |expected: [bool; 3], when: &str| -> Result<()> {
        for ((who, client), expected) in ["alice", "bob", "carol"].iter().zip(&clients).zip(expected) {
            // Twice: a session of before must not open what is closed.
            for _ in 0..2 {
                let seen = visit(tls.at(), client);
                check_eq!(seen.is_ok(), expected, "{who} {when}: {seen:?}");
            }
        }
        Ok(())
    };
    table([true, true, false], "at first")?;
    let mut old = Conn::open_tls(tls.at(), &clients[0])?;
    served(&mut old)?;
    let both = format!("{}{}", pki.ca.pem(), pki.other.pem());
    check!(tls.change(|| directory.replace("trust.pem", &both))?, "a new authority is refused");
    table([true, true, true], "with the other authority trusted too")?;
    check!(tls.change(|| directory.replace("crl.pem", &pki.ca.revoke(&[alice.serial])?))?, "a list is refused");
    table([false, true, true], "with alice revoked")?;
    served(&mut old).map_err(|e| format!("alice on her old connection: {e}"))?;
    check!(!tls.change(|| directory.replace("crl.pem", "no list at all"))?, "a broken list is taken");
    table([false, true, true], "with a broken list on disk")?;
    check!(
        !tls.change(|| directory.replace("trust.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"))?,
        "broken trust is taken"
    );
    table([false, true, true], "with a broken trust store on disk")?;
    directory.replace("crl.pem", &pki.ca.revoke(&[alice.serial, bob.serial])?)?;
    check!(tls.change(|| directory.replace("trust.pem", &pki.ca.pem()))?, "two good files are refused");
    table([false, false, false], "with bob revoked too, and the other authority gone")
}

/// `..data` is a link to a directory, and each file a link into it; a change sets `..data` to another directory.
fn kubernetes() -> Result<()> {
    let ca = &pki::get()?.ca;
    let standin = Standin::start(Standin::reserve()?)?;
    let spec = Spec::new(&standin.at.to_string())?;
    let host = spec.host().to_string();
    let directory = Directory::new("volume");
    let link = |to: &str, name: &str| -> Result<()> {
        let new = directory.path("link");
        std::os::unix::fs::symlink(to, &new).context("make a link")?;
        fs::rename(&new, directory.path(name)).context("set a link")
    };
    let mut certificates = Vec::new();
    for name in ["first", "second", "third"] {
        fs::create_dir(directory.path(name)).context("make a directory")?;
        let leaf = server(ca, &host)?;
        fs::write(directory.path(name).join("keystore.pem"), stores::pem_text(&leaf)?).context("write a store")?;
        certificates.push(leaf.certificate().to_vec());
    }
    link("first", "..data")?;
    link("..data/keystore.pem", "keystore.pem")?;
    let tls = Tls::start(spec, &directory, &[])?;
    let client = Client::trusting(ca)?;
    let shown = || Ok::<_, String>(Conn::open_tls(tls.at(), &client)?.peer_certificate().unwrap_or_default());
    check_eq!(shown()? == certificates[0], true, "the first certificate is shown");
    for (name, certificate) in ["second", "third"].iter().zip(&certificates[1..]) {
        check!(tls.change(|| link(name, "..data"))?, "the {name} is refused");
        check_eq!(shown()? == *certificate, true, "the {name} certificate is shown");
    }
    Ok(())
}

/// F-33: the trust store towards the backend is judged anew at each connect.
fn backend() -> Result<()> {
    let pki = pki::get()?;
    let standin = Standin::start(Standin::reserve()?)?;
    standin.tell_certificate(&pki.ca.server("a broker", &[&standin.at.ip().to_string()])?)?;
    let mut spec = Spec::new(&standin.at.to_string())?;
    let directory = Directory::new("backend");
    directory.replace("keystore.pem", &stores::pem_text(&server(&pki.ca, &spec.host().to_string())?)?)?;
    directory.replace("trust.pem", &pki.ca.pem())?;
    spec.tls_backend("SSL", false)?;
    let trust = directory.path("trust.pem");
    let tls = Tls::start(spec, &directory, &[("backend.ssl.truststore.location", stores::text(&trust))])?;
    let client = Client::trusting(&pki.ca)?;
    let mut old = Conn::open_tls(tls.at(), &client)?;
    served(&mut old)?;
    check!(tls.change(|| directory.replace("trust.pem", &pki.other.pem()))?, "another authority is refused");
    let mut conn = Conn::open_tls(tls.at(), &client)?;
    conn.request(12, &metadata(&[]))?;
    let seen = conn.outcome(Duration::from_secs(30));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "a client whose broker is not trusted");
    served(&mut old).map_err(|e| format!("the old connection: {e}"))?;
    check!(tls.change(|| directory.replace("trust.pem", &pki.ca.pem()))?, "the authority of before is refused");
    wait_for("a new client to be served", Duration::from_secs(20), || visit(tls.at(), &client))
}

/// SIGHUP: settings of TLS hold for new handshakes, and a bad certificate refuses the whole.
fn settings() -> Result<()> {
    let pki = pki::get()?;
    let standin = Standin::start(Standin::reserve()?)?;
    let spec = Spec::new(&standin.at.to_string())?;
    let directory = Directory::new("settings");
    directory.replace("keystore.pem", &stores::pem_text(&server(&pki.ca, &spec.host().to_string())?)?)?;
    let mut tls = Tls::start(spec, &directory, &[])?;
    let nobody = Client::trusting(&pki.ca)?;
    let alice = Client::trusting(&pki.ca)?.showing(&pki.ca.client("CN=alice")?)?;
    let mut old = Conn::open_tls(tls.at(), &nobody)?;
    served(&mut old)?;
    let key = "listener.name.tls.ssl.client.auth";
    let at = tls.at();
    check_eq!(tls.front.reload(tls.spec.set(key, "required"))?, key, "what changed");
    check!(visit(at, &nobody).is_err(), "a client without certificate is served");
    visit(at, &alice)?;
    served(&mut old).map_err(|e| format!("the old connection: {e}"))?;

    let expired = pki.ca.leaf(&wish(&tls.host).expired(), Key::ec()?)?;
    let path = stores::pem(&expired, "settings-expired")?;
    let location = "listener.name.tls.ssl.keystore.location";
    tls.spec.set(location, stores::text(&path)).set("max.connections", "0");
    let reasons = tls.front.refuse(&tls.spec.properties())?;
    check!(reasons.iter().any(|r| r.contains("TLS") && r.contains("has expired")), "{reasons:?}");
    visit(at, &alice)?;
    let path = text_of(&directory.path("nowhere.pem"));
    let reasons = tls.front.refuse(&tls.spec.set(location, &path).properties())?;
    let line = tls.spec.properties().lines().position(|l| l.starts_with(location)).unwrap_or_default() + 1;
    let place = format!("{location} ({}:{line})", tls.front.file().display());
    check!(reasons.iter().any(|r| r.contains(&place)), "{reasons:?} does not name {place}");
    visit(at, &alice)
}

fn text_of(path: &Path) -> String {
    stores::text(path).to_owned()
}
