//! Kafka's own kafka-configs.sh, as it is, at a broker and at a running doorkeeper: the same commands, and the same words.

use std::path::PathBuf;

use libtest_mimic::Trial;
use proto_tests::guarded::ADMIN;
use proto_tests::process::Output;
use proto_tests::programs::{client_properties, configs, file, tool_at};
use proto_tests::scram::{Hash, is_refused, log_in};
use proto_tests::{Result, check, check_eq};

use super::admin::Producer;
use super::{Target, judge};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![free("scram::configs::life_of_a_user", || life(Target::Front)), free("scram::configs::same_words", words)]
}

fn properties(user: (&str, &str)) -> Result<PathBuf> {
    file(&format!("scram-{}.properties", user.0), &client_properties(user.0, user.1))
}

/// Created, changed and deleted by the script, while a producer of that user goes on.
fn life(target: Target) -> Result<()> {
    let (home, bootstrap, user) = (&judge()?.home, target.sasl()?.to_string(), "life");
    let admin = properties(ADMIN)?;
    let configs = |args: &[&str]| {
        let all = [&["--entity-type", "users", "--entity-name", user], args].concat();
        tool_at(home, "kafka-configs.sh", &bootstrap, &admin, &all, "")?.ok()
    };
    let done = format!("Completed updating config for user {user}.\n");
    let said = configs(&["--alter", "--add-config", "SCRAM-SHA-256=[iterations=8192,password=first]"])?;
    check_eq!(said, done, "creation");
    target.settled("the first login", || log_in(&mut target.open()?, Hash::Sha256, user, "first"))?;
    let mut producer = Producer::new(target, "scram-life", user, "first")?;
    check_eq!(
        configs(&["--describe"])?,
        format!("SCRAM credential configs for user-principal '{user}' are SCRAM-SHA-256=iterations=8192\n"),
        "description"
    );
    check_eq!(configs(&["--alter", "--add-config", "SCRAM-SHA-256=[password=second]"])?, done, "another password");
    target.settled("the new password", || log_in(&mut target.open()?, Hash::Sha256, user, "second"))?;
    is_refused(&mut target.open()?, Hash::Sha256, user, "first")?;
    producer.go_on()?;
    check_eq!(configs(&["--alter", "--delete-config", "SCRAM-SHA-256"])?, done, "deletion");
    target.settled("logins to fail", || is_refused(&mut target.open()?, Hash::Sha256, user, "second"))?;
    producer.go_on()
}

/// One call.
struct Call {
    name: &'static str,
    /// `until` or `until-not` and a text, for what a broker learns late.
    until: Option<(&'static str, &'static str)>,
    args: Vec<&'static str>,
    user: (&'static str, &'static str),
    /// What a broker has to say, among other things: two equal failures are no success.
    says: &'static str,
    /// Where doorkeeper says something else.
    but_front: Option<&'static str>,
}

const ALICE: (&str, &str) = ("alice", "alice-secret");

fn calls() -> Vec<Call> {
    let call = |name, args: &[&'static str], says| Call {
        name,
        until: None,
        args: args.to_vec(),
        user: ADMIN,
        says,
        but_front: None,
    };
    let alter = |name, user, config, says| {
        call(name, &["--alter", "--entity-type", "users", "--entity-name", user, "--add-config", config], says)
    };
    let delete = |name, user, config, says| {
        call(name, &["--alter", "--entity-type", "users", "--entity-name", user, "--delete-config", config], says)
    };
    let describe =
        |name, user, says| call(name, &["--describe", "--entity-type", "users", "--entity-name", user], says);
    let (until, until_not) = (
        |c: Call, text| Call { until: Some(("until", text)), ..c },
        |c: Call, text| Call { until: Some(("until-not", text)), ..c },
    );
    let twice = "DuplicateResourceException: A user credential cannot be altered twice in the same request";
    vec![
        alter(
            "create",
            "words-a",
            "SCRAM-SHA-256=[iterations=8192,password=a-secret]",
            "Completed updating config for user words-a.",
        ),
        until(describe("describe", "words-a", "SCRAM-SHA-256=iterations=8192"), "8192"),
        alter("the other hash", "words-a", "SCRAM-SHA-512=[password=a-secret]", "Completed"),
        until(describe("describe both", "words-a", "SCRAM-SHA-512=iterations=4096"), "SHA-512"),
        call(
            "short form",
            &["--alter", "--user", "words-b", "--add-config", "SCRAM-SHA-512=[iterations=16384,password=b-secret]"],
            "Completed",
        ),
        until(
            call("short description", &["--describe", "--user", "words-b"], "SCRAM-SHA-512=iterations=16384"),
            "16384",
        ),
        alter(
            "many iterations",
            "words-d",
            "SCRAM-SHA-256=[iterations=16385,password=x]",
            "UnacceptableCredentialException: Too many iterations",
        ),
        alter(
            "few iterations",
            "words-d",
            "SCRAM-SHA-256=[iterations=4095,password=x]",
            "is less than the minimum 4096 required",
        ),
        alter("no password", "words-d", "SCRAM-SHA-256=[iterations=4096]", "Invalid credential property"),
        alter("no such hash", "words-d", "SCRAM-SHA-1=[password=x]", "SCRAM-SHA-1"),
        alter(
            "with a quota",
            "words-d",
            "SCRAM-SHA-256=[password=x],producer_byte_rate=1024",
            "Cannot alter both quota and SCRAM credential configs",
        ),
        delete("not there", "words-b", "SCRAM-SHA-256", "Attempt to delete a user credential that does not exist"),
        delete("nobody", "words-nobody", "SCRAM-SHA-256", "Attempt to delete a user credential that does not exist"),
        describe("describe nobody", "words-nobody", ""),
        alter("a name of all sorts", "words, =2C \u{fc}", "SCRAM-SHA-256=[password=x]", "Completed"),
        until(describe("describe it", "words, =2C \u{fc}", "user-principal 'words, =2C \u{fc}'"), "iterations"),
        call("describe all", &["--describe", "--entity-type", "users"], "user-principal 'words-b'"),
        Call {
            user: ALICE,
            ..alter("no administrator", "words-e", "SCRAM-SHA-256=[password=x]", "ClusterAuthorizationException")
        },
        Call { user: ALICE, ..describe("no administrator describes", "words-b", "ClusterAuthorizationException") },
        Call {
            user: ALICE,
            ..delete("no administrator deletes", "words-b", "SCRAM-SHA-512", "ClusterAuthorizationException")
        },
        delete("delete", "words-b", "SCRAM-SHA-512", "Completed updating config for user words-b."),
        until_not(describe("gone", "words-b", ""), "16384"),
        // The command of Kafka's own documents.
        Call {
            but_front: Some("exit 0\nCompleted updating config for user words-c.\n"),
            ..alter(
                "both hashes",
                "words-c",
                "SCRAM-SHA-256=[iterations=8192,password=c-secret],SCRAM-SHA-512=[password=c-secret]",
                twice,
            )
        },
        Call {
            but_front: Some("exit 0\nCompleted updating config for user words-a.\n"),
            ..delete("both deleted", "words-a", "SCRAM-SHA-256,SCRAM-SHA-512", twice)
        },
    ]
}

fn words() -> Result<()> {
    let run = |target: Target| -> Result<Vec<String>> {
        let bootstrap = target.sasl()?.to_string();
        let mut lines = Vec::new();
        for call in calls() {
            let properties = properties(call.user)?;
            let mut words: Vec<&str> = call.until.map(|(word, text)| vec![word, text]).unwrap_or_default();
            words.extend(["--bootstrap-server", &bootstrap, "--command-config"]);
            words.push(properties.to_str().unwrap_or_default());
            words.extend(call.args);
            lines.push(words.into_iter().map(str::to_owned).collect());
        }
        let said = configs(&judge()?.home, &lines)?;
        let part = |o: Output| settled(&format!("exit {}\n{}{}", o.code.unwrap_or(-1), o.stdout, o.stderr), &bootstrap);
        Ok(said.into_iter().map(part).collect())
    };
    let (kafka, front) = std::thread::scope(|scope| {
        let kafka = scope.spawn(|| run(Target::Kafka));
        let front = scope.spawn(|| run(Target::Front));
        (kafka.join(), front.join())
    });
    let (kafka, front) = (kafka.map_err(|_| "panicked")??, front.map_err(|_| "panicked")??);
    let mut wrong = Vec::new();
    for (call, (straight, through)) in calls().iter().zip(kafka.iter().zip(&front)) {
        if !straight.contains(call.says) {
            wrong.push(format!("{}: a broker does not say {:?} but\n{straight}", call.name, call.says));
        }
        let want = call.but_front.unwrap_or(straight);
        if through != want {
            wrong.push(format!("{}: want\n{want}\nseen at the front\n{through}", call.name));
        }
    }
    check!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What was typed is what logs in; the user with both hashes is there at doorkeeper only.
    for target in Target::BOTH {
        is_refused(&mut target.open()?, Hash::Sha512, "words-b", "b-secret")?;
        is_refused(&mut target.open()?, Hash::Sha256, "words-d", "x")?;
    }
    for hash in Hash::BOTH {
        log_in(&mut Target::Front.open()?, hash, "words-c", "c-secret")?;
        is_refused(&mut Target::Kafka.open()?, hash, "words-c", "c-secret")?;
    }
    Ok(())
}

/// Without addresses, places in Java's code and other trials' users; lists in one order.
fn settled(text: &str, bootstrap: &str) -> String {
    let others = |line: &str| line.contains("user-principal '") && !line.contains("user-principal 'words");
    let lines = text
        .lines()
        .filter(|l| !l.trim_start().starts_with("at ") && !l.trim_start().starts_with("... ") && !others(l));
    let mut all: Vec<String> = Vec::new();
    for line in lines {
        let line = line.replace(bootstrap, "ADDRESS");
        // What a controller says of its own requests.
        let line = match (line.find("Request Request("), line.find(") needs ALTER permission.")) {
            (Some(at), Some(_)) => line[..at].to_owned() + "Cluster authorization failed.",
            _ => line,
        };
        all.push(match line.split_once("' are ") {
            Some((who, list)) => {
                let mut list: Vec<&str> = list.split(", ").collect();
                list.sort();
                format!("{who}' are {}", list.join(", "))
            }
            None => line,
        });
    }
    // The first line is the exit code.
    if all.iter().skip(1).all(|l| l.starts_with("SCRAM credential configs")) {
        all[1..].sort();
    }
    all.join("\n") + "\n"
}
