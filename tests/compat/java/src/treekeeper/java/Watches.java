package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.data.ACL;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** One-shot watches: data, exist and child. */
final class Watches {
  private Watches() {}

  static void addTo(Suite suite) {
    suite.add("exists-watch", Watches::existsWatch);
    suite.add("data-watch", Watches::dataWatch);
    suite.add("child-watch", Watches::childWatch);
    suite.add("watches-fire-once", Watches::watchesFireOnce);
    suite.add("one-event-for-all-watches-of-a-znode", Watches::oneEvent);
    suite.add("no-watch-from-a-failed-read", Watches::noWatchFromAFailedRead);
    suite.add("nothing-fires-without-a-change", Watches::nothingFiresWithoutAChange);
    suite.add("same-data-fires", Watches::sameDataFires);
    suite.add("set-acl-fires-nothing", Watches::setAclFiresNothing);
    suite.add("default-watcher", Watches::defaultWatcher);
    suite.add("event-comes-before-the-reply-of-the-write", Watches::eventBeforeOwnReply);
    suite.add("event-comes-before-the-new-data", Watches::eventBeforeNewData);
    suite.add("events-carry-the-zxid", Watches::eventsCarryTheZxid);
    suite.add("events-come-in-the-order-of-changes", Watches::eventsComeInOrder);
    suite.add("events-of-unreadable-znodes-are-kept-back", Watches::unreadable);
    suite.add("watches-of-many-clients", Watches::manyClients);
    suite.add("many-watches-of-one-client", Watches::manyWatches);
  }

  private static void existsWatch(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      Events seen = new Events();
      equal(null, zk.exists(root, seen));
      writer.make(root);
      seen.expect(EventType.NodeCreated, root);
      that(zk.exists(root, seen) != null, "it is there");
      writer.setData(root, null, -1);
      seen.expect(EventType.NodeDataChanged, root);
      zk.exists(root, seen);
      writer.make(root + "/child");
      writer.delete(root + "/child", -1);
      zk.fence();
      seen.expectNone();
      writer.delete(root, -1);
      seen.expect(EventType.NodeDeleted, root);
    }
  }

  private static void dataWatch(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      writer.make(root + "/child");
      zk.fence();
      seen.expectNone();
      writer.setData(root, Client.bytes("x"), -1);
      seen.expect(EventType.NodeDataChanged, root);
      zk.getData(root, seen, null);
      writer.delete(root + "/child", -1);
      writer.delete(root, -1);
      seen.expect(EventType.NodeDeleted, root);
    }
  }

  private static void childWatch(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.getChildren(root, seen);
      writer.setData(root, Client.bytes("x"), -1);
      zk.fence();
      seen.expectNone();
      writer.make(root + "/a");
      seen.expect(EventType.NodeChildrenChanged, root);
      zk.getChildren(root, seen);
      writer.setData(root + "/a", Client.bytes("x"), -1);
      writer.make(root + "/a/b");
      writer.delete(root + "/a/b", -1);
      zk.fence();
      seen.expectNone();
      writer.delete(root + "/a", -1);
      seen.expect(EventType.NodeChildrenChanged, root);
      zk.getChildren(root, seen);
      writer.delete(root, -1);
      seen.expect(EventType.NodeDeleted, root);
    }
  }

  private static void watchesFireOnce(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      for (int i = 0; i < 5; i++) {
        zk.setData(root, null, -1);
        zk.make(root + "/" + i);
      }
      zk.fence();
      equal(List.of("NodeDataChanged " + root, "NodeChildrenChanged " + root), seen.drain());
    }
  }

  private static void oneEvent(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      zk.exists(root, seen);
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.delete(root, -1);
      zk.fence();
      equal(List.of("NodeDeleted " + root), seen.drain());
      // All three are used up.
      zk.make(root);
      zk.make(root + "/a");
      zk.setData(root, null, -1);
      zk.fence();
      seen.expectNone();
    }
  }

  private static void noWatchFromAFailedRead(String root) throws Exception {
    try (Client zk = Client.open()) {
      Events seen = new Events();
      fails(KeeperException.NoNodeException.class, () -> zk.getData(root, seen, null));
      fails(KeeperException.NoNodeException.class, () -> zk.getChildren(root, seen));
      zk.make(root);
      zk.setData(root, null, -1);
      zk.make(root + "/a");
      zk.fence();
      seen.expectNone();
    }
  }

  private static void nothingFiresWithoutAChange(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      zk.make(root + "/a");
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.exists(root + "/b", seen);
      fails(KeeperException.BadVersionException.class, () -> zk.setData(root, null, 9));
      fails(KeeperException.NotEmptyException.class, () -> zk.delete(root, -1));
      fails(KeeperException.NodeExistsException.class, () -> zk.make(root + "/a"));
      fails(KeeperException.NoNodeException.class, () -> zk.delete(root + "/b", -1));
      zk.fence();
      seen.expectNone();
    }
  }

  private static void sameDataFires(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "same");
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.setData(root, Client.bytes("same"), -1);
      seen.expect(EventType.NodeDataChanged, root);
    }
  }

  private static void setAclFiresNothing(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Events seen = new Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.setACL(root, Ids.OPEN_ACL_UNSAFE, -1);
      zk.fence();
      seen.expectNone();
    }
  }

  private static void defaultWatcher(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      zk.exists(root, true);
      writer.make(root);
      zk.events.expect(EventType.NodeCreated, root);
      Events later = new Events();
      zk.register(later);
      zk.getData(root, true, null);
      writer.setData(root, null, -1);
      later.expect(EventType.NodeDataChanged, root);
      zk.events.expectNone();
    }
  }

  private static void eventBeforeOwnReply(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      for (int i = 0; i < 200; i++) {
        LinkedBlockingQueue<String> order = new LinkedBlockingQueue<>();
        zk.getData(root, event -> order.add("event"), null);
        zk.setData(root, null, -1, (rc, path, context, stat) -> order.add("reply"), null);
        equal("event", order.poll(20, TimeUnit.SECONDS));
        equal("reply", order.poll(20, TimeUnit.SECONDS));
      }
    }
  }

  private static void eventBeforeNewData(String root) throws Exception {
    int rounds = 300;
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root, "0");
      // One thread of this client takes all events and replies, so what it records is their order.
      CompletableFuture<String> verdict = new CompletableFuture<>();
      int[] events = {0};
      int[] last = {-1};
      Runnable[] read = new Runnable[1];
      read[0] = () -> zk.getData(root, event -> events[0]++, (rc, path, context, data, stat) -> {
        int value = Integer.parseInt(new String(data));
        if (last[0] >= 0 && value != last[0] && events[0] == 0) {
          verdict.complete("value " + value + " came without an event after " + last[0]);
        } else if (value == rounds) {
          verdict.complete("fine");
        } else {
          last[0] = value;
          events[0] = 0;
          read[0].run();
        }
      }, null);
      read[0].run();
      for (int i = 1; i <= rounds; i++) {
        writer.setData(root, Client.bytes("" + i), -1);
      }
      equal("fine", verdict.get(20, TimeUnit.SECONDS));
    }
    // The same for every single change: registered, changed by another, then read.
    try (Client zk = Client.open(); Client writer = Client.open()) {
      for (int i = 0; i < 100; i++) {
        LinkedBlockingQueue<String> order = new LinkedBlockingQueue<>();
        zk.getData(root, event -> order.add("event"), null);
        writer.setData(root, Client.bytes("again"), -1);
        zk.getData(root, false, (rc, path, context, data, stat) -> order.add("data"), null);
        equal("event", order.poll(20, TimeUnit.SECONDS));
        equal("data", order.poll(20, TimeUnit.SECONDS));
      }
    }
  }

  private static void eventsCarryTheZxid(String root) throws Exception {
    try (Client zk = Client.open()) {
      Events seen = new Events();
      zk.exists(root, seen);
      zk.make(root);
      equal(zk.stat(root).getCzxid(), seen.expect(EventType.NodeCreated, root).getZxid());
      zk.getData(root, seen, null);
      long set = zk.setData(root, null, -1).getMzxid();
      equal(set, seen.expect(EventType.NodeDataChanged, root).getZxid());
      zk.getChildren(root, seen);
      zk.make(root + "/a");
      equal(zk.stat(root).getPzxid(), seen.expect(EventType.NodeChildrenChanged, root).getZxid());
    }
  }

  private static void eventsComeInOrder(String root) throws Exception {
    int count = 100;
    try (Client zk = Client.open(); Client writer = Client.open()) {
      Events seen = new Events();
      writer.make(root);
      for (int i = 0; i < count; i++) {
        zk.exists(root + "/" + i, seen);
      }
      for (int i = 0; i < count; i++) {
        writer.make(root + "/" + i);
      }
      for (int i = 0; i < count; i++) {
        seen.expect(EventType.NodeCreated, root + "/" + i);
      }
    }
  }

  private static void unreadable(String root) throws Exception {
    List<ACL> foreign = Client.acl(Perms.ALL, "digest", "nobody:x");
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events seen = new Events();
      zk.exists(root + "/closed", seen);
      zk.exists(root + "/open", seen);
      writer.create(root + "/closed", null, foreign, CreateMode.PERSISTENT);
      writer.make(root + "/open");
      seen.expect(EventType.NodeCreated, root + "/open");
      writer.delete(root + "/closed", -1);
      writer.make(root + "/closed");
      zk.fence();
      // The watch was used up by the creation that could not be told.
      seen.expectNone();

      fails(KeeperException.NoAuthException.class, () -> {
        writer.setACL(root + "/closed", foreign, -1);
        zk.exists(root + "/closed", false);
      });
    }
  }

  private static void manyClients(String root) throws Exception {
    List<Client> clients = new java.util.ArrayList<>();
    try (Client writer = Client.open()) {
      writer.make(root);
      for (int i = 0; i < 40; i++) {
        clients.add(Client.open());
        clients.get(i).getData(root, true, null);
        clients.get(i).getChildren(root, true);
      }
      writer.setData(root, null, -1);
      writer.make(root + "/a");
      for (Client client : clients) {
        client.events.expect(EventType.NodeDataChanged, root);
        client.events.expect(EventType.NodeChildrenChanged, root);
      }
      for (Client client : clients) {
        client.close();
      }
    }
  }

  private static void manyWatches(String root) throws Exception {
    int count = 5_000;
    try (Client zk = Client.open(TestServer.connect(), Client.TIMEOUT_MS); Client writer = Client.open()) {
      Events seen = new Events();
      writer.make(root);
      CompletableFuture<Integer> last = new CompletableFuture<>();
      for (int i = 0; i < count; i++) {
        boolean isLast = i == count - 1;
        zk.exists(root + "/" + i, seen, (rc, path, context, stat) -> {
          if (isLast) {
            last.complete(rc);
          }
        }, null);
      }
      equal(-101, last.get(30, TimeUnit.SECONDS));
      for (int i = 0; i < count; i++) {
        writer.create(root + "/" + i, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, name) -> {}, null);
      }
      for (int i = 0; i < count; i++) {
        seen.expect(EventType.NodeCreated, root + "/" + i);
      }
      zk.events.expectNoState();
    }
  }
}
