import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Usage: Logins FILE. Each line of the file is a login: KEY PROTOCOL BOOTSTRAP MECHANISM USER PASSWORD TOPIC, separated by tabs. Produces a
 * record with that key, reads the topic until it comes, and prints "KEY ok" or "KEY refused: WHY". CLIENT_CA names the authority's PEM file.
 * With OAUTHBEARER the word for the password says where the token comes from: "unsecured", or "grant URL" for the issuer's token endpoint,
 * where the secret is USER-secret.
 */
public final class Logins {
    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<String>> said = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(args[0]))) said.add(pool.submit(() -> attempt(line.split("\t"))));
        for (Future<String> one : said) System.out.println(one.get());
        Runtime.getRuntime().halt(0);
    }

    private static String attempt(String[] words) throws InterruptedException {
        try {
            return words[0] + (login(words) ? " ok" : " not read");
        } catch (ExecutionException | KafkaException e) {
            Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
            return words[0] + " refused: " + cause.getClass().getSimpleName() + ": " + cause.getMessage();
        }
    }

    private static boolean login(String[] words) throws ExecutionException, InterruptedException {
        String key = words[0], topic = words[6];
        Properties props = new Properties();
        props.put("security.protocol", words[1]);
        props.put("bootstrap.servers", words[2]);
        props.put("sasl.mechanism", words[3]);
        if (words[3].equals("OAUTHBEARER")) bearer(props, words[4], words[5]);
        else props.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"" + words[4] + "\" password=\"" + words[5] + "\";");
        if (words[1].equals("SASL_SSL")) {
            props.put("ssl.truststore.type", "PEM");
            props.put("ssl.truststore.location", System.getenv("CLIENT_CA"));
        }
        try (var producer = new KafkaProducer<>(props, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, 0, key, "v")).get();
        }
        try (var consumer = new KafkaConsumer<>(props, new StringDeserializer(), new StringDeserializer())) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = System.currentTimeMillis() + 60_000;
            while (System.currentTimeMillis() < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    if (key.equals(record.key())) return true;
                }
            }
        }
        return false;
    }

    private static void bearer(Properties props, String user, String source) {
        String module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required ";
        if (source.equals("unsecured")) {
            props.put("sasl.jaas.config", module + "unsecuredLoginStringClaim_sub=\"" + user + "\";");
            return;
        }
        String url = source.substring("grant ".length());
        String trust = url.startsWith("https") ? " ssl.truststore.type=\"PEM\" ssl.truststore.location=\"" + System.getenv("CLIENT_CA") + "\"" : "";
        System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.urls", System.getenv("CLIENT_URLS"));
        props.put("sasl.login.callback.handler.class", "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler");
        props.put("sasl.oauthbearer.token.endpoint.url", url);
        props.put("sasl.jaas.config", module + "clientId=\"" + user + "\" clientSecret=\"" + user + "-secret\" scope=\"kafka\"" + trust + ";");
    }
}
