import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.function.Predicate;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** One way to the cluster: its client properties, and its own names of topics and groups. */
final class Side {
    final String name;
    private final Properties props = new Properties();
    private final Map<Integer, String> nodes = new HashMap<>();
    private Admin admin;

    Side(String name, Properties given) {
        this.name = name;
        props.putAll(given);
        for (String node : ((String) props.remove("nodes")).split(",")) {
            String[] parts = node.split("@");
            nodes.put(Integer.valueOf(parts[0]), parts[1]);
        }
        props.put("client.id", "scenario-" + name);
        props.put("default.api.timeout.ms", "40000");
    }

    /** A topic or group name that only this side uses. */
    String own(String base) {
        return base + "-" + name;
    }

    /** The names of this side and its addresses become words. */
    String normalise(String text) {
        for (Map.Entry<Integer, String> node : nodes.entrySet()) text = text.replace(node.getValue(), "ADDRESS" + node.getKey());
        return text.replace("-" + name, "-SIDE").replace("scenario-" + name, "CLIENT");
    }

    /** A node with its address: ADDRESSn only if that is the one that this side expects for n. */
    static String node(Node n) {
        return n == null ? "none" : n.id() + "@" + n.host() + ":" + n.port() + "/" + n.rack();
    }

    synchronized Admin admin() {
        if (admin == null) admin = Admin.create(props);
        return admin;
    }

    Properties with(Object... more) {
        Properties all = new Properties();
        all.putAll(props);
        for (int i = 0; i < more.length; i += 2) all.put(more[i], String.valueOf(more[i + 1]));
        return all;
    }

    KafkaProducer<String, String> producer(Object... more) {
        return new KafkaProducer<>(with(more), new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(Object... more) {
        Properties all = with("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        all.putAll(with(more));
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    /** Creates a topic of this side and waits until its leaders are known. Gives its name. */
    String topic(String base, Map<Integer, List<Integer>> assignment, Map<String, String> configs) throws Exception {
        String topic = own(base);
        admin().createTopics(List.of(new NewTopic(topic, assignment).configs(configs))).all().get();
        settled(topic, assignment.size());
        return topic;
    }

    String topic(String base, int partitions) throws Exception {
        Map<Integer, List<Integer>> assignment = new HashMap<>();
        for (int p = 0; p < partitions; p++) assignment.put(p, List.of(p % 3 + 1, (p + 1) % 3 + 1, (p + 2) % 3 + 1));
        return topic(base, assignment, Map.of());
    }

    /** Waits until every broker that may be asked knows that many partitions with their replicas in sync. */
    void settled(String topic, int partitions) throws Exception {
        Set<Boolean> good = new HashSet<>();
        until("topic " + topic + " settled", () -> {
            good.clear();
            // A description comes from any broker: six looks in a row have to agree.
            for (int look = 0; look < 6; look++) good.add(isSettled(topic, partitions));
            return good.equals(Set.of(true));
        });
    }

    private boolean isSettled(String topic, int partitions) throws Exception {
        try {
            TopicDescription seen = admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            return seen.partitions().size() == partitions
                && seen.partitions().stream().allMatch(p -> p.leader() != null && p.isr().size() == p.replicas().size());
        } catch (ExecutionException e) {
            return false;
        }
    }

    /** The first value that fits; brokers learn of a change one after another, and any of them may be the one that is asked. */
    static <T> T eventually(String what, Callable<T> look, Predicate<T> fits) throws Exception {
        List<T> last = new ArrayList<>();
        until(what, () -> {
            last.clear();
            try {
                last.add(look.call());
            } catch (ExecutionException e) {
                return false;
            }
            return fits.test(last.get(0));
        });
        return last.get(0);
    }

    static void until(String what, Callable<Boolean> holds) throws Exception {
        long end = System.currentTimeMillis() + 40_000;
        while (!holds.call()) {
            if (System.currentTimeMillis() > end) throw new IllegalStateException("waited in vain for: " + what);
            Thread.sleep(50);
        }
    }

    /** Sends that many records, "k0"="v0" and on, one after another over the partitions. */
    void fill(String topic, int partitions, int records) throws Exception {
        try (KafkaProducer<String, String> producer = producer("linger.ms", 5)) {
            for (int i = 0; i < records; i++) producer.send(new ProducerRecord<>(topic, i % partitions, 1_700_000_000_000L + i, "k" + i, "v" + i));
            producer.flush();
        }
    }

    synchronized void close() {
        if (admin != null) admin.close();
    }
}
