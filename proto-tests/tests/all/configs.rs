//! `doorkeeper configs` beside the official kafka-configs, with the same arguments at the same broker: standard output and exit code
//! must be the same bytes, and what is said of an error too, but for passwords and stack traces. Then at a doorkeeper.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest, alter_client_quotas_request};
use libtest_mimic::Trial;
use proto_tests::front;
use proto_tests::guarded::{ADMIN, ROOT};
use proto_tests::pki::{self, stores};
use proto_tests::process::{self, Output};
use proto_tests::programs::{self, client_properties, file};
use proto_tests::scram::{self, Hash};
use proto_tests::wire::requests::{describe_scram, text};
use proto_tests::{Result, check, check_eq, scratch, wait_for};

use crate::free;
use crate::scram::{Target, judge, spec};

pub fn trials() -> Vec<Trial> {
    vec![
        free("configs::says_what_the_official_tool_says", says_the_same),
        free("configs::does_what_the_official_tool_does", does_the_same),
        free("configs::a_doorkeeper_takes_what_the_documentation_says", at_a_doorkeeper),
        free("configs::a_file_of_users", many_users),
        free("configs::the_first_administrator_by_store_dir", first_administrator),
        free("configs::reaches_servers_by_each_protocol", protocols),
        free("configs::refuses_without_a_password_on_the_terminal", no_secrets),
    ]
}

/// The users whose state is made beforehand, with a name of every kind. Nobody else uses the prefix.
const USERS: [&str; 6] =
    ["cfg-alice", "cfg-b,o=b", "cfg-with blank", "cfg-\u{e4}\u{4e2d}\u{1f600}", "cfg-[bracket]", "cfg-'quote'\"\\"];

const PW: &str = "canary-of-configs";

/// The arguments with the place, for the official tool and ours alike.
fn line(bootstrap: &str, properties: &Path, args: &[&str]) -> Vec<String> {
    let place = ["--bootstrap-server", bootstrap, "--command-config", stores::text(properties)];
    place.iter().chain(args).map(|&arg| arg.to_owned()).collect()
}

fn ours(args: &[String]) -> Result<Output> {
    let mut command = process::command(front::binary()?);
    command.arg("configs").args(args).env_remove("KAFKA_OPTS");
    process::run("doorkeeper configs", command, "", Duration::from_secs(90))
}

fn good(args: &[String]) -> Result<String> {
    ours(args)?.ok().map_err(|e| format!("{args:?}: {e}"))
}

fn admin_properties() -> Result<PathBuf> {
    file("configs-admin.properties", &client_properties(ADMIN.0, ADMIN.1))
}

/// The first line of what was said of an error, and for Kafka's stack traces the line that names the error.
fn fault(output: &Output) -> (String, String) {
    let mut lines = output.stderr.lines().filter(|l| !l.starts_with("[20"));
    let first = lines.next().unwrap_or_default().to_owned();
    let cause = if first.starts_with("Error while executing") { lines.next().unwrap_or_default() } else { "" };
    (hidden(&first), cause.trim_start_matches("java.util.concurrent.ExecutionException: ").to_owned())
}

/// An official line as ours is: without the value of a credential.
fn hidden(line: &str) -> String {
    let Some(at) = line.find(" --add-config SCRAM") else { return line.to_owned() };
    let (head, tail) = line.split_at(at + " --add-config ".len());
    let (name, rest) = tail.split_once('=').unwrap_or((tail, ""));
    let end = rest.find(" --").or_else(|| rest.rfind('\'')).unwrap_or(rest.len());
    format!("{head}{name}=[hidden]{}", &rest[end..])
}

/// Runs the lines by ours; the answers must be the official ones.
fn compare(lines: &[Vec<String>], want: &[Output]) -> Result<()> {
    for (line, want) in lines.iter().zip(want) {
        let seen = ours(line)?;
        check_eq!(seen.code, want.code, "exit code of {line:?}, which says {} {}", seen.stdout, seen.stderr);
        check_eq!(seen.stdout, want.stdout, "output of {line:?}");
        check_eq!(fault(&seen), fault(want), "error of {line:?}");
    }
    Ok(())
}

/// Waits until the broker has heard of these users.
fn settled(users: &[&str], mechanisms: &[usize]) -> Result<()> {
    Target::Kafka.settled("the broker to know the users", || {
        let reply = Target::Kafka.admin()?.call(0, &describe_scram(Some(users)))?;
        let of = |user: &&str| {
            reply.results.iter().find(|r| r.user.as_str() == *user).map_or(0, |r| r.credential_infos.len())
        };
        let seen: Vec<usize> = users.iter().map(of).collect();
        check_eq!(seen, mechanisms, "mechanisms of {users:?}");
        Ok(())
    })
}

/// The quotas of a user, as the broker tells them.
fn quotas(user: &str) -> Result<Vec<(String, f64)>> {
    let component = ComponentData::default().with_entity_type(text("user")).matching(user);
    let request = DescribeClientQuotasRequest::default().with_components(vec![component]).with_strict(true);
    let reply = Target::Kafka.admin()?.call(1, &request)?;
    let mut quotas: Vec<(String, f64)> = reply
        .entries
        .unwrap_or_default()
        .into_iter()
        .flat_map(|entry| entry.values)
        .map(|value| (value.key.to_string(), value.value))
        .collect();
    quotas.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(quotas)
}

trait Matching {
    fn matching(self, name: &str) -> Self;
}

impl Matching for ComponentData {
    fn matching(mut self, name: &str) -> Self {
        self._match = Some(text(name));
        self
    }
}

/// Kinds and names; no name is the default of its kind.
type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

/// Entities and their quotas, for the state that is described.
fn set_quotas(entities: &[(Entity<'_>, f64)]) -> Result<()> {
    use alter_client_quotas_request::{EntityData, EntryData, OpData};
    let entry = |(entity, value): &(Entity<'_>, f64)| {
        let entity = entity
            .iter()
            .map(|(kind, name)| EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text)))
            .collect();
        // Rates of bytes are whole numbers.
        let (whole, part) = (value.trunc(), value / 7.0);
        let quotas = [
            ("producer_byte_rate", whole),
            ("consumer_byte_rate", whole + 1.0),
            ("controller_mutation_rate", part),
            ("request_percentage", part / 7.0),
        ];
        let ops = quotas
            .iter()
            .map(|(key, value)| OpData::default().with_key(text(key)).with_value(*value).with_remove(false))
            .collect();
        EntryData::default().with_entity(entity).with_ops(ops)
    };
    let request = AlterClientQuotasRequest::default().with_entries(entities.iter().map(entry).collect());
    let reply = Target::Kafka.admin()?.call(1, &request)?;
    let wrong: Vec<_> = reply.entries.iter().filter(|entry| entry.error_code != 0).collect();
    check_eq!(wrong.len(), 0, "quotas: {wrong:?}");
    Ok(())
}

/// Everything that changes nothing: descriptions, and all that is refused.
fn says_the_same() -> Result<()> {
    let credential = |user: &str, hash| crate::scram::credential(user, hash, PW);
    let mut upsertions: Vec<_> = USERS.iter().map(|user| credential(user, Hash::Sha256)).collect();
    Target::Kafka.alter(vec![], std::mem::take(&mut upsertions))?;
    Target::Kafka.alter(vec![], vec![credential(USERS[0], Hash::Sha512)])?;
    settled(&USERS, &[2, 1, 1, 1, 1, 1])?;
    // So large that they slow nobody down.
    set_quotas(&[
        (&[("user", Some(USERS[0]))], 1e12),
        (&[("user", Some(USERS[1]))], 12345678.9),
        (&[("user", Some(USERS[2])), ("client-id", Some("cfg-c"))], 7e15),
        (&[("user", Some(USERS[2])), ("client-id", None)], 8e15),
        (&[("user", Some(USERS[3])), ("client-id", Some("cfg-c"))], 9e15),
        (&[("client-id", Some("cfg-c"))], 1e13),
    ])?;
    wait_for("the broker to know the quotas", Duration::from_secs(60), || {
        check_eq!(quotas(USERS[0])?.len(), 4, "quotas");
        Ok(())
    })?;

    let (bootstrap, admin) = (judge()?.sasl.to_string(), admin_properties()?);
    let scram = format!("SCRAM-SHA-256=[iterations=8192,password={PW}]");
    let scram = scram.as_str();
    let both = format!("{scram},SCRAM-SHA-512=[password={PW}=x]");
    let bad = |value: &str| format!("SCRAM-SHA-256=[{value}]");
    let (few, many) = (bad("iterations=4095,password=x"), bad("iterations=16385,password=x"));
    let (empty, dash) = (bad("iterations=,password=x"), bad("iterations=-,password=x"));
    let (huge, none) = (bad("iterations=99999999999,password=x"), bad("password="));
    let user = ["--alter", "--entity-type", "users", "--entity-name", "cfg-alice"];
    let on_user =
        |rest: &[&'static str]| -> Vec<String> { user.iter().chain(rest).map(|&arg| arg.to_owned()).collect() };
    let mut table: Vec<Vec<String>> = Vec::new();
    let mut add = |args: &[&str]| table.push(line(&bootstrap, &admin, args));
    // What is there.
    for user in USERS.iter().chain(&["cfg-nobody"]) {
        add(&["--describe", "--entity-type", "users", "--entity-name", user]);
        add(&["--describe", &format!("--user={user}")]);
    }
    add(&["-describe", "-entity-type=users", "-entity-name", USERS[0], "stray", "--", "--bogus"]);
    add(&["--describe", "--user", USERS[2], "--client", "cfg-c"]);
    add(&["--describe", "--user", USERS[2], "--client-defaults"]);
    add(&["--describe", "--entity-type", "users", "--entity-name", USERS[2], "--entity-type", "clients"]);
    add(&["--describe", "--entity-type", "clients", "--entity-name", "cfg-c"]);
    add(&["--describe", "--client", "cfg-nobody"]);
    add(&["--describe", "--ip", "10.20.30.40"]);
    add(&["--describe", "--all", "--user", USERS[0]]);
    // Command lines that are wrong.
    add(&["--describe", "--alter"]);
    add(&["--describe"]);
    add(&["--bogus"]);
    add(&["-xyz"]);
    add(&["--describe", "--entity-type"]);
    add(&["--describe", "--entity-type", "foo"]);
    add(&["--describe", "--entity-type", "users", "--entity-type", "topics"]);
    add(&["--describe", "--entity-type", "users", "--entity-type", "users"]);
    add(&["--describe", "--entity-type", "users", "--user", "a"]);
    add(&["--describe", "--entity-type", "users", "--user-defaults"]);
    add(&["--describe", "--entity-name", "a", "--user", "a"]);
    add(&["--describe", "--entity-type", "users", "--entity-name", "a", "--entity-name", "b"]);
    add(&["--describe", "--user", "a", "--user", "b"]);
    add(&["--describe", "--entity-type", "users", "--add-config", "a=b"]);
    add(&["--describe", "--entity-type", "users", "--delete-config", "a"]);
    add(&["--describe", "--entity-type", "topics", "--entity-default"]);
    add(&["--describe", "--entity-type", "broker-loggers"]);
    add(&["--describe", "--broker", "one"]);
    add(&["--describe", "--ip", "no.such.host.invalid"]);
    add(&["--bootstrap-controller", "x:1", "--describe", "--entity-type", "users"]);
    add(&["--alter", "--entity-type", "users", "--add-config", scram]);
    add(&["--alter", "--entity-type", "topics", "--add-config", "a=b"]);
    add(&[
        "--alter",
        "--entity-type",
        "users",
        "--entity-name",
        "a",
        "--entity-type",
        "clients",
        "--add-config",
        scram,
    ]);
    for rest in [
        &[][..],
        &["--add-config", "a", "--add-config-file", "b"],
        &["--add-config", "a=b", "--add-config", "c=d"],
        &["--add-config", ""],
        &["--add-config", "a"],
        &["--add-config", "a=b=c"],
        &["--add-config", "a=x]y"],
        &["--add-config", "a b=c"],
        &["--add-config", "foo=1"],
        &["--add-config", "foo=1,zar=2,bar=3,x=4"],
        &["--add-config", "SCRAM-SHA-1=[password=x]"],
        &["--delete-config", "foo"],
        &["--delete-config", "foo,,bar,producer_byte_rate"],
        &["--delete-config", " , "],
        &["--delete-config", ""],
        &["--add-config", "producer_byte_rate=abc"],
        &["--add-config", "producer_byte_rate="],
        &["--add-config", "producer_byte_rate=-1"],
        &["--add-config", "controller_mutation_rate=0"],
        &["--add-config", "connection_creation_rate=1"],
        &["--delete-config", "SCRAM-SHA-256,SCRAM-SHA-256"],
    ] {
        let args = on_user(rest);
        add(&args.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for rest in [
        &["--add-config", &both][..],
        &["--add-config", &few],
        &["--add-config", &many],
        &["--add-config", &empty],
        &["--add-config", &dash],
        &["--add-config", &huge],
        &["--add-config", &none],
        &["--add-config", &format!("{scram},producer_byte_rate=1")],
        &["--add-config", scram, "--delete-config", "producer_byte_rate"],
        &["--delete-config", "SCRAM-SHA-256", "--add-config", scram],
    ] {
        add(&[&user[..], rest].concat());
    }
    add(&["--alter", "--user", "cfg-b,o=b", "--delete-config", "SCRAM-SHA-512"]);
    add(&["--alter", "--user", "cfg-nobody", "--delete-config", "SCRAM-SHA-256"]);
    add(&["--alter", "--user", "cfg-nobody", "--delete-config", "producer_byte_rate,request_percentage"]);
    add(&["--alter", "--user-defaults", "--add-config", scram]);
    add(&["--alter", "--entity-type", "users", "--entity-default", "--delete-config", "SCRAM-SHA-256"]);
    add(&["--alter", "--client", "cfg-c", "--add-config", scram]);
    add(&["--alter", "--user", "a", "--client", "cfg-c", "--delete-config", "SCRAM-SHA-512,foo"]);
    add(&["--alter", "--ip", "10.20.30.40", "--add-config", "producer_byte_rate=1"]);
    add(&["--alter", "--ip", "10.20.30.40", "--add-config", "connection_creation_rate=1.5"]);
    let without = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>();
    table.push(without(&["--describe", "--entity-type", "users"]));
    table.push(without(&["--alter", "--entity-type", "users", "--entity-name"]));
    let want = programs::configs(&judge()?.home, &table)?;
    compare(&table, &want)?;

    // All of a kind: other trials have users too, which come and go, and with them the order in which a hash map gives the rest.
    let all = [
        line(&bootstrap, &admin, &["--describe", "--entity-type", "users"]),
        line(&bootstrap, &admin, &["--describe", "--entity-type", "users", "--entity-type", "clients"]),
    ];
    let own = |text: &str| {
        let mut lines: Vec<String> = text.lines().filter(|l| l.contains("'cfg-")).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for (line, want) in all.iter().zip(programs::configs(&judge()?.home, &all)?) {
        let seen = own(&good(line)?);
        check_eq!(seen, own(&want.stdout), "{line:?}");
        check!(seen.len() >= 3, "{line:?} says {seen:?}");
    }

    // Both scripts, as people call them.
    let described = line(&bootstrap, &admin, &["--describe", "--user", USERS[0]]);
    let refused = line(&bootstrap, &admin, &["--describe", "--bogus"]);
    for args in [described, refused] {
        let scripts =
            [judge()?.home.join("bin/kafka-configs.sh"), scratch::checkout().join("scripts/kafka-configs.sh")];
        let mut said = Vec::new();
        for script in scripts {
            let mut command = process::command(script);
            command.args(&args).env("DOORKEEPER_BIN", front::binary()?).env_remove("KAFKA_OPTS");
            let output = process::run("kafka-configs.sh", command, "", Duration::from_secs(90))?;
            said.push((output.code, output.stdout.clone(), fault(&output)));
        }
        check_eq!(said[1], said[0], "scripts/kafka-configs.sh {args:?}");
    }
    Ok(())
}

/// The same changes by each of the two to a user of its own: the same words, and the same is there afterwards.
fn does_the_same() -> Result<()> {
    let (bootstrap, admin) = (judge()?.sasl.to_string(), admin_properties()?);
    let users = ["cfgdo-official", "cfgdo-doorkeeper"];
    let properties = file("configs-add.properties", &format!("SCRAM-SHA-512=password={PW}\n"))?;
    let properties = stores::text(&properties).to_owned();
    let steps: [&[&[&str]]; 3] = [
        &[
            &["--add-config", "SCRAM-SHA-256=[iterations=8192,password=first]"],
            &["--add-config-file", &properties],
            &["--add-config", "producer_byte_rate=1048576000,consumer_byte_rate=1e12, request_percentage = 33333.3"],
            &["--add-config", ","],
        ],
        &[
            &["--delete-config", "SCRAM-SHA-512"],
            &["--add-config", "SCRAM-SHA-256=[iterations=-1,password=a=b,c d\u{e4}]"],
            &["--delete-config", "consumer_byte_rate", "--add-config", "controller_mutation_rate=1e6"],
        ],
        &[&["--delete-config", "SCRAM-SHA-256"], &["--delete-config", "producer_byte_rate,request_percentage"]],
    ];
    let wanted: [(&[(i8, i32)], usize); 3] = [(&[(1, 8192), (2, 4096)], 3), (&[(1, 4096)], 3), (&[], 1)];
    for (step, (credentials, quota_count)) in steps.iter().zip(wanted) {
        let of = |user: &str| -> Vec<Vec<String>> {
            step.iter().map(|rest| line(&bootstrap, &admin, &[&["--alter", "--user", user], *rest].concat())).collect()
        };
        let official = programs::configs(&judge()?.home, &of(users[0]))?;
        for (line, want) in of(users[1]).iter().zip(official) {
            let seen = ours(line)?;
            check_eq!(want.code, Some(0), "the official tool: {}", want.stderr);
            check_eq!(seen.code, want.code, "exit code of {line:?}: {}", seen.stderr);
            check_eq!(seen.stdout, want.stdout.replace(users[0], users[1]), "output of {line:?}");
        }
        for user in users {
            Target::Kafka.settled("the broker to know what was changed", || {
                let reply = Target::Kafka.admin()?.call(0, &describe_scram(Some(&[user])))?;
                let mut seen: Vec<(i8, i32)> =
                    reply.results[0].credential_infos.iter().map(|info| (info.mechanism, info.iterations)).collect();
                seen.sort_unstable();
                check_eq!(seen, credentials, "credentials of {user}");
                check_eq!(quotas(user)?.len(), quota_count, "quotas of {user}");
                Ok(())
            })?;
        }
        check_eq!(quotas(users[1])?, quotas(users[0])?, "quotas");
    }
    // The password that the steps set last is gone; one that ours sets is the one that a client logs in with.
    let set = format!("SCRAM-SHA-512=[iterations=5000,password={PW}]");
    good(&line(&bootstrap, &admin, &["--alter", "--user", users[1], "--add-config", &set]))?;
    Target::Kafka
        .settled("the new password to work", || scram::log_in(&mut Target::Kafka.open()?, Hash::Sha512, users[1], PW))
}

/// The command of Kafka's documentation, which Kafka refuses; and a changed password holds at once.
fn at_a_doorkeeper() -> Result<()> {
    let (bootstrap, admin) = (Target::Front.sasl()?.to_string(), admin_properties()?);
    let run = |args: &[&str]| good(&line(&bootstrap, &admin, args));
    let user = "cfg, =\u{e4}";
    for password in ["alice-secret", "another"] {
        let set = format!("SCRAM-SHA-256=[iterations=8192,password={password}],SCRAM-SHA-512=[password={password}]");
        let said = run(&["--alter", "--entity-type", "users", "--entity-name", user, "--add-config", &set])?;
        check_eq!(said, format!("Completed updating config for user {user}.\n"), "what is said");
        for hash in [Hash::Sha256, Hash::Sha512] {
            scram::log_in(&mut Target::Front.open()?, hash, user, password)?;
            check!(scram::log_in(&mut Target::Front.open()?, hash, user, "wrong").is_err(), "a wrong password");
        }
        let said = run(&["--describe", "--user", user])?;
        let want = "are SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=4096\n";
        check_eq!(said, format!("SCRAM credential configs for user-principal '{user}' {want}"), "the description");
    }
    run(&["--alter", "--user", user, "--delete-config", "SCRAM-SHA-256,SCRAM-SHA-512"])?;
    check_eq!(run(&["--describe", "--user", user])?, "", "what is left");
    check!(scram::log_in(&mut Target::Front.open()?, Hash::Sha256, user, "another").is_err(), "a deleted user");
    // An administrator by SCRAM, who is none before.
    let root = file(
        "configs-root.properties",
        &format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{ROOT}-of-cfg\" password=\"{PW}\";\n"
        ),
    )?;
    let as_root = line(&bootstrap, &root, &["--describe", "--entity-type", "users"]);
    let refused = ours(&as_root)?;
    check_eq!(refused.code, Some(1), "without credentials: {}", refused.stdout);
    check!(refused.stderr.contains("SaslAuthenticationException: Authentication failed"), "{}", refused.stderr);
    Ok(())
}

/// Many users by a file, twice; and a file with faults, which changes nothing.
fn many_users() -> Result<()> {
    const COUNT: usize = 700;
    let mut text = "name,mechanism,iterations,password\n".to_owned();
    for n in 0..COUNT {
        text += &format!("cfgmany-{n},SCRAM-SHA-256,,\"pw,{n}\"\n");
        // A user twice in one request is refused by Kafka.
        if n % 3 == 0 {
            text += &format!("cfgmany-{n},SCRAM-SHA-512,5000,pw {n}\n");
        }
    }
    let rows = text.lines().count() - 1;
    let path = file("configs-users.csv", &text)?;
    let path = stores::text(&path);
    let admin = admin_properties()?;
    for target in Target::BOTH {
        let bootstrap = target.sasl()?.to_string();
        let load = line(&bootstrap, &admin, &["--alter", "--entity-type", "users", "--file", path]);
        for (created, changed) in [(rows, 0), (0, rows)] {
            let said = good(&load)?;
            let want = format!("{path}: {rows} credentials: {created} created, {changed} changed, 0 failed, in ");
            check!(said.starts_with(&want), "{} says {said}", target.name());
            target.settled("all users to be there", || {
                let described = good(&line(&bootstrap, &admin, &["--describe", "--entity-type", "users"]))?;
                let mine: Vec<&str> = described.lines().filter(|l| l.contains("'cfgmany-")).collect();
                check_eq!(mine.len(), COUNT, "users at {}", target.name());
                // In which order a broker tells them differs from one start to the next.
                let both = mine.iter().filter(|l| l.contains("SCRAM-SHA-512=iterations=5000")).count();
                check_eq!(both, rows - COUNT, "users with two mechanisms");
                Ok(())
            })?;
        }
        target.settled("the last password to work", || {
            scram::log_in(&mut target.open()?, Hash::Sha256, "cfgmany-699", "pw,699")?;
            scram::log_in(&mut target.open()?, Hash::Sha512, "cfgmany-699", "pw 699")
        })?;

        // What the server refuses is told by line; the others are set. Kafka takes names that a doorkeeper does not.
        let faulty =
            "name,mechanism,password\ncfgmany-new,SCRAM-SHA-256,x\n,SCRAM-SHA-256,canary-of-configs\na,SCRAM-SHA-256\n";
        let faulty = file("configs-faulty.csv", faulty)?;
        let mut load = load.clone();
        *load.last_mut().ok_or("arguments")? = stores::text(&faulty).to_owned();
        let said = ours(&load)?;
        check_eq!(said.code, Some(1), "a faulty file: {}", said.stdout);
        let want =
            ["csv:3: the name is empty\n", "csv:4: 2 fields, but the header has 3", "csv: nothing was changed\n"];
        check!(want.iter().all(|text| said.stderr.contains(text)) && !said.stderr.contains(PW), "{}", said.stderr);
        check_eq!(
            good(&line(&bootstrap, &admin, &["--describe", "--user", "cfgmany-new"]))?,
            "",
            "after a faulty file"
        );
    }
    let refused = "name,mechanism,password\ncfgmany-good,SCRAM-SHA-256,x\n\"cfgmany-\0\",SCRAM-SHA-256,x\n";
    let path = file("configs-refused.csv", refused)?;
    let bootstrap = Target::Front.sasl()?.to_string();
    let said = ours(&line(&bootstrap, &admin, &["--alter", "--entity-type", "users", "--file", stores::text(&path)]))?;
    check_eq!(said.code, Some(1), "{}", said.stdout);
    check!(said.stdout.contains("2 credentials: 1 created, 0 changed, 1 failed, in "), "{}", said.stdout);
    check!(said.stderr.contains("refused.csv:3: cfgmany-\u{fffd}: UnacceptableCredentialException"), "{}", said.stderr);
    Ok(())
}

/// Before the first start: users into a store that there is not yet; then the server has it, and nobody else.
fn first_administrator() -> Result<()> {
    let mut spec = spec()?;
    let store = scratch::dir("configs-store").join("new");
    let store = stores::text(&store).to_owned();
    spec.set("store.dir", &store);
    let args =
        |args: &[&str]| [&["--store-dir", store.as_str()], args].concat().iter().map(|&a| a.into()).collect::<Vec<_>>();
    let seen = ours(&args(&["--describe", "--entity-type", "users"]))?;
    check_eq!((seen.code, Path::new(&store).exists()), (Some(1), false), "looking makes no store: {}", seen.stderr);
    let said = good(&args(&[
        "--add-scram",
        &format!("SCRAM-SHA-256=[name={ROOT},iterations=8192,password={PW}]"),
        "--add-scram",
        &format!("SCRAM-SHA-512=[name={ROOT},password=\"{PW}\"]"),
    ]))?;
    check_eq!(said, format!("Completed updating config for user {ROOT}.\n"), "what is said");
    good(&args(&["--alter", "--user", "second", "--add-config", "SCRAM-SHA-512=[password=second]"]))?;
    good(&args(&["--alter", "--user", "third", "--add-config", "SCRAM-SHA-512=[password=third]"]))?;
    good(&args(&["--alter", "--user", "third", "--delete-config", "SCRAM-SHA-512"]))?;
    let users = file("configs-store.csv", "name,mechanism,password\nfourth,SCRAM-SHA-256,fourth\n")?;
    good(&args(&["--alter", "--entity-type", "users", "--file", stores::text(&users)]))?;
    let described = "SCRAM credential configs for user-principal 'fourth' are SCRAM-SHA-256=iterations=4096\n\
         SCRAM credential configs for user-principal 'root' are SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=4096\n\
         SCRAM credential configs for user-principal 'second' are SCRAM-SHA-512=iterations=4096\n";
    check_eq!(good(&args(&["--describe", "--entity-type", "users"]))?, described, "the store");
    for (rest, want) in [
        (&["--alter", "--user", "a", "--add-config", "producer_byte_rate=1"][..], "A store has no quotas"),
        (&["--describe", "--client", "c"], "A store has users only"),
        (&["--describe", "--topic", "t"], "for topics use Kafka's own kafka-configs.sh"),
        (
            &["--alter", "--user", "third", "--delete-config", "SCRAM-SHA-512"],
            "ResourceNotFoundException: Attempt to delete",
        ),
        (&["--add-scram", "SCRAM-SHA-256=[name=a]"], "You must supply one of 'password' or 'saltedpassword'"),
    ] {
        let seen = ours(&args(rest))?;
        check!(seen.code == Some(1) && seen.stderr.contains(want), "{rest:?} says {} {}", seen.stdout, seen.stderr);
    }

    let front = spec.start()?;
    let open = || proto_tests::wire::Conn::open(front.sasl());
    scram::log_in(&mut open()?, Hash::Sha256, ROOT, PW)?;
    scram::log_in(&mut open()?, Hash::Sha512, "second", "second")?;
    scram::log_in(&mut open()?, Hash::Sha256, "fourth", "fourth")?;
    check!(scram::log_in(&mut open()?, Hash::Sha512, "third", "third").is_err(), "a deleted user");
    for rest in
        [&["--describe", "--entity-type", "users"][..], &["--alter", "--user", "a", "--delete-config", "SCRAM-SHA-256"]]
    {
        let seen = ours(&args(rest))?;
        check!(seen.code == Some(1) && seen.stderr.contains(&store), "{rest:?} says {} {}", seen.stdout, seen.stderr);
    }
    // The first administrator makes the others, by the protocol and with SCRAM.
    let root = file(
        "configs-first.properties",
        &format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{ROOT}\" password=\"{PW}\";\n"
        ),
    )?;
    let seen = good(&line(&front.sasl().to_string(), &root, &["--describe", "--entity-type", "users"]))?;
    // The quotas are the cluster's; other trials set some.
    let seen: String = seen.split_inclusive('\n').filter(|l| !l.starts_with("Quota configs for ")).collect();
    check_eq!(seen, described, "the same by the protocol");
    Ok(())
}

/// PLAINTEXT, SASL_PLAINTEXT, SSL and SASL_SSL; trust by files of each kind; and who is not trusted.
fn protocols() -> Result<()> {
    let pki = pki::get()?;
    let trust = stores::file("configs-trust.pem", &pki.ca.pem())?;
    let pkcs12 = stores::trust(pki.ca.certificate(), "PKCS12", "configs")?;
    let tls = |protocol: &str, rest: &str| format!("security.protocol={protocol}\n{rest}");
    let pem = format!("ssl.truststore.type=PEM\nssl.truststore.location={}\n", stores::text(&trust));
    let p12 = format!(
        "ssl.truststore.type=PKCS12\nssl.truststore.location={}\nssl.truststore.password={}\n",
        stores::text(&pkcs12),
        stores::PASSWORD
    );
    let inline = format!("ssl.truststore.type=PEM\nssl.truststore.certificates={}\n", stores::inline(&pki.ca.pem()));
    let login = client_properties(ADMIN.0, ADMIN.1).replace("SASL_PLAINTEXT", "SASL_SSL");
    for target in Target::BOTH {
        let args = |name: &str, text: &str, to: std::net::SocketAddr| -> Result<Vec<String>> {
            let properties = file(&format!("configs-{name}.properties"), text)?;
            Ok(line(&to.to_string(), &properties, &["--describe", "--user", "cfg-nobody-at-all"]))
        };
        good(&args("plain", &client_properties(ADMIN.0, ADMIN.1), target.sasl()?)?)?;
        for (name, trust) in [("pem", &pem), ("p12", &p12), ("inline", &inline)] {
            good(&args(name, &format!("{login}{trust}"), target.sasl_ssl()?)?)?;
        }
        // Nobody's authority, and nobody's administrator.
        let stranger = ours(&args("stranger", &login, target.sasl_ssl()?)?)?;
        check_eq!(stranger.code, Some(1), "{}", stranger.stdout);
        check!(
            stranger.stderr.contains("SslAuthenticationException: SSL handshake failed")
                || stranger.stderr.contains("truststore"),
            "{}",
            stranger.stderr
        );
        let anonymous = ours(&args("anonymous", &tls("PLAINTEXT", ""), target.plaintext()?)?)?;
        check_eq!(anonymous.code, Some(1), "{}", anonymous.stdout);
        check!(anonymous.stderr.contains("ClusterAuthorizationException"), "{}", anonymous.stderr);
        let wrong = ours(&args("wrong", &client_properties(ADMIN.0, PW), target.sasl()?)?)?;
        check_eq!(wrong.code, Some(1), "{}", wrong.stdout);
        check!(
            wrong.stderr.contains("SaslAuthenticationException: Authentication failed: Invalid username or password"),
            "{}",
            wrong.stderr
        );
    }
    Ok(())
}

/// Whatever goes wrong: the password of the command line is not said again.
fn no_secrets() -> Result<()> {
    let (bootstrap, admin) = (Target::Kafka.sasl()?.to_string(), admin_properties()?);
    for value in [
        format!("SCRAM-SHA-256=[pasword={PW}]"),
        format!("SCRAM-SHA-256={PW}"),
        format!("SCRAM-SHA-256=[iterations=20000,password={PW}]"),
        format!("SCRAM-SHA-256=[iterations=x,password={PW}]"),
        format!("SCRAM-SHA-256=[password={PW}],SCRAM-SHA-512=[password={PW}]"),
        format!("SCRAM-SHA-256=password={PW}"),
        format!("scram-sha-256=[password={PW}]"),
    ] {
        for arg in [vec!["--add-config".to_owned(), value.clone()], vec![format!("--add-config={value}")]] {
            let mut args = line(&bootstrap, &admin, &["--alter", "--user", "cfg-secret"]);
            args.extend(arg);
            let seen = ours(&args)?;
            check_eq!(seen.code, Some(1), "{args:?}: {}", seen.stdout);
            check!(!seen.stderr.is_empty() && !seen.stderr.contains(PW), "{args:?} says {}", seen.stderr);
        }
    }
    let csv = file("configs-secret.csv", &format!("cfg-secret,SCRAM-SHA-256,4096,{PW}\n"))?;
    let seen = ours(&line(&bootstrap, &admin, &["--alter", "--entity-type", "users", "--file", stores::text(&csv)]))?;
    check!(seen.code == Some(1) && !seen.stderr.contains(PW), "{}", seen.stderr);
    check_eq!(good(&line(&bootstrap, &admin, &["--describe", "--user", "cfg-secret"]))?, "", "nothing was set");
    fs::remove_file(csv).map_err(|e| e.to_string())
}
