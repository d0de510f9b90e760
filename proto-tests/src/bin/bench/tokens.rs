//! Token logins: an issuer's keys, many tokens that they have signed, and clients that log in with them.

use std::net::SocketAddr;
use std::time::Instant;

use proto_tests::false_issuer::{Answer, FalseIssuer};
use proto_tests::jose::{self, Algorithm, SigningKey};
use proto_tests::oauthbearer;
use serde_json::json;

use crate::client::{Conn, Endpoint};
use crate::load::on_threads;
use crate::{Res, USER, logins, wire};

/// What is measured.
pub const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];
/// Longer than any run.
const LIFETIME: i64 = 86_400;

/// Keys that are published by HTTP for as long as the bench runs, and tokens of them: made once, each another one, for both targets.
pub struct Issuer {
    server: FalseIssuer,
    tokens: [Vec<Vec<u8>>; 2],
}

impl Issuer {
    pub const URL: &'static str = "https://issuer.bench";
    pub const AUDIENCE: &'static str = "bench-kafka";

    /// Makes `count` tokens for each algorithm.
    pub fn start(count: usize) -> Res<Self> {
        eprintln!("bench: making {count} tokens for each algorithm");
        let keys = ALGORITHMS.map(|a| SigningKey::new(&a.name().to_lowercase(), a));
        let [rs, es] = keys;
        let keys = [rs?, es?];
        let server = FalseIssuer::start(Answer::Body(jose::jwks(&keys).to_string().into_bytes()))?;
        let mut tokens = [Vec::new(), Vec::new()];
        for (key, made) in keys.iter().zip(&mut tokens) {
            let numbers: Vec<usize> = (0..count).collect();
            let mut lanes: Vec<(&[usize], Vec<Vec<u8>>)> =
                numbers.chunks(count.div_ceil(logins::CLIENTS)).map(|part| (part, Vec::new())).collect();
            on_threads(&mut lanes, |(numbers, out)| {
                for n in *numbers {
                    out.push(wire::sasl_authenticate(&oauthbearer::initial(&key.token(&claims(*n))?)));
                }
                Ok(0)
            })?;
            made.extend(lanes.into_iter().flat_map(|(_, out)| out));
        }
        Ok(Self { server, tokens })
    }

    pub fn jwks_url(&self) -> String {
        self.server.jwks_url()
    }

    /// `count` logins in all, by all clients at once: connect, ApiVersions, SaslHandshake, SaslAuthenticate, close. Each has another
    /// token, until all have been used. Gives the seconds that took.
    pub fn log_in_repeatedly(&self, addr: SocketAddr, algorithm: Algorithm, count: usize) -> Res<f64> {
        let tokens = &self.tokens[usize::from(algorithm == ALGORITHMS[1])];
        let frames = [wire::api_versions(), wire::sasl_handshake("OAUTHBEARER")];
        let start = Instant::now();
        let mut lanes: [usize; logins::CLIENTS] = std::array::from_fn(|lane| lane);
        on_threads(&mut lanes, |lane| {
            for n in (*lane..count).step_by(logins::CLIENTS) {
                log_in(addr, &frames, &tokens[n % tokens.len()])?;
            }
            Ok(0)
        })?;
        Ok(start.elapsed().as_secs_f64())
    }
}

fn log_in(addr: SocketAddr, frames: &[Vec<u8>; 2], token: &[u8]) -> Res<()> {
    let mut conn = Conn::dial(Endpoint::plain(addr))?;
    for frame in frames {
        wire::error_code("ApiVersions or SaslHandshake", conn.call(frame)?)?;
    }
    // A refused token gives no error but a challenge.
    if !wire::authenticated(conn.call(token)?)?.is_empty() {
        return Err("a token is refused".into());
    }
    conn.close()
}

/// What a server of the client credentials grant writes (RFC 9068).
fn claims(n: usize) -> serde_json::Value {
    let now = jose::now();
    json!({
        "jti": format!("a-token-of-the-bench-{n:019}"), "sub": USER.0, "client_id": USER.0, "iss": Issuer::URL,
        "aud": Issuer::AUDIENCE, "scope": "kafka", "iat": now, "exp": now + LIFETIME,
    })
}
