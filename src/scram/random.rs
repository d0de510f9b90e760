//! Nonces and salts, in the shape that Kafka gives them: 130 bits as a number in base 36.

use super::MAX_NONCE_LEN;

/// 130 bits, in the lowest of these bytes.
const BYTES: usize = 17;
/// Digits of the largest number of 130 bits in base 36.
const DIGITS: usize = 26;

/// There are no random bytes to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random number generator failed")]
pub struct NoRandomness;

/// One side's part of a nonce: printable ASCII without a comma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A fresh one. All have the same length.
    pub fn random() -> Result<Self, NoRandomness> {
        Ok(Self(format!("{:0>DIGITS$}", base_36(random_bits()?))))
    }

    /// This one, for tests and vectors, or `None` if it is none.
    pub fn new(text: &str) -> Option<Self> {
        let is_one = super::message::nonce(text, MAX_NONCE_LEN).is_ok() && !text.contains(',');
        is_one.then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A fresh salt as Kafka's own tools make them: the ASCII text of a number of 130 bits in base 36, 25 or 26 bytes and rarely fewer.
pub fn random_salt() -> Result<Vec<u8>, NoRandomness> {
    Ok(base_36(random_bits()?).into_bytes())
}

fn random_bits() -> Result<[u8; BYTES], NoRandomness> {
    let mut bits = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bits).map_err(|_| NoRandomness)?;
    Ok(bits)
}

/// The lowest 130 bits as a number, the highest byte first, in base 36 without leading zeros.
pub(super) fn base_36(mut bits: [u8; BYTES]) -> String {
    bits[0] &= 0b11;
    let mut digits = Vec::with_capacity(DIGITS);
    while bits.iter().any(|byte| *byte != 0) || digits.is_empty() {
        let mut rest: u32 = 0;
        for byte in &mut bits {
            let dividend = (rest << 8) | u32::from(*byte);
            *byte = (dividend / 36) as u8;
            rest = dividend % 36;
        }
        digits.push(char::from_digit(rest, 36).unwrap_or_default());
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_base_36() {
        let of = |low: u128| {
            let mut bits = [0; BYTES];
            bits[1..].copy_from_slice(&low.to_be_bytes());
            base_36(bits)
        };
        assert_eq!((of(0), of(35), of(36)), ("0".to_owned(), "z".to_owned(), "10".to_owned()));
        assert_eq!(of(u128::MAX), "f5lxx1zz5pnorynqglhzmsp33");
        // 2^130 - 1; what lies above 130 bits is not looked at.
        assert_eq!(base_36([0xff; BYTES]), "1omfro7zwmumr3umxudzyj6scf");
    }

    #[test]
    fn random_ones_differ_and_have_their_shape() {
        let nonces: Vec<_> = (0..100).map(|_| Nonce::random().unwrap()).collect();
        assert!(nonces.iter().all(|nonce| nonce.as_str().len() == DIGITS && Nonce::new(nonce.as_str()).is_some()));
        assert!(nonces.windows(2).all(|pair| pair[0] != pair[1]));
        let salts: Vec<_> = (0..1000).map(|_| random_salt().unwrap()).collect();
        let usual = salts.iter().filter(|salt| (25..=26).contains(&salt.len())).count();
        // All but one in sixty.
        assert!((900..=1000).contains(&usual), "{usual}");
        assert!(salts.iter().flatten().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
    }

    #[test]
    fn a_nonce_is_printable_and_has_no_comma() {
        for wrong in ["", "a,b", "a b", "a\u{7f}", "ä", &"n".repeat(MAX_NONCE_LEN + 1)] {
            assert_eq!(Nonce::new(wrong), None, "{wrong}");
        }
        assert!(Nonce::new(&"~".repeat(MAX_NONCE_LEN)).is_some());
    }
}
