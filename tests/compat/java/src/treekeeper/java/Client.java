package treekeeper.java;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.TestServer;

/** ZooKeeper's client with the few words that every case needs. */
final class Client extends ZooKeeper {
  /** Long enough that a busy machine does not lose a session by accident. */
  static final int TIMEOUT_MS = 30_000;

  /** What the session's own watcher, which is also the default watcher, has seen. */
  final Events events;

  private Client(String connect, int timeoutMs, Events events, boolean canBeReadOnly, ZKClientConfig config) throws Exception {
    super(connect, timeoutMs, events, canBeReadOnly, config);
    this.events = events;
  }

  private Client(String connect, int timeoutMs, Events events, long sessionId, byte[] password) throws Exception {
    super(connect, timeoutMs, events, sessionId, password);
    this.events = events;
  }

  /** A new session with the server. */
  static Client open() throws Exception {
    return open(TestServer.connect(), TIMEOUT_MS);
  }

  /** A new session over a connect string of the case's own. */
  static Client open(String connect, int timeoutMs) throws Exception {
    return open(connect, timeoutMs, false, new ZKClientConfig());
  }

  /** A new session with all that a handle can be told. */
  static Client open(String connect, int timeoutMs, boolean canBeReadOnly, ZKClientConfig config) throws Exception {
    Client client = new Client(connect, timeoutMs, new Events(), canBeReadOnly, config);
    client.events.awaitState(KeeperState.SyncConnected);
    return client;
  }

  /** A handle on a session that exists already, or does not; does not wait for the answer. */
  static Client resume(String connect, int timeoutMs, long sessionId, byte[] password) throws Exception {
    return new Client(connect, timeoutMs, new Events(), sessionId, password);
  }

  /** Creates a persistent znode with data. */
  String make(String path, String data) throws Exception {
    return make(path, data, CreateMode.PERSISTENT);
  }

  /** Creates a znode that is open to everyone. */
  String make(String path, String data, CreateMode mode) throws Exception {
    return create(path, bytes(data), Ids.OPEN_ACL_UNSAFE, mode);
  }

  /** Creates a persistent znode without data. */
  String make(String path) throws Exception {
    return make(path, "");
  }

  /** The data as text. */
  String text(String path) throws Exception {
    return new String(getData(path, false, null), StandardCharsets.UTF_8);
  }

  /** The znode's Stat, or null when there is none. */
  Stat stat(String path) throws Exception {
    return exists(path, false);
  }

  /** The names of the children in order. */
  List<String> list(String path) throws Exception {
    return getChildren(path, false).stream().sorted().toList();
  }

  /** Whether the znode is there. */
  boolean has(String path) throws Exception {
    return exists(path, false) != null;
  }

  /**
   * Waits until this handle has seen everything that happened before this call, its watchers included: events and
   * callbacks leave the client's event thread in the order in which the server sent them.
   */
  void fence() throws Exception {
    CompletableFuture<Integer> done = new CompletableFuture<>();
    sync("/", (rc, path, context) -> done.complete(rc), null);
    int rc = done.get(20, TimeUnit.SECONDS);
    if (rc != 0) {
      throw KeeperException.create(KeeperException.Code.get(rc));
    }
  }

  /** An ACL of one entry. The client asks lists whether they contain null, so it cannot be one of List.of. */
  static List<ACL> acl(int perms, String scheme, String id) {
    return Arrays.asList(new ACL(perms, new Id(scheme, id)));
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
