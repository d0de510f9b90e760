//! One raw blocking connection to one of the targets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use rustls::ClientConfig;

use crate::tls::TlsStream;
use crate::wire::{self, Metadata};
use crate::{Res, USER};

/// No single answer may take longer: a target that hangs is a failure, not a slow round.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a load goes: the address to dial, whether one must log in there, and with which TLS if any.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    pub addr: SocketAddr,
    pub login: bool,
    pub tls: Option<&'static Arc<ClientConfig>>,
}

impl Endpoint {
    pub fn plain(addr: SocketAddr) -> Self {
        Self { addr, login: false, tls: None }
    }

    pub fn with_login(self) -> Self {
        Self { login: true, ..self }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

pub struct Conn {
    stream: Stream,
    correlation: i32,
    buffer: Vec<u8>,
    trash: Vec<u8>,
}

impl Conn {
    /// Connects, with a TLS handshake where the endpoint wants one.
    pub fn dial(endpoint: Endpoint) -> Res<Self> {
        let tcp = TcpStream::connect_timeout(&endpoint.addr, PATIENCE)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let stream = match endpoint.tls {
            None => Stream::Plain(tcp),
            Some(config) => Stream::Tls(Box::new(TlsStream::connect(tcp, config)?)),
        };
        Ok(Self { stream, correlation: 0, buffer: Vec::new(), trash: Vec::new() })
    }

    /// Says goodbye as TLS does; without TLS there is nothing to say.
    pub fn close(self) -> Res<()> {
        match self.stream {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(mut tls) => tls.close(),
        }
    }

    /// The TLS connection itself.
    pub fn into_tls(self) -> Res<TlsStream> {
        match self.stream {
            Stream::Plain(_) => Err("this connection has no TLS".into()),
            Stream::Tls(tls) => Ok(*tls),
        }
    }

    /// Dials, and logs in where the endpoint asks for it.
    pub fn open(endpoint: Endpoint) -> Res<Self> {
        let mut conn = Self::dial(endpoint)?;
        if endpoint.login {
            let frames = LoginFrames::new();
            conn.log_in(&frames)?;
        }
        Ok(conn)
    }

    pub fn log_in(&mut self, frames: &LoginFrames) -> Res<()> {
        for (frame, check) in frames.steps() {
            let answer = self.call(frame)?;
            check(answer)?;
        }
        Ok(())
    }

    /// Sends a frame (its correlation id is overwritten) and gives what follows the answer's correlation id.
    pub fn call(&mut self, frame: &[u8]) -> Res<&[u8]> {
        let mut frame = frame.to_vec();
        let id = self.stamp(&mut frame);
        self.send(&frame)?;
        self.receive(id)
    }

    /// Puts the next correlation id into `frame` and gives it.
    pub fn stamp(&mut self, frame: &mut [u8]) -> i32 {
        self.correlation += 1;
        frame[8..12].copy_from_slice(&self.correlation.to_be_bytes());
        self.correlation
    }

    pub fn send(&mut self, bytes: &[u8]) -> Res<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => Ok(tcp.write_all(bytes)?),
            Stream::Tls(tls) => tls.write_all(bytes),
        }
    }

    /// What has come so far, at least a byte.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Res<usize> {
        let n = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(buffer)?,
            Stream::Tls(tls) => tls.read(buffer)?,
        };
        match n {
            0 => Err("closed by the other side, or no room to read into".into()),
            n => Ok(n),
        }
    }

    pub fn receive(&mut self, id: i32) -> Res<&[u8]> {
        let len = self.length()?;
        self.buffer.resize(len, 0);
        self.stream.read_exact(&mut self.buffer)?;
        same_id(&self.buffer, id)?;
        Ok(&self.buffer[4..])
    }

    /// As `receive`, but only the first `head` bytes come here; the rest is dropped (without TLS by the kernel). Gives the
    /// frame's length too.
    pub fn receive_head(&mut self, id: i32, head: usize) -> Res<(&[u8], usize)> {
        let len = self.length()?;
        self.buffer.resize(len.min(head), 0);
        self.stream.read_exact(&mut self.buffer)?;
        same_id(&self.buffer, id)?;
        self.stream.skip(len - self.buffer.len(), &mut self.trash)?;
        Ok((&self.buffer[4..], len))
    }

    fn length(&mut self) -> Res<usize> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        match i32::from_be_bytes(len) {
            n @ 4..=0x1000_0000 => Ok(n as usize),
            n => Err(format!("a response of {n} bytes").into()),
        }
    }

    pub fn metadata(&mut self, topics: &[&str]) -> Res<Metadata> {
        wire::read_metadata(self.call(&wire::metadata(topics))?)
    }

    /// Creates the topic, waits until its partitions have leaders, and gives its id.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Res<[u8; 16]> {
        // v4: throttle time, then one entry: name, error code, message
        let answer = self.call(&wire::create_topic(name, partitions, configs))?.to_vec();
        let mut r = wire::Reader(&answer);
        r.take(8)?;
        let n = r.i16()? as usize;
        r.take(n)?;
        let error = r.i16()?;
        if error != 0 {
            return Err(format!("creating topic {name}: error {error}").into());
        }
        let start = Instant::now();
        // Metadata can name a leader that does not know yet that it is one: it must answer a fetch too.
        while start.elapsed() < PATIENCE {
            if let Some((0, id, led)) = self.metadata(&[name])?.topic
                && led == partitions as usize
                && (0..partitions).all(|partition| self.leads(&id, partition))
            {
                return Ok(id);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("topic {name} gets no leaders").into())
    }

    fn leads(&mut self, topic_id: &[u8; 16], partition: i32) -> bool {
        let answer = self.call(&wire::fetch(topic_id, partition, 0, 1));
        answer.is_ok_and(|body| wire::records_len(&mut wire::Reader(body)).is_ok())
    }

    pub fn delete_topic(&mut self, name: &str) -> Res<()> {
        self.call(&wire::delete_topic(name)).map(drop)
    }
}

impl Stream {
    fn read_exact(&mut self, buffer: &mut [u8]) -> Res<()> {
        match self {
            Stream::Plain(tcp) => Ok(tcp.read_exact(buffer)?),
            Stream::Tls(tls) => tls.read_exact(buffer),
        }
    }

    fn skip(&mut self, mut n: usize, trash: &mut Vec<u8>) -> Res<()> {
        let tcp = match self {
            Stream::Tls(tls) => return tls.skip(n),
            Stream::Plain(tcp) => tcp,
        };
        trash.resize(1 << 20, 0);
        while n > 0 {
            let most = n.min(trash.len());
            let (_, dropped) = rustix::net::recv(&*tcp, &mut trash[..most], RecvFlags::TRUNC)?;
            if dropped == 0 {
                return Err("closed in the middle of a response".into());
            }
            n -= dropped;
        }
        Ok(())
    }
}

fn same_id(frame: &[u8], id: i32) -> Res<()> {
    if frame.get(..4) != Some(&id.to_be_bytes()) {
        return Err(format!("an answer to another request than {id}").into());
    }
    Ok(())
}

/// The three frames of a PLAIN login, encoded once.
pub struct LoginFrames([Vec<u8>; 3]);

type Check = fn(&[u8]) -> Res<()>;

impl LoginFrames {
    pub fn new() -> Self {
        Self([wire::api_versions(), wire::sasl_handshake("PLAIN"), wire::sasl_plain(USER.0, USER.1)])
    }

    /// Each frame with what looks at its answer (from after the correlation id).
    pub fn steps(&self) -> [(&[u8], Check); 3] {
        let plain: Check = |body| wire::error_code("ApiVersions or SaslHandshake", body);
        let flexible: Check = |body| wire::error_code("SaslAuthenticate", body.get(1..).unwrap_or_default());
        [(&self.0[0], plain), (&self.0[1], plain), (&self.0[2], flexible)]
    }
}
