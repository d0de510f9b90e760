//! The gate over an in-memory stream, the clock paused: what is answered, byte for byte, and when the connection ends.

mod corpus;
mod exchanges;
mod properties;
mod reauthentication;
mod states;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use super::*;
use crate::config::{JaasContext, JaasModule, ListenerName, MechanismConfig, SaslListenerConfig};
use crate::sasl::registry::Registry;
use crate::sasl::shared::Shared;
use crate::secret::Secret;
use crate::wire::api_versions::{ApiVersionRange, Features};
use crate::wire::sasl::{put_authenticate_request, put_handshake_request};

pub(super) const DELAY: Duration = Duration::from_millis(100);
pub(super) const DEADLINE: Duration = Duration::from_secs(15);
pub(super) const MAX_RECEIVE_SIZE: u32 = 524_288;

pub(super) const AT_ONCE: Duration = Duration::ZERO;

pub(super) fn listener() -> ListenerName {
    ListenerName::new("CLIENTS")
}

pub(super) fn plain_config(users: &[(&str, &str)]) -> MechanismConfig {
    let options = users.iter().map(|(user, password)| (format!("user_{user}"), Secret::new(*password))).collect();
    let module = JaasModule { class: crate::sasl::plain::LOGIN_MODULE.to_owned(), options };
    MechanismConfig {
        name: "PLAIN".to_owned(),
        jaas: JaasContext { modules: vec![module] },
        properties: HashMap::new(),
        oauthbearer: None,
    }
}

pub(super) async fn plain_only() -> Arc<Mechanisms> {
    build(&Registry::with_builtin(), vec![plain_config(&[("alice", "alice-secret"), ("bob", "bob-secret")])]).await
}

pub(super) async fn build(registry: &Registry, mechanisms: Vec<MechanismConfig>) -> Arc<Mechanisms> {
    let config = SaslListenerConfig { mechanisms, max_receive_size: MAX_RECEIVE_SIZE };
    Arc::new(registry.build(&config, &listener(), &Shared::default()).await.expect("mechanisms"))
}

pub(super) fn api_versions() -> ApiVersions {
    let range = |(api_key, min, max)| ApiVersionRange { api_key, min, max };
    ApiVersions::new([(3, 0, 13), (17, 0, 1), (18, 0, 4), (36, 0, 2)].map(range).to_vec(), Features::default())
}

pub(super) fn rules(mechanisms: Arc<Mechanisms>) -> GateRules {
    GateRules {
        mechanisms,
        max_receive_size: MAX_RECEIVE_SIZE,
        failure_delay: DELAY,
        failure_delays: Arc::new(FailureDelays::default()),
        deadline: Instant::now() + DEADLINE,
    }
}

pub(super) fn peer() -> Peer {
    Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)), listener: listener() }
}

/// How one connection ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<Authenticated, GateFailure>,
    /// Everything that the client was sent.
    pub(super) sent: Vec<u8>,
    /// From the first byte to the end of the gate.
    pub(super) after: Duration,
}

impl Outcome {
    /// A refusal: its reason, what the client was sent, and when the connection was closed.
    #[track_caller]
    pub(super) fn assert_refused(&self, reason: GateFailureReason, sent: &[u8], after: Duration) {
        let failure = self.result.as_ref().expect_err("refused");
        assert_eq!((failure.reason, self.after), (reason, after));
        assert_eq!(self.sent, sent);
        assert_eq!(failure.bytes_out, sent.len() as u64);
    }

    #[track_caller]
    pub(super) fn assert_user(&self, user: &str, sent: &[u8]) {
        let authenticated = self.result.as_ref().expect("authenticated");
        assert_eq!(
            format!("{:?}", authenticated.proof),
            format!("Proof {{ principal: User:{user}, mechanism: PLAIN, ends: None, attributes: None }}")
        );
        assert_eq!(self.sent, sent);
        assert_eq!(self.after, AT_ONCE);
        assert_eq!(authenticated.bytes_out, sent.len() as u64);
    }
}

/// Sends `input` in one piece and keeps the connection open until the gate ends.
pub(super) async fn run(input: impl AsRef<[u8]>) -> Outcome {
    run_with(&rules(plain_only().await), input.as_ref()).await
}

pub(super) async fn run_with(rules: &GateRules, input: &[u8]) -> Outcome {
    let (mut client, mut server) = tokio::io::duplex(8 << 20);
    client.write_all(input).await.expect("fits");
    let begin = Instant::now();
    let result = authenticate(&mut server, rules, &api_versions(), &peer()).await;
    let after = begin.elapsed();
    drop(server);
    Outcome { result, sent: read_all(&mut client).await, after }
}

pub(super) async fn read_all(client: &mut DuplexStream) -> Vec<u8> {
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).await.expect("read");
    sent
}

/// A frame: length prefix and `payload`.
pub(super) fn frame(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [&(payload.len() as u32).to_be_bytes(), payload].concat()
}

/// A request frame with header v1, correlation id 1 and client id `c`.
pub(super) fn hdr1(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(1);
    out.put_slice(&[0, 1, b'c']);
    out.put_slice(body);
    frame(out)
}

/// As [`hdr1`], with an empty section of tagged fields (header v2).
pub(super) fn hdr2(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    hdr1(key, version, &[&[0], body].concat())
}

/// SaslHandshake v1 for `mechanism`.
pub(super) fn hs(mechanism: &str) -> Vec<u8> {
    hs_v(1, mechanism)
}

pub(super) fn hs_v(version: i16, mechanism: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_handshake_request(&mut out, version, 1, "c", mechanism);
    out.to_vec()
}

/// SaslAuthenticate v1 with `token`.
pub(super) fn sa(token: &[u8]) -> Vec<u8> {
    sa_v(1, token)
}

pub(super) fn sa_v(version: i16, token: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_authenticate_request(&mut out, version, 1, "c", token);
    out.to_vec()
}

/// The answer to a good handshake of a listener that has PLAIN alone.
pub(super) const HS_OK: &[u8] = &[0, 0, 0, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 5, b'P', b'L', b'A', b'I', b'N'];

/// The answer to a handshake for a mechanism that is not enabled.
pub(super) const HS_33: &[u8] = &[0, 0, 0, 17, 0, 0, 0, 1, 0, 33, 0, 0, 0, 1, 0, 5, b'P', b'L', b'A', b'I', b'N'];

/// The answer to a handshake where none belongs.
pub(super) const HS_34: &[u8] = &[0, 0, 0, 10, 0, 0, 0, 1, 0, 34, 0, 0, 0, 0];

/// SaslAuthenticate answers, written by hand.
pub(super) fn sa_ok(version: i16) -> Vec<u8> {
    match version {
        0 => frame([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        1 => frame([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        _ => frame([0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    }
}

pub(super) fn sa_58(version: i16, message: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i32(1);
    if version >= 2 {
        out.put_slice(&[0, 0, 58, message.len() as u8 + 1]);
        assert!(message.len() < 127, "one byte of length");
        out.put_slice(message.as_bytes());
        out.put_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    } else {
        out.put_i16(58);
        out.put_i16(message.len() as i16);
        out.put_slice(message.as_bytes());
        out.put_i32(0);
        if version == 1 {
            out.put_i64(0);
        }
    }
    frame(out)
}

pub(super) const ALICE: &[u8] = b"\0alice\0alice-secret";
pub(super) const WRONG: &str = "Authentication failed: Invalid username or password";

#[tokio::test(start_paused = true)]
async fn alice_logs_in_with_every_version_of_everything() {
    for versions in 0..=4i16 {
        for authenticate in 0..=2 {
            let body: &[u8] = if versions >= 3 { &[2, b'n', 2, b'1', 0] } else { &[] };
            let av = if versions >= 3 { hdr2(18, versions, body) } else { hdr1(18, versions, body) };
            let outcome = run([av, hs("PLAIN"), sa_v(authenticate, ALICE)].concat()).await;
            let answer = api_versions().encode_response(versions, 1);
            outcome.assert_user("alice", &[&answer, HS_OK, &sa_ok(authenticate)].concat());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_costs_a_few_hundred_bytes() {
    let rules = rules(plain_only().await);
    let (_client, mut server) = tokio::io::duplex(64);
    let (versions, peer) = (api_versions(), peer());
    let future = authenticate(&mut server, &rules, &versions, &peer);
    let size = std::mem::size_of_val(&future);
    assert!(size <= 1024, "{size}");
}
