//! H-184 to H-201: tokens of every wrong shape, and right ones that look odd, sent to Kafka's own validators and to doorkeeper, with an
//! expectation for each in each place.

mod claims;
mod headers;
mod keys;
mod payloads;
mod reasons;
mod signatures;
mod unsecured;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Trial;
use proto_tests::bearer::Listener;
use proto_tests::issuer::{self, Issuer};
use proto_tests::jose::{self, Algorithm, SigningKey};
use proto_tests::oauthbearer::{INVALID, Outcome, exchange, initial};
use proto_tests::wire::Conn;
use proto_tests::{Result, check, progress, scratch};
use serde_json::{Value, json};

use super::{Target, each};
use crate::free;

pub fn trials() -> Vec<Trial> {
    let parts: [(&str, Part); 6] = [
        ("signatures", signatures::rows),
        ("headers", headers::rows),
        ("claims", claims::rows),
        ("payloads", payloads::rows),
        ("keys", keys::rows),
        ("unsecured", unsecured::rows),
    ];
    let part = |(name, rows): (&'static str, Part)| each(&format!("tokens::{name}"), move |target| judge(target, rows));
    let mut all: Vec<Trial> = parts.into_iter().flat_map(part).collect();
    all.push(free("oauthbearer::tokens::differences_are_documented", documented));
    all
}

type Part = fn() -> Result<Vec<Row>>;

/// What a listener makes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Let in.
    In,
    /// The challenge that says "invalid_token", and error 58 behind it.
    Invalid,
    /// The challenge that says "insufficient_scope".
    Scope,
    /// Error 58 at once: no token at all by RFC 7628's grammar.
    Error,
    /// No answer.
    Closed,
}

use Want::{Closed, Error, In, Invalid, Scope};

/// A token, and what Kafka and doorkeeper make of it.
pub struct Row {
    pub what: String,
    pub listener: Listener,
    token: String,
    kafka: Want,
    /// Doorkeeper's, and why, where it is not Kafka's.
    front: Option<(Want, &'static str)>,
}

impl Row {
    pub fn at(mut self, listener: Listener) -> Row {
        self.listener = listener;
        self
    }

    /// What doorkeeper makes of it, which is not what Kafka makes of it.
    pub fn front(mut self, want: Want, why: &'static str) -> Row {
        self.front = Some((want, why));
        self
    }

    fn want(&self, target: Target) -> Want {
        match target {
            Target::Kafka => self.kafka,
            Target::Front => self.front.map_or(self.kafka, |(want, _)| want),
        }
    }
}

/// A row at the listener with the shared issuer's keys; both make the same of it.
pub fn row(what: impl Into<String>, token: String, want: Want) -> Row {
    Row { what: what.into(), listener: Listener::Secured, token, kafka: want, front: None }
}

/// The shared issuer and its keys.
pub struct Signer {
    pub issuer: &'static Issuer,
    pub rs: std::sync::Arc<SigningKey>,
    pub es: std::sync::Arc<SigningKey>,
}

impl Signer {
    pub fn new() -> Result<Signer> {
        let issuer = issuer::shared()?;
        Ok(Signer { issuer, rs: issuer.key(Algorithm::Rs256)?, es: issuer.key(Algorithm::Es256)? })
    }

    pub fn claims(&self) -> Value {
        self.issuer.claims("alice")
    }

    /// The claims with one more or another value for it; without it if there is none.
    pub fn claims_with(&self, name: &str, value: Option<Value>) -> Value {
        let mut claims = self.claims();
        if let Some(map) = claims.as_object_mut() {
            match value {
                Some(value) => map.insert(name.to_owned(), value),
                None => map.remove(name),
            };
        }
        claims
    }

    /// A right header.
    pub fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "JWT", "kid": self.rs.kid})
    }

    /// Right claims behind that header, signed by RS256 whatever it says.
    pub fn headed(&self, header: &str) -> Result<String> {
        self.rs.token_of(header.as_bytes(), self.claims().to_string().as_bytes())
    }

    /// That payload, signed by RS256 behind a right header.
    pub fn payload(&self, payload: &[u8]) -> Result<String> {
        self.rs.token_of(self.header().to_string().as_bytes(), payload)
    }

    /// Those claims, signed by RS256.
    pub fn token(&self, claims: &Value) -> Result<String> {
        self.rs.token(claims)
    }
}

/// Two parts, and a signature of any bytes.
pub fn with_signature(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>>) -> Result<String> {
    let input = format!("{}.{}", jose::b64(header.to_string().as_bytes()), jose::b64(claims.to_string().as_bytes()));
    let signature = sign(input.as_bytes())?;
    Ok(format!("{input}.{}", jose::b64(&signature)))
}

/// The list of differences is that of the documentation.
fn documented() -> Result<()> {
    let file = scratch::checkout().join("docs/kafka-differences.md");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let missing: Vec<&str> = reasons::ALL.into_iter().filter(|why| !text.contains(why)).collect();
    check!(missing.is_empty(), "not in {}: {missing:#?}", file.display());
    Ok(())
}

/// Sends every row to the target and compares. Those that come out as they should are counted; of the others each is told. No token is
/// printed.
fn judge(target: Target, rows: Part) -> Result<()> {
    const AT_ONCE: usize = 6;
    // Before the rows, whose times count from now.
    target.at(Listener::Secured)?;
    let rows = rows()?;
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(i) else { return };
                    let got = look(target, row);
                    seen.lock().expect("no holder panics").insert(i, got);
                }
            });
        }
    });
    let seen = seen.into_inner().map_err(|e| e.to_string())?;
    let mut wrong = Vec::new();
    for (row, got) in rows.iter().zip(seen.into_values()) {
        let want = row.want(target);
        if got.as_ref() != Ok(&want) {
            wrong.push(format!("{} ({}): {got:?}, wanted {want:?}", row.what, row.listener.name()));
        }
    }
    let strange: Vec<&str> = rows.iter().filter_map(|row| Some(row.front?.1)).collect();
    let unlisted: Vec<_> = strange.iter().filter(|why| !reasons::ALL.contains(why)).collect();
    check!(unlisted.is_empty(), "reasons that are in no list: {unlisted:?}");
    let different = strange.len();
    progress(format!("{} tokens at {}; of {different} doorkeeper makes something else", rows.len(), target.name()));
    headers::nobody_came()?;
    check!(wrong.is_empty(), "at {}, {} of {}:\n{}", target.name(), wrong.len(), rows.len(), wrong.join("\n"));
    Ok(())
}

fn look(target: Target, row: &Row) -> Result<Want> {
    let mut conn = Conn::open(target.at(row.listener)?)?;
    Ok(match exchange(&mut conn, initial(&row.token))? {
        Outcome::In(_) => In,
        Outcome::Refused { challenge, code: 58, text } if challenge == INVALID && text.as_deref() == Some(INVALID) => {
            Invalid
        }
        Outcome::Refused { challenge, code: 58, .. } if challenge.contains("insufficient_scope") => Scope,
        Outcome::Error { code: 58, .. } => Error,
        Outcome::Closed => Closed,
        other => return Err(format!("{other:?}")),
    })
}
