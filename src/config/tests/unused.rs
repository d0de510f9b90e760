use super::*;

/// The warnings of a configuration that loads, with the directory of the file cut off.
fn warnings(text: &str) -> Vec<String> {
    let loaded = good(text);
    let cut = |warning: String| match warning.split_once(" (") {
        Some((key, rest)) => format!("{key} ({}", &rest[rest.find("server.properties").unwrap_or(0)..]),
        None => warning,
    };
    loaded.warnings.into_iter().map(cut).collect()
}

#[test]
fn one_warning_per_key_without_effect() {
    let front = "has no effect: a front has no use for this broker key";
    let cases = [
        ("log.dirs=/x", front),
        ("zookeeper.connect=z:2181", front),
        ("controller.quorum.voters=1@h:1", front),
        ("process.roles=broker,controller", front),
        ("node.id=1", front),
        ("num.network.threads=3", front),
        ("offsets.topic.replication.factor=1", front),
        ("queued.max.requests=500", front),
        ("sasl.kerberos.service.name=kafka", front),
        ("no.such.key=hunter2", "supplied but not used"),
        ("Listeners=x", "supplied but not used"),
        ("ssl.keystore.password=hunter2", "has no effect: neither a listener nor the backend has TLS"),
        (
            "backend.ssl.keystore.password=hunter2",
            "has no effect: the security protocol towards the backend has no TLS",
        ),
        (
            "backend.ssl.client.auth=required",
            "supplied but not used: neither a client key of Kafka's nor one of doorkeeper's",
        ),
        (
            "authorizer.class.name=x",
            "has no effect: this version does not authorize; the backend's own rules apply to the login of this front",
        ),
        ("backend.acks=all", "has no effect: a front has no use for this client key"),
        ("backend.sasl.kerberos.service.name=x", "has no effect: a front has no use for this client key"),
        (
            "backend.no.such.key=hunter2",
            "supplied but not used: neither a client key of Kafka's nor one of doorkeeper's",
        ),
        (
            "sasl.jaas.config=hunter2",
            "has no effect without the prefix of a listener and a mechanism: \
             listener.name.<listener>.<mechanism>.sasl.jaas.config",
        ),
        ("plain.sasl.jaas.config=hunter2", "has no effect without a listener's prefix"),
        ("node.id.ranges=0-5", "has no effect without a listener's prefix: listener.name.<listener>.node.id.ranges"),
        (
            "listener.name.nobody.max.connections=1",
            "has no effect: there is no listener of that name (in keys names are lower case)",
        ),
        (
            "listener.name.SASL_PLAINTEXT.max.connections=1",
            "has no effect: there is no listener of that name (in keys names are lower case)",
        ),
        ("listener.name.sasl_plaintext.no.such=1", "supplied but not used"),
        ("listener.name.sasl_plaintext.ssl.client.auth=required", "has no effect: listener SASL_PLAINTEXT has no TLS"),
        (
            "listener.name.sasl_plaintext.sasl.jaas.config=hunter2",
            "has no effect without a mechanism's prefix between the listener's and the key",
        ),
        (
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=hunter2",
            "has no effect: listener SASL_PLAINTEXT has no mechanism of that name enabled",
        ),
        (
            "listener.name.sasl_plaintext.scram-sha-256.connections.max.reauth.ms=5",
            "has no effect: listener SASL_PLAINTEXT has no mechanism of that name enabled",
        ),
        ("plain.connections.max.reauth.ms=5", "supplied but not used"),
        (
            "listener.name.sasl_plaintext.plain.sasl.server.max.receive.size=5",
            "has no effect: sasl.server.max.receive.size cannot be set per mechanism",
        ),
    ];
    for (line, why) in cases {
        let key = line.split_once('=').unwrap().0;
        assert_eq!(warnings(&format!("{line}\n{SASL}")), [format!("{key} (server.properties:1): {why}")]);
    }
}

/// Spec: these apply to the whole broker, and a prefix is ineffective without a word from Kafka.
#[test]
fn a_prefix_that_kafka_ignores_is_warned_of() {
    let keys = [
        "socket.request.max.bytes",
        "socket.send.buffer.bytes",
        "socket.receive.buffer.bytes",
        "socket.listen.backlog.size",
        "connections.max.idle.ms",
        "connection.failed.authentication.delay.ms",
        "max.connections.per.ip",
        "max.connections.per.ip.overrides",
        "queued.max.request.bytes",
    ];
    for key in keys {
        let loaded = good(&format!("{SASL}listener.name.sasl_plaintext.{key}=7"));
        assert_eq!(loaded.warnings.len(), 1, "{key}");
        assert!(loaded.warnings[0].ends_with(&format!("has no effect: {key} cannot be set per listener")), "{key}");
        assert_eq!(loaded.config.socket_request_max_bytes, 104_857_600);
    }
}

#[test]
fn a_listener_without_sasl_has_no_use_for_mechanisms() {
    let key = "listener.name.plaintext.plain.sasl.jaas.config";
    assert_eq!(
        warnings(&format!("{key}=hunter2")),
        [format!("{key} (server.properties:1): has no effect: listener PLAINTEXT has no SASL")]
    );
}

#[test]
fn a_brokers_own_file_loads() {
    let text = "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
                listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
                advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
                controller.listener.names=CONTROLLER\n\
                listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\nnum.io.threads=8\n\
                socket.send.buffer.bytes=102400\nlog.dirs=/tmp/kraft-combined-logs\nlog.retention.hours=168\n\
                group.coordinator.rebalance.protocols=classic,consumer\nshare.coordinator.state.topic.min.isr=1\n";
    let Loaded { config, warnings, .. } = good(text);
    let names: Vec<_> = config.listeners.iter().map(|listener| listener.name.as_str()).collect();
    assert_eq!(names, ["PLAINTEXT"]);
    assert_eq!(warnings.len(), 9, "{warnings:#?}");
    assert!(warnings[0].contains("CONTROLLER is skipped"), "{warnings:?}");
    assert!(
        warnings[1..].iter().all(|warning| warning.ends_with("a front has no use for this broker key")),
        "{warnings:#?}"
    );
}

#[test]
fn a_key_that_does_not_look_like_one_is_not_shown() {
    let loaded = good("hunter2;");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].starts_with("[hidden] ("), "{:?}", loaded.warnings);
}
