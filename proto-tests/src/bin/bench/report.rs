//! Tables of medians, with the goals beside them, and the document around them.

use std::fmt::Write;

use crate::load::SHAPES;
use crate::plan::Plan;
use crate::rounds::{Figures, Way};

use Way::{Doorkeeper, HaProxy, Straight};

mod store;
mod tls;
mod tokens;

pub use tls::remarks;

/// What a figure must be.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Goal {
    /// The goal and whether it is reached.
    fn verdict(self, value: Option<f64>) -> String {
        let (text, met) = match (self, value) {
            (Goal::None, _) => return "-".into(),
            (Goal::AtMost(limit), v) => (format!("<= {}", short(limit)), v.map(|v| v <= limit)),
            (Goal::AtLeast(limit), v) => (format!(">= {}", short(limit)), v.map(|v| v >= limit)),
        };
        match met {
            Some(true) => format!("{text}: met"),
            Some(false) => format!("{text}: **missed**"),
            None => text,
        }
    }
}

pub fn tables(figures: &Figures) -> String {
    let mut out = String::new();
    bulk(&mut out, figures);
    requests(&mut out, figures);
    latency(&mut out, figures);
    logins(&mut out, figures);
    idle(&mut out, figures);
    storm(&mut out, figures);
    store::tables(&mut out, figures);
    tokens::tables(&mut out, figures);
    tls::tables(&mut out, figures);
    out
}

fn bulk(out: &mut String, figures: &Figures) {
    let mut rows = Vec::new();
    for direction in ["produce", "consume"] {
        for shape in &SHAPES {
            let rate = format!("{direction} {} MB/s", shape.name);
            let cpu = format!("{direction} {} cpu", shape.name);
            if figures.get(&rate, Doorkeeper).is_empty() {
                continue;
            }
            // The goals speak of the two sizes of records in large batches.
            let (least, most) =
                if shape.name == "small" { (Goal::None, Goal::None) } else { (Goal::AtLeast(0.95), Goal::AtMost(1.3)) };
            let share = Ratio::of(figures, &rate);
            let cost = Ratio::of(figures, &cpu);
            rows.push(format!(
                "| {direction}, {} | {} | {} | {} | {share} | {} | {} | {} | {cost} | {} |",
                shape.words,
                show(figures, &rate, Straight),
                show(figures, &rate, Doorkeeper),
                show(figures, &rate, HaProxy),
                least.verdict(share.median()),
                show(figures, &cpu, Doorkeeper),
                show(figures, &cpu, HaProxy),
                most.verdict(cost.median()),
            ));
        }
    }
    table(
        out,
        "Bulk: MB/s, and CPU seconds of the proxy per GiB",
        "| load | straight MB/s | doorkeeper MB/s | HAProxy MB/s | doorkeeper / HAProxy | goal | doorkeeper CPU s/GiB | HAProxy CPU s/GiB | doorkeeper / HAProxy | goal |",
        &rows,
    );
}

fn requests(out: &mut String, figures: &Figures) {
    let ratio = Ratio::of(figures, "requests cpu us");
    let row = format!(
        "| {} | {} | {} | {} | {} | {ratio} | {} |",
        show(figures, "requests per s", Straight),
        show(figures, "requests per s", Doorkeeper),
        show(figures, "requests per s", HaProxy),
        show(figures, "requests cpu us", Doorkeeper),
        show(figures, "requests cpu us", HaProxy),
        Goal::AtMost(1.6).verdict(ratio.median()),
    );
    table(
        out,
        "Small requests: Metadata of one topic, 4 connections, 8 in flight",
        "| straight per s | doorkeeper per s | HAProxy per s | doorkeeper CPU us | HAProxy CPU us | doorkeeper / HAProxy | goal |",
        &only_if(figures, "requests per s", row),
    );
}

fn latency(out: &mut String, figures: &Figures) {
    let mut rows = Vec::new();
    for (point, goal) in [("p50", Goal::AtMost(1.6)), ("p99", Goal::None)] {
        let key = format!("latency {point}");
        let straight = figures.get(&key, Straight);
        let added = |way| -> Vec<f64> { figures.get(&key, way).iter().zip(straight).map(|(via, s)| via - s).collect() };
        let (ours, theirs) = (added(Doorkeeper), added(HaProxy));
        // What is added to the slowest hundredth can be less than nothing, so only of the medians a ratio makes sense.
        let ratio = if point == "p50" { Ratio::between(&ours, &theirs) } else { Ratio(Vec::new()) };
        rows.push(format!(
            "| {point} | {} | {} | {} | {} | {} | {ratio} | {} |",
            show(figures, &key, Straight),
            show(figures, &key, Doorkeeper),
            show(figures, &key, HaProxy),
            median(&ours).map_or("-".into(), short),
            median(&theirs).map_or("-".into(), short),
            goal.verdict(ratio.median()),
        ));
    }
    table(
        out,
        "Latency of a produce of 100 bytes, acks=1, 200 a second each way, microseconds",
        "| | straight | doorkeeper | HAProxy | doorkeeper adds | HAProxy adds | doorkeeper / HAProxy | goal |",
        &only_if(figures, "latency p50", rows.join("\n")),
    );
}

fn logins(out: &mut String, figures: &Figures) {
    let ratio = Ratio::between(figures.get("logins cpu us", Doorkeeper), figures.get("logins cpu us", Straight));
    let row = format!(
        "| {} | {} | {} | {} | {ratio} | {} |",
        show(figures, "logins per s", Straight),
        show(figures, "logins per s", Doorkeeper),
        show(figures, "logins cpu us", Straight),
        show(figures, "logins cpu us", Doorkeeper),
        Goal::AtMost(0.8).verdict(ratio.median()),
    );
    table(
        out,
        "PLAIN logins: connect, ApiVersions, SaslHandshake, SaslAuthenticate, close; 4 clients",
        "| Kafka per s | doorkeeper per s | Kafka CPU us | doorkeeper CPU us | doorkeeper / Kafka | goal |",
        &only_if(figures, "logins per s", row),
    );
}

fn idle(out: &mut String, figures: &Figures) {
    let ours = median(figures.get("idle bytes", Doorkeeper));
    let row = format!(
        "| {} | {} | {} | {} |",
        show(figures, "idle bytes, login only", Doorkeeper),
        show(figures, "idle bytes", Doorkeeper),
        Goal::AtMost(16384.0).verdict(ours),
        show(figures, "idle bytes", HaProxy),
    );
    table(
        out,
        "Memory per idle connection, bytes (growth of Pss by 1,000 connections)",
        "| doorkeeper, logged in | doorkeeper, logged in and with a backend connection | goal | HAProxy, with a backend connection |",
        &only_if(figures, "idle bytes", row),
    );
}

fn storm(out: &mut String, figures: &Figures) {
    let row = format!(
        "| {} | {} | {} |",
        show(figures, "storm s", Doorkeeper),
        Goal::AtMost(5.0).verdict(median(figures.get("storm s", Doorkeeper))),
        show(figures, "storm s", Straight),
    );
    table(
        out,
        "4,000 clients that log in at the same moment: seconds until all are in",
        "| doorkeeper | goal | Kafka |",
        &only_if(figures, "storm s", row),
    );
}

fn only_if(figures: &Figures, measure: &str, row: String) -> Vec<String> {
    if figures.get(measure, Doorkeeper).is_empty() { Vec::new() } else { vec![row] }
}

fn table(out: &mut String, title: &str, head: &str, rows: &[String]) {
    if rows.is_empty() {
        return;
    }
    let rule = "|---".repeat(head.matches('|').count() - 1);
    let _ = write!(out, "## {title}\n\n{head}\n{rule}|\n{}\n\n", rows.join("\n"));
}

/// The ratios of doorkeeper to another, round by round.
struct Ratio(Vec<f64>);

impl Ratio {
    fn of(figures: &Figures, measure: &str) -> Self {
        Self::between(figures.get(measure, Doorkeeper), figures.get(measure, HaProxy))
    }

    fn between(ours: &[f64], theirs: &[f64]) -> Self {
        Self(ours.iter().zip(theirs).map(|(a, b)| a / b).collect())
    }

    fn median(&self) -> Option<f64> {
        median(&self.0)
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(middle) = self.median() else { return f.write_str("-") };
        let low = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        write!(f, "**{middle:.2}** ({low:.2} to {high:.2})")
    }
}

fn show(figures: &Figures, measure: &str, way: Way) -> String {
    median(figures.get(measure, way)).map_or("-".into(), short)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some((sorted[n / 2 - 1] + sorted[n / 2]) / 2.0),
    }
}

/// Three digits that count.
fn short(v: f64) -> String {
    match v.abs() {
        _ if v.is_infinite() => "not all in".into(),
        a if a >= 100.0 || v.fract() == 0.0 => format!("{v:.0}"),
        a if a >= 10.0 => format!("{v:.1}"),
        a if a >= 1.0 => format!("{v:.2}"),
        _ => format!("{v:.3}"),
    }
}

/// How quiet the machine was, in a sentence.
pub fn quiet(figures: &Figures) -> String {
    let others = figures.others.max(0.0);
    let judgement =
        if others > 0.2 { ": **the machine was not quiet**; trust the ratios more than the figures" } else { "" };
    format!("Other programs kept {others:.2} cores busy meanwhile{judgement}.\n")
}

pub fn document(plan: &Plan, machine: &[(&str, String)], remarks: &str, tables: &str) -> String {
    let mut out = String::from(HEAD);
    for (what, value) in machine {
        let _ = writeln!(out, "| {what} | {value} |");
    }
    let _ = write!(out, "\nMedians of {} rounds. {remarks}\n{tables}", plan.rounds);
    out.push_str(METHOD);
    out.push_str(store::METHOD);
    out.push_str(tokens::METHOD);
    out.push_str(tls::METHOD);
    out
}

const HEAD: &str = "# Performance

Written by `make bench`; do not edit. Absolute figures belong to the machine that they were taken on; the ratios, taken in one
run, carry over better.

| | |
|---|---|
";

const METHOD: &str = "## How it is measured

- Client, proxy and broker share one machine and talk over loopback. The same load goes straight to Kafka, through doorkeeper, and
  through HAProxy in TCP mode with `splice-auto`, `splice-request` and `splice-response`: a proxy that understands nothing, and so
  the limit of what one can reach. Each part is run for the three in turn, beginning with another one in each round. Ratios are
  taken within a round; the median of these is printed, with the lowest and the highest.
- doorkeeper's clients log in by SASL/PLAIN and use the node's port that its Metadata names. HAProxy rewrites no addresses: its
  clients stay on its port.
- The client is raw and cheap: record batches are encoded once and sent again, of fetched records only the head is read and the
  kernel drops the rest. Before the rounds, batches of each topic are read whole through each way and compared with what was produced.
- Bulk: a topic of 4 partitions. 2 producers, 5 requests in flight each, acks=1, no compression; with batches of 1 MB a request carries
  one batch, with batches of 16 KB four, one for each partition. 4 consumers, one partition each, one fetch of one batch at a time.
  MB is 10^6 bytes, GiB 2^30, of requests (produce) or responses (consume).
- CPU is the process's own, user and system, of all its threads, from just before the load to 200 ms after it
  (/proc/PID/task/*/schedstat; the same time as utime + stime of /proc/PID/stat, without steps of 10 ms; for Kafka's JVM stat itself).
- Logins: Kafka's own SASL_PLAINTEXT listener is the comparison, after 24,000 logins that warm its JVM.
- Memory: a fresh process each time, 8 connections that come and go first, then 1,000 that log in and, but for the first column, send
  one Metadata request. The growth of Pss in smaps_rollup, divided by 1,000. All of them are asked again at the end.
- The storm meets a fresh doorkeeper. Kafka, with its accept queue of 50, is asked once, for comparison; \"not all in\" means within 30 s.
";
