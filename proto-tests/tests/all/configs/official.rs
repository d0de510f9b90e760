//! The same arguments for the official tool and ours, at the same broker.

use std::time::Duration;

use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest, alter_client_quotas_request};
use libtest_mimic::Trial;
use proto_tests::front;
use proto_tests::pki::stores;
use proto_tests::process::{self, Output};
use proto_tests::programs::{self, file};
use proto_tests::scram::{self, Hash};
use proto_tests::wire::requests::{describe_scram, text};
use proto_tests::{Result, check, check_eq, scratch, wait_for};

use super::{PW, admin_properties, good, line, ours};
use crate::free;
use crate::scram::{Target, judge};

pub fn trials() -> Vec<Trial> {
    vec![
        free("configs::says_what_the_official_tool_says", says_the_same),
        free("configs::does_what_the_official_tool_does", does_the_same),
        free("configs::asks_no_controller_as_the_official_tool_does", at_controllers),
    ]
}

/// The users whose state is made beforehand, with a name of every kind. Nobody else uses the prefix.
const USERS: [&str; 6] =
    ["cfg-alice", "cfg-b,o=b", "cfg-with blank", "cfg-\u{e4}\u{4e2d}\u{1f600}", "cfg-[bracket]", "cfg-'quote'\"\\"];

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

/// `--bootstrap-controller`: a controller, what is none, and where nothing listens.
fn at_controllers() -> Result<()> {
    let admin = admin_properties()?;
    let user = "cfgctl-nobody";
    let set = format!("SCRAM-SHA-256=[password={PW}]");
    for at in [judge()?.controller, Target::Front.sasl()?, ([127, 0, 0, 1], 1).into()] {
        let at = at.to_string();
        let line = |rest: &[&str]| -> Vec<String> {
            let place = ["--bootstrap-controller", &at, "--command-config", stores::text(&admin)];
            place.iter().chain(rest).map(|&arg| arg.to_owned()).collect()
        };
        let lines = [
            line(&["--describe", "--entity-type", "users", "--entity-name", user]),
            line(&["--alter", "--user", user, "--add-config", &set]),
            line(&["--alter", "--user", user, "--delete-config", "SCRAM-SHA-256"]),
            line(&["--alter", "--client", "cfgctl-client", "--add-config", "producer_byte_rate=1e12"]),
            line(&["--alter", "--client", "cfgctl-client", "--delete-config", "producer_byte_rate"]),
        ];
        compare(&lines, &programs::configs(&judge()?.home, &lines)?).map_err(|e| format!("at {at}: {e}"))?;
    }
    Ok(())
}
