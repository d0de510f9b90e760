//! The same at the unsecured validator, which takes what nobody has signed.

use proto_tests::Result;
use proto_tests::bearer::Listener;
use proto_tests::issuer::ALICE;
use proto_tests::jose::{self, b64, unsecured};
use serde_json::{Value, json};

use super::reasons as why;
use super::{Closed, Error, In, Invalid, Row, Scope, Signer, Want, row};

pub fn rows() -> Result<Vec<Row>> {
    Ok([shapes()?, claims()?, options()?].into_iter().flatten().collect())
}

fn right() -> Value {
    let now = jose::now();
    json!({"sub": "alice", "iat": now, "exp": now + 600})
}

fn with(name: &str, value: Option<Value>) -> Value {
    let mut claims = right();
    if let Some(map) = claims.as_object_mut() {
        match value {
            Some(value) => map.insert(name.to_owned(), value),
            None => map.remove(name),
        };
    }
    claims
}

fn at(what: impl Into<String>, token: String, want: Want) -> Row {
    row(format!("unsecured: {}", what.into()), token, want).at(Listener::Unsecured)
}

fn shapes() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let good = unsecured(&right());
    let claims = b64(right().to_string().as_bytes());
    let headed = |header: &str| format!("{}.{claims}.", b64(header.as_bytes()));
    let mut all = vec![
        at("good", good.clone(), In),
        at("a signature", format!("{good}AAAA"), Invalid),
        at("a real token", s.issuer.grant(ALICE)?, Invalid),
        at("nothing", String::new(), Error),
        at("a dot", ".".into(), Invalid),
        at("two dots", "..".into(), Invalid),
        at("two parts", good.trim_end_matches('.').into(), Invalid),
        at("four parts", format!("{good}."), Invalid),
        at("two dots in a row", format!("{}..", b64(br#"{"alg":"none"}"#)), Invalid),
        at("no alg", headed("{}"), Closed).front(Invalid, why::ANSWER),
        at("a header that is no JSON", headed("x"), Invalid),
        at("a header that is a list", headed("[]"), Closed).front(Invalid, why::ANSWER),
        at("more in the header", headed(r#"{"alg":"none","typ":"JWT"}"#), In),
        at("alg twice", headed(r#"{"alg":"RS256","alg":"none"}"#), In).front(Invalid, why::TWICE),
        at("no base64", format!("{}.?.", b64(br#"{"alg":"none"}"#)), Error),
        at("500,000 dots", ".".repeat(500_000), Invalid).front(Error, why::TOO_LONG),
    ];
    for alg in ["\"None\"", "\"NONE\"", "\"\"", "\"RS256\"", "null", "5", "[\"none\"]"] {
        all.push(at(format!("alg {alg}"), headed(&format!("{{\"alg\":{alg}}}")), Invalid));
    }
    Ok(all)
}

fn claims() -> Result<Vec<Row>> {
    let now = jose::now();
    let made = |name: &str, value: Option<Value>, want: Want| {
        let shown = value.as_ref().map_or("missing".to_owned(), Value::to_string);
        at(format!("{name} {shown}"), unsecured(&with(name, value)), want)
    };
    // It throws at the first; a null is the name "null" to it; and a scope may be a list of anything.
    let mut all = vec![
        made("exp", Some(json!(i64::MAX)), Closed).front(In, why::FAR),
        made("sub", Some(json!(null)), In).front(Invalid, why::TYPED),
        made("scope", Some(json!([5])), In).front(Invalid, why::TYPED),
    ];
    let mut add = |name: &str, value: Option<Value>, want: Want| all.push(made(name, value, want));
    for value in [None, Some(json!(null)), Some(json!("x")), Some(json!(0)), Some(json!(-1)), Some(json!(now - 5))] {
        add("exp", value, Invalid);
    }
    add("exp", Some(json!(now as f64 + 600.5)), In);
    add("iat", None, In);
    for value in [json!("x"), json!(now + 60), json!(now + 600), json!([now])] {
        add("iat", Some(value), Invalid);
    }
    add("iat", Some(json!(0)), In);
    add("nbf", Some(json!(now + 60)), In);
    for value in [None, Some(json!("")), Some(json!("  ")), Some(json!(5)), Some(json!(["a"]))] {
        add("sub", value, Invalid);
    }
    add("sub", Some(json!(" alice ")), In);
    add("scope", Some(json!("a b")), In);
    add("scope", Some(json!(5)), Invalid);
    add("scope", Some(json!("")), In);
    all.push(at("claims that are a list", format!("{}.{}.", b64(br#"{"alg":"none"}"#), b64(b"[]")), Invalid));
    all.push(at("claims that are no JSON", format!("{}.{}.", b64(br#"{"alg":"none"}"#), b64(b"x")), Invalid));
    Ok(all)
}

/// A listener that is told which claims to read: `name`, `roles`, of which "read" and "write" have to be there; 5 s of skew.
fn options() -> Result<Vec<Row>> {
    let now = jose::now();
    let made = |what: &str, claims: Value, want: Want| {
        row(format!("unsecured, options: {what}"), unsecured(&claims), want).at(Listener::Options)
    };
    let claims = |roles: Value| json!({"name": "alice", "roles": roles, "iat": now, "exp": now + 600});
    Ok(vec![
        made("both roles", claims(json!(["read", "write"])), In),
        made("more roles", claims(json!(["write", "more", "read"])), In),
        made("one role", claims(json!(["read"])), Scope),
        made("both in one text", claims(json!("read write")), Scope),
        made("no roles", json!({"name": "alice", "iat": now, "exp": now + 600}), Scope),
        made(
            "a scope instead",
            json!({"name": "alice", "scope": ["read", "write"], "iat": now, "exp": now + 600}),
            Scope,
        ),
        made(
            "a sub instead",
            json!({"sub": "alice", "roles": ["read", "write"], "iat": now, "exp": now + 600}),
            Invalid,
        ),
        made("over for 1 s", json!({"name": "alice", "roles": ["read", "write"], "iat": now - 60, "exp": now - 1}), In),
        made(
            "over for 20 s",
            json!({"name": "alice", "roles": ["read", "write"], "iat": now - 60, "exp": now - 20}),
            Invalid,
        ),
    ])
}
