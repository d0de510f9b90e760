//! base64url as RFC 7515 §2 has it: no padding, no white space, and one way only to write the same bytes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::TokenFault;

/// The bytes that `text` stands for. What is not the one spelling of its bytes is refused, so that a token cannot be changed without
/// changing what is signed.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenFault::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_decoded() {
        assert_eq!(decode("").unwrap(), b"");
        assert_eq!(decode("_-8").unwrap(), [0xff, 0xef]);
        for other in ["_-8=", "/+8", "_-9", "_-8 ", "_ -8", "_-8\n", "_", "_-8==", "_-é"] {
            assert_eq!(decode(other).unwrap_err(), TokenFault::Base64, "{other}");
        }
    }
}
