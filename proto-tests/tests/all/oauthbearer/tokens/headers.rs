//! H-188, H-189 and H-190: what a header may say besides its algorithm.

use std::sync::OnceLock;

use proto_tests::false_issuer::{Answer, FalseIssuer, Seen};
use proto_tests::jose::{self, Algorithm, SigningKey, b64};
use proto_tests::{Result, check_eq};
use serde_json::{Value, json};

use super::reasons as why;
use super::{In, Invalid, Row, Signer, row};

pub fn rows() -> Result<Vec<Row>> {
    Ok([foreign_keys()?, key_ids()?, critical()?, types()?, twice()?].into_iter().flatten().collect())
}

/// A right header with these members besides.
fn with(s: &Signer, members: Value) -> Result<String> {
    let mut header = s.header();
    for (name, value) in members.as_object().into_iter().flatten() {
        header[name] = value.clone();
    }
    s.headed(&header.to_string())
}

/// Where a key is offered by who made the token. The stand-in that is named there counts who comes: see [`nobody_came`].
fn foreign_keys() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let mallory = SigningKey::new("mallory", Algorithm::Rs256)?;
    let url = lure(&mallory)?.jwks_url();
    let mut all = Vec::new();
    for (name, value) in
        [("jwk", mallory.jwk()), ("jku", json!(url)), ("x5u", json!(url)), ("x5c", json!([b64(b"no certificate")]))]
    {
        for kid in ["mallory", &s.rs.kid] {
            let header = json!({"alg": "RS256", "kid": kid, name: value});
            let token = mallory.token_of(header.to_string().as_bytes(), s.claims().to_string().as_bytes())?;
            all.push(row(format!("H-188 {name} of a stranger, kid {kid}"), token, Invalid));
        }
        let header = json!({"alg": "RS256", name: value});
        let token = mallory.token_of(header.to_string().as_bytes(), s.claims().to_string().as_bytes())?;
        all.push(row(format!("H-188 {name} of a stranger, no kid"), token, Invalid));
        // The right key's signature; what else the header offers is of no account.
        let token = with(&s, json!({ name: value }))?;
        all.push(row(format!("H-188 {name} beside a right signature"), token, In).front(Invalid, why::OFFERED));
    }
    Ok(all)
}

static LURE: OnceLock<Result<FalseIssuer>> = OnceLock::new();

/// A server with a stranger's keys, which nobody should ask. One for the whole run.
fn lure(mallory: &SigningKey) -> Result<&'static FalseIssuer> {
    let start = || FalseIssuer::start(Answer::Body(jose::jwks([mallory]).to_string().into_bytes()));
    LURE.get_or_init(start).as_ref().map_err(Clone::clone)
}

/// That no token has made anybody ask for the keys that it offered.
pub fn nobody_came() -> Result<()> {
    let seen = LURE.get().and_then(|lure| lure.as_ref().ok()).map(FalseIssuer::seen).unwrap_or_default();
    check_eq!(seen, Seen::default(), "what came to where tokens said that their keys are");
    Ok(())
}

fn key_ids() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let mut all = Vec::new();
    for kid in [
        json!("unknown"),
        json!(""),
        json!(format!("{} ", s.rs.kid)),
        json!(s.rs.kid.to_uppercase()),
        json!(format!("{}\u{0}", s.rs.kid)),
        json!("../../../../../../etc/passwd"),
        json!("' OR 1=1 --"),
        json!("http://127.0.0.1:1/"),
        json!("a".repeat(999)),
        json!("b".repeat(1001)),
        json!("\u{1f600}\u{202e}"),
        json!("\r\nX: y"),
    ] {
        let header = json!({"alg": "RS256", "kid": kid});
        let shown: String = kid.to_string().chars().take(30).collect();
        all.push(row(format!("H-188 kid {shown}"), s.headed(&header.to_string())?, Invalid));
    }
    for kid in [json!(5), json!([s.rs.kid]), json!({"a": 1}), json!(true)] {
        let header = json!({"alg": "RS256", "kid": kid});
        all.push(row(format!("H-188 kid {kid}"), s.headed(&header.to_string())?, Invalid));
    }
    let long = json!({"alg": "RS256", "kid": "c".repeat(300_000)}).to_string();
    all.push(row("H-188 kid of 300,000 letters", s.headed(&long)?, Invalid).front(super::Error, why::TOO_LONG));
    // Both choose among all keys by what kind they are of.
    all.push(row("no kid", s.headed(r#"{"alg":"RS256"}"#)?, In));
    all.push(row("kid null", s.headed(r#"{"alg":"RS256","kid":null}"#)?, In).front(Invalid, why::TYPED));
    all.push(row("no kid, ES256", s.es.token_of(br#"{"alg":"ES256"}"#, s.claims().to_string().as_bytes())?, In));
    for name in ["x5t", "x5t#S256"] {
        let token = with(&s, json!({ name: b64(&[7; 32]) }))?;
        // No published key says whose certificate it has.
        all.push(row(format!("{name} of no certificate"), token, In));
    }
    Ok(all)
}

fn critical() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let mut all = Vec::new();
    for (crit, kafka) in [
        (json!(["exp"]), Invalid),
        (json!(["unknown"]), Invalid),
        (json!(["b64"]), In),
        (json!(["alg"]), Invalid),
        (json!([]), In),
        (json!("exp"), Invalid),
        (json!(null), In),
        (json!({"exp": 1}), Invalid),
        (json!([5]), Invalid),
    ] {
        let token = with(&s, json!({"crit": crit, "exp": jose::now() + 600}))?;
        let made = row(format!("H-189 crit {crit}"), token, kafka);
        all.push(if kafka == In { made.front(Invalid, why::CRITICAL) } else { made });
    }
    all.push(row("H-189 b64 false, and critical", unencoded(&s, json!({"b64": false, "crit": ["b64"]}))?, Invalid));
    all.push(row("H-189 b64 false, and not critical", unencoded(&s, json!({"b64": false}))?, Invalid));
    all.push(row("H-189 b64 true", with(&s, json!({"b64": true}))?, In).front(Invalid, why::OFFERED));
    all.push(row("H-189 zip", with(&s, json!({"zip": "DEF"}))?, In).front(Invalid, why::OFFERED));
    all.push(row("H-189 enc", with(&s, json!({"enc": "A128GCM"}))?, In).front(Invalid, why::OFFERED));
    all.push(row("a name that nobody knows", with(&s, json!({"more": {"a": [1, 2]}}))?, In));
    Ok(all)
}

/// RFC 7797: the signature is over the payload as it is.
fn unencoded(s: &Signer, members: Value) -> Result<String> {
    let mut header = s.header();
    for (name, value) in members.as_object().into_iter().flatten() {
        header[name] = value.clone();
    }
    let (header, payload) = (b64(header.to_string().as_bytes()), s.claims().to_string());
    let signature = s.rs.sign(format!("{header}.{payload}").as_bytes())?;
    Ok(format!("{header}.{}.{}", b64(payload.as_bytes()), b64(&signature)))
}

fn types() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let mut all = vec![row("H-189 no typ", s.headed(&json!({"alg": "RS256", "kid": s.rs.kid}).to_string())?, In)];
    for typ in [json!("JWT"), json!("jwt"), json!("at+jwt"), json!("application/at+jwt")] {
        all.push(row(format!("H-189 typ {typ}"), with(&s, json!({"typ": typ}))?, In));
    }
    for typ in [json!("secevent+jwt"), json!("dpop+jwt"), json!("logout+jwt"), json!(""), json!("JOSE")] {
        all.push(row(format!("H-189 typ {typ}"), with(&s, json!({"typ": typ}))?, In).front(Invalid, why::TYPE));
    }
    for typ in [json!(5), json!(["JWT"]), json!({"a": 1})] {
        all.push(row(format!("H-189 typ {typ}"), with(&s, json!({"typ": typ}))?, In).front(Invalid, why::TYPED));
    }
    let inner = s.token(&s.claims())?;
    let nested = s.rs.token_of(with_cty(&s).as_bytes(), inner.as_bytes())?;
    all.push(row("H-189 a token inside of one", nested, In).front(Invalid, why::ONE_LAYER));
    all.push(row("H-189 cty JWT around claims", s.headed(&with_cty(&s))?, Invalid));
    all.push(row("H-189 cty of another kind", with(&s, json!({"cty": "json"}))?, In));
    Ok(all)
}

fn with_cty(s: &Signer) -> String {
    json!({"alg": "RS256", "kid": s.rs.kid, "cty": "JWT"}).to_string()
}

fn twice() -> Result<Vec<Row>> {
    let s = Signer::new()?;
    let (kid, claims) = (&s.rs.kid, s.claims().to_string());
    let inside = claims.trim_start_matches('{').trim_end_matches('}').to_owned();
    let header = |text: String| s.headed(&text);
    let payload = |text: String| s.payload(text.as_bytes());
    let strict = |what: &str, token: String, kafka| {
        let made = row(format!("H-190 {what}"), token, kafka);
        if kafka == In { made.front(Invalid, why::TWICE) } else { made }
    };
    Ok(vec![
        strict("alg twice, none last", header(format!(r#"{{"alg":"RS256","kid":"{kid}","alg":"none"}}"#))?, Invalid),
        strict("alg twice, none first", header(format!(r#"{{"alg":"none","kid":"{kid}","alg":"RS256"}}"#))?, Invalid),
        strict("alg twice, the same", header(format!(r#"{{"alg":"RS256","kid":"{kid}","alg":"RS256"}}"#))?, Invalid),
        strict("kid twice", header(format!(r#"{{"alg":"RS256","kid":"x","kid":"{kid}"}}"#))?, Invalid),
        strict("alg by an escape", header(format!(r#"{{"alg":"RS256","kid":"{kid}","\u0061lg":"none"}}"#))?, Invalid),
        strict("sub twice", payload(format!(r#"{{"sub":"bob",{inside}}}"#))?, Invalid),
        strict("sub twice, by an escape", payload(format!(r#"{{"\u0073ub":"bob",{inside}}}"#))?, Invalid),
        strict("exp twice", payload(format!(r#"{{"exp":1,{inside}}}"#))?, Invalid),
        strict("aud twice", payload(format!(r#"{{"aud":"x",{inside}}}"#))?, Invalid),
        strict("a claim of no account twice", payload(format!(r#"{{"x":1,"x":2,{inside}}}"#))?, Invalid),
        strict("twice inside of a claim", payload(format!(r#"{{"x":{{"y":1,"y":2}},{inside}}}"#))?, Invalid),
    ])
}
