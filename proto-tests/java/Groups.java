import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Groups of consumers: the classic protocol, the one of KIP-848, and share groups. */
final class Groups {
    static void register() {
        Main.add("group_classic", (side, out) -> group(side, out, "classic"));
        Main.add("group_consumer", (side, out) -> group(side, out, "consumer"));
        Main.add("group_pattern", (side, out) -> {
            side.topic("pattern-a", 1);
            side.topic("pattern-b", 1);
            Data.send(side, side.own("pattern-a"), 1, 5);
            Data.send(side, side.own("pattern-b"), 1, 5);
            for (String protocol : List.of("classic", "consumer")) {
                try (KafkaConsumer<String, String> consumer = side.consumer("group.id", side.own("pattern-" + protocol), "group.protocol", protocol)) {
                    if (protocol.equals("classic")) consumer.subscribe(Pattern.compile(side.own("pattern-.*")));
                    else consumer.subscribe(new SubscriptionPattern(side.own("pattern-.*")));
                    out.line(protocol + " read " + Data.poll(consumer, 10).size() + " of " + new TreeSet<>(topics(consumer.assignment())));
                }
            }
        });
        Main.add("group_static", (side, out) -> {
            String topic = side.topic("static", 1), group = side.own("static-group");
            Data.send(side, topic, 1, 5);
            try (KafkaConsumer<String, String> consumer = side.consumer("group.id", group, "group.instance.id", "one")) {
                consumer.subscribe(List.of(topic));
                out.line("read " + Data.poll(consumer, 5).size());
                consumer.commitSync();
            }
            ConsumerGroupDescription seen = side.admin().describeConsumerGroups(List.of(group)).all().get().get(group);
            out.line("stays " + seen.members().stream().map(m -> m.groupInstanceId().orElse("none")).toList());
            side.admin().removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("one")))).all().get();
            out.line("then " + side.admin().describeConsumerGroups(List.of(group)).all().get().get(group).groupState());
        });
        Main.add("group_share", Groups::share);
    }

    private static void group(Side side, Out out, String protocol) throws Exception {
        String topic = side.topic("group-" + protocol, 4), group = side.own("group-" + protocol);
        side.fill(topic, 4, 200);
        AtomicBoolean stop = new AtomicBoolean();
        List<ConsumerRecord<String, String>> other = new ArrayList<>();
        Thread second = new Thread(() -> {
            try (KafkaConsumer<String, String> consumer = side.consumer("group.id", group, "group.protocol", protocol)) {
                consumer.subscribe(List.of(topic));
                while (!stop.get()) {
                    consumer.poll(Duration.ofMillis(100)).forEach(other::add);
                    consumer.commitSync();
                }
            }
        });
        try (KafkaConsumer<String, String> first = side.consumer("group.id", group, "group.protocol", protocol)) {
            first.subscribe(List.of(topic));
            List<ConsumerRecord<String, String>> got = new ArrayList<>(Data.poll(first, 200));
            first.commitSync();
            out.line("alone " + Data.summary(got));
            second.start();
            Side.until("two share the partitions", () -> {
                first.poll(Duration.ofMillis(100)).forEach(got::add);
                ConsumerGroupDescription seen = describe(side, group);
                return seen.members().size() == 2 && seen.members().stream().allMatch(m -> m.assignment().topicPartitions().size() == 2)
                    && seen.groupState().toString().equals("Stable") && first.assignment().size() == 2;
            });
            ConsumerGroupDescription seen = describe(side, group);
            out.line(seen.type() + " " + seen.groupState() + " " + seen.partitionAssignor() + " simple " + seen.isSimpleConsumerGroup());
            out.line("coordinator is a node: " + side.admin().describeCluster().nodes().get().contains(seen.coordinator()));
            for (MemberDescription m : seen.members()) out.line("member " + m.clientId() + " at " + m.host() + " epoch known " + m.memberEpoch().isPresent());
            out.sorted(side.admin().listGroups().all().get().stream().filter(g -> g.groupId().equals(group)).map(String::valueOf).toList());
            out.line("typed " + side.admin().listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.parse(protocol)))).all().get().stream().anyMatch(g -> g.groupId().equals(group)));
            out.call("delete while in use", () -> side.admin().deleteConsumerGroups(List.of(group)).all().get());
        } finally {
            stop.set(true);
            second.join();
        }
        out.sorted(side.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet().stream().map(e -> e.getKey() + " " + e.getValue().offset()).toList());
        Side.until("it is empty", () -> describe(side, group).groupState().toString().equals("Empty"));
        out.call("deleted", () -> side.admin().deleteConsumerGroups(List.of(group)).all().get());
    }

    private static void share(Side side, Out out) throws Exception {
        String topic = side.topic("shared", 2), group = side.own("share-group");
        ConfigResource config = new ConfigResource(ConfigResource.Type.GROUP, group);
        side.admin().incrementalAlterConfigs(Map.of(config, List.of(
            new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
        Side.until("the group's configuration is seen", () -> "earliest".equals(side.admin().describeConfigs(List.of(config)).all().get().get(config).get("share.auto.offset.reset").value()));
        side.fill(topic, 2, 100);
        Set<String> got = new TreeSet<>();
        try (KafkaShareConsumer<String, String> consumer =
                 new KafkaShareConsumer<>(side.with("group.id", group, "share.acknowledgement.mode", "explicit"), new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            Side.until("100 records", () -> {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(300))) {
                    got.add(r.value());
                    consumer.acknowledge(r);
                }
                consumer.commitSync();
                return got.size() == 100;
            });
            ShareGroupDescription seen = side.admin().describeShareGroups(List.of(group)).all().get().get(group);
            out.line("state " + seen.groupState() + " members " + seen.members().size());
            out.sorted(seen.members().stream().map(m -> m.clientId() + " at " + m.host() + " has " + m.assignment().topicPartitions().size()).toList());
        }
        out.line("read " + got.size());
        Side.until("it is empty", () -> side.admin().describeShareGroups(List.of(group)).all().get().get(group).groupState().toString().equals("Empty"));
        out.sorted(side.admin().listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec().topicPartitions(
            List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1))))).partitionsToOffsetInfo(group).get().entrySet().stream()
            .map(e -> e.getKey() + " known " + (e.getValue() != null)).toList());
        side.admin().alterShareGroupOffsets(group, Map.of(new TopicPartition(topic, 0), 3L)).all().get();
        side.admin().deleteShareGroupOffsets(group, Set.of(topic)).all().get();
        out.call("deleted", () -> side.admin().deleteShareGroups(List.of(group)).all().get());
    }

    private static ConsumerGroupDescription describe(Side side, String group) throws Exception {
        return side.admin().describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private static Set<String> topics(Collection<TopicPartition> partitions) {
        Set<String> topics = new TreeSet<>();
        partitions.forEach(p -> topics.add(p.topic()));
        return topics;
    }

    private Groups() {}
}
