//! The client's name and version in ApiVersions v3+ (KIP-511).

/// Whether `text` is a legal `ClientSoftwareName` or `ClientSoftwareVersion`: all of it must match
/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?` (Kafka's `ApiVersionsRequest`).
pub fn is_legal(text: &[u8]) -> bool {
    match text {
        [only] => only.is_ascii_alphanumeric(),
        [first, middle @ .., last] => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && middle.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_legal;

    #[test]
    fn the_pattern_must_match_the_whole_text() {
        for legal in ["a", "7", "apache-kafka-java", "4.3.1", "a.-b", "librdkafka"] {
            assert!(is_legal(legal.as_bytes()), "{legal}");
        }
        for illegal in ["", "-", ".", "-a", "a-", "a.", "a b", "ä", "aä", "a\n", "a\0b", "a_b"] {
            assert!(!is_legal(illegal.as_bytes()), "{illegal:?}");
        }
        assert!(!is_legal(b"a\xffb"));
        assert!(is_legal(&[b'a'; 30_000]));
    }
}
