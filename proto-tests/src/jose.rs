//! Keys that sign JSON Web Tokens, and tokens of any shape: what an issuer would never sign too.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::pki::der;
use crate::{Context, Result};

/// A JWS algorithm (RFC 7518, 3.1; RFC 8037) that an asymmetric key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Algorithm; 10] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::EdDsa,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Rs384 => "RS384",
            Algorithm::Rs512 => "RS512",
            Algorithm::Ps256 => "PS256",
            Algorithm::Ps384 => "PS384",
            Algorithm::Ps512 => "PS512",
            Algorithm::Es256 => "ES256",
            Algorithm::Es384 => "ES384",
            Algorithm::Es512 => "ES512",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    fn rsa(self) -> Result<&'static dyn sig::RsaEncoding> {
        match self {
            Algorithm::Rs256 => Ok(&sig::RSA_PKCS1_SHA256),
            Algorithm::Rs384 => Ok(&sig::RSA_PKCS1_SHA384),
            Algorithm::Rs512 => Ok(&sig::RSA_PKCS1_SHA512),
            Algorithm::Ps256 => Ok(&sig::RSA_PSS_SHA256),
            Algorithm::Ps384 => Ok(&sig::RSA_PSS_SHA384),
            Algorithm::Ps512 => Ok(&sig::RSA_PSS_SHA512),
            other => Err(format!("{} is not of RSA", other.name())),
        }
    }
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A private key under a key id, for one algorithm.
pub struct SigningKey {
    pub kid: String,
    pub algorithm: Algorithm,
    pair: Pair,
}

impl SigningKey {
    /// A new one: RSA of 2048 bits, or on the algorithm's curve.
    pub fn new(kid: &str, algorithm: Algorithm) -> Result<SigningKey> {
        let pair = match algorithm {
            Algorithm::Es256 => Pair::Ec(ec(&sig::ECDSA_P256_SHA256_FIXED_SIGNING)?),
            Algorithm::Es384 => Pair::Ec(ec(&sig::ECDSA_P384_SHA384_FIXED_SIGNING)?),
            Algorithm::Es512 => Pair::Ec(ec(&sig::ECDSA_P521_SHA512_FIXED_SIGNING)?),
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().context("make an Ed25519 key")?),
            _ => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).context("make an RSA key")?),
        };
        Ok(SigningKey { kid: kid.to_owned(), algorithm, pair })
    }

    /// PKCS#8 in PEM.
    pub fn pem(&self) -> Result<String> {
        let der: Vec<u8> = match &self.pair {
            Pair::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().context("write a key")?;
                der.as_ref().to_vec()
            }
            Pair::Ec(key) => key.to_pkcs8v1().context("write a key")?.as_ref().to_vec(),
            Pair::Ed(key) => key.to_pkcs8v1().context("write a key")?.as_ref().to_vec(),
        };
        Ok(der::pem("PRIVATE KEY", &der))
    }

    /// The public part as a JSON Web Key, with `kid`, `alg` and `use`.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.bare_jwk();
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm.name());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The same without `kid`, `alg` and `use`.
    pub fn bare_jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(key) => {
                let (n, e) = rsa_numbers(key.public_key().as_ref());
                json!({"kty": "RSA", "n": b64(&n), "e": b64(&e)})
            }
            Pair::Ec(key) => {
                // An uncompressed point: 4, x, y.
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = match self.algorithm {
                    Algorithm::Es256 => "P-256",
                    Algorithm::Es384 => "P-384",
                    _ => "P-521",
                };
                json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)})
            }
            Pair::Ed(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().as_ref())}),
        }
    }

    /// The signature of those bytes by the key's own algorithm.
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>> {
        self.sign_by(self.algorithm, input)
    }

    /// By another algorithm that an RSA key can serve.
    pub fn sign_by(&self, algorithm: Algorithm, input: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(algorithm.rsa()?, &random, input, &mut out).context("sign")?;
                Ok(out)
            }
            Pair::Ec(key) => Ok(key.sign(&random, input).context("sign")?.as_ref().to_vec()),
            Pair::Ed(key) => Ok(key.sign(input).as_ref().to_vec()),
        }
    }

    /// A token with those claims, and a header that names this key.
    pub fn token(&self, claims: &Value) -> Result<String> {
        let header = json!({"alg": self.algorithm.name(), "typ": "JWT", "kid": self.kid});
        self.token_of(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// A token of those bytes, signed, whatever they say.
    pub fn token_of(&self, header: &[u8], payload: &[u8]) -> Result<String> {
        let input = format!("{}.{}", b64(header), b64(payload));
        let signature = self.sign(input.as_bytes())?;
        Ok(format!("{input}.{}", b64(&signature)))
    }
}

/// The public parts of keys, as an issuer publishes them.
pub fn jwks<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> Value {
    json!({"keys": keys.into_iter().map(SigningKey::jwk).collect::<Vec<_>>()})
}

/// A token for development: signed by nobody.
pub fn unsecured(claims: &Value) -> String {
    format!("{}.{}.", b64(br#"{"alg":"none"}"#), b64(claims.to_string().as_bytes()))
}

/// Base64url without padding (RFC 7515, 2).
pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

fn ec(algorithm: &'static sig::EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair> {
    EcdsaKeyPair::generate(algorithm).context("make an EC key")
}

/// Modulus and exponent of a `RSAPublicKey` (RFC 8017, A.1.1), without leading zeroes.
fn rsa_numbers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, body, _) = element(der);
    let (_, n, rest) = element(body);
    let (_, e, _) = element(rest);
    let trimmed = |number: &[u8]| number.iter().copied().skip_while(|b| *b == 0).collect();
    (trimmed(n), trimmed(e))
}

/// Tag, content and what follows; the library's own output, so it is well formed.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (len, head) = match der[1] {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let digits = usize::from(long & 0x7f);
            (der[2..2 + digits].iter().fold(0, |n, b| n << 8 | usize::from(*b)), 2 + digits)
        }
    };
    (der[0], &der[head..head + len], &der[head + len..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is published verifies what is signed, in every algorithm: by the library that did not write the JWK.
    #[test]
    fn a_public_key_verifies() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::new("k", algorithm).expect("a key");
            let signature = key.sign(b"text").expect("a signature");
            let jwk = key.jwk();
            let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).expect("base64url");
            let verified = match algorithm {
                Algorithm::EdDsa => {
                    sig::UnparsedPublicKey::new(&sig::ED25519, bytes("x")).verify(b"text", &signature).is_ok()
                }
                Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => {
                    let of: &dyn sig::VerificationAlgorithm = match algorithm {
                        Algorithm::Es256 => &sig::ECDSA_P256_SHA256_FIXED,
                        Algorithm::Es384 => &sig::ECDSA_P384_SHA384_FIXED,
                        _ => &sig::ECDSA_P521_SHA512_FIXED,
                    };
                    let point = [&[4][..], &bytes("x"), &bytes("y")].concat();
                    sig::UnparsedPublicKey::new(of, point).verify(b"text", &signature).is_ok()
                }
                _ => {
                    let of = match algorithm {
                        Algorithm::Rs256 => &sig::RSA_PKCS1_2048_8192_SHA256,
                        Algorithm::Rs384 => &sig::RSA_PKCS1_2048_8192_SHA384,
                        Algorithm::Rs512 => &sig::RSA_PKCS1_2048_8192_SHA512,
                        Algorithm::Ps256 => &sig::RSA_PSS_2048_8192_SHA256,
                        Algorithm::Ps384 => &sig::RSA_PSS_2048_8192_SHA384,
                        _ => &sig::RSA_PSS_2048_8192_SHA512,
                    };
                    sig::RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") }.verify(of, b"text", &signature).is_ok()
                }
            };
            assert!(verified, "{}", algorithm.name());
        }
    }
}
