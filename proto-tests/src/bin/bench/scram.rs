//! SCRAM logins, and users to log in with.

use std::net::SocketAddr;

use proto_tests::scram::Hash;
use proto_tests::scram_client::{Client, Secret};
use proto_tests::wire::{self as typed, requests};

use crate::client::{Conn, Endpoint};
use crate::load::on_threads;
use crate::{Res, USER, logins, wire};

/// What the tools of Kafka take when they are told nothing.
const ITERATIONS: i32 = 4096;
/// Upsertions in a request.
const AT_ONCE: usize = 500;

/// The frames of a SCRAM login that are the same each time.
struct Frames {
    api_versions: Vec<u8>,
    handshake: Vec<u8>,
}

impl Frames {
    fn new(hash: Hash) -> Self {
        Self { api_versions: wire::api_versions(), handshake: wire::sasl_handshake(hash.mechanism()) }
    }

    /// Connects, logs in, and has the server prove that it knows the credential.
    fn log_in(&self, addr: SocketAddr, client: &Client) -> Res<()> {
        let mut conn = Conn::dial(Endpoint::plain(addr))?;
        for frame in [&self.api_versions, &self.handshake] {
            wire::error_code("ApiVersions or SaslHandshake", conn.call(frame)?)?;
        }
        let exchange = client.begin();
        let first = wire::authenticated(conn.call(&wire::sasl_authenticate(&exchange.token()))?)?;
        let (last, expected) = exchange.answer(first)?;
        if wire::authenticated(conn.call(&wire::sasl_authenticate(&last))?)? != expected {
            return Err("the server's signature is wrong".into());
        }
        conn.close()
    }
}

/// `count` times: connect, log in as the first user, close. Gives the seconds that took.
pub fn log_in_repeatedly(addr: SocketAddr, hash: Hash, count: usize) -> Res<f64> {
    let (frames, client) = (Frames::new(hash), client(hash, 0));
    logins::repeatedly(count, || frames.log_in(addr, &client))
}

/// The same as any of that many users, another each time.
pub fn log_in_as_any(addr: SocketAddr, hash: Hash, users: usize, count: usize) -> Res<f64> {
    let frames = Frames::new(hash);
    let mut random = Random::default();
    let picked: Vec<usize> = (0..count).map(|_| random.below(users)).collect();
    let start = std::time::Instant::now();
    let mut lanes: Vec<_> = picked.chunks(count.div_ceil(logins::CLIENTS)).collect();
    on_threads(&mut lanes, |lane| lane.iter().try_for_each(|n| frames.log_in(addr, &client(hash, *n))).map(|()| 0))?;
    Ok(start.elapsed().as_secs_f64())
}

/// `count` times on one connection: describe any of that many users, another each time. Gives the seconds that took.
pub fn describe_any(addr: SocketAddr, users: usize, count: usize) -> Res<f64> {
    let mut random = Random::default();
    let frames: Vec<_> = (0..count).map(|_| wire::describe_user(&user(random.below(users)))).collect();
    let mut conn = Conn::open(Endpoint::plain(addr).with_login())?;
    let start = std::time::Instant::now();
    for frame in &frames {
        wire::check_described(conn.call(frame)?)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Creates that many users, with credentials of these mechanisms. `admin`: whether one must log in to do so. Gives the seconds
/// that took.
pub fn create_users(addr: SocketAddr, admin: bool, hashes: &[Hash], users: usize) -> Res<f64> {
    let mut conn = match admin {
        true => typed::Conn::login(addr, USER.0, USER.1)?,
        false => typed::Conn::open(addr)?,
    };
    let start = std::time::Instant::now();
    // Kafka refuses a user twice in a request, even for two mechanisms.
    for hash in hashes {
        for begin in (0..users).step_by(AT_ONCE) {
            let rows = (begin..users.min(begin + AT_ONCE)).map(|n| {
                requests::upsertion(&user(n), hash.number(), ITERATIONS, salt(n).as_bytes(), &salted(*hash, n))
            });
            let answers = conn.alter_scram(&requests::alter_scram(Vec::new(), rows.collect()))?;
            if let Some(wrong) = answers.iter().find(|(_, code, _)| *code != 0) {
                return Err(format!("creating users: {wrong:?}").into());
            }
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

fn user(n: usize) -> String {
    format!("user-{n:06}")
}

/// As long as what Kafka's tools draw.
fn salt(n: usize) -> String {
    format!("salt-of-the-user-{n:09}")
}

/// Any bytes will do for a SaltedPassword: the server cannot tell which password they come from.
fn salted(hash: Hash, n: usize) -> Vec<u8> {
    hash.salted(user(n).as_bytes(), salt(n).as_bytes(), 1)
}

fn client(hash: Hash, n: usize) -> Client {
    Client::new(hash, &user(n), Secret::Salted(salted(hash, n)))
}

/// xorshift: the same each time.
struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}
