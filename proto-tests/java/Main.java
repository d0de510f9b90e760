import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * Runs the same client scenarios straight to Kafka and through doorkeeper, and writes what each saw in words that do not
 * depend on addresses. Usage: Main OUT_DIR SIDE=FILE... : one thread for each side; the result of scenario S on a side goes
 * to OUT_DIR/SIDE/S. Each FILE holds client properties, and "nodes" (id@host:port,...): the addresses that are expected.
 */
public final class Main {
    interface Scenario {
        void run(Side side, Out out) throws Exception;
    }

    private static final Map<String, Scenario> ALL = new LinkedHashMap<>();

    static void add(String name, Scenario scenario) {
        if (ALL.put(name, scenario) != null) throw new IllegalStateException("two scenarios named " + name);
    }

    public static void main(String[] args) throws Exception {
        AdminReads.register();
        AdminWrites.register();
        AdminRefusals.register();
        Data.register();
        Groups.register();
        if (args.length == 1 && args[0].equals("--list")) {
            ALL.keySet().forEach(System.out::println);
            return;
        }
        List<Thread> threads = new ArrayList<>();
        for (int i = 1; i < args.length; i++) {
            String[] parts = args[i].split("=", 2);
            Properties props = new Properties();
            try (FileInputStream in = new FileInputStream(parts[1])) {
                props.load(in);
            }
            Path dir = Files.createDirectories(Path.of(args[0], parts[0]));
            Thread thread = new Thread(() -> runSide(new Side(parts[0], props), dir), parts[0]);
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
    }

    private static void runSide(Side side, Path dir) {
        try {
            for (Map.Entry<String, Scenario> entry : ALL.entrySet()) {
                long begin = System.nanoTime();
                Out out = new Out(side);
                try {
                    entry.getValue().run(side, out);
                } catch (Throwable t) {
                    out.line("UNEXPECTED " + Out.describe(t));
                    for (StackTraceElement e : t.getStackTrace()) if (e.getFileName() != null && e.getModuleName() == null) out.line("  at " + e);
                }
                Files.writeString(dir.resolve(entry.getKey()), out.text());
                System.out.printf("%s %s %d ms%n", side.name, entry.getKey(), (System.nanoTime() - begin) / 1_000_000);
            }
        } catch (Exception e) {
            e.printStackTrace();
        } finally {
            side.close();
        }
    }
}
