package treekeeper.dubbo;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.apache.zookeeper.KeeperException;

/** Waiting for a condition, with a bound. */
final class Await {
    /** More than any step takes on a busy machine; reaching it is a failure. */
    static final Duration LONG = Duration.ofSeconds(40);

    private static final long LOOK_EVERY_NANOS = 10_000_000;

    /** What is waited for. */
    interface Condition {
        /** Whether it holds now. */
        boolean holds() throws KeeperException, InterruptedException;
    }

    private Await() {}

    /**
     * Returns how long it took until {@code condition} held. While the server is away, it does not hold.
     *
     * @throws CaseFailed if it does not hold within {@code bound}
     */
    static Duration until(String what, Duration bound, Condition condition) throws InterruptedException {
        long start = System.nanoTime();
        while (true) {
            String now = "";
            try {
                if (condition.holds()) {
                    return Duration.ofNanos(System.nanoTime() - start);
                }
            } catch (KeeperException e) {
                now = " (last: " + e.getMessage() + ")";
            }
            if (System.nanoTime() - start > bound.toNanos()) {
                throw new CaseFailed("not within " + bound.toMillis() + " ms: " + what + now);
            }
            LockSupport.parkNanos(LOOK_EVERY_NANOS);
        }
    }

    /** As {@link #until(String, Duration, Condition)}, bounded by {@link #LONG}. */
    static Duration until(String what, Condition condition) throws InterruptedException {
        return until(what, LONG, condition);
    }
}
