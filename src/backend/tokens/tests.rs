use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::config::{ClaimValue, Located, TokenRefresh, UnsecuredToken};

fn login(source: TokenSource) -> Arc<TokenLogin> {
    let refresh =
        TokenRefresh { window_factor: 0.8, window_jitter: 0.0, min_period: Duration::ZERO, buffer: Duration::ZERO };
    Arc::new(TokenLogin { source, extensions: Vec::new(), refresh, between_brokers: None })
}

fn security(source: TokenSource) -> BackendSecurity {
    BackendSecurity { tls: None, sasl: Some(BackendLogin::OauthBearer(login(source))) }
}

fn unsecured(seconds: u64) -> TokenSource {
    let claims = vec![("sub".to_owned(), ClaimValue::Text("front".to_owned()))];
    TokenSource::Unsecured(UnsecuredToken { lifetime: Duration::from_secs(seconds), claims })
}

/// A file with a token that is deleted with the value.
struct TokenFile(std::path::PathBuf);

impl TokenFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("doorkeeper-token-{}-{name}", std::process::id())))
    }

    /// Puts another file in its place, as who rotates tokens does.
    fn put(&self, content: &str) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, &self.0).unwrap();
    }

    fn source(&self) -> TokenSource {
        let (key, origin) = (String::new(), String::new());
        TokenSource::File(Located { value: self.0.clone(), key, origin, hidden: false })
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn jwt(subject: &str, seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub":"{subject}","iat":{now},"exp":{}}}"#, now + seconds);
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

fn text(token: &Token) -> &str {
    std::str::from_utf8(token.value().expose()).unwrap()
}

fn judged(value: &str, lifetime: Option<u64>) -> Result<Token, String> {
    let obtained = Obtained { value: Secret::new(value), lifetime: lifetime.map(Duration::from_secs) };
    judge(obtained, &login(unsecured(1))).map_err(|error| error.to_string())
}

#[test]
fn a_token_must_be_one_and_say_its_end() {
    assert!(judged(&jwt("a", 60), None).is_ok());
    assert!(judged("opaque-_~+/.==", Some(60)).is_ok());
    for bad in ["", "a b", "a\u{1}auth=Bearer b", "a=b", "==", "ü", "a\n"] {
        let told = judged(bad, Some(60)).unwrap_err();
        assert!(told.contains("there is no token"), "{bad:?}: {told}");
    }
    assert!(judged(&"a".repeat(MAX_TOKEN + 1), Some(60)).unwrap_err().contains("64 KiB"));
    assert!(judged("opaque", None).unwrap_err().contains("nobody says when"));
    assert!(judged(&jwt("a", 0), Some(60)).unwrap_err().contains("over already"));
    assert!(judged("opaque", Some(0)).unwrap_err().contains("over already"));
    assert!(judged("opaque", Some(u64::MAX)).is_err());
}

#[tokio::test]
async fn all_logins_share_one_token_until_it_is_replaced() {
    let tokens = Arc::new(Tokens::new(&security(unsecured(2))));
    let (stop, keeper) = (CancellationToken::new(), tokens.clone());
    let until = stop.clone();
    let running = tokio::spawn(async move { keeper.run(&until).await });
    let limit = Duration::from_secs(30);
    let first = tokens.get(limit).await.unwrap();
    assert!(Arc::ptr_eq(&first, &tokens.get(limit).await.unwrap()));
    // After four fifths of two seconds, so that no login ever waits.
    while Arc::ptr_eq(&first, &tokens.get(limit).await.unwrap()) {
        assert!(!first.is_over(), "it was not replaced in time");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(tokens.counts().0 >= 2 && tokens.counts().1 == 0);
    assert!(tokens.expires().is_some());
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let file = TokenFile::new("rotated");
    file.put(&format!(" {}\n", jwt("one", 600)));
    let tokens = Arc::new(Tokens::new(&security(file.source())));
    let (stop, keeper) = (CancellationToken::new(), tokens.clone());
    let until = stop.clone();
    let running = tokio::spawn(async move { keeper.run(&until).await });
    let limit = Duration::from_secs(30);
    let one = tokens.get(limit).await.unwrap();
    // A bad one does not replace a good one.
    file.put("not a token");
    while tokens.counts().1 == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(Arc::ptr_eq(&one, &tokens.get(limit).await.unwrap()));
    let two = jwt("two", 600);
    file.put(&two);
    while text(&tokens.get(limit).await.unwrap()) != two {
        sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn without_a_token_a_login_hears_why() {
    let file = TokenFile::new("missing");
    let tokens = Arc::new(Tokens::new(&security(file.source())));
    // Nobody keeps it: the wait is bounded.
    let late = tokens.get(Duration::from_millis(10)).await.unwrap_err();
    assert!(matches!(late, NoToken::Late));
    let (stop, keeper) = (CancellationToken::new(), tokens.clone());
    let until = stop.clone();
    let running = tokio::spawn(async move { keeper.run(&until).await });
    let limit = Duration::from_secs(30);
    let error = tokens.get(limit).await.unwrap_err().to_string();
    assert!(error.starts_with("the file ") && error.contains("cannot be read"), "{error}");
    // A login that waits has the next round come soon.
    file.put(&jwt("late", 600));
    let token = loop {
        if let Ok(token) = tokens.get(limit).await {
            break token;
        }
    };
    assert!(text(&token).starts_with("e30."));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn another_login_takes_over_what_was_tried_with_it() {
    let before = security(unsecured(600));
    let tokens = Tokens::new(&before);
    let old = tokens.obtain().await.unwrap().unwrap();
    let after = security(unsecured(601));
    let trial = Tokens::new(&after).obtain().await.unwrap();
    tokens.reconfigure(&after, trial.clone());
    assert!(Arc::ptr_eq(&trial.unwrap(), &tokens.get(Duration::ZERO).await.unwrap()));
    // What was tried for yet another one does not count.
    tokens.reconfigure(&before, Tokens::new(&security(unsecured(5))).obtain().await.unwrap());
    assert!(!Arc::ptr_eq(&old, &tokens.get(Duration::ZERO).await.unwrap()));
    assert!(Tokens::new(&BackendSecurity::default()).obtain().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_broker_refuses_is_replaced_but_not_at_each_refusal() {
    let tokens = Tokens::new(&security(unsecured(3600)));
    let token = tokens.obtain().await.unwrap().unwrap();
    tokens.refused(&token);
    assert!(!tokens.wants_another());
    sleep(REFUSED_AGE).await;
    tokens.refused(&token);
    assert!(tokens.wants_another());
    let next = tokens.obtain().await.unwrap().unwrap();
    assert!(!tokens.wants_another());
    // An old one's refusal says nothing of the new one.
    sleep(REFUSED_AGE).await;
    tokens.refused(&token);
    assert!(!tokens.wants_another());
    drop(next);
}
