//! The examples that RFC 7515, RFC 7520 and RFC 8037 print.

use crate::jwt::token::Jws;
use crate::jwt::unsecured::Unsecured;
use crate::jwt::{KeySet, TokenFault};

/// Name, public key, token.
const EXAMPLES: &str = include_str!("../testdata/rfc.tsv");

#[test]
fn the_examples_of_the_rfcs_verify() {
    let mut count = 0;
    for line in EXAMPLES.lines() {
        let [name, jwk, token]: [&str; 3] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (keys, skipped) = KeySet::parse(format!("{{\"keys\":[{jwk}]}}").as_bytes()).unwrap();
        assert_eq!(skipped, [], "{name}");
        Jws::parse(token).unwrap().verify(&keys).unwrap_or_else(|fault| panic!("{name}: {fault}"));

        // Another payload under the same signature.
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[1] = "e30";
        assert_eq!(Jws::parse(&parts.join(".")).unwrap().verify(&keys), Err(TokenFault::Signature), "{name}");
        count += 1;
    }
    assert_eq!(count, 7);
}

/// RFC 7515 A.5.
#[test]
fn the_unsecured_example_is_taken_as_such_only() {
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert_eq!(Unsecured::parse(token).unwrap().string("iss"), Some("joe"));
    assert_eq!(Jws::parse(token).err(), Some(TokenFault::Algorithm));
}
