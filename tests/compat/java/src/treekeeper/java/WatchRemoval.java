package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.WatcherType;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;

/** Taking watches back. */
final class WatchRemoval {
  private WatchRemoval() {}

  static void addTo(Suite suite) {
    suite.add("remove-data-watch", WatchRemoval::data);
    suite.add("remove-child-watch", WatchRemoval::child);
    suite.add("remove-any-watch", WatchRemoval::any);
    suite.add("remove-persistent-watch", WatchRemoval::persistent);
    suite.add("remove-recursive-watch", WatchRemoval::recursive);
    suite.add("remove-one-of-two-watchers", WatchRemoval::oneOfTwo);
    suite.add("remove-all-watches", WatchRemoval::all);
    suite.add("remove-all-watches-of-one-kind", WatchRemoval::allOfOneKind);
    suite.add("remove-watches-that-are-not-there", WatchRemoval::notThere);
    suite.add("remove-watches-without-the-server", WatchRemoval::locally);
  }

  private static void data(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.removeWatches(root, seen, WatcherType.Data, false);
      seen.expect(EventType.DataWatchRemoved, root);
      zk.setData(root, null, -1);
      zk.make(root + "/a");
      zk.fence();
      equal("the child watch is still there", List.of("NodeChildrenChanged " + root), seen.drain());

      zk.exists(root + "/b", seen);
      zk.removeWatches(root + "/b", seen, WatcherType.Data, false);
      seen.expect(EventType.DataWatchRemoved, root + "/b");
      zk.make(root + "/b");
      zk.fence();
      seen.expectNone();
    }
  }

  private static void child(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.removeWatches(root, seen, WatcherType.Children, false);
      seen.expect(EventType.ChildWatchRemoved, root);
      zk.make(root + "/a");
      zk.setData(root, null, -1);
      zk.fence();
      equal("the data watch is still there", List.of("NodeDataChanged " + root), seen.drain());
    }
  }

  private static void any(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.removeWatches(root, seen, WatcherType.Any, false);
      equal(List.of("ChildWatchRemoved " + root, "DataWatchRemoved " + root), removals(zk, seen));
      zk.make(root + "/a");
      zk.setData(root, null, -1);
      zk.fence();
      seen.expectNone();
    }
  }

  private static void persistent(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      Events other = new Events();
      zk.addWatch(root, seen, AddWatchMode.PERSISTENT);
      zk.addWatch(root, other, AddWatchMode.PERSISTENT_RECURSIVE);
      zk.removeWatches(root, seen, WatcherType.Persistent, false);
      seen.expect(EventType.PersistentWatchRemoved, root);
      zk.setData(root, null, -1);
      other.expect(EventType.NodeDataChanged, root);
      zk.fence();
      seen.expectNone();
    }
  }

  private static void recursive(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      Events other = new Events();
      zk.addWatch(root, seen, AddWatchMode.PERSISTENT_RECURSIVE);
      zk.addWatch(root, other, AddWatchMode.PERSISTENT);
      zk.removeWatches(root, seen, WatcherType.PersistentRecursive, false);
      seen.expect(EventType.PersistentWatchRemoved, root);
      zk.make(root + "/a");
      zk.setData(root + "/a", null, -1);
      other.expect(EventType.NodeChildrenChanged, root);
      zk.fence();
      seen.expectNone();
    }
  }

  private static void oneOfTwo(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events first = new Events();
      Events second = new Events();
      zk.getData(root, first, null);
      zk.getData(root, second, null);
      zk.removeWatches(root, first, WatcherType.Data, false);
      first.expect(EventType.DataWatchRemoved, root);
      zk.setData(root, null, -1);
      second.expect(EventType.NodeDataChanged, root);
      zk.fence();
      first.expectNone();
    }
  }

  private static void all(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events one = new Events();
      Events two = new Events();
      zk.getData(root, one, null);
      zk.getData(root, two, null);
      zk.getChildren(root, one);
      zk.addWatch(root, two, AddWatchMode.PERSISTENT_RECURSIVE);
      zk.removeAllWatches(root, WatcherType.Any, false);
      removals(zk, one);
      removals(zk, two);
      zk.setData(root, null, -1);
      zk.make(root + "/a");
      zk.fence();
      one.expectNone();
      two.expectNone();
      fails(KeeperException.NoWatcherException.class, () -> zk.removeAllWatches(root, WatcherType.Any, false));
    }
  }

  private static void allOfOneKind(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.removeAllWatches(root, WatcherType.Data, false);
      seen.expect(EventType.DataWatchRemoved, root);
      fails(KeeperException.NoWatcherException.class, () -> zk.removeAllWatches(root, WatcherType.Data, false));
      zk.setData(root, null, -1);
      zk.make(root + "/a");
      seen.expect(EventType.NodeChildrenChanged, root);
      zk.fence();
      seen.expectNone();

      Events lasting = new Events();
      zk.addWatch(root, lasting, AddWatchMode.PERSISTENT);
      zk.removeAllWatches(root, WatcherType.Persistent, false);
      lasting.expect(EventType.PersistentWatchRemoved, root);
      zk.addWatch(root, lasting, AddWatchMode.PERSISTENT_RECURSIVE);
      zk.removeAllWatches(root, WatcherType.PersistentRecursive, false);
      lasting.expect(EventType.PersistentWatchRemoved, root);
    }
  }

  private static void notThere(String root) throws Exception {
    try (Client zk = Client.open(); Client other = Client.open()) {
      zk.make(root);
      other.getData(root, true, null);
      Events seen = new Events();
      for (WatcherType type : WatcherType.values()) {
        fails(KeeperException.NoWatcherException.class, () -> zk.removeWatches(root, seen, type, false));
        fails(KeeperException.NoWatcherException.class, () -> zk.removeAllWatches(root, type, false));
      }
      CompletableFuture<Integer> later = new CompletableFuture<>();
      zk.removeWatches(root, seen, WatcherType.Data, false, (rc, path, context) -> later.complete(rc), null);
      equal(KeeperException.Code.NOWATCHER.intValue(), later.get(20, TimeUnit.SECONDS));
      zk.setData(root, null, -1);
      other.events.expect(EventType.NodeDataChanged, root);
    }
  }

  private static void locally(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      link.down();
      zk.events.awaitState(org.apache.zookeeper.Watcher.Event.KeeperState.Disconnected);
      zk.removeWatches(root, seen, WatcherType.Data, true);
      seen.expect(EventType.DataWatchRemoved, root);
      writer.setData(root, null, -1);
      link.up();
      zk.events.awaitState(org.apache.zookeeper.Watcher.Event.KeeperState.SyncConnected);
      zk.fence();
      seen.expectNone();
    }
  }

  private static List<String> removals(Client zk, Events seen) throws Exception {
    zk.fence();
    return seen.drain().stream().sorted().toList();
  }
}
