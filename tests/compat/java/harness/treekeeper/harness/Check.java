package treekeeper.harness;

import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Callable;

/** What cases say about what they see. */
public final class Check {
  /** How long a condition may take to come true; below a case's own time-out, so that its message is the one shown. */
  private static final Duration PATIENCE = Duration.ofSeconds(25);

  private Check() {}

  /** The two are equal; arrays by their content. */
  public static void equal(Object expected, Object actual) {
    if (!Objects.deepEquals(expected, actual)) {
      throw new AssertionError("expected " + text(expected) + " but was " + text(actual));
    }
  }

  /** The two are equal; {@code what} names them. */
  public static void equal(String what, Object expected, Object actual) {
    if (!Objects.deepEquals(expected, actual)) {
      throw new AssertionError(what + ": expected " + text(expected) + " but was " + text(actual));
    }
  }

  /** The condition holds now. */
  public static void that(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
  }

  /** The condition holds within a while. */
  public static void eventually(String what, Callable<Boolean> condition) throws Exception {
    eventually(what, PATIENCE, condition);
  }

  /** The condition holds within {@code patience}; it is asked every few milliseconds. */
  public static void eventually(String what, Duration patience, Callable<Boolean> condition) throws Exception {
    long deadline = System.nanoTime() + patience.toNanos();
    while (!condition.call()) {
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError("not within " + patience.toSeconds() + " s: " + what);
      }
      Thread.sleep(20);
    }
  }

  /** The body throws exactly this; returns it. */
  public static <E extends Throwable> E fails(Class<E> with, Body body) {
    try {
      body.run();
    } catch (Throwable thrown) {
      if (thrown.getClass() == with) {
        return with.cast(thrown);
      }
      throw new AssertionError("expected " + with.getSimpleName() + " but was " + thrown, thrown);
    }
    throw new AssertionError("expected " + with.getSimpleName() + " but nothing was thrown");
  }

  private static String text(Object value) {
    return value instanceof byte[] bytes ? Arrays.toString(bytes) : value instanceof Object[] array ? Arrays.deepToString(array) : String.valueOf(value);
  }

  /** Something that may throw anything. */
  @FunctionalInterface
  public interface Body {
    void run() throws Throwable;
  }
}
