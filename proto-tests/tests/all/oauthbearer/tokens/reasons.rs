//! Why doorkeeper makes something else of a token than Kafka does. Each sentence stands in `docs/kafka-differences.md`.

pub const TOO_LONG: &str = "more than 64 KiB are no token";
pub const BASE64: &str = "base64url has one spelling: no padding, no other alphabet, no stray bits at its end";
pub const JSON: &str = "JSON is that of RFC 8259, in UTF-8, with numbers that a double holds";
pub const DEEP: &str = "16 levels at most";
pub const TWICE: &str = "a name that stands twice is refused";
pub const TYPED: &str = "what is of a wrong type, or null, is not passed over";
pub const ONE_LAYER: &str = "a token inside of a token is refused";
pub const CRITICAL: &str = "a header that calls anything critical is refused";
pub const OFFERED: &str =
    "a header that offers keys (`jwk`, `jku`, `x5u`, `x5c`), or says `zip`, `enc` or `b64`, is refused";
pub const TYPE: &str = "a `typ` of another kind of token is refused (RFC 8725, 3.11)";
pub const FAR: &str = "an `exp` behind the year 9999 is that year";
pub const FUTURE: &str = "an `iat` further ahead than the skew is refused";
pub const NEGATIVE: &str = "a time before 1970 is refused";
pub const NAME: &str = "a name has at most 1024 bytes and no control characters, and nobody is `ANONYMOUS`";
pub const ANSWER: &str = "every token gets an answer";
pub const ALGORITHM: &str = "a key that names an algorithm serves that one alone";
pub const SECRET: &str = "a secret that is published verifies nothing";
pub const PRIVATE: &str = "a key whose private part is published is skipped";
pub const BROKEN: &str = "a key that is not written as RFC 7517 says is skipped";
pub const CERTIFICATES: &str = "certificates beside a key (`x5c`) are not looked at";

pub const ALL: [&str; 20] = [
    TOO_LONG,
    BASE64,
    JSON,
    DEEP,
    TWICE,
    TYPED,
    ONE_LAYER,
    CRITICAL,
    OFFERED,
    TYPE,
    FAR,
    FUTURE,
    NEGATIVE,
    NAME,
    ANSWER,
    ALGORITHM,
    SECRET,
    PRIVATE,
    BROKEN,
    CERTIFICATES,
];
