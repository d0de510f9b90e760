//! Six clients of four languages log in with tokens of their own making and with those of a real issuer, over SASL_PLAINTEXT and SASL_SSL,
//! produce and consume. Each runs once at a broker and once at doorkeeper, for all its logins.

use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::bearer::{self, Listener};
use proto_tests::issuer;
use proto_tests::pki::{self, stores};
use proto_tests::programs::{file, java_with, prepare};
use proto_tests::{Result, check, process};

use super::{Target, each};

/// The clients, what each says of a refused token, and whether it has a grant of its own: then it is told the issuer's URL, else the
/// program before it fetches the token.
const CLIENTS: [(&str, &str, bool); 6] = [
    ("java", "SaslAuthenticationException: {\"status\":\"invalid_token\"}", true),
    ("python", "invalid_token", true),
    ("old", "invalid_token", true),
    ("pure", "", false),
    // These two expect no challenge: one gives up, the other goes on with a request that does not belong there, which a broker answers
    // with error 34 and doorkeeper with its close.
    ("go", "unexpected data in oauth response", false),
    ("node", "", false),
];

pub fn trials() -> Vec<Trial> {
    let run = |(language, refusal, grants): (&'static str, &'static str, bool)| {
        each(&format!("clients::{language}"), move |target| run(target, language, refusal, grants))
    };
    CLIENTS.into_iter().flat_map(run).collect()
}

/// One login, and what is to come of it.
struct Login {
    listener: Listener,
    user: &'static str,
    /// What the client programs read where a password stands otherwise.
    source: String,
    good: bool,
}

fn logins(language: &str, grants: bool) -> Result<Vec<Login>> {
    let issuer = issuer::shared()?;
    let how = if grants { "grant" } else { "given" };
    let http = format!("{how} {}", issuer.token_url());
    // librdkafka before 2.11 can't be told whom to trust there.
    let https = if language == "old" { http.clone() } else { format!("{how} {}", issuer.token_url_https()) };
    let login = |listener, user, source: &str, good| Login { listener, user, source: source.to_owned(), good };
    let mut all = vec![
        login(Listener::Unsecured, "alice", "unsecured", true),
        login(Listener::UnsecuredTls, "bob", "unsecured", true),
        login(Listener::Secured, "alice", &http, true),
        login(Listener::Secured, "bob", &https, true),
        login(Listener::SecuredTls, "alice", &https, true),
        login(Listener::SecuredTls, "bob", &http, true),
        login(Listener::Secured, "alice", "unsecured", false),
        login(Listener::SecuredTls, "stranger", &https, false),
    ];
    // librdkafka can also be handed a token.
    if language == "python" || language == "old" {
        all.push(login(Listener::Secured, "alice", &format!("given {}", issuer.token_url()), true));
    }
    Ok(all)
}

fn run(target: Target, language: &str, refusal: &str, grants: bool) -> Result<()> {
    let topic = format!("tokens-{language}-{}", target.name());
    let broker = bearer::shared()?;
    broker.create_topic(&topic)?;
    let all = logins(language, grants)?;
    let mut lines = String::new();
    for (i, login) in all.iter().enumerate() {
        let (protocol, at) = (login.listener.protocol(), target.at(login.listener)?);
        lines += &format!("k{i}\t{protocol}\t{at}\tOAUTHBEARER\t{}\t{}\t{topic}\n", login.user, login.source);
    }
    let lines = file(&format!("{topic}.logins"), &lines)?;
    let lines = lines.to_str().unwrap_or_default();
    let authority = stores::file(&format!("{topic}-ca.pem"), &pki::get()?.ca.pem())?;
    let urls = broker.issuer.allowed_urls();
    let environment = [("CLIENT_CA", stores::text(&authority)), ("CLIENT_URLS", &*urls)];
    let said = if language == "java" {
        java_with(&broker.home, "Logins", &[lines], &environment, Duration::from_secs(240))?
    } else {
        let client = prepare(language)?;
        let mut words = client.split_whitespace();
        let mut command = process::command(words.next().ok_or("no command")?);
        command.args(words).args(["logins", lines]).envs(environment);
        process::run(language, command, "", Duration::from_secs(240))?.ok()?
    };
    let mut wrong = Vec::new();
    for (i, login) in all.iter().enumerate() {
        let line = said.lines().find(|l| l.starts_with(&format!("k{i} "))).unwrap_or_default();
        let refusal = match (language, target) {
            ("node", Target::Kafka) => "Request is not valid given the current SASL state",
            ("node", Target::Front) => "Closed connection",
            _ => refusal,
        };
        let right =
            if login.good { line.ends_with(" ok") } else { line.contains(" refused: ") && line.contains(refusal) };
        if !right {
            wrong.push(format!("{} by {:?} at {}: {line:?}", login.user, login.source, login.listener.name()));
        }
    }
    check!(wrong.is_empty(), "{language} at {}\n{}\n{said}", target.name(), wrong.join("\n"));
    Ok(())
}
