//! A tap between clients and a doorkeeper: it forwards every byte, and looks at those that clients receive for addresses that
//! they must never see.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::{Context, Result, address};

/// What a run of the tap has seen.
#[derive(Default)]
pub struct Findings {
    /// Bytes on the way to clients.
    pub bytes: AtomicU64,
    pub connections: AtomicU64,
    /// Addresses of doorkeeper that were seen with a right port.
    pub good: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Findings {
    /// What clients received and should not have.
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().map(|w| w.clone()).unwrap_or_default()
    }

    fn report(&self, what: String) {
        if let Ok(mut wrong) = self.wrong.lock()
            && wrong.len() < 50
        {
            wrong.push(what);
        }
    }
}

/// Listens at `host` on the same ports as the doorkeeper block that begins at `front`, for as long as the process lives.
pub fn start(host: Ipv4Addr, front: SocketAddr, findings: &Arc<Findings>) -> Result<()> {
    let first = front.port();
    let rules = Arc::new(Rules {
        forbidden: address::broker_prefix().into_bytes(),
        ours: host.to_string().into_bytes(),
        ports: first..first + address::BLOCK,
    });
    for port in rules.ports.clone() {
        let listener = TcpListener::bind((host, port)).context(format!("tap {host}:{port}"))?;
        let target = SocketAddr::from((front.ip(), port));
        let (findings, rules) = (findings.clone(), rules.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                findings.connections.fetch_add(1, Ordering::Relaxed);
                let (findings, rules) = (findings.clone(), rules.clone());
                std::thread::spawn(move || forward(client, target, &findings, &rules));
            }
        });
    }
    Ok(())
}

fn forward(client: TcpStream, target: SocketAddr, findings: &Findings, rules: &Rules) -> std::io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut server, mut client) = (server, client);
    let mut scan = Scan::new(rules);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let n = server.read(&mut chunk).unwrap_or(0);
        if n == 0 {
            break;
        }
        findings.bytes.fetch_add(n as u64, Ordering::Relaxed);
        scan.feed(&chunk[..n], findings);
        if client.write_all(&chunk[..n]).is_err() {
            break;
        }
    }
    scan.finish(findings);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    Ok(())
}

struct Rules {
    forbidden: Vec<u8>,
    ours: Vec<u8>,
    ports: std::ops::Range<u16>,
}

/// Keeps the end of what has gone by, so that a text cut in two segments is found.
struct Scan<'a> {
    rules: &'a Rules,
    held: Vec<u8>,
}

/// Bytes that must follow an address before it can be judged: an int32 port, or a colon and five digits.
const BEHIND: usize = 6;

impl<'a> Scan<'a> {
    fn new(rules: &'a Rules) -> Self {
        Scan { rules, held: Vec::new() }
    }

    fn feed(&mut self, bytes: &[u8], findings: &Findings) {
        self.held.extend_from_slice(bytes);
        let longest = self.rules.forbidden.len().max(self.rules.ours.len()) + BEHIND;
        if self.held.len() > longest {
            let judged = self.held.len() - longest;
            self.judge(judged, findings);
            self.held.drain(..judged);
        }
    }

    fn finish(&mut self, findings: &Findings) {
        self.judge(self.held.len(), findings);
    }

    /// Looks at all texts that begin before `until`.
    fn judge(&self, until: usize, findings: &Findings) {
        for at in 0..until {
            // Every address of this project begins with "127.": the cheap look first.
            if self.held[at] != b'1' || !self.held[at..].starts_with(b"127.") {
                continue;
            }
            let rest = &self.held[at..];
            if rest.starts_with(&self.rules.forbidden) {
                findings.report(format!("a backend address: {}", show(rest)));
            } else if let Some(behind) = rest.strip_prefix(&self.rules.ours[..]) {
                match ports_of(behind).into_iter().flatten().any(|port| self.rules.ports.contains(&port)) {
                    true => drop(findings.good.fetch_add(1, Ordering::Relaxed)),
                    false => findings.report(format!("doorkeeper's address with a foreign port: {}", show(rest))),
                }
            }
        }
    }
}

/// The port behind a host, as it may be written: `:12345` as text, an int32, or (in DescribeQuorum) an uint16.
fn ports_of(behind: &[u8]) -> [Option<u16>; 3] {
    let text = behind.strip_prefix(b":").and_then(|text| {
        let digits: String = text.iter().take_while(|b| b.is_ascii_digit()).take(5).map(|b| char::from(*b)).collect();
        digits.parse().ok()
    });
    let long = behind.first_chunk::<4>().and_then(|b| u16::try_from(u32::from_be_bytes(*b)).ok());
    [text, long, behind.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))]
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned()
}
