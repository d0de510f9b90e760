//! Our tool at a doorkeeper, what it does that the official one does not, and what it leaves to that one.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use proto_tests::guarded::{ADMIN, ROOT};
use proto_tests::pki::{self, stores};
use proto_tests::programs::{client_properties, file};
use proto_tests::scram::{self, Hash};
use proto_tests::{Result, check, check_eq, scratch};

use super::{PW, admin_properties, good, line, ours};
use crate::free;
use crate::scram::{Target, spec};

pub fn trials() -> Vec<Trial> {
    vec![
        free("configs::a_doorkeeper_takes_what_the_documentation_says", at_a_doorkeeper),
        free("configs::a_file_of_users", many_users),
        free("configs::the_first_administrator_by_store_dir", first_administrator),
        free("configs::reaches_servers_by_each_protocol", protocols),
        free("configs::refuses_without_a_password_on_the_terminal", no_secrets),
        free("configs::names_the_official_tool_for_what_it_leaves_to_it", left_to_the_official_tool),
    ]
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

/// What is no user, client or address is said to be the official tool's, whatever is asked and wherever; nothing is connected to.
fn left_to_the_official_tool() -> Result<()> {
    let admin = admin_properties()?;
    let store = scratch::dir("configs-left").join("none");
    for (kind, flag, name) in [
        ("topics", "--topic", "t"),
        ("brokers", "--broker", "1"),
        ("broker-loggers", "--broker-logger", "1"),
        ("client-metrics", "--client-metrics", "m"),
        ("groups", "--group", "g"),
    ] {
        for of in [&["--entity-type", kind, "--entity-name", name][..], &[flag, name]] {
            for action in
                [&["--describe"][..], &["--alter", "--add-config", "a=b"], &["--alter", "--delete-config", "a"]]
            {
                let args = [action, of].concat();
                // Nobody listens there.
                let mut lines = vec![line("127.0.0.1:1", &admin, &args)];
                let at_store = ["--store-dir", stores::text(&store)];
                lines.push(at_store.iter().chain(&args).map(|&arg| arg.to_owned()).collect());
                let at_controller = ["--bootstrap-controller", "127.0.0.1:1"];
                lines.push(at_controller.iter().chain(&args).map(|&arg| arg.to_owned()).collect());
                for line in lines {
                    let seen = ours(&line)?;
                    let want = format!(
                        "doorkeeper configs handles users, clients and ips; for {kind} use Kafka's own kafka-configs.sh"
                    );
                    check_eq!((seen.code, seen.stdout.as_str()), (Some(1), ""), "{line:?} says {}", seen.stderr);
                    check!(seen.stderr.contains(&want), "{line:?} says {}", seen.stderr);
                }
            }
        }
    }
    check!(!store.exists(), "a store was made");
    Ok(())
}
