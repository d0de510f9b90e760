//! Kafka's error codes, those that the front itself sends or looks at.

use std::fmt;

/// An error code of the Kafka protocol (`org.apache.kafka.common.protocol.Errors`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i16);

impl ErrorCode {
    /// No error.
    pub const NONE: Self = Self(0);
    /// An unexpected server error.
    pub const UNKNOWN_SERVER_ERROR: Self = Self(-1);
    /// The client is not authorized for the cluster.
    pub const CLUSTER_AUTHORIZATION_FAILED: Self = Self(31);
    /// SaslHandshake named a mechanism that the listener has not enabled.
    pub const UNSUPPORTED_SASL_MECHANISM: Self = Self(33);
    /// A request that the state of the SASL exchange does not allow.
    pub const ILLEGAL_SASL_STATE: Self = Self(34);
    /// The API version is not supported.
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// The request breaks a rule of its own.
    pub const INVALID_REQUEST: Self = Self(42);
    /// Security features are off.
    pub const SECURITY_DISABLED: Self = Self(54);
    /// The disk failed or is full.
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
    /// The SASL exchange failed.
    pub const SASL_AUTHENTICATION_FAILED: Self = Self(58);
    /// There is no such thing.
    pub const RESOURCE_NOT_FOUND: Self = Self(91);
    /// The same thing is named twice.
    pub const DUPLICATE_RESOURCE: Self = Self(92);
    /// A credential that is not taken.
    pub const UNACCEPTABLE_CREDENTIAL: Self = Self(93);
    /// ApiVersions v5 named another cluster or node (KIP-1242).
    pub const REBOOTSTRAP_REQUIRED: Self = Self(129);
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
