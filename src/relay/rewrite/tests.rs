//! The codec crate builds the backend's answers and reads the front's: an oracle that knows nothing of our walker.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::describe_quorum_response::{DescribeQuorumResponse, Listener, Node};
use kafka_protocol::messages::fetch_response::{self, FetchResponse, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::messages::metadata_response::{MetadataResponse, MetadataResponseBroker, MetadataResponseTopic};
use kafka_protocol::messages::produce_response::{self, ProduceResponse};
use kafka_protocol::messages::share_fetch_response::{self, ShareFetchResponse};
use kafka_protocol::messages::{BrokerId, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::*;
use crate::config::{HostPort, NodeHostPattern, NodeIdRanges};
use crate::relay::api_table::row_of;

const BACKEND: &str = "backend-17.internal.example";

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_owned())
}

/// Nodes 1 and 2 have ports, 9 has none.
fn addresses_at(host: &str) -> Addresses {
    let advertised = HostPort { host: host.to_owned(), port: 9192 };
    Addresses::from_parts("CLIENTS", &advertised, vec![(2, 9195), (1, 9194)])
}

fn addresses() -> Addresses {
    addresses_at("front")
}

/// Nodes 0 to 2 have names at the bootstrap's port, 9 has none.
fn addresses_by_name() -> Addresses {
    let advertised = HostPort { host: "kafka.example".to_owned(), port: 9192 };
    let pattern = NodeHostPattern::new("node-", ".kafka.example");
    Addresses::by_name("CLIENTS", &advertised, pattern, NodeIdRanges(vec![0..=2]))
}

fn flexible_header(key: i16, version: i16) -> i16 {
    i16::from(version >= row_of(key).unwrap().flexible_from)
}

fn encode(key: i16, version: i16, response: &impl Encodable) -> Vec<u8> {
    let mut frame = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(77);
    header.encode(&mut frame, flexible_header(key, version)).unwrap();
    response.encode(&mut frame, version).unwrap();
    frame.to_vec()
}

fn decode<T: Decodable>(key: i16, version: i16, frame: &[u8]) -> T {
    let mut bytes = Bytes::copy_from_slice(frame);
    let header = ResponseHeader::decode(&mut bytes, flexible_header(key, version)).unwrap();
    assert_eq!(header.correlation_id, 77);
    let response = T::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "{} bytes are left over", bytes.len());
    response
}

/// Rewrites; returns the new response and what was learned. Bytes that were in the output before stay there.
fn rewritten<T: Decodable>(key: i16, version: i16, response: &impl Encodable) -> (T, Vec<(i32, String, u16)>) {
    rewritten_for(&addresses(), key, version, response)
}

fn rewritten_for<T: Decodable>(
    addresses: &Addresses,
    key: i16,
    version: i16,
    response: &impl Encodable,
) -> (T, Vec<(i32, String, u16)>) {
    let row = row_of(key).unwrap();
    let crate::relay::api_table::Handling::Rewrite(kind) = row.handling else {
        panic!("{} is not rewritten", row.name)
    };
    let (frame, mut learned, mut out) = (encode(key, version, response), Vec::new(), b"before".to_vec());
    let mut learn = |(id, host, port): LearnedBroker<'_>| learned.push((id, host.to_owned(), port));
    match rewrite_frame(row, kind, version, &frame, addresses, &mut learn, &mut out).unwrap() {
        Rewritten::Unchanged => {
            assert_eq!(out, b"before");
            (decode(key, version, &frame), learned)
        }
        Rewritten::Appended => {
            let frame = out.strip_prefix(b"before").unwrap();
            assert_eq!(frame[..4], (frame.len() as u32 - 4).to_be_bytes());
            assert!(!frame.windows(BACKEND.len()).any(|w| w == BACKEND.as_bytes()), "the backend's host shows");
            (decode(key, version, &frame[4..]), learned)
        }
    }
}

#[test]
fn metadata_in_every_version() {
    for version in 0..=13 {
        let broker = |id: i32, port| {
            let broker = MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_port(port);
            broker.with_host(text(BACKEND)).with_rack((version >= 1).then(|| text("r")))
        };
        let topic = MetadataResponseTopic::default().with_name(Some(TopicName(text("t"))));
        let response = MetadataResponse::default()
            .with_brokers(vec![broker(9, 1009), broker(1, 1001), broker(9, 1009), broker(2, 1002)])
            .with_topics(vec![topic]);
        let (new, learned): (MetadataResponse, _) = rewritten(3, version, &response);
        let front = |id, port| broker(id, port).with_host(text("front"));
        assert_eq!(new, response.with_brokers(vec![front(1, 9194), front(2, 9195)]), "version {version}");
        let outside = (9, BACKEND.to_owned(), 1009);
        let expected = [outside.clone(), (1, BACKEND.to_owned(), 1001), outside, (2, BACKEND.to_owned(), 1002)];
        assert_eq!(learned, expected, "version {version}");
    }
}

#[test]
fn dropping_brokers_may_shorten_their_count() {
    // 127 elements need a two-byte compact count, the two that stay need one.
    let broker =
        |id| DescribeClusterBroker::default().with_broker_id(BrokerId(id)).with_host(text(BACKEND)).with_port(1);
    let brokers = (0..127).map(broker).collect();
    let (new, _): (DescribeClusterResponse, _) =
        rewritten(60, 1, &DescribeClusterResponse::default().with_brokers(brokers).with_cluster_id(text("c")));
    let seen: Vec<_> = new.brokers.iter().map(|b| (b.broker_id.0, b.host.as_str(), b.port)).collect();
    assert_eq!(seen, [(1, "front", 9194), (2, "front", 9195)]);
    assert_eq!(new.cluster_id, text("c"));
}

#[test]
fn coordinators_in_every_version() {
    for version in 0..=3 {
        let response = FindCoordinatorResponse::default().with_host(text(BACKEND)).with_port(1002);
        let (new, _): (FindCoordinatorResponse, _) =
            rewritten(10, version, &response.clone().with_node_id(BrokerId(2)));
        assert_eq!((new.error_code, new.node_id.0, new.host.as_str(), new.port), (0, 2, "front", 9195));
        let (new, _): (FindCoordinatorResponse, _) = rewritten(10, version, &response.with_node_id(BrokerId(9)));
        assert_eq!((new.error_code, new.node_id.0, new.host.as_str(), new.port), (15, -1, "", -1), "version {version}");
    }
    for version in 4..=6 {
        let coordinator = |id: i32, key: &str| {
            let coordinator = Coordinator::default().with_key(text(key)).with_node_id(BrokerId(id));
            coordinator.with_host(text(BACKEND)).with_port(1)
        };
        let error =
            Coordinator::default().with_key(text("e")).with_node_id(BrokerId(-1)).with_port(-1).with_error_code(24);
        let all = vec![error, coordinator(9, "x"), coordinator(1, "y")];
        let (new, _): (FindCoordinatorResponse, _) =
            rewritten(10, version, &FindCoordinatorResponse::default().with_coordinators(all));
        let seen =
            new.coordinators.iter().map(|c| (c.key.as_str(), c.error_code, c.node_id.0, c.host.as_str(), c.port));
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [("e", 24, -1, "", -1), ("x", 15, -1, "", -1), ("y", 0, 1, "front", 9194)]
        );
    }
}

#[test]
fn where_names_tell_nodes_apart_each_has_its_own() {
    let addresses = addresses_by_name();
    let broker = |id: i32| {
        MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_port(1000 + id).with_host(text(BACKEND))
    };
    let response = MetadataResponse::default().with_brokers(vec![broker(2), broker(9), broker(0)]);
    let (new, learned): (MetadataResponse, _) = rewritten_for(&addresses, 3, 12, &response);
    let seen: Vec<_> = new.brokers.iter().map(|b| (b.node_id.0, b.host.as_str(), b.port)).collect();
    assert_eq!(seen, [(2, "node-2.kafka.example", 9192), (0, "node-0.kafka.example", 9192)]);
    assert_eq!(learned.len(), 3);

    let coordinator = |id: i32| {
        Coordinator::default().with_node_id(BrokerId(id)).with_host(text(BACKEND)).with_port(1000).with_key(text("g"))
    };
    let response = FindCoordinatorResponse::default().with_coordinators(vec![coordinator(1), coordinator(9)]);
    let (new, _): (FindCoordinatorResponse, _) = rewritten_for(&addresses, 10, 4, &response);
    let seen: Vec<_> = new.coordinators.iter().map(|c| (c.node_id.0, c.host.as_str(), c.port, c.error_code)).collect();
    assert_eq!(seen, [(1, "node-1.kafka.example", 9192, 0), (-1, "", -1, 15)]);

    let listener = || Listener::default().with_name(text("CONTROLLER")).with_host(text(BACKEND)).with_port(9093);
    let node = |id| Node::default().with_node_id(BrokerId(id)).with_listeners(vec![listener()]);
    let response = DescribeQuorumResponse::default().with_nodes(vec![node(1), node(3000)]);
    let (new, _): (DescribeQuorumResponse, _) = rewritten_for(&addresses, 55, 2, &response);
    let seen: Vec<_> = new.nodes.iter().map(|n| (n.listeners[0].host.as_str(), n.listeners[0].port)).collect();
    assert_eq!(seen, [("node-1.kafka.example", 9192), ("kafka.example", 9192)]);

    let config = |name: &str, value: &str| {
        DescribeConfigsResourceResult::default().with_name(text(name)).with_value(Some(text(value)))
    };
    let result =
        DescribeConfigsResult::default().with_resource_type(4).with_resource_name(text("2")).with_configs(vec![
            config("advertised.listeners", "PLAINTEXT://backend-17.internal.example:9092"),
            config(
                "controller.quorum.voters",
                "1@backend-17.internal.example:9093,3000@backend-17.internal.example:9093",
            ),
        ]);
    let response = DescribeConfigsResponse::default().with_results(vec![result]);
    let (new, _): (DescribeConfigsResponse, _) = rewritten_for(&addresses, 32, 4, &response);
    let seen: Vec<_> = new.results[0].configs.iter().map(|c| c.value.as_deref().unwrap()).collect();
    assert_eq!(seen, ["CLIENTS://node-2.kafka.example:9192", "1@node-1.kafka.example:9192,3000@kafka.example:9192"]);

    let fetch = fetch_with(
        [0, 9, 2]
            .map(|id| {
                fetch_response::NodeEndpoint::default()
                    .with_node_id(BrokerId(id))
                    .with_host(text(BACKEND))
                    .with_port(1000)
            })
            .to_vec(),
    );
    let new: FetchResponse = decode(1, 16, &tail_of(1, 16, &encode(1, 16, &fetch), &addresses));
    let seen: Vec<_> = new.node_endpoints.iter().map(|n| (n.node_id.0, n.host.as_str(), n.port)).collect();
    assert_eq!(seen, [(0, "node-0.kafka.example", 9192), (2, "node-2.kafka.example", 9192)]);
}

#[test]
fn produce_passes_untouched_without_endpoints_and_is_rewritten_with_them() {
    for version in [3, 8, 9, 10, 12, 13] {
        let partition = produce_response::PartitionProduceResponse::default().with_error_code(6);
        let topic = produce_response::TopicProduceResponse::default();
        let topic = if version < 13 { topic.with_name(TopicName(text("t"))) } else { topic };
        let response = ProduceResponse::default()
            .with_responses(vec![topic.with_partition_responses(vec![partition])])
            .with_throttle_time_ms(5);
        let (new, _): (ProduceResponse, _) = rewritten(0, version, &response);
        assert_eq!(new, response, "version {version}");
        if version < 10 {
            continue;
        }
        let endpoint = |id: i32| {
            let endpoint = produce_response::NodeEndpoint::default().with_node_id(BrokerId(id)).with_port(1001);
            endpoint.with_host(text(BACKEND)).with_rack(Some(text("rack-a")))
        };
        let (new, learned): (ProduceResponse, _) =
            rewritten(0, version, &response.clone().with_node_endpoints(vec![endpoint(1), endpoint(9)]));
        let front = endpoint(1).with_host(text("front")).with_port(9194);
        assert_eq!(new, response.with_node_endpoints(vec![front]), "version {version}");
        assert_eq!(learned.len(), 2);
    }
}

#[test]
fn quorum_listeners_show_the_front_whatever_the_node() {
    let listener = || Listener::default().with_name(text("CONTROLLER")).with_host(text(BACKEND)).with_port(9093);
    let node = |id| Node::default().with_node_id(BrokerId(id)).with_listeners(vec![listener()]);
    let (new, learned): (DescribeQuorumResponse, _) =
        rewritten(55, 2, &DescribeQuorumResponse::default().with_nodes(vec![node(1), node(3000)]));
    let seen = new.nodes.iter().map(|n| (n.node_id.0, n.listeners[0].name.as_str(), n.listeners[0].port));
    assert_eq!(seen.collect::<Vec<_>>(), [(1, "CONTROLLER", 9194), (3000, "CONTROLLER", 9192)]);
    assert!(learned.is_empty(), "a controller's listener is no address of a broker");
}

#[test]
fn only_a_brokers_listener_values_change_in_describe_configs() {
    for version in 1..=4 {
        let config = |name: &str, value: Option<String>| {
            let value = value.map(StrBytes::from_string);
            let synonym = DescribeConfigsSynonym::default().with_name(text(name)).with_value(value.clone());
            let config = DescribeConfigsResourceResult::default().with_name(text(name)).with_value(value);
            config.with_synonyms(vec![synonym])
        };
        let configs = || {
            vec![
                config("advertised.listeners", Some(format!("PLAINTEXT://{BACKEND}:9092"))),
                config("log.dirs", Some("/data".to_owned())),
                config("controller.quorum.voters", Some(format!("1@{BACKEND}:9093,3000@{BACKEND}:9093"))),
                config("controller.quorum.bootstrap.servers", Some(format!("{BACKEND}:9093"))),
                config("listeners", None),
            ]
        };
        let resource = |kind, name: &str, configs| {
            DescribeConfigsResult::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configs(configs)
        };
        let (new, _): (DescribeConfigsResponse, _) =
            rewritten(32, version, &DescribeConfigsResponse::default().with_results(vec![resource(4, "2", configs())]));
        let values: Vec<_> = new.results[0].configs.iter().map(|c| c.value.as_deref()).collect();
        let expected = [
            Some("CLIENTS://front:9195"),
            Some("/data"),
            Some("1@front:9194,3000@front:9192"),
            Some("front:9192"),
            None,
        ];
        assert_eq!(values, expected, "version {version}");
        let synonyms: Vec<_> = new.results[0].configs.iter().map(|c| c.synonyms[0].value.as_deref()).collect();
        assert_eq!(synonyms, expected, "version {version}");

        // A topic's config of the same name is the topic's own business.
        let topic = vec![config("listeners", Some("as-it-is".to_owned()))];
        let response = DescribeConfigsResponse::default().with_results(vec![resource(2, "2", topic)]);
        let (new, _): (DescribeConfigsResponse, _) = rewritten(32, version, &response);
        assert_eq!(new, response);
    }
}

/// Splits a streamed response where the walker pauses, and rewrites the tail.
fn tail_of(key: i16, version: i16, frame: &[u8], addresses: &Addresses) -> Vec<u8> {
    let program = streaming_program(row_of(key).unwrap(), version).unwrap();
    let (mut walker, mut at) = (Walker::new(program, frame.len() as u32), 0);
    loop {
        let advance = walker.advance(&frame[at..], &mut ()).unwrap();
        at += advance.consumed;
        match advance.state {
            State::Opaque(len) => at += len as usize,
            State::Paused => break,
            other => panic!("{other:?} before the pause"),
        }
    }
    let mut new = frame.to_vec();
    tail::rewrite_tail(&mut new[at..], key == 1, addresses, &mut |_| {}).unwrap();
    assert_eq!(new.len(), frame.len());
    new
}

fn fetch_with(endpoints: Vec<fetch_response::NodeEndpoint>) -> FetchResponse {
    let partition = PartitionData::default().with_error_code(6).with_records(Some(Bytes::from_static(b"records")));
    let topic = FetchableTopicResponse::default().with_partitions(vec![partition]);
    FetchResponse::default().with_responses(vec![topic]).with_node_endpoints(endpoints)
}

#[test]
fn fetch_endpoints_keep_the_length_whatever_the_hosts_lengths_are() {
    for version in 16..=18 {
        for (backend_len, front_len) in (1..40).flat_map(|b| (1..40).map(move |f| (b, f))).chain([(255, 100), (300, 3)])
        {
            let (backend, front) = ("b".repeat(backend_len), "f".repeat(front_len));
            let endpoint = |id| {
                let endpoint = fetch_response::NodeEndpoint::default().with_node_id(BrokerId(id)).with_port(1001);
                endpoint.with_host(text(&backend)).with_rack(Some(text("r")))
            };
            let frame = encode(1, version, &fetch_with(vec![endpoint(1), endpoint(2)]));
            let new: FetchResponse = decode(1, version, &tail_of(1, version, &frame, &addresses_at(&front)));
            let kept = [(1, 9194), (2, 9195)]
                .map(|(id, port)| endpoint(id).with_host(text(&front)).with_port(port).with_rack(Some(text("r"))));
            // One byte too much room cannot be filled: then, as where the new hosts are too long, there are none.
            let gap = 2 * (backend_len as i64 - front_len as i64);
            let fits = gap == 0 || gap >= 2;
            let expected = if fits { kept.to_vec() } else { Vec::new() };
            assert_eq!(new.node_endpoints, expected, "{backend_len} {front_len}");
            assert_eq!(new.responses, fetch_with(Vec::new()).responses);
        }
    }
}

#[test]
fn share_fetch_endpoints_keep_the_length_too() {
    for (backend, front) in [("b", "a-long-front.example"), ("backend.example", "front"), ("same", "size")] {
        let endpoint = |id| {
            let endpoint = share_fetch_response::NodeEndpoint::default().with_node_id(BrokerId(id)).with_port(1001);
            endpoint.with_host(text(backend))
        };
        let response = ShareFetchResponse::default().with_node_endpoints(vec![endpoint(1), endpoint(9)]);
        let frame = encode(78, 1, &response);
        let new: ShareFetchResponse = decode(78, 1, &tail_of(78, 1, &frame, &addresses_at(front)));
        // Leaving node 9 out makes room for a longer host of node 1.
        let expected = endpoint(1).with_host(text(front)).with_port(9194);
        let expected = if front.len() > backend.len() + 11 { Vec::new() } else { vec![expected] };
        assert_eq!(new.node_endpoints, expected, "{backend} {front}");
    }
    let frame = encode(78, 1, &ShareFetchResponse::default());
    assert_eq!(tail_of(78, 1, &frame, &addresses()), frame, "without endpoints nothing changes");
}

proptest::proptest! {
    #[test]
    fn no_tail_makes_it_panic_or_change_its_length(mut tail: Vec<u8>, tagged: bool) {
        let len = tail.len();
        let _ = tail::rewrite_tail(&mut tail, tagged, &addresses(), &mut |_| {});
        assert_eq!(tail.len(), len);
    }

    #[test]
    fn no_response_makes_it_panic(key in 0i16..93, version in 0i16..14, frame: Vec<u8>) {
        let Some(row) = row_of(key) else { return Ok(()) };
        if let (crate::relay::api_table::Handling::Rewrite(kind), true) = (row.handling, row.versions().contains(&version)) {
            let _ = rewrite_frame(row, kind, version, &frame, &addresses(), &mut |_| {}, &mut Vec::new());
        }
    }
}
