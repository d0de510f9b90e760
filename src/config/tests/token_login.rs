use super::*;

const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
const HANDLER: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
const URL: &str = "backend.sasl.oauthbearer.token.endpoint.url=https://issuer:8443/token\n";

/// The first lines of a configuration that logs in by token.
fn by_token(jaas_options: &str, keys: &str) -> String {
    format!(
        "backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=OAUTHBEARER\n\
         backend.sasl.jaas.config={MODULE} required {jaas_options};\n{keys}"
    )
}

fn login(text: &str) -> TokenLogin {
    match good(text).config.backend.security.sasl {
        Some(BackendLogin::OauthBearer(login)) => TokenLogin::clone(&login),
        other => panic!("{other:?}"),
    }
}

fn endpoint(text: &str) -> TokenEndpoint {
    match login(text).source {
        TokenSource::Endpoint(endpoint) => *endpoint,
        other => panic!("{other:?}"),
    }
}

#[test]
fn client_credentials_from_the_entry_or_from_keys() {
    let entry =
        by_token("clientId=\"front\" clientSecret=\" s3cret \" scope=\"kafka all\" extension_trace=\"a b\"", URL);
    let of_entry = login(&entry);
    assert_eq!(of_entry.extensions, [("trace".to_owned(), "a b".to_owned())]);
    let defaults = TokenRefresh {
        window_factor: 0.8,
        window_jitter: 0.05,
        min_period: std::time::Duration::from_secs(60),
        buffer: std::time::Duration::from_secs(300),
    };
    assert_eq!(of_entry.refresh, defaults);
    let millis = |time: std::time::Duration| time.as_millis();
    let of_entry = endpoint(&entry);
    assert_eq!((of_entry.url.value.as_str(), of_entry.url.origin.ends_with(":4")), ("https://issuer:8443/token", true));
    assert_eq!((of_entry.client_id.as_str(), of_entry.scope.as_deref()), ("front", Some("kafka all")));
    assert!(of_entry.client_secret.matches(b"s3cret") && !of_entry.urlencode_header && !of_entry.allow_http);
    assert_eq!((millis(of_entry.retry_backoff), millis(of_entry.retry_backoff_max)), (100, 10_000));
    assert_eq!((millis(of_entry.connect_timeout), millis(of_entry.read_timeout)), (10_000, 10_000));
    assert!(!format!("{of_entry:?}").contains("s3cret"));

    let keys = "backend.sasl.oauthbearer.client.credentials.client.id=id:2\n\
        backend.sasl.oauthbearer.client.credentials.client.secret=hush\nbackend.sasl.oauthbearer.scope=x\n\
        backend.sasl.oauthbearer.header.urlencode=true\nbackend.sasl.login.connect.timeout.ms=1\n\
        backend.sasl.login.read.timeout.ms=2\nbackend.sasl.login.retry.backoff.ms=3\nbackend.sasl.login.retry.backoff.max.ms=4\n";
    for jaas in ["clientId=\"front\" clientSecret=\"s3cret\" scope=y", ""] {
        let of_keys = endpoint(&by_token(jaas, &format!("{URL}{keys}")));
        assert_eq!((of_keys.client_id.as_str(), of_keys.scope.as_deref()), ("id:2", Some("x")));
        assert!(of_keys.client_secret.matches(b"hush") && of_keys.urlencode_header);
        assert_eq!((millis(of_keys.connect_timeout), millis(of_keys.read_timeout)), (1, 2));
        assert_eq!((millis(of_keys.retry_backoff), millis(of_keys.retry_backoff_max)), (3, 4));
    }
    // Keys say all: no entry is needed then.
    let alone = "backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=OAUTHBEARER\n";
    assert_eq!(endpoint(&format!("{alone}{URL}{keys}")).client_id, "id:2");
    let trust = by_token("clientId=a clientSecret=b ssl.truststore.type=PEM ssl.truststore.location=\"/ca\"", URL);
    assert!(endpoint(&trust).tls.truststore.is_some());
}

#[test]
fn a_file_of_tokens() {
    for url in ["file:/run/token", "file:///run/token", "FILE:/run/token"] {
        let text = by_token("", &format!("backend.sasl.oauthbearer.token.endpoint.url={url}\n"));
        let TokenSource::File(path) = login(&text).source else { panic!("{url}") };
        assert_eq!(path.value.to_str(), Some("/run/token"));
    }
}

#[test]
fn unsecured_tokens_are_warned_of_and_stay_on_this_machine() {
    let text = by_token("unsecuredLoginStringClaim_sub=\"front\" unsecuredLoginExtension_x=\"y\"", "");
    let local = text.clone() + "backend.bootstrap.servers=127.0.0.1:1,[::1]:2,localhost:3\n";
    let loaded = load_text(&local, &[], &[]).unwrap();
    assert!(loaded.warnings.iter().any(|warning| warning.contains("unsecured tokens")), "{:?}", loaded.warnings);
    let Some(BackendLogin::OauthBearer(login)) = loaded.config.backend.security.sasl else { panic!("no login") };
    assert!(matches!(login.source, TokenSource::Unsecured(_)));
    assert_eq!(login.extensions, [("x".to_owned(), "y".to_owned())]);

    assert_eq!(
        errors(&text),
        [
            "backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed: without backend.sasl.oauthbearer.token.endpoint.url tokens are \
             unsecured, which a backend on another machine must not take; expected that key, or \
             backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed=true"
        ]
    );
    let allowed = good(&format!("{text}backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed=true\n"));
    assert!(allowed.warnings.iter().any(|warning| warning.contains("unsecured tokens")));
}

#[test]
fn as_between_brokers_unless_something_of_the_backends_own_is_set() {
    let broker = format!(
        "listeners=SASL_PLAINTEXT://h:9192\nsecurity.inter.broker.protocol=SASL_PLAINTEXT\n\
         sasl.mechanism.inter.broker.protocol=OAUTHBEARER\nlistener.name.sasl_plaintext.sasl.enabled.mechanisms=OAUTHBEARER\n\
         listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config={MODULE} required clientId=broker clientSecret=s;\n\
         listener.name.sasl_plaintext.oauthbearer.sasl.login.callback.handler.class={HANDLER}\n\
         listener.name.sasl_plaintext.oauthbearer.sasl.oauthbearer.insecure.unsecured.tokens.allowed=true\n\
         listener.name.sasl_plaintext.oauthbearer.sasl.oauthbearer.token.endpoint.url=https://own/\n\
         listener.name.sasl_plaintext.sasl.oauthbearer.token.endpoint.url=https://listener/\n\
         sasl.oauthbearer.token.endpoint.url=https://all/\nsasl.oauthbearer.scope=kafka\n\
         listener.name.sasl_plaintext.sasl.login.read.timeout.ms=5\nsasl.login.read.timeout.ms=6\n\
         sasl.login.refresh.window.factor=0.6\n"
    );
    let loaded = good(&broker);
    // Each of them is used.
    let unused = |warning: &&String| warning.contains("no effect") || warning.contains("not used");
    let told: Vec<&String> = loaded.warnings.iter().filter(unused).collect();
    assert!(told.is_empty(), "{told:?}");
    let found = endpoint(&broker);
    assert_eq!((found.url.value.as_str(), found.client_id.as_str()), ("https://own/", "broker"));
    assert_eq!((found.scope.as_deref(), found.read_timeout.as_millis()), (Some("kafka"), 5));
    assert_eq!(login(&broker).refresh.window_factor, 0.6);
    let shorter = broker.replace("listener.name.sasl_plaintext.oauthbearer.sasl.oauthbearer.token", "x");
    assert_eq!(endpoint(&shorter).url.value, "https://listener/");
    // One key of the backend's own beside the others.
    assert_eq!(endpoint(&format!("{broker}backend.sasl.login.read.timeout.ms=7\n")).read_timeout.as_millis(), 7);
    // The broker's secret never goes to a URL of the backend's own.
    let told = errors(&format!("{broker}{URL}"));
    assert!(told[0].starts_with("backend.sasl.oauthbearer.client.credentials.client.id: not set"), "{told:?}");
    assert!(told[1].starts_with("backend.sasl.oauthbearer.client.credentials.client.secret: not set"), "{told:?}");
}

#[test]
fn what_is_wrong_names_the_key_and_shows_no_secret() {
    let entry = "backend.sasl.jaas.config (server.properties:3): ";
    let issued = "clientId=a clientSecret=hunter2";
    let key = |name: &str, value: &str| format!("{URL}backend.sasl.{name}={value}\n");
    let url = |url: &str| format!("backend.sasl.oauthbearer.token.endpoint.url={url}\n");
    let unsecured = "backend.sasl.oauthbearer.insecure.unsecured.tokens.allowed=true\n".to_owned();
    let at_4 = |rest: &str| format!("backend.sasl.oauthbearer.token.endpoint.url (server.properties:4): {rest}");
    let at_5 = |name: &str, rest: &str| format!("backend.sasl.{name} (server.properties:5): {rest}");
    for (options, keys, want) in [
        (issued, url("ftp://issuer/"), at_4("expected a URL that begins with")),
        (issued, url("issuer/token"), at_4("expected a URL that begins with")),
        (issued, url("https:issuer"), at_4("expected a URL that begins with")),
        (issued, url("file:token"), at_4("expected file: and an absolute path")),
        (issued, url("file://host/token"), at_4("expected file: and an absolute path")),
        (
            "clientSecret=hunter2",
            URL.to_owned(),
            "backend.sasl.oauthbearer.client.credentials.client.id: not set".to_owned(),
        ),
        ("clientId=a", URL.to_owned(), "backend.sasl.oauthbearer.client.credentials.client.secret: not set".to_owned()),
        (
            "clientId=a clientSecret=\" \"",
            URL.to_owned(),
            "backend.sasl.oauthbearer.client.credentials.client.secret: not set".to_owned(),
        ),
        (
            "clientId=\"a:b\" clientSecret=hunter2",
            URL.to_owned(),
            "backend.sasl.oauthbearer.header.urlencode: a client id with a colon".to_owned(),
        ),
        (
            "clientId=a clientSecret=hunter2 extension_auth=x",
            URL.to_owned(),
            format!("{entry}option extension_<name>: "),
        ),
        ("clientId=a clientSecret=hunter2 extension_a1=x", URL.to_owned(), format!("{entry}option extension_<name>: ")),
        ("clientId=a clientSecret=hunter2 extension_a=\"\"", URL.to_owned(), format!("{entry}option extension_a: ")),
        (
            "clientId=a clientSecret=hunter2 ssl.truststore.type=ZIP",
            URL.to_owned(),
            "ssl.truststore.type (server.properties:3): Invalid value [hidden]".to_owned(),
        ),
        (
            "clientId=a clientSecret=hunter2 unsecuredLoginStringClaim_sub=a",
            URL.to_owned(),
            format!("{entry}options that begin with unsecuredLogin"),
        ),
        ("", unsecured.clone(), format!("{entry}expected option unsecuredLoginStringClaim_sub")),
        (
            "unsecuredLoginStringClaim_sub=a unsecuredLoginNumberClaim_b=hunter2",
            unsecured,
            format!("{entry}option unsecuredLoginNumberClaim_b: expected a number"),
        ),
        (
            issued,
            key("login.refresh.window.factor", "0.4"),
            at_5(
                "login.refresh.window.factor",
                "Invalid value 0.4 for configuration backend.sasl.login.refresh.window.factor: Value must be at least 0.5",
            ),
        ),
        (
            issued,
            key("login.refresh.window.jitter", "0.3"),
            at_5(
                "login.refresh.window.jitter",
                "Invalid value 0.3 for configuration backend.sasl.login.refresh.window.jitter: Value must be at most 0.25",
            ),
        ),
        (
            issued,
            key("login.refresh.window.jitter", "NaN"),
            at_5(
                "login.refresh.window.jitter",
                "Invalid value NaN for configuration backend.sasl.login.refresh.window.jitter: Not a number of type DOUBLE",
            ),
        ),
        (
            issued,
            key("login.refresh.min.period.seconds", "901"),
            at_5(
                "login.refresh.min.period.seconds",
                "Invalid value 901 for configuration backend.sasl.login.refresh.min.period.seconds: Value must be at most 900",
            ),
        ),
        (issued, key("login.refresh.buffer.seconds", "-1"), at_5("login.refresh.buffer.seconds", "Invalid value -1")),
        (
            issued,
            key("login.retry.backoff.max.ms", "99"),
            at_5(
                "login.retry.backoff.max.ms",
                "expected at least the value of backend.sasl.login.retry.backoff.ms, 100 ms",
            ),
        ),
        (issued, key("oauthbearer.grant.type", "password"), at_5("oauthbearer.grant.type", "Invalid value password")),
        (
            issued,
            key("oauthbearer.jwt.retriever.class", "a.B"),
            at_5("oauthbearer.jwt.retriever.class", "Invalid value a.B"),
        ),
        (issued, key("login.callback.handler.class", "a.B"), at_5("login.callback.handler.class", "Invalid value a.B")),
        (
            issued,
            format!("backend.sasl.login.callback.handler.class={HANDLER}\n"),
            "backend.sasl.oauthbearer.token.endpoint.url: not set, but the class for logins".to_owned(),
        ),
        (
            "unsecuredLoginStringClaim_sub=a",
            key(
                "login.callback.handler.class",
                "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
            ),
            at_4("the class for logins makes unsecured tokens"),
        ),
    ] {
        let told = errors(&by_token(options, &keys));
        assert!(told[0].starts_with(&want), "{options} {keys}{told:?}");
        assert!(!told.iter().any(|line| line.contains("hunter2")), "{told:?}");
    }
    let plain = "backend.security.protocol=SASL_PLAINTEXT\nbackend.sasl.mechanism=PLAIN\n\
        backend.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=a password=b;\n";
    let told = errors(&format!("{plain}backend.sasl.login.callback.handler.class={HANDLER}\n"));
    assert!(
        told[0].ends_with("this version runs no Java classes to log in to the backend; expected no such key"),
        "{told:?}"
    );
    let told = errors(&by_token("", URL).replace("OAuthBearerLoginModule", "Other"));
    assert_eq!(told, [format!("{entry}expected exactly one {MODULE}, found 0")]);
}
