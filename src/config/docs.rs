//! `docs/configuration.md`, generated from the key table.

use super::keys::{Default, KEYS, Key, Kind, Scope};

const HEAD: &str = "\
# Configuration

<!-- Generated from src/config/key_table.rs by `doorkeeper docs configuration`; do not edit. -->

doorkeeper reads a `server.properties` in Kafka's own format and with Kafka's own keys. A value on the command line wins over
the file, the file over the default. An unknown key, or one of Kafka's that a front has no use for, is a warning; a value
that is not understood is an error, and the start tells all errors at once.

Where a key may stand:

- *broker-wide*: only without prefix; with a listener's prefix it has no effect;
- *listener*: without prefix, or for one listener as `listener.name.<listener>.<key>`, the listener's name in lower case;
- *listener or mechanism*: as *listener*, or for one mechanism of a listener as `listener.name.<listener>.<mechanism>.<key>`; the
  longest prefix wins;
- *listener only*: as `listener.name.<listener>.<key>` only;
- *listener and mechanism*: as `listener.name.<listener>.<mechanism>.<key>` only, both in lower case.

Secrets are never shown in logs or errors. *Reload* marks keys that SIGHUP changes, see
[operations.md](operations.md#reload); a change to any other key refuses the reload, unless it comes or goes with a listener.
";

/// The text of `docs/configuration.md`.
pub fn documentation() -> String {
    let mut text = String::from(HEAD);
    let mut group = "";
    for key in KEYS {
        if key.group != group {
            group = key.group;
            text.push_str(&format!("\n## {group}\n"));
        }
        text.push_str(&section(key));
    }
    text
}

fn section(key: &Key) -> String {
    let default = match key.default {
        Default::Fixed("") => "empty".into(),
        Default::Fixed(value) => format!("`{value}`"),
        Default::Derived(words) => words.to_owned(),
        Default::Unset => "not set".into(),
        Default::Required => "none, it must be set".into(),
    };
    let limits = match key.kind {
        Kind::Int(i32::MIN) | Kind::Long(i64::MIN) | Kind::Bool | Kind::Text | Kind::List | Kind::Password => {
            String::new()
        }
        Kind::Int(min) => format!(", at least {min}"),
        Kind::Long(min) => format!(", at least {min}"),
        Kind::Short(min, max) => format!(", {min} to {max}"),
        Kind::Double(min, max) => format!(", {min} to {max}"),
        Kind::Choice(choices) => format!(", one of {}", choices.join(", ")),
    };
    let scope = match key.scope {
        Scope::Broker => "broker-wide",
        Scope::Listener => "listener",
        Scope::Mechanism => "listener or mechanism",
        Scope::ListenerOnly => "listener only",
        Scope::MechanismOnly => "listener and mechanism",
    };
    let secret = if key.is_secret() { "- Secret\n" } else { "" };
    let reload = if key.reloadable { "- Reload\n" } else { "" };
    let prefix = match key.scope {
        Scope::Broker | Scope::Listener | Scope::Mechanism => "",
        Scope::ListenerOnly => "listener.name.<listener>.",
        Scope::MechanismOnly => "listener.name.<listener>.<mechanism>.",
    };
    format!(
        "\n### `{prefix}{}`\n\n{}\n\n- Type: {}{limits}\n- Default: {default}\n- Where: {scope}\n{secret}{reload}",
        key.name,
        key.doc,
        key.kind.name()
    )
}
