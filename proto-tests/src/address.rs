//! Addresses of this run. Everything lives in 127.0.0.0/8, and each role has its own second number, so that an address
//! found in bytes or in a log tells whose it is:
//!
//! | address       | role                                         |
//! |---------------|----------------------------------------------|
//! | 127.77.run.n  | broker n of the backend                      |
//! | 127.78.run.n  | the n-th doorkeeper                          |
//! | 127.79.run.n  | the recording tap before the n-th doorkeeper |
//! | 127.80.run.n  | a stand-in backend                           |
//! | 127.81.run.n  | the n-th client, where its address matters   |
//! | 127.82.run.n  | the n-th balancer                            |
//! | 127.83.run.n  | the n-th issuer of tokens, or its stand-in   |
//!
//! `run` comes from the process id: two runs on one machine do not meet.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

use crate::Result;

/// Ports of a doorkeeper listener: the bootstrap port and one for each of the node ids 0 to 31.
pub const BLOCK: u16 = 33;

fn run() -> u8 {
    (std::process::id() % 254 + 1) as u8
}

pub fn broker(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 77, run(), n)
}

/// What every backend address of this run starts with, as text.
pub fn broker_prefix() -> String {
    format!("127.77.{}.", run())
}

pub fn front(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 78, run(), n)
}

pub fn tap(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 79, run(), n)
}

pub fn standin(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 80, run(), n)
}

pub fn client(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 81, run(), n)
}

pub fn balancer(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 82, run(), n)
}

pub fn issuer(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 83, run(), n)
}

/// Whose address is numbered.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// A doorkeeper, and the tap before it.
    Front,
    Standin,
    Balancer,
    Issuer,
}

/// A number in that role, given once.
pub fn next(role: Role) -> u8 {
    static NEXT: [AtomicU8; 4] = [const { AtomicU8::new(1) }; 4];
    let more = NEXT[role as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
    more.unwrap_or_else(|_| panic!("more than 254 addresses for {role:?}"))
}

/// The first port of `len` neighbours that are free at `host`, below the range that the system gives to outgoing connections.
pub fn free_ports(host: Ipv4Addr, from: u16, len: u16) -> Result<u16> {
    let mut first = from;
    while first < 32_000 {
        let block: Vec<_> = (first..first + len).map(|port| take(SocketAddr::from((host, port)))).collect();
        match block.iter().rposition(|socket| socket.is_err()) {
            None => return Ok(first),
            Some(taken) => first += taken as u16 + 1,
        }
    }
    Err(format!("no {len} free ports in a row at {host}"))
}

/// Takes a port without listening. A program that another thread starts at this moment has the socket too until it runs: nobody must be able
/// to connect to it, and a listener may be bound beside it.
fn take(at: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &at)?;
    Ok(socket)
}
