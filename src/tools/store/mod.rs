//! `doorkeeper store`: looking after a store. Results go to standard output, all else to standard error.

mod copies;
mod export;
mod import;
mod lines;
mod plan;
mod sources;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config;
use crate::store::{OpenError, StoreError};

/// What is to be done.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Read and check everything in a store: 0 if it is good, 3 if it is damaged
    Verify {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// Make a new store of what can be read of a damaged one. Credentials that were removed lately may be valid again
        #[arg(long)]
        accept_loss: bool,
    },
    /// Copy a store to a new directory, also while a server has it open
    Backup {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// The directory to make; if it is there it must be empty
        target: PathBuf,
    },
    /// Bring a backup back, while no server has the store open
    Restore {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// The directory that `backup` has made
        backup: PathBuf,
        /// Take the place of the store that is there, which is kept beside
        #[arg(long)]
        replace: bool,
    },
    /// Write all credentials as lines of JSON, also while a server has the store open. They are verifiers: keep them secret
    Export {
        /// Which store.
        #[command(flatten)]
        place: Place,
        /// A new file, which only its owner can read, instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take in credentials, all or none, while no server has the store open
    Import(import::Arguments),
}

/// Which store.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// The store of this server.properties: its store.dir
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the store
    #[arg(long, value_name = "DIR")]
    store_dir: Option<PathBuf>,
}

/// The store is damaged, or the backup is.
const EXIT_DAMAGED: u8 = 3;
const EXIT_FAILED: u8 = 1;

/// Why a command did not do what it was asked for. No text holds a secret.
#[derive(Debug)]
enum Failure {
    /// It could not be done; nothing has changed unless the text says so.
    Failed(String),
    /// A store is not whole.
    Damaged(String),
}

/// Does it, tells about it and gives the exit code. Blocks its thread.
pub fn run(command: Command) -> ExitCode {
    let mut out = io::stdout().lock();
    let done = match command {
        Command::Verify { place, accept_loss: false } => copies::verify(&place, &mut out),
        Command::Verify { place, accept_loss: true } => copies::accept_loss(&place, &mut out),
        Command::Backup { place, target } => copies::backup(&place, &target, &mut out),
        Command::Restore { place, backup, replace } => copies::restore(&place, &backup, replace, &mut out),
        Command::Export { place, output } => export::run(&place, output.as_deref(), &mut out),
        Command::Import(arguments) => import::run(&arguments, &mut out),
    };
    match done.and_then(|()| out.flush().map_err(Failure::output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("doorkeeper: {failure}");
            ExitCode::from(match failure {
                Failure::Failed(_) => EXIT_FAILED,
                Failure::Damaged(_) => EXIT_DAMAGED,
            })
        }
    }
}

impl Place {
    /// The directory. Reads the configuration as a server would.
    fn directory(&self) -> Result<PathBuf, Failure> {
        if let Some(directory) = &self.store_dir {
            return Ok(directory.clone());
        }
        let file = self.config.clone().unwrap_or_default();
        let loaded = config::load(&file, &[], &|name| std::env::var(name).ok());
        let loaded = loaded.map_err(|errors| Failure::Failed(errors.to_string()))?;
        let unset = || Failure::Failed(format!("{}: store.dir is not set", file.display()));
        loaded.config.store_dir.ok_or_else(unset)
    }
}

impl Failure {
    fn output(error: io::Error) -> Self {
        Self::Failed(format!("the output cannot be written: {error}"))
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        if error.is_damage() { Self::Damaged(text) } else { Self::Failed(text) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(text) | Self::Damaged(text)) = self;
        f.write_str(text)
    }
}

/// A number of things, in words.
fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests;
