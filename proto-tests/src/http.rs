//! A plain HTTP/1.1 client for doorkeeper's endpoint of metrics and health, and for the issuer of tokens.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::{Context, Result, check_eq};

/// One answer, read until the other side closed.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// The status line and the header lines, lower case.
    pub head: String,
    pub body: String,
}

/// Sends the bytes as they are, and reads until the other side closes. A reset behind an answer is an end too.
pub fn exchange(to: SocketAddr, request: &[u8]) -> Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(20)).context(format!("connect to {to}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).context("set a time limit")?;
    stream.write_all(request).context("send")?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or(format!("no answer: {text:?}, {read:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(format!("no status: {head:?}"))?;
    Ok(Reply { status, head: head.to_lowercase(), body: body.to_owned() })
}

pub fn get(to: SocketAddr, path: &str) -> Result<Reply> {
    exchange(to, format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes())
}

/// With these header lines, each ended by CR LF, beside those that a body needs. The answer's body has to come in one piece.
pub fn post(to: SocketAddr, path: &str, headers: &str, body: &str) -> Result<Reply> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    let reply = exchange(to, (head + body).as_bytes())?;
    crate::check!(!reply.head.contains("transfer-encoding"), "an answer in chunks: {}", reply.head);
    Ok(reply)
}

/// All samples of `/metrics`, by name and labels.
pub fn scrape(to: SocketAddr) -> Result<BTreeMap<String, f64>> {
    let reply = get(to, "/metrics")?;
    check_eq!(reply.status, 200, "/metrics: {}", reply.body);
    let mut samples = BTreeMap::new();
    for line in reply.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').ok_or(format!("no sample: {line:?}"))?;
        let value = value.parse().context(format!("the value of {line:?}"))?;
        if samples.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(samples)
}
