//! The grammar that SCRAM's four messages share (RFC 5802 §7): attributes between commas, names, nonces. Each reader goes over
//! a message once, from its beginning to its end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest message of a client that is looked at, in bytes.
pub const MAX_CLIENT_MESSAGE_LEN: usize = 4096;
/// Longest message of a server that is looked at, in bytes. Those of our own are shorter.
pub const MAX_SERVER_MESSAGE_LEN: usize = 4096;
/// Longest nonce of a client in bytes.
pub const MAX_NONCE_LEN: usize = 1024;
/// Longest user name in bytes, unescaped.
pub const MAX_USER_LEN: usize = 1024;
/// Most extensions that one message may have.
pub const MAX_EXTENSIONS: usize = 16;

/// A message is not of SCRAM's grammar; the text says what is wrong with it and holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// The message as text: no longer than `limit`, UTF-8, without NUL.
pub(super) fn text(message: &[u8], limit: usize) -> Result<&str, Malformed> {
    if message.len() > limit {
        return Err(Malformed("the message is too long"));
    }
    if message.contains(&0) {
        return Err(Malformed("the message has a NUL"));
    }
    std::str::from_utf8(message).map_err(|_| Malformed("the message is not UTF-8"))
}

/// The value of an attribute whose place this is.
pub(super) fn value<'a>(part: Option<&'a str>, prefix: &str, otherwise: &'static str) -> Result<&'a str, Malformed> {
    part.and_then(|part| part.strip_prefix(prefix)).ok_or(Malformed(otherwise))
}

/// A nonce: printable ASCII but the comma, at which it was cut off. `limit` in bytes.
pub(super) fn nonce(text: &str, limit: usize) -> Result<&str, Malformed> {
    let fits = (1..=limit).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(text).ok_or(Malformed("the nonce is empty, too long or not printable"))
}

/// Standard base64 with its padding, in the one way in which these bytes are written.
pub(super) fn base64(text: &str, otherwise: &'static str) -> Result<Vec<u8>, Malformed> {
    STANDARD.decode(text).map_err(|_| Malformed(otherwise))
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads what stands behind the known attributes. Extensions that nobody knows are to be ignored; one that has the name of a
/// known attribute is no extension, and `m` is one that must be understood (RFC 5802 §5.1).
pub(super) fn extensions<'a>(
    parts: impl Iterator<Item = &'a str>,
    mut each: impl FnMut(&'a str, &'a str),
) -> Result<(), Malformed> {
    for (n, part) in parts.enumerate() {
        if n == MAX_EXTENSIONS {
            return Err(Malformed("there are too many extensions"));
        }
        let (name, value) = part.split_once('=').ok_or(Malformed("an extension has no value"))?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) || value.is_empty() {
            return Err(Malformed("an extension has no name or no value"));
        }
        if matches!(name, "a" | "n" | "m" | "r" | "c" | "s" | "i" | "p" | "v" | "e") {
            return Err(Malformed("an attribute stands where it does not belong"));
        }
        each(name, value);
    }
    Ok(())
}

/// The name that is written as this `saslname`: `=2C` is a comma and `=3D` an equals sign, once.
pub(super) fn unescape(saslname: &str) -> Result<String, Malformed> {
    let mut pieces = saslname.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (escaped, rest) = match piece.as_bytes() {
            [b'2', b'C', ..] => (',', &piece[2..]),
            [b'3', b'D', ..] => ('=', &piece[2..]),
            _ => return Err(Malformed("a name has an equals sign that is not =2C or =3D")),
        };
        name.push(escaped);
        name.push_str(rest);
    }
    let fits = (1..=MAX_USER_LEN).contains(&name.len());
    fits.then_some(name).ok_or(Malformed("a name is empty or too long"))
}

/// How a name is written as `saslname`.
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped_once() {
        for (written, name) in [
            ("alice", "alice"),
            ("=2C", ","),
            ("=3D", "="),
            ("=3D2C", "=2C"),
            ("a=3D2Cb=2Cc", "a=2Cb,c"),
            ("jörg zoë", "jörg zoë"),
        ] {
            assert_eq!(unescape(written).as_deref(), Ok(name));
            assert_eq!(escape(name), written);
        }
        for wrong in ["", "=", "=2", "=2c", "=3d", "=41", "a=b", "==", "=2=2C", "a="] {
            assert!(unescape(wrong).is_err(), "{wrong}");
        }
        assert!(unescape(&"u".repeat(MAX_USER_LEN)).is_ok());
        assert!(unescape(&"u".repeat(MAX_USER_LEN + 1)).is_err());
        // The limit is on the name, not on how it is written.
        assert!(unescape(&"=2C".repeat(MAX_USER_LEN)).is_ok());
    }

    #[test]
    fn base64_is_read_in_one_way_only() {
        assert_eq!(base64("YQ==", ""), Ok(b"a".to_vec()));
        for wrong in ["YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "Y Q==", "_-==", "YQ==YQ==", "="] {
            assert!(base64(wrong, "no").is_err(), "{wrong:?}");
        }
    }
}
