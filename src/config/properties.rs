//! Java's `.properties` grammar, as `java.util.Properties` of Java 17 reads it (Javadoc of `Properties.load`).
//!
//! Differences from Java, both refusals: half a surrogate pair cannot be kept in UTF-8, and a file read as UTF-8 must be
//! valid UTF-8.

use std::iter::Peekable;
use std::str::Chars;

/// One `key = value` entry, unescaped.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value; blanks at its end are kept, as Java does.
    pub value: String,
    /// Number of the line where the key starts, from 1.
    pub line: usize,
}

/// Why a text is not a properties file. The text itself is not quoted: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// `\u` is not followed by four hexadecimal digits.
    #[error("line {line}: malformed \\uxxxx encoding")]
    MalformedEscape {
        /// Where the entry starts.
        line: usize,
    },
    /// One half of a UTF-16 surrogate pair without the other.
    #[error("line {line}: half of a surrogate pair in \\uxxxx")]
    LoneSurrogate {
        /// Where the entry starts.
        line: usize,
    },
    /// Only where UTF-8 is asked for.
    #[error("not valid UTF-8")]
    NotUtf8,
}

/// Reads a byte stream, which Java takes for ISO-8859-1. Entries come in file order; of equal keys the last one counts.
pub fn parse_latin1(bytes: &[u8]) -> Result<Vec<Entry>, PropertiesError> {
    // Each byte of ISO-8859-1 is the Unicode scalar of the same number.
    parse(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>())
}

/// Reads what Kafka's FileConfigProvider reads: UTF-8.
pub fn parse_utf8(bytes: &[u8]) -> Result<Vec<Entry>, PropertiesError> {
    parse(std::str::from_utf8(bytes).map_err(|_| PropertiesError::NotUtf8)?)
}

fn parse(text: &str) -> Result<Vec<Entry>, PropertiesError> {
    let mut lines = LogicalLines { chars: text.chars().peekable(), line: 1 };
    let mut entries = Vec::new();
    while let Some((line, logical)) = lines.next_line() {
        let (key, value) = split(&logical);
        entries.push(Entry { key: unescape(key, line)?, value: unescape(value, line)?, line });
    }
    Ok(entries)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Joins continued lines; leaves out blank lines and comments; leaves escapes as they are.
struct LogicalLines<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl LogicalLines<'_> {
    fn next_line(&mut self) -> Option<(usize, String)> {
        let mut logical = String::new();
        let mut start = self.line;
        loop {
            let ended = self.read_natural_line(&mut logical, &mut start);
            let continued = logical.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1;
            if continued {
                logical.pop();
            }
            match ended {
                // Java drops the odd backslash at the end of the file and keeps the entry, even an empty one.
                true => return (!logical.is_empty() || continued).then_some((start, logical)),
                false if continued || logical.is_empty() => {}
                false => return Some((start, logical)),
            }
        }
    }

    /// Appends one line without its leading blanks and its end; gives whether the text ended.
    ///
    /// As long as nothing has been read for the logical line, a comment may start: that is so even after a line that held
    /// only the continuation backslash.
    fn read_natural_line(&mut self, logical: &mut String, start: &mut usize) -> bool {
        while self.chars.next_if(|&c| is_blank(c)).is_some() {}
        if logical.is_empty() {
            *start = self.line;
        }
        let comment = logical.is_empty() && matches!(self.chars.peek(), Some('#' | '!'));
        loop {
            match self.chars.next() {
                None => return true,
                Some(end @ ('\n' | '\r')) => {
                    self.line += 1;
                    let two = end == '\r' && self.chars.next_if_eq(&'\n').is_some();
                    // Java looks for the end of the file after the first of the two only.
                    return !two && self.chars.peek().is_none();
                }
                Some(_) if comment => {}
                Some(c) => logical.push(c),
            }
        }
    }
}

/// Splits at the first unescaped `=`, `:` or blank; blanks around the separator belong to neither side.
fn split(logical: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = logical.find(|c| {
        let stop = !escaped && (matches!(c, '=' | ':') || is_blank(c));
        escaped = c == '\\' && !escaped;
        stop
    });
    let (key, rest) = logical.split_at(end.unwrap_or(logical.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

fn unescape(text: &str, line: usize) -> Result<String, PropertiesError> {
    let mut units = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            continue;
        }
        match chars.next() {
            None => {}
            Some('t') => units.push(9),
            Some('n') => units.push(10),
            Some('r') => units.push(13),
            Some('f') => units.push(12),
            Some('u') => {
                let mut unit = 0u16;
                for _ in 0..4 {
                    let digit = chars.next().and_then(|c| c.to_digit(16));
                    let digit = digit.ok_or(PropertiesError::MalformedEscape { line })?;
                    unit = unit << 4 | digit as u16;
                }
                units.push(unit);
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
        }
    }
    String::from_utf16(&units).map_err(|_| PropertiesError::LoneSurrogate { line })
}

#[cfg(test)]
mod tests;
