//! Which keys of a set are used (H-201), and which of them is a token's.

use std::fmt::Write;

use super::kit::{KEYS, accept, claims, encode, good_token, header, rules, set};
use crate::jwt::{KeyFault, KeySet, KeySetError, MAX_KEY_SET_LEN, MAX_KEYS, SkippedKey, TokenFault};

/// What becomes of one key beside a good one.
fn judged(jwk: &str) -> Result<(), KeyFault> {
    let good = KEYS.jwk("p256", "good", "");
    let (keys, skipped) = KeySet::parse(format!(r#"{{"keys":[{jwk},{good}]}}"#).as_bytes()).unwrap();
    assert!(keys.has_kid("good"), "{jwk}");
    match skipped.as_slice() {
        [] => Ok(()),
        [SkippedKey { index: 0, fault }] => Err(*fault),
        _ => panic!("{skipped:?}"),
    }
}

fn rsa(n: &[u8], e: &[u8]) -> String {
    format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, encode(n), encode(e))
}

#[test]
fn a_bad_key_is_skipped_and_a_good_one_kept() {
    let odd = |bits: usize| {
        let mut number = vec![0xff; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            number[0] = (1 << (bits % 8)) - 1;
        }
        number
    };
    let even = |bits| {
        let mut number = odd(bits);
        *number.last_mut().unwrap() = 0xfe;
        number
    };
    let f4 = [1, 0, 1];
    let with = |name: &str, more: &str| KEYS.jwk(name, "k", more);
    let p256 = with("p256", "");
    for (what, jwk, expected) in [
        ("RSA", with("rsa", ""), Ok(())),
        ("for signatures", with("rsa", r#","use":"sig","alg":"PS384","key_ops":["verify"]"#), Ok(())),
        ("many operations", with("rsa", r#","key_ops":["sign","verify"]"#), Ok(())),
        ("unknown members", with("ed", r#","iat":5,"x5u":"http://127.0.0.1:9/","ext":true"#), Ok(())),
        ("EC", p256.clone(), Ok(())),
        ("OKP", with("ed", r#","alg":"EdDSA""#), Ok(())),
        ("null", "null".into(), Err(KeyFault::Json)),
        ("number", "5".into(), Err(KeyFault::Json)),
        ("array", "[]".into(), Err(KeyFault::Json)),
        ("empty", "{}".into(), Err(KeyFault::Type)),
        ("no kty", p256.replace(r#""kty":"EC","#, ""), Err(KeyFault::Type)),
        ("kty number", p256.replace(r#""EC""#, "5"), Err(KeyFault::Type)),
        ("kty unknown", p256.replace(r#""EC""#, r#""AKP""#), Err(KeyFault::Type)),
        ("kty lower case", p256.replace(r#""EC""#, r#""ec""#), Err(KeyFault::Type)),
        ("kty of RSA", p256.replace(r#""EC""#, r#""RSA""#), Err(KeyFault::Member)),
        ("member twice", with("rsa", r#","kty":"RSA""#), Err(KeyFault::Json)),
        ("nested", with("rsa", &format!(r#","x":{}{}"#, "[".repeat(200), "]".repeat(200))), Err(KeyFault::Json)),
        ("oct", r#"{"kty":"oct","k":"AAAA","alg":"HS256","kid":"k"}"#.into(), Err(KeyFault::Symmetric)),
        ("oct without k", r#"{"kty":"oct"}"#.into(), Err(KeyFault::Symmetric)),
        ("k in RSA", with("rsa", r#","k":"AAAA""#), Err(KeyFault::Private)),
        ("private EC", with("p256", r#","d":"AAAA""#), Err(KeyFault::Private)),
        ("private RSA", with("rsa", r#","p":"AAAA","q":"AAAA""#), Err(KeyFault::Private)),
        ("private and null", with("rsa", r#","d":null"#), Err(KeyFault::Private)),
        ("for encryption", with("rsa", r#","use":"enc""#), Err(KeyFault::Use)),
        ("use empty", with("rsa", r#","use":"""#), Err(KeyFault::Use)),
        ("use null", with("rsa", r#","use":null"#), Err(KeyFault::Use)),
        ("use array", with("rsa", r#","use":["sig"]"#), Err(KeyFault::Use)),
        ("only signs", with("rsa", r#","key_ops":["sign"]"#), Err(KeyFault::Operations)),
        ("no operations", with("rsa", r#","key_ops":[]"#), Err(KeyFault::Operations)),
        ("operation as text", with("rsa", r#","key_ops":"verify""#), Err(KeyFault::Operations)),
        ("alg of EC", with("rsa", r#","alg":"ES256""#), Err(KeyFault::Algorithm)),
        ("alg of encryption", with("rsa", r#","alg":"RSA-OAEP""#), Err(KeyFault::Algorithm)),
        ("alg none", with("rsa", r#","alg":"none""#), Err(KeyFault::Algorithm)),
        ("alg HS256", with("rsa", r#","alg":"HS256""#), Err(KeyFault::Algorithm)),
        ("alg null", with("rsa", r#","alg":null"#), Err(KeyFault::Algorithm)),
        ("alg of P-384", with("p256", r#","alg":"ES384""#), Err(KeyFault::Algorithm)),
        ("kid number", KEYS.jwk("rsa", "k", "").replace(r#""kid":"k""#, r#""kid":5"#), Err(KeyFault::Kid)),
        ("kid too long", KEYS.jwk("rsa", &"k".repeat(1001), ""), Err(KeyFault::Kid)),
        ("kid with NUL", KEYS.jwk("rsa", r"\u0000", ""), Err(KeyFault::Kid)),
        ("RSA 512", rsa(&odd(512), &f4), Err(KeyFault::Modulus)),
        ("RSA 1024", rsa(&odd(1024), &f4), Err(KeyFault::Modulus)),
        ("RSA 2047", rsa(&odd(2047), &f4), Err(KeyFault::Modulus)),
        ("RSA 2048", rsa(&odd(2048), &f4), Ok(())),
        ("RSA 2048, a zero before it", rsa(&[&[0], &odd(2048)[..]].concat(), &f4), Ok(())),
        ("RSA 2048 by zeros", rsa(&[&[0; 128], &odd(1024)[..]].concat(), &f4), Err(KeyFault::Modulus)),
        ("RSA 8192", rsa(&odd(8192), &f4), Ok(())),
        ("RSA 8193", rsa(&odd(8193), &f4), Err(KeyFault::Modulus)),
        ("RSA 16384", rsa(&odd(16384), &f4), Err(KeyFault::Modulus)),
        ("RSA even", rsa(&even(2048), &f4), Err(KeyFault::Modulus)),
        ("RSA 0", rsa(&[], &f4), Err(KeyFault::Modulus)),
        ("e=3", rsa(&odd(2048), &[3]), Ok(())),
        ("e=1", rsa(&odd(2048), &[1]), Err(KeyFault::Exponent)),
        ("e=0", rsa(&odd(2048), &[0]), Err(KeyFault::Exponent)),
        ("no e", rsa(&odd(2048), &[]), Err(KeyFault::Exponent)),
        ("e=2", rsa(&odd(2048), &[2]), Err(KeyFault::Exponent)),
        ("e=65536", rsa(&odd(2048), &[1, 0, 0]), Err(KeyFault::Exponent)),
        ("e of 34 bits", rsa(&odd(2048), &odd(34)), Err(KeyFault::Exponent)),
        ("e of 2048 bits", rsa(&odd(2048), &odd(2047)), Err(KeyFault::Exponent)),
        ("n missing", r#"{"kty":"RSA","e":"AQAB"}"#.into(), Err(KeyFault::Member)),
        ("n number", r#"{"kty":"RSA","n":5,"e":"AQAB"}"#.into(), Err(KeyFault::Member)),
        ("n padded", rsa(&odd(2048), &f4).replace("\",\"e", "==\",\"e"), Err(KeyFault::Member)),
        ("crv missing", p256.replace(r#""crv":"P-256","#, ""), Err(KeyFault::Curve)),
        ("crv unknown", p256.replace("P-256", "secp256k1"), Err(KeyFault::Curve)),
        ("crv of X25519", KEYS.jwk("ed", "k", "").replace("Ed25519", "X25519"), Err(KeyFault::Curve)),
        ("crv of Ed448", KEYS.jwk("ed", "k", "").replace("Ed25519", "Ed448"), Err(KeyFault::Curve)),
        ("crv of P-384", p256.replace("P-256", "P-384"), Err(KeyFault::Point)),
        ("off the curve", ec(&[1; 32], &[1; 32]), Err(KeyFault::Point)),
        ("infinity", ec(&[0; 32], &[0; 32]), Err(KeyFault::Point)),
        ("short coordinate", ec(&[1; 31], &[1; 32]), Err(KeyFault::Point)),
        ("long coordinate", ec(&[1; 33], &[1; 32]), Err(KeyFault::Point)),
        ("Ed25519 of 31 bytes", ed(&[1; 31]), Err(KeyFault::Point)),
        ("Ed25519 of 33 bytes", ed(&[1; 33]), Err(KeyFault::Point)),
    ] {
        assert_eq!(judged(&jwk), expected, "{what}: {jwk}");
    }
}

fn ec(x: &[u8], y: &[u8]) -> String {
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, encode(x), encode(y))
}

fn ed(x: &[u8]) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(x))
}

#[test]
fn what_is_no_key_set_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":[]"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[]} x"#,
        "\u{feff}{\"keys\":[]}",
    ] {
        assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), KeySetError::NotASet, "{text}");
    }
    assert_eq!(KeySet::parse(b"{\"keys\":[\"\xff\"]}").unwrap_err(), KeySetError::NotASet);
    let (keys, skipped) = KeySet::parse(br#"{"x":[{"keys":1}],"keys":[]}"#).unwrap();
    assert!(keys.is_empty() && skipped.is_empty());
    assert_eq!(accept(&good_token("RS256:rsa"), &keys, &rules()), Err(TokenFault::UnknownKey));
}

#[test]
fn a_key_set_is_bounded() {
    let keys = |count: usize, key: &str| format!(r#"{{"keys":[{}]}}"#, vec![key; count].join(","));
    let (none, skipped) = KeySet::parse(keys(MAX_KEYS, "{}").as_bytes()).unwrap();
    assert_eq!((none.len(), skipped.len()), (0, MAX_KEYS));
    assert_eq!(KeySet::parse(keys(MAX_KEYS + 1, "{}").as_bytes()).unwrap_err(), KeySetError::TooManyKeys);
    assert_eq!(KeySet::parse(keys(100_000, "{}").as_bytes()).unwrap_err(), KeySetError::TooManyKeys);
    let mut long = keys(1, &KEYS.jwk("p256", "k", ""));
    let _ = write!(long, "{}", " ".repeat(MAX_KEY_SET_LEN));
    assert_eq!(KeySet::parse(long.as_bytes()).unwrap_err(), KeySetError::TooLong);
    // Nested so deep that a parser that calls itself would end the process.
    assert!(KeySet::parse(format!(r#"{{"keys":[{}"#, "[".repeat(500_000)).as_bytes()).is_err());
}

/// Spec of Kafka's (jose4j's) order: kid, thumbprints, type, use; if several remain algorithm, curve; then the first.
#[test]
fn the_key_is_picked_in_kafkas_order() {
    let token = |header: &str, how: &str| KEYS.token(header, claims(), how);
    let became = |header: &str, how: &str, jwks: &[String]| {
        accept(&token(header, how), &set(jwks), &rules()).map(|accepted| accepted.principal_name)
    };
    let ok = Ok("alice".to_owned());
    let (ours, others) = (KEYS.jwk("rsa", "k", ""), KEYS.jwk("stranger", "k", ""));
    let kid = r#"{"alg":"RS256","kid":"k"}"#;

    // The same kid twice: the first, and no other is tried.
    assert_eq!(became(kid, "RS256:rsa", &[ours.clone(), others.clone()]), ok);
    assert_eq!(became(kid, "RS256:rsa", &[others.clone(), ours.clone()]), Err(TokenFault::Signature));
    // Unless type, algorithm or curve tell them apart.
    assert_eq!(became(kid, "RS256:rsa", &[KEYS.jwk("p256", "k", ""), ours.clone()]), ok);
    assert_eq!(became(kid, "RS256:rsa", &[KEYS.jwk("stranger", "k", r#","alg":"PS256""#), ours.clone()]), ok);
    let curves = [KEYS.jwk("p384", "k", ""), KEYS.jwk("p256", "k", ""), KEYS.jwk("p521", "k", "")];
    assert_eq!(became(r#"{"alg":"ES256","kid":"k"}"#, "ES256:p256", &curves), ok);
    assert_eq!(became(r#"{"alg":"ES512"}"#, "ES512:p521", &curves), ok);

    // Without a kid all are candidates.
    let none = r#"{"alg":"RS256"}"#;
    assert_eq!(became(none, "RS256:rsa", &[KEYS.jwk("ed", "a", ""), ours.clone()]), ok);
    assert_eq!(became(none, "RS256:rsa", &[others.clone(), ours.clone()]), Err(TokenFault::Signature));
    // A key without a kid is nobody's who asks for one.
    let nameless = ours.replace(r#","kid":"k""#, "");
    assert_eq!(became(none, "RS256:rsa", std::slice::from_ref(&nameless)), ok);
    assert_eq!(became(kid, "RS256:rsa", &[nameless]), Err(TokenFault::UnknownKey));
    assert_eq!(became(none, "RS256:rsa", &[KEYS.jwk("ed", "a", "")]), Err(TokenFault::KeyAlgorithm));

    // The algorithm that a key is for is the only one.
    let bound = [KEYS.jwk("rsa", "k", r#","alg":"RS256""#)];
    assert_eq!(became(kid, "RS256:rsa", &bound), ok);
    assert_eq!(became(r#"{"alg":"PS256","kid":"k"}"#, "PS256:rsa", &bound), Err(TokenFault::KeyAlgorithm));
    assert_eq!(became(r#"{"alg":"RS512","kid":"k"}"#, "RS512:rsa", &bound), Err(TokenFault::KeyAlgorithm));
    assert_eq!(became(r#"{"alg":"RS512"}"#, "RS512:rsa", &bound), Err(TokenFault::KeyAlgorithm));

    // Thumbprints: of the key itself, or of the certificate that it brings.
    let thumb = r#"{"alg":"RS256","x5t#S256":"T"}"#;
    let with = |name: &str, thumbprint: &str| KEYS.jwk(name, "k", &format!(r#","x5t#S256":"{thumbprint}""#));
    assert_eq!(became(thumb, "RS256:rsa", &[with("stranger", "U"), with("rsa", "T")]), ok);
    assert_eq!(became(thumb, "RS256:rsa", &[with("rsa", "U")]), Err(TokenFault::NoKey));
    assert_eq!(became(thumb, "RS256:rsa", std::slice::from_ref(&ours)), ok);
    // SHA-1 and SHA-256 of the bytes "certificate".
    let certificate = KEYS.jwk("rsa", "k", r#","x5c":["Y2VydGlmaWNhdGU="]"#);
    let (sha1, sha256) = ("c1rVccGJ17qERkv0qfHSKAF1sSg", "A9Zt0Ig1wco_EozOrNHzGslBYwlrIPRFroQoW8CDLXI");
    for (name, thumbprint) in [("x5t", sha1), ("x5t#S256", sha256)] {
        let header = format!(r#"{{"alg":"RS256","{name}":"{thumbprint}"}}"#);
        assert_eq!(became(&header, "RS256:rsa", std::slice::from_ref(&certificate)), ok, "{name}");
        let header = header.replace(thumbprint, "AAAA");
        assert_eq!(became(&header, "RS256:rsa", std::slice::from_ref(&certificate)), Err(TokenFault::NoKey), "{name}");
    }
}

/// H-200: a token outlives its key by nothing but the time until the set is read anew.
#[test]
fn a_key_that_is_gone_verifies_nothing() {
    let token = good_token("RS256:rsa");
    assert!(accept(&token, &set(&[KEYS.jwk("rsa", "rsa", "")]), &rules()).is_ok());
    assert_eq!(accept(&token, &set(&[KEYS.jwk("p256", "p256", "")]), &rules()), Err(TokenFault::UnknownKey));
    assert_eq!(header("RS256:rsa"), r#"{"alg":"RS256","kid":"rsa"}"#);
}
