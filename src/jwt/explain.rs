//! What becomes of a token, step by step and in words. The signature is never among them, nor is the token.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_cert::der::DateTime;

use super::json::{Object, Value};
use super::token::split;
use super::unsecured::{Unsecured, UnsecuredRules};
use super::{Accepted, ClaimRules, Claims, KeySet, TokenFault, Unverified, base64url};

/// One way in which a listener accepts tokens.
#[derive(Clone, Copy, Debug)]
pub enum Candidate<'c> {
    /// Tokens of an issuer.
    Issuer {
        /// What is expected of them.
        rules: &'c ClaimRules,
        /// Its keys; `None` where they cannot be had now.
        keys: Option<&'c KeySet>,
    },
    /// Tokens without a signature, for development.
    Unsecured(&'c UnsecuredRules),
}

/// What became of a token.
#[derive(Debug)]
pub struct Explanation {
    /// What is told, with a word for each line. The texts are a stranger's: escape them for a terminal.
    pub lines: Vec<(&'static str, String)>,
    /// What a login with it gives.
    pub verdict: Verdict,
}

/// The end of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is accepted.
    Accepted(Accepted),
    /// It is refused.
    Refused(TokenFault),
    /// The keys of its issuer are missing.
    NoKeys,
}

/// Explains a token to a listener that accepts tokens in these ways.
///
/// The claims are judged also where the signature does not fit, so that one look shows all that is wrong.
pub fn explain(token: &str, candidates: &[Candidate<'_>], now: SystemTime) -> Explanation {
    let mut told = Told(Vec::new());
    let verdict = match told.token(token, candidates, now) {
        Ok(Some(accepted)) => {
            let Accepted { principal_name, expires, .. } = &accepted;
            told.line("verdict", format!("accepted: User:{principal_name} until {}", time(*expires)));
            Verdict::Accepted(accepted)
        }
        Ok(None) => {
            told.line("verdict", "cannot be judged: the issuer's keys are missing".into());
            Verdict::NoKeys
        }
        Err(fault) => {
            told.line("verdict", format!("refused: {fault}"));
            Verdict::Refused(fault)
        }
    };
    Explanation { lines: told.0, verdict }
}

struct Told(Vec<(&'static str, String)>);

impl Told {
    fn line(&mut self, word: &'static str, text: String) {
        self.0.push((word, text));
    }

    /// The result of a step, told.
    fn step<T>(
        &mut self,
        word: &'static str,
        step: Result<T, TokenFault>,
        good: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match step {
            Ok(value) => {
                self.line(word, good(&value));
                Some(value)
            }
            Err(fault) => {
                self.line(word, format!("refused: {fault}"));
                None
            }
        }
    }

    fn members(&mut self, word: &'static str, members: &Object) {
        for (name, value) in members.iter() {
            let mut text = format!("{name} = ");
            write_value(&mut text, value);
            self.line(word, text);
        }
    }

    /// `None` where there are no keys to judge with.
    fn token(
        &mut self,
        token: &str,
        candidates: &[Candidate<'_>],
        now: SystemTime,
    ) -> Result<Option<Accepted>, TokenFault> {
        self.show_parts(token)?;
        let unsecured = candidates.iter().find_map(|candidate| match candidate {
            Candidate::Unsecured(rules) => Some(*rules),
            Candidate::Issuer { .. } => None,
        });
        if let Some(rules) = unsecured {
            self.line("listener", "takes tokens without a signature: it believes everyone".into());
            let claims = Unsecured::parse(token)?;
            let accepted = rules.judge(&claims, now)?;
            self.line("principal", format!("User:{}", accepted.principal_name));
            return Ok(Some(accepted));
        }
        let token = Unverified::parse(token)?;
        let issuers = candidates.iter().filter_map(|candidate| match candidate {
            Candidate::Issuer { rules, keys } => Some((*rules, *keys)),
            Candidate::Unsecured(_) => None,
        });
        let mut expected = Vec::new();
        for (rules, keys) in issuers {
            if rules.issuer.is_some() && rules.issuer.as_deref() == token.issuer() {
                return self.judged(token, rules, keys, now);
            }
            expected.push(rules.issuer.as_deref().unwrap_or("none"));
        }
        self.line("issuer", format!("refused: {}; expected {}", TokenFault::Issuer, expected.join(" or ")));
        Err(TokenFault::Issuer)
    }

    fn judged(
        &mut self,
        token: Unverified<'_>,
        rules: &ClaimRules,
        keys: Option<&KeySet>,
        now: SystemTime,
    ) -> Result<Option<Accepted>, TokenFault> {
        let claims = token.claims_unverified().clone();
        let verified = keys.map(|keys| {
            self.step("key", keys.select(token.header()), |key| key.to_string());
            token.verify(keys)
        });
        match &verified {
            None => self.line("key", "the issuer's keys are missing".into()),
            Some(Ok(_)) => self.line("signature", "fits".into()),
            Some(Err(fault)) => self.line("signature", format!("refused: {fault}")),
        }
        self.claims(&claims, rules, now);
        match verified {
            Some(verified) => rules.judge(&verified?, now).map(Some),
            None => rules.judge(&claims, now).map(|_| None),
        }
    }

    /// Each step of [`ClaimRules::judge`].
    fn claims(&mut self, claims: &Claims, rules: &ClaimRules, now: SystemTime) {
        self.step("type", rules.check_type(claims), |()| claims.typ().unwrap_or("not told").into());
        self.step("issuer", rules.check_issuer(claims), |()| "as expected".into());
        self.step("audience", rules.check_audience(claims), |()| "one of ours".into());
        for name in ["iat", "nbf", "exp"] {
            if let Ok(Some(seconds)) = claims.seconds(name) {
                self.line("times", format!("{name} is {}", time(UNIX_EPOCH + Duration::from_secs(seconds))));
            }
        }
        let skew = rules.clock_skew.as_secs();
        self.step("times", rules.check_times(claims, now), |_| {
            format!("valid at {}, clocks being {skew} s off at most", time(now))
        });
        self.step("principal", rules.principal_name(claims), |name| format!("User:{name}"));
        self.step("scope", rules.scope(claims), |scope| list(scope.iter().map(String::as_str)));
        if rules.groups_claim.is_some() {
            self.step("groups", rules.groups(claims), |groups| list(groups.iter().map(|group| &**group)));
        }
    }

    /// Header and claims, as far as they can be read.
    fn show_parts(&mut self, token: &str) -> Result<(), TokenFault> {
        let [header, payload, _] = split(token)?;
        for (word, part) in [("header", header), ("claims", payload)] {
            match base64url::decode(part).and_then(|json| Object::parse(&json)) {
                Ok(members) => self.members(word, &members),
                Err(fault) => self.line(word, format!("refused: {fault}")),
            }
        }
        Ok(())
    }
}

fn list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let texts: Vec<_> = texts.map(|text| format!("{text:?}")).collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

/// As JSON. The depth is bounded by the parser.
fn write_value(text: &mut String, value: &Value) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Value::Null => text.push_str("null"),
        // Writing to a String does not fail.
        Value::Bool(value) => _ = write!(text, "{value}"),
        Value::Number(value) => _ = write!(text, "{value}"),
        Value::String(value) => text.push_str(&quoted(value)),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                text.push_str(&quoted(name));
                text.push(':');
                write_value(text, value);
            }
            text.push('}');
        }
    }
}

fn time(at: SystemTime) -> String {
    // Whole seconds are enough.
    DateTime::from_system_time(at).map_or_else(|_| "?".into(), |at| at.to_string())
}
