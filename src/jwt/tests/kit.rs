//! Keys that are made for a test run, tokens signed with them, and what a listener would expect of them.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{hmac, rand::SystemRandom, rsa::KeySize, signature as lc};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jwt::{Accepted, Algorithm, ClaimRules, KeySet, TokenFault, Unverified};

/// The time of all tests, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;
pub const ISSUER: &str = "https://issuer.example/realms/one";
pub const AUDIENCE: &str = "kafka";

pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The private keys of an issuer, and of somebody else.
pub struct Keys {
    rsa: RsaKeyPair,
    stranger: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    p521: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

pub static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    stranger: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    p256: EcdsaKeyPair::generate(&lc::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
    p384: EcdsaKeyPair::generate(&lc::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
    p521: EcdsaKeyPair::generate(&lc::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
    ed: Ed25519KeyPair::generate().unwrap(),
});

/// The set that has all of the issuer's keys, under the names `rsa`, `p256`, `p384`, `p521`, `ed`.
pub static KEY_SET: LazyLock<KeySet> = LazyLock::new(|| {
    let jwks: Vec<_> = ["rsa", "p256", "p384", "p521", "ed"].into_iter().map(|kid| KEYS.jwk(kid, kid, "")).collect();
    set(&jwks)
});

pub fn set(jwks: &[String]) -> KeySet {
    let (keys, skipped) = KeySet::parse(format!("{{\"keys\":[{}]}}", jwks.join(",")).as_bytes()).unwrap();
    assert_eq!(skipped, []);
    keys
}

/// The numbers in a PKCS#1 RSAPublicKey of 2048 bits whose exponent is 65537.
fn modulus(key: &RsaKeyPair) -> &[u8] {
    let der = key.public_key().as_ref();
    &der[9..9 + 256]
}

impl Keys {
    /// The public key `name` as a JWK of this `kid`, with further members (`,"use":"sig"`).
    pub fn jwk(&self, name: &str, kid: &str, more: &str) -> String {
        let ec = |crv: &str, key: &EcdsaKeyPair| {
            let point = &key.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            format!(r#""kty":"EC","crv":"{crv}","x":"{}","y":"{}""#, encode(x), encode(y))
        };
        let members = match name {
            "rsa" => format!(r#""kty":"RSA","n":"{}","e":"AQAB""#, encode(modulus(&self.rsa))),
            "stranger" => format!(r#""kty":"RSA","n":"{}","e":"AQAB""#, encode(modulus(&self.stranger))),
            "p256" => ec("P-256", &self.p256),
            "p384" => ec("P-384", &self.p384),
            "p521" => ec("P-521", &self.p521),
            "ed" => format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, encode(self.ed.public_key().as_ref())),
            _ => panic!("no key {name}"),
        };
        format!(r#"{{{members},"kid":"{kid}"{more}}}"#)
    }

    /// Signs as `how` says: `RS256:rsa`, `ES256:p256`, `HS256:spki` (with the bytes of the RSA public key), `none`.
    pub fn sign(&self, how: &str, signed: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        let (algorithm, key) = how.split_once(':').unwrap_or((how, ""));
        let rsa = |encoding: &'static dyn lc::RsaEncoding| {
            let pair = if key == "rsa" { &self.rsa } else { &self.stranger };
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &random, signed.as_bytes(), &mut signature).unwrap();
            signature
        };
        let ec = |pair: &EcdsaKeyPair| pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec();
        match (algorithm, key) {
            ("none", _) => Vec::new(),
            ("RS256", _) => rsa(&lc::RSA_PKCS1_SHA256),
            ("RS384", _) => rsa(&lc::RSA_PKCS1_SHA384),
            ("RS512", _) => rsa(&lc::RSA_PKCS1_SHA512),
            ("PS256", _) => rsa(&lc::RSA_PSS_SHA256),
            ("PS384", _) => rsa(&lc::RSA_PSS_SHA384),
            ("PS512", _) => rsa(&lc::RSA_PSS_SHA512),
            ("ES256", "p256") => ec(&self.p256),
            ("ES384", "p384") => ec(&self.p384),
            ("ES512", "p521") => ec(&self.p521),
            // The right key, and its signature in the other form.
            ("ES256-DER", "p256") => self.with_p256(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, signed),
            ("EdDSA", _) => self.ed.sign(signed.as_bytes()).as_ref().to_vec(),
            ("HS256", _) => {
                let secret = match key {
                    "spki" => self.rsa.public_key().as_der().unwrap().as_ref().to_vec(),
                    "pkcs1" => self.rsa.public_key().as_ref().to_vec(),
                    "modulus" => modulus(&self.rsa).to_vec(),
                    _ => key.into(),
                };
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes()).as_ref().to_vec()
            }
            _ => panic!("no signer {how}"),
        }
    }

    /// PKCS#8 of the keys that another library signs with.
    pub fn pkcs8(&self, name: &str) -> Vec<u8> {
        match name {
            "p256" => self.p256.to_pkcs8v1().unwrap().as_ref().to_vec(),
            "p384" => self.p384.to_pkcs8v1().unwrap().as_ref().to_vec(),
            "ed" => self.ed.to_pkcs8v1().unwrap().as_ref().to_vec(),
            _ => panic!("no PKCS#8 of {name}"),
        }
    }

    /// PKCS#1 of the RSA key.
    pub fn pkcs1(&self) -> Vec<u8> {
        let pkcs8: Pkcs8V1Der<'static> = self.rsa.as_der().unwrap();
        // What stands before it in PKCS#8 has the same length for all keys of this size.
        pkcs8.as_ref()[26..].to_vec()
    }

    fn with_p256(&self, algorithm: &'static EcdsaSigningAlgorithm, signed: &str) -> Vec<u8> {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8("p256")).unwrap();
        pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
    }

    /// A token of these texts.
    pub fn token(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>, how: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.sign(how, &signed));
        format!("{signed}.{signature}")
    }
}

/// The header that goes with a way to sign.
pub fn header(how: &str) -> String {
    let (algorithm, key) = how.split_once(':').unwrap();
    format!(r#"{{"alg":"{algorithm}","kid":"{key}"}}"#)
}

/// The header and way to sign of each algorithm.
pub fn ways() -> impl Iterator<Item = String> {
    Algorithm::ALL.into_iter().map(|algorithm| {
        let key = match algorithm {
            Algorithm::Es256 => "p256",
            Algorithm::Es384 => "p384",
            Algorithm::Es512 => "p521",
            Algorithm::EdDsa => "ed",
            _ => "rsa",
        };
        format!("{algorithm}:{key}")
    })
}

/// Claims that are accepted.
pub fn claims() -> String {
    let (iat, exp) = (NOW - 10, NOW + 300);
    format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"alice","iat":{iat},"exp":{exp}}}"#)
}

pub fn good_token(how: &str) -> String {
    KEYS.token(header(how), claims(), how)
}

pub fn rules() -> ClaimRules {
    ClaimRules { issuer: Some(ISSUER.into()), audiences: vec![AUDIENCE.into()], ..ClaimRules::default() }
}

/// What a login does with a token.
pub fn accept(token: &str, keys: &KeySet, rules: &ClaimRules) -> Result<Accepted, TokenFault> {
    rules.judge(&Unverified::parse(token)?.verify(keys)?, now())
}
