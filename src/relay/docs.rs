//! The generated page on what is done with each API.

use std::fmt::Write;

use super::api_table::{API_TABLE, ApiRow, Handling, Rewrite};

/// `docs/protocol.md`.
pub fn documentation() -> String {
    let mut out = String::from(HEAD);
    for row in &API_TABLE {
        let ApiRow { key, name, min, max, .. } = row;
        let versions = if min == max { min.to_string() } else { format!("{min}-{max}") };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {key} | {name} | {versions} | {} |", explain(row.handling));
    }
    out
}

const HEAD: &str = "\
# What is done with each Kafka API

Made by `doorkeeper docs protocol` from the table that the relay works by; do not edit.

The front offers the intersection of this table and what the backend offers. A request of an API or version that is not in it
closes the connection, as a broker does. Node ids and all other fields pass unchanged.

| key | API | versions | handling |
|--:|---|---|---|
";

fn explain(handling: Handling) -> String {
    match handling {
        Handling::Forward => "forwarded".to_owned(),
        Handling::Answer | Handling::Administer => "answered by the front".to_owned(),
        Handling::Refuse(why) => format!("refused: {why}"),
        Handling::Rewrite(rewrite) => format!(
            "forwarded; {}",
            match rewrite {
                Rewrite::Brokers =>
                    "the brokers' host and port are rewritten; a broker without a port at the front is left out",
                Rewrite::Coordinators => {
                    "the coordinators' host and port are rewritten; one without a port is COORDINATOR_NOT_AVAILABLE"
                }
                Rewrite::NodeEndpoints => "the host and port of NodeEndpoints are rewritten",
                Rewrite::StreamedNodeEndpoints => {
                    "records stream through; NodeEndpoints at the end are rewritten within the length, or left out where they don't fit"
                }
                Rewrite::QuorumListeners => "the host and port of the quorum's listeners are rewritten",
                Rewrite::BrokerConfigs => "the values of a broker's listeners and quorum addresses are rewritten",
            }
        ),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_page_is_the_generated_one() {
        let committed = include_str!("../../docs/protocol.md");
        assert!(committed == super::documentation(), "run: cargo run -- docs protocol > docs/protocol.md");
    }
}
