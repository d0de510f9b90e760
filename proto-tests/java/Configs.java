import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/**
 * The official kafka-configs, one command line after the other in one JVM. Each line of the file is one command line, its
 * arguments separated by U+001F. For each it prints the exit code, standard output and standard error, each followed by U+001E. With
 * "until" and a text before its arguments it is run again until it says the text, with "until-not" until it doesn't, for a minute
 * at most: a broker acknowledges a change before it has heard of it.
 */
public class Configs {
    private static final class Ended extends RuntimeException {
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream console = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
        int[] code = {0};
        Exit.setExitProcedure((status, message) -> {
            // The tool catches what is thrown here and would end, and talk, a second time.
            if (System.err != nowhere) {
                code[0] = status;
            }
            System.setOut(nowhere);
            System.setErr(nowhere);
            throw new Ended();
        });
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] words = line.isEmpty() ? new String[0] : line.split("\u001f", -1);
            boolean until = words.length > 1 && words[0].equals("until");
            boolean untilNot = words.length > 1 && words[0].equals("until-not");
            String[] own = until || untilNot ? Arrays.copyOfRange(words, 2, words.length) : words;
            long end = System.nanoTime() + 60_000_000_000L;
            String said = run(own, code);
            while ((until && !said.contains(words[1]) || untilNot && said.contains(words[1])) && System.nanoTime() < end) {
                said = run(own, code);
            }
            console.print(said);
        }
        console.flush();
        Runtime.getRuntime().halt(0);
    }

    private static String run(String[] arguments, int[] code) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        code[0] = 0;
        try {
            // Scala prints to the stream that is current when it is asked so.
            scala.Console.withOut(System.out, () -> {
                kafka.admin.ConfigCommand.main(arguments);
                return null;
            });
        } catch (Ended ended) {
            // As System.exit would.
        }
        return code[0] + "\u001e" + out.toString(StandardCharsets.UTF_8) + "\u001e"
            + err.toString(StandardCharsets.UTF_8) + "\u001e";
    }
}
