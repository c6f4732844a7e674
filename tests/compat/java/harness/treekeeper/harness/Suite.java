package treekeeper.harness;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs cases and prints a line for each.
 *
 * <p>In: named cases. Out: {@code ok NAME} or {@code not ok NAME # REASON} on standard output.
 * Cases that leave the server alone run side by side; those that kill it run one after the other, at the end.
 */
public final class Suite {
  private static final Duration TIMEOUT = Duration.ofSeconds(40);
  private static final int SIDE_BY_SIDE = 4;

  private record Entry(String name, TestCase body) {}

  private final String name;
  private final String only = System.getenv("TK_CASE");
  private final List<Entry> sideBySide = new ArrayList<>();
  private final List<Entry> oneByOne = new ArrayList<>();

  /** @param name the first part of the paths that the cases use */
  public Suite(String name) {
    this.name = name;
  }

  /** Adds a case that may run beside others. */
  public void add(String caseName, TestCase body) {
    sideBySide.add(new Entry(caseName, body));
  }

  /** Adds a case that kills, stops or pauses the server. */
  public void addAlone(String caseName, TestCase body) {
    oneByOne.add(new Entry(caseName, body));
  }

  /** Runs all cases (or those whose name contains {@code TK_CASE}) and ends the process. */
  public void runAndExit() throws InterruptedException {
    ExecutorService runners = Executors.newFixedThreadPool(SIDE_BY_SIDE, Suite::daemon);
    for (Entry entry : sideBySide) {
      runners.execute(() -> run(entry));
    }
    runners.shutdown();
    runners.awaitTermination(1, TimeUnit.HOURS);
    oneByOne.forEach(this::run);
    // Threads of a case that hangs must not keep the process.
    System.exit(0);
  }

  private void run(Entry entry) {
    if (only != null && !entry.name.contains(only)) {
      return;
    }
    long begin = System.nanoTime();
    ExecutorService worker = Executors.newSingleThreadExecutor(Suite::daemon);
    Thread[] thread = new Thread[1];
    Future<Void> outcome = worker.submit(() -> {
      thread[0] = Thread.currentThread();
      try {
        entry.body.run("/" + name + "-" + entry.name);
        return null;
      } catch (Exception | Error failure) {
        throw failure;
      } catch (Throwable failure) {
        throw new IllegalStateException(failure);
      }
    });
    try {
      outcome.get(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
      print("ok " + entry.name);
    } catch (ExecutionException failed) {
      failed.getCause().printStackTrace();
      print("not ok " + entry.name + " # " + describe(failed.getCause()));
    } catch (TimeoutException | InterruptedException late) {
      print("not ok " + entry.name + " # more than " + TIMEOUT.toSeconds() + " s, at " + place(thread[0].getStackTrace()));
    } finally {
      worker.shutdownNow();
      System.err.printf("%.1f s %s%n", (System.nanoTime() - begin) / 1e9, entry.name);
    }
  }

  private static String describe(Throwable failure) {
    return (failure + " at " + place(failure.getStackTrace())).replaceAll("\\s+", " ");
  }

  /** The innermost frame that is a case's own, which is where a reader wants to look. */
  private static String place(StackTraceElement[] stack) {
    for (StackTraceElement frame : stack) {
      if (frame.getClassName().startsWith("treekeeper.") && !frame.getClassName().startsWith("treekeeper.harness.")) {
        return frame.getFileName() + ":" + frame.getLineNumber();
      }
    }
    return stack.length == 0 ? "an unknown place" : stack[0].toString();
  }

  private static synchronized void print(String line) {
    System.out.println(line);
    System.out.flush();
  }

  private static Thread daemon(Runnable body) {
    Thread thread = new Thread(body);
    thread.setDaemon(true);
    return thread;
  }
}
