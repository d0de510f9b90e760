//! Whether a token is good: by the issuer that it names, or, for development, by its own word.

use std::sync::Arc;
use std::time::SystemTime;

use crate::config::{OauthbearerConfig, TokenIssuer};
use crate::issuer::{FETCH_WAIT, KeySource, KeySourceConfig, KeySources};
use crate::jwt::unsecured::{Unsecured, UnsecuredRules};
use crate::jwt::{Accepted, ClaimRules, Claims, KeySet, TokenFault, Unverified};
use crate::sasl::mechanism::MechanismError;

/// What judges the tokens of a listener.
pub(super) enum Validator {
    Unsecured(UnsecuredRules),
    Issuers(Box<[Issuer]>),
}

/// One issuer and its keys.
pub(super) struct Issuer {
    pub(super) rules: ClaimRules,
    source: Arc<KeySource>,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Fault(TokenFault),
    /// Nobody can say whether it is good.
    NoKeys,
}

impl From<TokenFault> for Refused {
    fn from(fault: TokenFault) -> Self {
        Self::Fault(fault)
    }
}

/// A token that was taken apart and has found who is to judge it. Nothing of it is verified.
pub(super) enum Parsed<'v, 't> {
    Unsecured(&'v UnsecuredRules, Claims),
    Signed(&'v Issuer, Unverified<'t>),
}

impl Validator {
    pub(super) fn new(config: &OauthbearerConfig, sources: &KeySources) -> Result<Self, MechanismError> {
        match config {
            OauthbearerConfig::Unsecured(rules) => Ok(Self::Unsecured(rules.clone())),
            OauthbearerConfig::Issuers(issuers) => {
                let issuers = issuers.iter().map(|issuer| Issuer::new(issuer, sources));
                Ok(Self::Issuers(issuers.collect::<Result<_, _>>()?))
            }
        }
    }

    /// Takes a token apart.
    pub(super) fn parse<'v, 't>(&'v self, token: &'t str) -> Result<Parsed<'v, 't>, TokenFault> {
        match self {
            Self::Unsecured(rules) => Ok(Parsed::Unsecured(rules, Unsecured::parse(token)?)),
            Self::Issuers(issuers) => {
                let token = Unverified::parse(token)?;
                let named = token.issuer().ok_or(TokenFault::Issuer)?;
                let issuer = issuers.iter().find(|issuer| issuer.rules.issuer.as_deref() == Some(named));
                Ok(Parsed::Signed(issuer.ok_or(TokenFault::Issuer)?, token))
            }
        }
    }

    /// The issuers; none where tokens have no signature.
    pub(super) fn issuers(&self) -> &[Issuer] {
        match self {
            Self::Unsecured(_) => &[],
            Self::Issuers(issuers) => issuers,
        }
    }

    /// What a token must have in its scope.
    pub(super) fn required_scope(&self) -> &[String] {
        match self {
            Self::Unsecured(rules) => &rules.required_scope,
            Self::Issuers(_) => &[],
        }
    }
}

impl Parsed<'_, '_> {
    /// Who it says that it is of, to tell those who have logged in before from those who have not.
    pub(super) fn claimed_holder(&self) -> String {
        let (rules_claim, claims) = match self {
            Self::Unsecured(rules, claims) => (&rules.principal_claim, claims),
            Self::Signed(issuer, token) => (&issuer.rules.sub_claim, token.claims_unverified()),
        };
        format!("{}\0{}", claims.string("iss").unwrap_or_default(), claims.string(rules_claim).unwrap_or_default())
    }

    /// Judges it: at once where its key is known, else after the keys were fetched anew.
    pub(super) async fn judge(self, now: impl Fn() -> SystemTime) -> Result<Accepted, Refused> {
        match self {
            Self::Unsecured(rules, claims) => Ok(rules.judge(&claims, now())?),
            Self::Signed(issuer, token) => issuer.judge(token, now).await,
        }
    }
}

impl Issuer {
    fn new(config: &TokenIssuer, sources: &KeySources) -> Result<Self, MechanismError> {
        let url = &config.keys.url;
        let fault = |problem: String| MechanismError(format!("{} ({}): {problem}", url.key, url.origin));
        let source = KeySourceConfig::of(&config.keys).map_err(|error| fault(error.to_string()))?;
        let source = sources.source(&source).map_err(|error| fault(error.to_string()))?;
        Ok(Self { rules: config.rules.clone(), source })
    }

    /// Waits for the first keys, but not for long: the issuer may be away.
    pub(super) async fn prepare(&self) {
        self.source.first_fetch(FETCH_WAIT).await;
    }

    /// Whether there are keys to judge by.
    pub(super) fn has_keys(&self) -> bool {
        self.source.keys().is_some()
    }

    async fn judge(&self, token: Unverified<'_>, now: impl Fn() -> SystemTime) -> Result<Accepted, Refused> {
        let kid = token.header().kid();
        let known = self.source.keys().filter(|keys| kid.is_none_or(|kid| keys.has_kid(kid)));
        if let Some(keys) = known {
            return Ok(verdict(&self.rules, token, &keys, now())?);
        }
        // What no signature could make good has nobody ask the issuer, and is refused while it is away. Nothing is accepted here.
        self.rules.judge(token.claims_unverified(), now())?;
        let keys = self.source.keys_for(kid).await.map_err(|_| Refused::NoKeys)?;
        Ok(verdict(&self.rules, token, &keys, now())?)
    }
}

/// The only way to a signed token's acceptance: first the signature, then the claims.
pub(super) fn verdict(
    rules: &ClaimRules,
    token: Unverified<'_>,
    keys: &KeySet,
    now: SystemTime,
) -> Result<Accepted, TokenFault> {
    let claims = token.verify(keys)?;
    rules.judge(&claims, now)
}
