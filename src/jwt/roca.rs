//! RSA keys of a chip that drew its primes from too few (CVE-2017-15361): who knows the modulus can compute the private key.

/// The primes of the product that all sizes of such keys have in common.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus is of the form `65537^a (mod p)` for each of the primes, as only theirs are: of others one in a hundred million
/// (Nemec and others, "The Return of Coppersmith's Attack", 2017, §5).
pub(super) fn is_weak(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * (65537 % prime) % prime;
            power == rest
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_powers_are_weak() {
        let mut power: u128 = 1;
        for _ in 0..7 {
            power *= 65537;
            assert!(is_weak(&power.to_be_bytes()));
            assert!(!is_weak(&(power + 2).to_be_bytes()));
        }
        assert!(!is_weak(&[]));
    }
}
