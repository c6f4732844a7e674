package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Suite;

/** Ephemeral, sequential, container and TTL znodes. */
final class CreateModes {
  private CreateModes() {}

  static void addTo(Suite suite) {
    suite.add("ephemeral", CreateModes::ephemeral);
    suite.add("sequence-numbers-count-creations", CreateModes::sequenceNumbers);
    suite.add("sequence-below-a-slash", CreateModes::sequenceBelowASlash);
    suite.add("sequence-numbers-are-unique", CreateModes::sequenceNumbersAreUnique);
    suite.add("sequence-starts-again-with-its-parent", CreateModes::sequenceStartsAgain);
    suite.add("container-goes-with-its-last-child", CreateModes::containerGoes);
    suite.add("container-that-was-never-used-stays", CreateModes::unusedContainerStays);
    suite.add("ttl-znode-goes-in-time", CreateModes::ttlZnodeGoes);
    suite.add("ttl-znode-with-a-child-stays", CreateModes::ttlZnodeWithAChildStays);
    suite.add("ttl-starts-again-with-new-data", CreateModes::ttlStartsAgain);
    suite.add("ttl-sequential", CreateModes::ttlSequential);
    suite.add("owner-of-containers-and-ttl-is-not-shown", CreateModes::ownerIsNotShown);
  }

  private static void ephemeral(String root) throws Exception {
    try (Client zk = Client.open(); Client other = Client.open()) {
      zk.make(root, "", CreateMode.EPHEMERAL);
      equal(zk.getSessionId(), other.stat(root).getEphemeralOwner());
      fails(KeeperException.NoChildrenForEphemeralsException.class, () -> zk.make(root + "/child"));
      fails(KeeperException.NodeExistsException.class, () -> other.make(root, "", CreateMode.EPHEMERAL));
      other.setData(root, Client.bytes("x"), 0);
      equal("data does not change the owner", zk.getSessionId(), zk.stat(root).getEphemeralOwner());
      other.delete(root, -1);
      zk.fence();
      equal(null, zk.stat(root));
      other.make(root, "", CreateMode.EPHEMERAL);
      equal(List.of(), zk.getEphemerals());
    }
  }

  private static void sequenceNumbers(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(root + "/a0000000000", zk.make(root + "/a", "", CreateMode.PERSISTENT_SEQUENTIAL));
      zk.make(root + "/plain");
      equal(root + "/b0000000002", zk.make(root + "/b", "", CreateMode.EPHEMERAL_SEQUENTIAL));
      zk.delete(root + "/plain", -1);
      equal("a deletion does not count", root + "/a0000000003", zk.make(root + "/a", "", CreateMode.PERSISTENT_SEQUENTIAL));
      fails(KeeperException.NodeExistsException.class, () -> zk.make(root + "/a0000000000"));
      equal("a failure does not count", root + "/a0000000004", zk.make(root + "/a", "", CreateMode.PERSISTENT_SEQUENTIAL));
      zk.make(root + "/a0000000004/grandchild");
      equal("nor does a grandchild", root + "/a0000000005", zk.make(root + "/a", "", CreateMode.PERSISTENT_SEQUENTIAL));
    }
  }

  private static void sequenceBelowASlash(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(root + "/0000000000", zk.make(root + "/", "", CreateMode.PERSISTENT_SEQUENTIAL));
      equal(root + "/0000000001", zk.make(root + "/", "", CreateMode.EPHEMERAL_SEQUENTIAL));
    }
  }

  private static void sequenceNumbersAreUnique(String root) throws Exception {
    int clients = 4;
    int each = 200;
    Set<String> paths = new ConcurrentSkipListSet<>();
    try (Client observer = Client.open()) {
      observer.make(root);
      List<CompletableFuture<Void>> all = new ArrayList<>();
      for (int i = 0; i < clients; i++) {
        all.add(CompletableFuture.runAsync(() -> {
          try (Client zk = Client.open()) {
            String last = "";
            for (int n = 0; n < each; n++) {
              String path = zk.make(root + "/n", "", CreateMode.PERSISTENT_SEQUENTIAL);
              that(path.compareTo(last) > 0, path + " after " + last);
              last = path;
              paths.add(path);
            }
          } catch (Exception failure) {
            throw new IllegalStateException(failure);
          }
        }, task -> new Thread(task).start()));
      }
      CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).get(30, TimeUnit.SECONDS);
      Set<String> expected = new TreeSet<>();
      for (int n = 0; n < clients * each; n++) {
        expected.add(String.format("%s/n%010d", root, n));
      }
      equal(expected, new TreeSet<>(paths));
    }
  }

  private static void sequenceStartsAgain(String root) throws Exception {
    try (Client zk = Client.open()) {
      for (int round = 0; round < 2; round++) {
        zk.make(root);
        for (int i = 0; i < 3; i++) {
          String path = zk.make(root + "/n", "", CreateMode.PERSISTENT_SEQUENTIAL);
          equal(root + "/n000000000" + i, path);
          zk.delete(path, -1);
        }
        zk.delete(root, -1);
      }
    }
  }

  private static void containerGoes(String root) throws Exception {
    try (Client zk = Client.open()) {
      Stat stat = new Stat();
      zk.create(root, Client.bytes("c"), Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER, stat);
      equal(zk.stat(root), stat);
      zk.make(root + "/a");
      zk.make(root + "/e", "", CreateMode.EPHEMERAL);
      Events seen = new Events();
      zk.exists(root, seen);
      zk.delete(root + "/a", -1);
      zk.delete(root + "/e", -1);
      seen.expect(EventType.NodeDeleted, root);
      equal(null, zk.stat(root));
    }
  }

  private static void unusedContainerStays(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root + "-unused", "", CreateMode.CONTAINER);
      zk.make(root + "-used", "", CreateMode.CONTAINER);
      zk.make(root + "-used/a");
      zk.delete(root + "-used/a", -1);
      eventually("the used one goes", () -> !zk.has(root + "-used"));
      that(zk.has(root + "-unused"), "the other one waits for its first child");
    }
  }

  private static void ttlZnodeGoes(String root) throws Exception {
    try (Client zk = Client.open()) {
      Stat stat = new Stat();
      long begin = System.nanoTime();
      zk.create(root, Client.bytes("t"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, stat, 1_500);
      equal(zk.stat(root), stat);
      Events seen = new Events();
      zk.getData(root, seen, null);
      seen.expect(EventType.NodeDeleted, root);
      long lived = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
      that(lived >= 1_500, "it lived " + lived + " ms");
    }
  }

  private static void ttlZnodeWithAChildStays(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.create(root, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 300);
      zk.make(root + "/child");
      zk.create(root + "-clock", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 1_000);
      eventually("a younger one without children goes", () -> !zk.has(root + "-clock"));
      that(zk.has(root), "a child protects its parent");
      zk.delete(root + "/child", -1);
      eventually("it goes without the child", () -> !zk.has(root));
    }
  }

  private static void ttlStartsAgain(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.create(root, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 10_000);
      zk.create(root + "-clock", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 1_000);
      eventually("the clock goes", () -> !zk.has(root + "-clock"));
      long refreshed = System.currentTimeMillis();
      zk.setData(root, Client.bytes("again"), -1);
      Events seen = new Events();
      zk.exists(root, seen);
      seen.expect(EventType.NodeDeleted, root);
      long lived = System.currentTimeMillis() - refreshed;
      that(lived >= 10_000, "it lived " + lived + " ms after its last data");
    }
  }

  private static void ttlSequential(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(root + "/t0000000000", zk.create(root + "/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, null, 500));
      equal(root + "/t0000000001", zk.create(root + "/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, null, 500));
      eventually("both go", () -> zk.list(root).isEmpty());
    }
  }

  private static void ownerIsNotShown(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root + "-c", "", CreateMode.CONTAINER);
      zk.create(root + "-t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 60_000);
      equal(0L, zk.stat(root + "-c").getEphemeralOwner());
      equal(0L, zk.stat(root + "-t").getEphemeralOwner());
      equal(List.of(), zk.getEphemerals());
    }
  }
}
