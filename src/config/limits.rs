//! Limits over all listeners, timeouts and socket options.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};

use super::keys;
use super::names::ListenerName;
use super::reader::Reader;
use super::types::{ConnectionLimits, SocketOptions};

/// `max.connection*`.
pub(super) fn connection_limits(reader: &mut Reader<'_>) -> ConnectionLimits {
    let overrides = per_ip_overrides(reader);
    let per_ip = reader.unsigned(&keys::MAX_CONNECTIONS_PER_IP);
    if let Some(found) = reader.find_explicit(&keys::MAX_CONNECTIONS_PER_IP)
        && per_ip == 0
        && reader.find(&keys::MAX_CONNECTIONS_PER_IP_OVERRIDES).is_none_or(|found| found.text().is_empty())
    {
        let problem =
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.";
        reader.error(&found, problem);
    }
    ConnectionLimits {
        max_connections: reader.unsigned(&keys::MAX_CONNECTIONS),
        max_connections_per_ip: per_ip,
        max_connections_per_ip_overrides: overrides,
        max_connection_creation_rate: reader.unsigned(&keys::MAX_CONNECTION_CREATION_RATE),
    }
}

fn per_ip_overrides(reader: &mut Reader<'_>) -> HashMap<IpAddr, u32> {
    let mut overrides = HashMap::new();
    let Some(found) = reader.find(&keys::MAX_CONNECTIONS_PER_IP_OVERRIDES) else { return overrides };
    let mut invalid = Vec::new();
    for entry in found.list() {
        let Some((host, count)) = entry.rsplit_once(':') else {
            invalid.push(entry);
            continue;
        };
        let (host, count) = (host.trim(), count.trim().parse::<i32>().ok().and_then(|count| u32::try_from(count).ok()));
        let literal = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let addresses: Vec<IpAddr> = match literal.parse() {
            Ok(address) => vec![address],
            Err(_) if host.is_empty() => Vec::new(),
            Err(_) => (host, 0).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect()).unwrap_or_default(),
        };
        match count {
            Some(count) if !addresses.is_empty() => {
                overrides.extend(addresses.into_iter().map(|address| (address.to_canonical(), count)));
            }
            _ => invalid.push(entry),
        }
    }
    if !invalid.is_empty() {
        let shown = if found.setting.substituted { "[hidden]".into() } else { invalid.join(", ") };
        let problem = format!(
            "max.connections.per.ip.overrides contains invalid addresses : {shown}; expected host:count, count 0 to 2147483647"
        );
        reader.error(&found, problem);
    }
    overrides
}

/// `max.unauthenticated.connections` of a listener, and how many of them one address may have.
pub(super) fn unauthenticated_limits(reader: &mut Reader<'_>, name: &ListenerName) -> (u32, u32) {
    let mut number = |key| {
        let found = reader.find_for(name, key)?;
        u32::try_from(reader.number(key, Some(found))).ok()
    };
    let all = number(&keys::MAX_UNAUTHENTICATED_CONNECTIONS).unwrap_or(1);
    let per_ip = number(&keys::MAX_UNAUTHENTICATED_CONNECTIONS_PER_IP);
    (all, per_ip.unwrap_or(all.div_ceil(2)))
}

/// `socket.*.bytes` and the backlog.
pub(super) fn socket_options(reader: &mut Reader<'_>) -> SocketOptions {
    let mut buffer = |key: &keys::Key| {
        let found = reader.find(key);
        let bytes = reader.number(key, found);
        if bytes == 0
            && let Some(found) = reader.find(key)
        {
            reader.error(&found, format!("Invalid value 0 for configuration {}: expected -1 or at least 1", key.name));
        }
        u32::try_from(bytes).ok()
    };
    let send_buffer_bytes = buffer(&keys::SOCKET_SEND_BUFFER_BYTES);
    let receive_buffer_bytes = buffer(&keys::SOCKET_RECEIVE_BUFFER_BYTES);
    let listen_backlog_size = reader.unsigned(&keys::SOCKET_LISTEN_BACKLOG_SIZE);
    SocketOptions { send_buffer_bytes, receive_buffer_bytes, listen_backlog_size }
}

/// `worker.threads`.
pub(super) fn worker_threads(reader: &mut Reader<'_>) -> usize {
    let found = reader.find(&keys::WORKER_THREADS);
    if found.is_none() {
        return std::thread::available_parallelism().map_or(1, usize::from);
    }
    usize::try_from(reader.number(&keys::WORKER_THREADS, found)).unwrap_or(1)
}

/// Rules between two keys.
pub(super) fn check_pairs(reader: &mut Reader<'_>) {
    let number = |reader: &Reader<'_>, key| reader.find(key).and_then(|found| found.text().parse::<i64>().ok());
    let delay = number(reader, &keys::CONNECTION_FAILED_AUTHENTICATION_DELAY_MS);
    let idle = number(reader, &keys::CONNECTIONS_MAX_IDLE_MS);
    if let (Some(delay), Some(idle)) = (delay, idle)
        && idle >= 0
        && delay >= idle
    {
        let problem = format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than connections.max.idle.ms={idle} to \
             prevent failed authentication responses from timing out"
        );
        let explicit = reader.find_explicit(&keys::CONNECTION_FAILED_AUTHENTICATION_DELAY_MS);
        if let Some(found) = explicit.or_else(|| reader.find(&keys::CONNECTIONS_MAX_IDLE_MS)) {
            reader.error(&found, problem);
        }
    }
    let found = reader.find(&keys::QUEUED_MAX_REQUEST_BYTES);
    let queued = reader.number(&keys::QUEUED_MAX_REQUEST_BYTES, found);
    let largest = number(reader, &keys::SOCKET_REQUEST_MAX_BYTES);
    if queued > 0
        && largest.is_some_and(|largest| queued < largest)
        && let Some(found) = reader.find(&keys::QUEUED_MAX_REQUEST_BYTES)
    {
        reader.error(&found, "queued.max.request.bytes must be larger or equal to socket.request.max.bytes");
    }
}
