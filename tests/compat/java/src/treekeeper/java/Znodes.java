package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** Data, children, Stat, names and sizes. */
final class Znodes {
  /** The longest frame that a server takes by default. */
  private static final int FRAME_LEN_MAX = 0xfffff;
  /** A setData request around its path and data: header 8, two lengths 8, version 4. */
  private static final int SET_DATA_OVERHEAD = 20;

  private Znodes() {}

  static void addTo(Suite suite) {
    suite.add("create-get-set-delete", Znodes::createGetSetDelete);
    suite.add("null-and-empty-data", Znodes::nullAndEmptyData);
    suite.add("stat-of-a-new-znode", Znodes::statOfANewZnode);
    suite.add("stat-after-changes", Znodes::statAfterChanges);
    suite.add("create-returns-the-stat", Znodes::createReturnsTheStat);
    suite.add("set-data-with-versions", Znodes::setDataWithVersions);
    suite.add("delete-with-versions", Znodes::deleteWithVersions);
    suite.add("children-and-their-stat", Znodes::childrenAndTheirStat);
    suite.add("many-children", Znodes::manyChildren);
    suite.add("count-of-all-descendants", Znodes::countOfAllDescendants);
    suite.add("deep-path", Znodes::deepPath);
    suite.add("names-that-look-odd", Znodes::namesThatLookOdd);
    suite.add("largest-frame", Znodes::largestFrame);
    suite.add("frame-too-large", Znodes::frameTooLarge);
    suite.add("delete-recursive", Znodes::deleteRecursive);
    suite.add("sync", Znodes::sync);
    suite.add("counter-by-compare-and-set", Znodes::counterByCompareAndSet);
  }

  private static void createGetSetDelete(String root) throws Exception {
    try (Client zk = Client.open(); Client other = Client.open()) {
      equal(root, zk.make(root, "one"));
      equal("one", zk.text(root));
      equal("one", other.text(root));
      other.setData(root, Client.bytes("two"), -1);
      equal("two", zk.text(root));
      zk.delete(root, -1);
      equal(null, zk.stat(root));
      other.fence();
      equal(null, other.stat(root));
    }
  }

  private static void nullAndEmptyData(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.create(root, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
      equal(null, zk.getData(root, false, null));
      equal(0, zk.stat(root).getDataLength());
      zk.setData(root, new byte[0], -1);
      equal(new byte[0], zk.getData(root, false, null));
      zk.setData(root, null, -1);
      equal(null, zk.getData(root, false, null));
      byte[] every = new byte[256];
      for (int i = 0; i < every.length; i++) {
        every[i] = (byte) i;
      }
      zk.setData(root, every, -1);
      equal(every, zk.getData(root, false, null));
      equal(256, zk.stat(root).getDataLength());
    }
  }

  private static void statOfANewZnode(String root) throws Exception {
    try (Client zk = Client.open()) {
      long before = System.currentTimeMillis();
      zk.make(root, "four");
      long after = System.currentTimeMillis();
      Stat stat = zk.stat(root);
      that(stat.getCzxid() > 0, "czxid " + stat.getCzxid());
      equal(stat.getCzxid(), stat.getMzxid());
      equal(stat.getCzxid(), stat.getPzxid());
      that(stat.getCtime() >= before && stat.getCtime() <= after, "ctime " + stat.getCtime() + " in " + before + ".." + after);
      equal(stat.getCtime(), stat.getMtime());
      equal(0, stat.getVersion());
      equal(0, stat.getCversion());
      equal(0, stat.getAversion());
      equal(0L, stat.getEphemeralOwner());
      equal(4, stat.getDataLength());
      equal(0, stat.getNumChildren());
    }
  }

  private static void statAfterChanges(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Stat born = zk.stat(root);

      zk.make(root + "/a");
      Stat withChild = zk.stat(root);
      equal("pzxid is the child's", zk.stat(root + "/a").getCzxid(), withChild.getPzxid());
      equal(1, withChild.getCversion());
      equal(1, withChild.getNumChildren());
      equal("a child leaves mzxid alone", born.getMzxid(), withChild.getMzxid());
      equal(0, withChild.getVersion());

      zk.setData(root + "/a", Client.bytes("x"), -1);
      equal("a child's data leaves the parent alone", withChild, zk.stat(root));

      Stat set = zk.setData(root, Client.bytes("12345"), 0);
      equal("what setData returns", set, zk.stat(root));
      equal(1, set.getVersion());
      equal(5, set.getDataLength());
      that(set.getMzxid() > withChild.getPzxid(), "mzxid moved");
      equal(withChild.getPzxid(), set.getPzxid());
      equal(born.getCzxid(), set.getCzxid());
      equal(born.getCtime(), set.getCtime());

      Stat acl = zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 0);
      equal("what setACL returns", acl, zk.stat(root));
      equal(1, acl.getAversion());
      equal(set.getMzxid(), acl.getMzxid());
      equal(set.getMtime(), acl.getMtime());
      equal(1, acl.getVersion());

      zk.delete(root + "/a", -1);
      Stat empty = zk.stat(root);
      equal("each create and each delete of a child counts", 2, empty.getCversion());
      equal(0, empty.getNumChildren());
      that(empty.getPzxid() > set.getMzxid(), "a deletion moves pzxid");

      zk.make(root + "/b");
      equal(3, zk.stat(root).getCversion());
      zk.make(root + "/b/c");
      equal("a grandchild does not count", 3, zk.stat(root).getCversion());
    }
  }

  private static void createReturnsTheStat(String root) throws Exception {
    try (Client zk = Client.open()) {
      Stat returned = new Stat();
      equal(root, zk.create(root, Client.bytes("abc"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, returned));
      equal(zk.stat(root), returned);

      CompletableFuture<Stat> later = new CompletableFuture<>();
      zk.create(root + "/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL, (rc, path, context, name, stat) -> later.complete(stat), null);
      equal(later.get(20, TimeUnit.SECONDS), zk.stat(root + "/a"));
    }
  }

  private static void setDataWithVersions(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(1, zk.setData(root, null, 0).getVersion());
      fails(KeeperException.BadVersionException.class, () -> zk.setData(root, null, 0));
      fails(KeeperException.BadVersionException.class, () -> zk.setData(root, null, 2));
      equal(2, zk.setData(root, null, -1).getVersion());
      equal(2, zk.stat(root).getVersion());
    }
  }

  private static void deleteWithVersions(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      fails(KeeperException.BadVersionException.class, () -> zk.delete(root, 1));
      zk.setData(root, null, 0);
      fails(KeeperException.BadVersionException.class, () -> zk.delete(root, 0));
      zk.delete(root, 1);
      fails(KeeperException.NoNodeException.class, () -> zk.delete(root, -1));
    }
  }

  private static void childrenAndTheirStat(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(List.of(), zk.getChildren(root, false));
      for (String name : List.of("c", "a", "b")) {
        zk.make(root + "/" + name);
      }
      zk.make(root + "/a/deeper");
      Stat stat = new Stat();
      equal(List.of("a", "b", "c"), zk.getChildren(root, false, stat).stream().sorted().toList());
      equal(zk.stat(root), stat);
      equal(3, stat.getNumChildren());
      zk.delete(root + "/b", -1);
      equal(List.of("a", "c"), zk.list(root));
      that(zk.getChildren("/", false).contains("zookeeper"), "the root lists zookeeper");
    }
  }

  private static void manyChildren(String root) throws Exception {
    int count = 20_000;
    try (Client zk = Client.open()) {
      zk.make(root);
      CompletableFuture<Integer> last = new CompletableFuture<>();
      for (int i = 0; i < count; i++) {
        boolean isLast = i == count - 1;
        zk.create(root + "/child-" + i, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, name) -> {
          if (isLast) {
            last.complete(rc);
          }
        }, null);
      }
      equal(0, last.get(30, TimeUnit.SECONDS));
      List<String> expected = IntStream.range(0, count).mapToObj(i -> "child-" + i).sorted().toList();
      equal(expected, zk.list(root));
      equal(count, zk.stat(root).getNumChildren());
    }
  }

  private static void countOfAllDescendants(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(0, zk.getAllChildrenNumber(root));
      for (String path : List.of("/a", "/a/b", "/a/b/c", "/ab", "/d")) {
        zk.make(root + path);
      }
      zk.make(root + "-sibling");
      equal(5, zk.getAllChildrenNumber(root));
      equal("the name is no prefix", 2, zk.getAllChildrenNumber(root + "/a"));
      equal(0, zk.getAllChildrenNumber(root + "/d"));
      that(zk.getAllChildrenNumber("/") >= 5 + 2 + 3, "the root counts everything, /zookeeper too");
      fails(KeeperException.NoNodeException.class, () -> zk.getAllChildrenNumber(root + "/missing"));
    }
  }

  private static void deepPath(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      StringBuilder path = new StringBuilder(root);
      for (int depth = 0; depth < 300; depth++) {
        zk.make(path.append("/").append(depth).toString());
      }
      equal(300, zk.getAllChildrenNumber(root));
      zk.setData(path.toString(), Client.bytes("deep"), 0);
      equal("deep", zk.text(path.toString()));
    }
  }

  private static void namesThatLookOdd(String root) throws Exception {
    List<String> names = new ArrayList<>(List.of("a b", "..a", "...", ".a", "Ünïcödé", "漢字", "\u2028", "a%2Fb", "a:b,c;d=e", "'\"\\", "-", "0000000000"));
    names.add("long-" + "x".repeat(5_000));
    try (Client zk = Client.open()) {
      zk.make(root);
      for (String name : names) {
        equal(root + "/" + name, zk.make(root + "/" + name, name));
      }
      equal(names.stream().sorted().toList(), zk.list(root));
      for (String name : names) {
        equal(name, zk.text(root + "/" + name));
        zk.delete(root + "/" + name, 0);
      }
      equal(List.of(), zk.list(root));
    }
  }

  private static void largestFrame(String root) throws Exception {
    try (Client zk = roomyClient()) {
      zk.make(root);
      byte[] data = new byte[FRAME_LEN_MAX - SET_DATA_OVERHEAD - root.length()];
      new Random(1).nextBytes(data);
      zk.setData(root, data, 0);
      equal(data, zk.getData(root, false, null));
      equal(data.length, zk.stat(root).getDataLength());
      zk.events.expectNoState();
    }
  }

  private static void frameTooLarge(String root) throws Exception {
    try (Client zk = roomyClient(); Client other = Client.open()) {
      zk.make(root, "before");
      byte[] data = new byte[FRAME_LEN_MAX - SET_DATA_OVERHEAD - root.length() + 1];
      fails(KeeperException.ConnectionLossException.class, () -> zk.setData(root, data, 0));
      zk.events.awaitState(KeeperState.Disconnected);
      zk.events.awaitState(KeeperState.SyncConnected);
      equal("before", zk.text(root));
      other.events.expectNoState();
      equal("before", other.text(root));
    }
  }

  /** A client that sends and takes more than the server does. */
  private static Client roomyClient() throws Exception {
    ZKClientConfig config = new ZKClientConfig();
    config.setProperty("jute.maxbuffer", String.valueOf(8 * 1024 * 1024));
    return Client.open(TestServer.connect(), Client.TIMEOUT_MS, false, config);
  }

  private static void deleteRecursive(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      for (int i = 0; i < 10; i++) {
        zk.make(root + "/" + i);
        for (int j = 0; j < 10; j++) {
          zk.make(root + "/" + i + "/" + j);
        }
      }
      equal(111, ZKUtil.listSubTreeBFS(zk, root).size());
      that(ZKUtil.deleteRecursive(zk, root, 50), "everything was deleted");
      equal(null, zk.stat(root));
    }
  }

  private static void sync(String root) throws Exception {
    try (Client writer = Client.open(); Client reader = Client.open()) {
      writer.make(root, "0");
      for (int i = 1; i <= 50; i++) {
        writer.setData(root, Client.bytes("" + i), -1);
        reader.fence();
        equal("" + i, reader.text(root));
      }
      CompletableFuture<String> echoed = new CompletableFuture<>();
      reader.sync(root + "/missing", (rc, path, context) -> echoed.complete(rc + " " + path), null);
      equal("0 " + root + "/missing", echoed.get(20, TimeUnit.SECONDS));
    }
  }

  private static void counterByCompareAndSet(String root) throws Exception {
    int clients = 4;
    int rounds = 50;
    try (Client observer = Client.open()) {
      observer.make(root, "0");
      List<CompletableFuture<Void>> all = new ArrayList<>();
      for (int i = 0; i < clients; i++) {
        all.add(CompletableFuture.runAsync(() -> count(root, rounds), task -> new Thread(task).start()));
      }
      CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).get(30, TimeUnit.SECONDS);
      observer.fence();
      equal("" + clients * rounds, observer.text(root));
      equal(clients * rounds, observer.stat(root).getVersion());
    }
  }

  private static void count(String path, int rounds) {
    try (Client zk = Client.open()) {
      for (int done = 0; done < rounds; ) {
        Stat stat = new Stat();
        int value = Integer.parseInt(new String(zk.getData(path, false, stat)));
        try {
          zk.setData(path, Client.bytes("" + (value + 1)), stat.getVersion());
          done++;
        } catch (KeeperException.BadVersionException lost) {
          // Another client was faster: read again.
        }
      }
    } catch (Exception failure) {
      throw new IllegalStateException(failure);
    }
  }
}
