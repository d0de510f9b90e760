import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** Records in and out, with and without transactions. */
final class Data {
    static void register() {
        Main.add("produce_consume", (side, out) -> {
            for (String compression : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                String topic = side.topic("data-" + compression, 3);
                send(side, topic, 3, 300, "compression.type", compression, "linger.ms", 10);
                out.line(compression + " " + read(side, topic, 3, 300));
            }
        });
        Main.add("produce_acks", (side, out) -> {
            for (String acks : List.of("1", "all")) {
                String topic = side.topic("acks-" + acks, 1);
                out.line(acks + " last offset " + send(side, topic, 1, 50, "acks", acks, "enable.idempotence", "false").offset());
            }
            // With acks=0 the offset is unknown, and the next answer belongs to the next request.
            String topic = side.topic("acks-0", 1);
            out.line("0 last offset " + send(side, topic, 1, 50, "acks", "0", "enable.idempotence", "false", "batch.size", 1).offset());
            out.line("0 then read " + read(side, topic, 1, 50));
        });
        Main.add("produce_large", (side, out) -> {
            String topic = side.topic("large", 3);
            String value = "x".repeat(900_000);
            try (KafkaProducer<String, String> producer = side.producer()) {
                for (int i = 0; i < 12; i++) producer.send(new ProducerRecord<>(topic, i % 3, null, value + i));
                producer.flush();
                out.call("over the limit", () -> producer.send(new ProducerRecord<>(topic, 0, null, "y".repeat(1_100_000))).get());
            }
            try (KafkaProducer<String, String> producer = side.producer("max.request.size", 5_000_000)) {
                out.call("over the broker's limit", () -> producer.send(new ProducerRecord<>(topic, 0, null, "y".repeat(1_100_000))).get());
            }
            out.line(read(side, topic, 3, 12, "max.partition.fetch.bytes", 3_000_000));
        });
        Main.add("produce_unknown_topic", (side, out) -> {
            try (KafkaProducer<String, String> producer = side.producer("max.block.ms", 2000)) {
                out.call("send", () -> producer.send(new ProducerRecord<>(side.own("unknown"), "x")).get());
            }
        });
        Main.add("fetch_from_a_follower", (side, out) -> {
            // The rack of broker 2 makes the leader name it as the replica to read from, if a selector is set; else the leader serves.
            String topic = side.topic("racks", Map.of(0, List.of(1, 2)), Map.of());
            send(side, topic, 1, 20);
            out.line(read(side, topic, 1, 20, "client.rack", "rack-2"));
        });
        Main.add("seek", (side, out) -> {
            String topic = side.topic("seeks", 1);
            send(side, topic, 1, 100);
            TopicPartition p = new TopicPartition(topic, 0);
            try (KafkaConsumer<String, String> consumer = side.consumer()) {
                consumer.assign(List.of(p));
                consumer.seek(p, 90);
                out.line("from 90: " + poll(consumer, 10).size());
                consumer.seek(p, 5000);
                out.line("out of range, then reset: " + poll(consumer, 100).size());
                out.line("for time " + consumer.offsetsForTimes(Map.of(p, 1_700_000_000_050L)).get(p).offset());
                out.line("ends " + consumer.beginningOffsets(List.of(p)) + consumer.endOffsets(List.of(p)));
            }
        });
        Main.add("transactions", (side, out) -> {
            String from = side.topic("tx-from", 1), to = side.topic("tx-to", 1), group = side.own("tx-group"), id = side.own("tx");
            send(side, from, 1, 10);
            TopicPartition source = new TopicPartition(from, 0);
            try (KafkaProducer<String, String> producer = side.producer("transactional.id", id);
                 KafkaConsumer<String, String> consumer = side.consumer("group.id", group)) {
                producer.initTransactions();
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(to, 0, null, "given up")).get();
                producer.abortTransaction();
                consumer.assign(List.of(source));
                producer.beginTransaction();
                for (var r : poll(consumer, 10)) producer.send(new ProducerRecord<>(to, 0, r.key(), "made of " + r.value()));
                producer.flush();
                TransactionDescription open = side.admin().describeTransactions(List.of(id)).all().get().get(id);
                out.line("open " + open.state() + " over " + open.topicPartitions());
                out.line("listed " + side.admin().listTransactions(new ListTransactionsOptions()).all().get().stream()
                    .filter(t -> t.transactionalId().equals(id)).map(t -> t.state().toString()).toList());
                producer.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(10)), consumer.groupMetadata());
                producer.commitTransaction();
                Side.until("the end is written", () -> side.admin().describeTransactions(List.of(id)).all().get().get(id).state().toString().equals("CompleteCommit"));
            }
            out.line("committed " + read(side, to, 1, 10, "isolation.level", "read_committed"));
            out.line("all " + read(side, to, 1, 11));
            out.line("offsets " + side.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
            try (KafkaProducer<String, String> old = side.producer("transactional.id", id)) {
                old.initTransactions();
                old.beginTransaction();
                side.admin().fenceProducers(List.of(id)).all().get();
                out.call("fenced", () -> {
                    old.send(new ProducerRecord<>(to, 0, null, "too late")).get();
                    old.commitTransaction();
                    return "not fenced";
                });
            }
        });
    }

    /** Sends records with keys, headers and some empty values; gives what the last one was told. */
    static RecordMetadata send(Side side, String topic, int partitions, int records, Object... config) throws Exception {
        RecordMetadata last = null;
        try (KafkaProducer<String, String> producer = side.producer(config)) {
            List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < records; i++) {
                var record = new ProducerRecord<>(topic, i % partitions, 1_700_000_000_000L + i, i % 7 == 0 ? null : "key " + i, i % 11 == 0 ? null : "value " + i);
                if (i % 5 == 0) record.headers().add("header", ("of " + i).getBytes(StandardCharsets.UTF_8)).add("empty", null);
                sent.add(producer.send(record));
            }
            for (var one : sent) last = one.get();
        }
        return last;
    }

    /** Reads so many records from the beginning and sums up all that they hold. */
    static String read(Side side, String topic, int partitions, int records, Object... config) throws Exception {
        List<TopicPartition> all = new ArrayList<>();
        for (int p = 0; p < partitions; p++) all.add(new TopicPartition(topic, p));
        try (KafkaConsumer<String, String> consumer = side.consumer(config)) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            return summary(poll(consumer, records));
        }
    }

    static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer, int records) throws Exception {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        Side.until(records + " records", () -> {
            consumer.poll(Duration.ofMillis(200)).forEach(got::add);
            return got.size() >= records;
        });
        return got;
    }

    static String summary(List<ConsumerRecord<String, String>> records) {
        Map<String, String> sums = new TreeMap<>();
        for (ConsumerRecord<String, String> r : records) {
            StringBuilder headers = new StringBuilder();
            r.headers().forEach(h -> headers.append(h.key()).append('=').append(h.value() == null ? "null" : new String(h.value(), StandardCharsets.UTF_8)));
            CRC32 sum = new CRC32();
            sum.update((r.key() + "|" + r.value() + "|" + r.timestamp() / 1_000_000_000_000L + "|" + headers).getBytes(StandardCharsets.UTF_8));
            sums.put(r.partition() + ":" + r.offset(), Long.toHexString(sum.getValue()));
        }
        CRC32 all = new CRC32();
        all.update(sums.toString().getBytes(StandardCharsets.UTF_8));
        return records.size() + " records, sum " + Long.toHexString(all.getValue()) + " " + Set.copyOf(records.stream().map(ConsumerRecord::partition).toList()).size() + " partitions";
    }

    private Data() {}
}
