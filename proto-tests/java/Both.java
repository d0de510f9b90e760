import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.IntegerDeserializer;
import org.apache.kafka.common.serialization.IntegerSerializer;

/**
 * Sends the numbers 0, 1, 2, ... (idempotent, acks=all) and consumes them at the same time, in a group, until a file appears; then
 * counts what was acknowledged and not consumed, what was consumed twice, and the connections that either client has made since it
 * was warm. Usage: Both PROPERTIES TOPIC STOP_FILE.
 */
public final class Both {
    public static void main(String[] args) throws Exception {
        Properties props = new Properties();
        try (FileInputStream in = new FileInputStream(args[0])) {
            props.load(in);
        }
        String topic = args[1];
        props.put("group.id", topic);
        props.put("auto.offset.reset", "earliest");
        props.put("auto.commit.interval.ms", "500");
        var acknowledged = ConcurrentHashMap.<Integer>newKeySet();
        var consumed = new ConcurrentHashMap<Integer, Integer>();
        AtomicInteger errors = new AtomicInteger();
        int sent = 0;
        double before = -1, after;
        try (var producer = new KafkaProducer<>(props, new IntegerSerializer(), new IntegerSerializer());
                var consumer = new KafkaConsumer<>(props, new IntegerDeserializer(), new IntegerDeserializer())) {
            consumer.subscribe(List.of(topic));
            long end = Long.MAX_VALUE;
            while (System.nanoTime() < end) {
                boolean stopped = Files.exists(Path.of(args[2]));
                for (int i = 0; i < 50 && !stopped; i++) {
                    int number = sent++;
                    producer.send(new ProducerRecord<>(topic, number, number), (meta, error) -> {
                        if (error == null) acknowledged.add(number);
                        else {
                            errors.incrementAndGet();
                            System.out.println("error " + error);
                        }
                    });
                }
                for (ConsumerRecord<Integer, Integer> r : consumer.poll(Duration.ofMillis(20))) consumed.merge(r.value(), 1, Integer::sum);
                System.out.println("acknowledged " + Math.min(acknowledged.size(), consumed.size()));
                // Both have found all the brokers that they need.
                if (before < 0 && consumed.size() >= 2000) before = connections(producer.metrics()) + connections(consumer.metrics());
                if (stopped && end == Long.MAX_VALUE) {
                    producer.flush();
                    end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
                }
                if (stopped && consumed.keySet().containsAll(acknowledged)) break;
            }
            after = connections(producer.metrics()) + connections(consumer.metrics());
        }
        int lost = 0, doubled = 0;
        for (int number : acknowledged) if (!consumed.containsKey(number)) lost++;
        for (int n : consumed.values()) if (n > 1) doubled++;
        System.out.println("verdict sent " + sent + " acknowledged " + acknowledged.size() + " read " + consumed.size() + " lost " + lost
            + " doubled " + doubled + " errors " + errors.get() + " connections " + (long) (before < 0 ? -1 : after - before) + " end");
    }

    /** How many it has made so far. */
    private static double connections(Map<MetricName, ? extends Metric> metrics) {
        double sum = 0;
        for (var entry : metrics.entrySet()) {
            MetricName name = entry.getKey();
            boolean whole = name.group().equals("producer-metrics") || name.group().equals("consumer-metrics");
            if (whole && name.name().equals("connection-creation-total")) sum += ((Number) entry.getValue().metricValue()).doubleValue();
        }
        return sum;
    }

    private Both() {}
}
