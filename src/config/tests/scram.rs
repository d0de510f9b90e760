use super::*;

const LISTENER: &str = "listeners=SASL_PLAINTEXT://127.0.0.1:9192\nstore.dir=/store\n\
    sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512\n";
const MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
const JAAS: &str = "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config";

fn modules(loaded: &Loaded) -> Vec<(String, usize)> {
    let mechanisms = &loaded.config.listeners[0].sasl.as_ref().unwrap().mechanisms;
    mechanisms.iter().map(|mechanism| (mechanism.name.clone(), mechanism.jaas.modules.len())).collect()
}

#[test]
fn scram_needs_no_jaas_entry_and_takes_one() {
    let of = |first| vec![("SCRAM-SHA-256".to_owned(), first), ("SCRAM-SHA-512".to_owned(), 0)];
    let loaded = good(LISTENER);
    assert_eq!((modules(&loaded), &loaded.warnings[..]), (of(0), &[][..]));
    let loaded = good(&format!("{LISTENER}{JAAS}={MODULE} required username=admin password=\"x\";"));
    assert_eq!((modules(&loaded), &loaded.warnings[..]), (of(1), &[][..]));
}

#[test]
fn a_jaas_entry_that_would_mislead_is_refused_or_warned_of() {
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let told = errors(&format!("{LISTENER}{JAAS}={plain} required user_alice=\"hunter2\";"));
    assert_eq!(
        told,
        [format!("{JAAS} (server.properties:4): expected a {MODULE}, or no such key: users are in the store")]
    );
    assert_eq!(errors(&format!("{LISTENER}{JAAS}={MODULE} required")).len(), 1);
    let loaded = good(&format!("{LISTENER}{JAAS}={MODULE} required user_alice=\"hunter2\";"));
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("define no user of SCRAM"), "{:?}", loaded.warnings);
    assert!(!loaded.warnings[0].contains("hunter2"));
}

#[test]
fn plain_still_needs_its_entry() {
    let text =
        "listeners=SASL_PLAINTEXT://127.0.0.1:9192\nstore.dir=/store\nsasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256\n";
    let told = errors(text);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("listener.name.sasl_plaintext.plain.sasl.jaas.config: Could not find"), "{told:?}");
}

#[test]
fn keys_of_unknown_users() {
    let key = "sasl.scram.unknown.user.key";
    let count = "sasl.scram.unknown.user.iterations";
    let of = |text: &str| {
        let loaded = good(&format!("{LISTENER}{text}"));
        let properties = loaded.config.listeners[0].sasl.as_ref().unwrap().mechanisms[0].properties.clone();
        let warnings = loaded.warnings.len();
        (properties.get(key).cloned(), properties.get(count).cloned(), warnings)
    };
    let long = "0123456789abcdef0123456789abcdef";
    let prefix = "listener.name.sasl_plaintext.";
    assert_eq!(of(""), (None, Some("4096".into()), 0));
    assert_eq!(of(&format!("{key}={long}\n{count}=16384")), (Some(long.into()), Some("16384".into()), 0));
    assert_eq!(of(&format!("{prefix}{count}=8192\n{count}=16384")), (None, Some("8192".into()), 0));
    // A listener's keys, not a mechanism's; that they have no effect there is said.
    assert_eq!(of(&format!("{prefix}scram-sha-256.{count}=8192")), (None, Some("4096".into()), 1));

    let told = errors(&format!("{LISTENER}{key}=hunter2"));
    // Once, not for each mechanism.
    assert_eq!(
        told,
        [format!(
            "{key} (server.properties:4): expected at least 32 characters, for example of `openssl rand -base64 32`"
        )]
    );
    for (value, problem) in [
        ("4095", "Value must be at least 4096"),
        ("16385", "Value must be at most 16384"),
        ("many", "Not a number of type INT"),
    ] {
        let invalid = format!("Invalid value {value} for configuration {count}: {problem}");
        assert_eq!(
            errors(&format!("{LISTENER}{count}={value}")),
            [format!("{count} (server.properties:4): {invalid}")]
        );
    }
}
