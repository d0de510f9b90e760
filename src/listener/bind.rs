//! Binding a listener's ports: the bootstrap, and one for each node id in range unless names tell the nodes apart.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Addresses, Target};
use crate::config::{HostPort, ListenerConfig, ListenerName, SocketOptions};

/// A bound port that listens, and which broker it stands for.
#[derive(Debug)]
pub struct Port {
    /// The socket.
    pub socket: StdListener,
    /// Where its connections are relayed to.
    pub target: Target,
}

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listener {listener}: cannot listen on {address}: {error}")]
pub struct BindError {
    listener: ListenerName,
    address: String,
    error: io::Error,
}

/// Binds all ports of a listener. Gives them and the addresses that its clients are told.
///
/// Where names tell the nodes apart there is one port, whose target is decided in the TLS handshake
/// ([`Addresses::target_for`]).
///
/// All ports of the ranges are bound at start, those of brokers that do not exist yet too: a new broker needs no restart, and
/// nobody else can take its port meanwhile.
pub fn bind(config: &ListenerConfig, options: &SocketOptions) -> Result<(Vec<Port>, Addresses), BindError> {
    let bind_port = |port: u16| {
        listen(&config.bind.host, port, options).map_err(|error| BindError {
            listener: config.name.clone(),
            address: format!("{}:{port}", config.bind.host),
            error,
        })
    };
    let bootstrap = bind_port(config.bind.port)?;
    let local_port = |socket: &StdListener| socket.local_addr().map_or(0, |address| address.port());
    if let Some(pattern) = &config.node_host_pattern {
        let port = if config.bind.port == 0 { local_port(&bootstrap) } else { config.advertised.port };
        let advertised = HostPort { host: config.advertised.host.clone(), port };
        let (pattern, ids) = (pattern.clone(), config.node_id_ranges.clone());
        let addresses = Addresses::by_name(config.name.as_str(), &advertised, pattern, ids);
        return Ok((vec![Port { socket: bootstrap, target: Target::Any }], addresses));
    }
    let mut ports = Vec::new();
    if config.bind.port != 0 {
        for (node_id, offset) in config.node_id_ranges.iter() {
            let socket = bind_port(config.node_port_base + offset)?;
            ports.push(Port { socket, target: Target::Node(node_id) });
        }
        ports.push(Port { socket: bootstrap, target: Target::Any });
        return Ok((ports, Addresses::new(config)));
    }
    // Port 0: the system chooses every port, and what it chose is advertised.
    let mut nodes = Vec::new();
    for (node_id, _) in config.node_id_ranges.iter() {
        let socket = bind_port(0)?;
        nodes.push((node_id, local_port(&socket)));
        ports.push(Port { socket, target: Target::Node(node_id) });
    }
    let advertised = HostPort { host: config.advertised.host.clone(), port: local_port(&bootstrap) };
    ports.push(Port { socket: bootstrap, target: Target::Any });
    Ok((ports, Addresses::from_parts(config.name.as_str(), &advertised, nodes)))
}

/// An empty host means all interfaces, IPv6 and IPv4 alike where the system has both.
fn listen(host: &str, port: u16, options: &SocketOptions) -> io::Result<StdListener> {
    if host.is_empty() {
        let any6 = SocketAddr::from(([0u16; 8], port));
        return open(any6, options).or_else(|_| open(SocketAddr::from(([0u8; 4], port)), options));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match open(address, options) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn open(address: SocketAddr, options: &SocketOptions) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit these from the listening one, which saves their system calls at each accept.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&crate::socket::keepalive())?;
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.listen_backlog_size).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    /// The configuration of a listener whose nodes have names; more of them than there are ports.
    fn by_name(bound: u16, advertised: u16) -> (ListenerConfig, SocketOptions) {
        let file = std::env::temp_dir().join(format!("doorkeeper-bind-{}-{bound}.properties", std::process::id()));
        let text = format!(
            "listeners=SSL://127.0.0.1:{bound}\nadvertised.listeners=SSL://kafka.example:{advertised}\n\
             ssl.keystore.type=PEM\nssl.keystore.location=/not/read\nbackend.bootstrap.servers=h:1\n\
             listener.name.ssl.node.id.ranges=0-2147483647\nlistener.name.ssl.node.host.pattern=node-$(nodeId).kafka.example\n"
        );
        std::fs::write(&file, text).unwrap();
        let loaded = load(&file, &[], &|_| None);
        std::fs::remove_file(&file).unwrap();
        let mut config = loaded.unwrap().config;
        (config.listeners.remove(0), config.socket)
    }

    #[test]
    fn where_names_tell_nodes_apart_one_port_is_bound() {
        let (config, options) = by_name(0, 0);
        let (ports, addresses) = bind(&config, &options).unwrap();
        let [Port { socket, target: Target::Any }] = &ports[..] else { panic!("{ports:?}") };
        let port = socket.local_addr().unwrap().port();
        assert_eq!(addresses.bootstrap(), ("kafka.example", port));
        assert_eq!(addresses.node_address(7), Some(("node-7.kafka.example".into(), port)));
        assert_eq!(addresses.target_for("node-7.kafka.example"), Some(Target::Node(7)));

        // Behind a balancer with another port.
        drop(ports);
        let (config, options) = by_name(port, 443);
        let (ports, addresses) = bind(&config, &options).unwrap();
        assert_eq!((ports.len(), addresses.bootstrap()), (1, ("kafka.example", 443)));
        assert_eq!(addresses.node_address(7), Some(("node-7.kafka.example".into(), 443)));
        assert_eq!(Addresses::new(&config), addresses);
    }
}
