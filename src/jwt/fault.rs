//! Why a token is not accepted: a closed list of fixed words, so that nothing of a token can get into a log by it.

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum TokenFault {
    /// Longer than [`super::MAX_TOKEN_LEN`].
    TooLong,
    /// Not three parts with dots between them.
    Parts,
    /// Five parts: encrypted (RFC 7516), not signed.
    Encrypted,
    /// A part is not base64url, or not in its one spelling.
    Base64,
    /// A part that should be a JSON object in UTF-8 is none.
    Json,
    /// A JSON object has a name twice.
    DuplicateName,
    /// Nested deeper, or more members or values, than the limits allow.
    TooComplex,
    /// `alg` is missing, no text, or none that is taken.
    Algorithm,
    /// `kid` is no text, too long, or has control characters.
    Kid,
    /// Another header parameter has the wrong type.
    Header,
    /// `crit`, or an extension that only stands with it (`b64`): nothing is understood that must be.
    Critical,
    /// A header parameter that brings or points to a key: `jwk`, `jku`, `x5c`, `x5u`.
    OwnKey,
    /// A header parameter of encryption or compression: `zip`, `p2c`, `p2s`.
    Encryption,
    /// The payload is a token itself (`cty`).
    Nested,
    /// `typ` is another kind of token than the listener takes.
    Type,
    /// The key set has no key of this `kid`.
    UnknownKey,
    /// The key set has keys, but none that fits the header.
    NoKey,
    /// The key of this `kid` is not for the token's algorithm.
    KeyAlgorithm,
    /// The signature does not fit.
    Signature,
    /// A token that should have no signature has one, or another `alg` than `none`.
    NotUnsecured,
    /// A claim that must be there is missing: `exp`.
    NoExpiry,
    /// A claim that must be there is missing: `iat`.
    NoIssueTime,
    /// A time (`exp`, `iat`, `nbf`) is no number, or negative.
    Time,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` has not come.
    NotYetValid,
    /// `exp` is before `iat` or `nbf`.
    TimeOrder,
    /// `iss` is missing, no text, or another's.
    Issuer,
    /// `aud` is missing, has the wrong type, or names others only.
    Audience,
    /// The claim that names the principal is missing, no text or blank.
    Subject,
    /// The principal's name is too long, has control characters, or could have come from other claims as well.
    Name,
    /// The principal's name is reserved.
    ReservedName,
    /// The scope claim has the wrong type, or blank or repeated elements.
    Scope,
    /// The required scope is not there.
    InsufficientScope,
    /// The groups claim has the wrong type, or too many, blank or overlong elements.
    Groups,
}

impl TokenFault {
    /// Fixed words for logs, metrics and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "the token is too long",
            Self::Parts => "the token does not have three parts",
            Self::Encrypted => "the token is encrypted",
            Self::Base64 => "a part of the token is not base64url",
            Self::Json => "a part of the token is not a JSON object",
            Self::DuplicateName => "a name stands twice in a JSON object",
            Self::TooComplex => "the token is nested too deeply or has too many values",
            Self::Algorithm => "the algorithm is not taken",
            Self::Kid => "the kid is not usable",
            Self::Header => "a header parameter has the wrong type",
            Self::Critical => "a critical header extension is not understood",
            Self::OwnKey => "the header brings a key of its own",
            Self::Encryption => "the header asks for decryption or decompression",
            Self::Nested => "the token has a token in it",
            Self::Type => "this type of token is not taken",
            Self::UnknownKey => "no key has this kid",
            Self::NoKey => "no key fits the header",
            Self::KeyAlgorithm => "the key is not for this algorithm",
            Self::Signature => "the signature does not fit",
            Self::NotUnsecured => "the token is not an unsecured one",
            Self::NoExpiry => "exp is missing",
            Self::NoIssueTime => "iat is missing",
            Self::Time => "a time is not a number, or negative",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::TimeOrder => "the token expires before it begins",
            Self::Issuer => "the issuer is not the expected one",
            Self::Audience => "the token is for another audience",
            Self::Subject => "the claim that names the principal is missing or blank",
            Self::Name => "the principal's name is not usable",
            Self::ReservedName => "the principal's name is reserved",
            Self::Scope => "the scope claim is not usable",
            Self::InsufficientScope => "the required scope is missing",
            Self::Groups => "the groups claim is not usable",
        }
    }
}
