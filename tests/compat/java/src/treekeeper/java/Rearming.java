package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.that;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;

/** What a client hears of the time in which it had no connection: setWatches and setWatches2. */
final class Rearming {
  private Rearming() {}

  static void addTo(Suite suite) {
    suite.add("missed-changes-are-told", Rearming::missedChanges);
    suite.add("watches-without-a-change-stay-armed", Rearming::unchangedStayArmed);
    suite.add("lasting-watches-stay-without-catching-up", Rearming::lastingWatches);
    suite.add("thousands-of-watches-are-armed-again", Rearming::thousands);
    suite.add("auth-is-sent-again", Rearming::authIsSentAgain);
  }

  private static void away(Link link, Client zk, Away body) throws Exception {
    zk.fence();
    link.down();
    zk.events.awaitState(KeeperState.Disconnected);
    body.run();
    link.up();
    zk.events.awaitState(KeeperState.SyncConnected);
    zk.fence();
  }

  private interface Away {
    void run() throws Exception;
  }

  private static void missedChanges(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS); Client writer = Client.open()) {
      writer.make(root);
      for (String name : List.of("data", "gone", "children", "childrenGone", "again")) {
        writer.make(root + "/" + name);
      }
      writer.make(root + "/children/old");
      Events seen = new Events();
      zk.getData(root + "/data", seen, null);
      zk.getData(root + "/gone", seen, null);
      zk.getChildren(root + "/children", seen);
      zk.getChildren(root + "/childrenGone", seen);
      zk.exists(root + "/new", seen);
      zk.getData(root + "/again", seen, null);
      away(link, zk, () -> {
        writer.setData(root + "/data", null, -1);
        writer.delete(root + "/gone", -1);
        writer.delete(root + "/children/old", -1);
        writer.delete(root + "/childrenGone", -1);
        writer.make(root + "/new");
        writer.delete(root + "/again", -1);
        writer.make(root + "/again");
      });
      equal(List.of("NodeChildrenChanged " + root + "/children", "NodeCreated " + root + "/new", "NodeDataChanged " + root + "/again",
          "NodeDataChanged " + root + "/data", "NodeDeleted " + root + "/childrenGone", "NodeDeleted " + root + "/gone"),
          seen.drain().stream().sorted().toList());
      // What was told is used up.
      writer.setData(root + "/data", null, -1);
      writer.setData(root + "/new", null, -1);
      zk.fence();
      seen.expectNone();
    }
  }

  private static void unchangedStayArmed(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.exists(root + "/new", seen);
      away(link, zk, () -> {});
      seen.expectNone();
      writer.setData(root, null, -1);
      seen.expect(EventType.NodeDataChanged, root);
      writer.make(root + "/new");
      zk.fence();
      equal(List.of("NodeChildrenChanged " + root, "NodeCreated " + root + "/new"), seen.drain().stream().sorted().toList());
    }
  }

  private static void lastingWatches(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS); Client writer = Client.open()) {
      writer.make(root);
      Events persistent = new Events();
      Events recursive = new Events();
      zk.addWatch(root, persistent, AddWatchMode.PERSISTENT);
      zk.addWatch(root, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
      away(link, zk, () -> writer.setData(root, null, -1));
      persistent.expectNone();
      recursive.expectNone();
      for (int i = 0; i < 2; i++) {
        writer.make(root + "/" + i);
      }
      zk.fence();
      equal(List.of("NodeChildrenChanged " + root, "NodeChildrenChanged " + root), persistent.drain());
      equal(List.of("NodeCreated " + root + "/0", "NodeCreated " + root + "/1"), recursive.drain());
    }
  }

  private static void thousands(String root) throws Exception {
    // Some 600 KB of paths: the client splits them over several requests.
    int count = 3_000;
    String padding = "x".repeat(180);
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      CompletableFuture<Integer> last = new CompletableFuture<>();
      for (int i = 0; i < count; i++) {
        boolean isLast = i == count - 1;
        zk.exists(root + "/" + padding + i, seen, (rc, path, context, stat) -> {
          if (isLast) {
            last.complete(rc);
          }
        }, null);
      }
      equal(-101, last.get(30, TimeUnit.SECONDS));
      away(link, zk, () -> {
        for (int i = 0; i < count; i += 2) {
          writer.create(root + "/" + padding + i, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, name) -> {}, null);
        }
        writer.fence();
      });
      equal("created while away", count / 2, seen.drain().size());
      for (int i = 1; i < count; i += 2) {
        writer.create(root + "/" + padding + i, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, name) -> {}, null);
      }
      writer.fence();
      zk.fence();
      equal("created afterwards", count / 2, seen.drain().size());
    }
  }

  private static void authIsSentAgain(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS)) {
      zk.addAuthInfo("digest", Client.bytes("ann:secret"));
      zk.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      Events seen = new Events();
      zk.getData(root, seen, null);
      away(link, zk, () -> {});
      zk.setData(root, Client.bytes("mine"), 0);
      that(zk.text(root).equals("mine"), "the identity came back");
      seen.expect(EventType.NodeDataChanged, root);
    }
  }
}
