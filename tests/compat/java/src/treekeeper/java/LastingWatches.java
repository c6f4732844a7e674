package treekeeper.java;

import static treekeeper.harness.Check.equal;

import java.util.List;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.EventType;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** Persistent and persistent recursive watches. */
final class LastingWatches {
  private LastingWatches() {}

  static void addTo(Suite suite) {
    suite.add("persistent-watch", LastingWatches::persistent);
    suite.add("recursive-watch", LastingWatches::recursive);
    suite.add("recursive-watch-on-a-missing-znode", LastingWatches::onAMissingZnode);
    suite.add("recursive-watch-is-bounded-by-names", LastingWatches::boundedByNames);
    suite.add("both-kinds-on-one-path", LastingWatches::bothKinds);
    suite.add("lasting-and-one-shot-together", LastingWatches::withOneShot);
    suite.add("recursive-watch-on-the-root", LastingWatches::onTheRoot);
    suite.add("recursive-watch-in-a-chroot", LastingWatches::inAChroot);
    suite.add("recursive-watch-sees-a-session-end", LastingWatches::seesASessionEnd);
    suite.add("recursive-watch-of-many-changes", LastingWatches::manyChanges);
    suite.add("default-watcher-of-a-lasting-watch", LastingWatches::defaultWatcher);
  }

  private static void persistent(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      Events seen = new Events();
      zk.addWatch(root, seen, AddWatchMode.PERSISTENT);
      for (int round = 0; round < 2; round++) {
        writer.make(root);
        writer.setData(root, null, -1);
        writer.setData(root, null, -1);
        writer.make(root + "/a");
        writer.setData(root + "/a", null, -1);
        writer.make(root + "/a/b");
        writer.delete(root + "/a/b", -1);
        writer.delete(root + "/a", -1);
        writer.delete(root, -1);
        zk.fence();
        equal(List.of("NodeCreated " + root, "NodeDataChanged " + root, "NodeDataChanged " + root,
            "NodeChildrenChanged " + root, "NodeChildrenChanged " + root, "NodeDeleted " + root), seen.drain());
      }
    }
  }

  private static void recursive(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.addWatch(root, seen, AddWatchMode.PERSISTENT_RECURSIVE);
      writer.setData(root, null, -1);
      writer.make(root + "/a");
      writer.make(root + "/a/b");
      writer.setData(root + "/a/b", null, -1);
      writer.make(root + "/a/b/c", "", CreateMode.EPHEMERAL);
      writer.delete(root + "/a/b/c", -1);
      writer.delete(root + "/a/b", -1);
      writer.delete(root + "/a", -1);
      writer.delete(root, -1);
      writer.make(root);
      zk.fence();
      equal(List.of("NodeDataChanged " + root, "NodeCreated " + root + "/a", "NodeCreated " + root + "/a/b", "NodeDataChanged " + root + "/a/b",
          "NodeCreated " + root + "/a/b/c", "NodeDeleted " + root + "/a/b/c", "NodeDeleted " + root + "/a/b", "NodeDeleted " + root + "/a",
          "NodeDeleted " + root, "NodeCreated " + root), seen.drain());
    }
  }

  private static void onAMissingZnode(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      Events seen = new Events();
      zk.addWatch(root + "/a/b", seen, AddWatchMode.PERSISTENT_RECURSIVE);
      for (String path : List.of(root, root + "/a", root + "/a/b", root + "/a/b/c")) {
        writer.make(path);
      }
      zk.fence();
      equal(List.of("NodeCreated " + root + "/a/b", "NodeCreated " + root + "/a/b/c"), seen.drain());
    }
  }

  private static void boundedByNames(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.addWatch(root + "/a", seen, AddWatchMode.PERSISTENT_RECURSIVE);
      writer.make(root + "/ab");
      writer.make(root + "/ab/c");
      writer.make(root + "/a");
      zk.fence();
      equal(List.of("NodeCreated " + root + "/a"), seen.drain());
    }
  }

  private static void bothKinds(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events persistent = new Events();
      Events recursive = new Events();
      zk.addWatch(root, persistent, AddWatchMode.PERSISTENT);
      zk.addWatch(root, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
      writer.setData(root, null, -1);
      writer.make(root + "/a");
      writer.make(root + "/a/b");
      zk.fence();
      equal(List.of("NodeDataChanged " + root, "NodeChildrenChanged " + root), persistent.drain());
      equal(List.of("NodeDataChanged " + root, "NodeCreated " + root + "/a", "NodeCreated " + root + "/a/b"), recursive.drain());
    }
  }

  private static void withOneShot(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events lasting = new Events();
      Events once = new Events();
      zk.addWatch(root, lasting, AddWatchMode.PERSISTENT);
      zk.getData(root, once, null);
      writer.setData(root, null, -1);
      writer.setData(root, null, -1);
      zk.fence();
      equal(List.of("NodeDataChanged " + root), once.drain());
      equal(List.of("NodeDataChanged " + root, "NodeDataChanged " + root), lasting.drain());
    }
  }

  private static void onTheRoot(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      Events seen = new Events();
      zk.addWatch("/", seen, AddWatchMode.PERSISTENT_RECURSIVE);
      writer.make(root);
      writer.make(root + "/a");
      zk.fence();
      // Other cases run at the same time: only this one's events are ours to judge.
      equal(List.of("NodeCreated " + root, "NodeCreated " + root + "/a"), seen.drain().stream().filter(event -> event.contains(root)).toList());
    }
  }

  private static void inAChroot(String root) throws Exception {
    try (Client writer = Client.open()) {
      writer.make(root);
      try (Client zk = Client.open(TestServer.connect() + root, Client.TIMEOUT_MS)) {
        Events seen = new Events();
        zk.addWatch("/", seen, AddWatchMode.PERSISTENT_RECURSIVE);
        zk.addWatch("/a", seen, AddWatchMode.PERSISTENT);
        writer.make(root + "/a");
        seen.expect(EventType.NodeCreated, "/a");
        writer.make(root + "/a/b");
        zk.fence();
        equal(List.of("NodeChildrenChanged /a", "NodeCreated /a/b"), seen.drain().stream().sorted().toList());
      }
    }
  }

  private static void seesASessionEnd(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      try (Client owner = Client.open()) {
        owner.make(root + "/a", "", CreateMode.EPHEMERAL);
        owner.make(root + "/b", "", CreateMode.EPHEMERAL);
        zk.addWatch(root, seen, AddWatchMode.PERSISTENT_RECURSIVE);
      }
      zk.fence();
      equal(List.of("NodeDeleted " + root + "/a", "NodeDeleted " + root + "/b"), seen.drain().stream().sorted().toList());
    }
  }

  private static void manyChanges(String root) throws Exception {
    int count = 2_000;
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.addWatch(root, seen, AddWatchMode.PERSISTENT_RECURSIVE);
      for (int i = 0; i < count; i++) {
        writer.setData(root, null, -1, (rc, path, context, stat) -> {}, null);
      }
      writer.fence();
      zk.fence();
      equal(count, seen.drain().size());
    }
  }

  private static void defaultWatcher(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.addWatch(root, AddWatchMode.PERSISTENT);
      zk.make(root);
      zk.setData(root, null, -1);
      zk.events.expect(EventType.NodeCreated, root);
      zk.events.expect(EventType.NodeDataChanged, root);
    }
  }
}
