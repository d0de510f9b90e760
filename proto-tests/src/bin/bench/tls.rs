//! The client's TLS: one version, one suite, one group, never a resumed session, so that every target does the same work.
//!
//! Cheap, as the rest of the client: several records in one write, reads as large as what has come, and what need not be
//! looked at is dropped record by record after it was decrypted and its tag checked.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion};

use crate::Res;

/// Plaintext per write.
const CHUNK: usize = 128 << 10;
/// Each record of a write: header, content type and tag.
const OVERHEAD: usize = 5 + 1 + 16;
const RECORD: usize = 16 << 10;
/// What one read takes at most; a connection that never gets much keeps a small buffer.
const MOST: usize = 256 << 10;

/// A TLS connection over a blocking socket.
pub struct TlsStream {
    tcp: TcpStream,
    tls: UnbufferedClientConnection,
    incoming: Vec<u8>,
    /// What of `incoming` has come and was not looked at.
    at: usize,
    end: usize,
    outgoing: Vec<u8>,
    /// Decrypted and not asked for yet, from `rest_at` on.
    rest: Vec<u8>,
    rest_at: usize,
}

/// What a look at the bytes that have come led to.
enum Step {
    /// Something was done; there may be more to do.
    On,
    /// Nothing is left to do but to write, or to read more.
    Ready,
    NeedsMore,
    Closed,
}

impl TlsStream {
    pub fn connect(tcp: TcpStream, config: &Arc<ClientConfig>) -> Res<Self> {
        let name = ServerName::from(tcp.peer_addr()?.ip());
        let tls = UnbufferedClientConnection::new(config.clone(), name)?;
        let incoming = vec![0; 8 << 10];
        let mut stream = Self { tcp, tls, incoming, at: 0, end: 0, outgoing: Vec::new(), rest: Vec::new(), rest_at: 0 };
        stream.until_ready()?;
        stream.agreed()?;
        Ok(stream)
    }

    /// What was agreed on; anything else than what all targets must use is an error.
    pub fn agreed(&self) -> Res<String> {
        let (Some(version), Some(suite), Some(group), Some(kind)) = (
            self.tls.protocol_version(),
            self.tls.negotiated_cipher_suite().map(|suite| suite.suite()),
            self.tls.negotiated_key_exchange_group().map(|group| group.name()),
            self.tls.handshake_kind(),
        ) else {
            return Err("TLS does not say what was agreed on".into());
        };
        let text = format!("{version:?}, {suite:?}, {group:?}, {kind:?} handshake");
        let wanted = version == ProtocolVersion::TLSv1_3
            && suite == CipherSuite::TLS13_AES_128_GCM_SHA256
            && group == NamedGroup::X25519
            && kind == HandshakeKind::Full;
        if wanted { Ok(text) } else { Err(format!("not what every target must agree on: {text}").into()) }
    }

    pub fn write_all(&mut self, bytes: &[u8]) -> Res<()> {
        for chunk in bytes.chunks(CHUNK) {
            let most = chunk.len() + chunk.len().div_ceil(RECORD) * OVERHEAD;
            if self.outgoing.len() < most {
                self.outgoing.resize(most, 0);
            }
            self.write(|writer, out| Ok(writer.encrypt(chunk, out)?))?;
        }
        Ok(())
    }

    /// At least a byte; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Res<usize> {
        while self.rest_at == self.rest.len() {
            self.rest.clear();
            self.rest_at = 0;
            if self.more(&mut 0)? {
                return Ok(0);
            }
        }
        let n = buffer.len().min(self.rest.len() - self.rest_at);
        buffer[..n].copy_from_slice(&self.rest[self.rest_at..self.rest_at + n]);
        self.rest_at += n;
        Ok(n)
    }

    pub fn read_exact(&mut self, mut buffer: &mut [u8]) -> Res<()> {
        while !buffer.is_empty() {
            match self.read(buffer)? {
                0 => return Err(ENDED.into()),
                n => buffer = &mut buffer[n..],
            }
        }
        Ok(())
    }

    /// Decrypts `n` bytes and drops them.
    pub fn skip(&mut self, mut n: usize) -> Res<()> {
        let had = n.min(self.rest.len() - self.rest_at);
        self.rest_at += had;
        n -= had;
        while n > 0 {
            if self.more(&mut n)? {
                return Err(ENDED.into());
            }
        }
        Ok(())
    }

    /// Says that nothing more comes; the other side is not waited for.
    pub fn close(&mut self) -> Res<()> {
        self.outgoing.resize(self.outgoing.len().max(64), 0);
        self.write(|writer, out| Ok(writer.queue_close_notify(out)?))
    }

    /// Closes this side and waits for the other's end: a server reads the client's last message of the handshake, and may
    /// object to it, only when the client is done with it.
    pub fn close_and_wait(mut self) -> Res<()> {
        self.close()?;
        self.tcp.shutdown(Shutdown::Write)?;
        loop {
            match self.tcp.read(&mut self.incoming) {
                Ok(0) => return Ok(()),
                Ok(_) => (),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn write(&mut self, encode: impl Fn(&mut Writer, &mut [u8]) -> Res<usize>) -> Res<()> {
        // What has come is looked at first, and kept: it may ask for an answer that must go before.
        self.until_ready()?;
        let Self { tcp, tls, incoming, at, end, outgoing, .. } = self;
        let UnbufferedStatus { discard, state } = tls.process_tls_records(&mut incoming[*at..*end]);
        let ConnectionState::WriteTraffic(mut writer) = state? else {
            return Err("TLS was ready to write and is not".into());
        };
        let n = encode(&mut writer, outgoing)?;
        *at += discard;
        Ok(tcp.write_all(&outgoing[..n])?)
    }

    fn until_ready(&mut self) -> Res<()> {
        loop {
            match self.step(&mut 0)? {
                Step::On => (),
                Step::Ready => return Ok(()),
                Step::NeedsMore => self.fill()?,
                Step::Closed => return Err(ENDED.into()),
            }
        }
    }

    /// Goes on with what has come, or waits for more. Of data, as much as `unwanted` says is dropped. True at the end.
    fn more(&mut self, unwanted: &mut usize) -> Res<bool> {
        match self.step(unwanted)? {
            Step::On => (),
            Step::Ready | Step::NeedsMore => self.fill()?,
            Step::Closed => return Ok(true),
        }
        Ok(false)
    }

    fn step(&mut self, unwanted: &mut usize) -> Res<Step> {
        let Self { tcp, tls, incoming, at, end, outgoing, rest, .. } = self;
        let UnbufferedStatus { discard, state } = tls.process_tls_records(&mut incoming[*at..*end]);
        let mut gone = discard;
        let step = match state? {
            ConnectionState::ReadTraffic(mut records) => {
                while let Some(record) = records.next_record() {
                    let record = record?;
                    gone += record.discard;
                    let dropped = record.payload.len().min(*unwanted);
                    *unwanted -= dropped;
                    rest.extend_from_slice(&record.payload[dropped..]);
                }
                Step::On
            }
            // Written at once, so that nothing is left to send when `TransmitTlsData` asks for it.
            ConnectionState::EncodeTlsData(mut message) => {
                let n = match message.encode(outgoing) {
                    Err(EncodeError::InsufficientSize(e)) => {
                        outgoing.resize(e.required_size, 0);
                        message.encode(outgoing)?
                    }
                    other => other?,
                };
                tcp.write_all(&outgoing[..n])?;
                Step::On
            }
            ConnectionState::TransmitTlsData(sent) => {
                sent.done();
                Step::On
            }
            ConnectionState::BlockedHandshake => Step::NeedsMore,
            ConnectionState::WriteTraffic(_) => Step::Ready,
            ConnectionState::PeerClosed | ConnectionState::Closed => Step::Closed,
            other => return Err(format!("TLS: {other:?}").into()),
        };
        *at += gone;
        Ok(step)
    }

    fn fill(&mut self) -> Res<()> {
        self.incoming.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        if self.end == self.incoming.len() && self.end < MOST {
            self.incoming.resize(self.end * 2, 0);
        }
        match self.tcp.read(&mut self.incoming[self.end..])? {
            0 => Err(ENDED.into()),
            n => {
                self.end += n;
                Ok(())
            }
        }
    }
}

type Writer<'a> = rustls::unbuffered::WriteTraffic<'a, rustls::client::ClientConnectionData>;

const ENDED: &str = "closed by the other side, or no room to read into";
