//! Client programs: Kafka's own tools, the scenarios in Java, and the clients of other languages.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::process::{self, Output};
use crate::{Context, Result, check_eq, progress, scratch};

/// Client properties for SASL_PLAINTEXT with PLAIN.
pub fn client_properties(user: &str, password: &str) -> String {
    format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
         sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{user}\" password=\"{password}\";\n"
    )
}

/// Writes a file into the run's directory.
pub fn file(name: &str, text: &str) -> Result<PathBuf> {
    let path = scratch::dir("clients").join(name);
    fs::write(&path, text).context(format!("write {name}"))?;
    Ok(path)
}

/// Runs a tool of the distribution against `bootstrap` with a file of client properties; those two are all that differ
/// between the cluster and doorkeeper.
pub fn tool(
    cluster: &Cluster,
    name: &str,
    bootstrap: &str,
    properties: &Path,
    args: &[&str],
    input: &str,
) -> Result<Output> {
    tool_at(&cluster.home, name, bootstrap, properties, args, input)
}

/// The same with the directory of the distribution.
pub fn tool_at(
    home: &Path,
    name: &str,
    bootstrap: &str,
    properties: &Path,
    args: &[&str],
    input: &str,
) -> Result<Output> {
    let mut command = process::command(home.join("bin").join(name));
    // kafka-cluster wants its subcommand first.
    let (first, rest) = if name == "kafka-cluster.sh" { args.split_at(1) } else { args.split_at(0) };
    command.args(first).args(["--bootstrap-server", bootstrap, "--command-config"]).arg(properties).args(rest);
    process::run(name, command, input, Duration::from_secs(90))
}

/// One way to the cluster, for the scenarios in Java.
pub struct Side {
    pub name: &'static str,
    pub bootstrap: String,
    /// Where each node is to be seen.
    pub nodes: Vec<(i32, String)>,
}

/// Compiles and runs the scenarios on all sides at once; gives the directory with a file for each side and scenario.
pub fn scenarios(cluster: &Cluster, sides: &[Side]) -> Result<PathBuf> {
    let classes = compile(cluster)?;
    let out = scratch::dir("scenarios");
    let mut command = process::command("java");
    command
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx512m", "-cp"])
        .arg(format!("{}:{}/libs/*", classes.display(), cluster.home.display()))
        .arg(format!("-Dlog4j2.configurationFile={}/config/tools-log4j2.yaml", cluster.home.display()))
        .arg("Main")
        .arg(&out);
    for side in sides {
        let nodes: Vec<String> = side.nodes.iter().map(|(id, at)| format!("{id}@{at}")).collect();
        let text = format!(
            "{}bootstrap.servers={}\nnodes={}\n",
            client_properties("alice", "alice-secret"),
            side.bootstrap,
            nodes.join(",")
        );
        let path = file(&format!("{}.properties", side.name), &text)?;
        command.arg(format!("{}={}", side.name, path.display()));
    }
    progress("running the Java scenarios, straight and through doorkeeper (about a minute)");
    let said = process::run("the Java scenarios", command, "", Duration::from_secs(400))?;
    fs::write(out.join("stdout"), &said.stdout).context("keep what Java said")?;
    fs::write(out.join("stderr"), &said.stderr).context("keep what Java said")?;
    said.ok().context("the Java scenarios")?;
    Ok(out)
}

/// The names of all scenarios, read from the sources so that listing the trials needs no JVM.
pub fn scenario_names() -> Vec<String> {
    let mut names = Vec::new();
    let mut files: Vec<_> = fs::read_dir(sources()).into_iter().flatten().flatten().map(|f| f.path()).collect();
    files.sort();
    for text in files.iter().filter_map(|f| fs::read_to_string(f).ok()) {
        names.extend(text.split("Main.add(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    names
}

fn sources() -> PathBuf {
    scratch::checkout().join("proto-tests/java")
}

/// What Kafka's own classes say of the lines of a file: see `java/Principals.java`.
pub fn principals(cluster: &Cluster, kind: &str, lines: &Path) -> Result<String> {
    let classes = compile(cluster)?;
    let mut command = process::command("java");
    command
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dfile.encoding=UTF-8", "-cp"])
        .arg(format!("{}:{}/libs/*", classes.display(), cluster.home.display()))
        .args(["Principals", kind])
        .arg(lines);
    process::run("Kafka's naming of clients", command, "", Duration::from_secs(60))?.ok()
}

/// What the official kafka-configs says to each command line, all run in one JVM: see `java/Configs.java`.
pub fn configs(cluster_home: &Path, lines: &[Vec<String>]) -> Result<Vec<Output>> {
    let text: String = lines.iter().map(|line| line.join("\u{1f}") + "\n").collect();
    static N: AtomicU32 = AtomicU32::new(0);
    let path = file(&format!("command-lines-{}", N.fetch_add(1, Ordering::Relaxed)), &text)?;
    let mut command = process::command("java");
    command
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx256m", "-Dfile.encoding=UTF-8"])
        .arg(format!("-Dlog4j2.configurationFile={}/config/tools-log4j2.yaml", cluster_home.display()))
        .arg("-cp")
        .arg(format!("{}:{}/libs/*", compile_at(cluster_home)?.display(), cluster_home.display()))
        .arg("Configs")
        .arg(&path);
    let said = process::run("kafka-configs", command, "", Duration::from_secs(180))?.ok()?;
    let parts: Vec<&str> = said.split('\u{1e}').collect();
    let outputs: Vec<Output> = parts
        .chunks_exact(3)
        .map(|part| Output { code: part[0].parse().ok(), stdout: part[1].to_owned(), stderr: part[2].to_owned() })
        .collect();
    check_eq!(outputs.len(), lines.len(), "answers of kafka-configs");
    Ok(outputs)
}

/// Compiles the Java sources, once; gives the directory of the classes.
pub fn compile(cluster: &Cluster) -> Result<PathBuf> {
    compile_at(&cluster.home)
}

/// A program of `java/`, to its end, with variables of its environment. Gives what it says.
pub fn java_with(
    home: &Path,
    program: &str,
    args: &[&str],
    environment: &[(&str, &str)],
    limit: Duration,
) -> Result<String> {
    java(home, program, &[], args, environment, limit)
}

/// The same with options of the JVM.
pub fn java_with_options(
    home: &Path,
    program: &str,
    options: &[String],
    args: &[&str],
    limit: Duration,
) -> Result<String> {
    java(home, program, options, args, &[], limit)
}

fn java(
    home: &Path,
    program: &str,
    options: &[String],
    args: &[&str],
    environment: &[(&str, &str)],
    limit: Duration,
) -> Result<String> {
    let mut command = process::command("java");
    command
        .args([
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Xmx256m",
            "-Dfile.encoding=UTF-8",
            "-cp",
        ])
        .arg(format!("{}:{}/libs/*", compile_at(home)?.display(), home.display()))
        .arg(format!("-Dlog4j2.configurationFile={}/config/tools-log4j2.yaml", home.display()))
        .args(options)
        .arg(program)
        .args(args)
        .envs(environment.iter().copied());
    process::run(program, command, "", limit)?.ok().context(program)
}

pub fn compile_at(home: &Path) -> Result<PathBuf> {
    static CLASSES: OnceLock<Result<PathBuf>> = OnceLock::new();
    CLASSES
        .get_or_init(|| {
            progress("compiling the Java scenarios");
            let classes = scratch::dir("classes");
            let mut command = process::command("javac");
            command.arg("-proc:none").arg("-cp").arg(format!("{}/libs/*", home.display())).arg("-d").arg(&classes);
            for entry in fs::read_dir(sources()).context("list the Java sources")? {
                command.arg(entry.context("list the Java sources")?.path());
            }
            process::run("javac", command, "", Duration::from_secs(120))?.ok().context("compile the Java scenarios")?;
            Ok(classes)
        })
        .clone()
}

/// Builds or installs a client, or the issuer (once; kept in the cache), and gives its command: see `clients/prepare.sh`.
pub fn prepare(language: &str) -> Result<String> {
    progress(format!("{language}: looking whether it is built"));
    let mut command = process::command(scratch::checkout().join("proto-tests/clients/prepare.sh"));
    command.arg(language);
    let said = process::run("prepare.sh", command, "", Duration::from_secs(300))?;
    Ok(said.ok().context(format!("prepare {language}"))?.trim().to_owned())
}
