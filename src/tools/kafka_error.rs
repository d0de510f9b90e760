//! Kafka's errors by the names and words of its Java client, which is what people search for.

use super::failure::Failure;
use crate::wire::ErrorCode;

/// Code, exception and the words where the server sends none.
const ERRORS: &[(i16, &str, &str)] = &[
    (-1, "UnknownServerException", "The server experienced an unexpected error when processing the request."),
    (
        5,
        "LeaderNotAvailableException",
        "There is no leader for this topic-partition as we are in the middle of a leadership election.",
    ),
    (7, "TimeoutException", "The request timed out."),
    (13, "NetworkException", "The server disconnected before a response was received."),
    (31, "ClusterAuthorizationException", "Cluster authorization failed."),
    (33, "UnsupportedSaslMechanismException", "The broker does not support the requested SASL mechanism."),
    (34, "IllegalSaslStateException", "Request is not valid given the current SASL state."),
    (35, "UnsupportedVersionException", "The version of API is not supported."),
    (40, "InvalidConfigurationException", "Configuration is invalid."),
    (41, "NotControllerException", "This is not the correct controller for this cluster."),
    (
        42,
        "InvalidRequestException",
        "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.",
    ),
    (44, "PolicyViolationException", "Request parameters do not satisfy the configured policy."),
    (54, "SecurityDisabledException", "Security features are disabled."),
    (56, "KafkaStorageException", "Disk error when trying to access log file on the disk."),
    (58, "SaslAuthenticationException", "SASL Authentication failed."),
    (89, "ThrottlingQuotaExceededException", "The throttling quota has been exceeded."),
    (91, "ResourceNotFoundException", "A request illegally referred to a resource that does not exist."),
    (92, "DuplicateResourceException", "A request illegally referred to the same resource twice."),
    (93, "UnacceptableCredentialException", "Requested credential would not meet criteria for acceptability."),
];

/// `Exception: words`, with the server's own words if it sent any.
pub(super) fn text(error: ErrorCode, message: Option<&str>) -> (String, String) {
    let known = ERRORS.iter().find(|(code, ..)| *code == error.0);
    let class = known.map_or_else(|| format!("ApiException (error code {error})"), |(_, class, _)| (*class).to_owned());
    let words = message.or(known.map(|(.., words)| *words)).unwrap_or("the server gave no reason");
    (class, printable(words))
}

/// The error as the end of a command.
pub(super) fn failure(error: ErrorCode, message: Option<&str>) -> Failure {
    let (class, words) = text(error, message);
    Failure::kafka(&class, &words)
}

/// A server's words for a terminal: no control characters.
pub(super) fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
