use super::*;

/// What a reload from one text to the other would do: the keys, and the refusals.
fn compare(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let load = |text: &str| {
        load_text(&format!("{text}\n{BACKEND}"), &[], &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
    };
    let changes = changes(&load(before), &load(after));
    let cut = |origin: &str| origin.rsplit('/').next().unwrap().to_owned();
    let refused = changes.refused.into_iter().map(|e| ConfigError { origin: cut(&e.origin), ..e }.to_string());
    (changes.keys, refused.collect())
}

fn nothing() -> (Vec<String>, Vec<String>) {
    Default::default()
}

#[test]
fn the_same_values_are_no_change_however_they_are_written() {
    assert_eq!(compare(SASL, SASL), nothing());
    let rewritten = format!("# a comment\n{SASL}max.connections : 2147483647  \nshutdown.timeout.ms=30000\n");
    assert_eq!(compare(SASL, &rewritten), nothing());
    assert_eq!(compare(SASL, &format!("{SASL}log.dirs=/tmp\nlistener.name.nobody.ssl.client.auth=none")), nothing());
    assert_eq!(compare(SASL, &format!("{SASL}listener.name.sasl_plaintext.worker.threads=3")), nothing());
}

#[test]
fn keys_that_change_are_named_without_their_values() {
    let after = SASL.replace("alice-secret", "wonderland")
        + "max.connections=7\nlistener.name.sasl_plaintext.max.connections=5";
    let (keys, refused) = compare(SASL, &after);
    assert_eq!(
        keys,
        [
            "listener.name.sasl_plaintext.max.connections",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config",
            "max.connections"
        ]
    );
    assert_eq!(refused, [""; 0]);
    // Taken away, they are changes too.
    assert_eq!(compare(&after, SASL).0, keys);
    let loaded = load_text(&format!("{after}\n{BACKEND}"), &[], &[]).unwrap();
    assert!(!format!("{:?}", loaded.origins).contains("wonderland"));
}

#[test]
fn what_needs_a_restart_refuses_all_and_says_where_it_stands() {
    let (keys, refused) = compare(SASL, &format!("{SASL}max.connections=7\nworker.threads=3\n"));
    assert_eq!(keys, ["max.connections", "worker.threads"]);
    let line = SASL.lines().count() + 2;
    assert_eq!(
        refused,
        [format!(
            "worker.threads (server.properties:{line}): Cannot update these configs dynamically; a restart is needed"
        )]
    );
}

#[test]
fn listeners_come_and_go_with_all_their_keys() {
    let one = "listeners=A://127.0.0.1:9192\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n";
    let two = "listeners=A://127.0.0.1:9192,B://127.0.0.1:9300\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n\
        listener.name.b.node.id.ranges=3-5\nlistener.name.b.node.port.base=9400\nlistener.name.b.max.connections=3\n";
    let expected = [
        "listener.name.b.max.connections",
        "listener.name.b.node.id.ranges",
        "listener.name.b.node.port.base",
        "listeners",
    ];
    for (before, after) in [(one, two), (two, one)] {
        let (keys, refused) = compare(before, after);
        assert_eq!(keys, expected);
        assert_eq!(refused, [""; 0]);
    }
}

#[test]
fn a_listener_that_stays_keeps_its_ports_and_protocol() {
    let text = |listeners: &str, protocol: &str, rest: &str| {
        format!(
            "listeners={listeners}\nlistener.security.protocol.map=A:{protocol},B:PLAINTEXT\n{rest}{}",
            &SASL[SASL.find("sasl").unwrap()..]
        )
        .replace("listener.name.sasl_plaintext", "listener.name.a")
    };
    let before = text("A://127.0.0.1:9192", "PLAINTEXT", "");
    let refused = |listeners: &str, protocol: &str, rest: &str| compare(&before, &text(listeners, protocol, rest)).1;
    let frozen = "Configs cannot be updated dynamically for existing listener A, restart broker or create a new listener for update";
    let a = "A://127.0.0.1:9192";
    assert_eq!(
        refused("A://127.0.0.1:9193", "PLAINTEXT", ""),
        [format!(
            "listeners (server.properties:1): {frozen} (its address is 127.0.0.1:9192, and would be 127.0.0.1:9193)"
        )]
    );
    assert_eq!(
        refused(a, "PLAINTEXT", "advertised.listeners=A://kafka:9192\n"),
        [format!(
            "advertised.listeners (server.properties:3): {frozen} (its address is 127.0.0.1:9192, and would be kafka:9192)"
        )]
    );
    assert_eq!(
        refused(a, "PLAINTEXT", "listener.name.a.node.id.ranges=0-3\n"),
        [format!("listener.name.a.node.id.ranges (server.properties:3): {frozen}")]
    );
    assert_eq!(
        refused(a, "SASL_PLAINTEXT", ""),
        [
            "listener.security.protocol.map (server.properties:2): Security protocol cannot be updated for existing listener A"
        ]
    );
    assert_eq!(refused("A://127.0.0.1:9192,B://127.0.0.1:9300", "PLAINTEXT", ""), [""; 0]);
}

#[test]
fn another_content_of_the_jaas_file_is_a_change() {
    let entry = |password: &str| {
        format!(
            "KafkaServer {{ org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"{password}\"; }};"
        )
    };
    let file = TempFile::new("jaas.conf", &entry("one"));
    let listener = "listeners=SASL_PLAINTEXT://127.0.0.1:9192\nsasl.enabled.mechanisms=PLAIN\n".to_owned() + BACKEND;
    let by_key = format!("{listener}java.security.auth.login.config={}\n", file.0.display());
    let opts = format!("-Djava.security.auth.login.config={}", file.0.display());
    let by_key = || load_text(&by_key, &[], &[]).unwrap();
    let by_environment = || load_text(&listener, &[], &[("KAFKA_OPTS", &opts)]).unwrap();
    let before = (by_key(), by_environment());
    assert_eq!(changes(&before.0, &by_key()), Changes::default());
    std::fs::write(&file.0, entry("two")).unwrap();
    let expected = Changes { keys: vec!["java.security.auth.login.config".into()], refused: Vec::new() };
    assert_eq!(changes(&before.0, &by_key()), expected);
    assert_eq!(changes(&before.1, &by_environment()), expected);
}
