//! Typed requests that the trials use, in their shortest form.

use bytes::Bytes;
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::api_versions_request::ApiVersionsRequest;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use kafka_protocol::messages::describe_user_scram_credentials_request::{
    DescribeUserScramCredentialsRequest, UserName,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::{BrokerId, SaslAuthenticateRequest, SaslHandshakeRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_owned())
}

pub fn topic(s: &str) -> TopicName {
    TopicName(text(s))
}

pub fn handshake(mechanism: &str) -> SaslHandshakeRequest {
    SaslHandshakeRequest::default().with_mechanism(text(mechanism))
}

pub fn plain(user: &str, password: &str) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(format!("\0{user}\0{password}")))
}

pub fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default().with_client_software_name(text("proto-tests")).with_client_software_version(text("0"))
}

/// Metadata for those topics; for all when there are none.
pub fn metadata(topics: &[&str]) -> MetadataRequest {
    let rows = topics.iter().map(|t| MetadataRequestTopic::default().with_name(Some(topic(t)))).collect();
    MetadataRequest::default()
        .with_topics(if topics.is_empty() { None } else { Some(rows) })
        .with_allow_auto_topic_creation(false)
}

/// A topic whose partition i lies on the nodes `assignment[i]`, the first being the leader.
pub fn create_topic(name: &str, assignment: &[&[i32]], configs: &[(&str, &str)]) -> CreateTopicsRequest {
    let assignments = assignment
        .iter()
        .enumerate()
        .map(|(i, nodes)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(i as i32)
                .with_broker_ids(nodes.iter().map(|n| BrokerId(*n)).collect())
        })
        .collect();
    let configs = configs
        .iter()
        .map(|(k, v)| CreatableTopicConfig::default().with_name(text(k)).with_value(Some(text(v))))
        .collect();
    let row = CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignments)
        .with_configs(configs);
    CreateTopicsRequest::default().with_topics(vec![row]).with_timeout_ms(30_000)
}

/// One batch for one partition, named by name (up to v12).
pub fn produce(name: &str, partition: i32, acks: i16, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data])])
}

/// Everything of one partition from `offset`, named by id (from v13); answers at once.
pub fn fetch(id: Uuid, partition: i32, offset: i64, epoch: i32) -> FetchRequest {
    let row = FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(epoch)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(100 << 20);
    FetchRequest::default()
        .with_max_wait_ms(100)
        .with_min_bytes(1)
        .with_max_bytes(100 << 20)
        .with_topics(vec![FetchTopic::default().with_topic_id(id).with_partitions(vec![row])])
}

/// The credentials of those users; of all without a list.
pub fn describe_scram(users: Option<&[&str]>) -> DescribeUserScramCredentialsRequest {
    let rows = |users: &[&str]| users.iter().map(|u| UserName::default().with_name(text(u))).collect();
    DescribeUserScramCredentialsRequest::default().with_users(users.map(rows))
}

/// A credential for that mechanism (1 or 2, or what a trial likes), as an admin client sends it: salted, with the password gone.
pub fn upsertion(user: &str, mechanism: i8, iterations: i32, salt: &[u8], salted: &[u8]) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism)
        .with_iterations(iterations)
        .with_salt(Bytes::copy_from_slice(salt))
        .with_salted_password(Bytes::copy_from_slice(salted))
}

pub fn deletion(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism)
}

pub fn alter_scram(
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> AlterUserScramCredentialsRequest {
    AlterUserScramCredentialsRequest::default().with_deletions(deletions).with_upsertions(upsertions)
}
