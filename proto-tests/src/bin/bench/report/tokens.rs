//! The table of token logins.

use super::{Goal, Ratio, only_if, show, table};
use crate::rounds::{Figures, Way};
use crate::tokens::ALGORITHMS;

use Way::{Doorkeeper, Straight};

pub fn tables(out: &mut String, figures: &Figures) {
    let mut rows = Vec::new();
    for name in ALGORITHMS.map(|a| a.name()) {
        let (rate, cpu) = (format!("{name} logins per s"), format!("{name} logins cpu us"));
        let ratio = Ratio::between(figures.get(&cpu, Doorkeeper), figures.get(&cpu, Straight));
        let row = format!(
            "| {name} | {} | {} | {} | {} | {ratio} | {} |",
            show(figures, &rate, Straight),
            show(figures, &rate, Doorkeeper),
            show(figures, &cpu, Straight),
            show(figures, &cpu, Doorkeeper),
            Goal::AtMost(0.5).verdict(ratio.median()),
        );
        rows.extend(only_if(figures, &rate, row));
    }
    table(
        out,
        "Token logins (OAUTHBEARER): connect, ApiVersions, SaslHandshake, SaslAuthenticate, close; 4 clients",
        "| | Kafka per s | doorkeeper per s | Kafka CPU us | doorkeeper CPU us | doorkeeper / Kafka | goal |",
        &rows,
    );
}

/// How it is measured, in the document.
pub const METHOD: &str = "- Token logins: beside Kafka's own OAUTHBEARER listener with its validator for production, after 24,000 logins of each algorithm that
  warm its JVM. Both fetch the same keys (RSA of 2,048 bits, P-256) from the same URL and expect the same issuer and audience. The tokens
  are made before the rounds, each another one; both are sent the same, one for each login.
";
