//! What becomes of a token on a listener, in words: `doorkeeper explain-token`.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::config::{IssuerKeys, ListenerConfig, OauthbearerConfig, TokenIssuer};
use crate::explain::Explanation;
use crate::issuer::{FETCH_WAIT, KeySource, KeySourceConfig, KeySources};
use crate::jwt::{self, Candidate, KeySet, MAX_TOKEN_LEN, Unverified, Verdict};

/// How a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A login with it would succeed.
    Accepted,
    /// It would fail.
    Refused,
    /// The keys of its issuer could not be had.
    NotJudged,
}

/// Reads a token, with white space around it if there is some: an editor leaves a line feed.
pub fn token_in(reader: impl Read) -> Result<Zeroizing<String>, String> {
    /// What may stand around it.
    const WHITE_SPACE: usize = 4096;
    let mut content = Zeroizing::new(Vec::new());
    let limit = MAX_TOKEN_LEN + WHITE_SPACE;
    let read = reader.take(limit as u64 + 1).read_to_end(&mut content);
    read.map_err(|error: io::Error| error.to_string())?;
    if content.len() > limit {
        return Err(format!("it is no token; expected at most {MAX_TOKEN_LEN} bytes"));
    }
    let text = std::str::from_utf8(&content).map_err(|_| "it is no token; expected text")?.trim();
    if text.is_empty() { Err("it is empty".into()) } else { Ok(Zeroizing::new(text.to_owned())) }
}

/// Explains a token to a listener, with the keys that its issuer has now. An error says that the listener takes no tokens, or that
/// something on this side does not work.
///
/// The token is judged as at a login, but nothing is told to anyone: no metric, no count of failures. Blocks while keys are fetched.
pub fn explain_token(
    listener: &ListenerConfig,
    token: &str,
    now: SystemTime,
) -> Result<(Explanation, Outcome), String> {
    let name = &listener.name;
    let mechanisms = listener.sasl.iter().flat_map(|sasl| &sasl.mechanisms);
    let config = mechanisms.filter_map(|mechanism| mechanism.oauthbearer.as_ref()).next();
    let config = config.ok_or_else(|| format!("listener {name} does not enable OAUTHBEARER: it takes no tokens"))?;
    let explanation = match config {
        OauthbearerConfig::Unsecured(rules) => jwt::explain(token, &[Candidate::Unsecured(rules)], now),
        OauthbearerConfig::Issuers(issuers) => {
            let fetched = keys_of(issuers, token)?;
            let candidates: Vec<_> = issuers
                .iter()
                .map(|issuer| {
                    let keys =
                        fetched.as_ref().filter(|(whose, _)| std::ptr::eq(*whose, issuer)).map(|(_, keys)| &**keys);
                    Candidate::Issuer { rules: &issuer.rules, keys }
                })
                .collect();
            jwt::explain(token, &candidates, now)
        }
    };
    let outcome = match explanation.verdict {
        Verdict::Accepted(_) => Outcome::Accepted,
        Verdict::Refused(_) => Outcome::Refused,
        Verdict::NoKeys => Outcome::NotJudged,
    };
    Ok((Explanation::new(explanation.lines, outcome == Outcome::Refused), outcome))
}

/// The issuer that a token names, and its keys if they can be had. Nobody else's are asked for.
fn keys_of<'i>(issuers: &'i [TokenIssuer], token: &str) -> Result<Option<(&'i TokenIssuer, Arc<KeySet>)>, String> {
    let Ok(token) = Unverified::parse(token) else { return Ok(None) };
    let issuer =
        issuers.iter().find(|issuer| issuer.rules.issuer.is_some() && issuer.rules.issuer.as_deref() == token.issuer());
    let Some(issuer) = issuer else { return Ok(None) };
    let url = &issuer.keys.url;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let sources = KeySources::new(runtime.handle().clone());
    let source =
        source(&sources, &issuer.keys).map_err(|problem| format!("{} ({}): {problem}", url.key, url.origin))?;
    runtime.block_on(source.first_fetch(FETCH_WAIT));
    Ok(source.keys().map(|keys| (issuer, keys)))
}

fn source(sources: &KeySources, keys: &IssuerKeys) -> Result<Arc<KeySource>, String> {
    let config = KeySourceConfig::of(keys).map_err(|error| error.to_string())?;
    sources.source(&config).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;
    use crate::jwt::tests::kit::{AUDIENCE, ISSUER, KEYS, good_token, now};

    /// A listener whose OAUTHBEARER has these lines.
    fn listener(dir: &Path, lines: &str) -> ListenerConfig {
        let file = dir.join("server.properties");
        let prefix = "listener.name.sasl_plaintext.oauthbearer.";
        let text = format!(
            "listeners=SASL_PLAINTEXT://127.0.0.1:9192\n\
             sasl.enabled.mechanisms=OAUTHBEARER\nbackend.bootstrap.servers=127.0.0.1:9092\n\
             {prefix}sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;\n{lines}"
        );
        std::fs::write(&file, text).unwrap();
        let loaded = config::load(&file, &[], &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
        loaded.config.listeners[0].clone()
    }

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("doorkeeper-explain-token-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn production(url: &str) -> String {
        format!(
            "sasl.oauthbearer.jwks.endpoint.url={url}\nsasl.oauthbearer.expected.issuer={ISSUER}\n\
             sasl.oauthbearer.expected.audience={AUDIENCE}\n"
        )
    }

    #[test]
    fn the_keys_are_those_of_the_configuration() {
        let dir = scratch("file");
        let jwks = dir.join("jwks.json");
        std::fs::write(&jwks, format!(r#"{{"keys":[{}]}}"#, KEYS.jwk("p256", "p256", ""))).unwrap();
        let listener = listener(&dir, &production(&format!("file://{}", jwks.display())));
        let (told, outcome) = explain_token(&listener, &good_token("ES256:p256"), now()).unwrap();
        assert_eq!(outcome, Outcome::Accepted, "{told}");
        assert!(told.to_string().contains("kid \"p256\", EC P-256"), "{told}");
        let (told, outcome) = explain_token(&listener, &good_token("RS256:rsa"), now()).unwrap();
        assert_eq!(outcome, Outcome::Refused, "{told}");
        assert!(told.is_refused && told.to_string().contains("no key has this kid"), "{told}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn without_the_issuer_there_is_no_verdict() {
        let dir = scratch("away");
        // Nobody listens there.
        let listener = listener(&dir, &production("http://127.0.0.1:1/jwks"));
        let (told, outcome) = explain_token(&listener, &good_token("ES256:p256"), now()).unwrap();
        assert_eq!(outcome, Outcome::NotJudged, "{told}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_listener_for_development_takes_what_has_no_signature() {
        let dir = scratch("unsecured");
        let listener = listener(&dir, "");
        let token = KEYS.token(r#"{"alg":"none"}"#, crate::jwt::tests::kit::claims(), "none");
        let (told, outcome) = explain_token(&listener, &token, now()).unwrap();
        assert_eq!(outcome, Outcome::Accepted, "{told}");
        assert!(told.to_string().contains("believes everyone"), "{told}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_token_is_read_without_what_an_editor_adds() {
        assert_eq!(token_in(&b" a.b.c\r\n"[..]).unwrap().as_str(), "a.b.c");
        assert!(token_in(&b" \n"[..]).is_err());
        assert!(token_in(&b"\xff"[..]).is_err());
        assert!(token_in(io::repeat(b'a')).is_err());
    }
}
