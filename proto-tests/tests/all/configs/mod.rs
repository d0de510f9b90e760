//! `doorkeeper configs` beside the official kafka-configs, with the same arguments at the same broker: standard output and exit code
//! must be the same bytes, and what is said of an error too, but for passwords and stack traces. Then at a doorkeeper.

mod official;
mod own;

use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::Result;
use proto_tests::front;
use proto_tests::guarded::ADMIN;
use proto_tests::pki::stores;
use proto_tests::process::{self, Output};
use proto_tests::programs::{client_properties, file};

pub fn trials() -> Vec<Trial> {
    [official::trials(), own::trials()].into_iter().flatten().collect()
}

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
