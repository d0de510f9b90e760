//! Java's regular expressions as the regex crates read them.
//!
//! The two dialects look alike and differ quietly: `\d`, `\w` and `(?i)` are ASCII in Java and Unicode in Rust, `--` in a class
//! is a range here and a difference there. A rule that decides who a client is must not change its meaning, so a pattern is
//! read as Java reads it and written anew; what has no exact counterpart is refused. Subjects have no line breaks (the caller
//! sees to that), which makes `.`, `^`, `$` and the flags `m`, `s` and `d` alike in both.

use std::fmt::Write;

/// Deepest nesting of groups and classes.
const MAX_DEPTH: u32 = 50;

/// A pattern in the dialect of the regex crates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub pattern: String,
    /// How many capturing groups it has.
    pub groups: usize,
    /// Group names with their numbers.
    pub names: Vec<(String, usize)>,
    /// Whether it looks around, refers back or does not go back: what takes more than a regular expression in the strict sense.
    pub is_fancy: bool,
}

/// Translates a pattern; the error says what it cannot take.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        rest: pattern.chars().collect::<Vec<_>>(),
        at: 0,
        out: String::new(),
        groups: 0,
        names: Vec::new(),
        flags: Flags::default(),
        depth: 0,
        is_fancy: false,
    };
    translator.alternatives()?;
    if translator.at < translator.rest.len() {
        return Err("an unmatched )".into());
    }
    let Translator { out: pattern, groups, names, is_fancy, .. } = translator;
    Ok(Translated { pattern, groups, names, is_fancy })
}

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    unicode_case: bool,
}

struct Translator {
    rest: Vec<char>,
    at: usize,
    out: String,
    groups: usize,
    names: Vec<(String, usize)>,
    flags: Flags,
    depth: u32,
    is_fancy: bool,
}

type Step = Result<(), String>;

/// Whether something may match no character at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Empty,
    Some,
}

impl Width {
    fn then(self, next: Self) -> Self {
        if self == Self::Empty { next } else { self }
    }

    fn or(self, other: Option<Self>) -> Self {
        if other == Some(Self::Empty) { Self::Empty } else { self }
    }
}

const DIGIT: &str = "0-9";
const WORD: &str = "A-Za-z0-9_";
const SPACE: &str = r"\t\n\x0b\x0c\r\x20";
const HORIZONTAL: &str = r"\x20\t\xa0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}";
const VERTICAL: &str = r"\n\x0b\x0c\r\x{85}\x{2028}\x{2029}";

/// Java's POSIX classes, which are ASCII.
const POSIX: &[(&str, &str)] = &[
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", r"\x00-\x7f"),
    ("Alpha", "A-Za-z"),
    ("Digit", "0-9"),
    ("Alnum", "A-Za-z0-9"),
    ("Punct", r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e"),
    ("Graph", r"\x21-\x7e"),
    ("Print", r"\x20-\x7e"),
    ("Blank", r"\x20\t"),
    ("Cntrl", r"\x00-\x1f\x7f"),
    ("XDigit", "0-9A-Fa-f"),
    ("Space", SPACE),
];

/// General categories, which have the same names in both dialects.
const CATEGORIES: &[&str] = &[
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Me", "Mc", "N", "Nd", "Nl", "No", "Z", "Zs", "P", "Pd", "Ps", "Pe",
    "Pc", "Po", "Pi", "Pf", "S", "Sm", "Sc", "Sk", "So",
];

impl Translator {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let is_next = self.rest[self.at..].iter().copied().take(text.chars().count()).eq(text.chars());
        if is_next {
            self.at += text.chars().count();
        }
        is_next
    }

    fn deeper(&mut self) -> Step {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("more nesting than is sensible".into()) } else { Ok(()) }
    }

    /// Up to the end or an unmatched `)`.
    fn alternatives(&mut self) -> Result<Width, String> {
        self.deeper()?;
        let (mut whole, mut branch) = (None, Width::Empty);
        while let Some(c) = self.peek().filter(|&c| c != ')') {
            if c == '|' {
                self.at += 1;
                self.out.push('|');
                whole = Some(branch.or(whole));
                branch = Width::Empty;
                continue;
            }
            let (start, groups) = (self.out.len(), self.groups);
            let width = self.atom()?;
            branch = branch.then(self.quantifier(start, width, self.groups > groups)?);
        }
        self.depth -= 1;
        Ok(branch.or(whole))
    }

    fn atom(&mut self) -> Result<Width, String> {
        match self.next().unwrap_or_default() {
            '(' => return self.group(),
            '[' => {
                let class = self.class()?;
                self.push_class(&class);
            }
            '.' => self.out.push('.'),
            c @ ('^' | '$') => {
                self.out.push(c);
                return Ok(Width::Empty);
            }
            '\\' => return self.escape(),
            c @ ('*' | '+' | '?') => return Err(format!("a dangling {c}")),
            '{' => return Err("a { that repeats nothing".into()),
            c => self.literal(c),
        }
        Ok(Width::Some)
    }

    fn group(&mut self) -> Result<Width, String> {
        let outer = self.flags;
        if !self.take("?") {
            self.groups += 1;
            self.out.push('(');
            return self.end_group(outer);
        }
        for opening in [":", "=", "!", "<=", "<!", ">"] {
            if self.take(opening) {
                self.out.push_str("(?");
                self.out.push_str(opening);
                self.is_fancy |= opening != ":";
                let width = self.end_group(outer)?;
                return Ok(if matches!(opening, ":" | ">") { width } else { Width::Empty });
            }
        }
        if self.take("<") {
            let mut name = String::new();
            while let Some(c) = self.next().filter(|&c| c != '>') {
                name.push(c);
            }
            if !is_group_name(&name) || self.names.iter().any(|(other, _)| *other == name) {
                return Err(format!("the group name <{name}>"));
            }
            self.groups += 1;
            self.names.push((name, self.groups));
            self.out.push('(');
            return self.end_group(outer);
        }
        let mut on = true;
        loop {
            match self.next() {
                Some('-') => on = false,
                Some('i') => self.flags.ignore_case = on,
                Some('u') => self.flags.unicode_case = on,
                // Without line breaks these change nothing.
                Some('m' | 's' | 'd') => {}
                Some(')') => return Ok(Width::Empty),
                Some(':') => {
                    self.out.push_str("(?:");
                    return self.end_group(outer);
                }
                Some(flag) => return Err(format!("the flag {flag}")),
                None => return Err("an unmatched (".into()),
            }
        }
    }

    fn end_group(&mut self, outer: Flags) -> Result<Width, String> {
        let width = self.alternatives()?;
        self.flags = outer;
        if self.next() != Some(')') {
            return Err("an unmatched (".into());
        }
        self.out.push(')');
        Ok(width)
    }

    /// What may follow an atom of this width, which begins at `start` of the output.
    fn quantifier(&mut self, start: usize, width: Width, has_groups: bool) -> Result<Width, String> {
        let mut repeat = String::new();
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                repeat.push(c);
            }
            Some('{') => loop {
                match self.next() {
                    Some('{') if repeat.is_empty() => repeat.push('{'),
                    Some(c) if c.is_ascii_digit() || c == ',' => repeat.push(c),
                    Some('}') => {
                        repeat.push('}');
                        break;
                    }
                    _ => return Err("a repetition without its }".into()),
                }
            },
            _ => return Ok(width),
        }
        if self.out.len() == start {
            return Err(format!("a dangling {repeat}"));
        }
        if repeat.starts_with('{') && !is_repetition(&repeat) {
            return Err(format!("the repetition {repeat}"));
        }
        if width == Width::Empty && has_groups && repeat != "?" {
            // Whether a last, empty round is made, and what the group has caught then, differs.
            return Err(format!("a group that may be empty and is repeated by {repeat}"));
        }
        self.out.push_str(&repeat);
        if self.take("?") {
            self.out.push('?');
        } else if self.take("+") {
            self.is_fancy = true;
            self.out.insert_str(start, "(?>");
            self.out.push(')');
        }
        let may_be_none = repeat == "*" || repeat == "?" || repeat.starts_with("{0");
        Ok(if may_be_none { Width::Empty } else { width })
    }

    fn literal(&mut self, c: char) {
        match self.flags {
            Flags { ignore_case: true, unicode_case: true } => {
                let _ = write!(self.out, r"(?i:\x{{{:x}}})", u32::from(c));
            }
            Flags { ignore_case: true, .. } if c.is_ascii_alphabetic() => {
                let _ = write!(self.out, "[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase());
            }
            _ if c.is_ascii_alphanumeric() => self.out.push(c),
            _ => {
                let _ = write!(self.out, r"\x{{{:x}}}", u32::from(c));
            }
        }
    }

    /// A class with its brackets.
    fn push_class(&mut self, class: &str) {
        let both_cases = self.flags.ignore_case && self.flags.unicode_case;
        let (open, close) = if both_cases { ("(?i:", ")") } else { ("", "") };
        self.out.push_str(&[open, class, close].concat());
    }

    /// Outside of a class, behind the backslash.
    fn escape(&mut self) -> Result<Width, String> {
        let Some(c) = self.peek() else { return Err(r"a \ at the end".into()) };
        // Word boundaries by ASCII, as in Java since 19.
        let boundary = |first: &str, second: &str| {
            format!("(?:(?<{first}[{WORD}])(?{second}[{WORD}])|(?<{second}[{WORD}])(?{first}[{WORD}]))")
        };
        let fixed = match c {
            'b' => boundary("=", "!"),
            'B' => format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"),
            'A' => r"\A".into(),
            'z' | 'Z' => r"\z".into(),
            'R' => format!(r"(?:\r\n|[{VERTICAL}])"),
            'Q' => {
                self.at += 1;
                while self.at < self.rest.len() && !self.take(r"\E") {
                    let c = self.rest[self.at];
                    self.at += 1;
                    self.literal(c);
                }
                return Ok(Width::Some);
            }
            'k' => {
                self.at += 1;
                self.named_reference()?;
                return Ok(Width::Empty);
            }
            '1'..='9' => {
                self.numbered_reference()?;
                return Ok(Width::Empty);
            }
            _ => {
                match self.class_escape()? {
                    Item::Char(c) => self.literal(c),
                    Item::Set(set) => self.push_class(&format!("[{set}]")),
                }
                return Ok(Width::Some);
            }
        };
        self.at += 1;
        self.is_fancy |= matches!(c, 'b' | 'B');
        self.out.push_str(&fixed);
        Ok(if c == 'R' { Width::Some } else { Width::Empty })
    }

    fn named_reference(&mut self) -> Step {
        let mut name = String::new();
        if self.take("<") {
            while let Some(c) = self.next().filter(|&c| c != '>') {
                name.push(c);
            }
        }
        let number = self.names.iter().find(|(other, _)| *other == name).map(|(_, number)| *number);
        let number = number.ok_or_else(|| format!(r"the reference \k<{name}>"))?;
        self.reference(number)
    }

    /// As many digits as there are groups for so far.
    fn numbered_reference(&mut self) -> Step {
        let mut number = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let longer = number * 10 + digit as usize;
            if number > 0 && longer > self.groups {
                break;
            }
            number = longer;
            self.at += 1;
        }
        self.reference(number)
    }

    fn reference(&mut self, number: usize) -> Step {
        if number > self.groups || self.flags.ignore_case {
            return Err(format!(r"the reference \{number}"));
        }
        self.is_fancy = true;
        let _ = write!(self.out, r"(?:\{number})");
        Ok(())
    }

    /// A class behind its `[`; gives it with brackets.
    fn class(&mut self) -> Result<String, String> {
        self.deeper()?;
        let negated = if self.take("^") { "^" } else { "" };
        let mut operands = Vec::new();
        let mut set = String::new();
        let mut is_first = true;
        loop {
            if self.take("&&") {
                if set.is_empty() {
                    return Err("an && with nothing before it".into());
                }
                operands.push(std::mem::take(&mut set));
                continue;
            }
            match self.next() {
                None => return Err("a class without its ]".into()),
                Some(']') if !is_first => break,
                Some('[') => set.push_str(&self.class()?),
                Some(c) => {
                    let item = if c == '\\' { self.class_escape()? } else { Item::Char(c) };
                    self.class_item(item, &mut set)?;
                }
            }
            is_first = false;
        }
        if set.is_empty() {
            return Err("an && with nothing behind it".into());
        }
        operands.push(set);
        self.depth -= 1;
        Ok(match &operands[..] {
            [set] => format!("[{negated}{set}]"),
            _ => format!("[{negated}[{}]]", operands.join("]&&[")),
        })
    }

    /// A single character, the start of a range, or a set.
    fn class_item(&mut self, item: Item, set: &mut String) -> Step {
        let first = match item {
            Item::Set(inner) => {
                set.push_str(&inner);
                return Ok(());
            }
            Item::Char(c) => c,
        };
        let is_range = self.peek() == Some('-') && !matches!(self.rest.get(self.at + 1), None | Some('[' | ']'));
        let mut last = first;
        if is_range {
            self.at += 1;
            let end = match self.next() {
                Some('\\') => self.class_escape()?,
                Some('&') if self.peek() == Some('&') => return Err("a range that ends in &&".into()),
                c => Item::Char(c.unwrap_or_default()),
            };
            match end {
                Item::Char(c) if c >= first => last = c,
                _ => return Err("a range that ends before it starts".into()),
            }
        }
        push_range(set, first, last);
        if self.flags.ignore_case && !self.flags.unicode_case {
            // The part of the range that has another case in ASCII.
            for (low, high, flip) in [('a', 'z', -32), ('A', 'Z', 32)] {
                let (from, to) = (first.max(low), last.min(high));
                if from <= to {
                    let flipped = |c: char| char::from_u32(u32::from(c).wrapping_add_signed(flip)).unwrap_or(c);
                    push_range(set, flipped(from), flipped(to));
                }
            }
        }
        Ok(())
    }

    /// An escape that is allowed in and outside of a class, behind the backslash.
    fn class_escape(&mut self) -> Result<Item, String> {
        let c = self.next().ok_or(r"a \ at the end")?;
        let set = |inside: &str| Ok(Item::Set(inside.to_owned()));
        let none_of = |inside: &str| Ok(Item::Set(format!("[^{inside}]")));
        let character = |code: u32| {
            let c = char::from_u32(code).map(Item::Char);
            c.ok_or_else(|| format!("the character number {code:x}"))
        };
        match c {
            'd' => set(DIGIT),
            'D' => none_of(DIGIT),
            'w' => set(WORD),
            'W' => none_of(WORD),
            's' => set(SPACE),
            'S' => none_of(SPACE),
            'h' => set(HORIZONTAL),
            'H' => none_of(HORIZONTAL),
            'v' => set(VERTICAL),
            'V' => none_of(VERTICAL),
            'p' | 'P' => self.property(c == 'P'),
            't' => character(9),
            'n' => character(10),
            'r' => character(13),
            'f' => character(12),
            'a' => character(7),
            'e' => character(27),
            '0' => {
                // Three digits only if the first is 3 at most.
                let digits: String =
                    self.rest[self.at..].iter().take(3).take_while(|c| ('0'..='7').contains(*c)).collect();
                let length = if digits.len() == 3 && digits.as_bytes()[0] > b'3' { 2 } else { digits.len() };
                self.at += length;
                character(u32::from_str_radix(&digits[..length], 8).map_err(|_| r"the escape \0")?)
            }
            'x' if self.take("{") => {
                let mut digits = String::new();
                while let Some(c) = self.next().filter(|&c| c != '}') {
                    digits.push(c);
                }
                character(hex(&digits).ok_or(r"the escape \x{")?)
            }
            'x' => {
                let code = self.hex_digits(2).ok_or(r"the escape \x")?;
                character(code)
            }
            'u' => {
                let code = self.hex_digits(4).ok_or(r"the escape \u")?;
                if !(0xd800..0xdc00).contains(&code) {
                    return character(code);
                }
                let low = if self.take(r"\u") { self.hex_digits(4) } else { None };
                let low = low.filter(|low| (0xdc00..0xe000).contains(low)).ok_or("half of a surrogate pair")?;
                character(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00))
            }
            'c' => {
                let c = self.next().ok_or(r"the escape \c")?;
                character(u32::from(c) ^ 64)
            }
            c if c.is_ascii_alphanumeric() => Err(format!(r"the escape \{c}")),
            c => Ok(Item::Char(c)),
        }
    }

    fn hex_digits(&mut self, count: usize) -> Option<u32> {
        let digits: String = self.rest.get(self.at..self.at + count)?.iter().collect();
        self.at += count;
        hex(&digits)
    }

    /// `\p` or `\P`, behind the letter.
    fn property(&mut self, negated: bool) -> Result<Item, String> {
        let mut name = String::new();
        if self.take("{") {
            while let Some(c) = self.next().filter(|&c| c != '}') {
                name.push(c);
            }
        } else {
            name.extend(self.next());
        }
        let refused = || format!(r"the property \p{{{name}}}");
        let has_case = matches!(name.trim_start_matches("Is"), "Lower" | "Upper" | "Lu" | "Ll" | "Lt");
        if self.flags.ignore_case && has_case {
            return Err(format!("{} together with the flag i", refused()));
        }
        let inside = match POSIX.iter().find(|(known, _)| *known == name) {
            Some((_, inside)) => (*inside).to_owned(),
            None => {
                let category = name.strip_prefix("Is").unwrap_or(&name);
                match category {
                    "Alphabetic" if name.starts_with("Is") => r"\p{Alphabetic}".into(),
                    _ if CATEGORIES.contains(&category) => format!(r"\p{{{category}}}"),
                    _ => return Err(refused()),
                }
            }
        };
        Ok(Item::Set(if negated { format!("[^{inside}]") } else { inside }))
    }
}

/// What one item of a class is.
enum Item {
    Char(char),
    /// The inside of a class.
    Set(String),
}

fn push_range(set: &mut String, first: char, last: char) {
    let (first, last) = (u32::from(first), u32::from(last));
    // A colon alone could become part of `[:alpha:]`, which Java has not.
    let _ = if first == last && first != u32::from(':') {
        write!(set, r"\x{{{first:x}}}")
    } else {
        write!(set, r"\x{{{first:x}}}-\x{{{last:x}}}")
    };
}

fn hex(digits: &str) -> Option<u32> {
    let all_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)
}

pub(super) fn is_group_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(text: &str) -> bool {
    let inside = text.trim_start_matches('{').trim_end_matches('}');
    let (min, max) = inside.split_once(',').unwrap_or((inside, inside));
    min.parse::<u16>().is_ok_and(|min| max.is_empty() || max.parse::<u16>().is_ok_and(|max| min <= max))
}
