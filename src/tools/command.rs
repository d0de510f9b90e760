//! The command line of kafka-configs: its flags, and which of them go together, by Kafka's rules and in its words.

use std::collections::HashSet;
use std::net::ToSocketAddrs;
use std::path::PathBuf;

use super::failure::Failure;
use super::options::{Flag, FlagKind, Options};

const TOPICS: &str = "topics";
pub(super) const CLIENTS: &str = "clients";
pub(super) const USERS: &str = "users";
const BROKERS: &str = "brokers";
pub(super) const IPS: &str = "ips";
const CLIENT_METRICS: &str = "client-metrics";
const GROUPS: &str = "groups";
const BROKER_LOGGERS: &str = "broker-loggers";

/// In the order in which Kafka's tool lists them.
const ENTITY_TYPES: [&str; 8] = [TOPICS, CLIENTS, USERS, BROKERS, IPS, CLIENT_METRICS, GROUPS, BROKER_LOGGERS];
/// Flags that give type and name at once, in the order in which Kafka's tool looks at them.
const ENTITY_FLAGS: [(&str, &str); 8] = [
    ("topic", TOPICS),
    ("client", CLIENTS),
    ("user", USERS),
    ("broker", BROKERS),
    ("broker-logger", BROKER_LOGGERS),
    ("ip", IPS),
    ("client-metrics", CLIENT_METRICS),
    ("group", GROUPS),
];
/// Flags that stand for a type's default.
const DEFAULT_FLAGS: [(&str, &str); 4] =
    [("client-defaults", CLIENTS), ("user-defaults", USERS), ("broker-defaults", BROKERS), ("ip-defaults", IPS)];

const fn switch(name: &'static str) -> Flag {
    Flag { name, kind: FlagKind::Switch }
}

const fn value(name: &'static str) -> Flag {
    Flag { name, kind: FlagKind::Value }
}

static FLAGS: &[Flag] = &[
    value("bootstrap-server"),
    value("bootstrap-controller"),
    value("command-config"),
    switch("alter"),
    switch("describe"),
    switch("all"),
    value("entity-type"),
    value("entity-name"),
    switch("entity-default"),
    value("add-config"),
    value("add-config-file"),
    Flag { name: "delete-config", kind: FlagKind::List },
    value("topic"),
    value("client"),
    switch("client-defaults"),
    value("user"),
    switch("user-defaults"),
    value("broker"),
    switch("broker-defaults"),
    value("broker-logger"),
    switch("ip-defaults"),
    value("ip"),
    value("group"),
    value("client-metrics"),
    switch("help"),
    switch("version"),
    // Ours.
    value("store-dir"),
    value("add-scram"),
    value("file"),
];

/// A command that was understood.
#[derive(Debug)]
pub(super) enum Command {
    /// Print the version.
    Version,
    /// Print what is configured.
    Describe(Entities, Place),
    /// Change what is configured.
    Alter(Entities, Alteration, Place),
    /// Set credentials, in the grammar of kafka-storage.
    AddScram(Vec<String>, PathBuf),
    /// Set the credentials of a file of users; `-` is standard input.
    Load(String, Place),
}

/// Where.
#[derive(Debug)]
pub(super) enum Place {
    /// At servers, with client properties.
    Servers { bootstrap: String, properties: Option<PathBuf> },
    /// At controllers, which do nothing of what these commands ask for.
    Controllers { bootstrap: String, properties: Option<PathBuf> },
    /// In a store that no server has open.
    Store(PathBuf),
}

/// Of what: types and names, in the order of Kafka's tool.
#[derive(Debug)]
pub(super) struct Entities {
    /// At least one.
    pub types: Vec<String>,
    /// An empty name is the default.
    pub names: Vec<String>,
}

/// What to change.
#[derive(Debug)]
pub(super) struct Alteration {
    pub add: Option<Addition>,
    pub delete: Vec<String>,
}

/// Where the configs to add stand.
#[derive(Debug)]
pub(super) enum Addition {
    Text(zeroize::Zeroizing<String>),
    File(String),
}

impl Command {
    /// Reads a command line.
    pub fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let options = Options::parse(FLAGS, arguments).map_err(|problem| {
            if problem.starts_with("zookeeper ") {
                let instead = "use --bootstrap-server for servers that run, or --store-dir for doorkeeper's store before the first start";
                return Failure::Said(format!("{problem}; {instead}"));
            }
            Failure::Said(problem)
        })?;
        if arguments.is_empty() || options.has("help") {
            return Err(Failure::Usage(
                "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group"
                    .into(),
            ));
        }
        if options.has("version") {
            return Ok(Self::Version);
        }
        if options.has("add-scram") {
            return add_scram(&options);
        }
        if options.has("file") {
            return load(&options);
        }
        let entities = check(&options)?;
        let place = place(&options)?;
        if options.has("describe") {
            return Ok(Self::Describe(entities, place));
        }
        if entities.types.len() != entities.names.len() {
            return Err(Failure::said("An entity name must be specified for every entity type"));
        }
        let text = options.value("add-config").map_err(Failure::Said)?;
        let file = options.value("add-config-file").map_err(Failure::Said)?;
        let add = text
            .map(|text| Addition::Text(text.to_owned().into()))
            .or(file.map(|file| Addition::File(file.to_owned())));
        let delete = options.values("delete-config").map(|name| name.trim_matches(|c| c <= ' ').to_owned()).collect();
        Ok(Self::Alter(entities, Alteration { add, delete }, place))
    }
}

fn place(options: &Options) -> Result<Place, Failure> {
    let single = |name| options.value(name).map_err(Failure::Said);
    if let Some(directory) = single("store-dir")? {
        if options.has("command-config") {
            return Err(Failure::said(
                "--command-config is for --bootstrap-server; nothing is connected to with --store-dir",
            ));
        }
        return Ok(Place::Store(directory.into()));
    }
    let properties = single("command-config")?.map(PathBuf::from);
    if let Some(servers) = single("bootstrap-server")? {
        return Ok(Place::Servers { bootstrap: servers.to_owned(), properties });
    }
    let controllers = single("bootstrap-controller")?.unwrap_or_default();
    Ok(Place::Controllers { bootstrap: controllers.to_owned(), properties })
}

/// `--add-scram`, which stands for itself: it says whose credential it is.
fn add_scram(options: &Options) -> Result<Command, Failure> {
    let allowed = ["add-scram", "store-dir", "alter"];
    if let Some(other) = options.order().iter().find(|flag| !allowed.contains(flag)) {
        return Err(Failure::said(format!(
            "--add-scram goes with --store-dir alone, not with --{other}; with --bootstrap-server, use --add-config"
        )));
    }
    let directory = options.value("store-dir").map_err(Failure::Said)?;
    let directory = directory.ok_or_else(|| Failure::said("--add-scram needs --store-dir"))?;
    Ok(Command::AddScram(options.values("add-scram").map(str::to_owned).collect(), directory.into()))
}

/// `--file`.
fn load(options: &Options) -> Result<Command, Failure> {
    let allowed =
        ["file", "alter", "entity-type", "bootstrap-server", "bootstrap-controller", "command-config", "store-dir"];
    if let Some(other) = options.order().iter().find(|flag| !allowed.contains(flag)) {
        return Err(Failure::said(format!(
            "--file cannot be used with --{other}: the users and credentials stand in the file"
        )));
    }
    if !options.has("alter") || !options.values("entity-type").eq([USERS]) {
        return Err(Failure::said("--file is for --alter --entity-type users"));
    }
    check_places(options)?;
    let file = options.value("file").map_err(Failure::Said)?.unwrap_or_default().to_owned();
    Ok(Command::Load(file, place(options)?))
}

fn check_places(options: &Options) -> Result<(), Failure> {
    let given = |name: &&str| options.has(name);
    if !["bootstrap-server", "bootstrap-controller", "store-dir"].iter().any(given) {
        return Err(Failure::said("Either --bootstrap-server or --bootstrap-controller must be specified."));
    }
    if ["bootstrap-server", "bootstrap-controller", "store-dir"].into_iter().filter(given).count() > 1 {
        return Err(Failure::said(if options.has("store-dir") {
            "Only one of --bootstrap-server or --store-dir can be specified"
        } else {
            "Only one of --bootstrap-server or --bootstrap-controller can be specified"
        }));
    }
    Ok(())
}

/// Kafka's `checkArgs`.
fn check(options: &Options) -> Result<Entities, Failure> {
    if options.has("alter") == options.has("describe") {
        return Err(Failure::Usage("Command must include exactly one action: --describe, --alter".into()));
    }
    if options.has("describe")
        && let Some(other) = ["add-config", "delete-config"].into_iter().find(|name| options.has(name))
    {
        return Err(Failure::Usage(format!("Option \"[describe]\" can't be used with option \"[{other}]\"")));
    }
    let types = entity_types(options);
    check_types(options, &types)?;
    let specific = ENTITY_FLAGS.iter().chain(&DEFAULT_FLAGS).any(|(flag, _)| options.has(flag));
    let general = ["entity-name", "entity-type", "entity-default"].iter().any(|flag| options.has(flag));
    if specific && general {
        return Err(Failure::said(
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        ));
    }
    let names = entity_names(options)?;
    let has_name = names.iter().any(|name| !name.is_empty());
    let has_default = names.iter().any(String::is_empty);
    if !options.has("store-dir") {
        check_places(options)?;
    }
    check_names(options, &types, has_name)?;
    if options.has("describe") {
        let all = types.join(",");
        let has_defaults = [USERS, CLIENTS, BROKERS, IPS].iter().any(|one| types.iter().any(|t| t == one));
        if !has_defaults && options.has("entity-default") {
            return Err(Failure::said(format!("--entity-default must not be specified with --describe of {all}")));
        }
        if types.iter().any(|one| one == BROKER_LOGGERS) && !has_name {
            return Err(Failure::said(format!("An entity name must be specified with --describe of {all}")));
        }
    } else {
        check_alter(options, &types, has_name, has_default)?;
    }
    Ok(Entities { types, names })
}

fn entity_types(options: &Options) -> Vec<String> {
    let flags = ENTITY_FLAGS.iter().chain(&DEFAULT_FLAGS).filter(|(flag, _)| options.has(flag)).map(|(_, kind)| *kind);
    options.values("entity-type").chain(flags).map(str::to_owned).collect()
}

fn entity_names(options: &Options) -> Result<Vec<String>, Failure> {
    let mut given = options.values("entity-name");
    let mut names = Vec::new();
    for flag in options.order() {
        match *flag {
            "entity-name" => names.extend(given.next().map(str::to_owned)),
            "entity-default" => names.push(String::new()),
            _ => {}
        }
    }
    for (flag, _) in ENTITY_FLAGS {
        names.extend(options.value(flag).map_err(Failure::Said)?.map(str::to_owned));
    }
    names.extend(DEFAULT_FLAGS.iter().filter(|(flag, _)| options.has(flag)).map(|_| String::new()));
    Ok(names)
}

fn check_types(options: &Options, types: &[String]) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    let mut twice: Vec<&str> = types.iter().filter(|one| !seen.insert(*one)).map(String::as_str).collect();
    twice.dedup();
    if !twice.is_empty() {
        return Err(Failure::said(format!("Duplicate entity type(s) specified: {}", twice.join(","))));
    }
    if options.has("store-dir") {
        check_places(options)?;
    } else if !options.has("bootstrap-server") && !options.has("bootstrap-controller") {
        return check_places(options);
    }
    if let Some(unknown) = types.iter().find(|one| !ENTITY_TYPES.contains(&one.as_str())) {
        return Err(Failure::said(format!(
            "Invalid entity type {unknown}, the entity type must be one of {} with a --bootstrap-server or --bootstrap-controller argument",
            ENTITY_TYPES.join(", ")
        )));
    }
    match types {
        [] => Err(Failure::said("At least one entity type must be specified")),
        [_] => Ok(()),
        [one, other] if [one.as_str(), other] == [USERS, CLIENTS] || [one.as_str(), other] == [CLIENTS, USERS] => {
            Ok(())
        }
        _ => Err(Failure::said("Only 'users' and 'clients' entity types may be specified together")),
    }
}

fn check_names(options: &Options, types: &[String], has_name: bool) -> Result<(), Failure> {
    if !has_name {
        return Ok(());
    }
    let first = types.first().map_or("", String::as_str);
    let given = |flag| options.value(flag).map_err(Failure::Said);
    if types.iter().any(|one| one == BROKERS || one == BROKER_LOGGERS) {
        for flag in ["entity-name", "broker", "broker-logger"] {
            if let Some(id) = given(flag)?.filter(|id| id.parse::<i32>().is_err()) {
                return Err(Failure::said(format!(
                    "The entity name for {first} must be a valid integer broker id, but it is: {id}"
                )));
            }
        }
    }
    if types.iter().any(|one| one == IPS) {
        for flag in ["entity-name", "ip"] {
            if let Some(ip) = given(flag)?.filter(|ip| (*ip, 0).to_socket_addrs().is_err()) {
                return Err(Failure::said(format!(
                    "The entity name for {first} must be a valid IP or resolvable host, but it is: {ip}"
                )));
            }
        }
    }
    Ok(())
}

fn check_alter(options: &Options, types: &[String], has_name: bool, has_default: bool) -> Result<(), Failure> {
    let may_be_default = [USERS, CLIENTS, BROKERS, IPS].iter().any(|one| types.iter().any(|t| t == one));
    if may_be_default && !has_name && !has_default {
        return Err(Failure::said(
            "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
        ));
    }
    if !may_be_default && !has_name {
        return Err(Failure::said(format!("An entity name must be specified with --alter of {}", types.join(","))));
    }
    if options.has("add-config") && options.has("add-config-file") {
        return Err(Failure::said("Only one of --add-config or --add-config-file must be specified"));
    }
    if !["add-config", "add-config-file", "delete-config"].iter().any(|flag| options.has(flag)) {
        return Err(Failure::said(
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        ));
    }
    Ok(())
}

/// What follows a command line that is wrong.
pub(super) const USAGE: &str = "\
doorkeeper configs: users' SCRAM credentials and quotas, with the flags of Kafka's kafka-configs.sh

Where:
  --bootstrap-server HOST:PORT,...      Servers that run: a doorkeeper or a Kafka cluster
  --bootstrap-controller HOST:PORT,...  Kafka controllers; they are asked for nothing of this, and Kafka's tool refuses too
  --command-config FILE                 Client properties for the connection (security.protocol, sasl.*, ssl.*)
  --store-dir DIR                       A doorkeeper's store that no server has open, as for the first administrator

What:
  --describe                            List what is configured
  --alter                               Change it
  --entity-type users|clients|ips       Of whom; users and clients may stand together
  --entity-name NAME                    This one; without, --describe lists all
  --entity-default                      The default for all that have nothing of their own
  --user NAME, --client ID, --ip IP     Type and name at once
  --user-defaults, --client-defaults, --ip-defaults
                                        Type and default at once

Change:
  --add-config K=V,K=[V,V],...          For users: SCRAM-SHA-256=[iterations=8192,password=TEXT], the same with
                                        SCRAM-SHA-512, or quotas; for clients: quotas; for ips: connection_creation_rate
  --add-config-file FILE                The same as a properties file
  --delete-config K,K                   Remove these
  --file USERS.csv                      Set the credentials of many users; - is standard input. The columns are
                                        name,mechanism,iterations,password or
                                        name,mechanism,iterations,salt,salted_password (the last two in base64)
  --add-scram 'SCRAM-SHA-256=[name=NAME,password=TEXT]'
                                        With --store-dir: as kafka-storage format has it; may be given more than once

  --help, --version

Quotas are producer_byte_rate, consumer_byte_rate, request_percentage and controller_mutation_rate. For topics, brokers,
broker-loggers, client-metrics and groups use Kafka's own kafka-configs.sh.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, Failure> {
        Command::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn names_go_with_types_in_the_order_of_kafkas_tool() {
        let base = "--bootstrap-server a:1 --describe";
        for (line, types, names) in [
            ("--entity-type users", &["users"][..], &[][..]),
            (
                "--entity-type users --entity-default --entity-type clients --entity-name c",
                &["users", "clients"],
                &["", "c"],
            ),
            (
                "--entity-name c --entity-type clients --entity-default --entity-type users",
                &["clients", "users"],
                &["c", ""],
            ),
            ("--user u --client c", &["clients", "users"], &["c", "u"]),
            ("--client-defaults --user u", &["users", "clients"], &["u", ""]),
            ("--ip 127.0.0.1", &["ips"], &["127.0.0.1"]),
        ] {
            let Ok(Command::Describe(entities, _)) = parse(&format!("{base} {line}")) else { panic!("{line}") };
            assert_eq!((&entities.types[..], &entities.names[..]), (types, names).map_owned(), "{line}");
        }
    }

    trait MapOwned {
        fn map_owned(self) -> (&'static [String], &'static [String]);
    }

    impl MapOwned for (&[&str], &[&str]) {
        fn map_owned(self) -> (&'static [String], &'static [String]) {
            let owned =
                |list: &[&str]| Vec::leak(list.iter().map(|&one| one.to_owned()).collect()) as &'static [String];
            (owned(self.0), owned(self.1))
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (line, want) in [
            ("--zookeeper z:1", "zookeeper is not a recognized option; use --bootstrap-server"),
            (
                "--store-dir d --bootstrap-server a:1 --describe --entity-type users",
                "Only one of --bootstrap-server or --store-dir",
            ),
            (
                "--store-dir d --command-config f --describe --entity-type users",
                "--command-config is for --bootstrap-server",
            ),
            (
                "--add-scram x --bootstrap-server a:1",
                "--add-scram goes with --store-dir alone, not with --bootstrap-server",
            ),
            ("--add-scram x", "--add-scram needs --store-dir"),
            ("--file f --alter --entity-type users", "Either --bootstrap-server or"),
            ("--file f --alter --entity-type topics --store-dir d", "--file is for --alter --entity-type users"),
            ("--file f --entity-type users --store-dir d", "--file is for --alter --entity-type users"),
            (
                "--file f --alter --entity-type users --entity-name a --store-dir d",
                "--file cannot be used with --entity-name",
            ),
        ] {
            match parse(line) {
                Err(Failure::Said(text)) => assert!(text.starts_with(want), "{line}: {text}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(matches!(parse(""), Err(Failure::Usage(_))));
        assert!(matches!(parse("--help"), Err(Failure::Usage(_))));
        assert!(matches!(parse("--version"), Ok(Command::Version)));
    }
}
