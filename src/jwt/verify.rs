//! A public key that checks signatures, parsed once.

use std::sync::OnceLock;

use aws_lc_rs::signature::{self as lc, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};

use super::algorithm::KeyKind;
use super::{Algorithm, KeyFault, TokenFault};

/// The material of a key, ready to verify with.
pub(super) enum PublicKey {
    Rsa(Box<RsaKey>),
    /// A key of a curve goes with one algorithm only.
    Curve(Algorithm, ParsedPublicKey),
}

/// An RSA key goes with six algorithms. What is parsed belongs to one of them; it is made when the first such token comes.
pub(super) struct RsaKey {
    components: RsaPublicKeyComponents<Box<[u8]>>,
    parsed: [OnceLock<Option<ParsedPublicKey>>; RSA_ALGORITHMS.len()],
}

const RSA_ALGORITHMS: [Algorithm; 6] =
    [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512];

impl PublicKey {
    /// An RSA key of these two numbers, big-endian and without leading zeros, which the caller has judged. It must be usable with
    /// `algorithm`.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8], algorithm: Algorithm) -> Result<Self, KeyFault> {
        let components = RsaPublicKeyComponents { n: modulus.into(), e: exponent.into() };
        let key = RsaKey { components, parsed: Default::default() };
        key.parsed(algorithm).map(|_| ()).ok_or(KeyFault::Rsa)?;
        Ok(Self::Rsa(key.into()))
    }

    /// A key on a curve, in the library's form: an uncompressed point, or the 32 bytes of Ed25519. The point must be on the curve.
    pub(super) fn on_curve(kind: KeyKind, bytes: &[u8]) -> Result<Self, KeyFault> {
        let (algorithm, parameters): (_, &'static dyn VerificationAlgorithm) = match kind {
            KeyKind::P256 => (Algorithm::Es256, &lc::ECDSA_P256_SHA256_FIXED),
            KeyKind::P384 => (Algorithm::Es384, &lc::ECDSA_P384_SHA384_FIXED),
            KeyKind::P521 => (Algorithm::Es512, &lc::ECDSA_P521_SHA512_FIXED),
            KeyKind::Ed25519 => (Algorithm::EdDsa, &lc::ED25519),
            KeyKind::Rsa => return Err(KeyFault::Curve),
        };
        let key = ParsedPublicKey::new(parameters, bytes).map_err(|_| KeyFault::Point)?;
        Ok(Self::Curve(algorithm, key))
    }

    /// Checks a signature. ECDSA's is `r || s` of fixed length (RFC 7518 §3.4), never DER.
    pub(super) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
        let key = match self {
            Self::Rsa(key) => key.parsed(algorithm),
            Self::Curve(own, key) => (*own == algorithm).then_some(key),
        };
        let key = key.ok_or(TokenFault::KeyAlgorithm)?;
        key.verify_sig(signed, signature).map_err(|_| TokenFault::Signature)
    }
}

impl RsaKey {
    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let at = RSA_ALGORITHMS.iter().position(|own| *own == algorithm)?;
        let parsed = self.parsed[at].get_or_init(|| {
            let parameters = rsa_parameters(algorithm)?;
            self.components.to_parsed_public_key(parameters).ok()
        });
        parsed.as_ref()
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &lc::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &lc::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &lc::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &lc::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &lc::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &lc::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
