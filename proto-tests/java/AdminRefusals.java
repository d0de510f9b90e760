import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Admin calls that this cluster refuses: the refusal has to come through as it is. */
final class AdminRefusals {
    static void register() {
        Main.add("acls_disabled", (side, out) -> {
            out.call("describe", () -> side.admin().describeAcls(AclBindingFilter.ANY).values().get());
            AclBinding acl = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "x", PatternType.LITERAL),
                new AccessControlEntry("User:x", "*", AclOperation.READ, AclPermissionType.ALLOW));
            out.call("create", () -> side.admin().createAcls(List.of(acl)).all().get());
            out.call("delete", () -> side.admin().deleteAcls(List.of(acl.toFilter())).all().get());
        });
        Main.add("delegation_tokens", (side, out) -> {
            // Which error comes depends on how the backend connection is authenticated, so only the class counts.
            out.call("create", () -> side.admin().createDelegationToken().delegationToken().get());
            out.call("renew", () -> side.admin().renewDelegationToken(new byte[32]).expiryTimestamp().get());
            out.call("expire", () -> side.admin().expireDelegationToken(new byte[32]).expiryTimestamp().get());
            out.call("describe", () -> side.admin().describeDelegationToken().delegationTokens().get());
        });
        Main.add("raft_voters", (side, out) -> {
            out.call("remove", () -> side.admin().removeRaftVoter(77, new Uuid(7, 7)).all().get());
            // Voter 1 is one already: nothing can change.
            out.call("add", () -> side.admin().addRaftVoter(1, Uuid.fromString("dirA-of-proto-tests--A"),
                Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.9", 9))).all().get());
        });
        Main.add("unregister_broker", (side, out) -> out.call("77", () -> side.admin().unregisterBroker(77).all().get()));
        Main.add("update_features", (side, out) -> out.call("nonsense", () -> side.admin().updateFeatures(
            Map.of("nonsense.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get()));
        Main.add("unknown_names", (side, out) -> {
            String topic = side.own("unknown");
            out.call("describe topic", () -> side.admin().describeTopics(List.of(topic)).allTopicNames().get());
            out.call("delete records", () -> side.admin().deleteRecords(Map.of(new TopicPartition(side.own("reads"), 99), RecordsToDelete.beforeOffset(1)),
                new DeleteRecordsOptions().timeoutMs(3000)).all().get().getClass());
            out.call("describe group", () -> side.admin().describeConsumerGroups(List.of(side.own("unknown"))).all().get());
            out.call("describe Streams group", () -> side.admin().describeStreamsGroups(List.of(side.own("unknown"))).all().get());
            out.call("delete group", () -> side.admin().deleteConsumerGroups(List.of(side.own("unknown"))).all().get());
            out.call("offsets of group", () -> side.admin().listConsumerGroupOffsets(side.own("unknown")).partitionsToOffsetAndMetadata().get());
            out.call("describe transaction", () -> side.admin().describeTransactions(List.of(side.own("unknown"))).all().get());
            out.call("remove member", () -> side.admin().removeMembersFromConsumerGroup(side.own("unknown"), new RemoveMembersFromConsumerGroupOptions(
                Set.of(new MemberToRemove("nobody")))).all().get());
            out.call("log dirs of an unknown topic", () -> side.admin().describeReplicaLogDirs(List.of(new TopicPartitionReplica("x", 0, 1))).all().get().values());
            out.call("move to an unknown directory", () -> side.admin().alterReplicaLogDirs(Map.of(new TopicPartitionReplica(side.own("reads"), 0, 1), "/nowhere")).all().get());
        });
        Main.add("wrong_password", (side, out) -> {
            String jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"wrong-pass-canary\";";
            try (Admin admin = Admin.create(side.with("sasl.jaas.config", jaas))) {
                out.call("admin", () -> admin.describeCluster().nodes().get());
            }
            try (var producer = side.producer("sasl.jaas.config", jaas)) {
                out.call("producer", () -> producer.partitionsFor(side.own("reads")));
            }
            try (var consumer = side.consumer("sasl.jaas.config", jaas, "group.id", side.own("wrong"))) {
                out.call("consumer", () -> consumer.listTopics());
            }
        });
        Main.add("wrong_mechanism", (side, out) -> {
            String jaas = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"alice-secret\";";
            try (Admin admin = Admin.create(side.with("sasl.mechanism", "SCRAM-SHA-256", "sasl.jaas.config", jaas))) {
                out.call("admin", () -> admin.describeCluster().nodes().get());
            }
        });
        Main.add("telemetry", (side, out) -> out.call("client instance id", () -> {
            try (var producer = side.producer("enable.metrics.push", "true")) {
                return producer.clientInstanceId(java.time.Duration.ofSeconds(1));
            }
        }));
    }

    private AdminRefusals() {}
}
