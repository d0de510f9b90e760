//! The relay and the end of its client's session, over real sockets and with the clock in the test's hand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::backend::BrokerWatcher;
use crate::config::{HostPort, ServerConfig, load};
use crate::sasl::gate::{FailureDelays, GateRules, authenticate};
use crate::sasl::{Peer, Registry, Shared};
use crate::wire::sasl::{put_authenticate_request, put_handshake_request};

const SECOND: Duration = Duration::from_secs(1);
/// `connections.max.reauth.ms` of the tests.
const SESSION: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Nobody;

impl BrokerWatcher for Nobody {
    fn broker_known(&self, _: i32) {}
}

fn config(backend: SocketAddr) -> ServerConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("doorkeeper-relay-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let file = std::env::temp_dir().join(name);
    let text = format!(
        "listeners=SASL_PLAINTEXT://127.0.0.1:9192\nsasl.enabled.mechanisms=PLAIN\nbackend.bootstrap.servers={backend}\n\
         connections.max.idle.ms=3600000\nlistener.name.sasl_plaintext.plain.connections.max.reauth.ms={}\n\
         listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         user_alice=\"secret\";\n",
        SESSION.as_millis()
    );
    std::fs::write(&file, text).unwrap();
    let loaded = load(&file, &[], &|_| None).unwrap();
    std::fs::remove_file(&file).unwrap();
    loaded.config
}

/// A session of alice that begins now: there is no way to one but through the gate.
async fn session(config: &ServerConfig) -> Session {
    let listener = &config.listeners[0];
    let sasl = listener.sasl.as_ref().unwrap();
    let mechanisms = Registry::with_builtin().build(sasl, &listener.name, &Shared::default()).await.unwrap();
    let rules = GateRules {
        mechanisms: Arc::new(mechanisms),
        max_receive_size: sasl.max_receive_size,
        failure_delay: Duration::ZERO,
        failure_delays: Arc::new(FailureDelays::default()),
        deadline: Instant::now() + SECOND,
    };
    let (mut client, mut server) = tokio::io::duplex(1 << 16);
    let mut login = BytesMut::new();
    put_handshake_request(&mut login, 1, 1, "c", "PLAIN");
    put_authenticate_request(&mut login, 1, 1, "c", b"\0alice\0secret");
    client.write_all(&login).await.unwrap();
    let peer = Peer { address: ([127, 0, 0, 1], 1).into(), listener: listener.name.clone() };
    let versions = crate::wire::api_versions::ApiVersions::new(Vec::new(), Default::default());
    Session::authenticated(authenticate(&mut server, &rules, &versions, &peer).await.unwrap().proof)
}

/// A client that has just logged in, and its relay.
struct Pair {
    config: ServerConfig,
    client: TcpStream,
    relay: Box<Relay>,
    /// Accepts, and never says a word.
    backend: TcpListener,
}

async fn pair() -> Pair {
    let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(backend.local_addr().unwrap());
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(front.local_addr().unwrap()).await.unwrap();
    let transport = Transport::Plain(front.accept().await.unwrap().0);
    let rules = RelayRules {
        max_in_flight: config.max_in_flight_requests,
        max_request_size: config.socket_request_max_bytes,
        max_rewritten_response: config.backend.rewritten_response_max_bytes,
        max_idle: config.connections_max_idle,
        drain_limit: config.shutdown_timeout,
        administration: Arc::new(Administration::new(None, Default::default())),
    };
    let advertised = HostPort { host: "front".into(), port: 9192 };
    let addresses = Addresses::from_parts("CLIENTS", &advertised, vec![(1, 9194)]);
    let topology = Topology::new(config.backend.clone(), None, api_table::offered, Box::new(Nobody));
    let session = session(&config).await;
    let (addresses, topology) = (Arc::new(addresses), Arc::new(topology));
    let relay = Relay::new(&session, transport, &[], Target::Any, Arc::new(rules), addresses, topology);
    Pair { config, client, relay, backend }
}

fn handshake() -> BytesMut {
    let mut out = BytesMut::new();
    put_handshake_request(&mut out, 1, 7, "c", "PLAIN");
    out
}

/// SaslAuthenticate, which the front itself answers with error 34.
fn late_token() -> BytesMut {
    let mut out = BytesMut::new();
    put_authenticate_request(&mut out, 1, 7, "c", b"x");
    out
}

/// Metadata, which only the backend can answer.
const METADATA: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

async fn run(relay: Box<Relay>) -> Ended {
    relay.run(&CancellationToken::new(), &mut Traffic::default().here()).await
}

#[track_caller]
fn reason(ended: Ended) -> CloseReason {
    match ended {
        Ended::Closed(relayed) => relayed.reason,
        Ended::Paused(_) => panic!("paused"),
    }
}

/// The error code of the next answer.
async fn error_code(client: &mut TcpStream) -> i16 {
    let len = client.read_u32().await.unwrap();
    let mut frame = vec![0; len as usize];
    client.read_exact(&mut frame).await.unwrap();
    i16::from_be_bytes([frame[4], frame[5]])
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_its_session_by_half_a_minute() {
    let Pair { client, relay, .. } = pair().await;
    let begin = Instant::now();
    assert!(matches!(reason(run(relay).await), CloseReason::SessionExpired));
    assert_eq!(begin.elapsed().as_secs(), (SESSION + IDLE_AFTER_SESSION).as_secs());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_request_after_the_end_closes_without_an_answer_and_one_before_does_not() {
    let Pair { mut client, relay, .. } = pair().await;
    let asking = async {
        tokio::time::sleep(SESSION - SECOND).await;
        client.write_all(&late_token()).await.unwrap();
        assert_eq!(error_code(&mut client).await, 34);
        tokio::time::sleep(SECOND * 2).await;
        client.write_all(&late_token()).await.unwrap();
        Instant::now()
    };
    let (ended, asked) = tokio::join!(run(relay), asking);
    assert!(matches!(reason(ended), CloseReason::SessionExpired));
    assert!(asked.elapsed() < SECOND);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn answers_are_awaited_for_a_minute_after_the_end() {
    let Pair { mut client, relay, backend, .. } = pair().await;
    client.write_all(&METADATA).await.unwrap();
    // One that would authenticate anew has to wait for the answer too.
    client.write_all(&handshake()).await.unwrap();
    let begin = Instant::now();
    let (ended, accepted) = tokio::join!(run(relay), backend.accept());
    assert!(matches!(reason(ended), CloseReason::SessionExpired));
    assert_eq!(begin.elapsed().as_secs(), (SESSION + LONGEST_AFTER_SESSION).as_secs());
    // Nothing of the handshake has gone to the backend.
    let mut seen = Vec::new();
    accepted.unwrap().0.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, METADATA);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_pauses_and_a_new_session_goes_on() {
    let Pair { config, mut client, relay, .. } = pair().await;
    // Both have arrived when the handshake is judged; the second is no request to be answered.
    client.write_all(&late_token()).await.unwrap();
    client.write_all(&handshake()).await.unwrap();
    client.write_all(b"token").await.unwrap();
    let Ended::Paused(mut paused) = run(relay).await else { panic!("closed") };
    assert_eq!(error_code(&mut client).await, 34);
    let before = (paused.0.bytes_in, paused.0.bytes_out);
    let (_, unread) = paused.lend_client();
    assert_eq!(unread, [&handshake()[..], b"token"].concat());

    // Long after: the time in which the relay stood still is the gate's.
    tokio::time::sleep(SECOND * 100).await;
    let begin = Instant::now();
    let session = session(&config).await;
    // What came behind the last token is relayed first.
    let relay = paused.resume(&session, &late_token(), (100, 10));
    assert_eq!((relay.bytes_in, relay.bytes_out), (before.0 + 100, before.1 + 10));
    client.write_all(&handshake()).await.unwrap();
    let Ended::Paused(mut paused) = run(relay).await else { panic!("closed") };
    assert_eq!(error_code(&mut client).await, 34);
    assert_eq!(paused.lend_client().1, handshake());

    // Within a second a handshake is a late one.
    let again = [&handshake()[..], &late_token()].concat();
    let ended = run(paused.resume(&session, &again, (0, 0))).await;
    assert_eq!((error_code(&mut client).await, error_code(&mut client).await), (34, 34));
    assert!(matches!(reason(ended), CloseReason::SessionExpired));
    assert_eq!(begin.elapsed().as_secs(), (SESSION + IDLE_AFTER_SESSION).as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_drain_wins_over_a_pause() {
    let Pair { mut client, relay, backend: _backend, .. } = pair().await;
    client.write_all(&METADATA).await.unwrap();
    client.write_all(&handshake()).await.unwrap();
    let drain = CancellationToken::new();
    let traffic = Traffic::default();
    let mut traffic = traffic.here();
    let stop = async {
        tokio::time::sleep(SECOND).await;
        drain.cancel();
    };
    let (ended, ()) = tokio::join!(relay.run(&drain, &mut traffic), stop);
    assert!(matches!(reason(ended), CloseReason::DrainTimedOut));
}

/// An idle connection holds its relay and the future that runs it.
#[tokio::test]
async fn an_idle_relay_is_small() {
    let Pair { relay, .. } = pair().await;
    assert!(std::mem::size_of::<Relay>() <= 640, "{}", std::mem::size_of::<Relay>());
    let (drain, traffic) = (CancellationToken::new(), Traffic::default());
    let mut traffic = traffic.here();
    let running = relay.run(&drain, &mut traffic);
    assert!(std::mem::size_of_val(&running) <= 640, "{}", std::mem::size_of_val(&running));
}
