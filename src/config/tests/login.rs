use super::*;

const MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
const KEY: &str = "listener.name.sasl_plaintext.plain.sasl.jaas.config";
const LISTENER: &str = "listeners=SASL_PLAINTEXT://127.0.0.1:9192\nsasl.enabled.mechanisms=PLAIN\n";

fn users(loaded: &Loaded) -> Vec<String> {
    let mechanisms = &loaded.config.listeners[0].sasl.as_ref().unwrap().mechanisms;
    let mut users: Vec<_> = mechanisms[0].jaas.modules.iter().flat_map(|m| m.options.keys().cloned()).collect();
    users.sort();
    users
}

#[test]
fn mechanism_names_must_be_well_formed_and_distinct() {
    let sasl = |mechanisms: &str| {
        let text = format!(
            "listeners=SASL_PLAINTEXT://h:9192\nlistener.name.sasl_plaintext.x-1.sasl.jaas.config={MODULE} required;\n\
             listener.name.sasl_plaintext.plain.sasl.jaas.config={MODULE} required;\nsasl.enabled.mechanisms={mechanisms}"
        );
        load_text(&format!("{text}\n{BACKEND}"), &[], &[])
            .map(|loaded| {
                let sasl = loaded.config.listeners[0].sasl.clone().unwrap();
                sasl.mechanisms.into_iter().map(|m| m.name).collect::<Vec<_>>()
            })
            .map_err(|errors| errors.0.into_iter().map(|e| e.problem).collect::<Vec<_>>())
    };
    assert_eq!(sasl("X-1 , PLAIN"), Ok(vec!["X-1".into(), "PLAIN".into()]));
    let name = |shown: &str| {
        Err(vec![format!("'{shown}' is no SASL mechanism name; expected 1 to 20 of A-Z 0-9 - _ (RFC 4422)")])
    };
    assert_eq!(sasl("plain"), name("plain"));
    assert_eq!(sasl("A23456789012345678901"), name("A23456789012345678901"));
    assert_eq!(
        sasl("PLAIN,PLAIN"),
        Err(vec!["Configuration 'sasl.enabled.mechanisms' values must not be duplicated.".into()])
    );
    assert_eq!(sasl("PLAIN,"), Err(vec!["Configuration 'sasl.enabled.mechanisms' values must not be empty.".into()]));
    assert_eq!(sasl(""), Err(vec!["No SASL mechanisms are enabled; expected at least one, for example PLAIN".into()]));
}

#[test]
fn jaas_comes_from_the_key_then_the_listeners_section_then_the_general_one() {
    let general = TempFile::new("jaas.conf", &format!("KafkaServer {{ {MODULE} required user_general=\"x\"; }};"));
    let both = TempFile::new(
        "jaas.conf",
        &format!(
            "KafkaServer {{ {MODULE} required user_general=\"x\"; }};\n\
             sasl_plaintext.KafkaServer {{ {MODULE} required user_own=\"x\"; a.B optional second=\"${{extra}}\"; }};"
        ),
    );
    let by_key = |file: &TempFile| format!("{LISTENER}java.security.auth.login.config={}\n{BACKEND}", file.0.display());
    let opts = |file: &TempFile| format!("-Dextra=y -Djava.security.auth.login.config={}", file.0.display());

    assert_eq!(users(&load_text(&by_key(&general), &[], &[]).unwrap()), ["user_general"]);
    let by_opts = load_text(&format!("{LISTENER}{BACKEND}"), &[], &[("KAFKA_OPTS", &opts(&both))]).unwrap();
    assert_eq!(users(&by_opts), ["second", "user_own"]);
    // The key goes before KAFKA_OPTS, the property before both.
    assert_eq!(users(&load_text(&by_key(&general), &[], &[("KAFKA_OPTS", &opts(&both))]).unwrap()), ["user_general"]);
    let property = format!("{}{KEY}={MODULE} required user_property=\"x\";\n", by_key(&general));
    assert_eq!(users(&load_text(&property, &[], &[]).unwrap()), ["user_property"]);
}

#[test]
fn missing_and_broken_jaas() {
    assert_eq!(
        errors(LISTENER),
        [format!(
            "{KEY}: Could not find a 'KafkaServer' or 'sasl_plaintext.KafkaServer' entry in the JAAS configuration. System \
             property 'java.security.auth.login.config' is not set. Expected that key, or a static JAAS file"
        )]
    );
    let told = errors(&format!("{LISTENER}java.security.auth.login.config=/nowhere/jaas.conf"));
    assert_eq!(told.len(), 1);
    let expected = "java.security.auth.login.config (server.properties:3): /nowhere/jaas.conf cannot be read:";
    assert!(told[0].starts_with(expected), "{told:?}");

    let file = TempFile::new("jaas.conf", "KafkaServer { a.B required password='hunter2'; };");
    let told = errors(&format!("{LISTENER}java.security.auth.login.config={}", file.0.display()));
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("line 1: expected an option value, found a string in single quotes"), "{told:?}");

    let told = errors(&format!("{LISTENER}{KEY}=com.sun.security.auth.module.JndiLoginModule required;"));
    assert!(told[0].contains("JndiLoginModule is not allowed."), "{told:?}");
    let told = errors(&format!("{LISTENER}{KEY}={MODULE} required password=hunter hunter2;"));
    assert_eq!(told, [format!("{KEY} (server.properties:3): Value not specified for key '[hidden]' in JAAS config")]);
}

#[test]
fn a_class_that_would_verify_credentials_is_refused() {
    let key = "listener.name.sasl_plaintext.plain.sasl.server.callback.handler.class";
    assert_eq!(
        errors(&format!("{key}=a.B\n{SASL}")),
        [format!(
            "{key} (server.properties:1): doorkeeper runs no Java classes to verify credentials; expected no such key"
        )]
    );
}

#[test]
fn other_properties_of_a_mechanism_are_resolved_by_precedence() {
    let text = format!(
        "{SASL}sasl.a=1\nsasl.b=1\nsasl.c=1\nlistener.name.sasl_plaintext.sasl.b=2\nlistener.name.sasl_plaintext.sasl.c=2\n\
         listener.name.sasl_plaintext.plain.sasl.c=3 \nlistener.name.sasl_plaintext.plain.own.secret=hunter2\n\
         listener.name.other.plain.sasl.a=9"
    );
    let config = good(&text).config;
    let mechanism = &config.listeners[0].sasl.as_ref().unwrap().mechanisms[0];
    let of = |key: &str| mechanism.properties.get(key).map(String::as_str);
    assert_eq!((of("sasl.a"), of("sasl.b"), of("sasl.c")), (Some("1"), Some("2"), Some("3")));
    assert_eq!(of("own.secret"), Some("hunter2"));
    assert_eq!(of("sasl.jaas.config"), None);
    let debug = format!("{config:?}");
    assert!(debug.contains("own.secret") && !debug.contains("hunter2"), "{debug}");
}

#[test]
fn sessions_are_limited_by_the_longest_prefix() {
    let of = |lines: &str| {
        let config = good(&format!("{SASL}{lines}")).config;
        let mechanism = &config.listeners[0].sasl.as_ref().unwrap().mechanisms[0];
        mechanism.properties.get("connections.max.reauth.ms").cloned()
    };
    let (all, listener, mechanism) = (
        "connections.max.reauth.ms=1\n",
        "listener.name.sasl_plaintext.connections.max.reauth.ms=2\n",
        "listener.name.sasl_plaintext.plain.connections.max.reauth.ms=-3\n",
    );
    assert_eq!(of("").as_deref(), Some("0"));
    assert_eq!(of(all).as_deref(), Some("1"));
    assert_eq!(of(&format!("{listener}{all}")).as_deref(), Some("2"));
    assert_eq!(of(&format!("{mechanism}{listener}{all}")).as_deref(), Some("-3"));
    assert!(good(&format!("{SASL}{mechanism}{listener}{all}")).warnings.is_empty());
    for line in [all, listener, mechanism] {
        let key = line.split_once('=').unwrap().0;
        for value in ["", "1h", "1.5", "9223372036854775808"] {
            let told = errors(&format!("{SASL}{key}={value}"));
            let at = SASL.lines().count() + 1;
            let problem = format!("Invalid value {value} for configuration {key}: Not a number of type LONG");
            assert_eq!(told, [format!("{key} (server.properties:{at}): {problem}")]);
        }
    }
}

#[test]
fn a_value_from_a_provider_is_never_shown() {
    let providers = "config.providers=env\n\
                     config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n";
    let environment = [("SECRET", "hunter2")];
    let keys = [
        "listeners",
        "advertised.listeners",
        "listener.security.protocol.map",
        "max.connections",
        "worker.threads",
        "max.connections.per.ip.overrides",
        "backend.bootstrap.servers",
        "backend.security.protocol",
        "security.inter.broker.protocol",
        "inter.broker.listener.name",
        "principal.builder.class",
        "listener.name.plaintext.node.id.ranges",
        "listener.name.plaintext.node.port.base",
    ];
    for key in keys {
        for value in ["${env:SECRET}", "PLAINTEXT:${env:SECRET}", "PLAINTEXT:PLAINTEXT,${env:SECRET}:9"] {
            let text = format!("{providers}{BACKEND}{key}={value}\n");
            let told = load_text(&text, &[], &environment).unwrap_err().to_string();
            assert!(!told.to_lowercase().contains("hunter2"), "{told}");
        }
    }
    let sasl = format!("{providers}{BACKEND}listeners=SASL_PLAINTEXT://h:9192\nsasl.enabled.mechanisms=");
    let told = load_text(&format!("{sasl}${{env:SECRET}}"), &[], &environment).unwrap_err().to_string();
    assert!(told.contains("'[hidden]' is no SASL mechanism name"), "{told}");

    for jaas in ["a.B ${env:SECRET};", "a.B required user_${env:SECRET};"] {
        let text = format!("{providers}{BACKEND}{LISTENER}{KEY}={jaas}\n");
        let told = load_text(&text, &[], &environment).unwrap_err().to_string();
        assert!(told.contains("[hidden]") && !told.contains("hunter2"), "{told}");
    }
    let text = format!("{providers}{BACKEND}{LISTENER}java.security.auth.login.config=${{env:SECRET}}");
    let told = load_text(&text, &[], &environment).unwrap_err().to_string();
    assert!(told.contains("[hidden] cannot be read"), "{told}");

    // Where it belongs it arrives.
    let text = format!("{providers}{BACKEND}{LISTENER}{KEY}={MODULE} required user_alice=\"${{env:SECRET}}\";");
    let loaded = load_text(&text, &[], &environment).unwrap();
    let module = &loaded.config.listeners[0].sasl.as_ref().unwrap().mechanisms[0].jaas.modules[0];
    assert!(module.options["user_alice"].matches(b"hunter2"));
}
