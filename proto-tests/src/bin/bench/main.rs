//! `make bench`: the same load straight to Kafka, through doorkeeper and through HAProxy in TCP mode with splicing, in turns.
//!
//! HAProxy understands nothing of what it passes: it is the limit of what a proxy can reach. Everything runs on loopback.
//! With TLS from the client Envoy takes part too: nothing else spends less on it.
//! `docs/performance.md` is written from a full run and says how each figure is taken.

mod batch;
mod client;
mod identity;
mod load;
mod logins;
mod machine;
mod plan;
mod procs;
mod report;
mod rounds;
mod scram;
mod small;
mod tls;
mod tokens;
mod wire;

use std::process::ExitCode;

use plan::Plan;

/// Anything that fails ends the bench with its text: a figure from a run with failures would be worth nothing.
pub type Res<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Who logs in, at doorkeeper and at Kafka's own SASL listener.
pub const USER: (&str, &str) = ("alice", "alice-secret");

fn main() -> ExitCode {
    match Plan::from_args().and_then(|plan| run(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> Res<()> {
    procs::stop_on_signal()?;
    let figures = rounds::run(plan)?;
    let tables = report::tables(&figures);
    let remarks = report::quiet(&figures) + &report::remarks(&figures);
    println!("{tables}{remarks}");
    if let Some(file) = &plan.write_to {
        std::fs::write(file, report::document(plan, &machine::describe(plan)?, &remarks, &tables))?;
        eprintln!("bench: written to {}", file.display());
    }
    Ok(())
}
