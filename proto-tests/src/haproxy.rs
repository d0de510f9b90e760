//! A real HAProxy in front of a doorkeeper.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::process::{self, Background};
use crate::{Context, Result, address, scratch, wait_for};

/// A running HAProxy. Dropping it kills it.
pub struct Haproxy {
    _process: Background,
    /// Where clients connect.
    pub at: SocketAddr,
}

impl Haproxy {
    /// One that connects to `to` from the address `from`, with these words on its `server` line.
    pub fn start(from: Ipv4Addr, to: SocketAddr, words: &str) -> Result<Haproxy> {
        let n = address::next(address::Role::Balancer);
        let host = address::balancer(n);
        let at: SocketAddr = (host, address::free_ports(host, 19_000, 1)?).into();
        let file = scratch::dir(&format!("haproxy-{n}")).join("haproxy.cfg");
        let text = format!(
            "global\n    maxconn 200\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1m\n    timeout server 1m\n\
             listen kafka\n    bind {at}\n    source {from}\n    server doorkeeper {to} {words}\n"
        );
        fs::write(&file, text).context("write HAProxy's configuration")?;
        // Debian's lies where an ordinary user's PATH does not look. -db: one process in the foreground.
        let program =
            ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"].into_iter().find(|path| Path::new(path).exists());
        let mut command = process::command(program.unwrap_or("haproxy"));
        command.arg("-db").arg("-f").arg(&file);
        let mut process = Background::start("HAProxy", command, &file.with_extension("log"))?;
        wait_for("HAProxy to listen", Duration::from_secs(20), || match process.ended() {
            Some(status) => Err(format!("it ended with {status}: {}", process.output())),
            // A look at its port would be a connection to doorkeeper.
            None => match std::net::TcpListener::bind(at) {
                Err(_) => Ok(()),
                Ok(_) => Err("its port is free".into()),
            },
        })?;
        Ok(Haproxy { _process: process, at })
    }
}
