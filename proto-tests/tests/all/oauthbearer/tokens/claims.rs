//! H-191 to H-196: what the claims say.

use proto_tests::Result;
use proto_tests::issuer::AUDIENCE;
use proto_tests::jose;
use serde_json::{Value, json};

use super::reasons as why;
use super::{Closed, Error, In, Invalid, Row, Signer, Want, row};

pub fn rows() -> Result<Vec<Row>> {
    Ok([times()?, audiences()?, issuers()?, subjects()?, scopes()?].into_iter().flatten().collect())
}

/// A claim with that value, or without one.
fn claim(s: &Signer, what: &str, name: &str, value: Option<Value>, want: Want) -> Result<Row> {
    let shown = value.as_ref().map_or("missing".to_owned(), |v| v.to_string().chars().take(40).collect());
    Ok(row(format!("{what} {name} {shown}"), s.token(&s.claims_with(name, value))?, want))
}

/// A number in the payload that no JSON library here would write.
fn raw(s: &Signer, what: &str, name: &str, number: &str, want: Want) -> Result<Row> {
    let text = s.claims_with(name, Some(json!("HERE"))).to_string().replace("\"HERE\"", number);
    Ok(row(format!("{what} {name} {number}"), s.payload(text.as_bytes())?, want))
}

fn times() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let now = jose::now();
    let exp = |value: Value, want| claim(&s, "H-191", "exp", Some(value), want);
    let mut all = vec![
        claim(&s, "H-191", "exp", None, Invalid)?,
        exp(json!(null), Invalid)?,
        exp(json!((now + 600).to_string()), Invalid)?,
        exp(json!("soon"), Invalid)?,
        exp(json!(true), Invalid)?,
        exp(json!([now + 600]), Invalid)?,
        exp(json!({"at": now + 600}), Invalid)?,
        exp(json!(-1), Invalid)?,
        exp(json!(0), Invalid)?,
        row(
            "H-191 exp 45 s ago",
            s.token(
                &json!({"sub": "alice", "iss": s.issuer.url(), "aud": AUDIENCE, "iat": now - 60, "exp": now - 45}),
            )?,
            Invalid,
        ),
        // Within the 30 s by which clocks may differ; but not before it was issued.
        row(
            "H-191 exp 10 s ago",
            s.token(
                &json!({"sub": "alice", "iss": s.issuer.url(), "aud": AUDIENCE, "iat": now - 60, "exp": now - 10}),
            )?,
            In,
        ),
        exp(json!(now - 10), Invalid)?,
        exp(json!(now as f64 + 600.5), In)?,
        exp(json!(i64::from(i32::MAX)), In)?,
        exp(json!(1_u64 << 32), In)?,
        raw(&s, "H-191", "exp", "9223372036854775807", Closed)?.front(In, why::FAR),
        raw(&s, "H-191", "exp", "9223372036854775808", Invalid)?.front(In, why::FAR),
        raw(&s, "H-191", "exp", "1e400", Closed)?.front(Invalid, why::ANSWER),
        raw(&s, "H-191", "exp", "1e18", Closed)?.front(In, why::FAR),
        raw(&s, "H-191", "exp", "9.9e9", In)?,
        raw(&s, "H-191", "exp", "-1e400", Invalid)?,
        raw(&s, "H-191", "exp", "1.5", Invalid)?,
    ];
    for (name, by, want) in [("nbf", 10, In), ("nbf", 45, Invalid), ("nbf", 31_536_000, Invalid), ("iat", 10, In)] {
        all.push(claim(&s, &format!("H-192 {by} s ahead,"), name, Some(json!(now + by)), want)?);
    }
    all.push(claim(&s, "H-192 45 s ahead,", "iat", Some(json!(now + 45)), In)?.front(Invalid, why::FUTURE));
    all.push(claim(&s, "H-192 ahead of exp,", "iat", Some(json!(now + 31_536_000)), Invalid)?);
    let iat = |value: Option<Value>, want| claim(&s, "H-192", "iat", value, want);
    let nbf = |value: Value, want| claim(&s, "H-192", "nbf", Some(value), want);
    all.extend([
        iat(None, Invalid)?,
        iat(Some(json!(null)), Invalid)?,
        iat(Some(json!("1")), Invalid)?,
        iat(Some(json!([1])), Invalid)?,
        iat(Some(json!(-1)), Invalid)?,
        iat(Some(json!(0)), In)?,
        iat(Some(json!(now as f64 - 0.5)), In)?,
        nbf(json!("1"), Invalid)?,
        nbf(json!(0), In)?,
        nbf(json!(-1), In)?.front(Invalid, why::NEGATIVE),
        nbf(json!(null), In)?.front(Invalid, why::TYPED),
        nbf(json!(now + 601), Invalid)?,
    ]);
    Ok(all)
}

fn audiences() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let aud = |value: Option<Value>, want| claim(&s, "H-193", "aud", value, want);
    let many = |n: usize| -> Value {
        let others = (0..n).map(|i| format!("service-{i}")).chain([AUDIENCE.to_owned()]);
        json!(others.collect::<Vec<_>>())
    };
    Ok(vec![
        aud(None, Invalid)?,
        aud(Some(json!(AUDIENCE)), In)?,
        aud(Some(json!([AUDIENCE])), In)?,
        aud(Some(json!(["other", AUDIENCE])), In)?,
        aud(Some(many(2_000)), In)?,
        aud(Some(many(10_000)), In)?.front(Error, why::TOO_LONG),
        aud(Some(json!("other")), Invalid)?,
        aud(Some(json!(["other", "another"])), Invalid)?,
        aud(Some(json!([])), Invalid)?,
        aud(Some(json!("")), Invalid)?,
        aud(Some(json!(null)), Invalid)?,
        aud(Some(json!(5)), Invalid)?,
        aud(Some(json!({"is": AUDIENCE})), Invalid)?,
        aud(Some(json!([[AUDIENCE]])), Invalid)?,
        aud(Some(json!([5, AUDIENCE])), Invalid)?,
        aud(Some(json!(AUDIENCE.to_uppercase())), Invalid)?,
        aud(Some(json!(format!("{AUDIENCE} "))), Invalid)?,
        aud(Some(json!(format!("{AUDIENCE}-2"))), Invalid)?,
        aud(Some(json!(AUDIENCE[..AUDIENCE.len() - 1])), Invalid)?,
        aud(Some(json!(format!("other {AUDIENCE}"))), Invalid)?,
        aud(Some(json!(format!("other,{AUDIENCE}"))), Invalid)?,
    ])
}

fn issuers() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let url = s.issuer.url();
    let iss = |value: Option<Value>, want| claim(&s, "H-194", "iss", value, want);
    Ok(vec![
        iss(None, Invalid)?,
        iss(Some(json!(null)), Invalid)?,
        iss(Some(json!("")), Invalid)?,
        iss(Some(json!(format!("{url}/"))), Invalid)?,
        iss(Some(json!(url.replace("https", "HTTPS"))), Invalid)?,
        iss(Some(json!(url.replace("https", "http"))), Invalid)?,
        iss(Some(json!([url])), Invalid)?,
        iss(Some(json!(url[..url.len() - 1])), Invalid)?,
        iss(Some(json!(format!("{url}0"))), Invalid)?,
        iss(Some(json!(format!(" {url}"))), Invalid)?,
        iss(Some(json!({"is": url})), Invalid)?,
        iss(Some(json!(5)), Invalid)?,
    ])
}

fn subjects() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let sub = |value: Option<Value>, want| claim(&s, "H-195", "sub", value, want);
    Ok(vec![
        sub(None, Invalid)?,
        sub(Some(json!(null)), Invalid)?,
        sub(Some(json!("")), Invalid)?,
        sub(Some(json!("   ")), Invalid)?,
        sub(Some(json!("\t\r\n")), Invalid)?,
        sub(Some(json!("\u{0}")), Invalid)?,
        sub(Some(json!(5)), Invalid)?,
        sub(Some(json!(["alice"])), Invalid)?,
        sub(Some(json!({"is": "alice"})), Invalid)?,
        sub(Some(json!(true)), Invalid)?,
        sub(Some(json!("alice")), In)?,
        sub(Some(json!(" alice ")), In)?,
        sub(Some(json!("a,b:c/d=e f")), In)?,
        sub(Some(json!("User:admin")), In)?,
        sub(Some(json!("admin")), In)?,
        sub(Some(json!("j\u{fc}rgen \u{20ac}\u{1f600}")), In)?,
        sub(Some(json!("a\u{0}b")), In)?.front(Invalid, why::NAME),
        sub(Some(json!("a\u{202e}b")), In)?,
        sub(Some(json!("a\nb")), In)?.front(Invalid, why::NAME),
        sub(Some(json!("ANONYMOUS")), In)?.front(Invalid, why::NAME),
        sub(Some(json!("a".repeat(20_000))), In)?.front(Invalid, why::NAME),
        sub(Some(json!("a".repeat(100_000))), In)?.front(Error, why::TOO_LONG),
    ])
}

fn scopes() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let scope = |value: Value, want| claim(&s, "H-196", "scope", Some(value), want);
    Ok(vec![
        scope(json!("read"), In)?,
        scope(json!("read write"), In)?,
        scope(json!(["read", "write"]), In)?,
        scope(json!([]), In)?,
        scope(json!(""), Invalid)?,
        scope(json!(" "), Invalid)?,
        scope(json!(["read", ""]), Invalid)?,
        scope(json!(["read", " "]), Invalid)?,
        scope(json!(["read", "read"]), Invalid)?,
        scope(json!([5]), Closed)?.front(Invalid, why::TYPED),
        scope(json!([["read"]]), Closed)?.front(Invalid, why::TYPED),
        scope(json!(5), In)?.front(Invalid, why::TYPED),
        scope(json!({"read": true}), In)?.front(Invalid, why::TYPED),
        scope(json!(null), In)?.front(Invalid, why::TYPED),
    ])
}
