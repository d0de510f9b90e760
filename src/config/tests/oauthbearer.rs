use std::time::Duration;

use super::*;

const HANDLER: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler";
const PREFIX: &str = "listener.name.sasl_plaintext.oauthbearer.";
const MECHANISM: &str = "sasl.enabled.mechanisms=OAUTHBEARER\n";
const URL: &str = "sasl.oauthbearer.jwks.endpoint.url=https://issuer.example/jwks\n";
const ISSUER: &str = "sasl.oauthbearer.expected.issuer=https://issuer.example\n";
const AUDIENCE: &str = "sasl.oauthbearer.expected.audience=kafka\n";

fn listener(host: &str) -> String {
    format!("listeners=SASL_PLAINTEXT://{host}:9192\nadvertised.listeners=SASL_PLAINTEXT://front:9192\n{MECHANISM}")
}

fn entry(options: &str) -> String {
    format!("{PREFIX}sasl.jaas.config={OAUTHBEARER_LOGIN_MODULE} required {options};\n")
}

fn permission() -> String {
    format!("{PREFIX}sasl.oauthbearer.insecure.unsecured.tokens.allowed=true\n")
}

fn of(loaded: &Loaded) -> OauthbearerConfig {
    let mechanisms = &loaded.config.listeners[0].sasl.as_ref().unwrap().mechanisms;
    mechanisms.iter().find_map(|mechanism| mechanism.oauthbearer.clone()).unwrap()
}

fn issuers(text: &str) -> Vec<TokenIssuer> {
    let loaded = good(text);
    assert_eq!(loaded.warnings, [""; 0], "{text}");
    match of(&loaded) {
        OauthbearerConfig::Issuers(issuers) => issuers,
        OauthbearerConfig::Unsecured(_) => panic!("unsecured: {text}"),
    }
}

/// SEC-11, CVE-2026-110985: every subset of what decides who judges tokens either loads as it must, or is refused by the name of a key
/// that is missing or contradicts.
#[test]
fn every_subset_of_the_options_is_judged() {
    let options: [(&str, String); 9] = [
        ("url", URL.to_owned()),
        ("issuer", ISSUER.to_owned()),
        ("audience", AUDIENCE.to_owned()),
        ("handler", format!("{PREFIX}sasl.server.callback.handler.class={HANDLER}\n")),
        ("permission", permission()),
        ("entry", entry("")),
        ("local", String::new()),
        ("claim", "sasl.oauthbearer.sub.claim.name=azp\n".to_owned()),
        ("waiver", "sasl.oauthbearer.allow.unverified.audience=true\n".to_owned()),
    ];
    let (mut valid, mut refused) = ([0, 0], 0);
    for subset in 0..1_u32 << options.len() {
        let chosen = |name: &str| options.iter().position(|(n, _)| *n == name).is_some_and(|n| subset & (1 << n) != 0);
        let mut text = listener(if chosen("local") { "127.0.0.1" } else { "0.0.0.0" });
        options
            .iter()
            .enumerate()
            .filter(|(n, _)| subset & (1 << n) != 0)
            .for_each(|(_, (_, line))| text.push_str(line));
        let production = chosen("url") || chosen("handler");
        let signed = production
            && !chosen("permission")
            && chosen("url")
            && chosen("issuer")
            && chosen("audience")
            && !chosen("waiver");
        let forgotten = chosen("issuer") || chosen("audience") || chosen("claim");
        let unsecured = !production && chosen("entry") && (chosen("permission") || chosen("local") && !forgotten);
        match load_text(&format!("{text}{BACKEND}"), &[], &[]) {
            Ok(loaded) => {
                let is_unsecured = of(&loaded).is_unsecured();
                assert!(if is_unsecured { unsecured } else { signed }, "{text}");
                assert_eq!(loaded.warnings.iter().any(|warning| warning.contains("INSECURE")), is_unsecured, "{text}");
                valid[usize::from(is_unsecured)] += 1;
            }
            Err(errors) => {
                assert!(!signed && !unsecured, "{text}{errors}");
                assert!(errors.0.iter().all(|error| error.key.contains("oauthbearer")), "{text}{errors}");
                let told = errors.to_string();
                let names = |key: &str| assert!(told.contains(key), "{key} is not named:\n{text}{told}");
                if production && chosen("permission") {
                    names("insecure.unsecured.tokens.allowed");
                } else if production {
                    [("url", "jwks.endpoint.url"), ("issuer", "expected.issuer"), ("audience", "expected.audience")]
                        .iter()
                        .filter(|(option, _)| !chosen(option))
                        .for_each(|(_, key)| names(key));
                    if chosen("waiver") {
                        names("allow.unverified.audience");
                    }
                } else if !chosen("permission") && (forgotten || !chosen("local")) {
                    names("jwks.endpoint.url");
                } else {
                    names("sasl.jaas.config");
                }
                refused += 1;
            }
        }
    }
    assert_eq!(valid[0] + valid[1] + refused, 512);
    // handler, entry, local and claim in any way.
    assert_eq!(valid[0], 16);
    assert!(valid[1] > 0 && refused > valid[0] + valid[1], "{valid:?} {refused}");
}

#[test]
fn a_listener_that_strangers_reach_wants_a_permission() {
    for host in ["", "0.0.0.0", "192.0.2.1", "[::]", "kafka.example", "localhost.example"] {
        let told = errors(&format!("{}{}", listener(host), entry("")));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("sasl.oauthbearer.jwks.endpoint.url: not set: listener SASL_PLAINTEXT would take"),
            "{told:?}"
        );
    }
    for host in ["127.0.0.1", "127.8.9.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        assert!(of(&good(&format!("{}{}", listener(host), entry("")))).is_unsecured(), "{host}");
    }
    // Whoever the proxy lets through is a stranger.
    let proxied = format!(
        "{}{}listener.name.sasl_plaintext.proxy.protocol=required\nlistener.name.sasl_plaintext.proxy.protocol.trusted.addresses=127.0.0.1\n",
        listener("127.0.0.1"),
        entry("")
    );
    if let Err(errors) = load_text(&format!("{proxied}{BACKEND}"), &[], &[]) {
        assert!(errors.to_string().contains("jwks.endpoint.url"), "{errors}");
    } else {
        panic!("loads: {proxied}");
    }
    // Only where it stands alone.
    let unprefixed = "sasl.oauthbearer.insecure.unsecured.tokens.allowed=true\n";
    assert_eq!(errors(&format!("{}{}{unprefixed}", listener("0.0.0.0"), entry(""))).len(), 1);
}

#[test]
fn the_plain_keys_make_one_issuer() {
    let [issuer] = &issuers(&format!("{}{URL}{ISSUER}{AUDIENCE}", listener("0.0.0.0")))[..] else { panic!() };
    assert_eq!(issuer.name, None);
    let rules = crate::jwt::ClaimRules {
        issuer: Some("https://issuer.example".into()),
        audiences: vec!["kafka".into()],
        ..Default::default()
    };
    assert_eq!(issuer.rules, rules);
    let keys = &issuer.keys;
    assert_eq!(keys.url.value, "https://issuer.example/jwks");
    let millis = |duration: Duration| duration.as_millis();
    assert_eq!(
        (millis(keys.refresh), millis(keys.retry_backoff), millis(keys.retry_backoff_max)),
        (3_600_000, 100, 10_000)
    );
    assert_eq!((millis(keys.max_staleness), millis(keys.early_interval), keys.allow_http), (86_400_000, 60_000, false));
    assert!(keys.tls.truststore.is_none() && keys.tls.verify_host_name);
}

#[test]
fn the_longest_prefix_wins_and_an_empty_value_is_none() {
    let text = format!(
        "{}{URL}{ISSUER}{AUDIENCE}sasl.oauthbearer.sub.claim.name=a\nlistener.name.sasl_plaintext.sasl.oauthbearer.sub.claim.name=b\n\
         {PREFIX}sasl.oauthbearer.sub.claim.name=c\nlistener.name.sasl_plaintext.sasl.oauthbearer.scope.claim.name=s\n\
         {PREFIX}sasl.oauthbearer.expected.audience=one , two\nsasl.oauthbearer.groups.claim.name=roles\n\
         {PREFIX}sasl.oauthbearer.groups.claim.name=\n{PREFIX}sasl.oauthbearer.token.types=at+jwt\n",
        listener("0.0.0.0")
    );
    let rules = &issuers(&text)[0].rules;
    assert_eq!((rules.sub_claim.as_str(), rules.scope_claim.as_str(), &rules.groups_claim), ("c", "s", &None));
    assert_eq!(rules.audiences, ["one", "two"]);
    assert!(rules.types.take(Some("at+jwt")) && !rules.types.take(Some("JWT")) && !rules.types.take(None));
    // A listener for development does without the issuer that all others have.
    let text = format!(
        "{}{URL}{}{}{PREFIX}sasl.oauthbearer.jwks.endpoint.url=\n",
        listener("0.0.0.0"),
        entry(""),
        permission()
    );
    assert!(of(&good(&text)).is_unsecured());
}

#[test]
fn several_issuers_have_keys_of_their_own_and_fall_back_to_the_plain_ones() {
    let text = format!(
        "{}{AUDIENCE}sasl.oauthbearer.issuers=corp, partner\nsasl.oauthbearer.sub.claim.name=azp\n\
         sasl.oauthbearer.issuer.corp.expected.issuer=https://corp\nsasl.oauthbearer.issuer.corp.jwks.endpoint.url=file:///corp.json\n\
         {PREFIX}sasl.oauthbearer.issuer.corp.principal.template=corp-${{sub}}\n\
         listener.name.sasl_plaintext.sasl.oauthbearer.issuer.partner.expected.issuer=https://partner\n\
         sasl.oauthbearer.issuer.partner.jwks.endpoint.url=https://partner/jwks\n\
         sasl.oauthbearer.issuer.partner.expected.audience=ours\nsasl.oauthbearer.issuer.partner.clock.skew.seconds=5\n",
        listener("0.0.0.0")
    );
    let [corp, partner] = &issuers(&text)[..] else { panic!() };
    assert_eq!((corp.name.as_deref(), partner.name.as_deref()), (Some("corp"), Some("partner")));
    assert_eq!(
        (corp.rules.issuer.as_deref(), partner.rules.issuer.as_deref()),
        (Some("https://corp"), Some("https://partner"))
    );
    assert_eq!(
        (&corp.rules.audiences[..], &partner.rules.audiences[..]),
        (&["kafka".to_owned()][..], &["ours".to_owned()][..])
    );
    assert_eq!((corp.rules.clock_skew.as_secs(), partner.rules.clock_skew.as_secs()), (30, 5));
    assert!(corp.rules.principal_template.is_some() && partner.rules.principal_template.is_none());
    assert_eq!(partner.rules.sub_claim, "azp");

    let told = errors(&text.replace("https://partner\n", "https://corp\n"));
    assert!(told.iter().any(|t| t.contains("issuers corp and partner have the same expected.issuer")), "{told:?}");
    let told = errors(&format!("{text}sasl.oauthbearer.issuer.corp.expected.audiences=x\n"));
    assert!(told[0].contains("an issuer has no key expected.audiences; expected one of expected.issuer,"), "{told:?}");
    let told = errors(&text.replace("https://partner/jwks", ""));
    assert!(told[0].starts_with("sasl.oauthbearer.issuer.partner.jwks.endpoint.url: not set"), "{told:?}");
    for names in ["corp,corp", "corp,", "corp,a b", "corp,a.b"] {
        assert!(!errors(&text.replace("corp, partner", names)).is_empty(), "{names}");
    }
}

#[test]
fn what_is_not_understood_is_refused_by_its_key() {
    let base = format!("{}{URL}{ISSUER}{AUDIENCE}", listener("0.0.0.0"));
    for (line, problem) in [
        (format!("{PREFIX}sasl.server.callback.handler.class=a.B"), "String must be one of: org.apache.kafka"),
        (
            "sasl.oauthbearer.jwt.validator.class=org.apache.kafka.common.security.oauthbearer.ClientJwtValidator"
                .into(),
            "String must be one of",
        ),
        ("sasl.oauthbearer.allow.unverified.issuer=true".into(), "always verified"),
        ("sasl.oauthbearer.clock.skew.seconds=-1".into(), "Value must be at least 0"),
        ("sasl.oauthbearer.jwks.endpoint.refresh.ms=0".into(), "Value must be at least 1"),
        ("sasl.oauthbearer.jwks.endpoint.max.staleness.ms=3599999".into(), "expected at least the value of"),
        ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms=20000".into(), "expected at least the value of"),
        ("sasl.oauthbearer.principal.template=everyone".into(), "it names no claim"),
        ("sasl.oauthbearer.jwks.endpoint.insecure.http.allowed=maybe".into(), "either true or false"),
        ("sasl.oauthbearer.expected.audience=a,,b".into(), "must not be empty"),
    ] {
        let told = errors(&format!("{base}{line}\n"));
        let key = line.split_once('=').unwrap().0;
        assert!(
            told.iter().all(|t| t.contains("oauthbearer")) && told.iter().any(|t| t.contains(problem)),
            "{key}: {told:?}"
        );
    }
    // A broker's file that has them fetched rarely starts.
    let rarely = issuers(&format!("{base}sasl.oauthbearer.jwks.endpoint.refresh.ms=90000000\n"));
    assert_eq!(rarely[0].keys.max_staleness.as_millis(), 180_000_000);
    // Kafka 4.3 and 4.4 name them.
    for class in ["DefaultJwtValidator", "BrokerJwtValidator"] {
        let class =
            format!("sasl.oauthbearer.jwt.validator.class=org.apache.kafka.common.security.oauthbearer.{class}\n");
        issuers(&format!(
            "{base}{class}sasl.oauthbearer.allow.unverified.issuer=false\n{PREFIX}sasl.server.callback.handler.class={HANDLER}"
        ));
    }
}

#[test]
fn a_list_of_allowed_urls_is_kept_to() {
    let text = format!("{}{URL}{ISSUER}{AUDIENCE}{BACKEND}", listener("0.0.0.0"));
    let with = |list: &str| {
        let opts = format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={list}");
        load_text(&text, &[], &[("KAFKA_OPTS", &opts)]).map(|_| ()).map_err(|errors| errors.to_string())
    };
    assert_eq!(with("https://other,https://issuer.example/jwks"), Ok(()));
    for list in ["", "https://issuer.example", "https://issuer.example/jwks/", "HTTPS://issuer.example/jwks"] {
        let told = with(list).unwrap_err();
        assert!(
            told.contains(
                "The URL cannot be accessed due to restrictions. Update the system property \
                 'org.apache.kafka.sasl.oauthbearer.allowed.urls' to allow the URL to be accessed."
            ),
            "{told}"
        );
    }
}

#[test]
fn options_of_the_validator_for_development() {
    let read = |options: &str| {
        let loaded = good(&format!("{}{}", listener("127.0.0.1"), entry(options)));
        let OauthbearerConfig::Unsecured(rules) = of(&loaded) else { panic!() };
        (rules, loaded.warnings)
    };
    let (rules, warnings) = read("");
    assert_eq!(rules, Default::default());
    assert_eq!(warnings.len(), 1);
    let (rules, _) = read(
        "unsecuredValidatorPrincipalClaimName=\" azp \" unsecuredValidatorScopeClaimName=scp \
         unsecuredValidatorRequiredScope=\" a  b \" unsecuredValidatorAllowableClockSkewMs=\" 3000 \" unsecuredLoginStringClaim_sub=x",
    );
    assert_eq!((rules.principal_claim.as_str(), rules.scope_claim.as_str()), ("azp", "scp"));
    assert_eq!(
        (&rules.required_scope[..], rules.clock_skew),
        (&["a".to_owned(), "b".to_owned()][..], Duration::from_secs(3))
    );
    // A blank one is none.
    assert_eq!(
        read("unsecuredValidatorPrincipalClaimName=\" \" unsecuredValidatorAllowableClockSkewMs=\"\"").0,
        Default::default()
    );

    let warnings = read("unsecuredValidatorRequiredScop=a hunter2=x").1;
    assert!(warnings[0].ends_with("option [hidden] is not known and has no effect"), "{warnings:?}");
    assert!(
        warnings[1].ends_with("option unsecuredValidatorRequiredScop is not known and has no effect"),
        "{warnings:?}"
    );
    for (options, problem) in [
        ("unsecuredValidatorAllowableClockSkewMs=\"-1\"", "must not be negative"),
        ("unsecuredValidatorAllowableClockSkewMs=\"1.5\"", "expected a number"),
        ("unsecuredValidatorAllowableClockSkewMs=\"2147483648\"", "expected a number"),
        ("unsecuredValidatorRequiredScope='a \"b\"'", "expected scopes"),
    ] {
        let told = errors(&format!("{}{}", listener("127.0.0.1"), entry(options)));
        assert!(told.len() == 1 && told[0].contains(problem), "{options}: {told:?}");
    }
}

#[test]
fn the_jaas_entry() {
    let development = listener("127.0.0.1");
    assert!(errors(&development)[0].starts_with(&format!("{PREFIX}sasl.jaas.config: Could not find")));
    let plain = format!("{PREFIX}sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required;");
    assert!(errors(&format!("{development}{plain}"))[0].contains("expected exactly one"));
    // Of a section for several mechanisms it is the one of OAUTHBEARER.
    let file = TempFile::new(
        "jaas.conf",
        &format!(
            "KafkaServer {{ org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";\n\
             {OAUTHBEARER_LOGIN_MODULE} required unsecuredValidatorPrincipalClaimName=\"azp\"; }};"
        ),
    );
    let opts = format!("-Djava.security.auth.login.config={}", file.0.display());
    let loaded = load_text(&format!("{development}{BACKEND}"), &[], &[("KAFKA_OPTS", &opts)]).unwrap();
    let OauthbearerConfig::Unsecured(rules) = of(&loaded) else { panic!() };
    assert_eq!(rules.principal_claim, "azp");

    // Where issuers judge it may be left out; its options say whom TLS trusts.
    let production = format!("{}{URL}{ISSUER}{AUDIENCE}", listener("0.0.0.0"));
    let read = |options: &str| issuers(&format!("{production}{}", entry(options)))[0].keys.tls.clone();
    let tls = read("ssl.truststore.location=\"/ca.pem\" ssl.truststore.type=PEM");
    let Some(TruststoreConfig::File { store_type: StoreType::Pem, location, .. }) = tls.truststore else { panic!() };
    assert_eq!((location.key.as_str(), location.value.to_str()), ("ssl.truststore.location", Some("/ca.pem")));
    assert!(location.origin.contains("sasl.jaas.config"), "{}", location.origin);
    for (options, problem) in [
        ("ssl.truststore.password=hunter2", "SSL trust store is not specified, but trust store password is specified."),
        ("ssl.endpoint.identification.algorithm=\"\"", "expected https"),
        ("ssl.truststore.type=hunter2", "Invalid value [hidden]"),
    ] {
        let told = errors(&format!("{production}{}", entry(options)));
        assert!(told.len() == 1 && told[0].contains(problem) && !told[0].contains("hunter2"), "{options}: {told:?}");
    }
}

#[test]
fn a_reload_may_change_all_of_it() {
    let before =
        format!("{}{URL}{ISSUER}{AUDIENCE}sasl.oauthbearer.issuer.x.expected.issuer=a\n", listener("127.0.0.1"));
    let after = format!(
        "{}{}sasl.oauthbearer.issuer.x.expected.issuer=b\n",
        before.replace("OAUTHBEARER", "PLAIN,OAUTHBEARER").replace("jwks\n", "keys\n"),
        "listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";\n"
    );
    let changes = changes(&good(&before), &good(&after));
    assert_eq!(changes.refused, []);
    assert_eq!(
        changes.keys,
        [
            "listener.name.sasl_plaintext.plain.sasl.jaas.config",
            "sasl.enabled.mechanisms",
            "sasl.oauthbearer.issuer.x.expected.issuer",
            "sasl.oauthbearer.jwks.endpoint.url"
        ]
    );
}
