//! New keys take over while clients log in.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use proto_tests::issuer::{Issuer, Rotation};
use proto_tests::jose::{Algorithm, SigningKey};
use proto_tests::oauthbearer::Outcome;
use proto_tests::{Result, check, check_eq, progress, wait_for};

use super::own::{self, key};
use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![
        free("oauthbearer::rotation::overlap", overlap),
        free("oauthbearer::rotation::hard_swap", hard_swap),
        free("oauthbearer::rotation::withdrawn", withdrawn),
        free("oauthbearer::rotation::unknown_keys", unknown_keys),
    ]
}

fn token(issuer: &Issuer) -> Result<String> {
    issuer.token(Algorithm::Rs256, &issuer.claims("alice"))
}

/// The new keys are published before they sign, and the old ones for a while after: no login fails, and one fetch is enough.
fn overlap() -> Result<()> {
    let issuer = Issuer::start()?;
    let own = own::start(&issuer.jwks_url(), &issuer.url(), |_| ())?;
    let before = own.fetches()?;
    let (stream, ()) = own::stream(
        own.front.sasl(),
        || token(&issuer),
        |logins| {
            logins.wait_more(100)?;
            issuer.rotate(Rotation::Announce)?;
            logins.wait_more(100)?;
            issuer.rotate(Rotation::Overlap)?;
            logins.wait_more(200)?;
            issuer.withdraw_old()?;
            logins.wait_more(100)
        },
    )?;
    progress(format!("overlap: {} logins, {} fetches", stream.times.len(), own.fetches()? - before));
    check_eq!((stream.failures, &stream.failed), (0, &Vec::new()), "logins that failed of {}", stream.times.len());
    check_eq!(own.fetches()? - before, 1.0, "fetches for the new keys");
    Ok(())
}

/// The old keys are gone from one moment to the next: the first login with a new one succeeds, and so does every one behind it.
fn hard_swap() -> Result<()> {
    let issuer = Issuer::start()?;
    let own = own::start(&issuer.jwks_url(), &issuer.url(), |_| ())?;
    own.log_in(&token(&issuer)?)?;
    let mut firsts = Vec::new();
    for _ in 0..3 {
        // What another rotation has caused is over.
        std::thread::sleep(Duration::from_millis(1100));
        let before = own.fetches()?;
        issuer.rotate(Rotation::HardSwap)?;
        let new = token(&issuer)?;
        let begin = Instant::now();
        own.log_in(&new).map_err(|e| format!("the first login with a new key: {e}"))?;
        firsts.push(begin.elapsed());
        let (stream, ()) = own::stream(own.front.sasl(), || token(&issuer), |logins| logins.wait_more(50))?;
        check_eq!((stream.failures, &stream.failed), (0, &Vec::new()), "logins behind it that failed");
        check_eq!(own.fetches()? - before, 1.0, "fetches for the new keys");
    }
    progress(format!("hard swap: the first logins with a new key took {firsts:?}"));
    // Many at the same moment wait for one fetch.
    std::thread::sleep(Duration::from_millis(1100));
    let before = own.fetches()?;
    issuer.rotate(Rotation::HardSwap)?;
    let failed: Vec<String> = std::thread::scope(|scope| {
        let (own, issuer) = (&own, &issuer);
        let all: Vec<_> = (0..30).map(|_| scope.spawn(move || own.log_in(&token(issuer)?))).collect();
        all.into_iter().filter_map(|one| one.join().expect("a login does not panic").err()).collect()
    });
    check_eq!(failed, Vec::<String>::new(), "of 30 first logins at once");
    check_eq!(own.fetches()? - before, 1.0, "fetches for all of them");
    Ok(())
}

/// H-200: a key that is withdrawn is taken until the next fetch, and no longer.
fn withdrawn() -> Result<()> {
    let issuer = Issuer::start()?;
    let own = own::start(&issuer.jwks_url(), &issuer.url(), |spec| {
        spec.set(&key("sasl.oauthbearer.jwks.endpoint.refresh.ms"), "2000");
    })?;
    let old = token(&issuer)?;
    own.log_in(&old)?;
    issuer.rotate(Rotation::HardSwap)?;
    let (begin, swapped) = (Instant::now(), issuer.fetches()?);
    // Nobody comes with a new key: only the clock says that it is time.
    wait_for("the old key to be refused", Duration::from_secs(60), || match own.outcome(&old)? {
        Outcome::Refused { .. } => Ok(()),
        other => Err(format!("{other:?}")),
    })?;
    progress(format!("a withdrawn key was refused after {:?}, refresh 2 s", begin.elapsed()));
    check!(issuer.fetches()? > swapped, "refused without a fetch");
    own.log_in(&token(&issuer)?)
}

/// Tokens of strangers that name keys which nobody has: those of known keys are let in meanwhile, and the issuer hardly notices.
fn unknown_keys() -> Result<()> {
    const FLOOD: usize = 3000;
    let issuer = Issuer::start()?;
    let own = own::start(&issuer.jwks_url(), &issuer.url(), |spec| {
        // As it is without the key.
        spec.unset(&key("sasl.oauthbearer.jwks.endpoint.early.refresh.ms"));
    })?;
    let stranger = SigningKey::new("stranger", Algorithm::Es256)?;
    let (at, asked) = (own.front.sasl(), issuer.fetches()?);
    let (quiet, ()) = own::stream(at, || token(&issuer), |logins| logins.wait_more(300))?;
    let memory = own.front.process.resident()?;
    let (stream, wrong) = own::stream(
        at,
        || token(&issuer),
        |_| {
            let next = std::sync::atomic::AtomicUsize::new(0);
            let flood = || -> Result<usize> {
                let mut wrong = 0;
                loop {
                    let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if n >= FLOOD {
                        return Ok(wrong);
                    }
                    let header = serde_json::json!({"alg": "ES256", "kid": format!("unknown-{n}")}).to_string();
                    let claims = issuer.claims("mallory").to_string();
                    let got = own.outcome(&stranger.token_of(header.as_bytes(), claims.as_bytes())?)?;
                    wrong += usize::from(!matches!(got, Outcome::Refused { .. }));
                }
            };
            std::thread::scope(|scope| {
                let all: Vec<_> = (0..4).map(|_| scope.spawn(flood)).collect();
                all.into_iter().map(|one| one.join().expect("no stranger panics")).sum::<Result<usize>>()
            })
        },
    )?;
    let grown = own.front.process.resident()?.saturating_sub(memory);
    progress(format!(
        "{FLOOD} unknown keys: {} fetches, {} of known keys let in, p99 {:?} (without the flood {:?}), {} KiB more",
        issuer.fetches()? - asked,
        stream.times.len(),
        stream.percentile(99),
        quiet.percentile(99),
        grown >> 10,
    ));
    check_eq!(wrong, 0, "tokens with unknown keys that were not refused as others are");
    check_eq!((stream.failures, &stream.failed), (0, &Vec::new()), "logins of known keys that failed");
    // One at once, and one more if the flood takes more than the minute that has to lie between.
    check!(issuer.fetches()? - asked <= 2, "{} fetches", issuer.fetches()? - asked);
    check!(grown < 16 << 20, "{grown} bytes more");
    Ok(())
}
