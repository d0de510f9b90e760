//! What `doorkeeper configs` does, once the command line is understood.

use std::num::NonZeroU32;
use std::path::Path;

use super::client::Client;
use super::command::{Addition, Alteration, CLIENTS, Command, Entities, IPS, Place, USERS};
use super::failure::Failure;
use super::grammar::{Additions, scram_value};
use super::output::print;
use super::scram_users::{Changed, Derived, Users};
use super::scram_value::Password;
use super::{add_scram, bulk, java, kafka_error, quotas, rows};
use crate::config::{self, ClientConfig};
use crate::scram::{MAX_ITERATIONS, ScramMechanism};
use crate::store::Store;
use crate::wire::ErrorCode;

/// Runs a command to its end. One thread is enough: there is one connection.
pub(super) fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(error.to_string()))?;
    let mut session = Session::default();
    let result = runtime.block_on(async {
        match command {
            Command::Version => {
                print(&format!("{}\n", env!("CARGO_PKG_VERSION")));
                Ok(())
            }
            Command::Describe(entities, place) => session.describe(&entities, &place).await,
            Command::Alter(entities, alteration, place) => session.alter(&entities, &alteration, &place).await,
            Command::AddScram(values, directory) => {
                let credentials = add_scram::parse_all(&values)?;
                set(session.open_store(&directory)?, credentials).await
            }
            Command::Load(file, place) => {
                let rows = rows::read(&file)?;
                bulk::load(&file, rows, session.open(&place).await?).await
            }
        }
    });
    session.close();
    result
}

/// How servers are connected to.
fn load(bootstrap: &str, properties: Option<&Path>) -> Result<ClientConfig, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let config = config::load_client(properties, bootstrap, &environment);
    let config = config.map_err(|errors| Failure::Failed(errors.to_string()))?;
    config.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    Ok(config)
}

/// What a command has open. A store must be closed before the process ends: RocksDB's threads use what goes with the process.
#[derive(Default)]
struct Session {
    store: Option<Store>,
}

impl Session {
    async fn open(&mut self, place: &Place) -> Result<Users, Failure> {
        match place {
            Place::Servers { bootstrap, properties } => {
                let config = load(bootstrap, properties.as_deref())?;
                Ok(Users::Server(Client::connect(&config).await?))
            }
            Place::Controllers { bootstrap, properties } => {
                load(bootstrap, properties.as_deref())?;
                // Kafka's tool does not ask them either.
                let words =
                    "This Admin API is not yet supported when communicating directly with the controller quorum.";
                Err(Failure::kafka("UnsupportedEndpointTypeException", words))
            }
            Place::Store(directory) => Ok(Users::Store(self.open_store(directory)?)),
        }
    }

    fn open_store(&mut self, directory: &Path) -> Result<Store, Failure> {
        let store = Store::open(directory).map_err(|error| Failure::said(error.to_string()))?;
        self.store = Some(store.clone());
        Ok(store)
    }

    fn close(self) {
        if let Some(store) = self.store {
            store.close_blocking();
        }
    }

    async fn describe(&mut self, entities: &Entities, place: &Place) -> Result<(), Failure> {
        check_types(entities)?;
        if let Place::Store(directory) = place {
            check_store_types(entities)?;
            // Nothing is made by looking.
            if !directory.is_dir() {
                return Err(Failure::said(format!("{}: there is no store", directory.display())));
            }
        }
        let mut users = self.open(place).await?;
        if let Users::Server(client) = &mut users {
            print(&quotas::describe(client, entities).await?);
        }
        if entities.types[0] == IPS || entities.types.iter().any(|kind| kind == CLIENTS) {
            return Ok(());
        }
        if entities.names.iter().any(String::is_empty) {
            return Ok(());
        }
        let mut lines = String::new();
        for (user, told) in users.describe(entities.names.clone()).await? {
            lines += &match told {
                Ok(credentials) => {
                    let credentials: Vec<String> = credentials
                        .iter()
                        .map(|(mechanism, iterations)| format!("{mechanism}=iterations={iterations}"))
                        .collect();
                    format!("SCRAM credential configs for user-principal '{user}' are {}\n", credentials.join(", "))
                }
                Err((ErrorCode::RESOURCE_NOT_FOUND, _)) => continue,
                Err((error, message)) => {
                    let (class, words) = kafka_error::text(error, message.as_deref());
                    format!(
                        "Error retrieving SCRAM credential configs for user-principal '{user}': ExecutionException: \
                     org.apache.kafka.common.errors.{class}: {words}\n"
                    )
                }
            };
        }
        print(&lines);
        Ok(())
    }

    async fn alter(&mut self, entities: &Entities, alteration: &Alteration, place: &Place) -> Result<(), Failure> {
        check_types(entities)?;
        if matches!(place, Place::Store(_)) {
            check_store_types(entities)?;
        }
        let add = match &alteration.add {
            None => Additions::default(),
            Some(Addition::Text(text)) => Additions::parse(text)?,
            Some(Addition::File(file)) => Additions::read(file)?,
        };
        let delete = &alteration.delete;
        check_names(entities, &add, delete)?;
        let is_quota = |name: &str| quotas::is_quota(name) || quotas::is_ip_quota(name);
        if entities.types[0] == IPS || add.names().any(is_quota) || delete.iter().any(|name| is_quota(name)) {
            let Users::Server(mut client) = self.open_for_quotas(place).await? else { return Ok(()) };
            quotas::alter(&mut client, entities, &add, delete).await?;
        } else {
            self.alter_credentials(&entities.names[0], &add, delete, place).await?;
        }
        print(&completed(entities));
        Ok(())
    }

    async fn open_for_quotas(&mut self, place: &Place) -> Result<Users, Failure> {
        if matches!(place, Place::Store(_)) {
            return Err(Failure::said(
                "A store has no quotas; they are kept by the Kafka cluster: use --bootstrap-server",
            ));
        }
        self.open(place).await
    }

    async fn alter_credentials(
        &mut self,
        user: &str,
        add: &Additions,
        delete: &[String],
        place: &Place,
    ) -> Result<(), Failure> {
        let mut credentials = Vec::new();
        for (mechanism, value) in add.iter().filter_map(|(name, value)| Some((ScramMechanism::from_name(name)?, value)))
        {
            let (iterations, password) = scram_value(mechanism, value)?;
            credentials.push(derive(user, mechanism, iterations, &password)?);
        }
        let deletions: Vec<_> =
            delete.iter().filter_map(|name| Some((user.to_owned(), ScramMechanism::from_name(name)?))).collect();
        let mut users = self.open(place).await?;
        if deletions.is_empty() && credentials.is_empty() {
            return Ok(());
        }
        let changed = match users.change(deletions, credentials).await? {
            Some(changed) => changed,
            None => users.changed().await?,
        };
        first_refusal(changed)
    }
}

/// The types that are ours to handle.
fn check_types(entities: &Entities) -> Result<(), Failure> {
    match entities.types.iter().find(|kind| ![USERS, CLIENTS, IPS].contains(&kind.as_str())) {
        Some(other) => Err(Failure::said(format!(
            "doorkeeper configs handles users, clients and ips; for {other} use Kafka's own kafka-configs.sh"
        ))),
        None => Ok(()),
    }
}

/// A store has users' credentials; quotas are the cluster's.
fn check_store_types(entities: &Entities) -> Result<(), Failure> {
    match entities.types.iter().find(|kind| *kind != USERS) {
        Some(other) => Err(Failure::said(format!(
            "A store has users only; what is configured for {other} is kept by the Kafka cluster: use --bootstrap-server"
        ))),
        None => Ok(()),
    }
}

fn completed(entities: &Entities) -> String {
    let (kind, name) = (&entities.types[0], &entities.names[0]);
    if name.is_empty() {
        return format!("Completed updating default config for {kind} in the cluster.\n");
    }
    format!("Completed updating config for {} {name}.\n", kind.trim_end_matches('s'))
}

/// Which configs the entities may have, in the words of Kafka's tool, which is written in Scala.
fn check_names(entities: &Entities, add: &Additions, delete: &[String]) -> Result<(), Failure> {
    let is_scram = |name: &&str| ScramMechanism::from_name(name).is_some();
    let is_unknown = |name: &&str| !is_scram(name) && !quotas::is_quota(name);
    let added = java::scala_order(add.names().collect());
    let deleted: Vec<&str> = delete.iter().map(String::as_str).collect();
    let of = |names: &[&str], wanted: &dyn Fn(&&str) -> bool| -> Vec<String> {
        names.iter().filter(|name| wanted(name)).map(|&name| name.to_owned()).collect()
    };
    if entities.types[0] == IPS {
        let other = |name: &&str| !quotas::is_ip_quota(name);
        let unknown = [of(&added, &other), of(&deleted, &other)].concat();
        return refuse_names(&unknown, |names| {
            format!(
                "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
                names.join(",")
            )
        });
    }
    if entities.types.iter().any(|kind| kind == CLIENTS) {
        let text = "can be {} for 'clients' using --bootstrap-server. Unexpected config names: ";
        let unexpected = |names: &[&str]| [of(names, &is_unknown), of(names, &is_scram)].concat();
        let say = |what: &str, names: String| format!("Only quota configs {}{names}", text.replace("{}", what));
        refuse_names(&unexpected(&added), |names| say("added", format!("Set({})", names.join(", "))))?;
        return refuse_names(&unexpected(&deleted), |names| {
            say("deleted", format!("ArrayBuffer({})", names.join(", ")))
        });
    }
    let text = "Only quota and SCRAM credential configs can be {} for 'users' using --bootstrap-server. Unexpected config names: ";
    let say = |what: &str, names: String| format!("{}{names}", text.replace("{}", what));
    refuse_names(&of(&added, &is_unknown), |names| say("added", format!("Set({})", names.join(", "))))?;
    refuse_names(&of(&deleted, &is_unknown), |names| say("deleted", format!("ArrayBuffer({})", names.join(", "))))?;
    if !added.iter().chain(&deleted).any(is_scram_ref) {
        return Ok(());
    }
    if entities.names.iter().any(String::is_empty) {
        return Err(Failure::said(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.",
        ));
    }
    if added.iter().chain(&deleted).any(|name| quotas::is_quota(name)) {
        return Err(Failure::said(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        ));
    }
    Ok(())
}

fn is_scram_ref(name: &&str) -> bool {
    ScramMechanism::from_name(name).is_some()
}

fn refuse_names(unknown: &[String], say: impl FnOnce(&[String]) -> String) -> Result<(), Failure> {
    if unknown.is_empty() { Ok(()) } else { Err(Failure::said(say(unknown))) }
}

/// The credential of a password, with what Kafka's clients and servers check of it.
pub(super) fn derive(
    user: &str,
    mechanism: ScramMechanism,
    iterations: i32,
    password: &Password,
) -> Result<Derived, Failure> {
    let unacceptable = |words| Failure::kafka("UnacceptableCredentialException", words);
    if password.is_empty() {
        return Err(unacceptable("Password must not be empty"));
    }
    // Kafka's client does the work, which may take minutes, and has the server refuse it.
    let count = u32::try_from(iterations).ok().filter(|count| *count <= MAX_ITERATIONS).and_then(NonZeroU32::new);
    let count = count.ok_or_else(|| unacceptable("Too many iterations"))?;
    let (salt, salted_password) = password.salted(mechanism, count).map_err(Failure::Failed)?;
    Ok(Derived { user: user.to_owned(), mechanism, iterations, salt, salted_password })
}

fn first_refusal(changed: Vec<Changed>) -> Result<(), Failure> {
    match changed.into_iter().find_map(|(_, outcome)| outcome.err()) {
        Some((error, message)) => Err(kafka_error::failure(error, message.as_deref())),
        None => Ok(()),
    }
}

/// Sets credentials in a store, all or none of a user's.
async fn set(store: Store, credentials: Vec<Derived>) -> Result<(), Failure> {
    let mut users: Vec<String> = credentials.iter().map(|one| one.user.clone()).collect();
    let changed = Users::Store(store).change(Vec::new(), credentials).await?;
    first_refusal(changed.unwrap_or_default())?;
    users.dedup();
    let lines: Vec<String> = users.iter().map(|user| format!("Completed updating config for user {user}.\n")).collect();
    print(&lines.concat());
    Ok(())
}
