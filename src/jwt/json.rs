//! JSON as a token may have it: objects without a name twice, in UTF-8 without a byte order mark, and so deep and so many only.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::TokenFault;

/// Deepest nesting of objects and arrays; the claims object itself is the first.
pub const MAX_DEPTH: usize = 16;
/// Most members of one object.
pub const MAX_MEMBERS: usize = 256;
/// Most values in all, arrays and objects included.
pub const MAX_VALUES: usize = 16_384;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer of 64 bits or a double; larger ones are refused.
    Number(Number),
    /// A string, without its escapes.
    String(Box<str>),
    /// An array.
    Array(Box<[Value]>),
    /// An object.
    Object(Object),
}

/// The members of a JSON object, in their order; no name stands twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(Box<[(Box<str>, Value)]>);

impl Value {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The string or the strings, if it is a string or an array of nothing but strings.
    pub fn as_strings(&self) -> Option<Vec<&str>> {
        match self {
            Self::String(text) => Some(vec![text]),
            Self::Array(items) => items.iter().map(Self::as_str).collect(),
            _ => None,
        }
    }
}

impl Object {
    /// Parses a text that is one JSON object and nothing else.
    pub(super) fn parse(text: &[u8]) -> Result<Self, TokenFault> {
        let text = std::str::from_utf8(text).map_err(|_| TokenFault::Json)?;
        let mut limits = Limits { values: MAX_VALUES, fault: TokenFault::Json };
        let mut parser = serde_json::Deserializer::from_str(text);
        let value = Seed { limits: &mut limits, depth: 0 }.deserialize(&mut parser);
        match (value, parser.end()) {
            (Ok(Value::Object(object)), Ok(())) => Ok(object),
            (Ok(_), _) => Err(TokenFault::Json),
            (Err(_), _) => Err(limits.fault),
        }
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(member, _)| *member == name).map(|(_, value)| value)
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

/// What is left of the limits, and why the parser was told to stop.
struct Limits {
    values: usize,
    fault: TokenFault,
}

impl Limits {
    fn stop<E: Error>(&mut self, fault: TokenFault) -> E {
        self.fault = fault;
        E::custom(fault)
    }

    /// One value more.
    fn take<E: Error>(&mut self) -> Result<(), E> {
        match self.values.checked_sub(1) {
            Some(left) => self.values = left,
            None => return Err(self.stop(TokenFault::TooComplex)),
        }
        Ok(())
    }
}

/// Reads one value that stands `depth` deep.
struct Seed<'l> {
    limits: &'l mut Limits,
    depth: usize,
}

impl Seed<'_> {
    /// How deep the values in this object or array stand.
    fn inner_depth<E: Error>(&mut self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH { Err(self.limits.stop(TokenFault::TooComplex)) } else { Ok(self.depth + 1) }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.limits.take()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| self.limits.stop(TokenFault::Json))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<Value, A::Error> {
        let depth = self.inner_depth()?;
        let mut items = Vec::new();
        while let Some(item) = array.next_element_seed(Seed { limits: self.limits, depth })? {
            items.push(item);
        }
        Ok(Value::Array(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        let depth = self.inner_depth()?;
        let mut members: Vec<(Box<str>, Value)> = Vec::new();
        while let Some(name) = object.next_key::<Box<str>>()? {
            if members.len() == MAX_MEMBERS {
                return Err(self.limits.stop(TokenFault::TooComplex));
            }
            members.push((name, object.next_value_seed(Seed { limits: self.limits, depth })?));
        }
        if has_repeated_name(&members) {
            return Err(self.limits.stop(TokenFault::DuplicateName));
        }
        Ok(Value::Object(Object(members.into())))
    }
}

fn has_repeated_name(members: &[(Box<str>, Value)]) -> bool {
    // A dozen claims are compared in less time than sorting takes; hundreds are not.
    const FEW: usize = 16;
    if members.len() <= FEW {
        return members.iter().enumerate().any(|(at, (name, _))| members[..at].iter().any(|(other, _)| other == name));
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> TokenFault {
        Object::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_object_keeps_its_members_and_their_order() {
        let object = Object::parse(br#" {"b":"x\n\u00e9","a":[1,-2,1.5,true,null,{"c":{}}]} "#).unwrap();
        assert_eq!(object.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(object.get("b").and_then(Value::as_str), Some("x\n\u{e9}"));
        assert_eq!(object.get("c"), None);
        assert_eq!(object.get("a").unwrap().as_strings(), None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            "[]",
            "5",
            "\"a\"",
            "null",
            "{",
            "{}x",
            "{} {}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":1e400}",
            "{\"a\":-1e400}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\n\"}",
            "\u{feff}{}",
            "{}\0",
            "/**/{}",
        ] {
            assert_eq!(fault(text), TokenFault::Json, "{text}");
        }
        assert_eq!(Object::parse(b"{\"a\":\"\xff\"}").unwrap_err(), TokenFault::Json);
        assert_eq!(Object::parse(b"{\"a\":\"\xed\xa0\x80\"}").unwrap_err(), TokenFault::Json);
    }

    #[test]
    fn a_name_twice_is_refused_at_every_depth_and_however_it_is_written() {
        for text in ["{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "{\"x\":[{\"y\":{\"a\":1,\"b\":2,\"a\":3}}]}"] {
            assert_eq!(fault(text), TokenFault::DuplicateName, "{text}");
        }
        let many = |last: &str| {
            let members: Vec<_> = (0..100).map(|n| format!("\"m{n}\":1")).chain([format!("\"{last}\":2")]).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(fault(&many("m50")), TokenFault::DuplicateName);
        assert!(Object::parse(many("other").as_bytes()).is_ok());
    }

    #[test]
    fn depth_members_and_values_are_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(Object::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(fault(&nested(MAX_DEPTH + 1)), TokenFault::TooComplex);
        assert_eq!(fault(&nested(100_000)), TokenFault::TooComplex);
        assert_eq!(fault(&format!("{{\"a\":{}", "[".repeat(100_000))), TokenFault::TooComplex);

        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"m{n}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(Object::parse(members(MAX_MEMBERS).as_bytes()).is_ok());
        assert_eq!(fault(&members(MAX_MEMBERS + 1)), TokenFault::TooComplex);

        let values = |count: usize| format!("{{\"a\":[{}]}}", vec!["1"; count - 2].join(","));
        assert!(Object::parse(values(MAX_VALUES).as_bytes()).is_ok());
        assert_eq!(fault(&values(MAX_VALUES + 1)), TokenFault::TooComplex);
    }
}
