//! A stand-in backend that counts: every connection, every byte, every frame. It answers what a front needs to learn of its
//! cluster (one broker: itself), and whatever else it is asked it notes and answers with a closed connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use kafka_protocol::messages::metadata_response::{MetadataResponse, MetadataResponseBroker};
use kafka_protocol::messages::{
    BrokerId, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::pki::Leaf;
use crate::wire::requests::text;
use crate::{Context, Result, address};

/// What the stand-in has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub connections: usize,
    /// API key and version of each request.
    pub requests: Vec<(i16, i16)>,
    /// Everything that came in as whole frames, one connection after another.
    pub bytes: Vec<u8>,
    /// Bytes that came in out of TLS, by the certificate that was shown before: 1 is the first.
    pub received: BTreeMap<usize, usize>,
    /// TLS handshakes that came to nothing.
    pub refused: usize,
}

#[derive(Clone)]
pub struct Standin {
    pub at: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stalled: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    dribbles: Arc<AtomicBool>,
    tls: Arc<Mutex<(usize, Option<Arc<ServerConfig>>)>>,
}

/// A connection to it, of either kind.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// What it tells of its cluster.
#[derive(Clone)]
struct Told {
    brokers: Vec<(i32, SocketAddr)>,
    cluster_id: &'static str,
    /// The body of every answer to FindCoordinator, as it is.
    coordinator: Vec<u8>,
    /// Its two messages to whoever logs in by SCRAM; without them a login is noted and closed.
    scram: Option<(String, String)>,
}

impl Standin {
    /// An address for a stand-in that does not listen yet.
    pub fn reserve() -> Result<SocketAddr> {
        let host = address::standin(address::next(address::Role::Standin));
        Ok((host, address::free_ports(host, 18_000, 1)?).into())
    }

    pub fn start(at: SocketAddr) -> Result<Standin> {
        let listener = TcpListener::bind(at).context(format!("stand-in at {at}"))?;
        let told = Arc::new(Mutex::new(Told {
            brokers: vec![(1, at)],
            cluster_id: "standin",
            coordinator: Vec::new(),
            scram: None,
        }));
        let standin = Standin {
            at,
            seen: Arc::default(),
            stalled: Arc::default(),
            dribbles: Arc::default(),
            tls: Arc::default(),
            told,
        };
        let accepting = standin.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepting.note(|seen| seen.connections += 1);
                let serving = accepting.clone();
                std::thread::spawn(move || serving.greet(stream));
            }
        });
        Ok(standin)
    }

    /// From now on it names these brokers; at first it names itself as broker 1.
    pub fn tell_brokers(&self, brokers: &[(i32, SocketAddr)]) {
        if let Ok(mut told) = self.told.lock() {
            told.brokers = brokers.to_vec();
        }
    }

    /// From now on it says that it belongs to that cluster.
    pub fn tell_cluster(&self, id: &'static str) {
        if let Ok(mut told) = self.told.lock() {
            told.cluster_id = id;
        }
    }

    /// From now on it answers FindCoordinator with these bytes behind the header, whatever they mean.
    pub fn tell_coordinator(&self, body: &[u8]) {
        if let Ok(mut told) = self.told.lock() {
            told.coordinator = body.to_vec();
        }
    }

    /// From now on it answers a SCRAM login with these messages, `{r}` in them being the client's nonce.
    pub fn tell_scram(&self, server_first: &str, server_final: &str) {
        if let Ok(mut told) = self.told.lock() {
            told.scram = Some((server_first.to_owned(), server_final.to_owned()));
        }
    }

    /// From now on new connections have to speak TLS, and are shown that certificate; gives its number.
    pub fn tell_certificate(&self, leaf: &Leaf) -> Result<usize> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf.key.pkcs8()?));
        let chain = leaf.chain.iter().map(|c| CertificateDer::from(c.clone())).collect();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("choose versions")?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("take the certificate")?;
        let mut tls = self.tls.lock().map_err(|e| e.to_string())?;
        *tls = (tls.0 + 1, Some(Arc::new(config)));
        Ok(tls.0)
    }

    /// From now on each byte of an answer comes in a segment of its own.
    pub fn dribble(&self) {
        self.dribbles.store(true, Ordering::Relaxed);
    }

    /// From now on it reads nothing more, until told otherwise.
    pub fn stall(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        if let Ok(mut seen) = self.seen.lock() {
            note(&mut seen);
        }
    }

    fn greet(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let (number, tls) = self.tls.lock().ok()?.clone();
        let Some(config) = tls else { return self.serve(number, &mut stream) };
        let mut stream = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
        // The client's last word of the handshake is its consent to the certificate: it may come as an alert instead.
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            self.note(|seen| seen.refused += 1);
            return None;
        }
        self.serve(number, &mut stream)
    }

    fn serve(&self, certificate: usize, stream: &mut dyn Wire) -> Option<()> {
        loop {
            while self.stalled.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut size = [0; 4];
            self.read(certificate, stream, &mut size)?;
            let mut body = vec![0; u32::from_be_bytes(size) as usize];
            self.read(certificate, stream, &mut body)?;
            let mut head = Bytes::from(body.clone());
            let (key, version, correlation) = (head.get_i16(), head.get_i16(), head.get_i32());
            self.note(|seen| {
                seen.requests.push((key, version));
                seen.bytes.extend_from_slice(&body);
            });
            let answer = match key {
                17 | 36 => self.answer_login(key, version, correlation, body.into())?,
                _ => self.answer(key, version, correlation)?,
            };
            if self.dribbles.load(Ordering::Relaxed) {
                answer.iter().try_for_each(|byte| stream.write_all(&[*byte])).ok()?;
            } else {
                stream.write_all(&answer).ok()?;
            }
            stream.flush().ok()?;
        }
    }

    /// Fills the buffer, and counts what comes.
    fn read(&self, certificate: usize, stream: &mut dyn Wire, mut buffer: &mut [u8]) -> Option<()> {
        while !buffer.is_empty() {
            let n = stream.read(buffer).ok().filter(|n| *n > 0)?;
            self.note(|seen| *seen.received.entry(certificate).or_default() += n);
            buffer = &mut buffer[n..];
        }
        Some(())
    }

    fn answer_login(&self, key: i16, version: i16, correlation: i32, mut request: Bytes) -> Option<Bytes> {
        let (server_first, server_final) = self.told.lock().ok()?.scram.clone()?;
        if key == 17 {
            return encode(version, correlation, &SaslHandshakeResponse::default());
        }
        RequestHeader::decode(&mut request, SaslAuthenticateRequest::header_version(version)).ok()?;
        let token = SaslAuthenticateRequest::decode(&mut request, version).ok()?.auth_bytes;
        let token = std::str::from_utf8(&token).ok()?;
        let nonce = token.split(',').find_map(|part| part.strip_prefix("r="))?;
        let message = if token.starts_with("n,") { server_first } else { server_final };
        let reply = SaslAuthenticateResponse::default().with_auth_bytes(message.replace("{r}", nonce).into());
        encode(version, correlation, &reply)
    }

    fn answer(&self, key: i16, version: i16, correlation: i32) -> Option<Bytes> {
        let told = self.told.lock().ok()?.clone();
        let brokers =
            told.brokers.iter().map(|(id, at)| (BrokerId(*id), text(&at.ip().to_string()), i32::from(at.port())));
        match key {
            18 if version > 4 => encode(0, correlation, &ApiVersionsResponse::default().with_error_code(35)),
            18 => {
                // More than any broker offers, so that nothing is refused for want of an offer.
                let rows = (0..=100).map(|k| {
                    ApiVersion::default().with_api_key(k).with_min_version(0).with_max_version(if k == 18 {
                        4
                    } else {
                        20
                    })
                });
                encode(version, correlation, &ApiVersionsResponse::default().with_api_keys(rows.collect()))
            }
            3 => {
                let brokers = brokers.map(|(id, host, port)| {
                    MetadataResponseBroker::default().with_node_id(id).with_host(host).with_port(port)
                });
                let reply = MetadataResponse::default()
                    .with_brokers(brokers.collect())
                    .with_controller_id(BrokerId(1))
                    .with_cluster_id(Some(text(told.cluster_id)));
                encode(version, correlation, &reply)
            }
            60 => {
                let brokers = brokers.map(|(id, host, port)| {
                    DescribeClusterBroker::default().with_broker_id(id).with_host(host).with_port(port)
                });
                let reply = DescribeClusterResponse::default()
                    .with_brokers(brokers.collect())
                    .with_controller_id(BrokerId(1))
                    .with_cluster_id(text(told.cluster_id));
                encode(version, correlation, &reply)
            }
            10 => {
                // Flexible header: correlation id and no tagged fields.
                let body = [&correlation.to_be_bytes()[..], &[0], &told.coordinator].concat();
                Some(Bytes::from(crate::wire::bytes::framed(&body)))
            }
            _ => None,
        }
    }
}

fn encode<M: Encodable + HeaderVersion>(version: i16, correlation: i32, body: &M) -> Option<Bytes> {
    let mut out = BytesMut::zeroed(4);
    ResponseHeader::default().with_correlation_id(correlation).encode(&mut out, M::header_version(version)).ok()?;
    body.encode(&mut out, version).ok()?;
    let size = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&size.to_be_bytes());
    Some(out.freeze())
}
