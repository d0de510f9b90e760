//! A TLS connection whose records are made by hand once the handshake is over: empty ones, forged ones, those that no library
//! would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, HKDF_SHA384, KeyType, Prk};
use rustls::{CipherSuite, ConnectionTrafficSecrets};

use super::tls::{Client, Version};
use crate::{Context, Result};

pub const CHANGE_CIPHER_SPEC: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const DATA: u8 = 23;

/// One direction of a connection.
struct Direction {
    version: Version,
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    /// TLS 1.3: what the next key is made of, and the hash.
    secret: Option<(Vec<u8>, CipherSuite)>,
}

impl Direction {
    fn new(version: Version, sequence: u64, secrets: &ConnectionTrafficSecrets) -> Result<Direction> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err("a cipher that this client has no hand for".into()),
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).context("a key")?);
        let iv = iv.as_ref().try_into().context("an IV of 12 bytes")?;
        Ok(Direction { version, key, iv, sequence, secret: None })
    }

    /// The nonce of the next record: its number over the IV.
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(n, s)| *n ^= s);
        nonce
    }

    fn seal(&mut self, kind: u8, content: &[u8], padding: usize) -> Result<Vec<u8>> {
        let nonce = self.nonce();
        let mut body = content.to_vec();
        let record = match self.version {
            Version::Tls13 => {
                body.push(kind);
                body.resize(body.len() + padding, 0);
                let header = header(DATA, body.len() + 16);
                self.key
                    .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header), &mut body)
                    .context("seal")?;
                [&header[..], &body].concat()
            }
            Version::Tls12 => {
                let aad = [&self.sequence.to_be_bytes()[..], &header(kind, body.len())].concat();
                self.key
                    .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
                    .context("seal")?;
                [&header(kind, body.len() + 8)[..], &nonce[4..], &body].concat()
            }
        };
        self.sequence += 1;
        Ok(record)
    }

    /// The kind and content of a sealed record.
    fn open(&mut self, head: [u8; 5], body: &[u8]) -> Result<(u8, Vec<u8>)> {
        let (kind, content) = match self.version {
            Version::Tls13 => {
                let nonce = Nonce::assume_unique_for_key(self.nonce());
                let mut body = body.to_vec();
                let plain = self.key.open_in_place(nonce, Aad::from(head), &mut body).context("open a record")?;
                let end = plain.iter().rposition(|b| *b != 0).ok_or("a record of nothing but padding")?;
                (plain[end], plain[..end].to_vec())
            }
            Version::Tls12 => {
                let (explicit, sealed) = body.split_at_checked(8).ok_or("a short record")?;
                let nonce: [u8; 12] = [&self.iv[..4], explicit].concat().try_into().map_err(|_| "a nonce")?;
                let length = sealed.len().checked_sub(16).ok_or("a short record")?;
                let aad = [&self.sequence.to_be_bytes()[..], &header(head[0], length)].concat();
                let mut sealed = sealed.to_vec();
                let plain = self
                    .key
                    .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
                    .context("open a record")?;
                (head[0], plain.to_vec())
            }
        };
        self.sequence += 1;
        Ok((kind, content))
    }

    /// The keys after a KeyUpdate (RFC 8446, 7.2 and 7.3).
    fn update(&mut self) -> Result<()> {
        let (secret, suite) = self.secret.clone().ok_or("TLS 1.2 has no KeyUpdate")?;
        let (hash, algorithm, size) = match suite {
            CipherSuite::TLS13_AES_256_GCM_SHA384 => (HKDF_SHA384, &AES_256_GCM, 48),
            CipherSuite::TLS13_AES_128_GCM_SHA256 => (HKDF_SHA256, &AES_128_GCM, 32),
            _ => (HKDF_SHA256, &CHACHA20_POLY1305, 32),
        };
        let next = expand(hash, &secret, "traffic upd", size)?;
        let key = expand(hash, &next, "key", algorithm.key_len())?;
        self.key = LessSafeKey::new(UnboundKey::new(algorithm, &key).context("a key")?);
        self.iv = expand(hash, &next, "iv", 12)?.try_into().map_err(|_| "an IV")?;
        self.sequence = 0;
        self.secret = Some((next, suite));
        Ok(())
    }
}

fn header(kind: u8, length: usize) -> [u8; 5] {
    let [high, low] = (length as u16).to_be_bytes();
    [kind, 3, 3, high, low]
}

struct Size(usize);

impl KeyType for Size {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label without a context.
fn expand(hash: hkdf::Algorithm, secret: &[u8], label: &str, size: usize) -> Result<Vec<u8>> {
    let label = format!("tls13 {label}");
    let info = [&(size as u16).to_be_bytes()[..], &[label.len() as u8], label.as_bytes(), &[0]].concat();
    let mut out = vec![0; size];
    Prk::new_less_safe(hash, secret)
        .expand(&[&info], Size(size))
        .and_then(|okm| okm.fill(&mut out))
        .context("derive a key")?;
    Ok(out)
}

/// The secrets of the two directions, as the handshake tells them.
#[derive(Debug, Default)]
struct Told(Mutex<(Vec<u8>, Vec<u8>)>);

impl rustls::KeyLog for Told {
    fn log(&self, label: &str, _random: &[u8], secret: &[u8]) {
        if let Ok(mut told) = self.0.lock() {
            match label {
                "CLIENT_TRAFFIC_SECRET_0" => told.0 = secret.to_vec(),
                "SERVER_TRAFFIC_SECRET_0" => told.1 = secret.to_vec(),
                _ => {}
            }
        }
    }
}

/// What came until the end of a look.
#[derive(Debug, Default)]
pub struct Seen {
    /// The clients' own bytes, out of their records.
    pub data: Vec<u8>,
    /// Descriptions of the alerts, in their order.
    pub alerts: Vec<u8>,
    /// KeyUpdates.
    pub updates: usize,
    /// A record came that can't be opened: nothing behind it is known. (Java sends such ones while it closes.)
    pub garbled: bool,
    pub closed: bool,
    pub after: Duration,
}

/// A connection whose handshake is over.
pub struct Sealed {
    pub stream: TcpStream,
    to_server: Direction,
    from_server: Direction,
    unread: Vec<u8>,
}

impl Sealed {
    pub fn open(to: SocketAddr, client: &Client) -> Result<Sealed> {
        let told = Arc::new(Told::default());
        let client = client.clone().telling(told.clone());
        let mut stream = TcpStream::connect(to).context(format!("connect to {to}"))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        stream.set_read_timeout(Some(super::PATIENCE)).context("set a time limit")?;
        stream.set_write_timeout(Some(super::PATIENCE)).context("set a time limit")?;
        let mut tls = client.connection(to)?;
        while tls.is_handshaking() || tls.wants_write() {
            if tls.wants_write() {
                tls.write_tls(&mut stream).context("TLS handshake")?;
            } else {
                // A byte at a time: what follows the handshake stays where it is.
                tls.read_tls(&mut (&mut stream).take(1)).context("TLS handshake")?;
                tls.process_new_packets().context("TLS handshake")?;
            }
        }
        let version = match tls.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => Version::Tls12,
            _ => Version::Tls13,
        };
        let suite = tls.negotiated_cipher_suite().ok_or("no cipher suite")?.suite();
        let secrets = tls.dangerous_extract_secrets().context("take the keys out")?;
        let mut to_server = Direction::new(version, secrets.tx.0, &secrets.tx.1)?;
        let mut from_server = Direction::new(version, secrets.rx.0, &secrets.rx.1)?;
        if version == Version::Tls13 {
            let told = told.0.lock().map_err(|e| e.to_string())?;
            to_server.secret = Some((told.0.clone(), suite));
            from_server.secret = Some((told.1.clone(), suite));
        }
        Ok(Sealed { stream, to_server, from_server, unread: Vec::new() })
    }

    pub fn version(&self) -> Version {
        self.to_server.version
    }

    /// A record of that kind, for [`Sealed::send`]; its number is used up.
    pub fn record(&mut self, kind: u8, content: &[u8]) -> Result<Vec<u8>> {
        self.to_server.seal(kind, content, 0)
    }

    /// The same with that much padding; TLS 1.3 only.
    pub fn padded(&mut self, kind: u8, content: &[u8], padding: usize) -> Result<Vec<u8>> {
        self.to_server.seal(kind, content, padding)
    }

    /// A KeyUpdate, behind which this side uses its next keys.
    pub fn key_update(&mut self, ask_for_another: bool) -> Result<Vec<u8>> {
        let record = self.record(HANDSHAKE, &[24, 0, 0, 1, u8::from(ask_for_another)])?;
        self.to_server.update()?;
        Ok(record)
    }

    /// Bytes as they are. An error is the peer's, which may have closed: what [`Sealed::look`] sees is what counts.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads until the peer closes, `enough` says so, or `limit` has passed.
    pub fn look(&mut self, limit: Duration, enough: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let (begin, mut seen, mut chunk) = (Instant::now(), Seen::default(), [0; 16 << 10]);
        loop {
            while let Some((head, body)) = self.whole_record() {
                let (kind, content) = if self.version() == Version::Tls13 && head[0] != DATA {
                    (head[0], body)
                } else {
                    match self.from_server.open(head, &body) {
                        Ok(opened) => opened,
                        Err(_) => {
                            seen.garbled = true;
                            continue;
                        }
                    }
                };
                match kind {
                    DATA => seen.data.extend(content),
                    ALERT => seen.alerts.extend(content.get(1)),
                    HANDSHAKE if content.first() == Some(&24) => {
                        seen.updates += 1;
                        self.from_server.update()?;
                    }
                    _ => {}
                }
            }
            seen.after = begin.elapsed();
            let left = limit.saturating_sub(seen.after);
            if seen.closed || left.is_zero() || enough(&seen) {
                return Ok(seen);
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut chunk) {
                Ok(n @ 1..) => self.unread.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Ok(_) | Err(_) => seen.closed = true,
            }
        }
    }

    fn whole_record(&mut self) -> Option<([u8; 5], Vec<u8>)> {
        let head = *self.unread.first_chunk::<5>()?;
        let end = 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
        let body = self.unread.get(5..end)?.to_vec();
        self.unread.drain(..end);
        Some((head, body))
    }
}
