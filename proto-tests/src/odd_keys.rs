//! A published key set with everything in it that may be wrong with a key, and good keys among it (H-201). The good ones have to be
//! found, and each of the others passed over.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::jose::{Algorithm, SigningKey, b64};
use crate::{Context, Result, process, scratch};

/// The set and who signs with it.
pub struct OddKeys {
    pub jwks: Value,
    /// The same with elements that are no objects: Kafka's library takes nothing of such a set, and the broker does not start.
    pub jwks_with_rubbish: Value,
    /// A key for each algorithm, under its name in lower case as `kid`, with `alg` and `use`.
    pub good: Vec<SigningKey>,
    /// The RSA key that stands in the set under several other names.
    pub rsa: SigningKey,
    /// One that is nowhere in it under its own name.
    pub other: SigningKey,
    /// The secret of its symmetric key.
    pub secret: Vec<u8>,
    /// A file with the private part of its RSA key of 1024 bits, under `rsa1024`.
    short: std::path::PathBuf,
}

/// The one of this run.
pub fn get() -> Result<&'static OddKeys> {
    static KEYS: OnceLock<Result<OddKeys>> = OnceLock::new();
    KEYS.get_or_init(OddKeys::new).as_ref().map_err(Clone::clone)
}

impl OddKeys {
    fn new() -> Result<OddKeys> {
        let good: Vec<SigningKey> =
            Algorithm::ALL.into_iter().map(|a| SigningKey::new(&a.name().to_lowercase(), a)).collect::<Result<_>>()?;
        let (rsa, other) = (SigningKey::new("rsa", Algorithm::Rs256)?, SigningKey::new("other", Algorithm::Rs256)?);
        let ec = SigningKey::new("ec", Algorithm::Es256)?;
        let secret = b"a symmetric key of 32 bytes, 256".to_vec();
        let short = scratch::dir("odd-keys").join("rsa1024.pem");
        let modulus = openssl_rsa(&short)?;
        // The RSA key under another name, with changes.
        let named = |kid: &str, changes: Value| {
            let mut jwk = rsa.bare_jwk();
            jwk["kid"] = json!(kid);
            for (name, value) in changes.as_object().into_iter().flatten() {
                jwk[name] = value.clone();
            }
            jwk
        };
        let with = |mut jwk: Value, kid: &str, changes: Value| {
            jwk["kid"] = json!(kid);
            for (name, value) in changes.as_object().into_iter().flatten() {
                jwk[name] = value.clone();
            }
            jwk
        };
        let odd = [
            json!({}),
            json!({"kty": 5, "kid": "number"}),
            json!({"kty": "XYZ", "kid": "unknown-kty"}),
            json!({"kty": "oct", "kid": "oct", "k": b64(&secret)}),
            json!({"kty": "oct", "kid": "oct-alg", "alg": "HS256", "use": "sig", "k": b64(&secret)}),
            json!({"kty": "RSA", "kid": "no-numbers"}),
            named("bare", json!({})),
            named("use-enc", json!({"use": "enc"})),
            named("use-null", json!({"use": null})),
            named("ops-encrypt", json!({"key_ops": ["encrypt"]})),
            named("ops-verify", json!({"key_ops": ["verify"]})),
            named("ops-none", json!({"key_ops": []})),
            named("alg-rs512", json!({"alg": "RS512"})),
            named("alg-hs256", json!({"alg": "HS256"})),
            named("alg-es256", json!({"alg": "ES256"})),
            named("private", json!({"d": b64(&[7; 256])})),
            named("x5c", json!({"x5c": ["bm8gY2VydGlmaWNhdGU="]})),
            named("e-one", json!({"e": b64(&[1])})),
            named("e-even", json!({"e": b64(&[1, 0, 0])})),
            named("e-missing", json!({"e": null})),
            named("n-standard-base64", json!({"n": format!("{}==", rsa.bare_jwk()["n"].as_str().unwrap_or_default())})),
            named("n-16k", json!({"n": b64(&[0xff; 2048])})),
            with(json!({"kty": "RSA", "n": b64(&modulus), "e": "AQAB"}), "rsa1024", json!({})),
            with(ec.bare_jwk(), "off-curve", json!({"y": b64(&[1; 32])})),
            with(ec.bare_jwk(), "unknown-crv", json!({"crv": "P-999"})),
            with(ec.bare_jwk(), "wrong-crv", json!({"crv": "P-384"})),
            with(other.bare_jwk(), "twice", json!({})),
            named("twice", json!({})),
            named("twice-right-first", json!({})),
            with(other.bare_jwk(), "twice-right-first", json!({})),
            // A set with a number for a kid, and one without.
            {
                let mut jwk = rsa.bare_jwk();
                jwk["kid"] = json!(5);
                jwk
            },
        ];
        let keys: Vec<Value> = odd.into_iter().chain(good.iter().map(SigningKey::jwk)).collect();
        let rubbish = [json!("no object"), json!(null), json!([]), json!(5)].into_iter().chain(keys.iter().cloned());
        let jwks_with_rubbish = json!({"keys": rubbish.collect::<Vec<_>>()});
        Ok(OddKeys { jwks: json!({"keys": keys}), jwks_with_rubbish, good, rsa, other, secret, short })
    }

    pub fn good(&self, algorithm: Algorithm) -> &SigningKey {
        let found = self.good.iter().find(|k| k.algorithm == algorithm);
        found.expect("there is one for each algorithm")
    }

    /// An RS256 signature by the key of 1024 bits.
    pub fn sign_short(&self, input: &[u8]) -> Result<Vec<u8>> {
        let file = scratch::dir("odd-keys");
        let (text, out) = (file.join("input"), file.join("signature"));
        std::fs::write(&text, input).context("write what is to be signed")?;
        let mut command = process::command("openssl");
        command.args(["dgst", "-sha256", "-sign"]).arg(&self.short).arg("-out").arg(&out).arg(&text);
        run(command)?;
        std::fs::read(out).context("read a signature")
    }
}

/// A new RSA key of 1024 bits in that file, and its modulus: the harness's own library makes none that short.
fn openssl_rsa(file: &std::path::Path) -> Result<Vec<u8>> {
    let mut command = process::command("openssl");
    command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out"]).arg(file);
    run(command)?;
    let mut command = process::command("openssl");
    command.args(["rsa", "-noout", "-modulus", "-in"]).arg(file);
    let said = run(command)?;
    let hex = said.trim().strip_prefix("Modulus=").ok_or("openssl says no modulus")?.to_owned();
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).context("a modulus")).collect()
}

fn run(command: Command) -> Result<String> {
    process::run("openssl", command, "", Duration::from_secs(60))?.ok().context("openssl")
}
