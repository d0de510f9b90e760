//! The claims of a token (RFC 7519 §4), by type.

use std::fmt;

use super::TokenFault;
use super::json::{Object, Value};

/// Where a time is cut off, in seconds since 1970: the end of the year 9999. A token that is good for longer is good until then.
pub(super) const LAST_SECOND: u64 = 253_402_300_799;

/// What a token claims, and which type of token it is (`typ`).
#[derive(Clone)]
pub struct Claims {
    members: Object,
    typ: Option<Box<str>>,
}

impl Claims {
    pub(super) fn new(members: Object, typ: Option<&str>) -> Self {
        Self { members, typ: typ.map(Into::into) }
    }

    /// The header's `typ`.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// A claim of any type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// All claims, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter()
    }

    /// A claim that is a string; `None` where it is missing or something else.
    pub fn string(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A claim that is a number, with its fraction; `None` where it is missing. An error where it is something else.
    pub fn number(&self, name: &str) -> Result<Option<f64>, TokenFault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => number.as_f64().map(Some).ok_or(TokenFault::Time),
            Some(_) => Err(TokenFault::Time),
        }
    }

    /// A NumericDate (RFC 7519 §2) in whole seconds since 1970; `None` where it is missing. Fractions are cut off, and so is what
    /// lies after the year 9999. An error where it is no number, or negative.
    pub fn seconds(&self, name: &str) -> Result<Option<u64>, TokenFault> {
        let Some(Value::Number(number)) = self.get(name) else {
            return if self.get(name).is_none() { Ok(None) } else { Err(TokenFault::Time) };
        };
        let seconds = match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => seconds,
            // The cast stops at the largest, and is not reached by what is no number.
            (None, Some(seconds)) if seconds >= 0.0 => seconds.floor() as u64,
            _ => return Err(TokenFault::Time),
        };
        Ok(Some(seconds.min(LAST_SECOND)))
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(json: &str) -> Result<Option<u64>, TokenFault> {
        let members = Object::parse(format!("{{\"exp\":{json}}}").as_bytes()).unwrap();
        Claims::new(members, None).seconds("exp")
    }

    #[test]
    fn times_are_numbers_cut_to_whole_seconds() {
        for (json, expected) in [
            ("0", 0),
            ("1.5", 1),
            ("1e3", 1000),
            ("-0", 0),
            ("-0.0", 0),
            ("4294967296", 1 << 32),
            ("9223372036854775807", LAST_SECOND),
            ("18446744073709551615", LAST_SECOND),
            ("18446744073709551616", LAST_SECOND),
            ("1e300", LAST_SECOND),
        ] {
            assert_eq!(seconds(json), Ok(Some(expected)), "{json}");
        }
        for json in ["-1", "-0.5", "-1e300", "\"1\"", "null", "[1]", "{}", "true"] {
            assert_eq!(seconds(json), Err(TokenFault::Time), "{json}");
        }
        assert_eq!(Claims::new(Object::parse(b"{}").unwrap(), None).seconds("exp"), Ok(None));
    }
}
