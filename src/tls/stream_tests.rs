//! The stream against rustls' own connections over real sockets, in both roles.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream as StdTcp};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedCipherSuite,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stock::BUFFER_LEN;
use crate::tls::{HandshakeError, HandshakeFailure, NoHandshake, TlsStream, accept, connect};

const SUITES: [SupportedCipherSuite; 6] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// A certificate for localhost that is its own authority, and its key.
static PEM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(' '))
        .args("-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE".split(' '))
        .args("-keyout - -out -".split(' '))
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
});

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&PEM).unwrap()
}

fn provider(suite: SupportedCipherSuite) -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::CryptoProvider { cipher_suites: vec![suite], ..aws_lc_rs::default_provider() })
}

fn server_config(suite: SupportedCipherSuite) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(&PEM).unwrap();
    let builder = ServerConfig::builder_with_provider(provider(suite)).with_protocol_versions(&[suite.version()]);
    let mut config = builder.unwrap().with_no_client_auth().with_single_cert(vec![certificate()], key).unwrap();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

fn client_config(suite: SupportedCipherSuite) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider(suite)).with_protocol_versions(&[suite.version()]);
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

fn localhost() -> ServerName<'static> {
    "localhost".try_into().unwrap()
}

async fn pair() -> (TcpStream, StdTcp) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = StdTcp::connect(listener.local_addr().unwrap()).unwrap();
    let ours = listener.accept().unwrap().0;
    ours.set_nonblocking(true).unwrap();
    (TcpStream::from_std(ours).unwrap(), theirs)
}

fn theirs_as_client(suite: SupportedCipherSuite, tcp: StdTcp) -> StreamOwned<ClientConnection, StdTcp> {
    StreamOwned::new(ClientConnection::new(client_config(suite), localhost()).unwrap(), tcp)
}

/// Ours as the server, with rustls as the client on a thread of its own.
async fn with_client<T: Send + 'static>(
    suite: SupportedCipherSuite,
    client: impl FnOnce(StreamOwned<ClientConnection, StdTcp>) -> T + Send + 'static,
) -> (TlsStream, thread::JoinHandle<T>) {
    let (ours, theirs) = pair().await;
    let client = thread::spawn(move || client(theirs_as_client(suite, theirs)));
    let (stream, _) = accept(ours, &server_config(suite), None).await.map_err(|failed| failed.error).unwrap();
    (stream, client)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

/// Reads `len` bytes in pieces of many sizes.
async fn read_pieces(stream: &mut TlsStream, len: usize) -> Vec<u8> {
    let (mut got, mut room) = (Vec::new(), vec![0; 64 * 1024]);
    for size in [1, 7, 4096, 64 * 1024, 100, 16 * 1024, 16 * 1024 - 1].into_iter().cycle() {
        let n = stream.read(&mut room[..size]).await.unwrap();
        got.extend_from_slice(&room[..n]);
        if n == 0 || got.len() >= len {
            return got;
        }
    }
    got
}

#[tokio::test]
async fn bytes_go_both_ways_under_every_suite_in_both_roles() {
    const LEN: usize = 500_000;
    for suite in SUITES {
        for frugal in [true, false] {
            let (mut stream, client) = with_client(suite, |mut client| {
                for piece in pattern(LEN).chunks(50_001) {
                    client.write_all(piece).unwrap();
                }
                let mut back = Vec::new();
                client.read_to_end(&mut back).unwrap();
                back
            })
            .await;
            stream.be_frugal(frugal);
            let got = read_pieces(&mut stream, LEN).await;
            assert!(got == pattern(LEN), "{suite:?}");
            let (head, rest) = got.split_at(5);
            let parts = [std::io::IoSlice::new(head), std::io::IoSlice::new(rest)];
            let first = stream.write_vectored(&parts).await.unwrap();
            stream.write_all(&got[first..]).await.unwrap();
            stream.shutdown().await.unwrap();
            assert!(client.join().unwrap() == pattern(LEN), "{suite:?}");
        }

        let (ours, theirs) = pair().await;
        let server = thread::spawn(move || {
            let connection = ServerConnection::new(server_config(suite)).unwrap();
            let mut server = StreamOwned::new(connection, theirs);
            let mut got = vec![0; LEN];
            server.read_exact(&mut got).unwrap();
            server.write_all(&got).unwrap();
            server.conn.send_close_notify();
            server.flush().unwrap();
        });
        let mut stream = connect(ours, &client_config(suite), localhost()).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let sent = pattern(LEN);
        let (write, got) = tokio::join!(writer.write_all(&sent), async {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).await.map(|_| got)
        });
        write.unwrap();
        assert!(got.unwrap() == sent, "{suite:?}");
        server.join().unwrap();
    }
}

#[tokio::test]
async fn new_keys_are_taken_when_the_peer_takes_them() {
    let suite = SUITES[0];
    let (mut stream, client) = with_client(suite, |mut client| {
        client.flush().unwrap();
        for round in 0..200u8 {
            client.conn.refresh_traffic_keys().unwrap();
            client.write_all(&[round; 3]).unwrap();
            let mut back = [0; 3];
            client.read_exact(&mut back).unwrap();
            assert_eq!(back, [round; 3]);
        }
    })
    .await;
    let mut room = [0; 3];
    for _ in 0..200 {
        stream.read_exact(&mut room).await.unwrap();
        // As if the peer had asked for ours as well.
        stream.key_update_due = true;
        stream.write_all(&room).await.unwrap();
    }
    client.join().unwrap();
}

#[tokio::test]
async fn a_flood_of_key_updates_or_of_empty_records_ends_the_connection() {
    // H-101.
    let (mut stream, client) = with_client(SUITES[0], |mut client| {
        client.flush().unwrap();
        for _ in 0..100 {
            client.conn.refresh_traffic_keys().unwrap();
            let _ = client.flush();
        }
        client.read(&mut [0]).map(|_| ())
    })
    .await;
    let error = stream.read(&mut [0; 100]).await.unwrap_err();
    assert_eq!(error.to_string(), "TLS: UnexpectedMessage");
    let _ = stream.shutdown().await;
    drop(stream);
    assert!(client.join().unwrap().is_err());
}

#[tokio::test]
async fn a_record_in_parts_is_waited_for_without_a_buffer() {
    let (mut stream, client) = with_client(SUITES[0], |mut client| {
        client.flush().unwrap();
        client.write_all(b"hello").unwrap();
        let mut record = Vec::new();
        // A second record that goes out byte by byte.
        client.conn.writer().write_all(&pattern(300)).unwrap();
        client.conn.write_tls(&mut record).unwrap();
        for byte in record {
            client.sock.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_micros(200));
        }
        client
    })
    .await;
    let mut room = vec![0; 1000];
    assert_eq!(stream.read(&mut room).await.unwrap(), 5);
    let n = stream.read(&mut room).await.unwrap();
    assert!(room[..n] == pattern(300));
    let client = client.join().unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut room)).await;
    assert!(waiting.is_err());
    assert!(stream.inbound.is_none() && stream.outbound.is_none() && stream.partial.capacity() == 0);
    // It hangs up without a word.
    client.sock.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut room).await.unwrap(), 0);
}

/// What the relay holds in a buffer of its own goes out as one, and not as one and a tiny one behind it.
#[tokio::test]
async fn a_whole_buffer_is_sealed_in_one_go() {
    for suite in SUITES {
        let (mut stream, client) = with_client(suite, |mut client| {
            client.flush().unwrap();
            let mut got = vec![0; BUFFER_LEN];
            client.read_exact(&mut got).unwrap();
            got
        })
        .await;
        let sent = pattern(BUFFER_LEN);
        assert_eq!(stream.write(&sent).await.unwrap(), BUFFER_LEN);
        stream.flush().await.unwrap();
        assert!(client.join().unwrap() == sent);
    }
}

#[tokio::test]
async fn a_changed_record_is_refused_with_an_alert() {
    let (mut stream, client) = with_client(SUITES[1], |mut client| {
        // Behind the handshake, and not in one piece with its end.
        client.read_exact(&mut [0]).unwrap();
        let mut record = Vec::new();
        client.conn.writer().write_all(b"payment").unwrap();
        client.conn.write_tls(&mut record).unwrap();
        record[7] ^= 1;
        client.sock.write_all(&record).unwrap();
        client.read(&mut [0]).map_err(|e| e.to_string())
    })
    .await;
    stream.write_all(b"!").await.unwrap();
    let error = stream.read(&mut [0; 100]).await.unwrap_err();
    assert_eq!(error.to_string(), "TLS: BadRecordMac");
    assert_eq!(stream.read(&mut [0; 100]).await.unwrap(), 0, "and nothing more is read");
    stream.shutdown().await.unwrap();
    assert_eq!(client.join().unwrap(), Err("received fatal alert: BadRecordMac".to_owned()));
}

#[tokio::test]
async fn an_unknown_name_gets_its_alert() {
    let suite = SUITES[0];
    let knows: Arc<crate::tls::KnowsName> = Arc::new(|name: &str| name == "localhost");
    for (name, refused) in [("localhost", None), ("other.test", Some("other.test")), ("127.0.0.1", None)] {
        let (ours, theirs) = pair().await;
        let client = thread::spawn(move || {
            let name = ServerName::try_from(name).unwrap();
            let connection = ClientConnection::new(client_config(suite), name).unwrap();
            StreamOwned::new(connection, theirs).flush().map_err(|e| e.to_string())
        });
        let result = accept(ours, &server_config(suite), Some(knows.clone())).await;
        match result {
            Ok((_, handshaken)) => assert_eq!((handshaken.server_name.as_deref(), name), (Some(name), "localhost")),
            Err(NoHandshake { error, .. }) => {
                assert!(matches!(&error, HandshakeError::UnknownName(asked) if asked.as_deref() == refused), "{error}");
                assert_eq!(error.kind(), HandshakeFailure::UnknownName);
            }
        }
        let ended = client.join().unwrap();
        assert_eq!(ended.is_ok(), name == "localhost", "{ended:?}");
        if let Err(text) = ended {
            assert!(text.contains("UnrecognisedName"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_no_tls_is_known_by_its_first_bytes() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[0, 0, 0, 20, 0, 18, 0, 3, 0, 0], &[0x80, 46, 1, 0, 2]] {
        let (ours, mut theirs) = pair().await;
        theirs.write_all(bytes).unwrap();
        let Err(NoHandshake { error, .. }) = accept(ours, &server_config(SUITES[0]), None).await else {
            panic!("accepted")
        };
        assert!(matches!(error, HandshakeError::NotTls(first) if bytes.starts_with(&first[..5])), "{error}");
    }
    // A record of 16 MiB that is only promised, and then silence.
    let (ours, mut theirs) = pair().await;
    theirs.write_all(&[22, 3, 1, 0x40, 0, 1, 255, 255, 255]).unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(50), accept(ours, &server_config(SUITES[0]), None)).await;
    assert!(waiting.is_err() || waiting.is_ok_and(|result| result.is_err()));
}

#[tokio::test]
async fn data_behind_the_handshake_is_not_lost_and_a_second_connection_resumes() {
    let suite = SUITES[0];
    let (server, client) = (server_config(suite), client_config(suite));
    for round in 0..2 {
        let (ours, theirs) = pair().await;
        let client = client.clone();
        let client = thread::spawn(move || {
            let connection = ClientConnection::new(client, localhost()).unwrap();
            let mut client = StreamOwned::new(connection, theirs);
            // Written before the handshake: it leaves in one piece with the client's Finished.
            client.conn.writer().write_all(&pattern(40_000)).unwrap();
            let mut back = [0; 2];
            client.read_exact(&mut back).unwrap();
            back
        });
        let (mut stream, handshaken) = accept(ours, &server, None).await.map_err(|failed| failed.error).unwrap();
        assert_eq!(handshaken.resumed, round == 1);
        assert!(read_pieces(&mut stream, 40_000).await == pattern(40_000));
        stream.write_all(b"ok").await.unwrap();
        assert_eq!(client.join().unwrap(), *b"ok");
    }
}
