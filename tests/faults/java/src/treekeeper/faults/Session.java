package treekeeper.faults;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** A session; a new one when it is over. Its calls are made one after another, and said. */
final class Session {
  private static final long OPEN_MAX_S = 10;
  private static final long AFTER_FAILURE_MS = 50;

  private final String hosts;
  private final int timeoutMs;
  private ZooKeeper client;
  private long order;

  Session(String hosts, int timeoutMs) throws InterruptedException {
    this.hosts = hosts;
    this.timeoutMs = timeoutMs;
    open();
  }

  private void open() throws InterruptedException {
    while (true) {
      CompletableFuture<Void> connected = new CompletableFuture<>();
      try {
        client =
            new ZooKeeper(
                hosts,
                timeoutMs,
                event -> {
                  if (event.getState() == Watcher.Event.KeeperState.SyncConnected) {
                    connected.complete(null);
                  }
                });
        connected.get(OPEN_MAX_S, TimeUnit.SECONDS);
        return;
      } catch (InterruptedException error) {
        throw error;
      } catch (Exception error) {
        close();
      }
    }
  }

  /** Opens a new session if this one is over. */
  void renew() throws InterruptedException {
    if (!isOver()) {
      return;
    }
    Output.say(Map.of("expired", id()));
    close();
    open();
  }

  boolean isOver() {
    return !client.getState().isAlive();
  }

  long id() {
    return client.getSessionId();
  }

  void close() throws InterruptedException {
    if (client != null) {
      client.close();
    }
  }

  /** What a call does. */
  interface Call<T> {
    T make() throws Exception;
  }

  /** What came of it, as it is said. */
  interface Outcome<T> {
    Object of(T value);
  }

  /** What the call gives; null if it failed. */
  private <T> T call(Object action, Call<T> call, Outcome<T> outcome) throws InterruptedException {
    order++;
    double start = Output.now();
    T value = null;
    Object known;
    boolean failed = true;
    try {
      value = call.make();
      known = outcome.of(value);
      failed = false;
    } catch (KeeperException.BadVersionException | KeeperException.NoNodeException error) {
      known = Map.of("refused", error.code().toString());
    } catch (KeeperException error) {
      known = Map.of("unknown", error.code().toString());
    } catch (InterruptedException error) {
      throw error;
    } catch (Exception error) {
      known = Map.of("unknown", error.toString());
    }
    Output.say(Map.of("session", id(), "order", order, "action", action, "start", start, "end", Output.now(), "outcome", known));
    if (failed) {
      Thread.sleep(AFTER_FAILURE_MS);
    }
    return value;
  }

  private static String register(int number) {
    return "/register" + number;
  }

  private static Object seen(Data data) {
    return Map.of("read", List.of(data.text(), data.stat().getVersion()));
  }

  /** What a znode held. */
  record Data(String text, Stat stat) {}

  /** Reads behind a sync. */
  Data read(int number) throws InterruptedException {
    return call(
        Map.of("read", List.of(number, true)),
        () -> {
          CompletableFuture<Integer> synced = new CompletableFuture<>();
          client.sync(register(number), (code, path, context) -> synced.complete(code), null);
          int code = synced.get();
          if (code != 0) {
            throw KeeperException.create(KeeperException.Code.get(code));
          }
          return get(number, null);
        },
        Session::seen);
  }

  /** Reads, and sets a watch. */
  Data watch(int number, Watcher watcher) throws InterruptedException {
    return call(Map.of("read", List.of(number, false)), () -> get(number, watcher), Session::seen);
  }

  private Data get(int number, Watcher watcher) throws Exception {
    Stat stat = new Stat();
    byte[] data = client.getData(register(number), watcher, stat);
    return new Data(new String(data, StandardCharsets.UTF_8), stat);
  }

  /** Sets; only if the version is the expected one, if there is one. */
  Stat set(int number, String value, Integer expected) throws InterruptedException {
    Map<String, Object> action = Map.of("set", Arrays.asList(number, value, expected));
    int version = expected == null ? -1 : expected;
    byte[] data = value.getBytes(StandardCharsets.UTF_8);
    return call(action, () -> client.setData(register(number), data, version), stat -> Map.of("set", stat.getVersion()));
  }

  /** Appends an item to the list. */
  void append(String value) throws InterruptedException {
    byte[] data = value.getBytes(StandardCharsets.UTF_8);
    call(
        Map.of("append", value),
        () -> client.create("/list/item-", data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL),
        path -> Map.of("appended", Long.parseLong(path.substring(path.lastIndexOf('-') + 1))));
  }

  /** True if it is known to have been created. */
  boolean own(String path) throws InterruptedException {
    return call(
            Map.of("other", "create the ephemeral " + path),
            () -> client.create(path, new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL),
            created -> "done")
        != null;
  }

  /** False only if it is known not to be there. */
  boolean mayHave(String path) throws InterruptedException {
    List<Stat> found =
        call(
            Map.of("other", "look for " + path),
            () -> Collections.singletonList(client.exists(path, false)),
            stat -> "done");
    return found == null || found.get(0) != null;
  }
}
