//! What every relayed socket has in common.

use std::time::Duration;

use socket2::TcpKeepalive;

/// Probes start after a minute of silence; a peer that answers none of three, 10 s apart, counts as gone. An idle client that
/// lost its network is so found long before `connections.max.idle.ms`.
pub(crate) fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10)).with_retries(3)
}
