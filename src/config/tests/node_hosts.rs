//! `node.host.pattern`.

use super::*;

const STORE: &str = "ssl.keystore.location=/k\nssl.keystore.password=hunter2\n";
const ONE: &str = "listeners=SSL://:9192\nadvertised.listeners=SSL://kafka.example.com:9092\n";
const PATTERN: &str = "listener.name.ssl.node.host.pattern=Broker-$(nodeId).kafka.example.com\n";

#[test]
fn a_listener_whose_nodes_have_names() {
    let all_ids = "listener.name.ssl.node.id.ranges=0-2147483647\n";
    let Loaded { config, warnings, .. } = good(&format!("{ONE}{PATTERN}{STORE}{all_ids}"));
    assert_eq!(warnings, [""; 0]);
    let listener = &config.listeners[0];
    let pattern = listener.node_host_pattern.as_ref().unwrap();
    assert_eq!(pattern.host(7), "broker-7.kafka.example.com");
    assert_eq!((listener.node_port_base, listener.node_id_ranges.contains(i32::MAX)), (0, true));
    // The last port there is, a neighbour's next port, and a free port: no node's port is in the way.
    good(&format!("{}{PATTERN}{STORE}", ONE.replace("9192", "65535")));
    good(&format!("{}{PATTERN}{STORE}", ONE.replace("9192", "0").replace("9092", "0")));
    good(&format!(
        "listeners=SSL://:9192,PLAINTEXT://h:9193\nadvertised.listeners=SSL://kafka.example.com:9092,PLAINTEXT://h:9193\n\
         {PATTERN}{STORE}"
    ));
    good(&format!("{ONE}{STORE}")).config.listeners.iter().for_each(|l| assert!(l.node_host_pattern.is_none()));
}

#[test]
fn faults_of_the_pattern() {
    let key = "listener.name.ssl.node.host.pattern";
    let origin = "server.properties:3";
    let invalid = |value: &str, problem: &str| {
        format!("{key} ({origin}): Invalid value {value} for configuration {key}: {problem}")
    };
    let good_value = "Broker-$(nodeId).kafka.example.com";
    for (bootstrap, value, expected) in [
        ("kafka.example.com", "broker.kafka.example.com", "expected $(nodeId) in it"),
        ("kafka.example.com", "b_$(nodeId).kafka.example.com", "node 31 would have a name that is no DNS name"),
        (
            "BROKER-12.kafka.example.com",
            good_value,
            "the bootstrap name in advertised.listeners, BROKER-12.kafka.example.com, is the name of a node too",
        ),
        (
            "broker-007.kafka.example.com",
            good_value,
            "the bootstrap name in advertised.listeners, broker-007.kafka.example.com, is the name of a node too",
        ),
        (
            "kafka",
            good_value,
            "the bootstrap name in advertised.listeners, kafka, has no dot, so that clients do not send it; expected a DNS name \
             with a dot",
        ),
        (
            "10.0.0.1",
            good_value,
            "the bootstrap name in advertised.listeners, 10.0.0.1, ends like an IP address; expected a DNS name with a dot",
        ),
        (
            "[::1]",
            good_value,
            "the bootstrap name in advertised.listeners, ::1, is no DNS name; expected a DNS name with a dot",
        ),
        (
            "",
            good_value,
            "the bootstrap name in advertised.listeners, this machine's name, is no DNS name; expected a DNS name with a dot",
        ),
    ] {
        let text =
            format!("listeners=SSL://:9192\nadvertised.listeners=SSL://{bootstrap}:9092\n{key}={value}\n{STORE}");
        assert_eq!(errors(&text), [invalid(value, expected)], "{bootstrap} {value}");
    }
    assert_eq!(
        errors(&format!("{ONE}{PATTERN}{STORE}listener.name.ssl.node.port.base=9300\n")),
        [
            "listener.name.ssl.node.port.base (server.properties:6): listener SSL has listener.name.ssl.node.host.pattern, so its \
          nodes have no ports of their own; expected only one of the two"
        ]
    );
    assert_eq!(
        errors(
            "listeners=PLAINTEXT://h.example:9192\nlistener.name.plaintext.node.host.pattern=b-$(nodeId).h.example\n"
        ),
        ["listener.name.plaintext.node.host.pattern (server.properties:2): Invalid value b-$(nodeId).h.example for \
          configuration listener.name.plaintext.node.host.pattern: listener PLAINTEXT has security protocol PLAINTEXT, whose \
          clients send no server name; expected SSL or SASL_SSL"]
    );
}

#[test]
fn what_two_listeners_may_not_share() {
    let two = "listener.security.protocol.map=A:SSL,B:SSL\nlistener.name.a.node.host.pattern=a-$(nodeId).example.com\n\
               listener.name.b.node.host.pattern=b-$(nodeId).example.com\n";
    let advertised = "advertised.listeners=A://a.example.com:443,B://b.example.com:443\n";
    let told = errors(&format!("{two}{advertised}{STORE}listeners=A://h:9192,B://i:9192\n"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("Each listener must have a different port, listeners: [A://h:9192, B://i:9192]"),
        "{told:?}"
    );
    good(&format!("{two}{advertised}{STORE}listeners=A://h:9192,B://i:9193\n"));
    // A node's port of one may not be the only port of the other.
    let one = two.replace("listener.name.a.node.host.pattern=a-$(nodeId).example.com\n", "");
    let told = errors(
        &format!("{one}{advertised}{STORE}listeners=A://h:9192,B://i:9200\n").replace("a.example.com:443", "h:9192"),
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("the node ports 9193 to 9224 of listener A and port 9200 of listener B collide"),
        "{told:?}"
    );
}

#[test]
fn a_pattern_without_prefix_is_warned_of() {
    let Loaded { warnings, .. } = good("node.host.pattern=b-$(nodeId).example.com\nlisteners=PLAINTEXT://h:9192\n");
    assert!(warnings[0].contains("has no effect without a listener's prefix"), "{warnings:?}");
}
