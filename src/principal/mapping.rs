//! `ssl.principal.mapping.rules`: Kafka's `SslPrincipalMapper`.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::java_regex;
use super::replacement::{self, Part};

/// Longest name, in bytes, that rules are applied to and that they may give. Real names take some hundred.
pub const MAX_NAME_LEN: usize = 2048;

/// How often one search may go back, for patterns that are not searched in linear time.
const BACKTRACK_LIMIT: usize = 20_000;

/// Most matches of one pattern in one name that are replaced.
const MAX_MATCHES: usize = 256;

/// The list, in its order; the first rule that matches decides.
#[derive(Clone)]
pub struct MappingRules(Arc<[Rule]>);

/// One entry.
struct Rule {
    /// As configured.
    text: String,
    /// `None` is `DEFAULT`.
    mapping: Option<Mapping>,
}

struct Mapping {
    /// The pattern, which has to match the whole name.
    whole: Engine,
    /// The same pattern, searched for in the name.
    part: Engine,
    replacement: Vec<Part>,
    case: Case,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

/// Why a name got none by the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingError {
    /// None of the rules matches.
    NoRule,
    /// It is longer than [`MAX_NAME_LEN`], or what a rule makes of it is.
    TooLong,
    /// The rule of this number, from 1, goes back too often or matches too often.
    TooCostly(usize),
    /// It has a line break, about which patterns of Java and of ours disagree.
    LineBreak,
}

/// Kafka's own two patterns, on characters that the regex crates read as Java does.
const RULE: &str = r"(DEFAULT)|RULE:((?:\\[^\n\r\x{85}\x{2028}\x{2029}]|[^\\/])*)/((?:\\[^\n\r\x{85}\x{2028}\x{2029}]|[^\\/])*)/([LU]?)[^\n\r\x{85}\x{2028}\x{2029}]*?|([^\n\r\x{85}\x{2028}\x{2029}]*?)";
static SPLITTER: LazyLock<regex::Regex> = LazyLock::new(|| {
    let pattern = format!(r"[ \t\n\x0b\x0c\r]*({RULE})[ \t\n\x0b\x0c\r]*(?:,[ \t\n\x0b\x0c\r]*|\z)");
    regex::Regex::new(&pattern).expect("a constant pattern")
});
static PARSER: LazyLock<regex::Regex> =
    LazyLock::new(|| regex::Regex::new(&format!(r"\A(?:{RULE})")).expect("a constant pattern"));

impl MappingRules {
    /// Reads the value of the key; an error begins as Kafka's does where Kafka has one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for found in SPLITTER.captures_iter(text.trim_matches(|c| c <= ' ')) {
            let rule = found.get(1).map_or("", |group| group.as_str());
            let parsed = PARSER.captures(rule).ok_or_else(|| format!("Invalid rule: {rule}"))?;
            let end = parsed.get(0).map_or(0, |all| all.end());
            if end != rule.len() {
                return Err(format!("Invalid rule: `{rule}`, unmatched substring: `{}`", &rule[end..]));
            }
            // Empty rules are ignored.
            if parsed.get(1).is_some() {
                rules.push(Rule { text: rule.to_owned(), mapping: None });
            } else if let (Some(pattern), Some(replacement)) = (parsed.get(2), parsed.get(3)) {
                let case = match parsed.get(4).map_or("", |group| group.as_str()) {
                    "L" => Case::Lower,
                    "U" => Case::Upper,
                    _ => Case::AsIs,
                };
                let mapping = Mapping::new(pattern.as_str(), replacement.as_str(), case)
                    .map_err(|problem| format!("Invalid rule: `{rule}`: {problem}"))?;
                rules.push(Rule { text: rule.to_owned(), mapping: Some(mapping) });
            }
        }
        Ok(Self(rules.into()))
    }

    /// The name that `name` is mapped to, and the number of the rule that did it, from 1.
    pub fn apply(&self, name: &str) -> Result<(String, usize), MappingError> {
        for (n, rule) in self.0.iter().enumerate() {
            let Some(mapping) = &rule.mapping else { return Ok((name.to_owned(), n + 1)) };
            if name.len() > MAX_NAME_LEN {
                return Err(MappingError::TooLong);
            }
            if name.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
                return Err(MappingError::LineBreak);
            }
            match mapping.apply(name) {
                Ok(Some(mapped)) if mapped.len() > MAX_NAME_LEN => return Err(MappingError::TooLong),
                Ok(Some(mapped)) => return Ok((mapped, n + 1)),
                Ok(None) => {}
                Err(TooCostly) => return Err(MappingError::TooCostly(n + 1)),
            }
        }
        Err(MappingError::NoRule)
    }

    /// The text of a rule by its number, from 1.
    pub fn text(&self, number: usize) -> &str {
        self.0.get(number.wrapping_sub(1)).map_or("", |rule| &rule.text)
    }

    /// How many rules there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Default for MappingRules {
    /// `DEFAULT`: every name stays what it is.
    fn default() -> Self {
        Self([Rule { text: "DEFAULT".into(), mapping: None }].into())
    }
}

impl fmt::Debug for MappingRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|rule| &rule.text)).finish()
    }
}

struct TooCostly;

impl Mapping {
    fn new(pattern: &str, replacement: &str, case: Case) -> Result<Self, String> {
        let java_regex::Translated { pattern, groups, names, is_fancy } = java_regex::translate(pattern)
            .map_err(|what| format!("the pattern has {what}, which is an error or is not supported here"))?;
        let replacement = replacement::parse(replacement, groups, &names)
            .map_err(|problem| format!("the replacement cannot be used: {problem}"))?;
        let build = |pattern: &str| {
            Engine::new(pattern, is_fancy).map_err(|error| {
                // The crates draw the pattern above the reason.
                format!("the pattern is not supported here: {}", error.lines().last().unwrap_or_default())
            })
        };
        Ok(Self { whole: build(&format!(r"\A(?:{pattern})\z"))?, part: build(&pattern)?, replacement, case })
    }

    /// `None` if the pattern does not match the whole name. Kafka then replaces every match in the name, which need not be the
    /// whole one again: `.*` matches once more, empty, at the end.
    fn apply(&self, name: &str) -> Result<Option<String>, TooCostly> {
        if !self.whole.is_match(name)? {
            return Ok(None);
        }
        let mut mapped = String::new();
        let (mut copied, mut from, mut matches) = (0, 0, 0);
        while from <= name.len() {
            let Some(groups) = self.part.find(name, from)? else { break };
            let Some(all) = groups.first().cloned().flatten() else { break };
            matches += 1;
            if matches > MAX_MATCHES || mapped.len() > MAX_NAME_LEN {
                return Err(TooCostly);
            }
            mapped.push_str(&name[copied..all.start]);
            self.replace(name, &groups, &mut mapped);
            copied = all.end;
            // As Java does: behind an empty match the search goes on one character later, behind any other right there.
            from = all.end + if all.is_empty() { name[all.end..].chars().next().map_or(1, char::len_utf8) } else { 0 };
        }
        mapped.push_str(&name[copied..]);
        Ok(Some(match self.case {
            Case::AsIs => mapped,
            Case::Lower => mapped.to_lowercase(),
            Case::Upper => mapped.to_uppercase(),
        }))
    }

    fn replace(&self, name: &str, groups: &[Option<Range<usize>>], mapped: &mut String) {
        for part in &self.replacement {
            match part {
                Part::Text(text) => mapped.push_str(text),
                Part::Group(number) => {
                    let group = groups.get(*number).cloned().flatten();
                    mapped.push_str(group.map_or("", |group| &name[group]));
                }
            }
        }
    }
}

/// Plain patterns are searched in linear time; only those that need it go back and forth, within a limit.
enum Engine {
    Plain(regex::Regex),
    Fancy(Box<fancy_regex::Regex>),
}

impl Engine {
    fn new(pattern: &str, is_fancy: bool) -> Result<Self, String> {
        if !is_fancy {
            return regex::Regex::new(pattern).map(Self::Plain).map_err(|error| error.to_string());
        }
        let mut builder = fancy_regex::RegexBuilder::new(pattern);
        let built = builder.backtrack_limit(BACKTRACK_LIMIT).seek(false).build();
        built.map(|regex| Self::Fancy(Box::new(regex))).map_err(|error| error.to_string())
    }

    fn is_match(&self, name: &str) -> Result<bool, TooCostly> {
        match self {
            Self::Plain(regex) => Ok(regex.is_match(name)),
            Self::Fancy(regex) => regex.is_match(name).map_err(|_| TooCostly),
        }
    }

    /// The groups of the first match from there on, the whole match first.
    fn find(&self, name: &str, from: usize) -> Result<Option<Vec<Option<Range<usize>>>>, TooCostly> {
        Ok(match self {
            Self::Plain(regex) => {
                let found = regex.captures_at(name, from);
                found.map(|found| found.iter().map(|group| group.map(|group| group.range())).collect())
            }
            Self::Fancy(regex) => {
                let found = regex.captures_from_pos(name, from).map_err(|_| TooCostly)?;
                found.map(|found| found.iter().map(|group| group.map(|group| group.range())).collect())
            }
        })
    }
}
