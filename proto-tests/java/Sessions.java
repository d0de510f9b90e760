import java.io.FileInputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
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
 * A producer sends the numbers 0, 1, 2, ... (idempotent, acks=all) to a topic of three partitions and a consumer of a group reads them, both
 * without a pause, for so many seconds after both have had to do with every partition; says what was lost or came twice, how often the
 * two have authenticated anew, and how many connections they made in that time. Usage: Sessions PROPERTIES TOPIC SECONDS.
 */
public final class Sessions {
    /** What is sent and read until each of the two has a connection to every broker, as far as partitions show. */
    private static final long WARM_MILLIS = 120_000;

    public static void main(String[] args) throws Exception {
        Properties props = new Properties();
        try (FileInputStream in = new FileInputStream(args[0])) {
            props.load(in);
        }
        String topic = args[1];
        long seconds = Long.parseLong(args[2]);
        int partitions = 3;
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
        Set<Integer> sentTo = ConcurrentHashMap.newKeySet();
        Set<Integer> readFrom = ConcurrentHashMap.newKeySet();
        double[] warm = new double[2];
        CountDownLatch isWarm = new CountDownLatch(1);
        double[] made = new double[2];
        double[] renewed = new double[2];
        double[] failed = new double[2];

        Thread consuming = new Thread(() -> {
            try (var consumer = new KafkaConsumer<>(props, new IntegerDeserializer(), new IntegerDeserializer())) {
                consumer.subscribe(List.of(topic));
                long end = Long.MAX_VALUE;
                while (System.currentTimeMillis() < end && !(done.get() && read.size() >= acknowledged.size())) {
                    for (ConsumerRecord<Integer, Integer> r : consumer.poll(Duration.ofMillis(100))) {
                        read.merge(r.value(), 1, Integer::sum);
                        readFrom.add(r.partition());
                    }
                    if (isWarm.getCount() > 0 && readFrom.size() == partitions && sentTo.size() == partitions) {
                        warm[1] = total(consumer.metrics(), "connection-creation-total");
                        isWarm.countDown();
                    }
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
            long begin = System.currentTimeMillis();
            long end = Long.MAX_VALUE;
            while (System.currentTimeMillis() < end) {
                if (end == Long.MAX_VALUE && isWarm.getCount() == 0) {
                    end = System.currentTimeMillis() + seconds * 1000;
                    warm[0] = total(producer.metrics(), "connection-creation-total");
                }
                if (end == Long.MAX_VALUE && System.currentTimeMillis() > begin + WARM_MILLIS) throw new IllegalStateException("not warm");
                int number = sent.getAndIncrement();
                producer.send(new ProducerRecord<>(topic, number, number), (meta, error) -> {
                    if (error == null) {
                        acknowledged.add(number);
                        sentTo.add(meta.partition());
                    } else {
                        errors.incrementAndGet();
                        System.out.println("error " + error);
                    }
                });
                if (number % 10 == 0) Thread.sleep(5);
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
