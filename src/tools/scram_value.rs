//! From a password, or what was derived from one, to what an administrator sends.

use std::num::NonZeroU32;

use aws_lc_rs::rand;

use crate::scram::{self, ScramMechanism};
use crate::secret::Secret;

/// A password as it was given. It cannot be printed.
#[derive(Clone, Debug)]
pub(super) struct Password(Secret);

impl Password {
    pub fn new(text: &str) -> Self {
        Self(Secret::new(text))
    }

    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A new salt and the SaltedPassword. Takes milliseconds.
    pub fn salted(&self, mechanism: ScramMechanism, iterations: NonZeroU32) -> Result<(Vec<u8>, Secret), String> {
        let salt = new_salt()?;
        let salted = scram::salted_password(mechanism, self.expose(), &salt, iterations);
        Ok((salt, salted))
    }
}

/// 130 random bits as a number to the base 36, which is what Kafka's clients take for a salt: text that any file can hold.
pub(super) fn new_salt() -> Result<Vec<u8>, String> {
    const BITS: u32 = 130;
    let mut random = [0u8; 17];
    rand::fill(&mut random).map_err(|_| "the system has no random numbers".to_owned())?;
    // 136 bits are 6 too many.
    random[0] &= 0xff >> (u8::BITS * 17 - BITS);
    Ok(base_36(&mut random))
}

/// Divides the number, most significant byte first, by 36 until nothing is left.
fn base_36(number: &mut [u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(27);
    while digits.is_empty() || number.iter().any(|byte| *byte != 0) {
        let mut rest = 0u32;
        for byte in number.iter_mut() {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 36) as u8;
            rest = value % 36;
        }
        digits.push(char::from_digit(rest, 36).map_or(b'0', |digit| digit as u8));
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_are_base_36_text_of_130_bits() {
        assert_eq!(base_36(&mut [0]), b"0");
        assert_eq!(base_36(&mut [35]), b"z");
        assert_eq!(base_36(&mut [0x01, 0x00]), b"74");
        // 2^130 - 1
        let mut largest = [0xff; 17];
        largest[0] = 0x03;
        assert_eq!(base_36(&mut largest).len(), 26);
        let (one, other) = (new_salt().unwrap(), new_salt().unwrap());
        assert_ne!(one, other);
        assert!(one.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
        assert!(one.len() > 15 && one.len() <= 26, "{}", one.len());
    }
}
