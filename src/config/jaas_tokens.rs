//! The lexical half of JAAS: `java.io.StreamTokenizer` as Kafka's JaasConfig and the JDK's ConfigFile set it up (JDK 17).

use std::iter::Peekable;
use std::str::Chars;

/// Which of the two set-ups.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The property value: `*` is no letter.
    Property,
    /// The static file: `*` may stand in words.
    File,
}

/// One token. There is no `Debug`: it may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// An unquoted word.
    Word(String),
    /// A quoted string and its quote character.
    Quoted(char, String),
    /// Anything that starts like a number; neither grammar uses it.
    Number,
    /// Any other character.
    Symbol(char),
}

impl Token {
    /// What Java calls `sval`: the text of a word or string.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Word(text) | Self::Quoted(_, text) => Some(text),
            Self::Number | Self::Symbol(_) => None,
        }
    }

    /// Says what was found without showing any text.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Word(_) => "a word".into(),
            Self::Quoted(..) => "a quoted string".into(),
            Self::Number => "a number".into(),
            Self::Symbol(symbol) => format!("'{}'", symbol.escape_default()),
        }
    }
}

/// Gives tokens with the line, from 1, on which each starts.
pub(super) struct Tokens<'a> {
    chars: Peekable<Chars<'a>>,
    dialect: Dialect,
    line: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { chars: text.chars().peekable(), dialect, line: 1 }
    }

    /// The line of the last token.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    fn starts_word(&self, c: char) -> bool {
        c.is_ascii_alphabetic() || matches!(c, '_' | '$') || c >= '\u{a0}' || self.dialect == Dialect::File && c == '*'
    }

    fn read(&mut self) -> Option<char> {
        let c = self.chars.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        // A string ends without complaint at the end of its line or of the text.
        while let Some(c) = self.chars.next_if(|&c| !matches!(c, '\n' | '\r')) {
            match c {
                '\\' => text.push(self.escape()),
                c if c == quote => break,
                c => text.push(c),
            }
        }
        text
    }

    fn escape(&mut self) -> char {
        let octal = |c: &char| matches!(c, '0'..='7');
        match self.read() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('f') => '\u{c}',
            Some('b') => '\u{8}',
            Some('a') => '\u{7}',
            Some('v') => '\u{b}',
            Some(first @ '0'..='7') => {
                let mut value = first as u32 - '0' as u32;
                let more = if first <= '3' { 2 } else { 1 };
                for _ in 0..more {
                    let Some(next) = self.chars.next_if(octal) else { break };
                    value = value * 8 + (next as u32 - '0' as u32);
                }
                char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(other) => other,
            // Java casts its end-of-file mark, -1, to a character.
            None => '\u{ffff}',
        }
    }

    /// Skips what follows a `/`; both dialects make even a single one a comment.
    fn comment(&mut self) {
        match self.read() {
            Some('*') => {
                let mut before = None;
                while let Some(c) = self.read() {
                    if before == Some('*') && c == '/' {
                        return;
                    }
                    before = Some(c);
                }
            }
            // The character after a single `/` is skipped unseen, even where it ends the line.
            Some(_) => while self.chars.next_if(|&c| !matches!(c, '\n' | '\r')).is_some() {},
            None => {}
        }
    }

    fn number(&mut self) {
        let mut dot = false;
        while self
            .chars
            .next_if(|&c| c.is_ascii_digit() || c == '.' && !std::mem::replace(&mut dot, c == '.'))
            .is_some()
        {}
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let c = *self.chars.peek()?;
            if c <= ' ' {
                self.read();
            } else if c.is_ascii_digit() || c == '.' {
                self.number();
                return Some(Token::Number);
            } else if c == '-' {
                self.chars.next();
                if !self.chars.peek().is_some_and(|&c| c.is_ascii_digit() || c == '.') {
                    return Some(Token::Symbol('-'));
                }
                self.number();
                return Some(Token::Number);
            } else if self.starts_word(c) {
                let mut word = String::new();
                while let Some(&c) = self.chars.peek() {
                    if !(self.starts_word(c) || c.is_ascii_digit() || matches!(c, '.' | '-')) {
                        break;
                    }
                    word.push(c);
                    self.chars.next();
                }
                return Some(Token::Word(word));
            } else if matches!(c, '"' | '\'') {
                self.chars.next();
                return Some(Token::Quoted(c, self.quoted(c)));
            } else if c == '/' {
                self.chars.next();
                self.comment();
            } else {
                self.chars.next();
                return Some(Token::Symbol(c));
            }
        }
    }
}
