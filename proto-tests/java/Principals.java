import java.io.ByteArrayInputStream;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Principal;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.HexFormat;
import javax.net.ssl.SSLSession;
import org.apache.kafka.common.security.auth.SslAuthenticationContext;
import org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

/**
 * What Kafka's own classes make of client certificates and of names. Usage: Principals certificates|rules FILE, the files of
 * src/principal/tests. For each line that is no comment it prints the first column, a tab, and Kafka's answer, in which all
 * but printable ASCII is %XX as in the files; an exception is "!" and its simple name, with its message where the rules are
 * wrong.
 */
public final class Principals {
    public static void main(String[] args) throws Exception {
        for (String line : Files.readAllLines(Path.of(args[1]))) {
            if (line.startsWith("#")) continue;
            String[] columns = line.split("\t", -1);
            String said;
            try {
                said = args[0].equals("certificates") ? certificate(columns[1]) : rule(columns[0], unpercent(columns[1]));
            } catch (Exception e) {
                said = "!" + e.getClass().getSimpleName();
            }
            System.out.println(columns[0] + "\t" + said);
        }
    }

    /** By the whole of what a broker does at the end of a TLS handshake. */
    private static String certificate(String hex) throws Exception {
        X509Certificate certificate = (X509Certificate) CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(HexFormat.of().parseHex(hex)));
        Principal subject = certificate.getSubjectX500Principal();
        SSLSession session = (SSLSession) Proxy.newProxyInstance(Principals.class.getClassLoader(), new Class<?>[] {SSLSession.class},
            (proxy, method, args) -> {
                if (method.getName().equals("getPeerPrincipal")) return subject;
                throw new UnsupportedOperationException(method.getName());
            });
        DefaultKafkaPrincipalBuilder builder = new DefaultKafkaPrincipalBuilder(null, SslPrincipalMapper.fromRules("DEFAULT"));
        return percent(builder.build(new SslAuthenticationContext(session, InetAddress.getLoopbackAddress(), "SSL")).getName());
    }

    private static String rule(String rules, String name) throws Exception {
        SslPrincipalMapper mapper;
        try {
            mapper = SslPrincipalMapper.fromRules(unpercent(rules));
        } catch (IllegalArgumentException e) {
            return "!start " + percent(e.getMessage().lines().findFirst().orElse(""));
        }
        return percent(mapper.getName(name));
    }

    private static String percent(String text) {
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            if (b >= ' ' && b <= '~' && b != '%') out.append((char) b);
            else out.append(String.format("%%%02X", b & 0xff));
        }
        return out.toString();
    }

    private static String unpercent(String text) {
        byte[] in = text.getBytes(StandardCharsets.UTF_8);
        byte[] out = new byte[in.length];
        int length = 0;
        for (int i = 0; i < in.length; i++) {
            if (in[i] == '%') {
                out[length++] = (byte) Integer.parseInt(text.substring(i + 1, i + 3), 16);
                i += 2;
            } else {
                out[length++] = in[i];
            }
        }
        return new String(out, 0, length, StandardCharsets.UTF_8);
    }
}
