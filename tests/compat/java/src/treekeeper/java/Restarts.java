package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** The server is killed, stopped or paused under its clients. */
final class Restarts {
  private Restarts() {}

  static void addTo(Suite suite) {
    suite.addAlone("kill-keeps-the-tree", Restarts::killKeepsTheTree);
    suite.addAlone("kill-keeps-sessions-and-ephemerals", Restarts::killKeepsSessions);
    suite.addAlone("kill-then-watches-are-armed-again", Restarts::watchesAreArmedAgain);
    suite.addAlone("kill-keeps-acknowledged-writes", Restarts::acknowledgedWrites);
    suite.addAlone("kill-leaves-multis-whole", Restarts::multisStayWhole);
    suite.addAlone("stop-keeps-everything", Restarts::stopKeepsEverything);
    suite.addAlone("sequence-goes-on-after-a-restart", Restarts::sequenceGoesOn);
    suite.addAlone("zxid-rises-over-a-restart", Restarts::zxidRises);
    suite.addAlone("lost-session-expires-after-a-restart", Restarts::lostSessionExpires);
    suite.addAlone("containers-and-ttl-go-after-a-restart", Restarts::containersAndTtl);
    suite.addAlone("closed-session-stays-closed-over-a-restart", Restarts::closedSession);
    suite.addAlone("pause-and-resume", Restarts::pauseAndResume);
  }

  private static void back(Client zk) throws Exception {
    zk.events.awaitState(KeeperState.Disconnected);
    zk.events.awaitState(KeeperState.SyncConnected);
    zk.fence();
  }

  private static void killKeepsTheTree(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.addAuthInfo("digest", Client.bytes("ann:secret"));
      zk.make(root, "data");
      zk.create(root + "/mine", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      for (int i = 0; i < 20; i++) {
        zk.make(root + "/n", "" + i, CreateMode.PERSISTENT_SEQUENTIAL);
        zk.setData(root, Client.bytes("data" + i), -1);
      }
      zk.delete(root + "/n0000000005", -1);
      List<String> children = zk.list(root);
      Stat stat = zk.stat(root);
      Stat mine = new Stat();
      zk.getACL(root + "/mine", mine);

      TestServer.killAndStart();
      back(zk);
      equal(stat, zk.stat(root));
      equal("data19", zk.text(root));
      equal(children, zk.list(root));
      Stat mineAfter = new Stat();
      equal("digest", zk.getACL(root + "/mine", mineAfter).get(0).getId().getScheme());
      equal(mine, mineAfter);
      try (Client nobody = Client.open()) {
        fails(KeeperException.NoAuthException.class, () -> nobody.getData(root + "/mine", false, null));
      }
    }
  }

  private static void killKeepsSessions(String root) throws Exception {
    try (Client zk = Client.open()) {
      long id = zk.getSessionId();
      zk.make(root, "", CreateMode.EPHEMERAL);
      for (int i = 0; i < 2; i++) {
        TestServer.killAndStart();
        back(zk);
        equal(id, zk.getSessionId());
        equal(id, zk.stat(root).getEphemeralOwner());
        equal(List.of(root), zk.getEphemerals());
      }
      try (Client observer = Client.open()) {
        that(observer.getSessionId() != id, "a new session has a new id");
        zk.close();
        equal(null, observer.stat(root));
      }
    }
  }

  private static void watchesAreArmedAgain(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Events data = new Events();
      Events children = new Events();
      Events exist = new Events();
      Events persistent = new Events();
      Events recursive = new Events();
      zk.getData(root, data, null);
      zk.getChildren(root, children);
      zk.exists(root + "/new", exist);
      zk.addWatch(root, persistent, AddWatchMode.PERSISTENT);
      zk.addWatch(root, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
      TestServer.killAndStart();
      back(zk);
      back(writer);
      for (Events none : List.of(data, children, exist, persistent, recursive)) {
        none.expectNone();
      }
      writer.setData(root, null, -1);
      writer.make(root + "/new");
      zk.fence();
      equal(List.of("NodeDataChanged " + root), data.drain());
      equal(List.of("NodeChildrenChanged " + root), children.drain());
      equal(List.of("NodeCreated " + root + "/new"), exist.drain());
      equal(List.of("NodeDataChanged " + root, "NodeChildrenChanged " + root), persistent.drain());
      equal(List.of("NodeDataChanged " + root, "NodeCreated " + root + "/new"), recursive.drain());
    }
  }

  private static void acknowledgedWrites(String root) throws Exception {
    int count = 4_000;
    try (Client zk = Client.open(); Client observer = Client.open()) {
      zk.make(root);
      Set<String> acknowledged = ConcurrentHashMap.newKeySet();
      CountDownLatch some = new CountDownLatch(count / 8);
      CountDownLatch all = new CountDownLatch(count);
      for (int i = 0; i < count; i++) {
        String name = "n" + i;
        zk.create(root + "/" + name, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, created) -> {
          if (rc == 0) {
            acknowledged.add(name);
          }
          some.countDown();
          all.countDown();
        }, null);
      }
      that(some.await(20, TimeUnit.SECONDS), "the first replies come");
      TestServer.killAndStart();
      that(all.await(20, TimeUnit.SECONDS), "every request gets an answer or ConnectionLoss");
      back(observer);
      List<String> there = observer.list(root);
      List<String> lost = new ArrayList<>(acknowledged);
      lost.removeAll(Set.copyOf(there));
      equal("acknowledged and lost", List.of(), lost);
    }
  }

  private static void multisStayWhole(String root) throws Exception {
    int count = 500;
    try (Client zk = Client.open(); Client observer = Client.open()) {
      zk.make(root);
      AtomicInteger acknowledged = new AtomicInteger();
      CountDownLatch some = new CountDownLatch(count / 8);
      CountDownLatch all = new CountDownLatch(count);
      for (int i = 0; i < count; i++) {
        List<Op> ops = new ArrayList<>();
        for (String part : List.of("a", "b", "c")) {
          ops.add(Op.create(root + "/" + i + part, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        }
        zk.multi(ops, (rc, path, context, results) -> {
          if (rc == 0) {
            acknowledged.incrementAndGet();
          }
          some.countDown();
          all.countDown();
        }, null);
      }
      that(some.await(20, TimeUnit.SECONDS), "the first replies come");
      TestServer.killAndStart();
      that(all.await(20, TimeUnit.SECONDS), "every request gets an answer or ConnectionLoss");
      back(observer);
      Set<String> there = Set.copyOf(observer.getChildren(root, false));
      int whole = 0;
      for (int i = 0; i < count; i++) {
        String number = "" + i;
        long parts = List.of("a", "b", "c").stream().filter(part -> there.contains(number + part)).count();
        that(parts == 0 || parts == 3, parts + " of 3 parts of transaction " + i);
        whole += parts == 3 ? 1 : 0;
      }
      that(whole >= acknowledged.get(), acknowledged + " were acknowledged, " + whole + " are there");
    }
  }

  private static void stopKeepsEverything(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "x");
      zk.make(root + "/e", "", CreateMode.EPHEMERAL);
      Stat stat = zk.stat(root);
      TestServer.stop();
      zk.events.awaitState(KeeperState.Disconnected);
      TestServer.start();
      zk.events.awaitState(KeeperState.SyncConnected);
      equal(stat, zk.stat(root));
      equal("a clean stop ends no session", zk.getSessionId(), zk.stat(root + "/e").getEphemeralOwner());
    }
  }

  private static void sequenceGoesOn(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      for (int i = 0; i < 3; i++) {
        zk.delete(zk.make(root + "/n", "", CreateMode.PERSISTENT_SEQUENTIAL), -1);
      }
      TestServer.killAndStart();
      back(zk);
      equal(root + "/n0000000003", zk.make(root + "/n", "", CreateMode.PERSISTENT_SEQUENTIAL));
    }
  }

  private static void zxidRises(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      long before = zk.setData(root, null, -1).getMzxid();
      TestServer.killAndStart();
      back(zk);
      long between = zk.setData(root, null, -1).getMzxid();
      that(between > before, between + " after " + before);
      TestServer.stop();
      TestServer.start();
      back(zk);
      long after = zk.setData(root, null, -1).getMzxid();
      that(after > between, after + " after " + between);
    }
  }

  private static void lostSessionExpires(String root) throws Exception {
    try (Link link = new Link(); Client observer = Client.open()) {
      Client lost = Client.open(link.connect(), 2_000);
      lost.make(root, "", CreateMode.EPHEMERAL);
      link.down();
      TestServer.killAndStart();
      back(observer);
      Events seen = new Events();
      // The server may have been away for longer than the session lives: both are right, it is there or gone.
      if (observer.exists(root, seen) != null) {
        seen.expect(EventType.NodeDeleted, root);
      }
      equal(null, observer.stat(root));
      link.up();
      lost.events.awaitState(KeeperState.Expired);
    }
  }

  private static void containersAndTtl(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      zk.make(root + "/container", "", CreateMode.CONTAINER);
      zk.make(root + "/container/a");
      zk.create(root + "/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 8_000);
      TestServer.killAndStart();
      back(zk);
      that(zk.has(root + "/container"), "the container is still there");
      zk.delete(root + "/container/a", -1);
      eventually("both go", () -> zk.list(root).isEmpty());
    }
  }

  private static void closedSession(String root) throws Exception {
    Client closed = Client.open();
    closed.make(root, "", CreateMode.EPHEMERAL);
    closed.close();
    TestServer.killAndStart();
    Client again = Client.resume(TestServer.connect(), Client.TIMEOUT_MS, closed.getSessionId(), closed.getSessionPasswd());
    again.events.awaitState(KeeperState.Expired);
    try (Client observer = Client.open()) {
      equal(null, observer.stat(root));
    }
  }

  private static void pauseAndResume(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "", CreateMode.EPHEMERAL);
      TestServer.pause();
      CountDownLatch answered = new CountDownLatch(1);
      AtomicInteger code = new AtomicInteger(1);
      zk.setData(root, Client.bytes("x"), -1, (rc, path, context, stat) -> {
        code.set(rc);
        answered.countDown();
      }, null);
      that(!answered.await(1, TimeUnit.SECONDS), "nobody answers while it is paused");
      TestServer.resume();
      that(answered.await(20, TimeUnit.SECONDS), "the answer comes");
      equal(0, code.get());
      equal("x", zk.text(root));
      equal(zk.getSessionId(), zk.stat(root).getEphemeralOwner());
    }
  }
}
