//! A raw client: a socket that sends what it is told, and looks at what comes back.

pub mod bytes;
pub mod records;
pub mod requests;
pub mod scram;
pub mod sealed;
pub mod tls;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ::bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use socket2::{Domain, Socket, Type};

use crate::{Context, Result, check_eq};

/// How long any single answer may take before a trial gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a Kafka listener, of a broker or of doorkeeper.
pub struct Conn {
    stream: Pipe,
    correlation: i32,
}

enum Pipe {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Pipe {
    fn tcp(&self) -> &TcpStream {
        match self {
            Pipe::Plain(stream) => stream,
            Pipe::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Pipe::Plain(stream) => stream.read(buf),
            Pipe::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        match self {
            Pipe::Plain(stream) => stream.write(buf),
            Pipe::Tls(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Pipe::Plain(stream) => stream.flush(),
            Pipe::Tls(stream) => stream.flush(),
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer closed (FIN) or reset.
    Closed,
    /// It was still open when the look ended.
    Open,
}

/// All that came after the last send.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Every byte, sizes included.
    pub bytes: Vec<u8>,
    pub end: End,
    /// From the call to the end of the connection (or of the look).
    pub after: Duration,
    /// What the end was called, where it was no FIN: a TLS alert, say.
    pub why: String,
}

impl Conn {
    pub fn open(to: SocketAddr) -> Result<Conn> {
        Conn::over(TcpStream::connect_timeout(&to, PATIENCE).context(format!("connect to {to}"))?)
    }

    /// A connection from that address of this machine.
    pub fn open_from(from: Ipv4Addr, to: SocketAddr) -> Result<Conn> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("a socket")?;
        socket.bind(&SocketAddr::from((from, 0)).into()).context(format!("bind to {from}"))?;
        socket.connect_timeout(&to.into(), PATIENCE).context(format!("connect from {from} to {to}"))?;
        Conn::over(socket.into())
    }

    /// What the server has shown, in DER, if there is TLS.
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Pipe::Plain(_) => None,
            Pipe::Tls(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
        }
    }

    fn over(stream: TcpStream) -> Result<Conn> {
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        stream.set_read_timeout(Some(PATIENCE)).context("set a time limit")?;
        stream.set_write_timeout(Some(PATIENCE)).context("set a time limit")?;
        Ok(Conn { stream: Pipe::Plain(stream), correlation: 1 })
    }

    /// A connection whose TLS handshake is done, as far as the client can tell: a server with TLS 1.3 may refuse its certificate
    /// afterwards.
    pub fn open_tls(to: SocketAddr, client: &tls::Client) -> Result<Conn> {
        Conn::open(to)?.start_tls(client, to)
    }

    /// The handshake on a connection that has carried other bytes before; the server's certificate has to be for `to`, unless the
    /// client asks for a name.
    pub fn start_tls(self, client: &tls::Client, to: SocketAddr) -> Result<Conn> {
        let Pipe::Plain(stream) = self.stream else { return Err("TLS inside of TLS".into()) };
        let mut stream = rustls::StreamOwned::new(client.connection(to)?, stream);
        stream.conn.complete_io(&mut stream.sock).context(format!("TLS handshake with {to}"))?;
        Ok(Conn { stream: Pipe::Tls(Box::new(stream)), correlation: 1 })
    }

    /// A connection on which PLAIN has succeeded.
    pub fn login(to: SocketAddr, user: &str, password: &str) -> Result<Conn> {
        let mut conn = Conn::open(to)?;
        conn.log_in(user, password)?;
        Ok(conn)
    }

    /// The same, inside TLS.
    pub fn login_tls(to: SocketAddr, client: &tls::Client, user: &str, password: &str) -> Result<Conn> {
        let mut conn = Conn::open_tls(to, client)?;
        conn.log_in(user, password)?;
        Ok(conn)
    }

    /// PLAIN, which has to succeed.
    pub fn log_in(&mut self, user: &str, password: &str) -> Result<()> {
        self.handshake("PLAIN")?;
        let reply = self.call(1, &requests::plain(user, password))?;
        check_eq!(reply.error_code, 0, "login of {user}: {:?}", reply.error_message);
        Ok(())
    }

    /// SaslHandshake v1 that has to be accepted.
    pub fn handshake(&mut self, mechanism: &str) -> Result<()> {
        let reply = self.call(1, &requests::handshake(mechanism))?;
        check_eq!(reply.error_code, 0, "SaslHandshake for {mechanism}");
        Ok(())
    }

    /// The TLS side of a connection that has one.
    pub fn tls(&self) -> Option<&rustls::ClientConnection> {
        match &self.stream {
            Pipe::Plain(_) => None,
            Pipe::Tls(stream) => Some(&stream.conn),
        }
    }

    pub fn stream(&self) -> &TcpStream {
        self.stream.tcp()
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).context("send")
    }

    /// No more bytes from this side.
    pub fn finish(&mut self) -> Result<()> {
        self.stream.tcp().shutdown(Shutdown::Write).context("shut down the sending side")
    }

    /// Sends a typed request; gives its correlation id.
    pub fn request<R: Request>(&mut self, version: i16, body: &R) -> Result<i32> {
        let correlation = self.correlation;
        self.correlation += 1;
        let frame = frame_of(version, correlation, body)?;
        self.send(&frame)?;
        Ok(correlation)
    }

    /// The next answer, which has to be the one to `correlation`.
    pub fn answer<R: Request>(&mut self, version: i16, correlation: i32) -> Result<R::Response> {
        let mut frame = self.frame().context(format!("answer to api {} v{version}", R::KEY))?;
        let header =
            ResponseHeader::decode(&mut frame, R::Response::header_version(version)).context("answer header")?;
        check_eq!(header.correlation_id, correlation, "correlation id of the answer to api {} v{version}", R::KEY);
        let body = R::Response::decode(&mut frame, version).context(format!("answer to api {} v{version}", R::KEY))?;
        check_eq!(frame.len(), 0, "bytes left behind the answer to api {} v{version}", R::KEY);
        Ok(body)
    }

    pub fn call<R: Request>(&mut self, version: i16, body: &R) -> Result<R::Response> {
        let correlation = self.request(version, body)?;
        self.answer::<R>(version, correlation)
    }

    /// The next frame without its size.
    pub fn frame(&mut self) -> Result<Bytes> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).context("read a size")?;
        let size = u32::from_be_bytes(size) as usize;
        if size > 200 << 20 {
            return Err(format!("a frame of {size} bytes is announced"));
        }
        let mut body = BytesMut::zeroed(size);
        self.stream.read_exact(&mut body).context(format!("read a frame of {size} bytes"))?;
        Ok(body.freeze())
    }

    /// Reads on until the peer closes or `limit` has passed.
    pub fn outcome(&mut self, limit: Duration) -> Outcome {
        let begin = Instant::now();
        let mut bytes = Vec::new();
        let mut chunk = [0; 16 << 10];
        let ended = |bytes, end, why: String| Outcome { bytes, end, after: begin.elapsed(), why };
        loop {
            let left = limit.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return ended(bytes, End::Open, String::new());
            }
            let _ = self.stream.tcp().set_read_timeout(Some(left));
            match self.stream.read(&mut chunk) {
                Ok(0) => return ended(bytes, End::Closed, String::new()),
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(e) => return ended(bytes, End::Closed, e.to_string()),
            }
        }
    }
}

/// A whole frame: size, header, body.
pub fn frame_of<R: Request>(version: i16, correlation: i32, body: &R) -> Result<Bytes> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("proto-tests")));
    let mut out = BytesMut::zeroed(4);
    header.encode(&mut out, R::header_version(version)).context("encode a header")?;
    body.encode(&mut out, version).context(format!("encode api {} v{version}", R::KEY))?;
    let size = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&size.to_be_bytes());
    Ok(out.freeze())
}
