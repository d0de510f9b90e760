//! A subject's distinguished name as Java prints it: `X500Principal.getName()`, RFC 2253.
//!
//! Java and thus Kafka print most specific first, without blanks between the parts, few attribute types by keyword, and escape
//! more than the RFC asks for. The text decides who a client is, so what two different names could share is refused: a NUL,
//! which Java prints as `\00`, and bytes that are no text in their string type, which Java replaces.

use std::borrow::Cow;
use std::fmt::Write;

use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{self, Decode, Reader, SliceReader, Tag, Tagged};

/// Why a subject has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// It is no RDNSequence in DER.
    #[error("the subject cannot be read")]
    Malformed,
    /// A value has a NUL, or bytes that are not text in its string type.
    #[error("the subject holds {0}")]
    Unprintable(&'static str),
}

impl From<der::Error> for SubjectError {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

/// The attribute types that have a keyword in RFC 2253 §2.3; Java prints all others as numbers.
const KEYWORDS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

const UNIVERSAL_STRING: u8 = 0x1c;
const OCTET_STRING: u8 = 0x04;

/// Prints the content of an RDNSequence.
pub(super) fn print(rdn_sequence: &[u8]) -> Result<String, SubjectError> {
    let mut names = Vec::new();
    let mut reader = SliceReader::new(rdn_sequence)?;
    while !reader.is_finished() {
        let set = AnyRef::decode(&mut reader)?;
        set.tag().assert_eq(Tag::Set)?;
        names.push(set.value());
    }
    let mut text = String::new();
    for (n, name) in names.into_iter().rev().enumerate() {
        if n > 0 {
            text.push(',');
        }
        relative_name(name, &mut text)?;
    }
    Ok(text)
}

/// The attributes of one set, in the encoded order: Java does not sort what an issuer has not sorted.
fn relative_name(set: &[u8], text: &mut String) -> Result<(), SubjectError> {
    let mut reader = SliceReader::new(set)?;
    if reader.is_finished() {
        return Err(SubjectError::Malformed);
    }
    let mut separator = "";
    while !reader.is_finished() {
        text.push_str(separator);
        separator = "+";
        let content = sequence(&mut reader)?;
        let mut attribute = SliceReader::new(content)?;
        let kind = AnyRef::decode(&mut attribute)?;
        kind.tag().assert_eq(Tag::ObjectIdentifier)?;
        let kind = dotted(kind.value()).ok_or(SubjectError::Malformed)?;
        let behind_type = &content[content.len() - usize::try_from(attribute.remaining_len())?..];
        let keyword = KEYWORDS.iter().find(|(known, _)| *known == kind).map(|(_, keyword)| *keyword);
        text.push_str(keyword.unwrap_or(&kind));
        text.push('=');
        if behind_type.first() == Some(&UNIVERSAL_STRING) {
            // The crate does not know this type. Java prints it in hex; its length is checked as that of another.
            AnyRef::from_der(&[&[OCTET_STRING], &behind_type[1..]].concat())?;
            hex(behind_type, text);
            continue;
        }
        let value = AnyRef::from_der(behind_type)?;
        match decoded(value)?.filter(|_| keyword.is_some()) {
            Some(value) => escape(&value, text)?,
            None => hex(behind_type, text),
        }
    }
    Ok(())
}

/// An object identifier in dotted form. (The crate's own type has no room for a second number above 39 or for large ones.)
fn dotted(content: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut arc: u128 = 0;
    let mut is_start = true;
    for &byte in content {
        // X.690 §8.19.2: no leading zeros.
        if is_start && byte == 0x80 {
            return None;
        }
        arc = arc.checked_mul(128)? + u128::from(byte & 0x7f);
        is_start = byte & 0x80 == 0;
        if !is_start {
            continue;
        }
        if text.is_empty() {
            let first = (arc / 40).min(2);
            let _ = write!(text, "{first}.{}", arc - first * 40);
        } else {
            let _ = write!(text, ".{arc}");
        }
        arc = 0;
    }
    (is_start && !text.is_empty()).then_some(text)
}

/// The text of a string type that Java prints as text; `None` for all other types.
///
/// The character sets are those of newer Javas (25.0.3). Older ones (17.0.15) read every type as UTF-8, so that different names
/// have the same text.
fn decoded(value: AnyRef<'_>) -> Result<Option<Cow<'_, str>>, SubjectError> {
    let bytes = value.value();
    Ok(Some(match value.tag() {
        Tag::Utf8String => {
            let no_text = SubjectError::Unprintable("a UTF8String that is not UTF-8");
            Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| no_text)?)
        }
        Tag::PrintableString | Tag::TeletexString | Tag::Ia5String | Tag::GeneralString => {
            bytes.iter().map(|&byte| char::from(byte)).collect()
        }
        Tag::BmpString => {
            let no_text = SubjectError::Unprintable("a BMPString that is not UCS-2");
            if bytes.len() % 2 != 0 {
                return Err(no_text);
            }
            let units = bytes.chunks_exact(2).map(|unit| u32::from(u16::from_be_bytes([unit[0], unit[1]])));
            units.map(char::from_u32).collect::<Option<_>>().ok_or(no_text)?
        }
        _ => return Ok(None),
    }))
}

/// Java's escapes: all that RFC 2253 §2.4 names, `=` and every `#` too, and blanks and carriage returns at both ends.
fn escape(value: &str, text: &mut String) -> Result<(), SubjectError> {
    let is_blank = |c: char| matches!(c, ' ' | '\r');
    let lead = value.len() - value.trim_start_matches(is_blank).len();
    let trail = value.trim_end_matches(is_blank).len();
    for (at, c) in value.char_indices() {
        if c == '\0' {
            return Err(SubjectError::Unprintable("a NUL"));
        }
        if at < lead || at >= trail || matches!(c, ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    Ok(())
}

/// `#` and the whole value in DER.
fn hex(value: &[u8], text: &mut String) {
    text.push('#');
    for byte in value {
        let _ = write!(text, "{byte:02x}");
    }
}

/// Reads the next element, a SEQUENCE; gives its content.
pub(super) fn sequence<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    let any = AnyRef::decode(reader)?;
    any.tag().assert_eq(Tag::Sequence)?;
    Ok(any.value())
}
