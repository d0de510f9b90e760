//! Whatever stands in a file, loading ends with a configuration or with errors that show no secret.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn try_load(text: &str) -> Result<Loaded, ConfigErrors> {
    load_bytes(Path::new("f"), text.as_bytes(), &[], &|name| (name == "SECRET").then(|| "hunter2".into()))
}

/// Every key in every place where it may stand, but the one whose host names would be looked up.
fn full_keys() -> Vec<String> {
    let all = keys::KEYS.iter().filter(|key| !key.is_pattern() && key.name != "max.connections.per.ip.overrides");
    all.flat_map(|key| {
        ["", "listener.name.a.", "listener.name.a.plain.", "backend."].map(|prefix| format!("{prefix}{}", key.name))
    })
    .collect()
}

const PIECES: &[&str] = &[
    "A",
    "B",
    "PLAIN",
    "PLAINTEXT",
    "SASL_PLAINTEXT",
    "://",
    ":",
    ",",
    "127.0.0.1",
    "[::1]",
    "0",
    "-",
    "1",
    "9192",
    "65535",
    "2147483647",
    "9223372036854775807",
    " ",
    "x.Y required",
    " k=v",
    ";",
    "\\\\",
    "\"",
    "${env:SECRET}",
    "${",
    "}",
    "é",
];

fn value() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(PIECES), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn loading_never_panics_and_never_shows_what_a_provider_gave(
        protocol in select(&["SASL_PLAINTEXT", "SASL_SSL", "SSL"]),
        lines in proptest::collection::vec((select(full_keys()), value()), 0..8)
    ) {
        let mut text = format!(
            "listeners=A://h:9192\nlistener.security.protocol.map=A:{protocol}\nsasl.enabled.mechanisms=PLAIN\n\
             backend.bootstrap.servers=h:1\nconfig.providers=env\n\
             config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n",
        );
        for (key, mut value) in lines {
            // A listener's name is no secret, and messages must name it.
            if key.ends_with("listeners") || key.contains("listener.name") && !key.starts_with("listener.name.a.")
                || key.ends_with("protocol.map")
            {
                value = value.replace("${env:SECRET}", "");
            }
            text.push_str(&format!("{key}={value}\n"));
        }
        let shown = match try_load(&text) {
            Ok(loaded) => loaded.warnings.join("\n"),
            Err(errors) => {
                prop_assert!(!errors.0.is_empty());
                errors.to_string()
            }
        };
        prop_assert!(!shown.to_lowercase().contains("hunter2"), "{}\n{}", text, shown);
    }

    #[test]
    fn any_port_layout_that_loads_has_distinct_ports(
        a in 1u16.., b in 1u16.., base in proptest::option::of(1u16..), first in 0..40, count in 1..40
    ) {
        let base = base.map_or_else(String::new, |base| format!("listener.name.a.node.port.base={base}\n"));
        let text = format!(
            "listeners=A://h:{a},B://h:{b}\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n{base}\
             listener.name.b.node.id.ranges={first}-{}\nbackend.bootstrap.servers=h:1\n",
            first + count - 1
        );
        if let Ok(loaded) = try_load(&text) {
            let mut ports = Vec::new();
            for listener in &loaded.config.listeners {
                ports.push(listener.bind.port);
                for (_, offset) in listener.node_id_ranges.iter() {
                    ports.push(listener.node_port_base.checked_add(offset).unwrap());
                }
            }
            let all = ports.len();
            prop_assert_eq!(all, 2 + 32 + usize::try_from(count).unwrap());
            ports.sort_unstable();
            ports.dedup();
            prop_assert_eq!(ports.len(), all);
        }
    }
}
