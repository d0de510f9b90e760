//! The judgement itself: whatever could go wrong with a store is done to a sound one behind the ledger's back, and has to be seen.

use libtest_mimic::Trial;
use proto_tests::ledger::{Answer, Change, Credential, Ledger};
use proto_tests::random::Random;
use proto_tests::wire::Conn;
use proto_tests::{Result, check, check_eq};

use super::{admin, change, spec, start, users};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![free("store_faults::what_is_wrong_is_seen", wrong_is_seen)]
}

fn wrong_is_seen() -> Result<()> {
    let mut random = Random::seeded("what is wrong is seen");
    let (spec, _store) = spec()?;
    let (front, _) = start(&spec)?;
    let (mut ledger, mut conn) = (Ledger::default(), admin(&front)?);
    change(&mut ledger, &mut conn, &mut random, &users("user", 6), 30)?;
    let Some((key, good)) = ledger.any(&mut random).map(|(k, c)| (k.clone(), c.clone())) else {
        return Err("nothing is in the store".into());
    };
    let at = front.sasl();
    let mut seen = |ledger: &Ledger, conn: &mut Conn, what: &str, word: &str| -> Result<()> {
        match ledger.clone().judge(at, conn, &mut random, usize::MAX) {
            Ok(_) => Err(format!("{what} is not seen")),
            Err(why) => {
                check!(why.contains(word), "{what} is seen as {why}");
                Ok(())
            }
        }
    };
    let changed = |change: fn(&mut Credential)| {
        let mut other = good.clone();
        change(&mut other);
        Some(other)
    };
    let rows = [
        ("a credential that is lost", None, "were acknowledged"),
        ("another number of iterations", changed(|c| c.iterations ^= 1), "were acknowledged"),
        ("another salt", changed(|c| c.salt[0] ^= 1), "iterations and salt"),
        ("another key", changed(|c| c.salted[0] ^= 1), "login with what was acknowledged"),
    ];
    for (what, other, word) in rows {
        behind(&ledger, &mut conn, vec![(key.clone(), other)])?;
        seen(&ledger, &mut conn, what, word)?;
        behind(&ledger, &mut conn, vec![(key.clone(), Some(good.clone()))])?;
    }
    // Of a request without an answer one half.
    let halves: Vec<Change> = ["torn-1", "torn-2"]
        .map(|user| {
            ((user.to_owned(), 1), Some(Credential { iterations: 5000, salt: vec![1; 9], salted: vec![2; 32] }))
        })
        .into();
    let mut torn = ledger.clone();
    torn.leave_open(halves.clone());
    behind(&ledger, &mut conn, halves[..1].to_vec())?;
    seen(&torn, &mut conn, "half of a request", "torn")?;
    behind(&ledger, &mut conn, vec![(halves[0].0.clone(), None)])?;
    // A credential that was taken away is back.
    let before = ledger.clone();
    check_eq!(ledger.send(&mut conn, vec![(key.clone(), None)])?, Answer::Done, "a deletion");
    behind(&before, &mut conn, vec![(key.clone(), Some(good))])?;
    seen(&ledger, &mut conn, "a credential that is back", "were acknowledged")?;
    behind(&before, &mut conn, vec![(key, None)])?;
    ledger.judge(at, &mut conn, &mut Random::new(1), usize::MAX).map(drop)
}

/// Makes changes that the ledger does not hear of.
fn behind(ledger: &Ledger, conn: &mut Conn, changes: Vec<Change>) -> Result<()> {
    check_eq!(ledger.clone().send(conn, changes)?, Answer::Done, "a change behind the ledger's back");
    Ok(())
}
