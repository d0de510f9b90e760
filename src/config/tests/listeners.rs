use std::net::IpAddr;

use super::*;

/// The only error of each text.
fn assert_only_error(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(errors(text), [expected.to_string()], "{text}");
    }
}

fn address(host: &str, port: u16) -> HostPort {
    HostPort { host: host.into(), port }
}

#[test]
fn kafkas_listener_rules_with_kafkas_texts() {
    assert_only_error(&[
        (
            "listeners=PLAINTEXT:/127.0.0.1:9192",
            "listeners (server.properties:1): Error creating broker listeners from '[PLAINTEXT:/127.0.0.1:9192]': Unable to \
             parse PLAINTEXT:/127.0.0.1:9192 to a broker endpoint; expected NAME://host:port, port 0 to 65535",
        ),
        (
            "listeners=A://h:1",
            "listeners (server.properties:1): Error creating broker listeners from '[A://h:1]': No security protocol defined \
             for listener A",
        ),
        (
            "listeners=PLAINTEXT://h:1000, plaintext://h:2000",
            "listeners (server.properties:1): Error creating broker listeners from '[PLAINTEXT://h:1000, \
             plaintext://h:2000]': Each listener must have a different name, listeners: [PLAINTEXT://h:1000, \
             plaintext://h:2000]",
        ),
        (
            "listeners=PLAINTEXT://h:1000,PLAINTEXT://h:1000",
            "listeners (server.properties:1): Configuration 'listeners' values must not be duplicated.",
        ),
        (
            "listeners=PLAINTEXT://h:1000,",
            "listeners (server.properties:1): Configuration 'listeners' values must not be empty.",
        ),
        (
            "listeners= ",
            "listeners (server.properties:1): Configuration 'listeners' must not be empty. Valid values include: any \
             non-empty value",
        ),
        (
            "listeners=PLAINTEXT://0.0.0.0:9192",
            "listeners (server.properties:1): advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a \
             routable IP address. (listener PLAINTEXT)",
        ),
        (
            "listeners=PLAINTEXT://h:9192\nadvertised.listeners=PLAINTEXT://0.0.0.0:9192",
            "advertised.listeners (server.properties:2): advertised.listeners cannot use the nonroutable meta-address \
             0.0.0.0. Use a routable IP address. (listener PLAINTEXT)",
        ),
        (
            "listeners=PLAINTEXT://h:9192\nadvertised.listeners=SSL://h:9192,PLAINTEXT://h:1",
            "advertised.listeners (server.properties:2): advertised.listeners listener names must be equal to or a subset of \
             the ones defined in listeners. Found SSL,PLAINTEXT. The valid options based on the current configuration are \
             PLAINTEXT",
        ),
        (
            "listeners=C://h:9192\ncontroller.listener.names=C",
            "listeners (server.properties:1): There must be at least one broker advertised listener.",
        ),
        (
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,A:TLS",
            "listener.security.protocol.map (server.properties:1): Invalid security protocol `TLS` defined in \
             listener.security.protocol.map; expected PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        ),
        (
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,A",
            "listener.security.protocol.map (server.properties:1): Error parsing configuration property \
             'listener.security.protocol.map': expected NAME:PROTOCOL",
        ),
        (
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,plaintext:PLAINTEXT",
            "listener.security.protocol.map (server.properties:1): Error parsing configuration property \
             'listener.security.protocol.map': PLAINTEXT is given twice",
        ),
    ]);
    for bad in ["-1", "65536", "+9", "", "9a"] {
        assert!(errors(&format!("listeners=PLAINTEXT://h:{bad}"))[0].contains("Unable to parse"), "{bad}");
    }
}

#[test]
fn two_listeners_share_a_port_only_as_ipv4_and_ipv6() {
    let map = "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT\n\
               listener.name.b.node.port.base=9500\nlistener.name.c.node.port.base=9600\n";
    let cause = |listeners: &str| {
        let all = errors(&format!("{map}listeners={listeners}"));
        all.into_iter().find_map(|e| e.split_once("]': ").map(|(_, cause)| cause.to_owned())).unwrap()
    };
    assert_eq!(
        cause("A://h:9192,B://i:9192"),
        "Each listener must have a different port, listeners: [A://h:9192, B://i:9192]"
    );
    assert_eq!(
        cause("A://127.0.0.1:9192,B://127.0.0.2:9192"),
        "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: \
         [A://127.0.0.1:9192, B://127.0.0.2:9192], port: 9192"
    );
    assert_eq!(
        cause("A://127.0.0.1:9192,B://[::1]:9192,C://h:9192"),
        "Each listener must have a different port unless exactly one listener has an IPv4 address and the other IPv6 \
         address, listeners: [A://127.0.0.1:9192, B://[::1]:9192, C://h:9192], port: 9192"
    );
    let loaded = good(&format!("{map}listeners=A://127.0.0.1:9192,B://[::1]:9192"));
    let binds: Vec<_> = loaded.config.listeners.iter().map(|l| l.bind.clone()).collect();
    assert_eq!(binds, [address("127.0.0.1", 9192), address("::1", 9192)]);
}

#[test]
fn advertised_addresses() {
    let listener = |text: &str| good(text).config.listeners.remove(0);
    let port_zero = listener("listeners=PLAINTEXT://127.0.0.1:0");
    assert_eq!((port_zero.bind.port, port_zero.node_port_base), (0, 0));

    let shifted = listener("listeners=PLAINTEXT://:9192\nadvertised.listeners=plaintext://[2001:db8::1]:19192");
    assert_eq!(shifted.bind, address("", 9192));
    assert_eq!(shifted.advertised, address("2001:db8::1", 19192));
    assert_eq!(shifted.node_port_base, 9193);

    let here = listener("listeners=PLAINTEXT://:9192").advertised;
    assert_eq!(here.host.as_bytes(), rustix::system::uname().nodename().to_bytes());
    assert!(!here.host.is_empty());

    let Loaded { config, warnings, .. } = good(
        "listeners=PLAINTEXT://h:9192,B://h:9300\nadvertised.listeners=PLAINTEXT://x:1000\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT",
    );
    assert_eq!(config.listeners[1].advertised, address("h", 9300));
    assert!(warnings[0].contains("B is not in advertised.listeners"), "{warnings:?}");
}

#[test]
fn node_ids_and_their_ports() {
    let base = "listeners=PLAINTEXT://h:9192\nlistener.name.plaintext.node.id.ranges=";
    let listener =
        good(&format!("{base}1, 100-102 ,7-7\nlistener.name.plaintext.node.port.base=9200")).config.listeners.remove(0);
    assert_eq!(listener.node_id_ranges, NodeIdRanges(vec![1..=1, 100..=102, 7..=7]));
    assert_eq!(listener.node_port_base, 9200);
    let ports: Vec<_> = listener.node_id_ranges.iter().collect();
    assert_eq!(ports, [(1, 0), (100, 1), (101, 2), (102, 3), (7, 4)]);

    let key = "listener.name.plaintext.node.id.ranges";
    let ids = "expected node ids or ranges first-last, each 0 to 2147483647";
    let bad = [
        ("5-3", "range 5-3 ends before it starts"),
        ("-1", ids),
        ("-3-5", ids),
        ("1-2-3", ids),
        ("a", ids),
        ("1,,2", ids),
        ("+1", ids),
        ("2147483648", ids),
        ("0-10,5-6", "ranges 0-10 and 5-6 overlap"),
        ("3,3", "ranges 3-3 and 3-3 overlap"),
        ("", "expected at least one node id"),
    ];
    for (value, problem) in bad {
        let expected = format!("{key} (server.properties:2): Invalid value {value} for configuration {key}: {problem}");
        assert_eq!(errors(&format!("{base}{value}")), [expected]);
    }
}

#[test]
fn node_ports_must_fit_and_not_collide() {
    assert_only_error(&[
        (
            "listeners=PLAINTEXT://h:65530",
            "listener.name.plaintext.node.port.base: the 32 node ids of listener.name.plaintext.node.id.ranges would take \
             ports 65531 to 65562; expected at most 65535",
        ),
        (
            "listeners=PLAINTEXT://h:9192\nlistener.name.plaintext.node.id.ranges=0-2147483647",
            "listener.name.plaintext.node.port.base: the 2147483648 node ids of listener.name.plaintext.node.id.ranges would \
             take ports 9193 to 2147492840; expected at most 65535",
        ),
        (
            "listeners=PLAINTEXT://h:9192\nadvertised.listeners=PLAINTEXT://h:65530",
            "listener.name.plaintext.node.port.base: advertised.listeners shifts the node ports to 65531 to 65562; expected \
             1 to 65535",
        ),
        (
            "listeners=PLAINTEXT://h:0\nlistener.name.plaintext.node.id.ranges=0-65534",
            "listener.name.plaintext.node.port.base: listener PLAINTEXT would need more ports than there are; expected at \
             most 65534 node ids",
        ),
        (
            "listeners=PLAINTEXT://h:0\nadvertised.listeners=PLAINTEXT://h:9192",
            "advertised.listeners (server.properties:2): listener PLAINTEXT is bound to port 0 but tells port 9192; expected \
             both or neither to be 0",
        ),
        (
            "listeners=PLAINTEXT://h:9192\nadvertised.listeners=PLAINTEXT://h:0",
            "advertised.listeners (server.properties:2): listener PLAINTEXT is bound to port 9192 but tells port 0; expected \
             both or neither to be 0",
        ),
        (
            "listeners=PLAINTEXT://h:9192\nlistener.name.plaintext.node.port.base=0",
            "listener.name.plaintext.node.port.base (server.properties:2): Invalid value 0 for configuration \
             listener.name.plaintext.node.port.base: Value must be at least 1",
        ),
        (
            "listeners=PLAINTEXT://h:0\nlistener.name.plaintext.node.port.base=9000",
            "listener.name.plaintext.node.port.base (server.properties:2): listener PLAINTEXT has port 0, so its nodes get \
             free ports; expected no value",
        ),
        (
            "listeners=PLAINTEXT://h:9192\nlistener.name.plaintext.node.port.base=9190",
            "listener.name.plaintext.node.port.base (server.properties:2): port 9192 of listener PLAINTEXT and the node \
             ports 9190 to 9221 of listener PLAINTEXT collide; set node.port.base or node.id.ranges of one of them so that \
             they do not meet",
        ),
    ]);
    let two = "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n";
    let told = errors(&format!("{two}listeners=A://h:9192,B://h:9193"));
    let end = "collide; set node.port.base or node.id.ranges of one of them so that they do not meet";
    assert_eq!(
        told,
        [
            format!(
                "listener.name.a.node.port.base: the node ports 9193 to 9224 of listener A and port 9193 of listener B {end}"
            ),
            format!(
                "listener.name.b.node.port.base: the node ports 9193 to 9224 of listener A and the node ports 9194 to 9225 \
                 of listener B {end}"
            ),
        ]
    );
    // Side by side without a gap, and the same ports on IPv4 and IPv6.
    let side = "listener.name.a.node.id.ranges=0\nlistener.name.b.node.id.ranges=0\n";
    good(&format!("{two}{side}listeners=A://h:9192,B://h:9194"));
    good(&format!("{two}listeners=A://127.0.0.1:9192,B://[::1]:9193"));
    // A free port collides with nothing.
    good(&format!("{two}listeners=A://h:9192,B://h:0"));
}

#[test]
fn listener_prefix_wins_where_kafka_has_it() {
    let text = "listeners=PLAINTEXT://h:9192,B://h:9300\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT\n\
                max.connections=10\nlistener.name.b.max.connections=3\nlistener.name.b.max.connection.creation.rate=4";
    let Loaded { config, warnings, .. } = good(text);
    assert_eq!(warnings, [""; 0]);
    let limits = |n: usize| (config.listeners[n].max_connections, config.listeners[n].max_connection_creation_rate);
    assert_eq!(limits(0), (None, None));
    assert_eq!(limits(1), (Some(3), Some(4)));
    assert_eq!(config.limits.max_connections, 10);

    let config = good(&format!(
        "{SASL}listener.name.sasl_plaintext.sasl.server.max.receive.size=77\n\
        sasl.server.max.receive.size=66"
    ))
    .config;
    assert_eq!(config.listeners[0].sasl.as_ref().unwrap().max_receive_size, 77);
}

#[test]
fn limits_between_keys_and_per_address() {
    assert_only_error(&[
        (
            "max.connections.per.ip=0",
            "max.connections.per.ip (server.properties:1): max.connections.per.ip can be set to zero only if \
             max.connections.per.ip.overrides property is set.",
        ),
        (
            "max.connections.per.ip.overrides=127.0.0.1:5,::1,10.0.0.1:x,:3,10.0.0.2:-1",
            "max.connections.per.ip.overrides (server.properties:1): max.connections.per.ip.overrides contains invalid \
             addresses : ::1, 10.0.0.1:x, :3, 10.0.0.2:-1; expected host:count, count 0 to 2147483647",
        ),
        (
            "connection.failed.authentication.delay.ms=500\nconnections.max.idle.ms=500",
            "connection.failed.authentication.delay.ms (server.properties:1): \
             connection.failed.authentication.delay.ms=500 should always be less than connections.max.idle.ms=500 to prevent \
             failed authentication responses from timing out",
        ),
        (
            "queued.max.request.bytes=100\nsocket.request.max.bytes=101",
            "queued.max.request.bytes (server.properties:1): queued.max.request.bytes must be larger or equal to \
             socket.request.max.bytes",
        ),
        (
            "socket.send.buffer.bytes=0",
            "socket.send.buffer.bytes (server.properties:1): Invalid value 0 for configuration socket.send.buffer.bytes: \
             expected -1 or at least 1",
        ),
        (
            "principal.builder.class=com.example.Builder",
            "principal.builder.class (server.properties:1): Invalid value com.example.Builder for configuration \
             principal.builder.class: String must be one of: \
             org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        ),
    ]);
    let config = good(
        "max.connections.per.ip=0\nmax.connections.per.ip.overrides=127.0.0.1:5, 2001:db8::1:6 ,[::2]:7,localhost:8\n\
         connections.max.idle.ms=-1\nsocket.receive.buffer.bytes=-1",
    )
    .config;
    let of = |ip: &str| config.limits.max_connections_per_ip_overrides.get(&ip.parse::<IpAddr>().unwrap()).copied();
    assert_eq!((of("2001:db8::1"), of("::2")), (Some(6), Some(7)));
    // The name comes last, and 127.0.0.1 is one of its addresses.
    assert_eq!(of("127.0.0.1"), Some(8));
    assert_eq!(config.connections_max_idle, None);
    assert_eq!(config.socket.receive_buffer_bytes, None);
}

#[test]
fn limits_before_authentication_are_each_listeners_own() {
    let listeners = "listeners=A://h:1000,B://h:2000\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n";
    let limits = |text: &str| -> Vec<(u32, u32)> {
        let listeners = good(&format!("{listeners}{text}")).config.listeners;
        let pair = |l: &ListenerConfig| (l.max_unauthenticated_connections, l.max_unauthenticated_connections_per_ip);
        listeners.iter().map(pair).collect()
    };
    assert_eq!(limits(""), [(10_000, 5000); 2]);
    let text = "max.unauthenticated.connections=7\nlistener.name.b.max.unauthenticated.connections=1";
    assert_eq!(limits(text), [(7, 4), (1, 1)]);
    let text = "max.unauthenticated.connections.per.ip=3\nlistener.name.b.max.unauthenticated.connections.per.ip=10000";
    assert_eq!(limits(text), [(10_000, 3), (10_000, 10_000)]);
    assert_only_error(&[(
        "listeners=PLAINTEXT://h:1000\nmax.unauthenticated.connections=0",
        "max.unauthenticated.connections (server.properties:2): Invalid value 0 for configuration \
         max.unauthenticated.connections: Value must be at least 1",
    )]);
}

#[test]
fn proxy_protocol_is_believed_from_listed_addresses_only() {
    let listeners = "listeners=A://h:1000,B://h:2000\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n";
    let text = "proxy.protocol=allowed\nproxy.protocol.trusted.addresses=10.0.0.0/8, ::1\n\
        listener.name.b.proxy.protocol=required\nlistener.name.b.proxy.protocol.trusted.addresses=192.0.2.7";
    let config = good(&format!("{listeners}{text}")).config;
    let [a, b] = [0, 1].map(|n| config.listeners[n].proxy_protocol.clone().unwrap());
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!((a.required, b.required), (false, true));
    assert!(
        a.trusts(ip("10.1.2.3")) && a.trusts(ip("::1")) && a.trusts(ip("::ffff:10.1.2.3")) && !a.trusts(ip("11.0.0.1"))
    );
    assert!(b.trusts(ip("192.0.2.7")) && !b.trusts(ip("10.1.2.3")));
    let off = good(&format!("{listeners}{text}\nlistener.name.a.proxy.protocol=off")).config.listeners;
    assert_eq!(off[0].proxy_protocol, None);
    assert_only_error(&[
        (
            "listeners=PLAINTEXT://h:1000\nproxy.protocol=required",
            "proxy.protocol (server.properties:2): proxy.protocol=required believes the header of listed addresses only; set \
             listener.name.plaintext.proxy.protocol.trusted.addresses to the balancer's, such as 10.0.0.0/8",
        ),
        (
            "listeners=PLAINTEXT://h:1000\nproxy.protocol=allowed\nproxy.protocol.trusted.addresses= ",
            "proxy.protocol (server.properties:2): proxy.protocol=allowed believes the header of listed addresses only; set \
             listener.name.plaintext.proxy.protocol.trusted.addresses to the balancer's, such as 10.0.0.0/8",
        ),
        (
            "listeners=PLAINTEXT://h:1000\nproxy.protocol=on\nproxy.protocol.trusted.addresses=::1",
            "proxy.protocol (server.properties:2): Invalid value on for configuration proxy.protocol: String must be one of: \
             off, allowed, required",
        ),
        (
            "listeners=PLAINTEXT://h:1000\nproxy.protocol.trusted.addresses=10.0.0.0/8,balancer",
            "proxy.protocol.trusted.addresses (server.properties:2): Invalid value balancer for configuration \
             proxy.protocol.trusted.addresses: expected an IP address, or a block such as 10.0.0.0/8",
        ),
    ]);
}
