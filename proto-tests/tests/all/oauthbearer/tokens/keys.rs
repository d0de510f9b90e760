//! H-201 and the rest of H-187: which key of an odd set is taken, and for what.

use aws_lc_rs::hmac;
use proto_tests::Result;
use proto_tests::bearer::Listener;
use proto_tests::jose::Algorithm;
use proto_tests::odd_keys::{self, OddKeys};
use serde_json::json;

use super::reasons as why;
use super::{In, Invalid, Row, Signer, Want, row, with_signature};

pub fn rows() -> Result<Vec<Row>> {
    let (s, odd) = (Signer::new()?, odd_keys::get()?);
    let all = [good(&s, odd)?, named(&s, odd)?, secrets(&s, odd)?, others(&s, odd)?].into_iter().flatten();
    Ok(all.map(|row| row.at(Listener::OddKeys)).collect())
}

/// Good keys are found among the odd ones, for each algorithm.
fn good(s: &Signer, odd: &OddKeys) -> Result<Vec<Row>> {
    let good =
        |a: Algorithm| Ok(row(format!("H-201 the good key of {}", a.name()), odd.good(a).token(&s.claims())?, In));
    Algorithm::ALL.into_iter().map(good).collect()
}

/// One RSA key under many names, in each of which something is odd.
fn named(s: &Signer, odd: &OddKeys) -> Result<Vec<Row>> {
    let made = |kid: &str, want: Want| {
        let header = json!({"alg": "RS256", "kid": kid});
        let token = with_signature(&header, &s.claims(), |input| odd.rsa.sign(input))?;
        Ok::<Row, String>(row(format!("H-201 the key {kid}"), token, want))
    };
    Ok(vec![
        made("bare", In)?,
        made("use-enc", Invalid)?,
        made("use-null", In)?.front(Invalid, why::BROKEN),
        made("ops-encrypt", Invalid)?,
        made("ops-verify", In)?,
        made("ops-none", Invalid)?,
        made("alg-rs512", In)?.front(Invalid, why::ALGORITHM),
        made("alg-hs256", In)?.front(Invalid, why::ALGORITHM),
        made("alg-es256", In)?.front(Invalid, why::ALGORITHM),
        made("private", In)?.front(Invalid, why::PRIVATE),
        made("x5c", Invalid)?.front(In, why::CERTIFICATES),
        made("e-one", Invalid)?,
        made("e-even", Invalid)?,
        made("e-missing", Invalid)?,
        made("n-standard-base64", In)?.front(Invalid, why::BROKEN),
        made("n-16k", Invalid)?,
        made("twice", Invalid)?,
        made("twice-right-first", In)?,
        made("5", Invalid)?,
        made("rsa1024", Invalid)?,
        made("unknown-kty", Invalid)?,
        made("no-numbers", Invalid)?,
        made("off-curve", Invalid)?,
        made("missing", Invalid)?,
    ])
}

fn secrets(s: &Signer, odd: &OddKeys) -> Result<Vec<Row>> {
    let mut all = Vec::new();
    for kid in ["oct", "oct-alg"] {
        let header = json!({"alg": "HS256", "kid": kid});
        let sign =
            |input: &[u8]| Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &odd.secret), input).as_ref().to_vec());
        let token = with_signature(&header, &s.claims(), sign)?;
        all.push(row(format!("H-201 HS256 by the key {kid}"), token, In).front(Invalid, why::SECRET));
    }
    Ok(all)
}

fn others(s: &Signer, odd: &OddKeys) -> Result<Vec<Row>> {
    let claims = s.claims();
    let ec = |kid: &str, alg: Algorithm| {
        with_signature(&json!({"alg": alg.name(), "kid": kid}), &claims, |input| odd.good(alg).sign(input))
    };
    let short = with_signature(&json!({"alg": "RS256", "kid": "rsa1024"}), &claims, |input| odd.sign_short(input))?;
    Ok(vec![
        row("H-187 RSA of 1024 bits", short, Invalid),
        row("H-201 ES256 by the key off-curve", ec("off-curve", Algorithm::Es256)?, Invalid),
        row("H-201 ES256 by the key of ES384", ec("es384", Algorithm::Es256)?, Invalid),
        row("H-201 ES384 by the key of ES256", ec("es256", Algorithm::Es384)?, Invalid),
        row("H-201 ES256 by the key wrong-crv", ec("wrong-crv", Algorithm::Es256)?, Invalid),
        row("H-201 the key of someone else", odd.other.token(&claims)?, Invalid),
    ])
}
