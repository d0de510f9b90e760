//! A Kafka cluster's users come along, with their passwords.

use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::front::Front;
use proto_tests::kraft::{Kraft, configs};
use proto_tests::programs::{client_properties, file, prepare};
use proto_tests::scram::{Hash, is_refused, log_in};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check, check_eq, process, progress, wait_for};

use super::{Scratch, export, lines, said, says, spec, store};
use crate::free;
use crate::scram::credential;

pub fn trials() -> Vec<Trial> {
    vec![free("store_tools::kafka_users_log_in_with_their_old_passwords", users_of_kafka)]
}

const ODD: &str = "jörg, =ü 用户";

/// Who can log in in the end.
const USERS: [(&str, Hash, &str); 6] = [
    ("formatted", Hash::Sha256, "formatted-secret"),
    ("alice", Hash::Sha256, "alice-256"),
    ("alice", Hash::Sha512, "alice-512"),
    ("bob", Hash::Sha256, "bob-new"),
    ("dave", Hash::Sha512, "dave-512"),
    (ODD, Hash::Sha256, "pässword"),
];

fn users_of_kafka() -> Result<()> {
    let kafka = Kraft::start("kraft", 8, &["SCRAM-SHA-256=[name=formatted,password=formatted-secret]"])?;
    // The official tool, once for each of its forms.
    let alter = |user: &str, what: &str, value: &str| {
        let said = kafka.configs(&["--alter", "--entity-name", user, what, value])?.ok()?;
        check!(said.contains("Completed updating config for user"), "{said}");
        Ok::<_, String>(())
    };
    alter("alice", "--add-config", "SCRAM-SHA-256=[password=alice-256]")?;
    alter("alice", "--add-config", "SCRAM-SHA-512=[iterations=8192,password=alice-512]")?;
    alter("carol", "--add-config", "SCRAM-SHA-512=[password=carol-secret]")?;
    alter("carol", "--delete-config", "SCRAM-SHA-512")?;
    // The same by the protocol: each an alteration of its own, and so a batch in the log.
    let change = |deletions, upsertions| {
        let reply = Conn::open(kafka.plain)?.call(0, &requests::alter_scram(deletions, upsertions))?;
        check!(reply.results.iter().all(|result| result.error_code == 0), "{reply:?}");
        Ok::<_, String>(())
    };
    let give = |user, hash, password| change(vec![], vec![credential(user, hash, password)]);
    give("bob", Hash::Sha256, "bob-old")?;
    give("dave", Hash::Sha256, "dave-256")?;
    give("dave", Hash::Sha512, "dave-512")?;
    let metadata = kafka.data().join("__cluster_metadata-0");
    wait_for("a snapshot", Duration::from_secs(60), || {
        let names = std::fs::read_dir(&metadata).map_err(|e| e.to_string())?.flatten().map(|entry| entry.file_name());
        let mut names = names.filter_map(|name| name.into_string().ok());
        let is_later = |name: &String| name.ends_with(".checkpoint") && !name.starts_with("00000000000000000000-");
        names.find(is_later).ok_or_else(|| "there is none".to_owned())
    })?;
    // What is only in the log behind it.
    change(vec![requests::deletion("dave", 1)], vec![])?;
    give("bob", Hash::Sha256, "bob-new")?;
    give(ODD, Hash::Sha256, "pässword")?;
    let told = wait_for("the broker to describe the last change", Duration::from_secs(60), || {
        let told = kafka.configs(&["--describe"])?.ok()?;
        check!(told.contains(ODD), "{told}");
        Ok(told)
    })?;

    let scratch = Scratch::new("moving");
    let moved = scratch.path("moved");
    let dry = store("import", &moved, &[&"--kafka-metadata", &kafka.data(), &"--dry-run"])?;
    check!(!moved.exists(), "a dry run has made {}", moved.display());
    says(dry, "6 credentials read, it would be 6 new, 0 replaced, 0 skipped, 0 there already. Nothing was changed")?;
    let import = |directory: &Path, from: &Path| {
        let output = store("import", directory, &[&"--kafka-metadata", &from])?;
        check!(output.stderr.contains(" of the log behind it, up to offset "), "{output:?}");
        said(output)
    };
    let while_it_runs = import(&moved, &kafka.data())?;
    check_eq!(while_it_runs, "6 credentials read: 6 new, 0 replaced, 0 skipped, 0 there already", "an import");
    // Kafka's directory says the same when its broker is gone, and by the directory's own name.
    let home = kafka.home.clone();
    let backend = Kraft::start("kraft-behind", 7, &[])?;
    let data = kafka.shut_down()?;
    let stopped = scratch.path("stopped");
    import(&stopped, &data.join("__cluster_metadata-0"))?;
    check_eq!(lines(&export(&stopped)?), lines(&export(&moved)?), "read while it ran, and when it was shut down");

    let front = spec(&backend.plain.to_string(), &moved)?.start()?;
    let properties = file("moving-admin.properties", &client_properties("front", "front-secret"))?;
    let properties = properties.to_str().ok_or("a path that is text")?;
    let here = configs(&home, &front.sasl().to_string(), &["--describe", "--command-config", properties])?.ok()?;
    check_eq!(sorted(&here), sorted(&told), "what kafka-configs.sh describes here and there");
    let open = || Conn::open(front.sasl());
    for (user, hash, password) in USERS {
        log_in(&mut open()?, hash, user, password).map_err(|e| format!("{user} with {}: {e}", hash.mechanism()))?;
    }
    for (user, hash, password) in
        [("bob", Hash::Sha256, "bob-old"), ("carol", Hash::Sha512, "carol-secret"), ("dave", Hash::Sha256, "dave-256")]
    {
        is_refused(&mut open()?, hash, user, password)?;
    }
    official_tool(&home, &front)?;
    librdkafka(&front)
}

fn sorted(text: &str) -> Vec<String> {
    // The order of the mechanisms of a user is a hash table's.
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| match line.split_once("' are ") {
            Some((user, of)) => {
                let mut of: Vec<_> = of.split(", ").collect();
                of.sort_unstable();
                format!("{user}' are {}", of.join(", "))
            }
            None => line.to_owned(),
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// Java.
fn official_tool(home: &Path, front: &Front) -> Result<()> {
    for (user, hash, password) in [("alice", Hash::Sha256, "alice-256"), (ODD, Hash::Sha256, "pässword")] {
        let text = format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism={}\n\
             sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{user}\" password=\"{password}\";\n",
            hash.mechanism()
        );
        // A .properties file is Latin-1.
        let escaped: String = text
            .chars()
            .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
            .collect();
        let properties = file("moving-client.properties", &escaped)?;
        let mut command = process::command(home.join("bin/kafka-topics.sh"));
        command.args(["--list", "--bootstrap-server", &front.sasl().to_string(), "--command-config"]).arg(properties);
        process::run("kafka-topics.sh", command, "", Duration::from_secs(90))?.ok()?;
    }
    Ok(())
}

/// librdkafka, with the other hash.
fn librdkafka(front: &Front) -> Result<()> {
    const LIST: &str = "import sys\n\
        from confluent_kafka.admin import AdminClient\n\
        keys = ['bootstrap.servers', 'sasl.username', 'sasl.password', 'sasl.mechanisms']\n\
        config = dict(zip(keys, sys.argv[1:])) | {'security.protocol': 'SASL_PLAINTEXT'}\n\
        print('brokers', sorted(AdminClient(config).list_topics(timeout=60).brokers))\n";
    progress("librdkafka logs in with a password that came along");
    let client = prepare("python")?;
    let python = client.split_whitespace().next().ok_or("no command")?;
    let mut command = process::command(python);
    command.args(["-c", LIST, &front.sasl().to_string(), "alice", "alice-512", "SCRAM-SHA-512"]);
    let said = process::run("librdkafka", command, "", Duration::from_secs(90))?.ok()?;
    check_eq!(said, "brokers [1]\n", "what librdkafka sees");
    Ok(())
}
