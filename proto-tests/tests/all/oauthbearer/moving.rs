//! A listener's mechanisms change while it runs: a new one on, clients move, the old one off. No connection is lost that need not be.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::bearer::{JAAS, SCRAM_USER};
use proto_tests::front::Spec;
use proto_tests::jose;
use proto_tests::oauthbearer;
use proto_tests::scram::{self, Hash};
use proto_tests::wire::requests::metadata;
use proto_tests::wire::{Conn, End};
use proto_tests::{Result, bearer, check, check_eq, process, programs, progress};
use serde_json::json;

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("oauthbearer::moving::new_on_old_off", moving),
        free("oauthbearer::moving::a_real_client", real_client),
        free("oauthbearer::moving::all_at_once", all_at_once),
    ]
}

fn served(conn: &mut Conn, who: &str) -> Result<()> {
    check!(
        !conn.call(12, &metadata(&[])).map_err(|e| format!("{who}: {e}"))?.brokers.is_empty(),
        "{who} sees no broker"
    );
    Ok(())
}

fn token(name: &str) -> String {
    jose::unsecured(&json!({"sub": name, "iat": jose::now(), "exp": jose::now() + 300}))
}

fn moving() -> Result<()> {
    let broker = bearer::shared()?;
    let mut spec = Spec::new(&broker.plaintext.to_string())?;
    let front = spec.set("sasl.enabled.mechanisms", "PLAIN").start()?;
    let at = front.sasl();
    let mut old = Conn::login(at, "alice", "alice-secret")?;
    served(&mut old, "a client with a password")?;
    // One that has chosen its mechanism before the reload that takes it away.
    check!(Conn::open(at)?.handshake("OAUTHBEARER").is_err(), "OAUTHBEARER before it is on");

    spec.set("listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config", JAAS);
    front.reload(spec.set("sasl.enabled.mechanisms", "PLAIN,OAUTHBEARER"))?;
    served(&mut old, "the old client behind the first reload")?;
    let mut new = Conn::open(at)?;
    oauthbearer::log_in(&mut new, &token("alice"))?;
    served(&mut new, "a client with a token")?;
    Conn::login(at, "bob", "bob-secret").map_err(|e| format!("a password while both are on: {e}"))?;
    let mut undecided = Conn::open(at)?;
    undecided.handshake("PLAIN")?;

    front.reload(spec.set("sasl.enabled.mechanisms", "OAUTHBEARER"))?;
    served(&mut old, "the old client behind the second reload")?;
    served(&mut new, "the new client behind the second reload")?;
    check!(Conn::open(at)?.handshake("PLAIN").is_err(), "PLAIN when it is off");
    oauthbearer::log_in(&mut Conn::open(at)?, &token("bob"))?;
    // It was accepted by rules under which that was a mechanism, and keeps them.
    let reply = undecided.call(1, &proto_tests::wire::requests::plain("alice", "alice-secret"))?;
    check_eq!(reply.error_code, 0, "a login that was under way");
    served(&mut undecided, "who was logging in")?;
    check_eq!(old.outcome(Duration::from_millis(300)).end, End::Open, "the old connection");
    Ok(())
}

/// Runs the client in pure Python.
fn python(words: &[&str]) -> Result<String> {
    let client = programs::prepare("pure")?;
    let mut command_words = client.split_whitespace();
    let mut command = process::command(command_words.next().ok_or("no command")?);
    command.args(command_words).args(words);
    process::run("kafka-python", command, "", Duration::from_secs(120))?.ok()
}

/// A client of a program's own stays connected by its password through both reloads, and loses no record; the same program moves to
/// tokens meanwhile.
fn real_client() -> Result<()> {
    let broker = bearer::shared()?;
    let topic = "moving";
    broker.create_topic(topic)?;
    let mut spec = Spec::new(&broker.plaintext.to_string())?;
    let front = spec.set("sasl.enabled.mechanisms", "PLAIN").start()?;
    let at = front.sasl().to_string();
    // Each of the two ways to log in, and how that must end.
    let logins = |name: &str, password: bool, token: bool| -> Result<()> {
        let line = |key: &str, mechanism: &str, secret: &str| {
            format!("{name}-{key}\tSASL_PLAINTEXT\t{at}\t{mechanism}\talice\t{secret}\t{topic}\n")
        };
        let lines = line("password", "PLAIN", "alice-secret") + &line("token", "OAUTHBEARER", "unsecured");
        let lines = programs::file(&format!("moving-{name}.logins"), &lines)?;
        let said = python(&["logins", lines.to_str().unwrap_or_default()])?;
        for (key, good) in [("password", password), ("token", token)] {
            let line = said.lines().find(|line| line.starts_with(&format!("{name}-{key} "))).unwrap_or_default();
            check_eq!(line.ends_with(" ok"), good, "{name}: {line}");
        }
        Ok(())
    };
    let stays = {
        let at = at.clone();
        std::thread::spawn(move || python(&["stay", "60", &at, "alice", "alice-secret", topic]))
    };
    logins("before", true, false)?;
    spec.set("listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config", JAAS);
    front.reload(spec.set("sasl.enabled.mechanisms", "PLAIN,OAUTHBEARER"))?;
    logins("both", true, true)?;
    front.reload(spec.set("sasl.enabled.mechanisms", "OAUTHBEARER"))?;
    check!(!stays.is_finished(), "the client that stays was gone before the second reload");
    logins("after", false, true)?;
    let said = stays.join().map_err(|_| "the client's thread")??;
    progress(format!("kafka-python through two reloads: {}", said.trim()));
    let mut words = said.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
    let (sent, acknowledged) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    check!(sent > 20 && sent == acknowledged, "{said}");
    Ok(())
}

/// PLAIN, SCRAM and OAUTHBEARER side by side, offered in the configured order.
fn all_at_once() -> Result<()> {
    let front = super::front()?;
    let front = front.lock().map_err(|e| e.to_string())?;
    let at = front.at("UNSECURED");
    let mut conn = Conn::open(at)?;
    let offered = conn.call(1, &proto_tests::wire::requests::handshake("PLAIN"))?.mechanisms;
    let offered: Vec<&str> = offered.iter().map(|name| name.as_str()).collect();
    check_eq!(offered, bearer::MECHANISMS.split(',').collect::<Vec<_>>(), "what is offered");
    let mut conn = Conn::login(at, "alice", "alice-secret")?;
    served(&mut conn, "PLAIN")?;
    let mut conn = Conn::open(at)?;
    oauthbearer::log_in(&mut conn, &token("alice"))?;
    served(&mut conn, "OAUTHBEARER")?;
    // Its users are in the store, and there is none of that name: refused as SCRAM refuses.
    let mut conn = Conn::open(at)?;
    check!(scram::log_in(&mut conn, Hash::Sha256, "nobody", SCRAM_USER.1).is_err(), "SCRAM of nobody");
    Ok(())
}
