//! Several mechanisms on one listener, and their change while clients are connected.

use libtest_mimic::Trial;
use proto_tests::bearer::{Listener, SCRAM_USER};
use proto_tests::issuer::{self, ALICE, Issuer};
use proto_tests::jose::Algorithm;
use proto_tests::oauthbearer;
use proto_tests::scram::{self, Hash};
use proto_tests::standin::Standin;
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check_eq};

use super::{Target, each, own};
use crate::free;

pub fn trials() -> Vec<Trial> {
    let mut all = each("mechanisms::side_by_side", side_by_side);
    all.push(free("oauthbearer::mechanisms::one_follows_another", change));
    all
}

/// PLAIN, SCRAM and tokens at the same listener, one connection after the other and in between.
fn side_by_side(target: Target) -> Result<()> {
    let token = issuer::shared()?.grant(ALICE)?;
    if target == Target::Front {
        super::know_the_scram_user()?;
    }
    for _ in 0..3 {
        let open = || Conn::open(target.at(Listener::Secured)?);
        let (mut plain, mut scram, mut bearer) = (open()?, open()?, open()?);
        plain.handshake("PLAIN")?;
        bearer.handshake("OAUTHBEARER")?;
        scram::log_in(&mut scram, Hash::Sha256, SCRAM_USER.0, SCRAM_USER.1)?;
        let lifetime = oauthbearer::again(&mut bearer, oauthbearer::initial(&token))?;
        proto_tests::check!(lifetime.is_in(), "a token: {lifetime:?}");
        let reply = plain.call(1, &requests::plain("alice", "alice-secret"))?;
        check_eq!(reply.error_code, 0, "a password");
        for conn in [&mut plain, &mut scram, &mut bearer] {
            conn.call(12, &requests::metadata(&[]))?;
        }
    }
    let mut conn = Conn::open(target.at(Listener::Secured)?)?;
    let reply = conn.call(1, &requests::handshake("GSSAPI"))?;
    let mut offered: Vec<String> = reply.mechanisms.iter().map(|m| m.to_string()).collect();
    offered.sort();
    check_eq!(
        (reply.error_code, offered.join(",")),
        (33, "OAUTHBEARER,PLAIN,SCRAM-SHA-256".to_owned()),
        "what is offered"
    );
    Ok(())
}

/// Tokens are turned on beside passwords, clients move, passwords are turned off: who is connected stays.
fn change() -> Result<()> {
    let issuer = Issuer::start()?;
    let backend = Standin::start(Standin::reserve()?)?;
    let (mut spec, _) = own::spec(&backend, &issuer.jwks_url(), &issuer.url())?;
    let token = || issuer.token(Algorithm::Rs256, &issuer.claims("alice"));
    let front = spec.set("sasl.enabled.mechanisms", "PLAIN").start()?;
    let serves = |conn: &mut Conn| conn.call(12, &requests::metadata(&[])).map(drop);
    let refused = |mechanism: &str| -> Result<()> {
        let reply = Conn::open(front.sasl())?.call(1, &requests::handshake(mechanism))?;
        check_eq!(reply.error_code, 33, "a handshake for {mechanism}");
        Ok(())
    };
    let mut first = Conn::login(front.sasl(), "alice", "alice-secret")?;
    serves(&mut first)?;
    refused("OAUTHBEARER")?;
    front.reload(spec.set("sasl.enabled.mechanisms", "PLAIN,OAUTHBEARER"))?;
    // The keys are fetched in the background.
    proto_tests::wait_for("the first token", std::time::Duration::from_secs(30), || {
        oauthbearer::log_in(&mut Conn::open(front.sasl())?, &token()?).map(drop)
    })?;
    let mut second = Conn::open(front.sasl())?;
    oauthbearer::log_in(&mut second, &token()?)?;
    let mut third = Conn::login(front.sasl(), "bob", "bob-secret")?;
    front.reload(spec.set("sasl.enabled.mechanisms", "OAUTHBEARER"))?;
    refused("PLAIN")?;
    for conn in [&mut first, &mut second, &mut third] {
        serves(conn)?;
    }
    oauthbearer::log_in(&mut Conn::open(front.sasl())?, &token()?).map(drop)
}
