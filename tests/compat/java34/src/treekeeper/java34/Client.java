package treekeeper.java34;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.that;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import treekeeper.harness.TestServer;

/** The old client; this one can be closed by a try block. */
final class Client extends ZooKeeper implements AutoCloseable {
  static final int TIMEOUT_MS = 30_000;

  /** The session's own watcher. */
  final Events events;

  private Client(String connect, int timeoutMs, Events events, long sessionId, byte[] password) throws Exception {
    super(connect, timeoutMs, events, sessionId, password);
    this.events = events;
  }

  private Client(String connect, int timeoutMs, Events events) throws Exception {
    super(connect, timeoutMs, events);
    this.events = events;
  }

  static Client open() throws Exception {
    return open(TestServer.connect(), TIMEOUT_MS);
  }

  static Client open(String connect, int timeoutMs) throws Exception {
    Client client = new Client(connect, timeoutMs, new Events());
    client.events.awaitState(KeeperState.SyncConnected);
    return client;
  }

  /** A handle on a session that exists already, or does not; does not wait for the answer. */
  static Client resume(String connect, long sessionId, byte[] password) throws Exception {
    return new Client(connect, TIMEOUT_MS, new Events(), sessionId, password);
  }

  String make(String path) throws Exception {
    return make(path, "", CreateMode.PERSISTENT);
  }

  String make(String path, String data, CreateMode mode) throws Exception {
    return create(path, data.getBytes(StandardCharsets.UTF_8), Ids.OPEN_ACL_UNSAFE, mode);
  }

  String text(String path) throws Exception {
    return new String(getData(path, false, null), StandardCharsets.UTF_8);
  }

  List<String> list(String path) throws Exception {
    return getChildren(path, false).stream().sorted().toList();
  }

  boolean has(String path) throws Exception {
    return exists(path, false) != null;
  }

  /** Waits until this handle's watchers have seen everything that happened before this call. */
  void fence() throws Exception {
    CompletableFuture<Integer> done = new CompletableFuture<>();
    sync("/", (rc, path, context) -> done.complete(rc), null);
    equal(0, done.get(20, TimeUnit.SECONDS));
  }

  /** A watcher that keeps what it is told. */
  static final class Events implements Watcher {
    private final BlockingQueue<Event.KeeperState> states = new LinkedBlockingQueue<>();
    private final BlockingQueue<WatchedEvent> events = new LinkedBlockingQueue<>();

    @Override
    public void process(WatchedEvent event) {
      if (event.getType() == EventType.None) {
        states.add(event.getState());
      } else {
        events.add(event);
      }
    }

    void awaitState(KeeperState wanted) throws InterruptedException {
      KeeperState state;
      do {
        state = states.poll(20, TimeUnit.SECONDS);
        that(state != null, "no state " + wanted);
      } while (state != wanted);
    }

    void expect(EventType type, String path) throws InterruptedException {
      WatchedEvent event = events.poll(20, TimeUnit.SECONDS);
      that(event != null, "no event, expected " + type + " " + path);
      equal(type + " " + path, event.getType() + " " + event.getPath());
    }

    List<String> drain() {
      List<WatchedEvent> taken = new ArrayList<>();
      events.drainTo(taken);
      return taken.stream().map(event -> event.getType() + " " + event.getPath()).toList();
    }
  }
}
