package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.curator.Framework.has;
import static treekeeper.curator.Framework.text;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.api.CuratorEvent;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** What Curator's own client does beyond the bare one. */
final class Basics {
  private Basics() {}

  static void addTo(Suite suite) {
    suite.add("create-and-delete-with-options", Basics::createAndDelete);
    suite.add("create-with-protection", Basics::createWithProtection);
    suite.add("idempotent-operations", Basics::idempotent);
    suite.add("parent-containers-go", Basics::parentContainersGo);
    suite.add("ttl", Basics::ttl);
    suite.add("background", Basics::background);
    suite.add("namespace", Basics::namespace);
    suite.add("compression", Basics::compression);
    suite.add("acl-and-authorization", Basics::acl);
    suite.add("watcher", Basics::watcher);
    suite.add("watches-are-removed", Basics::watchesAreRemoved);
    suite.add("persistent-watcher", Basics::persistentWatcher);
    suite.add("transaction", Basics::transaction);
    suite.add("transaction-failure", Basics::transactionFailure);
    suite.add("reconfig-is-disabled", Basics::reconfig);
  }

  private static void createAndDelete(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      equal(root + "/a/b/c", client.create().creatingParentsIfNeeded().forPath(root + "/a/b/c", bytes("1")));
      Stat stat = new Stat();
      client.getData().storingStatIn(stat).forPath(root + "/a/b/c");
      equal(1, stat.getDataLength());
      client.create().orSetData().forPath(root + "/a/b/c", bytes("2"));
      equal("2", text(client, root + "/a/b/c"));
      fails(KeeperException.BadVersionException.class, () -> client.setData().withVersion(9).forPath(root + "/a", null));
      client.delete().quietly().forPath(root + "/missing");
      fails(KeeperException.NotEmptyException.class, () -> client.delete().forPath(root));
      client.delete().guaranteed().deletingChildrenIfNeeded().forPath(root);
      that(!has(client, root), "everything is gone");
      client.checkExists().creatingParentsIfNeeded().forPath(root + "/x/y");
      that(has(client, root + "/x"), "checkExists made the parents");
    }
  }

  private static void createWithProtection(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      String path = client.create().creatingParentsIfNeeded().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(root + "/n");
      that(path.matches(root + "/_c_[0-9a-f-]{36}-n0000000000"), path);
      equal(client.getZookeeperClient().getZooKeeper().getSessionId(), client.checkExists().forPath(path).getEphemeralOwner());
    }
  }

  private static void idempotent(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      client.create().idempotent().forPath(root, bytes("same"));
      client.create().idempotent().forPath(root, bytes("same"));
      fails(KeeperException.NodeExistsException.class, () -> client.create().idempotent().forPath(root, bytes("other")));
      client.setData().idempotent().withVersion(0).forPath(root, bytes("new"));
      client.setData().idempotent().withVersion(0).forPath(root, bytes("new"));
      equal(1, client.checkExists().forPath(root).getVersion());
      client.delete().idempotent().forPath(root);
      client.delete().idempotent().forPath(root);
    }
  }

  private static void parentContainersGo(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      client.create().creatingParentContainersIfNeeded().forPath(root + "/a/b");
      client.createContainers(root + "/c");
      client.delete().forPath(root + "/a/b");
      eventually("the empty container goes", () -> !has(client, root + "/a"));
      that(has(client, root + "/c"), "one that was never used stays");
    }
  }

  private static void ttl(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      client.create().withTtl(500).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath(root);
      eventually("it goes", () -> !has(client, root));
    }
  }

  private static void background(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      BlockingQueue<CuratorEvent> events = new LinkedBlockingQueue<>();
      client.create().inBackground((source, event) -> events.add(event), "context").forPath(root, bytes("1"));
      client.getData().inBackground((source, event) -> events.add(event)).forPath(root);
      client.getChildren().inBackground((source, event) -> events.add(event)).forPath(root + "/missing");
      client.sync().inBackground((source, event) -> events.add(event)).forPath(root);
      CuratorEvent create = events.poll(20, TimeUnit.SECONDS);
      equal("CREATE 0 " + root + " context", create.getType() + " " + create.getResultCode() + " " + create.getPath() + " " + create.getContext());
      equal(bytes("1"), events.poll(20, TimeUnit.SECONDS).getData());
      equal(KeeperException.Code.NONODE.intValue(), events.poll(20, TimeUnit.SECONDS).getResultCode());
      equal("SYNC", events.poll(20, TimeUnit.SECONDS).getType().name());
    }
  }

  private static void namespace(String root) throws Exception {
    try (CuratorFramework plain = Framework.open();
        CuratorFramework client = Framework.start(Framework.builder(TestServer.connect(), Framework.SESSION_TIMEOUT_MS).namespace(root.substring(1)))) {
      client.create().forPath("/a", bytes("1"));
      equal("1", text(plain, root + "/a"));
      equal(List.of("a"), client.getChildren().forPath("/"));
      client.usingNamespace(root.substring(1) + "/deeper").create().forPath("/b");
      that(has(plain, root + "/deeper/b"), "the namespace of a view");
    }
  }

  private static void compression(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      byte[] data = bytes("x".repeat(100_000));
      client.create().compressed().forPath(root, data);
      equal(data, client.getData().decompressed().forPath(root));
      that(client.checkExists().forPath(root).getDataLength() < 5_000, "what is stored is small");
    }
  }

  private static void acl(String root) throws Exception {
    try (CuratorFramework nobody = Framework.open();
        CuratorFramework ann = Framework.start(Framework.builder(TestServer.connect(), Framework.SESSION_TIMEOUT_MS).authorization("digest", bytes("ann:secret")))) {
      ann.create().withACL(Ids.CREATOR_ALL_ACL).forPath(root, bytes("1"));
      equal("1", text(ann, root));
      fails(KeeperException.NoAuthException.class, () -> nobody.getData().forPath(root));
      equal("digest", ann.getACL().forPath(root).get(0).getId().getScheme());
      ann.setACL().withACL(Ids.OPEN_ACL_UNSAFE).forPath(root);
      equal("1", text(nobody, root));
    }
  }

  private static void watcher(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open()) {
      BlockingQueue<String> seen = new LinkedBlockingQueue<>();
      client.checkExists().usingWatcher((org.apache.zookeeper.Watcher) event -> seen.add(event.getType() + " " + event.getPath())).forPath(root);
      writer.create().forPath(root);
      equal("NodeCreated " + root, seen.poll(20, TimeUnit.SECONDS));
      client.getChildren().usingWatcher((org.apache.zookeeper.Watcher) event -> seen.add(event.getType() + " " + event.getPath())).forPath(root);
      writer.create().forPath(root + "/a");
      equal("NodeChildrenChanged " + root, seen.poll(20, TimeUnit.SECONDS));
    }
  }

  private static void watchesAreRemoved(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      client.create().forPath(root);
      BlockingQueue<String> seen = new LinkedBlockingQueue<>();
      org.apache.zookeeper.Watcher watcher = event -> seen.add(event.getType() + " " + event.getPath());
      client.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE).usingWatcher(watcher).forPath(root);
      client.create().forPath(root + "/a");
      equal("NodeCreated " + root + "/a", seen.poll(20, TimeUnit.SECONDS));
      client.watchers().remove(watcher).forPath(root);
      equal("PersistentWatchRemoved " + root, seen.poll(20, TimeUnit.SECONDS));
      client.create().forPath(root + "/b");
      client.getData().usingWatcher(watcher).forPath(root);
      client.watchers().removeAll().forPath(root);
      equal("DataWatchRemoved " + root, seen.poll(20, TimeUnit.SECONDS));
      client.setData().forPath(root, null);
      client.sync().forPath(root);
      that(seen.isEmpty(), "nothing comes any more, but there is " + seen);
      fails(KeeperException.NoWatcherException.class, () -> client.watchers().removeAll().forPath(root));
    }
  }

  private static void persistentWatcher(String root) throws Exception {
    for (boolean recursive : new boolean[] {false, true}) {
      String path = root + "-" + recursive;
      try (CuratorFramework client = Framework.open(); PersistentWatcher watcher = new PersistentWatcher(client, path, recursive)) {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        BlockingQueue<String> resets = new LinkedBlockingQueue<>();
        watcher.getListenable().addListener(event -> seen.add(event.getType() + " " + event.getPath()));
        watcher.getResetListenable().addListener(() -> resets.add("set"));
        watcher.start();
        equal("set", resets.poll(20, TimeUnit.SECONDS));
        client.create().forPath(path);
        client.create().forPath(path + "/a");
        client.create().forPath(path + "/a/b");
        client.delete().deletingChildrenIfNeeded().forPath(path);
        List<String> expected = recursive
            ? List.of("NodeCreated " + path, "NodeCreated " + path + "/a", "NodeCreated " + path + "/a/b", "NodeDeleted " + path + "/a/b", "NodeDeleted " + path + "/a", "NodeDeleted " + path)
            : List.of("NodeCreated " + path, "NodeChildrenChanged " + path, "NodeChildrenChanged " + path, "NodeDeleted " + path);
        for (String event : expected) {
          equal(event, seen.poll(20, TimeUnit.SECONDS));
        }
      }
    }
  }

  private static void transaction(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      client.create().forPath(root);
      List<CuratorTransactionResult> results = client.transaction().forOperations(
          client.transactionOp().create().forPath(root + "/a", bytes("1")),
          client.transactionOp().create().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(root + "/s"),
          client.transactionOp().setData().withVersion(0).forPath(root + "/a", bytes("2")),
          client.transactionOp().check().withVersion(1).forPath(root + "/a"),
          client.transactionOp().delete().withVersion(1).forPath(root + "/a"));
      equal(5, results.size());
      equal(root + "/s0000000001", results.get(1).getResultPath());
      equal(1, results.get(2).getResultStat().getVersion());
      equal(List.of("s0000000001"), client.getChildren().forPath(root));
    }
  }

  private static void transactionFailure(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      client.create().forPath(root);
      KeeperException failure = fails(KeeperException.BadVersionException.class, () -> client.transaction().forOperations(
          client.transactionOp().create().forPath(root + "/a"),
          client.transactionOp().check().withVersion(5).forPath(root),
          client.transactionOp().create().forPath(root + "/b")));
      equal(3, failure.getResults().size());
      equal(List.of(), client.getChildren().forPath(root));

      BlockingQueue<CuratorEvent> events = new LinkedBlockingQueue<>();
      client.transaction().inBackground((source, event) -> events.add(event)).forOperations(client.transactionOp().delete().forPath(root + "/missing"));
      CuratorEvent event = events.poll(20, TimeUnit.SECONDS);
      equal(KeeperException.Code.NONODE.intValue(), event.getResultCode());
      equal(KeeperException.Code.NONODE.intValue(), event.getOpResults().get(0).getError());
    }
  }

  private static void reconfig(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      that(client.getConfig().forEnsemble() != null, "the config can be read");
      fails(KeeperException.ReconfigDisabledException.class, () -> client.reconfig().joining("server.9=127.0.0.1:1:2;3").forEnsemble());
    }
  }
}
