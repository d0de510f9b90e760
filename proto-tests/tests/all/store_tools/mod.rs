//! `doorkeeper store`: a Kafka cluster's users brought along, credentials exported and imported, stores backed up, restored and checked.

mod copies;
mod moving;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Trial;
use proto_tests::front::{Front, Spec, binary};
use proto_tests::guarded::SCRAM_JAAS;
use proto_tests::process::{self, Output};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Context, Result, check, check_eq, scratch};

pub fn trials() -> Vec<Trial> {
    [copies::trials(), moving::trials()].into_iter().flatten().collect()
}

/// A directory for the stores and files of one trial.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(scratch::dir(&format!("store-tools-{name}")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).context(format!("write {name}"))?;
        Ok(path)
    }
}

/// Runs `doorkeeper store COMMAND --store-dir STORE ARGS` to its end.
fn store(command: &str, store: &Path, args: &[&dyn AsRef<std::ffi::OsStr>]) -> Result<Output> {
    store_fed(command, store, args, "")
}

fn store_fed(command: &str, store: &Path, args: &[&dyn AsRef<std::ffi::OsStr>], input: &str) -> Result<Output> {
    let mut run = process::command(binary()?);
    run.args(["store", command, "--store-dir"]).arg(store).args(args.iter().map(AsRef::as_ref));
    process::run(&format!("doorkeeper store {command}"), run, input, Duration::from_secs(60))
}

/// The line that it prints, if it ends well. A directory's name in it is left out.
fn said(output: Output) -> Result<String> {
    let text = output.ok()?;
    let last = text.lines().last().unwrap_or_default();
    Ok(last.split_once(": ").map_or(last, |(_, rest)| rest).to_owned())
}

/// It ends well, and says that.
fn says(output: Output, want: &str) -> Result<()> {
    check_eq!(said(output)?, want, "what it says");
    Ok(())
}

/// It ends with that code and says that.
fn fails(output: &Output, code: i32, text: &str) -> Result<()> {
    check_eq!(output.code, Some(code), "exit code: {output:?}");
    check!(output.stderr.contains(text), "it does not say {text:?}: {output:?}");
    check_eq!(output.stdout, "", "standard output");
    Ok(())
}

fn export(directory: &Path) -> Result<String> {
    store("export", directory, &[])?.ok()
}

/// The lines of an export without its header, which has a revision.
fn lines(export: &str) -> Vec<String> {
    export.lines().skip(1).map(str::to_owned).collect()
}

/// A line of a credential whose keys nobody has a password for.
fn line(user: &str, hash: u32, iterations: u32) -> String {
    let (key, salt) = (["BwcH"; 10].concat() + "Bwc=", "c2FsdA==");
    let key = if hash == 512 { ["BwcH"; 21].concat() + "Bw==" } else { key };
    format!(
        "{{\"kind\":\"scram\",\"version\":1,\"user\":\"{user}\",\"mechanism\":\"SCRAM-SHA-{hash}\",\"iterations\":{iterations},\
         \"salt\":\"{salt}\",\"stored_key\":\"{key}\",\"server_key\":\"{key}\"}}\n"
    )
}

const HEADER: &str = "{\"kind\":\"header\",\"version\":1}\n";

fn some_users() -> String {
    [HEADER, &line("alice", 256, 4096), &line("alice", 512, 8192), &line("bob", 256, 5000)].concat()
}

/// A doorkeeper with both hashes and that store.
fn spec(backend: &str, store: &Path) -> Result<Spec> {
    let mut spec = Spec::new(backend)?;
    spec.set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")
        .set("super.users", "User:front")
        .set("store.dir", store.to_str().ok_or("a path that is text")?);
    for bits in ["256", "512"] {
        spec.set(&format!("listener.name.sasl_plaintext.scram-sha-{bits}.sasl.jaas.config"), SCRAM_JAAS);
    }
    Ok(spec.take())
}

/// A user, and of each credential its mechanism's number and its iterations.
type Described = (String, Vec<(i8, i32)>);

/// What it describes, in its order.
fn described(front: &Front) -> Result<Vec<Described>> {
    let reply = Conn::login(front.sasl(), "front", "front-secret")?.call(0, &requests::describe_scram(None))?;
    check_eq!(reply.error_code, 0, "description");
    let credentials =
        |infos: &[kafka_protocol::messages::describe_user_scram_credentials_response::CredentialInfo]| {
            infos.iter().map(|info| (info.mechanism, info.iterations)).collect()
        };
    Ok(reply.results.iter().map(|user| (user.user.to_string(), credentials(&user.credential_infos))).collect())
}

/// An empty directory that only its owner can use.
fn empty(path: &Path) -> Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path).context("make a directory")
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path).context("look at a file")?.permissions().mode() & 0o777)
}
