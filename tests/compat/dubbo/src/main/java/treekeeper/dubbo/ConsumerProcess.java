package treekeeper.dubbo;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/** A running {@link Consumer}, seen from outside: whom it reached, and what failed. */
final class ConsumerProcess implements AutoCloseable {
    private static final String ANSWERED = "answered ";
    private static final String FAILED = "failed ";

    private final Map<String, Long> answers = new ConcurrentHashMap<>();
    private final List<String> failures = new CopyOnWriteArrayList<>();
    private final Child child;

    /** Starts it; it calls as soon as it has a list. */
    ConsumerProcess(Dubbo dubbo) throws IOException {
        child = Child.startJava(
                dubbo.logName("consumer"),
                Consumer.class,
                this::heard,
                dubbo.connect(),
                dubbo.registration().name(),
                String.valueOf(dubbo.sessionTimeout().toMillis()));
    }

    private void heard(String line) {
        if (line.startsWith(ANSWERED)) {
            answers.merge(line.substring(ANSWERED.length()), 1L, Long::sum);
        } else if (line.startsWith(FAILED)) {
            failures.add(line.substring(FAILED.length()));
        }
    }

    /** Waits until each of {@code providers} has answered {@code count} more calls. */
    void awaitAnswers(int count, List<String> providers) throws InterruptedException {
        Map<String, Long> before = Map.copyOf(answers);
        try {
            Await.until(
                    count + " calls answered by each of " + providers,
                    () -> providers.stream()
                            .allMatch(name -> answers.getOrDefault(name, 0L) - before.getOrDefault(name, 0L) >= count));
        } catch (CaseFailed e) {
            assertNoFailure();
            throw e;
        }
    }

    /** Waits until {@code count} more calls are answered, by whomever. */
    void awaitAnswers(int count) throws InterruptedException {
        long before = answered();
        Await.until(count + " calls answered", () -> answered() - before >= count);
    }

    /** Calls answered so far. */
    long answered() {
        return answers.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Calls failed so far. */
    long failed() {
        return failures.size();
    }

    /** Fails the case if any call ever failed, or the consumer ended. */
    void assertNoFailure() {
        if (!failures.isEmpty()) {
            throw new CaseFailed(failures.size() + " calls failed, first: " + failures.get(0));
        }
        if (!child.alive()) {
            throw new CaseFailed("the consumer has ended");
        }
    }

    @Override
    public void close() {
        child.close();
    }
}
