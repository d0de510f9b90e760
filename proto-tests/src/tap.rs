//! A tap between clients and a doorkeeper: it forwards every byte, and looks at those that clients receive for addresses that
//! they must never see.

use std::collections::BTreeSet;
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
    asked: Mutex<BTreeSet<(i16, i16)>>,
}

impl Findings {
    /// API key and version of every kind of request that went through.
    pub fn asked(&self) -> BTreeSet<(i16, i16)> {
        self.asked.lock().map(|asked| asked.clone()).unwrap_or_default()
    }

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

fn forward(client: TcpStream, target: SocketAddr, findings: &Arc<Findings>, rules: &Rules) -> std::io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let asking = findings.clone();
    std::thread::spawn(move || {
        let mut requests = Requests::default();
        let mut chunk = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from_client.read(&mut chunk) {
            requests.feed(&chunk[..n], |key, version| {
                if let Ok(mut asked) = asking.asked.lock() {
                    asked.insert((key, version));
                }
            });
            if to_server.write_all(&chunk[..n]).is_err() {
                break;
            }
        }
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

/// Walks over frames, and takes note of the first four bytes in each: API key and version.
#[derive(Default)]
struct Requests {
    head: Vec<u8>,
    left: usize,
}

impl Requests {
    fn feed(&mut self, mut bytes: &[u8], mut note: impl FnMut(i16, i16)) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            if let [a, b, c, d, k, l, v, w] = self.head[..] {
                self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                note(i16::from_be_bytes([k, l]), i16::from_be_bytes([v, w]));
                self.head.clear();
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(pieces: &[&[u8]]) -> (u64, Vec<String>) {
        let rules = Rules { forbidden: b"127.77.9.".to_vec(), ours: b"127.79.9.1".to_vec(), ports: 100..200 };
        let findings = Findings::default();
        let mut scan = Scan::new(&rules);
        pieces.iter().for_each(|piece| scan.feed(piece, &findings));
        scan.finish(&findings);
        (findings.good.load(Ordering::Relaxed), findings.wrong())
    }

    #[test]
    fn finds_an_address_wherever_it_is_cut() {
        let text = b"some bytes before\x0b127.77.9.1\x00\x00\x4a\x9d and a lot of bytes behind it";
        for cut in 0..text.len() {
            let (good, wrong) = scanned(&[&text[..cut], &text[cut..]]);
            assert_eq!((good, wrong.len()), (0, 1), "cut at {cut}");
        }
        let (_, wrong) = scanned(&[&text[..28]]);
        assert_eq!(wrong.len(), 1, "at the very end");
    }

    #[test]
    fn judges_the_port_behind_its_own_address() {
        for good in [&b"127.79.9.1\0\0\0\x96...."[..], b"127.79.9.1:150/", b"127.79.9.1\x00\x96\x01\x01"] {
            assert_eq!(scanned(&[good]), (1, vec![]));
        }
        for bad in [&b"127.79.9.1\0\0\x4a\x9d...."[..], b"127.79.9.1:9092/", b"127.79.9.1"] {
            assert_eq!(scanned(&[bad]).1.len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn reads_the_head_of_each_request() {
        let frames = [0, 0, 0, 6, 0, 18, 0, 3, 9, 9, 0, 0, 0, 4, 0, 3, 0, 12];
        for cut in 0..frames.len() {
            let (mut requests, mut seen) = (Requests::default(), Vec::new());
            requests.feed(&frames[..cut], |k, v| seen.push((k, v)));
            requests.feed(&frames[cut..], |k, v| seen.push((k, v)));
            assert_eq!(seen, [(18, 3), (3, 12)], "cut at {cut}");
        }
    }
}
