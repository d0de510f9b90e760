//! One row per API of a broker listener: what the front does with it.
//!
//! The advertised ApiVersions, the decision to look into a frame, the generated documentation and the tests' coverage all
//! derive from this table. An API that is not in it is refused.

use std::ops::RangeInclusive;

/// What happens to the requests and responses of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Both bodies pass through untouched and unseen.
    Forward,
    /// The request passes through; the response's broker addresses are rewritten.
    Rewrite(Rewrite),
    /// The front answers itself.
    Answer,
    /// The front's administration answers: the request is read whole and may take a while.
    Administer,
    /// Never advertised; a request closes the connection, as Kafka closes it for an API that a listener does not have.
    Refuse(&'static str),
}

/// Where a response carries broker addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// An array of brokers, each with node id, host and port.
    Brokers,
    /// FindCoordinator: the coordinators.
    Coordinators,
    /// `NodeEndpoints` of a small response that is held whole.
    NodeEndpoints,
    /// `NodeEndpoints` at the end of a response whose records stream through; its length must stay.
    StreamedNodeEndpoints,
    /// DescribeQuorum: the listeners of the quorum's nodes.
    QuorumListeners,
    /// DescribeConfigs: the listener values of a broker.
    BrokerConfigs,
}

/// One API.
#[derive(Clone, Copy, Debug)]
pub struct ApiRow {
    /// API key.
    pub key: i16,
    /// Kafka's name.
    pub name: &'static str,
    /// Lowest and highest version that the front lets through.
    pub min: i16,
    /// See `min`.
    pub max: i16,
    /// First flexible version (KIP-482), `i16::MAX` for none.
    pub flexible_from: i16,
    /// What is done with it.
    pub handling: Handling,
}

impl ApiRow {
    /// The versions that the front lets through.
    pub fn versions(&self) -> RangeInclusive<i16> {
        self.min..=self.max
    }
}

use Handling::{Administer, Answer, Forward, Refuse, Rewrite as R};
use Rewrite::*;

const NONE: i16 = i16::MAX;
const BETWEEN_BROKERS: Handling = Refuse("only brokers send it to each other (share coordinator state)");

const fn row(
    key: i16,
    name: &'static str,
    versions: RangeInclusive<i16>,
    flexible_from: i16,
    handling: Handling,
) -> ApiRow {
    ApiRow { key, name, min: *versions.start(), max: *versions.end(), flexible_from, handling }
}

/// Every API of a broker listener in Kafka 4.3, by key.
pub static API_TABLE: [ApiRow; 77] = [
    row(0, "Produce", 3..=13, 9, R(NodeEndpoints)),
    row(1, "Fetch", 4..=18, 12, R(StreamedNodeEndpoints)),
    row(2, "ListOffsets", 1..=11, 6, Forward),
    row(3, "Metadata", 0..=13, 9, R(Brokers)),
    row(8, "OffsetCommit", 2..=10, 8, Forward),
    row(9, "OffsetFetch", 1..=10, 6, Forward),
    row(10, "FindCoordinator", 0..=6, 3, R(Coordinators)),
    row(11, "JoinGroup", 0..=9, 6, Forward),
    row(12, "Heartbeat", 0..=4, 4, Forward),
    row(13, "LeaveGroup", 0..=5, 4, Forward),
    row(14, "SyncGroup", 0..=5, 4, Forward),
    row(15, "DescribeGroups", 0..=6, 5, Forward),
    row(16, "ListGroups", 0..=5, 3, Forward),
    row(17, "SaslHandshake", 0..=1, NONE, Answer),
    row(18, "ApiVersions", 0..=4, 3, Answer),
    row(19, "CreateTopics", 2..=7, 5, Forward),
    row(20, "DeleteTopics", 1..=6, 4, Forward),
    row(21, "DeleteRecords", 0..=2, 2, Forward),
    row(22, "InitProducerId", 0..=5, 2, Forward),
    row(23, "OffsetForLeaderEpoch", 2..=4, 4, Forward),
    // Version 4 and later are the batched form that brokers send to each other; clients stay at 3 (KIP-890).
    row(24, "AddPartitionsToTxn", 0..=3, 3, Forward),
    row(25, "AddOffsetsToTxn", 0..=4, 3, Forward),
    row(26, "EndTxn", 0..=5, 3, Forward),
    // Between brokers, but also what `kafka-transactions abort` sends.
    row(27, "WriteTxnMarkers", 1..=2, 1, Forward),
    row(28, "TxnOffsetCommit", 0..=5, 3, Forward),
    row(29, "DescribeAcls", 1..=3, 2, Forward),
    row(30, "CreateAcls", 1..=3, 2, Forward),
    row(31, "DeleteAcls", 1..=3, 2, Forward),
    row(32, "DescribeConfigs", 1..=4, 4, R(BrokerConfigs)),
    row(33, "AlterConfigs", 0..=2, 2, Forward),
    row(34, "AlterReplicaLogDirs", 1..=2, 2, Forward),
    row(35, "DescribeLogDirs", 1..=5, 2, Forward),
    row(36, "SaslAuthenticate", 0..=2, 2, Answer),
    row(37, "CreatePartitions", 0..=3, 2, Forward),
    row(38, "CreateDelegationToken", 1..=3, 2, Forward),
    row(39, "RenewDelegationToken", 1..=2, 2, Forward),
    row(40, "ExpireDelegationToken", 1..=2, 2, Forward),
    row(41, "DescribeDelegationToken", 1..=3, 2, Forward),
    row(42, "DeleteGroups", 0..=2, 2, Forward),
    row(43, "ElectLeaders", 0..=2, 2, Forward),
    row(44, "IncrementalAlterConfigs", 0..=1, 1, Forward),
    row(45, "AlterPartitionReassignments", 0..=1, 0, Forward),
    row(46, "ListPartitionReassignments", 0..=0, 0, Forward),
    row(47, "OffsetDelete", 0..=0, NONE, Forward),
    row(48, "DescribeClientQuotas", 0..=1, 1, Forward),
    row(49, "AlterClientQuotas", 0..=1, 1, Forward),
    row(50, "DescribeUserScramCredentials", 0..=0, 0, Administer),
    row(51, "AlterUserScramCredentials", 0..=0, 0, Administer),
    row(55, "DescribeQuorum", 0..=2, 0, R(QuorumListeners)),
    row(57, "UpdateFeatures", 0..=2, 0, Forward),
    row(60, "DescribeCluster", 0..=2, 0, R(Brokers)),
    row(61, "DescribeProducers", 0..=0, 0, Forward),
    row(64, "UnregisterBroker", 0..=0, 0, Forward),
    row(65, "DescribeTransactions", 0..=0, 0, Forward),
    row(66, "ListTransactions", 0..=2, 0, Forward),
    row(68, "ConsumerGroupHeartbeat", 0..=1, 0, Forward),
    row(69, "ConsumerGroupDescribe", 0..=1, 0, Forward),
    row(71, "GetTelemetrySubscriptions", 0..=0, 0, Forward),
    row(72, "PushTelemetry", 0..=0, 0, Forward),
    row(74, "ListConfigResources", 0..=1, 0, Forward),
    row(75, "DescribeTopicPartitions", 0..=0, 0, Forward),
    row(76, "ShareGroupHeartbeat", 1..=1, 0, Forward),
    row(77, "ShareGroupDescribe", 1..=1, 0, Forward),
    row(78, "ShareFetch", 1..=2, 0, R(StreamedNodeEndpoints)),
    row(79, "ShareAcknowledge", 1..=2, 0, R(NodeEndpoints)),
    row(80, "AddRaftVoter", 0..=1, 0, Forward),
    row(81, "RemoveRaftVoter", 0..=0, 0, Forward),
    row(83, "InitializeShareGroupState", 0..=0, 0, BETWEEN_BROKERS),
    row(84, "ReadShareGroupState", 0..=0, 0, BETWEEN_BROKERS),
    row(85, "WriteShareGroupState", 0..=1, 0, BETWEEN_BROKERS),
    row(86, "DeleteShareGroupState", 0..=0, 0, BETWEEN_BROKERS),
    row(87, "ReadShareGroupStateSummary", 0..=1, 0, BETWEEN_BROKERS),
    row(88, "StreamsGroupHeartbeat", 0..=0, 0, Forward),
    row(89, "StreamsGroupDescribe", 0..=0, 0, Forward),
    row(90, "DescribeShareGroupOffsets", 0..=1, 0, Forward),
    row(91, "AlterShareGroupOffsets", 0..=0, 0, Forward),
    row(92, "DeleteShareGroupOffsets", 0..=0, 0, Forward),
];

/// The row of an API key.
pub fn row_of(api_key: i16) -> Option<&'static ApiRow> {
    // Keys are dense enough that the row is found a few places before its key.
    static INDEX: [u8; 93] = {
        let mut index = [u8::MAX; 93];
        let mut i = 0;
        while i < API_TABLE.len() {
            index[API_TABLE[i].key as usize] = i as u8;
            i += 1;
        }
        index
    };
    let at = *INDEX.get(usize::try_from(api_key).ok()?)?;
    API_TABLE.get(at as usize)
}

/// The versions of an API that the front offers; `None` for what it refuses. ApiVersions is the intersection of this with
/// what the backend says. Produce is offered from 0 although it starts at 3, as Kafka does for old librdkafka.
pub fn offered(api_key: i16) -> Option<(i16, i16)> {
    let row = row_of(api_key).filter(|row| !matches!(row.handling, Refuse(_)))?;
    Some((if row.key == 0 { 0 } else { row.min }, row.max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::schema::{self, Direction};

    #[test]
    fn the_table_agrees_with_kafkas_own_definitions() {
        // Where the front lets less through than Kafka does, and why, stands at the row.
        let narrower = [22, 24];
        for key in -1..=200 {
            let (row, request) = (row_of(key), schema::message(key, Direction::Request));
            assert_eq!(row.is_some(), request.is_some(), "API key {key}");
            let (Some(row), Some(request)) = (row, request) else { continue };
            assert_eq!((row.key, row.name), (key, request.name));
            assert_eq!(row.min, request.versions.min, "{}", row.name);
            if narrower.contains(&key) {
                assert!(row.max < request.versions.max, "{}", row.name);
            } else {
                assert_eq!(row.max, request.versions.max, "{}", row.name);
            }
            for version in row.versions() {
                assert_eq!(version >= row.flexible_from, request.flexible.contains(version), "{} {version}", row.name);
            }
        }
    }

    #[test]
    fn every_response_with_a_host_is_rewritten() {
        for row in &API_TABLE {
            let response = schema::message(row.key, Direction::Response).unwrap();
            let carries = ["Brokers.Host", "Host", "Coordinators.Host", "NodeEndpoints.Host", "Nodes.Listeners.Host"]
                .iter()
                .any(|path| response.has_field(path));
            let rewritten = matches!(row.handling, Handling::Rewrite(_));
            assert_eq!(carries || row.key == 32, rewritten, "{}", row.name);
        }
    }
}
