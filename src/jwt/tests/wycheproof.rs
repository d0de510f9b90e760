//! Wycheproof's vectors: signatures made to be taken by mistake, and some that must not be refused by mistake.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use super::corpus::unhex;
use super::kit::encode;
use crate::jwt::jwk::Jwk;
use crate::jwt::token::Jws;
use crate::jwt::{Algorithm, KeySet};

/// Where the vectors lie: downloaded once, not part of the repository.
static VECTORS: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/dev/get-wycheproof.sh");
    let output = Command::new(&script).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{} failed", script.display());
    String::from_utf8(output.stdout).unwrap().trim_end().into()
});

/// Valid tokens that are refused, and why.
const REFUSED: &[(&str, u64, &str)] = &[
    (
        "json_web_signature",
        346,
        "the key's alg is PS256, the token's PS384: a key is for the algorithm that it names (RFC 7517 §4.4)",
    ),
    ("json_web_signature", 350, "the key's alg is PS256, the token's PS384"),
    ("json_web_signature", 347, "the key's alg is ES521, which does not exist"),
    ("json_web_signature", 351, "the key's alg is ES521, which does not exist"),
];

/// What came of a file.
#[derive(Default)]
struct Tally {
    valid: usize,
    invalid: usize,
    /// Neither right nor wrong to accept; how many were.
    acceptable: (usize, usize),
    wrongly_accepted: Vec<String>,
    wrongly_refused: Vec<String>,
}

impl Tally {
    fn note(&mut self, file: &str, test: &Value, accepted: bool) {
        let id = test["tcId"].as_u64().unwrap();
        let told = format!("{file} {id} ({}, {})", test["comment"], test["flags"]);
        match test["result"].as_str().unwrap() {
            "valid" => {
                self.valid += 1;
                let is_listed = REFUSED.iter().any(|(listed, number, _)| *listed == file && *number == id);
                if accepted == is_listed {
                    self.wrongly_refused.push(told);
                }
            }
            "invalid" => {
                self.invalid += 1;
                if accepted {
                    self.wrongly_accepted.push(told);
                }
            }
            "acceptable" => {
                self.acceptable.0 += 1;
                self.acceptable.1 += usize::from(accepted);
            }
            other => panic!("{told}: {other}"),
        }
    }

    fn check(&self, what: &str) {
        println!(
            "{what}: {} valid, {} invalid, {} acceptable of which {} accepted",
            self.valid, self.invalid, self.acceptable.0, self.acceptable.1
        );
        assert!(self.wrongly_accepted.is_empty(), "wrongly accepted:\n{}", self.wrongly_accepted.join("\n"));
        assert!(self.wrongly_refused.is_empty(), "wrongly refused:\n{}", self.wrongly_refused.join("\n"));
        assert!(self.invalid > 0, "{what}");
    }
}

fn groups(file: &str) -> Vec<Value> {
    let text = std::fs::read(VECTORS.join(format!("{file}.json"))).unwrap();
    let mut vectors: Value = serde_json::from_slice(&text).unwrap();
    let Value::Array(groups) = vectors["testGroups"].take() else { panic!("{file}: no groups") };
    groups
}

/// The key set of a group: one key, or a set. Symmetric keys stand under `private` only.
fn key_set(group: &Value) -> KeySet {
    let key = if group["public"].is_null() { &group["private"] } else { &group["public"] };
    let text = if key["keys"].is_null() { format!("{{\"keys\":[{key}]}}") } else { key.to_string() };
    KeySet::parse(text.as_bytes()).unwrap().0
}

#[test]
fn tokens_and_key_sets() {
    for file in ["json_web_signature", "json_web_key"] {
        let (mut tally, mut symmetric) = (Tally::default(), 0);
        for group in groups(file) {
            let keys = key_set(&group);
            for test in group["tests"].as_array().unwrap() {
                let token = test["jws"].as_str().unwrap();
                let accepted = Jws::parse(token).and_then(|jws| jws.verify(&keys)).is_ok();
                if group["public"].is_null() {
                    // HMAC is not taken, whatever the vector says of it.
                    assert!(!accepted, "{file} {}", test["tcId"]);
                    symmetric += 1;
                } else {
                    tally.note(file, test, accepted);
                }
            }
        }
        println!("{file}: {symmetric} with symmetric keys, all refused");
        tally.check(file);
    }
}

#[test]
fn signatures() {
    for (algorithm, files) in [
        (Algorithm::Es256, &["ecdsa_secp256r1_sha256_p1363"][..]),
        (Algorithm::Es384, &["ecdsa_secp384r1_sha384_p1363"]),
        (Algorithm::Es512, &["ecdsa_secp521r1_sha512_p1363"]),
        (Algorithm::EdDsa, &["ed25519"]),
        (
            Algorithm::Rs256,
            &[
                "rsa_signature_2048_sha256",
                "rsa_signature_3072_sha256",
                "rsa_signature_4096_sha256",
                "rsa_signature_8192_sha256",
            ],
        ),
        (
            Algorithm::Rs384,
            &[
                "rsa_signature_2048_sha384",
                "rsa_signature_3072_sha384",
                "rsa_signature_4096_sha384",
                "rsa_signature_8192_sha384",
            ],
        ),
        (
            Algorithm::Rs512,
            &[
                "rsa_signature_2048_sha512",
                "rsa_signature_3072_sha512",
                "rsa_signature_4096_sha512",
                "rsa_signature_8192_sha512",
            ],
        ),
        (
            Algorithm::Ps256,
            &["rsa_pss_2048_sha256_mgf1_32", "rsa_pss_3072_sha256_mgf1_32", "rsa_pss_4096_sha256_mgf1_32"],
        ),
        (Algorithm::Ps384, &["rsa_pss_2048_sha384_mgf1_48", "rsa_pss_4096_sha384_mgf1_48"]),
        (Algorithm::Ps512, &["rsa_pss_4096_sha512_mgf1_64"]),
    ] {
        for file in files {
            let mut tally = Tally::default();
            for group in groups(file) {
                for test in group["tests"].as_array().unwrap() {
                    tally.note(file, test, verifies(&group, test, algorithm));
                }
            }
            assert!(tally.valid > 0, "{file}");
            tally.check(file);
        }
    }
}

/// Good signatures of the right key, with another salt or mask than the algorithm's (RFC 7518 §3.5).
#[test]
fn signatures_of_other_parameters() {
    for (algorithm, file) in [
        (Algorithm::Ps256, "rsa_pss_2048_sha256_mgf1_0"),
        (Algorithm::Ps256, "rsa_pss_2048_sha256_mgf1sha1_20"),
        (Algorithm::Ps512, "rsa_pss_4096_sha512_mgf1_32"),
    ] {
        for group in groups(file) {
            // Among the invalid ones are some that have the algorithm's parameters.
            let good: Vec<_> =
                group["tests"].as_array().unwrap().iter().filter(|test| test["result"] == "valid").collect();
            assert!(good.len() > 10, "{file}");
            for test in good {
                assert!(!verifies(&group, test, algorithm), "{file} {}", test["tcId"]);
            }
        }
    }
}

/// Whether a signature over bytes that are no token fits a group's key.
fn verifies(group: &Value, test: &Value, algorithm: Algorithm) -> bool {
    let public = &group["publicKey"];
    let hex = |value: &Value| unhex(value.as_str().unwrap());
    let jwk = match algorithm {
        Algorithm::EdDsa => format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(hex(&public["pk"]))),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => {
            let curve = match algorithm {
                Algorithm::Es256 => "P-256",
                Algorithm::Es384 => "P-384",
                _ => "P-521",
            };
            let point = &hex(&public["uncompressed"])[1..];
            let (x, y) = point.split_at(point.len() / 2);
            format!(r#"{{"kty":"EC","crv":"{curve}","x":"{}","y":"{}"}}"#, encode(x), encode(y))
        }
        _ => {
            let (n, e) = (encode(hex(&public["modulus"])), encode(hex(&public["publicExponent"])));
            format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)
        }
    };
    let key = Jwk::parse(jwk.as_bytes());
    key.is_ok_and(|key| key.verify(algorithm, &hex(&test["msg"]), &hex(&test["sig"])).is_ok())
}
