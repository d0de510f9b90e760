//! The tables of the credential store.

use proto_tests::scram::Hash;

use super::{Goal, Ratio, median, only_if, short, show, table};
use crate::rounds::{FEW, Figures, Way};

use Way::{Doorkeeper, Straight};

const MIB: f64 = (1u64 << 20) as f64;

pub fn tables(out: &mut String, figures: &Figures) {
    logins(out, figures);
    users(out, figures);
    start(out, figures);
}

fn logins(out: &mut String, figures: &Figures) {
    let mut rows = Vec::new();
    for hash in Hash::BOTH {
        let (rate, cpu) = (format!("{} logins per s", hash.mechanism()), format!("{} logins cpu us", hash.mechanism()));
        let ratio = Ratio::between(figures.get(&cpu, Doorkeeper), figures.get(&cpu, Straight));
        let row = format!(
            "| {} | {} | {} | {} | {} | {ratio} | {} |",
            hash.mechanism(),
            show(figures, &rate, Straight),
            show(figures, &rate, Doorkeeper),
            show(figures, &cpu, Straight),
            show(figures, &cpu, Doorkeeper),
            Goal::AtMost(0.7).verdict(ratio.median()),
        );
        rows.extend(only_if(figures, &rate, row));
    }
    table(
        out,
        "SCRAM logins: connect, ApiVersions, SaslHandshake, two times SaslAuthenticate, close; 4 clients",
        "| | Kafka per s | doorkeeper per s | Kafka CPU us | doorkeeper CPU us | doorkeeper / Kafka | goal |",
        &rows,
    );
}

fn users(out: &mut String, figures: &Figures) {
    let mut rows = Vec::new();
    for (what, words) in [("describe", "describe one of them"), ("login", "log in as one of them, SCRAM-SHA-256")] {
        for (unit, label) in [("cpu us", "CPU us"), ("us", "us")] {
            let [few, many] = ["few", "many"].map(|which| format!("{what}, {which} users, {unit}"));
            let ratio = Ratio::between(figures.get(&many, Doorkeeper), figures.get(&few, Doorkeeper));
            let row = format!(
                "| {words}: {label} | {} | {} | {ratio} | {} |",
                show(figures, &few, Doorkeeper),
                show(figures, &many, Doorkeeper),
                Goal::AtMost(1.2).verdict(ratio.median()),
            );
            rows.extend(only_if(figures, &many, row));
        }
    }
    table(
        out,
        "Many users in the store, after a start, another one each time",
        &format!("| | {FEW} users | {} users | ratio | goal |", grouped(figures.users)),
        &rows,
    );
}

fn start(out: &mut String, figures: &Figures) {
    let mut rows = Vec::new();
    let mut row = |words: &str, measure: &str, goal: Goal, scale: f64| {
        let value = median(figures.get(measure, Doorkeeper)).map(|v| v / scale);
        let shown = value.map_or("-".into(), short);
        rows.extend(only_if(figures, measure, format!("| {words} | {shown} | {} |", goal.verdict(value))));
    };
    let users = grouped(figures.users);
    row(&format!("creating {users} users by AlterUserScramCredentials, seconds"), "users loaded s", Goal::None, 1.0);
    for how in ["SIGTERM", "SIGKILL"] {
        let measure = format!("start after {how} s");
        row(&format!("start after {how}, seconds until the first login"), &measure, Goal::AtMost(1.0), 1.0);
    }
    row("memory that an empty store takes, MiB", "empty store bytes", Goal::AtMost(20.0), MIB);
    row("memory that the store takes with all these users, MiB", "idle store bytes", Goal::AtMost(20.0), MIB);
    table(out, &format!("A store of {users} users"), "| | doorkeeper | goal |", &rows);
}

/// 100,000
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How it is measured, in the document.
pub const METHOD: &str = "- SCRAM logins: beside Kafka's own SASL_PLAINTEXT listener, after 24,000 logins of each mechanism that warm its JVM. 4,096 iterations,
  whose cost is the client's alone; the client derives its keys once and verifies the server's signature in each login.
- Many users: two doorkeepers, each with a store of its own; a credential of SCRAM-SHA-256 for each user, created by AlterUserScramCredentials with 500 users in a request. Users to describe and to log in with are drawn from all of
  them. Describe is one connection, one request at a time; a quarter of the volume goes before, uncounted.
- The start with many users is timed from the start of the process, which is looked at every 20 ms, to the end of the first login by
  SCRAM. Memory is Pss, of a process that has served that login and been idle for 2 s, less that of one without a store, the same way.
";
