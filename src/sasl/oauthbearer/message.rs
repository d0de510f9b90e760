//! The client's first message (RFC 7628 §3.1), to the letter of Kafka's grammar.

/// Most extensions of a message.
pub const MAX_EXTENSIONS: usize = 32;
/// Most bytes of all extensions of a message, names and values.
pub const MAX_EXTENSIONS_LEN: usize = 4 * 1024;
/// Longest authorization id in bytes, as long as a principal's name.
pub const MAX_AUTHZID_LEN: usize = 1024;

/// What ends the header and each pair.
pub(super) const SEPARATOR: u8 = 0x01;

/// ```text
/// n,[a=SASLNAME],^A (KEY=VALUE^A)* ^A
/// KEY = 1*ALPHA          VALUE = 1*( %x21-7E / SP / TAB / CR / LF )
/// ```
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InitialResponse<'m> {
    /// As it is written: `=2C` and `=3D` stay. Kafka compares it like this.
    pub(super) authzid: Option<&'m str>,
    pub(super) token: &'m str,
    /// All pairs but `auth`. Of two with one name the last counts, as in Kafka.
    pub(super) extensions: Vec<(&'m str, &'m str)>,
}

/// Not of the grammar, or beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'m> InitialResponse<'m> {
    pub(super) fn parse(message: &'m [u8]) -> Result<Self, Malformed> {
        let message = std::str::from_utf8(message).map_err(|_| Malformed)?;
        let rest = message.strip_prefix("n,").ok_or(Malformed)?;
        let (authzid, rest) = rest.split_once(',').ok_or(Malformed)?;
        let authzid = if authzid.is_empty() { None } else { Some(saslname(authzid)?) };
        let rest = rest.strip_prefix(char::from(SEPARATOR)).ok_or(Malformed)?;
        let mut pairs = rest.strip_suffix(char::from(SEPARATOR)).ok_or(Malformed)?;
        let (mut auth, mut extensions) = (None, Vec::new());
        let mut len = 0;
        while !pairs.is_empty() {
            let (pair, after) = pairs.split_once(char::from(SEPARATOR)).ok_or(Malformed)?;
            pairs = after;
            let (key, value) = pair.split_once('=').ok_or(Malformed)?;
            if key.is_empty()
                || value.is_empty()
                || !key.bytes().all(|b| b.is_ascii_alphabetic())
                || !value.bytes().all(is_value)
            {
                return Err(Malformed);
            }
            if key == "auth" {
                // Which of two would be judged is not for us to choose.
                if auth.replace(value).is_some() {
                    return Err(Malformed);
                }
                continue;
            }
            len += key.len() + value.len();
            extensions.retain(|(other, _)| *other != key);
            if len > MAX_EXTENSIONS_LEN || extensions.len() == MAX_EXTENSIONS {
                return Err(Malformed);
            }
            extensions.push((key, value));
        }
        Ok(Self { authzid, token: bearer(auth.ok_or(Malformed)?)?, extensions })
    }
}

fn is_value(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | b' ' | b'\t' | b'\r' | b'\n')
}

/// `a=` and 1*( %x01-7F but `,` and `=` / `=2C` / `=3D` ).
fn saslname(text: &str) -> Result<&str, Malformed> {
    let name =
        text.strip_prefix("a=").filter(|name| !name.is_empty() && name.len() <= MAX_AUTHZID_LEN).ok_or(Malformed)?;
    let is_plain = name.bytes().all(|byte| matches!(byte, 0x01..=0x7F));
    let mut escapes = name.split('=').skip(1);
    let are_legal = escapes.all(|escape| escape.starts_with("2C") || escape.starts_with("3D"));
    if is_plain && are_legal { Ok(name) } else { Err(Malformed) }
}

/// The token behind `Bearer` in any case and one blank or more.
fn bearer(auth: &str) -> Result<&str, Malformed> {
    let (scheme, token) = auth.split_once(' ').ok_or(Malformed)?;
    let token = token.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'~' | b'+' | b'/' | b'.');
    if scheme.eq_ignore_ascii_case("bearer") && !body.is_empty() && body.bytes().all(legal) {
        Ok(token)
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(message: &str) -> Result<InitialResponse<'_>, Malformed> {
        InitialResponse::parse(message.as_bytes())
    }

    #[test]
    fn a_message_has_a_token_and_may_have_more() {
        let message = parse("n,,\x01auth=Bearer a.b.c\x01\x01").unwrap();
        assert_eq!(message, InitialResponse { authzid: None, token: "a.b.c", extensions: vec![] });
        let message =
            parse("n,a=alice,\x01host=kafka\x01auth=bEARER   -_~+/.aZ9==\x01port=9092\x01trace=a \t\r\n\"\\~\x01\x01")
                .unwrap();
        let extensions = vec![("host", "kafka"), ("port", "9092"), ("trace", "a \t\r\n\"\\~")];
        assert_eq!(message, InitialResponse { authzid: Some("alice"), token: "-_~+/.aZ9==", extensions });
        // A value may have the sign of equality; of two the last counts.
        assert_eq!(parse("n,,\x01a=1\x01auth=Bearer t\x01a=x=y\x01\x01").unwrap().extensions, [("a", "x=y")]);
        assert_eq!(parse("n,,\x01Auth=x\x01auth=Bearer t\x01\x01").unwrap().extensions, [("Auth", "x")]);
    }

    #[test]
    fn names_are_taken_as_they_are_written() {
        for name in ["al ice", "a=2Cb=3Dc", "=2C", "\x01\x7f", "2C"] {
            assert_eq!(parse(&format!("n,a={name},\x01auth=Bearer t\x01\x01")).unwrap().authzid, Some(name));
        }
        let long = "a".repeat(MAX_AUTHZID_LEN + 1);
        for name in ["", "=", "a=2c", "a=", "=3", "=4D", "\0", "ä", long.as_str()] {
            assert_eq!(parse(&format!("n,a={name},\x01auth=Bearer t\x01\x01")), Err(Malformed), "{name:?}");
        }
    }

    /// H-172 to H-176, H-178, H-179.
    #[test]
    fn everything_else_is_malformed() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,\x01",
            "n,,\x01\x01",
            "\x01",
            "n,,\x01auth=Bearer t",
            "y,,\x01auth=Bearer t\x01\x01",
            "p=tls-unique,,\x01auth=Bearer t\x01\x01",
            "N,,\x01auth=Bearer t\x01\x01",
            "n,,auth=Bearer t\x01\x01",
            "n,b=x,\x01auth=Bearer t\x01\x01",
            "n,alice,\x01auth=Bearer t\x01\x01",
            "n,,\x01auth=Bearer t\x01",
            "n,,\x01auth=Bearer t\x01\x01\x01",
            "n,,\x01\x01auth=Bearer t\x01\x01",
            "n,,\x01host=a\x01\x01auth=Bearer t\x01\x01",
            "n,,\x01auth=Bearer t\x01\x01x",
            "n,,\x01auth=Bearer t\x01\x01\n",
            "n,,\x01host=a\x01\x01",
            "n,,\x01auth=Bearer t\x01auth=Bearer t\x01\x01",
            "n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01",
            "n,,\x01auth=Bearer\tt\x01\x01",
            "n,,\x01auth=Bearert\x01\x01",
            "n,,\x01auth=Bearer \x01\x01",
            "n,,\x01auth=Bearer =\x01\x01",
            "n,,\x01auth=Bearer t u\x01\x01",
            "n,,\x01auth=Bearer t \x01\x01",
            "n,,\x01auth= Bearer t\x01\x01",
            "n,,\x01auth=Bearer t=a\x01\x01",
            "n,,\x01auth=Bearer a,b\x01\x01",
            "n,,\x01auth=Basic dXNlcjpw\x01\x01",
            "n,,\x01auth=\x01\x01",
            "n,,\x01auth=Bearer t\x01host=\x01\x01",
            "n,,\x01auth=Bearer t\x01host\x01\x01",
            "n,,\x01auth=Bearer t\x01=x\x01\x01",
            "n,,\x01auth=Bearer t\x011a=x\x01\x01",
            "n,,\x01auth=Bearer t\x01a-b=x\x01\x01",
            "n,,\x01auth=Bearer t\x01a b=x\x01\x01",
            "n,,\x01auth=Bearer t\x01a=\0\x01\x01",
            "n,,\x01auth=Bearer t\x01a=\x7f\x01\x01",
            "n,,\x01auth=Bearer t\x01a=ä\x01\x01",
            "n,,\x01auth=Bearer t\x01ä=a\x01\x01",
            "n,,\x01auth=Bearer t\x01a=\x0b\x01\x01",
        ] {
            assert_eq!(parse(message), Err(Malformed), "{message:?}");
        }
        assert_eq!(InitialResponse::parse(b"n,,\x01auth=Bearer t\x01a=\xff\x01\x01"), Err(Malformed));
    }

    /// H-180.
    #[test]
    fn extensions_are_bounded() {
        let name = |n: usize| format!("x{}", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP".chars().nth(n).unwrap());
        let with = |n: usize| {
            let pairs: String = (0..n).map(|n| format!("{}=1\x01", name(n))).collect();
            format!("n,,\x01auth=Bearer t\x01{pairs}\x01")
        };
        assert_eq!(parse(&with(MAX_EXTENSIONS)).unwrap().extensions.len(), MAX_EXTENSIONS);
        assert_eq!(parse(&with(MAX_EXTENSIONS + 1)), Err(Malformed));
        let of_len = |len: usize| format!("n,,\x01auth=Bearer t\x01x={}\x01\x01", "v".repeat(len - 1));
        assert_eq!(parse(&of_len(MAX_EXTENSIONS_LEN)).unwrap().extensions[0].1.len(), MAX_EXTENSIONS_LEN - 1);
        assert_eq!(parse(&of_len(MAX_EXTENSIONS_LEN + 1)), Err(Malformed));
        // The same name again and again takes of the same bytes.
        let same = format!("n,,\x01auth=Bearer t\x01{}\x01", "x=1\x01".repeat(5000));
        assert_eq!(parse(&same), Err(Malformed));
    }
}
