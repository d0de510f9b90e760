//! `metrics.listeners`.

use super::keys;
use super::names::HostPort;
use super::reader::{Reader, decimal_port, host_port};

/// Where metrics and health are asked for.
pub(super) fn listeners(reader: &mut Reader<'_>) -> Vec<HostPort> {
    let key = &keys::METRICS_LISTENERS;
    let Some(found) = reader.find(key) else { return Vec::new() };
    let mut listeners = Vec::new();
    for text in reader.distinct_list(&found).unwrap_or_default() {
        match listener(text) {
            Some(listener) => listeners.push(listener),
            None => {
                let shown = if found.setting.substituted { "[hidden]" } else { text };
                let problem = format!(
                    "Invalid value {shown} for configuration {}: expected http://host:port, port 0 to 65535",
                    key.name
                );
                reader.error(&found, problem);
            }
        }
    }
    listeners
}

fn listener(text: &str) -> Option<HostPort> {
    let address = text.strip_prefix("http://")?;
    match address.rsplit_once(':')? {
        ("", port) => Some(HostPort { host: String::new(), port: decimal_port(port)? }),
        (host, "0") => Some(HostPort { port: 0, ..host_port(&format!("{host}:1"))? }),
        _ => host_port(address),
    }
}
