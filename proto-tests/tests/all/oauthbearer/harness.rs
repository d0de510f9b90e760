//! The issuer, its stand-in and the broker are what the other trials take them for.

use libtest_mimic::Trial;
use proto_tests::bearer::{self, Listener, REAUTH_MS, SCRAM_USER};
use proto_tests::false_issuer::{Answer, FalseIssuer};
use proto_tests::issuer::{self, ALICE, BOB, BRIEF, Issuer, Rotation, STRANGER};
use proto_tests::jose::{self, Algorithm};
use proto_tests::odd_keys;
use proto_tests::pki;
use proto_tests::scram::{self, Hash};
use proto_tests::wire::{Conn, tls};
use proto_tests::{Result, check, check_eq, http, oauthbearer};
use serde_json::{Value, json};

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("oauthbearer::harness::issuer", an_issuer),
        free("oauthbearer::harness::false_issuer", a_false_issuer),
        free("oauthbearer::harness::broker", broker),
    ]
}

/// Key ids that are published.
fn kids(issuer: &Issuer) -> Result<Vec<String>> {
    let reply = http::exchange(
        issuer.http,
        format!("GET /jwks HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", issuer.http).as_bytes(),
    )?;
    let keys: Value = serde_json::from_str(&reply.body).map_err(|e| format!("the published keys: {e}"))?;
    let kid = |key: &Value| key["kid"].as_str().unwrap_or_default().to_owned();
    let mut kids: Vec<String> = keys["keys"].as_array().into_iter().flatten().map(kid).collect();
    kids.sort();
    Ok(kids)
}

fn an_issuer() -> Result<()> {
    let issuer = Issuer::start()?;
    check_eq!(kids(&issuer)?, ["es256-1", "rs256-1"], "keys at first");
    check_eq!(issuer.grant(ALICE)?.split('.').count(), 3, "parts of a token");
    issuer.rotate(Rotation::Announce)?;
    check_eq!(kids(&issuer)?, ["es256-1", "es256-2", "rs256-1", "rs256-2"], "keys when new ones are announced");
    check_eq!(issuer.key(Algorithm::Rs256)?.kid, "rs256-1", "who signs then");
    issuer.rotate(Rotation::Overlap)?;
    check_eq!(kids(&issuer)?.len(), 4, "keys when the new ones sign");
    check_eq!(issuer.key(Algorithm::Rs256)?.kid, "rs256-2", "who signs then");
    issuer.withdraw_old()?;
    check_eq!(kids(&issuer)?, ["es256-2", "rs256-2"], "keys when the old ones are gone");
    issuer.rotate(Rotation::HardSwap)?;
    check_eq!(kids(&issuer)?, ["es256-3", "rs256-3"], "keys behind a hard swap");
    let header = issuer.grant(BOB)?.split('.').next().unwrap_or_default().to_owned();
    check_eq!(header, jose::b64(br#"{"alg":"ES256","typ":"at+jwt","kid":"es256-3"}"#), "the header of a new token");
    check!(issuer.fetches()? >= 4, "fetches are counted: {:?}", issuer.requests()?);
    issuer.restart()?;
    check_eq!(kids(&issuer)?, ["es256-3", "rs256-3"], "keys after a new start");
    issuer.stop();
    check!(kids(&issuer).is_err(), "it answers after its end");
    Ok(())
}

fn a_false_issuer() -> Result<()> {
    let server = FalseIssuer::start(Answer::Body(b"{}".to_vec()))?;
    let get = || http::exchange(server.at, b"GET /jwks HTTP/1.1\r\nConnection: close\r\n\r\n");
    check_eq!(get()?.body, "{}", "a body");
    server.tell(Answer::Redirect("http://127.0.0.1:1/".into()));
    check_eq!(get()?.status, 302, "a redirect");
    server.tell(Answer::Close);
    check!(get().is_err(), "an answer of one that closes");
    let seen = server.seen();
    check_eq!((seen.connections, seen.requests), (3, 3), "what it has seen");
    Ok(())
}

/// Each listener of the broker takes whom it should.
fn broker() -> Result<()> {
    let broker = bearer::shared()?;
    let issuer = issuer::shared()?;
    let client = tls::Client::trusting(&pki::get()?.ca)?;
    let open = |listener: Listener| match listener.protocol() {
        "SASL_SSL" => Conn::open_tls(broker.at(listener), &client),
        _ => Conn::open(broker.at(listener)),
    };
    let now = jose::now();
    let free = jose::unsecured(&json!({"sub": "alice", "iat": now, "exp": now + 60}));
    let named = jose::unsecured(&json!({"name": "alice", "roles": ["read", "write"], "iat": now, "exp": now + 60}));
    for listener in Listener::ALL {
        let name = listener.name();
        let said = |what: &str| format!("{what} at {name}");
        open(listener)?.log_in("alice", "alice-secret").map_err(|e| format!("{}: {e}", said("PLAIN")))?;
        scram::log_in(&mut open(listener)?, Hash::Sha256, SCRAM_USER.0, SCRAM_USER.1)
            .map_err(|e| format!("{}: {e}", said("SCRAM")))?;
        match listener {
            Listener::Unsecured | Listener::UnsecuredTls => {
                let lifetime = oauthbearer::log_in(&mut open(listener)?, &free).map_err(|e| said(&e))?;
                check!((50_000..=60_000).contains(&lifetime), "a session of {lifetime} ms");
                oauthbearer::is_refused(&mut open(listener)?, &issuer.grant(ALICE)?).map_err(|e| said(&e))?;
            }
            Listener::Options => {
                oauthbearer::log_in(&mut open(listener)?, &named).map_err(|e| said(&e))?;
                oauthbearer::is_refused(&mut open(listener)?, &free).map_err(|e| said(&e))?;
            }
            Listener::Secured | Listener::SecuredTls | Listener::Reauth => {
                for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
                    let token = issuer.token(algorithm, &issuer.claims("bob"))?;
                    oauthbearer::log_in(&mut open(listener)?, &token).map_err(|e| said(&e))?;
                }
                for client in [ALICE, BOB] {
                    let lifetime =
                        oauthbearer::log_in(&mut open(listener)?, &issuer.grant(client)?).map_err(|e| said(&e))?;
                    let most = if listener == Listener::Reauth { REAUTH_MS as i64 } else { 600_000 };
                    check!((most - 60_000..=most).contains(&lifetime), "a session of {lifetime} ms at {name}");
                }
                let lifetime = oauthbearer::log_in(&mut open(listener)?, &issuer.grant(BRIEF)?)?;
                check!((1..=10_000).contains(&lifetime), "a session of {lifetime} ms at {name}");
                oauthbearer::is_refused(&mut open(listener)?, &issuer.grant(STRANGER)?).map_err(|e| said(&e))?;
                oauthbearer::is_refused(&mut open(listener)?, &free).map_err(|e| said(&e))?;
            }
            Listener::OddKeys => {
                let key = odd_keys::get()?.good(Algorithm::EdDsa);
                oauthbearer::log_in(&mut open(listener)?, &key.token(&issuer.claims("bob"))?).map_err(|e| said(&e))?;
                oauthbearer::is_refused(&mut open(listener)?, &issuer.grant(ALICE)?).map_err(|e| said(&e))?;
            }
        }
    }
    Ok(())
}
