import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** Admin calls that change something, and a look at what they changed. */
final class AdminWrites {
    static void register() {
        Main.add("create_topics", (side, out) -> {
            NewTopic fine = new NewTopic(side.own("created"), 2, (short) 2).configs(Map.of("retention.ms", "1234567"));
            CreateTopicsResult made = side.admin().createTopics(List.of(fine, new NewTopic("not/legal", 1, (short) 1),
                new NewTopic(side.own("too-wide"), 1, (short) 9), new NewTopic(side.own("odd-config"), 1, (short) 1).configs(Map.of("nonsense", "1"))));
            out.line("partitions " + made.numPartitions(fine.name()).get() + " replicas " + made.replicationFactor(fine.name()).get()
                + " retention " + made.config(fine.name()).get().get("retention.ms").value());
            out.call("not/legal", () -> made.values().get("not/legal").get());
            out.call("too wide", () -> made.values().get(side.own("too-wide")).get());
            out.call("odd config", () -> made.values().get(side.own("odd-config")).get());
            out.call("again", () -> side.admin().createTopics(List.of(fine)).all().get());
            out.call("checked only", () -> side.admin().createTopics(List.of(new NewTopic(side.own("dry"), 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get());
        });
        Main.add("create_partitions", (side, out) -> {
            side.admin().createPartitions(Map.of(side.own("created"), NewPartitions.increaseTo(4))).all().get();
            side.settled(side.own("created"), 4);
            out.line("partitions " + side.admin().describeTopics(List.of(side.own("created"))).allTopicNames().get().get(side.own("created")).partitions().size());
            out.call("fewer", () -> side.admin().createPartitions(Map.of(side.own("created"), NewPartitions.increaseTo(1))).all().get());
            out.call("of an unknown topic", () -> side.admin().createPartitions(Map.of(side.own("unknown"), NewPartitions.increaseTo(2))).all().get());
        });
        Main.add("alter_topic_configs", (side, out) -> {
            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, side.own("created"));
            side.admin().incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND),
                new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE)))).all().get();
            Config changed = Side.eventually("the change is seen", () -> side.admin().describeConfigs(List.of(topic)).all().get().get(topic),
                c -> c.get("cleanup.policy").value().contains("compact"));
            out.line("policy " + changed.get("cleanup.policy").value() + " retention " + changed.get("retention.ms").value());
            out.call("odd value", () -> side.admin().incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get());
        });
        Main.add("alter_broker_configs", (side, out) -> {
            // A key that no topic inherits: what other scenarios read of topics at the same time must not move.
            String key = "log.cleaner.backoff.ms";
            synchronized (AdminReads.class) {
                ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "3");
                AlterConfigOp set = new AlterConfigOp(new ConfigEntry(key, "16789"), AlterConfigOp.OpType.SET);
                side.admin().incrementalAlterConfigs(Map.of(broker, List.of(set))).all().get();
                Side.until("the change is seen", () -> "16789".equals(value(side, broker, key)));
                AlterConfigOp delete = new AlterConfigOp(new ConfigEntry(key, ""), AlterConfigOp.OpType.DELETE);
                side.admin().incrementalAlterConfigs(Map.of(broker, List.of(delete))).all().get();
                Side.until("the change back is seen", () -> !"16789".equals(value(side, broker, key)));
                out.line("changed and changed back");
                out.call("read-only key", () -> side.admin().incrementalAlterConfigs(Map.of(broker, List.of(
                    new AlterConfigOp(new ConfigEntry("broker.rack", "elsewhere"), AlterConfigOp.OpType.SET)))).all().get());
            }
        });
        Main.add("delete_records", (side, out) -> {
            String topic = side.topic("shrinks", 1);
            side.fill(topic, 1, 20);
            TopicPartition p = new TopicPartition(topic, 0);
            out.line("low " + side.admin().deleteRecords(Map.of(p, RecordsToDelete.beforeOffset(5))).lowWatermarks().get(p).get().lowWatermark());
            out.call("too far", () -> side.admin().deleteRecords(Map.of(p, RecordsToDelete.beforeOffset(500))).all().get());
        });
        Main.add("elect_leaders", (side, out) -> {
            String topic = side.topic("elects", Map.of(0, List.of(1, 2)), Map.of());
            TopicPartition p = new TopicPartition(topic, 0);
            out.call("not needed", () -> side.admin().electLeaders(ElectionType.PREFERRED, Set.of(p)).partitions().get());
            side.admin().alterPartitionReassignments(Map.of(p, Optional.of(new NewPartitionReassignment(List.of(2, 1))))).all().get();
            Side.until("the order is new", () -> side.admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(0).replicas().get(0).id() == 2);
            out.line("elected " + side.admin().electLeaders(ElectionType.PREFERRED, Set.of(p)).partitions().get());
            out.line("leader " + Side.eventually("2 leads", () -> leader(side, topic), id -> id == 2));
        });
        Main.add("reassign", (side, out) -> {
            String topic = side.topic("moves", Map.of(0, List.of(1, 2)), Map.of());
            side.fill(topic, 1, 50);
            TopicPartition p = new TopicPartition(topic, 0);
            side.admin().alterPartitionReassignments(Map.of(p, Optional.of(new NewPartitionReassignment(List.of(3, 2))))).all().get();
            Side.until("moved", () -> side.admin().listPartitionReassignments(Set.of(p)).reassignments().get().isEmpty() && leader(side, topic) == 3);
            side.settled(topic, 1);
            out.line(AdminReads.partition(side.admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(0)));
            out.call("to nowhere", () -> side.admin().alterPartitionReassignments(Map.of(p, Optional.of(new NewPartitionReassignment(List.of(77))))).all().get());
            out.call("cancel none", () -> side.admin().alterPartitionReassignments(Map.of(p, Optional.empty())).all().get());
            side.fill(topic, 1, 10);
        });
        Main.add("quotas", (side, out) -> {
            ClientQuotaEntity who = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, side.own("quota-user")));
            side.admin().alterClientQuotas(List.of(new ClientQuotaAlteration(who, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 12345.0))))).all().get();
            ClientQuotaFilter filter = ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, side.own("quota-user"))));
            out.line(Side.eventually("the quota is seen", () -> side.admin().describeClientQuotas(filter).entities().get(), e -> !e.isEmpty()).toString());
            out.call("odd quota", () -> side.admin().alterClientQuotas(List.of(new ClientQuotaAlteration(who, List.of(new ClientQuotaAlteration.Op("nonsense", 1.0))))).all().get());
        });
        Main.add("scram_users", (side, out) -> {
            String user = side.own("scram-user");
            side.admin().alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "pw"))).all().get();
            out.line(Side.eventually("the user is seen", () -> side.admin().describeUserScramCredentials(List.of(user)).all().get(), all -> !all.get(user).credentialInfos().isEmpty()).toString());
            side.admin().alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all().get();
            out.call("few iterations", () -> side.admin().alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 10), "pw"))).all().get());
            out.call("unknown", () -> side.admin().describeUserScramCredentials(List.of(side.own("nobody"))).description(side.own("nobody")).get());
        });
        Main.add("group_offsets", (side, out) -> {
            String group = side.own("offsets-only");
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (int p = 0; p < 3; p++) offsets.put(new TopicPartition(side.own("reads"), p), new OffsetAndMetadata(p + 1, "note " + p));
            side.admin().alterConsumerGroupOffsets(group, offsets).all().get();
            out.sorted(side.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet().stream().map(String::valueOf).toList());
            side.admin().deleteConsumerGroupOffsets(group, Set.of(new TopicPartition(side.own("reads"), 1))).all().get();
            out.line("left " + side.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().size());
            side.admin().deleteConsumerGroups(List.of(group)).all().get();
            out.call("deleted twice", () -> side.admin().deleteConsumerGroups(List.of(group)).all().get());
        });
        Main.add("delete_topics", (side, out) -> {
            String topic = side.own("created");
            var id = side.admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId();
            side.admin().deleteTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id))).all().get();
            Side.until("it is gone", () -> {
                boolean seen = false;
                for (int look = 0; look < 6; look++) seen |= side.admin().listTopics().names().get().contains(topic);
                return !seen;
            });
            out.call("again", () -> side.admin().deleteTopics(List.of(topic)).all().get());
            out.call("described", () -> side.admin().describeTopics(List.of(topic)).allTopicNames().get());
        });
    }

    private static int leader(Side side, String topic) throws Exception {
        return side.admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(0).leader().id();
    }

    private static String value(Side side, ConfigResource resource, String key) throws Exception {
        ConfigEntry entry = side.admin().describeConfigs(List.of(resource)).all().get().get(resource).get(key);
        return String.valueOf(entry.value());
    }

    private AdminWrites() {}
}
