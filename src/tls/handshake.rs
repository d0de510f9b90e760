//! From an accepted socket to an established connection, with rustls; and the same towards a backend.
//!
//! rustls' unbuffered connection is driven with buffers that grow by what arrives and not beyond a limit. When the handshake is
//! done its keys go to [`super::record`].

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, ready};

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConnectionData, UnbufferedServerConnection};
use rustls::sign::CertifiedKey;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{AlertDescription, CertificateError, ClientConfig, CommonState, HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::record::{MAX_PLAINTEXT, Opener, Sealer};
use super::stream::{Keys, TlsStream};
use crate::foreign::ForeignProtocol;

/// Most bytes of a peer's handshake messages that are held. A chain of certificates is the longest that is legal.
const MAX_HANDSHAKE: usize = 64 * 1024;
/// Most bytes that one read takes. They land on the stack, so that a connection that waits holds no buffer.
const READ_CHUNK: usize = 4096;

/// What a finished handshake says of the peer.
#[derive(Debug, Default)]
pub struct Handshaken {
    /// The peer's certificate, verified, as DER; the chain above it is dropped.
    pub certificate: Option<CertificateDer<'static>>,
    /// The name that the client asked for, where names decide.
    pub server_name: Option<String>,
    /// Whether keys of an earlier connection were used.
    pub resumed: bool,
    /// Bytes read and written.
    pub bytes: (u64, u64),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The socket failed or the peer hung up.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer hung up.
    #[error("the peer hung up")]
    Closed,
    /// The deadline passed.
    #[error("no TLS handshake within authentication.timeout.ms")]
    Timeout,
    /// No broker of this listener has the name.
    #[error("{}", .0.as_ref().map_or_else(|| "the client named no server".to_owned(), |name| format!("unknown server name \"{}\"", name.escape_debug())))]
    UnknownName(Option<String>),
    /// Not TLS at all: the first bytes.
    #[error("not TLS")]
    NotTls([u8; 8]),
    /// rustls refused the peer, or the peer us.
    #[error("{0}")]
    Tls(rustls::Error),
}

impl HandshakeError {
    /// What the peer spoke, if it was not TLS and is known.
    pub fn foreign(&self) -> Option<ForeignProtocol> {
        match self {
            Self::NotTls(first) => ForeignProtocol::by_first_bytes(first),
            _ => None,
        }
    }

    /// Why towards a server there is no connection, in fixed words: nothing that it sent is in them.
    pub fn fixed_text(&self) -> &'static str {
        use rustls::Error;
        match self {
            Self::Tls(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => return "its certificate is for another host",
            Self::Tls(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                return "its certificate is of an authority that is not trusted";
            }
            _ => {}
        }
        match self.kind() {
            HandshakeFailure::Closed => "it hung up",
            HandshakeFailure::Timeout => "it took too long",
            HandshakeFailure::NotTls => "it speaks something else",
            HandshakeFailure::Incompatible => "there is no version, cipher suite or group that both sides allow",
            HandshakeFailure::NoCertificate => "it has no certificate",
            HandshakeFailure::ExpiredCertificate => "its certificate has expired",
            HandshakeFailure::RevokedCertificate => "its certificate is revoked",
            HandshakeFailure::BadCertificate => "its certificate is not good",
            HandshakeFailure::Alert => "it refused us by an alert",
            HandshakeFailure::UnknownName | HandshakeFailure::Other => "the handshake failed",
        }
    }

    /// Which of a fixed list of kinds it is, for counting.
    pub fn kind(&self) -> HandshakeFailure {
        use rustls::Error;
        match self {
            Self::Io(_) | Self::Closed => HandshakeFailure::Closed,
            Self::Timeout => HandshakeFailure::Timeout,
            Self::UnknownName(_) => HandshakeFailure::UnknownName,
            Self::NotTls(_) => HandshakeFailure::NotTls,
            Self::Tls(Error::NoCertificatesPresented) => HandshakeFailure::NoCertificate,
            Self::Tls(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => HandshakeFailure::ExpiredCertificate,
            Self::Tls(Error::InvalidCertificate(CertificateError::Revoked)) => HandshakeFailure::RevokedCertificate,
            Self::Tls(Error::InvalidCertificate(_)) => HandshakeFailure::BadCertificate,
            Self::Tls(Error::PeerIncompatible(_)) => HandshakeFailure::Incompatible,
            Self::Tls(Error::AlertReceived(_)) => HandshakeFailure::Alert,
            Self::Tls(_) => HandshakeFailure::Other,
        }
    }
}

/// The kinds of failed handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The peer hung up, or its socket failed.
    Closed,
    /// The deadline passed.
    Timeout,
    /// Not TLS.
    NotTls,
    /// No version, suite or group in common.
    Incompatible,
    /// A certificate is required and none came.
    NoCertificate,
    /// Its certificate has expired.
    ExpiredCertificate,
    /// Its certificate is on a revocation list.
    RevokedCertificate,
    /// Its certificate was not accepted for another reason.
    BadCertificate,
    /// No broker has the name that was asked for.
    UnknownName,
    /// The peer refused us: its alert.
    Alert,
    /// Anything else, such as malformed messages.
    Other,
}

/// A client with which there is no connection.
#[derive(Debug)]
pub struct NoHandshake {
    /// Why.
    pub error: HandshakeError,
    /// Its socket: an alert may be on its way.
    pub tcp: TcpStream,
    /// Bytes read and written.
    pub bytes: (u64, u64),
}

/// Says of a server name whether this listener has it.
pub type KnowsName = dyn Fn(&str) -> bool + Send + Sync;

/// Does the server's part. `names`: the client must ask for a name that this knows; without it any name will do, or none.
pub async fn accept(
    mut tcp: TcpStream,
    config: &Arc<ServerConfig>,
    names: Option<Arc<KnowsName>>,
) -> Result<(TlsStream, Handshaken), NoHandshake> {
    let asked = Arc::new(OnceLock::new());
    let config = match names {
        None => config.clone(),
        Some(names) => {
            let mut own = ServerConfig::clone(config);
            own.cert_resolver = Arc::new(OfKnownName { names, asked: asked.clone(), inner: own.cert_resolver });
            Arc::new(own)
        }
    };
    let mut buffers = Buffers::default();
    let result = match UnbufferedServerConnection::new(config) {
        Ok(connection) => drive(&mut tcp, connection, &mut buffers, &asked).await,
        Err(e) => Err(HandshakeError::Tls(e)),
    };
    match result {
        Ok(done) => Ok(finish(tcp, done, buffers, &asked)),
        Err(error) => Err(NoHandshake { error, tcp, bytes: (buffers.bytes_in, buffers.bytes_out) }),
    }
}

/// Does the client's part towards `server`, whose certificate the configuration verifies.
pub async fn connect(
    mut tcp: TcpStream,
    config: &Arc<ClientConfig>,
    server: ServerName<'static>,
) -> Result<TlsStream, HandshakeError> {
    let mut buffers = Buffers::default();
    let connection = UnbufferedClientConnection::new(config.clone(), server).map_err(HandshakeError::Tls)?;
    let nothing = OnceLock::new();
    let done = drive(&mut tcp, connection, &mut buffers, &nothing).await?;
    Ok(finish(tcp, done, buffers, &nothing).0)
}

/// A host as its certificate must name it: a DNS name or an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, HandshakeError> {
    let malformed =
        |_| HandshakeError::Tls(rustls::Error::General("its host is no name that a certificate can have".into()));
    ServerName::try_from(host.to_owned()).map_err(malformed)
}

#[derive(Default)]
struct Buffers {
    /// Records that have arrived.
    inbound: Vec<u8>,
    /// Where those end that rustls has been shown. It is shown one more at a time, so that it never sees what stands behind the
    /// handshake: that is for the record protection of [`TlsStream`].
    shown: usize,
    /// Records to be written.
    outbound: Vec<u8>,
    bytes_in: u64,
    bytes_out: u64,
}

struct Done {
    protection: (Opener, Sealer, Keys),
    certificate: Option<CertificateDer<'static>>,
    resumed: bool,
}

fn finish(tcp: TcpStream, done: Done, buffers: Buffers, asked: &OnceLock<Asked>) -> (TlsStream, Handshaken) {
    let handshaken = Handshaken {
        certificate: done.certificate,
        server_name: asked.get().and_then(|asked| asked.name.clone()),
        resumed: done.resumed,
        bytes: (buffers.bytes_in, buffers.bytes_out),
    };
    (TlsStream::new(tcp, done.protection, &buffers.inbound, &buffers.outbound), handshaken)
}

/// rustls' two kinds of unbuffered connections, which have no trait in common.
trait Unbuffered: Sized {
    type Data;
    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn common(&self) -> &CommonState;
    fn into_protection(self) -> Result<(Opener, Sealer, Keys), rustls::Error>;
}

macro_rules! unbuffered {
    ($connection:ty, $data:ty, $keys:path) => {
        impl Unbuffered for $connection {
            type Data = $data;

            fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, $data> {
                self.process_tls_records(bytes)
            }

            fn common(&self) -> &CommonState {
                self
            }

            fn into_protection(self) -> Result<(Opener, Sealer, Keys), rustls::Error> {
                let (secrets, keys) = self.dangerous_into_kernel_connection()?;
                let version = keys.protocol_version();
                let unknown = || rustls::Error::General("a cipher suite without record protection".into());
                let opener = Opener::new(version, secrets.rx.0, &secrets.rx.1).ok_or_else(unknown)?;
                let sealer = Sealer::new(version, secrets.tx.0, &secrets.tx.1).ok_or_else(unknown)?;
                Ok((opener, sealer, $keys(keys)))
            }
        }
    };
}

unbuffered!(UnbufferedServerConnection, ServerConnectionData, Keys::Server);
unbuffered!(UnbufferedClientConnection, ClientConnectionData, Keys::Client);

/// Exchanges handshake messages until they are done or refused. What the last step leaves in `buffers.outbound` has not been
/// written yet: it can go together with the first data.
async fn drive<C: Unbuffered>(
    tcp: &mut TcpStream,
    mut connection: C,
    buffers: &mut Buffers,
    asked: &OnceLock<Asked>,
) -> Result<Done, HandshakeError> {
    loop {
        match advance(&mut connection, buffers) {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                let error = judge(error, buffers, asked);
                // Whether the peer still hears why, it is over.
                let _ = write(tcp, buffers).await;
                return Err(error);
            }
        }
        write(tcp, buffers).await?;
        if buffers.inbound.len() > MAX_HANDSHAKE {
            return Err(HandshakeError::Tls(rustls::Error::General("its handshake messages are too long".into())));
        }
        read(tcp, buffers).await?;
        if buffers.bytes_out == 0
            && let Some(first) = first_bytes(&buffers.inbound).filter(|first| first[0] != HANDSHAKE_RECORD)
        {
            return Err(HandshakeError::NotTls(first));
        }
    }
    let certificate = connection.common().peer_certificates().and_then(|chain| chain.first()).cloned();
    let resumed = connection.common().handshake_kind() == Some(HandshakeKind::Resumed);
    let protection = connection.into_protection().map_err(HandshakeError::Tls)?;
    Ok(Done { protection, certificate: certificate.map(CertificateDer::into_owned), resumed })
}

/// The first bytes, as many as have arrived, the others 0.
fn first_bytes(bytes: &[u8]) -> Option<[u8; 8]> {
    let mut first = [0; 8];
    let n = bytes.len().min(first.len());
    first[..n].copy_from_slice(&bytes[..n]);
    (n > 0).then_some(first)
}

/// The content type of a TLS handshake record.
const HANDSHAKE_RECORD: u8 = 22;

/// Takes all steps that the bytes at hand allow; `true` once the handshake is done.
fn advance<C: Unbuffered>(connection: &mut C, buffers: &mut Buffers) -> Result<bool, rustls::Error> {
    loop {
        let UnbufferedStatus { discard, state } = connection.process(&mut buffers.inbound[..buffers.shown]);
        let mut done = None;
        let mut failed = None;
        match state {
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                if let Err(EncodeError::InsufficientSize(size)) = message.encode(&mut []) {
                    let at = buffers.outbound.len();
                    buffers.outbound.resize(at + size.required_size, 0);
                    message.encode(&mut buffers.outbound[at..]).map_err(|e| rustls::Error::General(e.to_string()))?;
                }
            }
            Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
            Ok(ConnectionState::WriteTraffic(_)) => done = Some(true),
            Ok(ConnectionState::BlockedHandshake) => done = Some(false),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                failed = Some(rustls::Error::AlertReceived(AlertDescription::CloseNotify));
            }
            // It is not shown what stands behind the handshake, and early data was not offered.
            Ok(_) => failed = Some(rustls::Error::General("data before the end of the handshake".into())),
            Err(error) => failed = Some(error),
        }
        buffers.inbound.drain(..discard);
        buffers.shown -= discard;
        if let Some(error) = failed {
            // The alert that goes with it. No more steps than there is something to send: the next one would go on reading, and
            // rustls panics when it looks for messages that it has not taken yet, or finds a second error.
            while connection.common().wants_write()
                && let Ok(ConnectionState::EncodeTlsData(mut message)) = connection.process(&mut []).state
            {
                let at = buffers.outbound.len();
                buffers.outbound.resize(at + 512, 0);
                let n = message.encode(&mut buffers.outbound[at..]).unwrap_or(0);
                buffers.outbound.truncate(at + n);
                if n == 0 {
                    break;
                }
            }
            return Err(error);
        }
        match done {
            // Half-way through a handshake a server may already write; it does not here.
            Some(true) if !connection.common().is_handshaking() => return Ok(true),
            Some(_) => match next_record(&buffers.inbound[buffers.shown..]) {
                Some(len) => buffers.shown += len,
                None => return Ok(false),
            },
            None => {}
        }
    }
}

/// The length of the first record, once it has arrived. What can't be one is given whole: rustls says what is wrong with it.
fn next_record(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, high, low] = bytes.first_chunk()?;
    let len = 5 + usize::from(u16::from_be_bytes([*high, *low]));
    if len > 5 + MAX_PLAINTEXT + 2048 {
        return Some(bytes.len());
    }
    (bytes.len() >= len).then_some(len)
}

/// What an error means; where a name was refused, the alert says so (RFC 6066 §3).
fn judge(error: rustls::Error, buffers: &mut Buffers, asked: &OnceLock<Asked>) -> HandshakeError {
    match asked.get() {
        Some(Asked { name, known: false }) => {
            buffers.outbound = vec![21, 3, 3, 0, 2, 2, u8::from(AlertDescription::UnrecognisedName)];
            HandshakeError::UnknownName(name.clone())
        }
        _ => HandshakeError::Tls(error),
    }
}

async fn write(tcp: &mut TcpStream, buffers: &mut Buffers) -> io::Result<()> {
    if !buffers.outbound.is_empty() {
        tcp.write_all(&buffers.outbound).await?;
        buffers.bytes_out += buffers.outbound.len() as u64;
        buffers.outbound.clear();
    }
    Ok(())
}

async fn read(tcp: &mut TcpStream, buffers: &mut Buffers) -> Result<(), HandshakeError> {
    let n = poll_fn(|cx| {
        let mut stack = [MaybeUninit::<u8>::uninit(); READ_CHUNK];
        let mut chunk = ReadBuf::uninit(&mut stack);
        ready!(Pin::new(&mut *tcp).poll_read(cx, &mut chunk))?;
        buffers.inbound.extend_from_slice(chunk.filled());
        Poll::Ready(io::Result::Ok(chunk.filled().len()))
    })
    .await?;
    buffers.bytes_in += n as u64;
    if n == 0 { Err(HandshakeError::Closed) } else { Ok(()) }
}

/// The name that a client asked for.
#[derive(Debug)]
struct Asked {
    name: Option<String>,
    known: bool,
}

/// Gives the listener's certificate to those who ask for a name that the listener has.
struct OfKnownName {
    names: Arc<KnowsName>,
    asked: Arc<OnceLock<Asked>>,
    inner: Arc<dyn ResolvesServerCert>,
}

impl std::fmt::Debug for OfKnownName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfKnownName")
    }
}

impl ResolvesServerCert for OfKnownName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let known = name.is_some_and(|name| (self.names)(name));
        let _ = self.asked.set(Asked { name: name.map(str::to_owned), known });
        known.then(|| self.inner.resolve(hello)).flatten()
    }
}
