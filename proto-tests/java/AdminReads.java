import static org.apache.kafka.clients.admin.OffsetSpec.earliest;
import static org.apache.kafka.clients.admin.OffsetSpec.forTimestamp;
import static org.apache.kafka.clients.admin.OffsetSpec.latest;
import static org.apache.kafka.clients.admin.OffsetSpec.maxTimestamp;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;

/** Admin calls that only look. */
final class AdminReads {
    /** Values of a broker that hold addresses: doorkeeper must not show the backend's. */
    private static final Set<String> ADDRESSES =
        Set.of("listeners", "advertised.listeners", "controller.quorum.bootstrap.servers", "controller.quorum.voters");

    static void register() {
        Main.add("describe_cluster", (side, out) -> {
            DescribeClusterResult cluster = side.admin().describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            out.line("id " + cluster.clusterId().get());
            out.sorted(cluster.nodes().get().stream().map(Side::node).toList());
            out.line("controller is a node: " + cluster.nodes().get().contains(cluster.controller().get()));
            out.line("may " + new TreeSet<>(cluster.authorizedOperations().get()));
        });
        Main.add("describe_cluster_with_fenced", (side, out) -> {
            var nodes = side.admin().describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes().get();
            out.sorted(nodes.stream().map(n -> Side.node(n) + " fenced " + n.isFenced()).toList());
        });
        Main.add("topics", (side, out) -> {
            String topic = side.topic("reads", 3);
            side.fill(topic, 3, 30);
            var names = side.admin().listTopics(new ListTopicsOptions().listInternal(true)).names().get();
            out.sorted(names.stream().filter(n -> n.equals(topic) || n.startsWith("__")).toList());
            TopicDescription seen = side.admin().describeTopics(List.of(topic), new DescribeTopicsOptions().includeAuthorizedOperations(true))
                .allTopicNames().get().get(topic);
            out.line("internal " + seen.isInternal() + " may " + new TreeSet<>(seen.authorizedOperations()));
            for (TopicPartitionInfo p : seen.partitions()) out.line(partition(p));
            out.line("by id " + side.admin().describeTopics(TopicCollection.ofTopicIds(List.of(seen.topicId()))).allTopicIds().get()
                .get(seen.topicId()).name());
        });
        Main.add("list_offsets", (side, out) -> {
            Map<String, OffsetSpec> specs = new TreeMap<>(Map.of("earliest", earliest(), "latest", latest(), "max", maxTimestamp(),
                "time", forTimestamp(1_700_000_000_010L), "local", OffsetSpec.earliestLocal(), "tiered", OffsetSpec.latestTiered()));
            for (var spec : specs.entrySet()) {
                Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
                for (int p = 0; p < 3; p++) asked.put(new TopicPartition(side.own("reads"), p), spec.getValue());
                out.sorted(side.admin().listOffsets(asked).all().get().entrySet().stream()
                    .map(e -> spec.getKey() + " " + e.getKey() + " " + e.getValue().offset() + " at " + e.getValue().timestamp()).toList());
            }
        });
        Main.add("topic_configs", (side, out) -> configs(side, out, new ConfigResource(ConfigResource.Type.TOPIC, side.own("reads"))));
        Main.add("broker_configs", (side, out) -> {
            synchronized (AdminReads.class) {
                for (String id : List.of("1", "2", "3", "")) configs(side, out, new ConfigResource(ConfigResource.Type.BROKER, id));
            }
        });
        Main.add("broker_addresses", (side, out) -> {
            // Not compared word by word: the harness looks for the backend's addresses in it.
            for (String id : List.of("1", "2", "3")) {
                ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, id);
                for (ConfigEntry e : side.admin().describeConfigs(List.of(broker)).all().get().get(broker).entries()) {
                    if (ADDRESSES.contains(e.name())) out.line(id + " " + e.name() + "=" + e.value());
                }
            }
        });
        Main.add("broker_loggers", (side, out) -> {
            ConfigResource logger = new ConfigResource(ConfigResource.Type.BROKER_LOGGER, "2");
            var entries = side.admin().describeConfigs(List.of(logger)).all().get().get(logger).entries();
            out.line("has a root " + entries.stream().anyMatch(e -> e.name().equals("root")));
        });
        Main.add("log_dirs", (side, out) -> {
            for (var broker : new TreeMap<>(side.admin().describeLogDirs(List.of(1, 2, 3)).allDescriptions().get()).entrySet()) {
                for (LogDirDescription dir : broker.getValue().values()) {
                    out.line(broker.getKey() + " error " + dir.error() + " total " + dir.totalBytes().isPresent());
                    out.sorted(dir.replicaInfos().entrySet().stream().filter(e -> e.getKey().topic().equals(side.own("reads")))
                        .map(e -> e.getKey() + " size " + e.getValue().size() + " lag " + e.getValue().offsetLag()).toList());
                }
            }
        });
        Main.add("replica_log_dirs", (side, out) -> {
            TopicPartitionReplica replica = new TopicPartitionReplica(side.own("reads"), 0, 2);
            out.line("future " + side.admin().describeReplicaLogDirs(List.of(replica)).all().get().get(replica).getFutureReplicaLogDir());
        });
        Main.add("quorum", (side, out) -> {
            QuorumInfo quorum = side.admin().describeMetadataQuorum().quorumInfo().get();
            out.line("leader " + quorum.leaderId() + " epoch " + quorum.leaderEpoch());
            out.line("voters " + quorum.voters().stream().map(v -> v.replicaId() + ":" + v.replicaDirectoryId()).sorted().toList());
            out.line("observers " + quorum.observers().size());
            out.line("nodes " + new TreeSet<>(quorum.nodes().keySet()));
        });
        Main.add("quorum_addresses", (side, out) -> {
            // Not compared word by word either: these are the controllers' own endpoints.
            for (var node : side.admin().describeMetadataQuorum().quorumInfo().get().nodes().values()) {
                out.line(node.nodeId() + " " + node.endpoints().stream().map(e -> e.listener() + " " + e.host() + ":" + e.port()).sorted().toList());
            }
        });
        Main.add("features", (side, out) -> {
            FeatureMetadata seen = side.admin().describeFeatures().featureMetadata().get();
            out.sorted(seen.finalizedFeatures().entrySet().stream().map(e -> "finalized " + e).toList());
            out.sorted(seen.supportedFeatures().entrySet().stream().map(e -> "supported " + e).toList());
        });
        Main.add("producers", (side, out) -> {
            var partition = new TopicPartition(side.own("reads"), 0);
            var states = side.admin().describeProducers(List.of(partition)).all().get().get(partition).activeProducers();
            out.sorted(states.stream().map(s -> "epoch " + s.producerEpoch() + " sequence " + s.lastSequence() + " txn " + s.currentTransactionStartOffset()).toList());
        });
        Main.add("reassignments_none", (side, out) -> out.call("reassignments", () -> side.admin().listPartitionReassignments(
            Set.of(new TopicPartition(side.own("reads"), 0))).reassignments().get()));
        Main.add("config_resources", (side, out) -> {
            var all = side.admin().listConfigResources(Set.of(ConfigResource.Type.TOPIC, ConfigResource.Type.BROKER), new ListConfigResourcesOptions()).all().get();
            out.sorted(all.stream().filter(r -> r.type() == ConfigResource.Type.BROKER || r.name().equals(side.own("reads"))).map(String::valueOf).toList());
        });
    }

    static String partition(TopicPartitionInfo p) {
        return p.partition() + " leader " + Side.node(p.leader()) + " replicas " + p.replicas().stream().map(Side::node).toList() + " isr "
            + p.isr().stream().map(Side::node).toList() + " elr " + p.elr() + " last " + p.lastKnownElr();
    }

    private static void configs(Side side, Out out, ConfigResource resource) throws Exception {
        var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        Config config = side.admin().describeConfigs(List.of(resource), options).all().get().get(resource);
        List<String> lines = new ArrayList<>();
        for (ConfigEntry e : config.entries()) {
            if (ADDRESSES.contains(e.name())) continue;
            String synonyms = e.synonyms().stream().map(s -> s.name() + "=" + s.value() + " " + s.source()).collect(Collectors.joining(";"));
            int doc = e.documentation() == null ? 0 : e.documentation().length();
            lines.add(resource.name() + " " + e.name() + "=" + e.value() + " " + e.source() + " " + e.type() + " secret " + e.isSensitive()
                + " fixed " + e.isReadOnly() + " doc " + doc + " [" + synonyms + "]");
        }
        out.line(resource.type() + " has entries " + !lines.isEmpty());
        out.sorted(lines);
    }

    private AdminReads() {}
}
