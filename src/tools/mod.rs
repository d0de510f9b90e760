//! The command line tools: those of Kafka's that doorkeeper has its own of, with the same flags, output and exit codes, and what looks
//! after a store.

mod add_scram;
mod bulk;
mod client;
mod command;
mod configs;
mod failure;
mod grammar;
mod java;
mod kafka_error;
mod options;
mod output;
mod quotas;
mod rows;
mod scram_users;
mod scram_value;
pub mod store;

use std::process::ExitCode;

use command::Command;
use failure::Failure;

/// `doorkeeper configs`, Kafka's `kafka-configs.sh`: 0 if all was done, 1 if not.
pub fn configs(arguments: &[String]) -> ExitCode {
    let failure = match Command::parse(arguments).and_then(configs::run) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    match failure {
        Failure::Said(line) => eprintln!("{line}"),
        Failure::Usage(line) => eprint!("{line}\n\n{}", command::USAGE),
        Failure::Failed(problem) => {
            eprintln!("Error while executing config command with args '{}'", failure::shown(arguments));
            eprintln!("{problem}");
        }
    }
    ExitCode::FAILURE
}
