//! A stand-in for an issuer that publishes keys, for what a real one can't be made to do: bodies without end, redirects, answers byte by
//! byte. It counts what it is asked and what it could send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::{Context, Result, address};

/// What it answers to every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 with that body.
    Body(Vec<u8>),
    /// 200 with that type of content and body.
    Typed(&'static str, Vec<u8>),
    /// 200 with those further header lines (each ended by CR LF) and that body.
    With(String, Vec<u8>),
    /// That status, without a body.
    Status(u16),
    /// 302 to another place.
    Redirect(String),
    /// 200, a length of 2^40, and blanks until the other side has enough.
    Endless,
    /// The same in chunks, without a length.
    EndlessChunks,
    /// 200, then header lines without end.
    EndlessHead,
    /// 200 with that body, one byte a second.
    Dribble(Vec<u8>),
    /// 200, the promise of that body, half of it, and the end.
    Cut(Vec<u8>),
    /// Reads the request and says nothing.
    Silence,
    /// Closes at once.
    Close,
}

/// What it has seen since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub connections: u64,
    pub requests: u64,
    /// Bytes that the other side's kernel took.
    pub sent: u64,
    /// How long the slowest answer was under way until it ended or the other side had enough.
    pub longest: Duration,
}

/// A running stand-in. It lives as long as the process.
#[derive(Clone)]
pub struct FalseIssuer {
    pub at: SocketAddr,
    state: Arc<State>,
}

struct State {
    answer: Mutex<Answer>,
    connections: AtomicU64,
    requests: AtomicU64,
    sent: AtomicU64,
    longest: Mutex<Duration>,
}

impl FalseIssuer {
    pub fn start(answer: Answer) -> Result<FalseIssuer> {
        let host = address::issuer(address::next(address::Role::Issuer));
        Self::start_at((host, address::free_ports(host, 18_000, 1)?).into(), answer)
    }

    pub fn start_at(at: SocketAddr, answer: Answer) -> Result<FalseIssuer> {
        let listener = TcpListener::bind(at).context(format!("stand-in issuer at {at}"))?;
        let state = Arc::new(State {
            answer: Mutex::new(answer),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            longest: Mutex::new(Duration::ZERO),
        });
        let server = FalseIssuer { at, state };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.state.connections.fetch_add(1, Ordering::Relaxed);
                let serving = serving.clone();
                std::thread::spawn(move || serving.state.serve(stream));
            }
        });
        Ok(server)
    }

    /// Where it would have its keys; any path does.
    pub fn jwks_url(&self) -> String {
        format!("http://{}/jwks", self.at)
    }

    /// From now on it answers so.
    pub fn tell(&self, answer: Answer) {
        *self.state.answer.lock().unwrap_or_else(|e| e.into_inner()) = answer;
    }

    pub fn seen(&self) -> Seen {
        Seen {
            connections: self.state.connections.load(Ordering::Relaxed),
            requests: self.state.requests.load(Ordering::Relaxed),
            sent: self.state.sent.load(Ordering::Relaxed),
            longest: *self.state.longest.lock().unwrap_or_else(|e| e.into_inner()),
        }
    }
}

impl State {
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        loop {
            let head = read_head(&mut stream)?;
            self.requests.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer.lock().unwrap_or_else(|e| e.into_inner()).clone();
            let begin = Instant::now();
            let goes_on = self.answer(&mut stream, &answer);
            let mut longest = self.longest.lock().unwrap_or_else(|e| e.into_inner());
            *longest = begin.elapsed().max(*longest);
            drop(longest);
            goes_on?;
            if head.to_lowercase().contains("connection: close") {
                return None;
            }
        }
    }

    /// None: that was the last answer here.
    fn answer(&self, stream: &mut TcpStream, answer: &Answer) -> Option<()> {
        let ok = |more: &str, len: usize| format!("HTTP/1.1 200 OK\r\n{more}Content-Length: {len}\r\n\r\n");
        let json = "Content-Type: application/json\r\n";
        let end = match answer {
            Answer::Body(body) => return self.send(stream, &[ok(json, body.len()).as_bytes(), body].concat()),
            Answer::Typed(kind, body) => {
                let head = ok(&format!("Content-Type: {kind}\r\n"), body.len());
                return self.send(stream, &[head.as_bytes(), body].concat());
            }
            Answer::With(lines, body) => {
                return self.send(stream, &[ok(lines, body.len()).as_bytes(), body].concat());
            }
            Answer::Status(code) => {
                return self.send(stream, format!("HTTP/1.1 {code} So\r\nContent-Length: 0\r\n\r\n").as_bytes());
            }
            Answer::Redirect(to) => {
                let text = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
                return self.send(stream, text.as_bytes());
            }
            Answer::Endless => {
                self.send(stream, ok(json, 1 << 40).as_bytes())?;
                self.forever(stream, &[b' '; 16 << 10])
            }
            Answer::EndlessChunks => {
                let head = format!("HTTP/1.1 200 OK\r\n{json}Transfer-Encoding: chunked\r\n\r\n");
                self.send(stream, head.as_bytes())?;
                self.forever(stream, format!("4000\r\n{}\r\n", " ".repeat(0x4000)).as_bytes())
            }
            Answer::EndlessHead => {
                self.send(stream, b"HTTP/1.1 200 OK\r\n")?;
                self.forever(stream, "X-More: and more\r\n".repeat(1000).as_bytes())
            }
            Answer::Dribble(body) => {
                let text = [ok(json, body.len()).as_bytes(), body].concat();
                text.iter().try_for_each(|byte| {
                    self.send(stream, &[*byte])?;
                    std::thread::sleep(Duration::from_secs(1));
                    Some(())
                })
            }
            Answer::Cut(body) => {
                let text = [ok(json, body.len()).as_bytes(), &body[..body.len() / 2]].concat();
                self.send(stream, &text)
            }
            Answer::Silence => wait_for_end(stream),
            Answer::Close => None,
        };
        end.and(None)
    }

    fn forever(&self, stream: &mut TcpStream, piece: &[u8]) -> Option<()> {
        loop {
            self.send(stream, piece)?;
        }
    }

    fn send(&self, stream: &mut TcpStream, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let n = stream.write(bytes).ok().filter(|n| *n > 0)?;
            self.sent.fetch_add(n as u64, Ordering::Relaxed);
            bytes = &bytes[n..];
        }
        Some(())
    }
}

fn wait_for_end(stream: &mut TcpStream) -> Option<()> {
    let mut rest = [0; 512];
    while stream.read(&mut rest).ok()? > 0 {}
    None
}

/// A request up to the blank line; None at the end of the connection. (Nobody sends it a body.)
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        if head.len() > 64 << 10 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
