import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/**
 * What kafka-configs.sh does, many times in one JVM. Usage: Configs FILE: each line of FILE holds the arguments of one call, separated
 * by tabs. Prints for each a line "exit CODE", then what it said on both outputs. With "until", TEXT or "until-not", TEXT before the
 * arguments the call is made again, for a minute at most, until it says TEXT, or doesn't: a broker acknowledges a change before it has
 * heard of it.
 */
public final class Configs {
    private static final class Ended extends RuntimeException {
        final int code;

        Ended(int code) {
            this.code = code;
        }
    }

    public static void main(String[] args) throws Exception {
        PrintStream own = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        PrintStream ownErrors = System.err;
        Exit.setExitProcedure((code, message) -> {
            throw new Ended(code);
        });
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] words = line.split("\t");
            boolean until = words[0].equals("until"), untilNot = words[0].equals("until-not");
            String[] arguments = until || untilNot ? Arrays.copyOfRange(words, 2, words.length) : words;
            long end = System.nanoTime() + 60_000_000_000L;
            String said = call(arguments);
            while ((until && !said.contains(words[1]) || untilNot && said.contains(words[1])) && System.nanoTime() < end) said = call(arguments);
            own.print(said);
        }
        System.setErr(ownErrors);
        own.flush();
        Runtime.getRuntime().halt(0);
    }

    private static String call(String[] arguments) throws Exception {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(said, true, StandardCharsets.UTF_8);
        System.setOut(out);
        System.setErr(out);
        int code = 0;
        try {
            // Scala's println keeps the stream that was there when it began, unless it is told.
            scala.Console.withOut(out, () -> {
                kafka.admin.ConfigCommand.main(arguments);
                return null;
            });
        } catch (Ended e) {
            code = e.code;
        }
        return "exit " + code + "\n" + said.toString(StandardCharsets.UTF_8);
    }
}
