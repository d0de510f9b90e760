import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.IntegerDeserializer;
import org.apache.kafka.common.serialization.IntegerSerializer;

/**
 * Sends the numbers 0, 1, 2, ... (idempotent, acks=all) until a file appears, then reads everything back and counts what was
 * acknowledged and is not there, and what is there twice. Usage: Load PROPERTIES TOPIC STOP_FILE.
 */
public final class Load {
    public static void main(String[] args) throws Exception {
        Properties props = new Properties();
        try (FileInputStream in = new FileInputStream(args[0])) {
            props.load(in);
        }
        String topic = args[1];
        props.put("acks", "all");
        props.put("enable.idempotence", "true");
        props.put("linger.ms", "5");
        props.put("delivery.timeout.ms", "120000");
        props.put("request.timeout.ms", "5000");
        props.put("reconnect.backoff.max.ms", "200");
        var acknowledged = ConcurrentHashMap.<Integer>newKeySet();
        AtomicInteger errors = new AtomicInteger();
        int sent = 0;
        try (var producer = new KafkaProducer<>(props, new IntegerSerializer(), new IntegerSerializer())) {
            while (!Files.exists(Path.of(args[2]))) {
                int number = sent++;
                producer.send(new ProducerRecord<>(topic, number, number), (meta, error) -> {
                    if (error == null) acknowledged.add(number);
                    else {
                        errors.incrementAndGet();
                        System.out.println("error " + error);
                    }
                });
                if (sent % 100 == 0) {
                    System.out.println("acknowledged " + acknowledged.size());
                    Thread.sleep(5);
                }
            }
        }
        int[] read = count(props, topic, sent);
        int lost = 0, doubled = 0;
        for (int number : acknowledged) if (read[number] == 0) lost++;
        for (int n : read) if (n > 1) doubled++;
        int all = 0;
        for (int n : read) all += n;
        System.out.println("verdict sent " + sent + " acknowledged " + acknowledged.size() + " read " + all + " lost " + lost
            + " doubled " + doubled + " errors " + errors.get() + " end");
    }

    /** How often each number is in the topic, up to its present end. */
    private static int[] count(Properties props, String topic, int numbers) throws Exception {
        int[] read = new int[numbers];
        props.remove("acks");
        try (var consumer = new KafkaConsumer<>(props, new IntegerDeserializer(), new IntegerDeserializer())) {
            List<TopicPartition> all = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (ConsumerRecord<Integer, Integer> r : consumer.poll(Duration.ofMillis(200))) read[r.value()]++;
            }
        }
        return read;
    }

    private Load() {}
}
