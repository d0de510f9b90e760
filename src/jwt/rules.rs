//! Whether what a verified token claims is enough, and for whom.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::header::media_type;
use super::json::Value;
use super::{Claims, Template, TokenFault};

/// Most bytes of a principal's name, and of a group's.
pub const MAX_NAME_LEN: usize = 1024;
/// Most groups of a token.
pub const MAX_GROUPS: usize = 512;

/// The principal that no credential may give: who is not authenticated has it.
const ANONYMOUS: &str = "ANONYMOUS";

/// What a listener expects of the tokens of one issuer.
///
/// The default accepts none: an issuer and an audience have to be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRules {
    /// `sasl.oauthbearer.expected.issuer`: `iss`, byte for byte. `None` is nobody's.
    pub issuer: Option<String>,
    /// `sasl.oauthbearer.expected.audience`: `aud` must have one of them.
    pub audiences: Vec<String>,
    /// `sasl.oauthbearer.clock.skew.seconds`: how far the issuer's clock may be off.
    pub clock_skew: Duration,
    /// `sasl.oauthbearer.scope.claim.name`
    pub scope_claim: String,
    /// `sasl.oauthbearer.sub.claim.name`: the claim whose text, trimmed, is the principal's name.
    pub sub_claim: String,
    /// Puts the name together from claims instead.
    pub principal_template: Option<Template>,
    /// The claim that has the groups: a string or strings. Without it in the token there are none.
    pub groups_claim: Option<String>,
    /// Each must be an element of the scope claim, or one of the words of an element.
    pub required_scope: Vec<String>,
    /// Which `typ` is taken.
    pub types: TokenTypes,
}

/// Which types of token are taken (`typ`, RFC 7515 §4.1.9): compared without regard to case, and with or without `application/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTypes {
    /// Those that are.
    pub named: Vec<String>,
    /// Whether one that does not say its type is.
    pub absent: bool,
}

/// A token that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The name of the principal: not blank, at most [`MAX_NAME_LEN`] bytes, without control characters.
    pub principal_name: String,
    /// When the token expires, without the skew; the end of the year 9999 at the latest.
    pub expires: SystemTime,
    /// From now to then; zero where only the skew still lets it in.
    pub lifetime: Duration,
    /// The elements of the scope claim. A string is one element, as in Kafka.
    pub scope: Vec<String>,
    /// The groups, as the token orders them.
    pub groups: Vec<Box<str>>,
}

impl Default for ClaimRules {
    fn default() -> Self {
        Self {
            issuer: None,
            audiences: Vec::new(),
            clock_skew: Duration::from_secs(30),
            scope_claim: "scope".into(),
            sub_claim: "sub".into(),
            principal_template: None,
            groups_claim: None,
            required_scope: Vec::new(),
            types: TokenTypes::default(),
        }
    }
}

impl Default for TokenTypes {
    /// `JWT` (RFC 7519 §5.1), `at+jwt` (RFC 9068 §2.1), and none at all, which many issuers give.
    fn default() -> Self {
        Self { named: vec!["JWT".into(), "at+jwt".into()], absent: true }
    }
}

impl TokenTypes {
    /// Whether a token of this `typ` is taken.
    pub fn take(&self, typ: Option<&str>) -> bool {
        let is = |typ: &str, named: &str| media_type(typ).eq_ignore_ascii_case(media_type(named));
        typ.map_or(self.absent, |typ| self.named.iter().any(|named| is(typ, named)))
    }
}

impl ClaimRules {
    /// Judges the claims of a token whose signature fits.
    pub fn judge(&self, claims: &Claims, now: SystemTime) -> Result<Accepted, TokenFault> {
        self.check_type(claims)?;
        self.check_issuer(claims)?;
        self.check_audience(claims)?;
        let expires = self.check_times(claims, now)?;
        let scope = self.scope(claims)?;
        Ok(Accepted {
            principal_name: self.principal_name(claims)?,
            expires,
            lifetime: expires.duration_since(now).unwrap_or_default(),
            scope,
            groups: self.groups(claims)?,
        })
    }

    pub(super) fn check_type(&self, claims: &Claims) -> Result<(), TokenFault> {
        if self.types.take(claims.typ()) { Ok(()) } else { Err(TokenFault::Type) }
    }

    pub(super) fn check_issuer(&self, claims: &Claims) -> Result<(), TokenFault> {
        match (&self.issuer, claims.string("iss")) {
            (Some(expected), Some(issuer)) if issuer == expected => Ok(()),
            _ => Err(TokenFault::Issuer),
        }
    }

    pub(super) fn check_audience(&self, claims: &Claims) -> Result<(), TokenFault> {
        let named = claims.get("aud").and_then(Value::as_strings).ok_or(TokenFault::Audience)?;
        let is_ours = |audience: &&str| self.audiences.iter().any(|ours| ours == audience);
        if named.iter().any(is_ours) { Ok(()) } else { Err(TokenFault::Audience) }
    }

    /// The times; gives `exp`.
    pub(super) fn check_times(&self, claims: &Claims, now: SystemTime) -> Result<SystemTime, TokenFault> {
        let time = |name| Ok(claims.seconds(name)?.map(Duration::from_secs));
        let expires = time("exp")?.ok_or(TokenFault::NoExpiry)?;
        let issued = time("iat")?.ok_or(TokenFault::NoIssueTime)?;
        let begins = time("nbf")?.unwrap_or_default().max(issued);
        if expires < begins {
            return Err(TokenFault::TimeOrder);
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.saturating_sub(self.clock_skew) >= expires {
            return Err(TokenFault::Expired);
        }
        if now.saturating_add(self.clock_skew) < begins {
            return Err(TokenFault::NotYetValid);
        }
        Ok(UNIX_EPOCH + expires)
    }

    pub(super) fn principal_name(&self, claims: &Claims) -> Result<String, TokenFault> {
        let name = match &self.principal_template {
            Some(template) => template.name(claims)?,
            None => claims.string(&self.sub_claim).ok_or(TokenFault::Subject)?.into(),
        };
        if name.trim().is_empty() {
            return Err(TokenFault::Subject);
        }
        // Kafka trims spaces and control characters; the latter are refused wherever they stand.
        let trimmed = name.trim_matches(' ');
        check_name(&name).and(check_name(trimmed))?;
        Ok(trimmed.into())
    }

    pub(super) fn scope(&self, claims: &Claims) -> Result<Vec<String>, TokenFault> {
        let elements = match claims.get(&self.scope_claim) {
            None => Vec::new(),
            Some(value) => value.as_strings().ok_or(TokenFault::Scope)?,
        };
        // Trimmed before they are compared, as in Kafka.
        let mut scope: Vec<String> = elements.into_iter().map(|element| element.trim().into()).collect();
        if scope.iter().any(String::is_empty) || has_repeated(&scope) {
            return Err(TokenFault::Scope);
        }
        scope.shrink_to_fit();
        let has = |required: &String| {
            scope.iter().any(|element| element == required || element.split(' ').any(|word| word == required))
        };
        if self.required_scope.iter().all(has) { Ok(scope) } else { Err(TokenFault::InsufficientScope) }
    }

    pub(super) fn groups(&self, claims: &Claims) -> Result<Vec<Box<str>>, TokenFault> {
        let Some(value) = self.groups_claim.as_ref().and_then(|name| claims.get(name)) else { return Ok(Vec::new()) };
        let groups = value.as_strings().ok_or(TokenFault::Groups)?;
        let is_name = |group: &&str| {
            !group.trim().is_empty() && group.len() <= MAX_NAME_LEN && !group.chars().any(char::is_control)
        };
        if groups.len() > MAX_GROUPS || !groups.iter().all(is_name) {
            return Err(TokenFault::Groups);
        }
        Ok(groups.into_iter().map(Into::into).collect())
    }
}

/// Whether a name that is not blank can be a principal's.
pub(super) fn check_name(name: &str) -> Result<(), TokenFault> {
    if name.len() > MAX_NAME_LEN || name.chars().any(char::is_control) {
        return Err(TokenFault::Name);
    }
    if name == ANONYMOUS { Err(TokenFault::ReservedName) } else { Ok(()) }
}

fn has_repeated(scope: &[String]) -> bool {
    let mut sorted: Vec<&str> = scope.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}
