//! How a command ends that did not do what it was asked for, in the words and with the exit code of Kafka's tools.

/// Why a command failed. No text holds a secret.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line is wrong: one line says why.
    Said(String),
    /// The command line is wrong: one line says why, and the usage follows.
    Usage(String),
    /// What was asked for could not be done. Kafka's tools show the command line too, and a stack trace, of which ours have the line
    /// that names the error.
    Failed(String),
}

impl Failure {
    pub fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }

    /// An error of the Kafka protocol, as Java names it.
    pub fn kafka(class: &str, message: &str) -> Self {
        Self::Failed(format!("org.apache.kafka.common.errors.{class}: {message}"))
    }
}

/// A command line for an error message, without the passwords in it.
pub(super) fn shown(arguments: &[String]) -> String {
    let mut hide_next = false;
    let shown = arguments.iter().map(|argument| {
        let hide = std::mem::replace(&mut hide_next, false);
        if hide && holds_secret(argument) {
            return hidden(argument);
        }
        let name = argument.trim_start_matches('-');
        let (name, value) = name.split_once('=').unwrap_or((name, ""));
        if argument.starts_with('-') && matches!(name, "add-config" | "add-scram") {
            hide_next = value.is_empty();
            if holds_secret(value) {
                return format!("--{name}={}", hidden(value));
            }
        }
        argument.clone()
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Everything but quotas and the like: a credential that is written wrong is a secret too.
fn holds_secret(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    lower.contains("scram") || lower.contains("pass")
}

/// What stands before the first `=` is kept.
fn hidden(value: &str) -> String {
    match value.split_once('=') {
        Some((name, _)) => format!("{name}=[hidden]"),
        None => "[hidden]".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (line, want) in [
            (&["--alter", "--add-config", "producer_byte_rate=1"][..], "--alter --add-config producer_byte_rate=1"),
            (
                &[
                    "--add-config",
                    "SCRAM-SHA-256=[iterations=16385,password=hush],SCRAM-SHA-512=[password=hush]",
                    "--alter",
                ],
                "--add-config SCRAM-SHA-256=[hidden] --alter",
            ),
            (&["--add-config=SCRAM-SHA-256=[password=hush]"], "--add-config=SCRAM-SHA-256=[hidden]"),
            (&["-add-scram", "[passwd=hush]"], "-add-scram [passwd=[hidden]"),
            (&["--add-scram="], "--add-scram="),
        ] {
            let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(shown(&line), want);
        }
    }
}
