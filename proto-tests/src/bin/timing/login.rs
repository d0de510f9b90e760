//! One login with a wrong password, and how long each of its answers took.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use kafka_protocol::protocol::Decodable;
use proto_tests::scram::Hash;
use proto_tests::scram_client::{Client, Secret};
use proto_tests::wire::{Conn, frame_of};
use proto_tests::{Context, Result, check_eq};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Users of the JAAS configuration.
    Plain,
    /// Users of the store.
    PlainOfStore,
    Scram(Hash),
}

impl Mechanism {
    pub const ALL: [Mechanism; 4] =
        [Mechanism::Plain, Mechanism::PlainOfStore, Mechanism::Scram(Hash::Sha256), Mechanism::Scram(Hash::Sha512)];

    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "plain",
            Mechanism::PlainOfStore => "plain-store",
            Mechanism::Scram(Hash::Sha256) => "scram-sha-256",
            Mechanism::Scram(Hash::Sha512) => "scram-sha-512",
        }
    }

    pub fn steps(self) -> &'static [&'static str] {
        match self {
            Mechanism::Plain | Mechanism::PlainOfStore => &["refusal"],
            Mechanism::Scram(_) => &["challenge", "refusal"],
        }
    }

    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Mechanism::Plain => &[Kind::Known, Kind::Unknown],
            _ => &[Kind::Known, Kind::Unknown, Kind::OtherMechanism],
        }
    }
}

/// Of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Known,
    Unknown,
    OtherMechanism,
}

impl Kind {
    pub fn words(self) -> &'static str {
        match self {
            Kind::Known => "known user, wrong password",
            Kind::Unknown => "unknown user",
            Kind::OtherMechanism => "user of the other mechanism",
        }
    }
}

/// All names have one length, and those of each kind lie among those of the others: where a name would stand in the order of names says
/// nothing of whether it is there.
fn spread(kind: u64, n: usize) -> String {
    // SplitMix64's mixing.
    let mut bits = (kind << 32 | n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("user-{:012x}", (bits ^ bits >> 31) >> 16)
}

/// A user that has credentials of both mechanisms.
pub fn known(n: usize) -> String {
    spread(1, n)
}

/// A user that has a credential of this mechanism only.
pub fn only(hash: Hash, n: usize) -> String {
    match hash {
        Hash::Sha256 => spread(2, n),
        Hash::Sha512 => spread(3, n),
    }
}

fn name(mechanism: Mechanism, kind: Kind, n: usize) -> String {
    match (kind, mechanism) {
        (Kind::Known, _) => known(n),
        (Kind::Unknown, _) => spread(4, n),
        (_, Mechanism::Scram(Hash::Sha512)) => only(Hash::Sha256, n),
        // PLAIN looks for SCRAM-SHA-256 first.
        (_, _) => only(Hash::Sha512, n),
    }
}

/// A login that can be tried again and again.
pub struct Attempt {
    mechanism: Mechanism,
    user: String,
    client: Option<Client>,
}

impl Attempt {
    pub fn new(mechanism: Mechanism, kind: Kind, n: usize) -> Attempt {
        let user = name(mechanism, kind, n);
        let client = match mechanism {
            Mechanism::Scram(hash) => Some(Client::new(hash, &user, Secret::Salted(vec![0x55; 32]))),
            _ => None,
        };
        Attempt { mechanism, user, client }
    }

    /// The time of each step: from before a request is sent until its answer is there.
    pub fn run(&self, at: SocketAddr) -> Result<Vec<Duration>> {
        let mut conn = Conn::open(at)?;
        let Some(client) = &self.client else {
            conn.handshake("PLAIN")?;
            let token = format!("\0{}\0wrong-secret", self.user).into_bytes();
            let (reply, time) = step(&mut conn, token)?;
            check_eq!(reply.error_code, 58, "a wrong password of {}", self.user);
            return Ok(vec![time]);
        };
        conn.handshake(client.hash.mechanism())?;
        let exchange = client.begin();
        let (reply, challenge) = step(&mut conn, exchange.token())?;
        check_eq!(reply.error_code, 0, "the challenge for {} by {}", self.user, self.mechanism.name());
        let (last, _) = exchange.answer(&reply.auth_bytes)?;
        let (reply, refusal) = step(&mut conn, last)?;
        check_eq!(reply.error_code, 58, "a wrong password of {}", self.user);
        Ok(vec![challenge, refusal])
    }
}

fn step(conn: &mut Conn, token: Vec<u8>) -> Result<(SaslAuthenticateResponse, Duration)> {
    let frame = frame_of(1, 7, &SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(token)))?;
    let begin = Instant::now();
    conn.send(&frame)?;
    let mut answer = conn.frame()?;
    let time = begin.elapsed();
    check_eq!(answer.try_get_i32().ok(), Some(7), "correlation id");
    let reply = SaslAuthenticateResponse::decode(&mut answer, 1).context("answer to SaslAuthenticate")?;
    Ok((reply, time))
}
