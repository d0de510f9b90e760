//! A principal's name put together from claims: `oauth-${tenant}-${sub}`.

use super::{Claims, TokenFault};

/// A principal template. Each `${name}` stands for the claim of that name, which must be a string; everything else for itself.
///
/// Two different sets of claims never give the same name: between two claims stands some text, and a token is refused if its claims could
/// be told apart in another way (`a-b` and `c` under `${x}-${y}` would be `a` and `b-c`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// The text before the first claim.
    lead: Box<str>,
    /// Each claim, and the text after it. There is at least one.
    claims: Box<[(Box<str>, Box<str>)]>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Everyone would have the same name.
    #[error("it names no claim; expected something like oauth-${{sub}}")]
    NoClaim,
    /// A `$` without `{name}`.
    #[error("$ must be followed by {{claim}}")]
    Dollar,
    /// `${}`, or no `}`.
    #[error("after ${{ comes a claim's name and }}")]
    Name,
    /// `${a}${b}`
    #[error("between {0} and {1} must stand some text, or names of different clients could be the same")]
    Adjacent(Box<str>, Box<str>),
}

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = text.split('$');
        let lead = parts.next().unwrap_or_default();
        let mut claims: Vec<(Box<str>, Box<str>)> = Vec::new();
        for part in parts {
            let rest = part.strip_prefix('{').ok_or(TemplateError::Dollar)?;
            let (name, after) = rest.split_once('}').ok_or(TemplateError::Name)?;
            if name.is_empty() || name.contains('{') {
                return Err(TemplateError::Name);
            }
            if let Some((before, text)) = claims.last()
                && text.is_empty()
            {
                return Err(TemplateError::Adjacent(before.clone(), name.into()));
            }
            claims.push((name.into(), after.into()));
        }
        if claims.is_empty() {
            return Err(TemplateError::NoClaim);
        }
        Ok(Self { lead: lead.into(), claims: claims.into() })
    }

    /// The names of the claims that it needs.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|(name, _)| &**name)
    }

    /// The name that these claims give.
    pub(super) fn name(&self, claims: &Claims) -> Result<String, TokenFault> {
        let mut name = self.lead.to_string();
        for (at, (claim, after)) in self.claims.iter().enumerate() {
            let value = claims.string(claim).filter(|value| !value.trim().is_empty()).ok_or(TokenFault::Subject)?;
            let from = name.len();
            name.push_str(value);
            let end = name.len();
            name.push_str(after);
            // Whoever reads the name from the left finds the end of this claim by the text after it.
            let is_last = at + 1 == self.claims.len();
            if !is_last && name[from..].find(&**after) != Some(end - from) {
                return Err(TokenFault::Name);
            }
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::Object;
    use super::*;

    fn name(template: &str, claims: &str) -> Result<String, TokenFault> {
        Template::parse(template).unwrap().name(&Claims::new(Object::parse(claims.as_bytes()).unwrap(), None))
    }

    #[test]
    fn claims_are_put_in() {
        assert_eq!(name("${sub}", r#"{"sub":"alice"}"#).unwrap(), "alice");
        let claims = r#"{"sub":"al-ice","tenant":"t1","azp":"x"}"#;
        assert_eq!(name("oauth-${tenant}-${sub}", claims).unwrap(), "oauth-t1-al-ice");
        assert_eq!(name("${azp}@${tenant}!", claims).unwrap(), "x@t1!");
        assert_eq!(Template::parse("a${b}c${d}").unwrap().claims().collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn a_claim_that_is_missing_or_not_text_or_blank_is_refused() {
        for claims in [r#"{}"#, r#"{"t":1}"#, r#"{"t":["a"]}"#, r#"{"t":null}"#, r#"{"t":""}"#, r#"{"t":" "}"#] {
            assert_eq!(name("x-${t}", claims).unwrap_err(), TokenFault::Subject, "{claims}");
        }
    }

    #[test]
    fn what_could_be_another_clients_name_is_refused() {
        assert_eq!(name("${t}-${s}", r#"{"t":"a-b","s":"c"}"#).unwrap_err(), TokenFault::Name);
        assert_eq!(name("${t}-${s}", r#"{"t":"a","s":"b-c"}"#).unwrap(), "a-b-c");
        // The text after the claim begins within it.
        assert_eq!(name("${t}aa${s}", r#"{"t":"xa","s":"y"}"#).unwrap_err(), TokenFault::Name);
        assert_eq!(name("${t}aa${s}", r#"{"t":"x","s":"ay"}"#).unwrap(), "xaaay");
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_at_once() {
        for (text, error) in [
            ("", TemplateError::NoClaim),
            ("alice", TemplateError::NoClaim),
            ("$sub", TemplateError::Dollar),
            ("a$", TemplateError::Dollar),
            ("$${sub}", TemplateError::Dollar),
            ("${}", TemplateError::Name),
            ("${sub", TemplateError::Name),
            ("${a${b}}", TemplateError::Name),
            ("${a}${b}", TemplateError::Adjacent("a".into(), "b".into())),
        ] {
            assert_eq!(Template::parse(text).unwrap_err(), error, "{text}");
        }
    }
}
