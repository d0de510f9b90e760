//! The replacement of a mapping rule: Kafka's treatment of references to groups that do not exist, then Java's grammar.

use super::java_regex::is_group_name;

/// What stands in for a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// This text.
    Text(String),
    /// What the group with this number caught, if it took part; 0 is the whole match.
    Group(usize),
}

/// Reads a replacement for a pattern with so many groups. An error is what Java would only say once a client comes.
pub(super) fn parse(text: &str, groups: usize, names: &[(String, usize)]) -> Result<Vec<Part>, String> {
    let text = escape_missing_groups(text, groups)?;
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let group = match c {
            '\\' => {
                literal.push(chars.next().ok_or(r"character to be escaped is missing")?);
                continue;
            }
            '$' => match chars.next() {
                Some('{') => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return Err("named capturing group is missing trailing '}'".into()),
                        }
                    }
                    let number = names.iter().find(|(known, _)| *known == name && is_group_name(&name));
                    number.ok_or_else(|| format!("No group with name {{{name}}}"))?.1
                }
                Some(c) if c.is_ascii_digit() => {
                    let mut number = c.to_digit(10).unwrap_or_default() as usize;
                    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                        let longer = number * 10 + digit as usize;
                        if longer > groups {
                            break;
                        }
                        number = longer;
                        chars.next();
                    }
                    if number > groups {
                        return Err(format!("No group {number}"));
                    }
                    number
                }
                Some(_) => return Err("Illegal group reference".into()),
                None => return Err("Illegal group reference: group index is missing".into()),
            },
            c => {
                literal.push(c);
                continue;
            }
        };
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        parts.push(Part::Group(group));
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

/// Puts a backslash before `$n` where there is no group n, as Kafka's `SslPrincipalMapper` does. It does nothing for a pattern
/// without groups, and from the second such reference on its backslash goes astray by one place: both are kept, so that a rule
/// means here what it means there.
fn escape_missing_groups(text: &str, groups: usize) -> Result<String, String> {
    if groups == 0 {
        return Ok(text.to_owned());
    }
    let original: Vec<char> = text.chars().collect();
    let mut escaped = original.clone();
    let mut at = 0;
    while at < original.len() {
        let start = at + 1;
        let digits: String = original[start..].iter().take_while(|c| c.is_ascii_digit()).collect();
        if original[at] != '$' || digits.is_empty() {
            at += 1;
            continue;
        }
        at = start + digits.len();
        if digits.starts_with('0') {
            continue;
        }
        let mut number = digits.parse::<i32>().map_err(|_| format!("the group number {digits}"))?;
        while number as usize > groups && number >= 10 {
            number /= 10;
        }
        if number as usize > groups {
            escaped.insert(start - 1, '\\');
        }
    }
    Ok(escaped.into_iter().collect())
}
