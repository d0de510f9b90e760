//! Tokens without a signature (RFC 7515 §6), as Kafka's handlers for development make and judge them. Whoever takes them believes
//! everyone: that this is wanted is for the caller to make sure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::claims::LAST_SECOND;
use super::header::check;
use super::json::{Object, Value};
use super::token::split;
use super::{Accepted, Claims, TokenFault, base64url};

/// Parses tokens without a signature.
pub struct Unsecured;

/// What an unsecured token is judged by: the options of Kafka's `OAuthBearerUnsecuredValidatorCallbackHandler`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsecuredRules {
    /// `unsecuredValidatorPrincipalClaimName`
    pub principal_claim: String,
    /// `unsecuredValidatorScopeClaimName`
    pub scope_claim: String,
    /// `unsecuredValidatorRequiredScope`, split at its spaces.
    pub required_scope: Vec<String>,
    /// `unsecuredValidatorAllowableClockSkewMs`
    pub clock_skew: Duration,
}

impl Default for UnsecuredRules {
    fn default() -> Self {
        Self {
            principal_claim: "sub".into(),
            scope_claim: "scope".into(),
            required_scope: Vec::new(),
            clock_skew: Duration::ZERO,
        }
    }
}

impl Unsecured {
    /// Takes a token apart. Its header must have `alg` exactly `none`, and its third part must be empty.
    pub fn parse(token: &str) -> Result<Claims, TokenFault> {
        let [header, payload, signature] = split(token)?;
        if !signature.is_empty() {
            return Err(TokenFault::NotUnsecured);
        }
        let header = Object::parse(&base64url::decode(header)?)?;
        check(&header)?;
        if header.get("alg").and_then(Value::as_str) != Some("none") {
            return Err(TokenFault::NotUnsecured);
        }
        let typ = header.get("typ").and_then(Value::as_str);
        Ok(Claims::new(Object::parse(&base64url::decode(payload)?)?, typ))
    }
}

impl UnsecuredRules {
    /// Judges by Kafka's rules; the name is kept as it stands, not trimmed. [`TokenFault::InsufficientScope`] has an answer of its own.
    pub fn judge(&self, claims: &Claims, now: SystemTime) -> Result<Accepted, TokenFault> {
        let name = claims.string(&self.principal_claim).filter(|name| !name.trim().is_empty());
        let name = name.ok_or(TokenFault::Subject)?;
        super::rules::check_name(name)?;
        let expires = self.check_times(claims, now)?;
        let scope: Vec<String> = match claims.get(&self.scope_claim) {
            None => Vec::new(),
            Some(value) => value.as_strings().ok_or(TokenFault::Scope)?.into_iter().map(Into::into).collect(),
        };
        if !self.required_scope.iter().all(|required| scope.contains(required)) {
            return Err(TokenFault::InsufficientScope);
        }
        let lifetime = expires.duration_since(now).unwrap_or_default();
        Ok(Accepted { principal_name: name.into(), expires, lifetime, scope, groups: Vec::new() })
    }

    /// The times, with their fractions; gives `exp`.
    fn check_times(&self, claims: &Claims, now: SystemTime) -> Result<SystemTime, TokenFault> {
        let time = |name| claims.number(name)?.map(duration).transpose();
        let expires = time("exp")?.ok_or(TokenFault::NoExpiry)?;
        let issued = time("iat")?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if issued.is_some_and(|issued| issued > now.saturating_add(self.clock_skew)) {
            return Err(TokenFault::NotYetValid);
        }
        if now.saturating_sub(self.clock_skew) >= expires {
            return Err(TokenFault::Expired);
        }
        if issued.is_some_and(|issued| expires <= issued) {
            return Err(TokenFault::TimeOrder);
        }
        Ok(UNIX_EPOCH + expires)
    }
}

/// A NumericDate with its fraction, from 1970 to the year 9999.
fn duration(seconds: f64) -> Result<Duration, TokenFault> {
    // The largest is exact in a double.
    Duration::try_from_secs_f64(seconds.min(LAST_SECOND as f64)).map_err(|_| TokenFault::Time)
}
