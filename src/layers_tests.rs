//! Who may import whom: reads the `use crate::` lines, so that a slip shows in a test and not in a year.

use std::fs;
use std::path::{Path, PathBuf};

/// A module and the modules of this crate that it may use. What stands earlier on the path of a connection knows nothing of
/// what comes later; `wire`, `secret` and `principal` know nobody.
const MAY_USE: &[(&str, &[&str])] = &[
    ("wire", &["secret"]),
    ("secret", &[]),
    ("scram", &["secret"]),
    ("jwt", &["secret"]),
    ("store", &["scram", "secret"]),
    ("admin", &["config", "principal", "scram", "secret", "store", "wire"]),
    (
        "tools",
        &["admin", "backend", "config", "kafka_metadata", "scram", "secret", "store", "tls", "transport", "wire"],
    ),
    ("foreign", &[]),
    ("kafka_metadata", &["scram", "secret", "wire"]),
    ("socket", &[]),
    ("stock", &[]),
    ("transport", &["stock", "tls"]),
    ("principal", &[]),
    ("config", &["jwt", "principal", "scram", "secret"]),
    ("explain", &["config", "principal"]),
    ("explain_token", &["config", "explain", "issuer", "jwt"]),
    ("listener", &["config", "socket"]),
    ("tls", &["config", "foreign", "secret", "stock"]),
    ("issuer", &["config", "jwt", "secret", "tls", "transport"]),
    ("sasl", &["config", "foreign", "issuer", "jwt", "principal", "scram", "secret", "wire"]),
    ("session", &["config", "principal", "sasl"]),
    ("backend", &["config", "issuer", "listener", "scram", "secret", "socket", "tls", "transport", "wire"]),
    (
        "relay",
        &["admin", "backend", "foreign", "listener", "principal", "sasl", "session", "stock", "transport", "wire"],
    ),
    (
        "observe",
        &[
            "backend",
            "config",
            "foreign",
            "issuer",
            "listener",
            "principal",
            "relay",
            "sasl",
            "session",
            "store",
            "tls",
        ],
    ),
    (
        "connection",
        &["backend", "config", "listener", "observe", "principal", "relay", "sasl", "session", "tls", "transport"],
    ),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        // The name alone: the checkout may lie in a directory that is called so.
        if entry.file_name().to_string_lossy().contains("tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The lines before the file's own tests.
fn product_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"))
}

#[test]
fn modules_use_only_what_stands_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 30, "only {} files were read", files.len());
    let mut slips = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let module = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let allowed = MAY_USE.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        for line in product_lines(&text) {
            let used = line
                .split("crate::")
                .skip(1)
                .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
            for used in used.filter(|used| !line.trim_start().starts_with("//") && *used != module) {
                if allowed.is_some_and(|allowed| !allowed.contains(&used)) {
                    slips.push(format!("{}: uses {used}", relative.display()));
                }
            }
            if line.contains("kafka_protocol") && module != "wire" {
                slips.push(format!("{}: only wire may name the codec crate", relative.display()));
            }
            if line.contains("rustls") && module != "tls" {
                slips.push(format!("{}: only tls may name rustls", relative.display()));
            }
            if line.contains("rocksdb") && module != "store" {
                slips.push(format!("{}: only store may name RocksDB", relative.display()));
            }
        }
    }
    assert!(slips.is_empty(), "{}", slips.join("\n"));
}
