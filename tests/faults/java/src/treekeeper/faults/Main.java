package treekeeper.faults;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.Watcher.Event.EventType;

/**
 * ZooKeeper's Java client under faults. Arguments: hosts, the run's start in CLOCK_MONOTONIC, registers in all, seconds for
 * which some of them are used, how many at once, a seed. A line on stdin ends the work; its end ends the process, which leaves
 * its last session to its fate.
 */
public final class Main {
  private static final long EVENT_MAX_S = 30;

  private final String hosts;
  private final double start;
  private final int registers;
  private final double phase;
  private final int atOnce;
  private final long seed;
  private volatile boolean stop;

  private Main(String[] arguments) {
    hosts = arguments[0];
    start = Double.parseDouble(arguments[1]);
    registers = Integer.parseInt(arguments[2]);
    phase = Double.parseDouble(arguments[3]);
    atOnce = Integer.parseInt(arguments[4]);
    seed = Long.parseLong(arguments[5]);
  }

  public static void main(String[] arguments) throws Exception {
    new Main(arguments).run();
  }

  private interface Work {
    void run() throws InterruptedException;
  }

  private void run() throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (Work work : List.<Work>of(() -> set(0), () -> set(1), this::append, this::follow, this::own)) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  work.run();
                } catch (InterruptedException error) {
                  Output.say(Map.of("violation", "the Java client was interrupted"));
                }
              });
      thread.start();
      threads.add(thread);
    }
    System.in.read();
    stop = true;
    for (Thread thread : threads) {
      thread.join();
    }
    Output.say(Map.of("finished", true));
    while (System.in.read() >= 0) {}
    // Without closing the session.
    Runtime.getRuntime().halt(0);
  }

  private int register(Random choice) {
    long turn = (long) ((Output.now() - start) / phase);
    int first = (int) Math.min(turn * atOnce, registers - atOnce);
    return first + choice.nextInt(atOnce);
  }

  private void set(int worker) throws InterruptedException {
    Random choice = new Random(seed + worker);
    Session session = new Session(hosts, choice.nextInt(4_000, 15_000));
    for (long count = 0; !stop; count++) {
      session.renew();
      int register = register(choice);
      Session.Data data = session.read(register);
      if (data != null && choice.nextInt(10) < 7) {
        Integer expected = choice.nextBoolean() ? data.stat().getVersion() : null;
        session.set(register, "java" + worker + "-" + count, expected);
      }
      Thread.sleep(choice.nextInt(10, 50));
    }
    session.close();
  }

  private void append() throws InterruptedException {
    Random choice = new Random(seed + 10);
    Session session = new Session(hosts, choice.nextInt(4_000, 15_000));
    for (long count = 0; !stop; count++) {
      session.renew();
      session.append("java-append-" + count);
      Thread.sleep(choice.nextInt(20, 60));
    }
    session.close();
  }

  /** No read may show a change of a watched znode before its event, and every change that is seen has one. */
  private void follow() throws InterruptedException {
    Random choice = new Random(seed + 20);
    Session session = new Session(hosts, 10_000);
    while (!stop) {
      session.renew();
      int register = register(choice);
      CountDownLatch event = new CountDownLatch(1);
      Session.Data first = session.watch(register, change -> {
        // The client also tells watchers of its connection, and keeps them.
        if (change.getType() != EventType.None) {
          event.countDown();
        }
      });
      if (first == null || event.await(1, TimeUnit.SECONDS)) {
        continue;
      }
      Session.Data again = session.read(register);
      if (again == null || again.stat().getVersion() <= first.stat().getVersion()) {
        continue;
      }
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(EVENT_MAX_S);
      while (!event.await(100, TimeUnit.MILLISECONDS) && !session.isOver()) {
        if (System.nanoTime() > deadline) {
          String text = "the Java client's session 0x%x watched /register%d at version %d, read version %d, and got no event";
          int before = first.stat().getVersion();
          int after = again.stat().getVersion();
          Output.say(Map.of("violation", text.formatted(session.id(), register, before, after)));
          break;
        }
      }
    }
    session.close();
  }

  /** Sessions that own ephemerals, which live as long as they do; the last one stays. */
  private void own() throws InterruptedException {
    Random choice = new Random(seed + 30);
    for (long turn = 0; ; turn++) {
      boolean isLast = stop;
      Session session = new Session(hosts, choice.nextInt(4_000, 8_000));
      List<String> mine = new ArrayList<>();
      int count = choice.nextInt(1, 4);
      for (int index = 0; index < count; index++) {
        String path = "/ephemerals/java-" + turn + "-" + index;
        if (session.own(path)) {
          mine.add(path);
        }
      }
      if (isLast) {
        if (!session.isOver()) {
          Output.say(Map.of("live", session.id(), "ephemerals", mine));
        }
        return;
      }
      Thread.sleep(choice.nextInt(100, 2_000));
      for (String path : mine) {
        if (!session.mayHave(path)) {
          Output.say(Map.of("violation", path + " is gone though the Java client's session 0x" + Long.toHexString(session.id()) + " lives"));
        }
      }
      session.close();
    }
  }
}
