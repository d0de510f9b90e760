//! Every answer that carries a broker's address, in every version: the backend's must have become doorkeeper's, and the rest
//! must be as it was. Among them the errors that name the leader after it has moved.

use std::time::Duration;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use kafka_protocol::messages::describe_quorum_request::{DescribeQuorumRequest, PartitionData, TopicData};
use kafka_protocol::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch, ShareAcknowledgeRequest,
};
use kafka_protocol::messages::share_fetch_request::{FetchPartition, FetchTopic, ShareFetchRequest};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeClusterRequest, FindCoordinatorRequest, GroupId, WriteTxnMarkersRequest,
};
use libtest_mimic::Trial;
use proto_tests::cluster::Cluster;
use proto_tests::compare::{Mapping, same};
use proto_tests::wire::bytes::{cat, compact, framed, hdr2, i32s};
use proto_tests::wire::records::batch;
use proto_tests::wire::requests::{self, text, topic};
use proto_tests::wire::{Conn, requests::metadata};
use proto_tests::{Result, address, check, check_eq, wait_for};
use uuid::Uuid;

use crate::shared_front::{self, SharedFront};

const NOT_LEADER: i16 = 6;

pub fn trials() -> Vec<Trial> {
    vec![
        shared_front::trial("leaks::metadata_every_version", |cluster, shared| {
            cluster.create_topic("leaks-metadata", &[&[1, 2, 3], &[3, 1, 2]], &[])?;
            let mut pair = Pair::new(cluster, shared, 2)?;
            for version in 0..=13 {
                // Before v4 there is no word about creating topics, and the codec insists on its default.
                let asked = metadata(&["leaks-metadata"]).with_allow_auto_topic_creation(version < 4);
                pair.same(version, &asked, 3)?;
            }
            Ok(())
        }),
        shared_front::trial("leaks::metadata_of_twenty_thousand_unknown_topics", |cluster, shared| {
            let mut pair = Pair::new(cluster, shared, 3)?;
            let names: Vec<String> = (0..20_000).map(|i| format!("no-such-topic-{i:0>180}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let seen = pair.same(12, &metadata(&names), 3)?;
            check_eq!(seen.topics.len(), names.len(), "topics in the answer");
            Ok(())
        }),
        shared_front::trial("leaks::describe_cluster_every_version", |cluster, shared| {
            let mut pair = Pair::new(cluster, shared, 1)?;
            for version in 0..=2 {
                pair.same(version, &DescribeClusterRequest::default(), 3)?;
            }
            Ok(())
        }),
        shared_front::trial("leaks::find_coordinator_every_version", |cluster, shared| {
            let mut pair = Pair::new(cluster, shared, 3)?;
            for key_type in [0, 1] {
                for version in 0..=6 {
                    let one = FindCoordinatorRequest::default().with_key_type(if version == 0 { 0 } else { key_type });
                    let (asked, found) = if version < 4 {
                        (one.with_key(text("leaks-group")), 1)
                    } else {
                        (one.with_coordinator_keys(["leaks-a", "leaks-b", "leaks-c"].map(text).to_vec()), 3)
                    };
                    // The coordinator's topic may still be on its way up: the first answer then is an error without address.
                    wait_for("coordinators", Duration::from_secs(30), || pair.same(version, &asked, found))?;
                }
            }
            Ok(())
        }),
        shared_front::trial("leaks::describe_quorum_every_version", |cluster, shared| {
            let mut pair = Pair::new(cluster, shared, 1)?;
            for version in 0..=2 {
                let partition = PartitionData::default().with_partition_index(0);
                let asked =
                    TopicData::default().with_topic_name(topic("__cluster_metadata")).with_partitions(vec![partition]);
                let seen = pair.front.call(version, &DescribeQuorumRequest::default().with_topics(vec![asked]))?;
                check_eq!(seen.topics[0].partitions[0].current_voters.len(), 3, "voters in v{version}");
                check_eq!(seen.nodes.len(), if version < 2 { 0 } else { 3 }, "nodes in v{version}");
                let said = format!("{seen:?}");
                check!(!said.contains(&address::broker_prefix()), "a backend address in {said}");
            }
            Ok(())
        }),
        shared_front::trial("leaks::describe_configs_every_version", |cluster, shared| {
            let mut pair = Pair::new(cluster, shared, 1)?;
            for version in 1..=4 {
                let row = DescribeConfigsResource::default()
                    .with_resource_type(4)
                    .with_resource_name(text("1"))
                    .with_configuration_keys(None);
                let asked = DescribeConfigsRequest::default().with_resources(vec![row]).with_include_synonyms(true);
                let seen = pair.front.call(version, &asked)?;
                let said = format!("{seen:?}");
                check!(
                    said.contains("\"advertised.listeners\"")
                        && said.contains("\"controller.quorum.bootstrap.servers\""),
                    "{said}"
                );
                check!(!said.contains(&address::broker_prefix()), "a backend address in {said}");
            }
            Ok(())
        }),
        shared_front::trial("leaks::produce_to_a_follower", |cluster, shared| {
            let name = "leaks-produce";
            let id = cluster.create_topic(name, &[&[1, 2]], &[])?.topics[0].topic_id;
            let mut pair = Pair::new(cluster, shared, 2)?;
            for version in 3..=13 {
                let mut asked = requests::produce(name, 0, 1, batch(&[b"x"]).into());
                if version > 12 {
                    asked.topic_data[0].topic_id = id;
                }
                let seen = pair.same(version, &asked, usize::from(version >= 10))?;
                check_eq!(seen.responses[0].partition_responses[0].error_code, NOT_LEADER, "error in v{version}");
            }
            Ok(())
        }),
        shared_front::trial("leaks::fetch_from_a_stranger", |cluster, shared| {
            let name = "leaks-fetch";
            let id = cluster.create_topic(name, &[&[1]], &[])?.topics[0].topic_id;
            let mut pair = Pair::new(cluster, shared, 3)?;
            for version in 4..=18 {
                let mut asked = requests::fetch(id, 0, 0, -1);
                asked.topics[0].topic = topic(name);
                let seen = pair.same(version, &asked, usize::from(version >= 16))?;
                check_eq!(seen.responses[0].partitions[0].error_code, NOT_LEADER, "error in v{version}");
            }
            Ok(())
        }),
        shared_front::trial("leaks::write_txn_markers_of_nothing", |cluster, shared| {
            let mut pair = Pair::new(cluster, shared, 1)?;
            pair.same(1, &WriteTxnMarkersRequest::default(), 0)?;
            Ok(())
        }),
        shared_front::trial("leaks::share_fetch_and_acknowledge_at_a_stranger", share),
        shared_front::trial("leaks::leader_moves_away", leader_moves),
        shared_front::trial("leaks::api_versions_is_the_intersection", |cluster, shared| {
            let ask = |conn: &mut Conn| conn.call(3, &requests::api_versions());
            let straight = ask(&mut Conn::open(cluster.broker(1).sasl)?)?;
            let before_login = ask(&mut Conn::open(shared.bootstrap())?)?;
            let after_login = ask(&mut Conn::login(shared.node(1), "alice", "alice-secret")?)?;
            check_eq!(before_login.api_keys, after_login.api_keys, "the list before and after the login");
            let rows = |list: &ApiVersionsResponse| -> Vec<(i16, i16, i16)> {
                let mut rows: Vec<_> =
                    list.api_keys.iter().map(|r| (r.api_key, r.min_version, r.max_version)).collect();
                rows.sort();
                rows
            };
            let (straight, through) = (rows(&straight), rows(&after_login));
            let missing: Vec<i16> =
                straight.iter().map(|r| r.0).filter(|k| !through.iter().any(|r| r.0 == *k)).collect();
            // What brokers say to each other about share groups is not for clients.
            check_eq!(missing, [83, 84, 85, 86, 87], "APIs of the broker that doorkeeper does not offer");
            let mut offered: Vec<_> = straight.into_iter().filter(|r| !missing.contains(&r.0)).collect();
            // From v4 on AddPartitionsToTxn is for brokers: one request for many transactions.
            offered.iter_mut().filter(|r| r.0 == 24).for_each(|r| r.2 = 3);
            check_eq!(through, offered, "the versions of each API");
            Ok(())
        }),
    ]
}

/// A connection to a node without authentication straight at the backend (what doorkeeper itself uses), and one through it.
struct Pair {
    direct: Conn,
    front: Conn,
    mapping: Mapping,
}

impl Pair {
    fn new(cluster: &Cluster, shared: &SharedFront, node: i32) -> Result<Pair> {
        Ok(Pair {
            direct: Conn::open(cluster.broker(node).plain)?,
            front: Conn::login(shared.node(node), "alice", "alice-secret")?,
            mapping: Mapping { pairs: cluster.brokers.iter().map(|b| (b.plain, shared.node(b.id))).collect() },
        })
    }

    fn same<R: kafka_protocol::protocol::Request>(
        &mut self,
        version: i16,
        request: &R,
        addresses: usize,
    ) -> Result<R::Response>
    where
        R::Response: std::fmt::Debug,
    {
        same(&mut self.direct, &mut self.front, &self.mapping, version, request, addresses)
    }
}

fn share(cluster: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let id = cluster.create_topic("leaks-share", &[&[1]], &[])?.topics[0].topic_id;
    let mut pair = Pair::new(cluster, shared, 2)?;
    let (group, member) = (Some(GroupId(text("leaks-share-group"))), Some(text(&Uuid::from_u128(7).to_string())));
    // A session that is fresh at the broker on each side: the member ids differ, the answers do not hold them.
    let fetch = |member: Option<kafka_protocol::protocol::StrBytes>, epoch: i32| {
        let row = FetchTopic::default()
            .with_topic_id(id)
            .with_partitions(vec![FetchPartition::default().with_partition_index(0)]);
        ShareFetchRequest::default()
            .with_group_id(group.clone())
            .with_member_id(member)
            .with_share_session_epoch(epoch)
            .with_max_wait_ms(100)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_max_records(10)
            .with_batch_size(10)
            .with_topics(vec![row])
    };
    let acknowledge = || {
        let done =
            AcknowledgementBatch::default().with_first_offset(0).with_last_offset(0).with_acknowledge_types(vec![1]);
        let partition =
            AcknowledgePartition::default().with_partition_index(0).with_acknowledgement_batches(vec![done]);
        let row = AcknowledgeTopic::default().with_topic_id(id).with_partitions(vec![partition]);
        ShareAcknowledgeRequest::default()
            .with_group_id(group.clone())
            .with_member_id(member.clone())
            .with_share_session_epoch(1)
            .with_topics(vec![row])
    };
    let seen = pair.front.call(1, &fetch(member.clone(), 0))?;
    let said = format!("{seen:?}");
    check_eq!(seen.responses[0].partitions[0].error_code, NOT_LEADER, "error of ShareFetch: {said}");
    endpoints_are(&said, shared, 1)?;
    // Version 2 is newer than the codec: by hand, and judged by the bytes.
    pair.front.send(&share_fetch_2(id))?;
    let said = String::from_utf8_lossy(&pair.front.frame()?).into_owned();
    check!(said.contains(&shared.node(1).ip().to_string()), "no endpoint of doorkeeper in ShareFetch v2: {said:?}");
    check!(!said.contains(&address::broker_prefix()), "a backend address in ShareFetch v2: {said:?}");
    // A broker that never led the partition does not know it for a share group: no endpoint, but the same words.
    pair.direct.call(1, &fetch(Some(text(&Uuid::from_u128(8).to_string())), 0))?;
    let straight = pair.direct.call(1, &acknowledge().with_member_id(Some(text(&Uuid::from_u128(8).to_string()))))?;
    let seen = pair.front.call(1, &acknowledge())?;
    check_eq!(format!("{seen:?}"), format!("{straight:?}"), "ShareAcknowledge");
    Ok(())
}

/// The text names that node once, at doorkeeper's address, and no backend address.
fn endpoints_are(said: &str, shared: &SharedFront, node: i32) -> Result<()> {
    let at = shared.node(node);
    let want = format!("host: \"{}\", port: {}", at.ip(), at.port());
    check_eq!(said.matches(&want).count(), 1, "endpoints in {said}");
    check!(!said.contains(&address::broker_prefix()), "a backend address in {said}");
    Ok(())
}

fn leader_moves(cluster: &Cluster, shared: &'static SharedFront) -> Result<()> {
    let name = "leaks-moves";
    let id = cluster.create_topic(name, &[&[1]], &[])?.topics[0].topic_id;
    let mut pair = Pair::new(cluster, shared, 1)?;
    let asked = requests::produce(name, 0, 1, batch(&[b"before"]).into());
    let seen = pair.front.call(12, &asked)?;
    check_eq!(seen.responses[0].partition_responses[0].error_code, 0, "produce before the move");
    let fetched = pair.front.call(17, &requests::fetch(id, 0, 0, -1))?;
    check_eq!(fetched.responses[0].partitions[0].error_code, 0, "fetch before the move");

    let partition = ReassignablePartition::default().with_partition_index(0).with_replicas(Some(vec![BrokerId(3)]));
    let row = ReassignableTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default().with_timeout_ms(30_000).with_topics(vec![row]);
    check_eq!(pair.front.call(0, &request)?.error_code, 0, "the move");
    wait_for("the old leader to know of the new one", Duration::from_secs(30), || {
        let seen = pair.direct.call(12, &metadata(&[name]))?;
        check_eq!(seen.topics[0].partitions[0].leader_id, BrokerId(3), "leader");
        Ok(())
    })?;
    // On the same connections as before: this is what a client with old metadata does.
    let seen = pair.same(12, &asked, 1)?;
    check_eq!(seen.responses[0].partition_responses[0].error_code, NOT_LEADER, "produce after the move");
    endpoints_are(&format!("{seen:?}"), shared, 3)?;
    let seen = pair.front.call(17, &requests::fetch(id, 0, 0, -1))?;
    check_eq!(seen.responses[0].partitions[0].error_code, NOT_LEADER, "fetch after the move");
    endpoints_are(&format!("{seen:?}"), shared, 3)?;
    // And where the answer points, the records are.
    let mut there = Conn::login(shared.node(3), "alice", "alice-secret")?;
    let seen = there.call(17, &requests::fetch(id, 0, 0, -1))?;
    check_eq!(seen.responses[0].partitions[0].error_code, 0, "fetch from the new leader");
    check_eq!(seen.responses[0].partitions[0].high_watermark, 1, "records at the new leader");
    Ok(())
}

/// ShareFetch v2 of partition 0, with a session of its own.
fn share_fetch_2(id: Uuid) -> Vec<u8> {
    let member = Uuid::from_u128(9).to_string();
    let numbers: Vec<u8> = [0, 100, 1, 1 << 20, 10, 10].into_iter().flat_map(i32s).collect();
    let mode_and_renewal = [0, 0];
    let partition = cat(&[&[2], &i32s(0), &[1, 0]]);
    let topic = cat(&[&[2], id.as_bytes(), &partition, &[0]]);
    framed(&cat(&[
        &hdr2(78, 2),
        &compact(b"leaks-share-2"),
        &compact(member.as_bytes()),
        &numbers,
        &mode_and_renewal,
        &topic,
        &[1, 0],
    ]))
}
