import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/** The result of a scenario: lines in which names and addresses of the side stand as words. */
final class Out {
    private final Side side;
    private final List<String> lines = new ArrayList<>();

    Out(Side side) {
        this.side = side;
    }

    void line(String text) {
        lines.add(side.normalise(text));
    }

    /** Lines in order of their text, for results that have none of their own. */
    void sorted(Collection<String> texts) {
        texts.stream().map(side::normalise).sorted().forEach(lines::add);
    }

    /** The value of a call, or the error that it gave. */
    void call(String what, Callable<?> call) {
        String said;
        try {
            said = String.valueOf(call.call());
        } catch (Throwable t) {
            said = describe(t);
        }
        line(what + ": " + said);
    }

    static String describe(Throwable t) {
        while ((t instanceof ExecutionException || t instanceof CompletionException) && t.getCause() != null) t = t.getCause();
        // How often a call was tried before it timed out is chance.
        if (t instanceof org.apache.kafka.common.errors.TimeoutException) return "TimeoutException";
        return t.getClass().getSimpleName() + ": " + t.getMessage();
    }

    String text() {
        return String.join("\n", lines) + "\n";
    }
}
