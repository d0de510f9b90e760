//! The `doorkeeper` command: arguments, subcommands and exit codes; nothing else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use doorkeeper::config::{self, ListenerConfig, ListenerName};
use doorkeeper::explain;
use doorkeeper::explain_token::{self, Outcome};
use doorkeeper::observe::init_log;
use doorkeeper::sasl::Registry;
use doorkeeper::server::{self, Ended};
use doorkeeper::tools;

/// A Kafka-compatible authenticating front: clients connect to it as if it were their Kafka cluster.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve clients, as the configuration file says
    Serve(ConfigArguments),
    /// Check a configuration file and exit: 0 if a server would start with it
    Check(ConfigArguments),
    /// Tell which principal a client certificate gives on a listener, and why: 0 if it gives one, 3 if its holder is refused
    ExplainCertificate {
        /// The certificate, PEM or DER
        file: PathBuf,
        /// The name of the listener
        #[arg(long)]
        listener: String,
        /// The server.properties file
        #[arg(long)]
        config: PathBuf,
        /// A key that overrides the file's
        #[arg(long = "override", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Tell what a token is and, step by step, whether a listener takes it: 0 if it does, 3 if it refuses it, 1 if its issuer's keys
    /// cannot be had. Neither the token nor its signature is printed
    ExplainToken {
        /// The token's file, or - for the standard input
        file: PathBuf,
        /// The name of the listener
        #[arg(long)]
        listener: String,
        /// The server.properties file
        #[arg(long)]
        config: PathBuf,
        /// A key that overrides the file's
        #[arg(long = "override", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
    },
    /// Describe and change users' SCRAM credentials and quotas, as Kafka's kafka-configs does: see `doorkeeper configs --help`
    #[command(disable_help_flag = true)]
    Configs {
        /// The flags of kafka-configs.sh
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Look after a store of credentials
    #[command(subcommand)]
    Store(tools::store::Command),
    /// Print a generated document
    Docs {
        /// Which one
        #[arg(value_enum)]
        document: Document,
    },
}

#[derive(clap::Args)]
struct ConfigArguments {
    /// The server.properties file
    file: PathBuf,
    /// A key that overrides the file's
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

#[derive(Clone, clap::ValueEnum)]
enum Document {
    /// Every configuration key (docs/configuration.md)
    Configuration,
    /// What is done with each Kafka API (docs/protocol.md)
    Protocol,
    /// Every metric (docs/metrics.md)
    Metrics,
}

/// The configuration is bad, or a port is taken.
const EXIT_NOT_STARTED: u8 = 1;
/// Ended at once by a second signal.
const EXIT_KILLED: u8 = 3;
/// A listener would refuse the holder of the certificate, or the token.
const EXIT_REFUSED: u8 = 3;

fn main() -> ExitCode {
    // Its command line has Kafka's grammar, not clap's.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|command| command == "configs") {
        return configs(arguments);
    }
    match Arguments::parse().command {
        Command::Configs { arguments } => doorkeeper::tools::configs(&arguments),
        Command::Serve(arguments) => serve(&arguments),
        Command::Check(arguments) => check(&arguments),
        Command::ExplainCertificate { file, listener, config, overrides } => {
            explain_certificate(&file, &listener, &ConfigArguments { file: config, overrides })
        }
        Command::ExplainToken { file, listener, config, overrides } => {
            explain_token(&file, &listener, &ConfigArguments { file: config, overrides })
        }
        Command::Store(command) => tools::store::run(command),
        Command::Docs { document } => {
            print!(
                "{}",
                match document {
                    Document::Configuration => config::documentation(),
                    Document::Protocol => doorkeeper::relay::documentation(),
                    Document::Metrics => doorkeeper::observe::metrics_documentation(),
                }
            );
            ExitCode::SUCCESS
        }
    }
}

fn configs(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Result<Vec<String>, OsString> = arguments.map(OsString::into_string).collect();
    match arguments {
        Ok(arguments) => doorkeeper::tools::configs(&arguments),
        Err(_) => failed("an argument is not UTF-8"),
    }
}

fn serve(arguments: &ConfigArguments) -> ExitCode {
    let _log = match init_log() {
        Ok(guard) => guard,
        Err(error) => return failed(&error),
    };
    let source = source(arguments);
    let loaded = match source() {
        Ok(loaded) => loaded,
        Err(errors) => return failed(&errors.to_string()),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match server::run(loaded, source, &Registry::with_builtin()) {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::Killed) => ExitCode::from(EXIT_KILLED),
        Err(error) => failed(&error.to_string()),
    }
}

fn check(arguments: &ConfigArguments) -> ExitCode {
    let loaded = match source(arguments)() {
        Ok(loaded) => loaded,
        Err(errors) => return failed(&errors.to_string()),
    };
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    match server::check(&loaded.config, &Registry::with_builtin()) {
        Ok(warnings) => {
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            println!("{}: good", arguments.file.display());
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error.to_string()),
    }
}

fn explain_certificate(file: &Path, listener: &str, arguments: &ConfigArguments) -> ExitCode {
    let explained = listener_of(arguments, listener).and_then(|listener| {
        let content = std::fs::read(file).map_err(|error| error.to_string());
        let explained = content
            .and_then(|content| explain::certificate_in(&content))
            .and_then(|der| explain::explain(&listener, &der, SystemTime::now()));
        explained.map_err(|problem| format!("{}: {problem}", file.display()))
    });
    match explained {
        Ok(explanation) => {
            print!("{explanation}");
            if explanation.is_refused { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS }
        }
        Err(error) => failed(&error),
    }
}

fn explain_token(file: &Path, listener: &str, arguments: &ConfigArguments) -> ExitCode {
    let explained = listener_of(arguments, listener).and_then(|listener| {
        let token = if file == Path::new("-") {
            explain_token::token_in(std::io::stdin().lock())
        } else {
            std::fs::File::open(file).map_err(|error| error.to_string()).and_then(explain_token::token_in)
        };
        let token = token.map_err(|problem| format!("{}: {problem}", file.display()))?;
        explain_token::explain_token(&listener, &token, SystemTime::now())
    });
    match explained {
        Ok((explanation, outcome)) => {
            print!("{explanation}");
            match outcome {
                Outcome::Accepted => ExitCode::SUCCESS,
                Outcome::Refused => ExitCode::from(EXIT_REFUSED),
                Outcome::NotJudged => ExitCode::from(EXIT_NOT_STARTED),
            }
        }
        Err(error) => failed(&error),
    }
}

/// The listener of this name.
fn listener_of(arguments: &ConfigArguments, name: &str) -> Result<ListenerConfig, String> {
    let loaded = source(arguments)().map_err(|errors| errors.to_string())?;
    let name = ListenerName::new(name);
    let found = loaded.config.listeners.iter().find(|listener| listener.name == name);
    found.cloned().ok_or_else(|| format!("{}: no listener {name}", arguments.file.display()))
}

/// Loads the file with the overrides: for the start, and for each reload.
fn source(arguments: &ConfigArguments) -> Arc<server::Source> {
    let (file, overrides) = (arguments.file.clone(), arguments.overrides.clone());
    Arc::new(move || config::load(&file, &overrides, &|name| std::env::var(name).ok()))
}

fn failed(error: &str) -> ExitCode {
    eprintln!("doorkeeper: {error}");
    ExitCode::from(EXIT_NOT_STARTED)
}
