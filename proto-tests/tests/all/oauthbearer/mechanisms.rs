//! Several mechanisms on one listener, each with users who can log in.

use libtest_mimic::Trial;
use proto_tests::bearer::{Listener, SCRAM_USER};
use proto_tests::issuer::{self, ALICE};
use proto_tests::oauthbearer;
use proto_tests::scram::{self, Hash};
use proto_tests::wire::{Conn, requests};
use proto_tests::{Result, check_eq};

use super::{Target, each};

pub fn trials() -> Vec<Trial> {
    each("mechanisms::side_by_side", side_by_side)
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
