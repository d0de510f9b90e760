//! Runs rows of hostile input against a listener and judges what comes back.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::FAILURE_DELAY;
use crate::wire::{Conn, End};
use crate::{Context, Result, check};

/// Milliseconds that the doorkeeper of these rows gives to a client before it has authenticated.
pub const DEADLINE: u64 = 5_000;

/// One row: what is sent, and what has to happen at doorkeeper and at a real broker.
pub struct Case {
    /// The number in the corpus, with a word when one number has several rows.
    pub id: String,
    pub listener: Listener,
    pub steps: Vec<Step>,
    pub front: Expect,
    /// None: not run against the broker.
    pub kafka: Option<Expect>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    Sasl,
    Plaintext,
    /// With TLS, before any handshake.
    Ssl,
    SaslSsl,
}

pub enum Step {
    Send(Vec<u8>),
    /// Waits for exactly this many frames, and drops them.
    Skip(usize),
    /// Waits for a frame, and sends what the row makes of it.
    Answer(Answer),
    /// Each byte in a segment of its own.
    Bytewise(Vec<u8>),
    /// Nothing for so many milliseconds.
    Wait(u64),
    /// One byte each time that many milliseconds have passed, for as long as the look lasts.
    Drip(Vec<u8>, u64),
    /// A byte out of band.
    Urgent(u8),
    /// FIN.
    Finish,
    /// RST.
    Reset,
}

/// What is sent when that frame (without its size) has come.
pub type Answer = Box<dyn Fn(&[u8]) -> Result<Vec<u8>> + Send + Sync>;

#[derive(Clone)]
pub struct Expect {
    pub reply: Reply,
    pub end: Ending,
}

/// The bytes that come, all of them.
#[derive(Clone)]
pub enum Reply {
    Nothing,
    Exactly(Vec<u8>),
    /// So many frames, each beginning (behind its size) with these bytes.
    Frames(Vec<Vec<u8>>),
    /// One frame that begins with these bytes, behind which a token of any length stands that begins with those.
    Token(Vec<u8>, Vec<u8>),
    /// TLS records, the last of them an alert in plain text, one of these; none where none is named.
    Alert(Vec<u8>),
    /// TLS records, the first of them a handshake's: the server has said hello.
    Hello,
    /// At most that many frames.
    AtMost(usize),
    Whatever,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Closed before the failure delay could have passed.
    AtOnce,
    /// Closed after the failure delay.
    Delayed,
    /// Closed at the deadline for authentication.
    Deadline,
    /// Closed, no matter when before the deadline.
    Closed,
    /// Open after more than the failure delay.
    Open,
    /// Not looked at: this side has gone.
    Gone,
}

/// What a row's failure begins with where only the time of its end was wrong.
const LATE: &str = "right bytes, but";

/// Runs every row that applies, some dozen at a time: most of the time they only wait. A few that did the right thing at the
/// wrong time are looked at once more, one by one: on a busy machine "at once" can take longer than the failure delay. Wrong
/// bytes, or a connection that should have been closed, get no second look.
pub fn run_all(cases: &[Case], at: impl Fn(&Case) -> Option<(SocketAddr, Expect)> + Sync) -> Vec<Result<()>> {
    let next = AtomicUsize::new(0);
    let verdicts: Mutex<Vec<Result<()>>> = Mutex::new(vec![Ok(()); cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(i) else { break };
                    if let Some((to, expect)) = at(case) {
                        let verdict = run(case, to, &expect).context(&case.id);
                        verdicts.lock().expect("no holder panics")[i] = verdict;
                    }
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().expect("no holder panics");
    let failed: Vec<usize> = (0..cases.len()).filter(|i| was_late(&verdicts[*i])).collect();
    for i in failed.into_iter().take(8) {
        if let Some((to, expect)) = at(&cases[i]) {
            verdicts[i] = run(&cases[i], to, &expect).context(&cases[i].id);
        }
    }
    verdicts
}

fn run(case: &Case, to: SocketAddr, expect: &Expect) -> Result<()> {
    let begin = Instant::now();
    let mut conn = Conn::open(to)?;
    for step in &case.steps {
        match step {
            // The peer may close while this side still sends: that is part of the outcome, seen below.
            Step::Send(bytes) => drop(conn.send(bytes)),
            Step::Skip(frames) => {
                for _ in 0..*frames {
                    conn.frame()?;
                }
            }
            Step::Answer(answer) => {
                let bytes = answer(&conn.frame()?)?;
                drop(conn.send(&bytes));
            }
            Step::Bytewise(bytes) => bytes.iter().for_each(|b| drop(conn.send(&[*b]))),
            Step::Wait(millis) => std::thread::sleep(Duration::from_millis(*millis)),
            Step::Drip(bytes, pause) => {
                let (bytes, pause) = (bytes.clone(), Duration::from_millis(*pause));
                let mut stream = conn.stream().try_clone().context("a second handle")?;
                std::thread::spawn(move || {
                    bytes.iter().all(|b| {
                        std::thread::sleep(pause);
                        stream.write_all(&[*b]).is_ok()
                    })
                });
            }
            Step::Urgent(byte) => {
                let socket = socket2::SockRef::from(conn.stream());
                socket.send_out_of_band(&[*byte]).context("send out of band")?;
            }
            Step::Finish => conn.finish()?,
            Step::Reset => {
                let socket = socket2::SockRef::from(conn.stream());
                socket.set_linger(Some(Duration::ZERO)).context("set SO_LINGER")?;
                return Ok(());
            }
        }
    }
    let sent = begin.elapsed();
    let limit = match expect.end {
        Ending::Open => FAILURE_DELAY + 800,
        Ending::Deadline => DEADLINE * 3,
        _ => FAILURE_DELAY + 15_000,
    };
    let seen = conn.outcome(Duration::from_millis(limit));
    judge_reply(&expect.reply, &seen.bytes)?;
    let after = seen.after.as_millis() as u64;
    let whole = (sent + seen.after).as_millis() as u64;
    let ended = format!("{:?} {after} ms after the last byte, {whole} ms after connecting", seen.end);
    let right = match expect.end {
        Ending::Open => seen.end == End::Open,
        Ending::Gone => true,
        _ if seen.end == End::Open => false,
        Ending::AtOnce => after < FAILURE_DELAY - 300,
        // The peer's clock may have begun a little before ours.
        Ending::Delayed => (FAILURE_DELAY - 200..DEADLINE - 200).contains(&after),
        Ending::Deadline => (DEADLINE - 200..DEADLINE + 3_000).contains(&whole),
        Ending::Closed => true,
    };
    let closed_or_open = (expect.end == Ending::Open) == (seen.end == End::Open) || expect.end == Ending::Gone;
    check!(closed_or_open, "expected {:?}, seen {ended}; bytes {}", expect.end, hex(&seen.bytes));
    check!(right, "{LATE} expected {:?}, seen {ended}; bytes {}", expect.end, hex(&seen.bytes));
    Ok(())
}

fn was_late(verdict: &Result<()>) -> bool {
    verdict.as_ref().is_err_and(|e| e.to_string().contains(LATE))
}

fn judge_reply(expect: &Reply, bytes: &[u8]) -> Result<()> {
    match expect {
        Reply::Whatever => {}
        Reply::Nothing => check!(bytes.is_empty(), "expected no byte, seen {}", hex(bytes)),
        Reply::Alert(codes) => {
            let last = records(bytes)?.pop();
            let code = last.filter(|(kind, body)| *kind == 21 && body.len() == 2).map(|(_, body)| body[1]);
            match code {
                Some(code) => check!(codes.contains(&code), "expected one of the alerts {codes:?}, seen {code}"),
                None => {
                    check!(codes.is_empty() && bytes.is_empty(), "expected an alert of {codes:?}, seen {}", hex(bytes))
                }
            }
        }
        Reply::Hello => {
            let first = records(bytes)?.first().map(|(kind, body)| (*kind, body.first().copied()));
            check!(first == Some((22, Some(2))), "expected a ServerHello, seen {}", hex(bytes));
        }
        Reply::Exactly(want) => check!(bytes == want, "expected {}\n    seen {}", hex(want), hex(bytes)),
        Reply::Token(head, start) => {
            let frames = frames(bytes)?;
            let token = frames.first().and_then(|f| f.strip_prefix(&head[..])).and_then(|rest| rest.get(4..));
            let right = frames.len() == 1 && token.is_some_and(|t| t.starts_with(start));
            check!(right, "expected a token with {}\n    seen {}", hex(start), hex(bytes));
        }
        Reply::AtMost(most) => {
            let n = frames(bytes)?.len();
            check!(n <= *most, "expected at most {most} frames, seen {n}");
        }
        Reply::Frames(heads) => {
            let frames = frames(bytes)?;
            check!(
                frames.len() == heads.len(),
                "expected {} frames, seen {}: {}",
                heads.len(),
                frames.len(),
                hex(bytes)
            );
            for (frame, head) in frames.iter().zip(heads) {
                check!(frame.starts_with(head), "expected a frame with {}\n    seen {}", hex(head), hex(frame));
            }
        }
    }
    Ok(())
}

/// Type and content of each TLS record in `bytes`, which has to end with one.
pub fn records(mut bytes: &[u8]) -> Result<Vec<(u8, &[u8])>> {
    let mut all = Vec::new();
    while let Some(([kind, _, _, high, low], rest)) = bytes.split_first_chunk::<5>() {
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        check!(size <= rest.len(), "a TLS record of {size} bytes ends after {}", rest.len());
        let (body, rest) = rest.split_at(size);
        all.push((*kind, body));
        bytes = rest;
    }
    check!(bytes.is_empty(), "no TLS record: {}", hex(bytes));
    Ok(all)
}

/// The frames in `bytes`, which has to end with one.
pub fn frames(mut bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let mut all = Vec::new();
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        check!(size <= rest.len(), "a frame of {size} bytes ends after {}", rest.len());
        let (frame, rest) = rest.split_at(size);
        all.push(frame);
        bytes = rest;
    }
    check!(bytes.is_empty(), "{} bytes behind the last frame", bytes.len());
    Ok(all)
}

pub fn hex(bytes: &[u8]) -> String {
    let mut out: String = bytes.iter().take(96).map(|b| format!("{b:02x}")).collect();
    if bytes.len() > 96 {
        out.push_str(&format!("... ({} bytes)", bytes.len()));
    }
    format!("[{out}]")
}
