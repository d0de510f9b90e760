//! `doorkeeper explain-token` and the keys of a real issuer.

use std::fs;

use libtest_mimic::Trial;
use proto_tests::issuer::{self, ALICE, AUDIENCE, Issuer, STRANGER};
use proto_tests::process::Output;
use proto_tests::programs::file;
use proto_tests::{Context, Result, check, check_eq, front, jose};

use crate::free;

pub fn trials() -> Vec<Trial> {
    vec![free("configuration::explain_token", explain_token)]
}

fn config(issuer: &Issuer, keys: &str) -> String {
    format!(
        "listeners=TOKENS://127.0.0.1:9192,OPEN://127.0.0.1:9292\n\
         listener.security.protocol.map=TOKENS:SASL_PLAINTEXT,OPEN:PLAINTEXT\n\
         backend.bootstrap.servers=127.0.0.1:9\nsasl.enabled.mechanisms=OAUTHBEARER\n\
         sasl.oauthbearer.jwks.endpoint.url={keys}\nsasl.oauthbearer.expected.issuer={}\n\
         sasl.oauthbearer.expected.audience={AUDIENCE}\n",
        issuer.url()
    )
}

fn explain_token() -> Result<()> {
    let issuer = issuer::shared()?;
    let good = file("explain-token.properties", &config(issuer, &issuer.jwks_url()))?;
    // Nobody is there.
    let away = file("explain-token-away.properties", &config(issuer, "http://127.0.0.1:9/jwks"))?;
    let token_file = file("token.jwt", "")?;
    let explain = |token: &str, listener: &str, config: &std::path::Path| -> Result<Output> {
        fs::write(&token_file, format!("{token}\n")).context("write a token")?;
        let text = |path: &std::path::Path| path.display().to_string();
        let (token_file, config) = (text(&token_file), text(config));
        let said = front::command(&["explain-token", &token_file, "--listener", listener, "--config", &config])?;
        // A word of three parts and two dots: some part of it would be in what is printed.
        for part in token.split('.').filter(|part| part.len() > 20) {
            check!(
                !said.stdout.contains(part) && !said.stderr.contains(part),
                "a part of the token is printed: {said:?}"
            );
        }
        Ok(said)
    };

    let alice = issuer.grant(ALICE)?;
    let said = explain(&alice, "tokens", &good)?;
    check_eq!(said.code, Some(0), "{said:?}");
    for line in ["header     alg = \"RS256\"", "signature  fits\n", "principal  User:", "verdict    accepted: User:"] {
        check!(said.stdout.contains(line), "{line}: {said:?}");
    }

    let said = explain(&issuer.grant(STRANGER)?, "TOKENS", &good)?;
    check_eq!(said.code, Some(3), "{said:?}");
    check!(said.stdout.contains("audience   refused: "), "{said:?}");

    let said = explain(&jose::unsecured(&issuer.claims("alice")), "TOKENS", &good)?;
    check_eq!(said.code, Some(3), "{said:?}");
    check!(said.stdout.contains("verdict    refused: the algorithm is not taken"), "{said:?}");

    let said = explain(&alice, "TOKENS", &away)?;
    check_eq!(said.code, Some(1), "{said:?}");
    check!(said.stdout.contains("verdict    cannot be judged"), "{said:?}");

    for (listener, why) in [("OPEN", "it takes no tokens"), ("OTHER", "no listener OTHER")] {
        let said = explain(&alice, listener, &good)?;
        check!(said.code == Some(1) && said.stderr.contains(why), "{listener}: {said:?}");
    }
    Ok(())
}
