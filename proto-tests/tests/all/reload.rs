//! SIGHUP: what changes without a restart, what refuses the reload, and what that does to those who are connected.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::cluster::{self, Cluster};
use proto_tests::front::{Front, Spec};
use proto_tests::load::Load;
use proto_tests::standin::Standin;
use proto_tests::wire::requests::{self, metadata};
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, address, check, check_eq, progress, wait_for};
use rustix::process::Signal;

use crate::{free, steady};

pub fn trials() -> Vec<Trial> {
    vec![
        steady("reload::users_come_and_go_under_a_producer", users),
        steady("reload::a_removed_listener_finishes_what_is_in_flight", removed_listener_drains),
        free("reload::listeners_come_and_go", listeners),
        free("reload::a_bad_file_changes_nothing", bad_file),
        free("reload::what_needs_a_restart_is_refused", restart_needed),
        free("reload::a_taken_port_refuses_all", taken_port),
        free("reload::limits", limits),
        free("reload::mechanisms", mechanisms),
        free("reload::sizes_and_times", sizes_and_times),
        steady("reload::the_login_to_the_backend_is_tried_first", backend_login),
        free("reload::fifty_in_a_row", storm),
        free("reload::a_stop_is_heard_at_once_behind_a_reload", stop_behind_a_reload),
    ]
}

const JAAS: &str = "listener.name.sasl_plaintext.plain.sasl.jaas.config";

fn jaas_with(user: &str) -> String {
    cluster::jaas().replace("lossy-secret\";", &format!("lossy-secret\" user_{user}=\"{user}-secret\";"))
}

fn login(front: &Front, user: &str) -> Result<Conn> {
    Conn::login(front.sasl(), user, &format!("{user}-secret"))
}

/// A connection that is served: it gets an answer from behind.
fn check_served(conn: &mut Conn, who: &str) -> Result<()> {
    let brokers = conn.call(12, &metadata(&[])).map_err(|e| format!("{who}: {e}"))?.brokers.len();
    check!(brokers > 0, "{who} sees no broker");
    Ok(())
}

/// Before a stand-in.
fn standing() -> Result<(Standin, Spec, Front)> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut spec = Spec::new(&standin.at.to_string())?;
    let front = spec.start()?;
    Ok((standin, spec.take(), front))
}

fn users(cluster: &Cluster) -> Result<()> {
    let topic = "reload-users";
    cluster.create_topic(topic, &[&[1, 2, 3], &[2, 3, 1]], &[])?;
    let mut spec = Spec::new(&cluster.bootstrap())?;
    let front = spec.start()?;
    let mut load = Load::start(cluster, "reload", &front.sasl().to_string(), topic)?;
    load.wait_more(2000)?;

    check!(login(&front, "eve").is_err(), "eve is let in before she is a user");
    check_eq!(front.reload(spec.set(JAAS, &jaas_with("eve")))?, JAAS, "what changed");
    let mut eve = login(&front, "eve")?;
    check_served(&mut eve, "eve")?;
    check_eq!(front.reload(spec.set(JAAS, &cluster::jaas()))?, JAAS, "what changed");
    let said = login(&front, "eve").err().unwrap_or_default();
    check!(said.contains("Authentication failed: Invalid username or password"), "eve, who is gone: {said:?}");
    // Who is in stays in.
    check_served(&mut eve, "eve on her old connection")?;

    load.wait_more(2000)?;
    let verdict = load.finish()?;
    progress(format!("reloads under load: {verdict}"));
    check!(verdict.contains(" lost 0 doubled 0 errors 0 end"), "the load says {verdict:?}");
    check!(!front.process.output().contains("eve-secret"), "the log holds a password");
    Ok(())
}

/// A second listener SECOND without authentication, beside the one that every front has.
fn with_second(spec: &mut Spec, front: &Front, port: u16) -> SocketAddr {
    let at = SocketAddr::new(front.sasl().ip(), port);
    spec.set("listeners", &format!("SASL_PLAINTEXT://{},SECOND://{at}", front.sasl()))
        .set("listener.security.protocol.map", "SASL_PLAINTEXT:SASL_PLAINTEXT,SECOND:PLAINTEXT")
        .set("listener.name.second.node.id.ranges", "0-3");
    at
}

fn without_second(spec: &mut Spec, front: &Front) {
    spec.set("listeners", &format!("SASL_PLAINTEXT://{}", front.sasl()));
}

fn second_port(front: &Front) -> u16 {
    front.port() + address::BLOCK
}

fn listeners() -> Result<()> {
    let (standin, mut spec, front) = standing()?;
    let mut alice = login(&front, "alice")?;
    check_served(&mut alice, "alice")?;
    spec.set("shutdown.timeout.ms", "3000");
    for round in 0..3 {
        let second = with_second(&mut spec, &front, second_port(&front));
        let changed = front.reload(&spec)?;
        check!(changed.contains("listeners"), "what changed: {changed}");
        let mut guest = Conn::open(second)?;
        let seen = guest.call(12, &metadata(&[]))?;
        let told: Vec<_> = seen.brokers.iter().map(|b| (b.node_id.0, b.host.to_string(), b.port)).collect();
        check_eq!(told, [(1, second.ip().to_string(), i32::from(second.port()) + 2)], "brokers at the new listener");
        check_served(&mut Conn::open(SocketAddr::new(second.ip(), second.port() + 2))?, "a guest at a node's port")?;
        // Only what is in flight holds up the end of a connection.
        without_second(&mut spec, &front);
        front.reload(&spec)?;
        let seen = guest.outcome(Duration::from_secs(10));
        check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "the guest when its listener goes, round {round}");
        wait_for("the port to be closed", Duration::from_secs(10), || match TcpStream::connect(second) {
            Ok(_) => Err("it is open".into()),
            Err(_) => Ok(()),
        })?;
    }
    check_served(&mut alice, "alice, whose listener stayed")?;
    // A listener that comes hears of brokers that it has no port for.
    standin.tell_brokers(&[(1, standin.at), (9, standin.at)]);
    with_second(&mut spec, &front, second_port(&front));
    front.reload(&spec)?;
    wait_for("a warning about broker 9", Duration::from_secs(20), || {
        let told = front.log()?.iter().any(|l| l["level"] == "ERROR" && l["node_id"] == 9 && l["listener"] == "SECOND");
        if told { Ok(()) } else { Err("no such line".into()) }
    })
}

/// A fetch that waits at the broker is answered; one that takes longer than shutdown.timeout.ms is cut off.
fn removed_listener_drains(cluster: &Cluster) -> Result<()> {
    let name = "reload-drain";
    let id = cluster.create_topic(name, &[&[1, 2, 3]], &[])?.topics[0].topic_id;
    let mut spec = Spec::new(&cluster.bootstrap())?;
    let front = spec.set("shutdown.timeout.ms", "6000").start()?;
    let second = with_second(&mut spec, &front, second_port(&front));
    front.reload(&spec)?;
    let node = SocketAddr::new(second.ip(), second.port() + 2);
    let mut waiting = Vec::new();
    for millis in [2000, 60_000] {
        let mut conn = Conn::open(node)?;
        wait_for("the new topic's leader", Duration::from_secs(20), || {
            let seen = conn.call(17, &requests::fetch(id, 0, 0, -1))?;
            let partition = &seen.responses.first().ok_or("no topic")?.partitions[0];
            if (seen.error_code, partition.error_code) == (0, 0) { Ok(()) } else { Err("not yet".into()) }
        })?;
        let mut fetch = requests::fetch(id, 0, 0, -1);
        (fetch.max_wait_ms, fetch.min_bytes) = (millis, 1_000_000);
        let correlation = conn.request(17, &fetch)?;
        waiting.push((conn, correlation));
    }
    std::thread::sleep(Duration::from_millis(500));
    without_second(&mut spec, &front);
    let begin = Instant::now();
    front.reload(&spec)?;
    let (mut longer, _) = waiting.pop().ok_or("two")?;
    let (mut short, correlation) = waiting.pop().ok_or("two")?;
    short.answer::<kafka_protocol::messages::FetchRequest>(17, correlation)?;
    check_eq!(short.outcome(Duration::from_secs(5)).end, End::Closed, "the short fetch, answered");
    let seen = longer.outcome(Duration::from_secs(30));
    let took = begin.elapsed();
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "the long fetch");
    check!((5500..20_000).contains(&took.as_millis()), "the long fetch was cut off after {took:?}");
    wait_for("its line in the log", Duration::from_secs(10), || {
        let told = front.log()?.iter().any(|l| l["listener"] == "SECOND" && l["reason"] == "drain timed out");
        if told { Ok(()) } else { Err(front.process.output()) }
    })
}

fn bad_file() -> Result<()> {
    let (_standin, spec, front) = standing()?;
    let mut alice = login(&front, "alice")?;
    check_served(&mut alice, "alice")?;
    let good = spec.properties();
    let next_line = good.lines().count() + 1;
    let place = format!("{}:{next_line}", front.file().display());
    let rows = [
        ("socket.request.max.bytes=plenty", "socket.request.max.bytes", true),
        ("max.connections=-1", "max.connections", true),
        ("listener.name.sasl_plaintext.plain.sasl.jaas.config=no semicolon", JAAS, true),
        ("listeners=SASL_PLAINTEXT://127.0.0.1:99999", "listeners", true),
        (
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-1",
            "listener.name.sasl_plaintext.scram-sha-1.sasl.jaas.config",
            false,
        ),
        ("x=\\u12", "malformed", false),
    ];
    for (line, key, placed) in rows {
        // Something good beside it must not take effect.
        let text = format!("{}{line}\n", good.replace("user_alice=", "user_mallory="));
        let reasons = front.refuse(&text)?;
        let names = |text: &str| reasons.iter().any(|reason| reason.contains(text));
        check!(names(key) && (!placed || names(&place)), "{line}: {reasons:?} does not name {key} at {place}");
        drop(login(&front, "alice").map_err(|e| format!("{line}: {e}"))?);
        check!(login(&front, "mallory").is_err(), "{line}: a part of it has taken effect");
    }
    std::fs::remove_file(front.file()).map_err(|e| e.to_string())?;
    front.process.signal(Signal::HUP);
    wait_for("a word about the missing file", Duration::from_secs(10), || {
        let told = front.process.output().contains("cannot be read");
        if told { Ok(()) } else { Err("no word".into()) }
    })?;
    check_served(&mut alice, "alice after all that")?;
    // And a good file afterwards is taken.
    check_eq!(front.reload(&spec)?, "nothing", "what changed");
    check!(!front.process.output().contains("alice-secret"), "the log holds a password");
    Ok(())
}

fn restart_needed() -> Result<()> {
    let (_standin, mut spec, front) = standing()?;
    let good = spec.properties();
    let frozen = "Configs cannot be updated dynamically for existing listener SASL_PLAINTEXT, restart broker or create a new listener for update";
    let rows = [
        ("worker.threads=7".to_owned(), "Cannot update these configs dynamically"),
        ("backend.bootstrap.servers=127.0.0.1:1".to_owned(), "Cannot update these configs dynamically"),
        ("listener.name.sasl_plaintext.node.id.ranges=0-4".to_owned(), frozen),
        (format!("listeners=SASL_PLAINTEXT://{}:{}", front.sasl().ip(), second_port(&front)), frozen),
        (format!("advertised.listeners=SASL_PLAINTEXT://elsewhere:{}", front.port()), frozen),
        (
            "listener.security.protocol.map=SASL_PLAINTEXT:PLAINTEXT".to_owned(),
            "Security protocol cannot be updated for existing listener SASL_PLAINTEXT",
        ),
    ];
    for (line, text) in &rows {
        let reasons = front.refuse(&format!("{good}max.connections=0\n{line}\n"))?;
        let key = line.split('=').next().unwrap_or_default();
        check!(reasons.iter().any(|r| r.contains(text) && r.contains(key)), "{line}: {reasons:?}");
        // max.connections=0 would have let nobody in.
        check_served(&mut login(&front, "alice")?, "alice")?;
    }
    check_eq!(front.reload(spec.set("log.dirs", "/tmp"))?, "nothing", "what changed with a key that has no effect");
    Ok(())
}

fn taken_port() -> Result<()> {
    let (_standin, mut spec, front) = standing()?;
    let port = second_port(&front);
    let taken = std::net::TcpListener::bind((front.sasl().ip(), port + 2)).map_err(|e| e.to_string())?;
    with_second(&mut spec, &front, port);
    let reasons = front.refuse(&spec.set(JAAS, &jaas_with("eve")).properties())?;
    let address = taken.local_addr().map_err(|e| e.to_string())?.to_string();
    check!(reasons.iter().any(|r| r.contains("SECOND") && r.contains(&address)), "{reasons:?}");
    check!(login(&front, "eve").is_err(), "a part of it has taken effect");
    check!(TcpStream::connect((front.sasl().ip(), port)).is_err(), "the new listener's free ports stay bound");
    drop(taken);
    front.reload(&spec)?;
    login(&front, "eve").map(drop)
}

fn limits() -> Result<()> {
    let (_standin, mut spec, front) = standing()?;
    let mut three: Vec<Conn> = (0..3).map(|_| login(&front, "alice")).collect::<Result<_>>()?;
    let from = three[0].stream().local_addr().map_err(|e| e.to_string())?.ip();
    // Below what there is: nobody is closed for it, nobody new gets in.
    check_eq!(front.reload(spec.set("max.connections.per.ip", "2"))?, "max.connections.per.ip", "what changed");
    let seen = Conn::open(front.sasl())?.outcome(Duration::from_secs(10));
    check_eq!((seen.end, seen.bytes.len()), (End::Closed, 0), "the fourth from {from}");
    for conn in &mut three {
        check_served(conn, "one of the three")?;
    }
    front.reload(spec.unset("max.connections.per.ip"))?;
    drop(login(&front, "alice")?);

    for key in ["max.connections", "listener.name.sasl_plaintext.max.connections"] {
        check_eq!(front.reload(spec.set(key, "3"))?, key, "what changed");
        let waiting = std::thread::spawn({
            let at = front.sasl();
            move || Conn::login(at, "alice", "alice-secret").map(drop)
        });
        std::thread::sleep(Duration::from_secs(1));
        check!(!waiting.is_finished(), "{key}: a fourth connection is served at a limit of 3");
        front.reload(spec.unset(key))?;
        waiting.join().map_err(|_| "panicked")?.map_err(|e| format!("{key}, taken away: {e}"))?;
    }
    Ok(())
}

fn mechanisms() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut spec = Spec::new(&standin.at.to_string())?;
    // Without mechanisms of its own, the new listener takes those for all.
    let front = spec.start()?;
    let second = SocketAddr::new(front.sasl().ip(), second_port(&front));
    spec.set("listeners", &format!("SASL_PLAINTEXT://{},SECOND://{second}", front.sasl()))
        .set("listener.security.protocol.map", "SASL_PLAINTEXT:SASL_PLAINTEXT,SECOND:SASL_PLAINTEXT")
        .set("listener.name.second.plain.sasl.jaas.config", &jaas_with("eve"));
    front.reload(&spec)?;
    drop(Conn::login(second, "eve", "eve-secret")?);
    check!(login(&front, "eve").is_err(), "eve is a user of the other listener only");
    // A mechanism without a JAAS entry is an error as at the start, with the key that would help.
    let reasons =
        front.refuse(&spec.set("listener.name.second.sasl.enabled.mechanisms", "PLAIN,GSSAPI").properties())?;
    check!(reasons.iter().any(|r| r.contains("listener.name.second.gssapi.sasl.jaas.config")), "{reasons:?}");
    Ok(())
}

fn sizes_and_times() -> Result<()> {
    let (_standin, mut spec, front) = standing()?;
    let mut before = Conn::open(front.sasl())?;
    front.reload(
        spec.set("sasl.server.max.receive.size", "1000")
            .set("socket.request.max.bytes", "2000")
            .set("authentication.timeout.ms", "1500")
            .set("connections.max.idle.ms", "4000"),
    )?;
    // A connection keeps what it was accepted with.
    before.handshake("PLAIN")?;
    let padded = format!("\0alice\0alice-secret{}", " ".repeat(1500));
    let mut big = requests::plain("alice", "x");
    big.auth_bytes = padded.into();
    check_eq!(before.call(1, &big)?.error_code, 58, "a large token on the old connection");
    let mut after = Conn::open(front.sasl())?;
    after.handshake("PLAIN")?;
    after.request(1, &big)?;
    check_eq!(after.outcome(Duration::from_secs(10)).end, End::Closed, "a large token on a new connection");

    let seen = Conn::open(front.sasl())?.outcome(Duration::from_secs(10));
    check!((1400..5000).contains(&seen.after.as_millis()), "a silent client was closed after {:?}", seen.after);
    let mut conn = login(&front, "alice")?;
    conn.request(12, &metadata(&["x".repeat(200).as_str(); 20]))?;
    check_eq!(conn.outcome(Duration::from_secs(10)).end, End::Closed, "a request above the new limit");
    let seen = login(&front, "alice")?.outcome(Duration::from_secs(20));
    check!((3500..12_000).contains(&seen.after.as_millis()), "an idle client was closed after {:?}", seen.after);
    Ok(())
}

/// A password that the backend refuses would turn every client away: the reload finds out first.
fn backend_login(cluster: &Cluster) -> Result<()> {
    let entry = |user: &str, password: &str| {
        format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{user}\" password=\"{password}\";"
        )
    };
    let key = "backend.sasl.jaas.config";
    let mut spec = Spec::new(&cluster.broker(1).sasl.to_string())?;
    spec.set("backend.security.protocol", "SASL_PLAINTEXT")
        .set("backend.sasl.mechanism", "PLAIN")
        .set(key, &entry("front", "front-secret"));
    let front = spec.start()?;
    check_served(&mut login(&front, "alice")?, "alice")?;
    let reasons = front.refuse(&spec.set(key, &entry("front", "wrong-pass-canary")).properties())?;
    check!(reasons.iter().any(|r| r.contains("the new login to the backend does not work")), "{reasons:?}");
    check_served(&mut login(&front, "alice")?, "alice after the refused reload")?;
    check_eq!(front.reload(spec.set(key, &entry("bob", "bob-secret")))?, key, "what changed");
    check_served(&mut login(&front, "alice")?, "alice with the front's new login")?;
    check!(!front.process.output().contains("canary"), "the log holds a password");
    Ok(())
}

fn storm() -> Result<()> {
    let (_standin, mut spec, front) = standing()?;
    let mut alice = login(&front, "alice")?;
    for n in 0..50 {
        // The odd ones come while the one before is under way.
        with_second(&mut spec, &front, second_port(&front));
        if n % 2 == 0 {
            without_second(&mut spec, &front);
        }
        front.write(&spec.set(JAAS, &jaas_with(&format!("user{n}"))).properties())?;
        front.process.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(if n % 5 == 0 { 60 } else { 5 }));
        if n % 10 == 0 {
            check_served(&mut alice, "alice in the storm")?;
        }
    }
    wait_for("the last user", Duration::from_secs(30), || login(&front, "user49").map(drop))?;
    check!(login(&front, "user48").is_err(), "a user of the reload before the last");
    check_served(&mut alice, "alice after the storm")?;
    check_served(&mut Conn::open((front.sasl().ip(), second_port(&front)).into())?, "a guest of the last listener")?;
    let refused =
        front.log()?.iter().filter(|l| l["message"].as_str().unwrap_or("").starts_with("not reloaded")).count();
    check_eq!(refused, 0, "refused reloads");
    // What came and went has left nothing behind.
    let descriptors = front.descriptors()?;
    check!(descriptors < 150, "{descriptors} descriptors are open");
    Ok(())
}

fn stop_behind_a_reload() -> Result<()> {
    let standin = Standin::start(Standin::reserve()?)?;
    let mut front = Spec::new(&standin.at.to_string())?.start()?;
    front.process.signal(Signal::HUP);
    front.process.signal(Signal::TERM);
    check_eq!(front.process.wait(Duration::from_secs(10))?.code(), Some(0), "exit code");
    Ok(())
}
