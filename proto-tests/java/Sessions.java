import java.io.FileInputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.serialization.IntegerDeserializer;
import org.apache.kafka.common.serialization.IntegerSerializer;

/**
 * A producer sends the numbers 0, 1, 2, ... (idempotent, acks=all) and a consumer of a group reads them, both for so many seconds without
 * a pause; says what was lost or came twice, how often the two have authenticated anew, and how many connections they made after the
 * first seconds. Usage: Sessions PROPERTIES TOPIC SECONDS.
 */
public final class Sessions {
    /** By then each has all its connections. */
    private static final long WARM_MILLIS = 8000;

    public static void main(String[] args) throws Exception {
        Properties props = new Properties();
        try (FileInputStream in = new FileInputStream(args[0])) {
            props.load(in);
        }
        String topic = args[1];
        long seconds = Long.parseLong(args[2]);
        props.put("acks", "all");
        props.put("enable.idempotence", "true");
        props.put("linger.ms", "5");
        props.put("group.id", "group-" + topic);
        props.put("auto.offset.reset", "earliest");
        props.put("heartbeat.interval.ms", "1000");
        var acknowledged = ConcurrentHashMap.<Integer>newKeySet();
        var read = new ConcurrentHashMap<Integer, Integer>();
        AtomicInteger errors = new AtomicInteger();
        AtomicBoolean done = new AtomicBoolean();
        AtomicInteger sent = new AtomicInteger();
        long begin = System.currentTimeMillis();
        double[] warm = {-1, -1};
        double[] made = new double[2];
        double[] renewed = new double[2];
        double[] failed = new double[2];

        Thread consuming = new Thread(() -> {
            try (var consumer = new KafkaConsumer<>(props, new IntegerDeserializer(), new IntegerDeserializer())) {
                consumer.subscribe(List.of(topic));
                long end = Long.MAX_VALUE;
                while (System.currentTimeMillis() < end && !(done.get() && read.size() >= acknowledged.size())) {
                    for (ConsumerRecord<Integer, Integer> r : consumer.poll(Duration.ofMillis(100))) read.merge(r.value(), 1, Integer::sum);
                    if (warm[1] < 0 && System.currentTimeMillis() > begin + WARM_MILLIS) warm[1] = total(consumer.metrics(), "connection-creation-total");
                    if (done.get() && end == Long.MAX_VALUE) end = System.currentTimeMillis() + 30_000;
                }
                made[1] = total(consumer.metrics(), "connection-creation-total");
                renewed[1] = total(consumer.metrics(), "successful-reauthentication-total");
                failed[1] = total(consumer.metrics(), "failed-reauthentication-total");
            } catch (Exception e) {
                errors.incrementAndGet();
                System.out.println("error " + e);
            }
        });
        consuming.start();
        try (var producer = new KafkaProducer<>(props, new IntegerSerializer(), new IntegerSerializer())) {
            while (System.currentTimeMillis() < begin + seconds * 1000) {
                int number = sent.getAndIncrement();
                producer.send(new ProducerRecord<>(topic, number, number), (meta, error) -> {
                    if (error == null) acknowledged.add(number);
                    else {
                        errors.incrementAndGet();
                        System.out.println("error " + error);
                    }
                });
                if (number % 10 == 0) Thread.sleep(5);
                if (warm[0] < 0 && System.currentTimeMillis() > begin + WARM_MILLIS) warm[0] = total(producer.metrics(), "connection-creation-total");
            }
            producer.flush();
            made[0] = total(producer.metrics(), "connection-creation-total");
            renewed[0] = total(producer.metrics(), "successful-reauthentication-total");
            failed[0] = total(producer.metrics(), "failed-reauthentication-total");
        }
        done.set(true);
        consuming.join();
        int lost = 0, doubled = 0;
        for (int number : acknowledged) if (!read.containsKey(number)) lost++;
        for (int times : read.values()) if (times > 1) doubled++;
        System.out.println("verdict sent " + sent.get() + " acknowledged " + acknowledged.size() + " read " + read.size() + " lost " + lost
            + " doubled " + doubled + " errors " + errors.get() + " connections " + (made[0] + made[1])
            + " reconnects " + (made[0] - warm[0] + made[1] - warm[1]) + " reauthentications " + (renewed[0] + renewed[1])
            + " failed-reauthentications " + (failed[0] + failed[1]) + " end");
    }

    /** The total of a client's connections, of all its nodes together. */
    private static double total(Map<MetricName, ? extends Metric> metrics, String name) {
        for (var entry : metrics.entrySet()) {
            MetricName of = entry.getKey();
            if (of.name().equals(name) && !of.tags().containsKey("node-id")) return (Double) entry.getValue().metricValue();
        }
        throw new IllegalStateException("no metric " + name);
    }

    private Sessions() {}
}
