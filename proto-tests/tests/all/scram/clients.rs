//! Six clients of four languages log in with both hashes, over SASL_PLAINTEXT and SASL_SSL, produce and consume. Each runs once at a broker
//! and once at doorkeeper, for all its logins.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::pki::{self, stores};
use proto_tests::programs::{file, java_with, prepare};
use proto_tests::scram::Hash;
use proto_tests::{Result, check, process};

use super::{Target, both, credential, judge};

/// The clients, and what each says of a refused login besides the server's words (where it tells them).
const CLIENTS: [(&str, &str); 6] = [
    ("java", "SaslAuthenticationException: Authentication failed during authentication due to invalid credentials"),
    ("python", "Authentication failed during authentication due to invalid credentials"),
    ("old", "Authentication failed during authentication due to invalid credentials"),
    ("pure", "(never asked)"),
    ("go", "invalid credentials"),
    ("node", "invalid credentials"),
];

/// A user name that a broker takes and never lets in.
const NOT_ASCII: &str = "j\u{fc}rgen \u{20ac}\u{1f600}";

pub fn trials() -> Vec<Trial> {
    let run = |(language, refusal): (&'static str, &'static str)| {
        both(&format!("clients::{language}"), move |target| run(target, language, refusal))
    };
    CLIENTS.into_iter().flat_map(run).collect()
}

/// One login, and what is to come of it.
struct Login {
    protocol: &'static str,
    hash: Hash,
    user: &'static str,
    password: &'static str,
    good: bool,
}

fn logins(target: Target, language: &str) -> Vec<Login> {
    let login = |hash, user, password| Login { protocol: "SASL_PLAINTEXT", hash, user, password, good: true };
    let mut all = Vec::new();
    for hash in Hash::BOTH {
        all.push(login(hash, "plain", "plain-secret"));
        all.push(Login { protocol: "SASL_SSL", ..login(hash, "plain", "plain-secret") });
        all.push(login(hash, "a,b=c d", "with, = and blanks"));
        all.push(login(hash, "=2C", "a-secret"));
        all.push(login(hash, "=3D,=2C=", "p\u{e4}ssw\u{f6}rd \u{20ac}"));
        all.push(Login { good: target == Target::Front, ..login(hash, NOT_ASCII, "a-secret") });
        all.push(Login { good: false, ..login(hash, "plain", "wrong-pass-canary") });
    }
    all.push(Login { good: false, ..login(Hash::Sha256, "nobody", "a-secret") });
    // librdkafka before 2.6.1 sends its nonce twice in the last message, which a broker takes no more. Four logins are enough.
    if language == "old" {
        all.retain(|l| l.user == "plain" && l.good);
        all.iter_mut().for_each(|l| l.good = target == Target::Front);
    }
    // kafka-python sends `,` and `=` as they are, and does not tell why it cannot log in.
    all.retain(|l| language != "pure" || l.good && !l.user.contains([',', '=']));
    all
}

fn run(target: Target, language: &str, refusal: &str) -> Result<()> {
    let mut users: Vec<Login> = logins(target, language);
    users.retain(|l| l.protocol == "SASL_PLAINTEXT" && l.password != "wrong-pass-canary" && l.user != "nobody");
    for hash in Hash::BOTH {
        let of = users.iter().filter(|l| l.hash == hash).map(|l| credential(l.user, hash, l.password));
        target.alter(vec![], of.collect())?;
    }
    for login in users.iter().filter(|l| l.good) {
        let (hash, user, password) = (login.hash, login.user, login.password);
        target.settled("the users", || proto_tests::scram::log_in(&mut target.open()?, hash, user, password))?;
    }
    let topic = format!("scram-{language}-{}", target.name());
    judge()?.create_topic(&topic)?;
    let mut lines = String::new();
    for (i, login) in logins(target, language).into_iter().enumerate() {
        let Login { protocol, hash, user, password, .. } = login;
        let at = if protocol == "SASL_SSL" { target.sasl_ssl()? } else { target.sasl()? };
        lines += &format!("k{i}\t{protocol}\t{at}\t{}\t{user}\t{password}\t{topic}\n", hash.mechanism());
    }
    let lines = file(&format!("{topic}.logins"), &lines)?;
    let lines = lines.to_str().unwrap_or_default();
    let authority = stores::file(&format!("{topic}-ca.pem"), &pki::get()?.ca.pem())?;
    let environment = [("CLIENT_CA", stores::text(&authority))];
    let said = if language == "java" {
        java_with(&judge()?.home, "Logins", &[lines], &environment, Duration::from_secs(240))?
    } else {
        let client = prepare(language)?;
        let mut words = client.split_whitespace();
        let mut command = process::command(words.next().ok_or("no command")?);
        command.args(words).args(["logins", lines]).envs(environment);
        process::run(language, command, "", Duration::from_secs(240))?.ok()?
    };
    let mut wrong = Vec::new();
    for (i, login) in logins(target, language).into_iter().enumerate() {
        let line = said.lines().find(|l| l.starts_with(&format!("k{i} "))).unwrap_or_default();
        let right =
            if login.good { line.ends_with(" ok") } else { line.contains(" refused: ") && line.contains(refusal) };
        if !right {
            wrong.push(format!("{:?} with {} over {}: {line:?}", login.user, login.hash.mechanism(), login.protocol));
        }
    }
    check!(wrong.is_empty(), "{language} at {}\n{}\n{said}", target.name(), wrong.join("\n"));
    Ok(())
}
