//! SEC-20 and SEC-21: what a client learns of a user that there is not, of one without this credential, of a wrong password. At a
//! broker the first two fail one round early; at doorkeeper all look the same.

use std::collections::BTreeSet;

use kafka_protocol::messages::SaslAuthenticateRequest;
use libtest_mimic::Trial;
use proto_tests::scram::{Hash, Round, first_round, refusal};
use proto_tests::wire::{Conn, PATIENCE, bytes};
use proto_tests::{Result, check, check_eq};

use super::{Target, front, spec};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("scram::unknown::broker_fails_early", early),
        free("scram::unknown::all_look_the_same", same),
        free("scram::unknown::salt_is_stable", stable),
        free("scram::unknown::half_done_exchanges", half_done),
    ]
}

/// The judge is what the notes say: without this the rows for doorkeeper would show nothing special.
fn early() -> Result<()> {
    let mut conn = Target::Kafka.open()?;
    conn.handshake("SCRAM-SHA-256")?;
    let token = SaslAuthenticateRequest::default().with_auth_bytes(b"n,,n=nobody,r=x"[..].into());
    let reply = conn.call(1, &token)?;
    let said = (reply.error_code, reply.error_message.as_deref().unwrap_or_default().to_owned());
    check_eq!(said, (58, refusal(Hash::Sha256)), "a broker's first round for nobody");
    Ok(())
}

/// Every byte of the second round, and the sizes in the first.
fn watch(conn: &mut Conn, hash: Hash, user: &str) -> Result<(Round, Vec<u8>)> {
    let round = first_round(conn, hash, user)?;
    conn.send(&bytes::authenticate(round.finish("a-wrong-password").as_bytes()))?;
    Ok((round, conn.outcome(PATIENCE).bytes))
}

fn same() -> Result<()> {
    for hash in Hash::BOTH {
        let other = if hash == Hash::Sha256 { Hash::Sha512 } else { Hash::Sha256 };
        let (known, half) = (format!("known-{}", hash.number()), format!("other-hash-{}", hash.number()));
        Target::Front.give(&known, hash, "secret")?;
        Target::Front.give(&half, other, "secret")?;
        let (real, last) = watch(&mut Target::Front.open()?, hash, &known)?;
        check_eq!(last, bytes::refused(58, &refusal(hash)), "a wrong password");
        let others = [half.as_str(), "nobody", "nobody-else", "alice", "front", "n\u{f6}body", "a,b=c"];
        // At once: each waits for the delay of a refusal.
        let seen: Vec<Result<(Round, Vec<u8>)>> = std::thread::scope(|scope| {
            let looks = others.map(|user| scope.spawn(move || watch(&mut Target::Front.open()?, hash, user)));
            looks.into_iter().map(|look| look.join().expect("a look does not panic")).collect()
        });
        for (user, seen) in others.into_iter().zip(seen) {
            let (round, bytes) = seen?;
            check_eq!(bytes, last, "the last reply for {user:?}");
            check_eq!(round.iterations, real.iterations, "iterations for {user:?}");
            // As Kafka's own tools draw it: a number of 130 bits in base 36.
            let usual = round.salt.iter().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
                && (20..=26).contains(&round.salt.len());
            check!(usual, "the salt for {user:?}: {:?}", String::from_utf8_lossy(&round.salt));
            // The client's nonces are of one length, so the server's are too.
            check_eq!(round.nonce.len(), real.nonce.len(), "length of the nonce for {user:?}");
        }
    }
    Ok(())
}

fn salts(to: &mut dyn FnMut() -> Result<Conn>, times: usize) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for user in ["nobody", "nobody-else", "n\u{f6}body"] {
        for hash in Hash::BOTH {
            let seen: Result<BTreeSet<Vec<u8>>> =
                (0..times).map(|_| Ok(first_round(&mut to()?, hash, user)?.salt)).collect();
            let seen = seen?;
            check_eq!(seen.len(), 1, "salts of {user:?} in {times} looks");
            all.extend(seen);
        }
    }
    check_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "salts of other names and hashes");
    Ok(all)
}

/// The same salt for a name each time, over a restart, and at every doorkeeper with the same key; another one without that key.
fn stable() -> Result<()> {
    let mut first = spec()?;
    let running = first.start()?;
    let own = salts(&mut || Conn::open(running.sasl()), 20)?;
    drop(running);
    let running = first.start()?;
    check_eq!(salts(&mut || Conn::open(running.sasl()), 1)?, own, "salts after a restart");
    drop(running);
    let at_shared = salts(&mut || Target::Front.open(), 1)?;
    check!(
        own.iter().all(|salt| !at_shared.contains(salt)),
        "two doorkeepers that share nothing have a salt in common"
    );
    const KEY: &str = "c2l4dGVlbiBieXRlcyBhcmUgbm90IGVub3VnaCBoZXJl";
    let running = first.set("sasl.scram.unknown.user.key", KEY).start()?;
    let with_key = salts(&mut || Conn::open(running.sasl()), 1)?;
    check!(own.iter().all(|salt| !with_key.contains(salt)), "the key changes nothing");
    let other = spec()?.set("sasl.scram.unknown.user.key", KEY).start()?;
    check_eq!(salts(&mut || Conn::open(other.sasl()), 1)?, with_key, "salts at another doorkeeper with the same key");
    for said in [running.process.output(), other.process.output()] {
        check!(!said.contains(KEY), "the log holds the key");
    }
    Ok(())
}

/// H-160: exchanges that stop half way cost little.
fn half_done() -> Result<()> {
    const CONNECTIONS: u64 = 1_000;
    Target::Front.give("half-done", Hash::Sha256, "secret")?;
    let resident = || front()?.lock().map_err(|e| e.to_string())?.process.resident();
    let before = resident()?;
    let mut open = Vec::new();
    for i in 0..CONNECTIONS {
        let mut conn = Target::Front.open()?;
        first_round(&mut conn, Hash::Sha256, if i % 2 == 0 { "half-done" } else { "nobody" })?;
        open.push(conn);
    }
    let each = resident()?.saturating_sub(before) / CONNECTIONS;
    // A connection itself takes some KiB; other trials run at the same time.
    check!(each < 64 << 10, "{each} bytes for a connection whose exchange is half done");
    proto_tests::scram::log_in(&mut Target::Front.open()?, Hash::Sha256, "half-done", "secret")
}
