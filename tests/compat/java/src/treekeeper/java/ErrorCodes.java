package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.data.ACL;
import treekeeper.harness.Suite;

/** Which error, and which of several. */
final class ErrorCodes {
  private static final List<ACL> NOBODY = Client.acl(Perms.ALL, "digest", "nobody:x");
  private static final List<ACL> UNKNOWN_SCHEME = Client.acl(Perms.ALL, "no-such-scheme", "x");

  private ErrorCodes() {}

  static void addTo(Suite suite) {
    suite.add("no-node", ErrorCodes::noNode);
    suite.add("node-exists", ErrorCodes::nodeExists);
    suite.add("not-empty", ErrorCodes::notEmpty);
    suite.add("bad-version", ErrorCodes::badVersion);
    suite.add("bad-arguments", ErrorCodes::badArguments);
    suite.add("no-watcher", ErrorCodes::noWatcher);
    suite.add("which-error-create-answers", ErrorCodes::precedenceOfCreate);
    suite.add("which-error-delete-answers", ErrorCodes::precedenceOfDelete);
    suite.add("which-error-set-answers", ErrorCodes::precedenceOfSet);
    suite.add("errors-reach-callbacks", ErrorCodes::errorsReachCallbacks);
  }

  private static void noNode(String root) throws Exception {
    try (Client zk = Client.open()) {
      String missing = root + "/missing";
      Class<KeeperException.NoNodeException> error = KeeperException.NoNodeException.class;
      equal(missing, fails(error, () -> zk.make(missing)).getPath());
      fails(error, () -> zk.make(missing + "/deeper", "", CreateMode.EPHEMERAL_SEQUENTIAL));
      fails(error, () -> zk.delete(missing, -1));
      fails(error, () -> zk.setData(missing, null, -1));
      fails(error, () -> zk.getData(missing, false, null));
      fails(error, () -> zk.getChildren(missing, false));
      fails(error, () -> zk.getACL(missing, null));
      fails(error, () -> zk.setACL(missing, Ids.OPEN_ACL_UNSAFE, -1));
      fails(error, () -> zk.getAllChildrenNumber(missing));
      equal(null, zk.exists(missing, false));
    }
  }

  private static void nodeExists(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      for (CreateMode mode : List.of(CreateMode.PERSISTENT, CreateMode.EPHEMERAL, CreateMode.CONTAINER)) {
        equal(root, fails(KeeperException.NodeExistsException.class, () -> zk.make(root, "", mode)).getPath());
      }
      fails(KeeperException.NodeExistsException.class, () -> zk.make("/"));
      fails(KeeperException.NodeExistsException.class, () -> zk.make("/zookeeper"));
    }
  }

  private static void notEmpty(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      zk.make(root + "/a", "", CreateMode.EPHEMERAL);
      fails(KeeperException.NotEmptyException.class, () -> zk.delete(root, -1));
      zk.delete(root + "/a", -1);
      zk.delete(root, -1);
    }
  }

  private static void badVersion(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      fails(KeeperException.BadVersionException.class, () -> zk.setData(root, null, 5));
      fails(KeeperException.BadVersionException.class, () -> zk.delete(root, 5));
      fails(KeeperException.BadVersionException.class, () -> zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 5));
      equal(0, zk.stat(root).getVersion());
      equal(0, zk.stat(root).getAversion());
    }
  }

  private static void badArguments(String root) throws Exception {
    try (Client zk = Client.open()) {
      for (String path : List.of("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")) {
        fails(KeeperException.BadArgumentsException.class, () -> zk.delete(path, -1));
      }
    }
  }

  private static void noWatcher(String root) throws Exception {
    try (Client zk = Client.open()) {
      fails(KeeperException.NoWatcherException.class, () -> zk.removeWatches(root, new Events(), org.apache.zookeeper.Watcher.WatcherType.Any, false));
      fails(KeeperException.NoWatcherException.class, () -> zk.removeAllWatches(root, org.apache.zookeeper.Watcher.WatcherType.Any, false));
    }
  }

  private static void precedenceOfCreate(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      zk.create(root + "/closed", null, NOBODY, CreateMode.PERSISTENT);
      zk.make(root + "/ephemeral", "", CreateMode.EPHEMERAL);
      // An ACL that means nothing comes before everything that the tree would say.
      fails(KeeperException.InvalidACLException.class, () -> zk.create(root + "/missing/a", null, UNKNOWN_SCHEME, CreateMode.PERSISTENT));
      fails(KeeperException.InvalidACLException.class, () -> zk.create(root, null, UNKNOWN_SCHEME, CreateMode.PERSISTENT));
      fails(KeeperException.NoAuthException.class, () -> zk.make(root + "/closed/a"));
      fails(KeeperException.NoNodeException.class, () -> zk.make(root + "/closed/missing/a"));
      fails(KeeperException.NoChildrenForEphemeralsException.class, () -> zk.make(root + "/ephemeral/a"));
    }
  }

  private static void precedenceOfDelete(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      zk.make(root + "/full");
      zk.make(root + "/full/a");
      fails(KeeperException.BadVersionException.class, () -> zk.delete(root + "/full", 7));
      fails(KeeperException.NotEmptyException.class, () -> zk.delete(root + "/full", 0));
      zk.create(root + "/closed", null, NOBODY, CreateMode.PERSISTENT);
      // The right to delete is the parent's to give, and is asked for before the znode is looked for.
      fails(KeeperException.NoAuthException.class, () -> zk.delete(root + "/closed/missing", -1));
      fails(KeeperException.NoNodeException.class, () -> zk.delete(root + "/missing/missing", -1));
      zk.delete(root + "/closed", 0);
    }
  }

  private static void precedenceOfSet(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.create(root, null, NOBODY, CreateMode.PERSISTENT);
      fails(KeeperException.NoAuthException.class, () -> zk.setData(root, null, 7));
      fails(KeeperException.NoAuthException.class, () -> zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 7));
      fails(KeeperException.InvalidACLException.class, () -> zk.setACL(root, UNKNOWN_SCHEME, 7));
      fails(KeeperException.InvalidACLException.class, () -> zk.setACL(root + "/missing", UNKNOWN_SCHEME, 7));
    }
  }

  private static void errorsReachCallbacks(String root) throws Exception {
    try (Client zk = Client.open()) {
      CompletableFuture<Integer> create = new CompletableFuture<>();
      CompletableFuture<Integer> set = new CompletableFuture<>();
      CompletableFuture<Integer> get = new CompletableFuture<>();
      CompletableFuture<Integer> children = new CompletableFuture<>();
      CompletableFuture<Integer> count = new CompletableFuture<>();
      CompletableFuture<Integer> ephemerals = new CompletableFuture<>();
      zk.create(root + "/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, name) -> create.complete(rc), null);
      zk.setData(root, null, -1, (rc, path, context, stat) -> set.complete(rc), null);
      zk.getData(root, false, (rc, path, context, data, stat) -> get.complete(rc), null);
      zk.getChildren(root, false, (rc, path, context, names) -> children.complete(rc), null);
      zk.getAllChildrenNumber(root, (rc, path, context, number) -> count.complete(rc), null);
      zk.getEphemerals(root, (rc, context, paths) -> ephemerals.complete(rc), null);
      for (CompletableFuture<Integer> rc : List.of(create, set, get, children, count)) {
        equal(Code.NONODE.intValue(), rc.get(20, TimeUnit.SECONDS));
      }
      equal(0, ephemerals.get(20, TimeUnit.SECONDS));
    }
  }
}
