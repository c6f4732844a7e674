package treekeeper.java34;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.OpResult.CreateResult;
import org.apache.zookeeper.OpResult.ErrorResult;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper.States;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** The cases of the 3.4 client: what programs that were never upgraded do. */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws Exception {
    Suite suite = new Suite("java34");
    suite.add("connect-and-close", Main::connectAndClose);
    suite.add("create-get-set-delete", Main::createGetSetDelete);
    suite.add("stat", Main::stat);
    suite.add("errors", Main::errors);
    suite.add("children", Main::children);
    suite.add("sequential", Main::sequential);
    suite.add("ephemeral-goes-on-close", Main::ephemeralGoesOnClose);
    suite.add("ephemeral-goes-on-expiry", Main::ephemeralGoesOnExpiry);
    suite.add("data-watch", Main::dataWatch);
    suite.add("exists-watch", Main::existsWatch);
    suite.add("child-watch", Main::childWatch);
    suite.add("watches-are-armed-again", Main::watchesAreArmedAgain);
    suite.add("multi", Main::multi);
    suite.add("multi-failure", Main::multiFailure);
    suite.add("acl", Main::acl);
    suite.add("auth-of-an-unknown-scheme", Main::unknownScheme);
    suite.add("chroot", Main::chroot);
    suite.add("pipeline", Main::pipeline);
    suite.add("reconnect-keeps-the-session", Main::reconnectKeepsTheSession);
    suite.add("session-is-taken-over", Main::sessionIsTakenOver);
    suite.add("wrong-password-is-expired", Main::wrongPassword);
    suite.addAlone("kill-and-start", Main::killAndStart);
    suite.runAndExit();
  }

  private static void connectAndClose(String root) throws Exception {
    Client zk = Client.open(TestServer.connect(), 4_000);
    equal(States.CONNECTED, zk.getState());
    equal(4_000, zk.getSessionTimeout());
    that(zk.getSessionId() != 0, "a session has an id");
    equal(16, zk.getSessionPasswd().length);
    zk.close();
    equal(States.CLOSED, zk.getState());
  }

  private static void createGetSetDelete(String root) throws Exception {
    try (Client zk = Client.open()) {
      equal(root, zk.make(root, "one", CreateMode.PERSISTENT));
      equal("one", zk.text(root));
      zk.setData(root, "two".getBytes(), 0);
      equal("two", zk.text(root));
      zk.setData(root, null, 1);
      equal(null, zk.getData(root, false, null));
      zk.delete(root, 2);
      that(!zk.has(root), "it is gone");
    }
  }

  private static void stat(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "four", CreateMode.PERSISTENT);
      Stat stat = new Stat();
      zk.getData(root, false, stat);
      equal(zk.exists(root, false), stat);
      equal(stat.getCzxid(), stat.getMzxid());
      equal(stat.getCzxid(), stat.getPzxid());
      equal(4, stat.getDataLength());
      Stat set = zk.setData(root, new byte[9], 0);
      equal(1, set.getVersion());
      equal(9, set.getDataLength());
      that(set.getMzxid() > set.getCzxid(), "mzxid moved");
      zk.make(root + "/a", "", CreateMode.EPHEMERAL);
      equal(zk.getSessionId(), zk.exists(root + "/a", false).getEphemeralOwner());
      equal(1, zk.exists(root, false).getNumChildren());
      equal(1, zk.exists(root, false).getCversion());
    }
  }

  private static void errors(String root) throws Exception {
    try (Client zk = Client.open()) {
      fails(KeeperException.NoNodeException.class, () -> zk.getData(root, false, null));
      fails(KeeperException.NoNodeException.class, () -> zk.make(root + "/a"));
      zk.make(root);
      fails(KeeperException.NodeExistsException.class, () -> zk.make(root));
      fails(KeeperException.BadVersionException.class, () -> zk.setData(root, null, 4));
      fails(KeeperException.BadVersionException.class, () -> zk.delete(root, 4));
      zk.make(root + "/e", "", CreateMode.EPHEMERAL);
      fails(KeeperException.NotEmptyException.class, () -> zk.delete(root, -1));
      fails(KeeperException.NoChildrenForEphemeralsException.class, () -> zk.make(root + "/e/a"));
      fails(KeeperException.InvalidACLException.class, () -> zk.create(root + "/x", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
    }
  }

  private static void children(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      for (int i = 0; i < 100; i++) {
        zk.make(root + "/" + i);
      }
      Stat stat = new Stat();
      equal(100, zk.getChildren(root, false, stat).size());
      equal(zk.exists(root, false), stat);
      equal(100, zk.list(root).size());
    }
  }

  private static void sequential(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(root + "/n0000000000", zk.make(root + "/n", "", CreateMode.PERSISTENT_SEQUENTIAL));
      equal(root + "/n0000000001", zk.make(root + "/n", "", CreateMode.EPHEMERAL_SEQUENTIAL));
      zk.make(root + "/plain");
      equal(root + "/n0000000003", zk.make(root + "/n", "", CreateMode.PERSISTENT_SEQUENTIAL));
    }
  }

  private static void ephemeralGoesOnClose(String root) throws Exception {
    try (Client observer = Client.open()) {
      try (Client owner = Client.open()) {
        owner.make(root, "", CreateMode.EPHEMERAL);
        that(observer.has(root), "others see it");
      }
      that(!observer.has(root), "it went with its session");
    }
  }

  private static void ephemeralGoesOnExpiry(String root) throws Exception {
    try (Link link = new Link(); Client observer = Client.open()) {
      Client silent = Client.open(link.connect(), 1_000);
      silent.make(root, "", CreateMode.EPHEMERAL);
      Client.Events seen = new Client.Events();
      observer.exists(root, seen);
      link.down();
      seen.expect(EventType.NodeDeleted, root);
      link.up();
      silent.events.awaitState(KeeperState.Expired);
      fails(KeeperException.SessionExpiredException.class, () -> silent.has(root));
    }
  }

  private static void dataWatch(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Client.Events seen = new Client.Events();
      zk.getData(root, seen, null);
      writer.setData(root, null, -1);
      writer.setData(root, null, -1);
      zk.fence();
      equal(List.of("NodeDataChanged " + root), seen.drain());
      zk.getData(root, seen, null);
      writer.delete(root, -1);
      seen.expect(EventType.NodeDeleted, root);
    }
  }

  private static void existsWatch(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      Client.Events seen = new Client.Events();
      equal(null, zk.exists(root, seen));
      writer.make(root);
      seen.expect(EventType.NodeCreated, root);
      zk.exists(root, true);
      writer.setData(root, null, -1);
      zk.events.expect(EventType.NodeDataChanged, root);
    }
  }

  private static void childWatch(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      writer.make(root);
      Client.Events seen = new Client.Events();
      zk.getChildren(root, seen);
      writer.make(root + "/a");
      writer.make(root + "/b");
      zk.fence();
      equal(List.of("NodeChildrenChanged " + root), seen.drain());
    }
  }

  private static void watchesAreArmedAgain(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS); Client writer = Client.open()) {
      writer.make(root);
      writer.make(root + "/quiet");
      Client.Events seen = new Client.Events();
      zk.getData(root, seen, null);
      zk.getChildren(root, seen);
      zk.exists(root + "/new", seen);
      zk.getData(root + "/quiet", seen, null);
      link.down();
      zk.events.awaitState(KeeperState.Disconnected);
      writer.setData(root, null, -1);
      writer.make(root + "/new");
      link.up();
      zk.events.awaitState(KeeperState.SyncConnected);
      zk.fence();
      equal(List.of("NodeChildrenChanged " + root, "NodeCreated " + root + "/new", "NodeDataChanged " + root), seen.drain().stream().sorted().toList());
      writer.setData(root + "/quiet", null, -1);
      seen.expect(EventType.NodeDataChanged, root + "/quiet");
    }
  }

  private static void multi(String root) throws Exception {
    try (Client zk = Client.open()) {
      List<OpResult> results = zk.multi(Arrays.asList(
          Op.create(root, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
          Op.create(root + "/n", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL),
          Op.setData(root, "x".getBytes(), 0),
          Op.check(root, 1),
          Op.delete(root + "/n0000000000", 0)));
      equal(5, results.size());
      equal(root + "/n0000000000", ((CreateResult) results.get(1)).getPath());
      equal("x", zk.text(root));
      equal(List.of(), zk.list(root));
    }
  }

  private static void multiFailure(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      KeeperException failure = fails(KeeperException.BadVersionException.class, () -> zk.multi(Arrays.asList(
          Op.create(root + "/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT), Op.check(root, 9), Op.delete(root, -1))));
      equal(List.of(0, -103, -2), failure.getResults().stream().map(result -> ((ErrorResult) result).getErr()).toList());
      equal(List.of(), zk.list(root));
    }
  }

  private static void acl(String root) throws Exception {
    try (Client ann = Client.open(); Client nobody = Client.open()) {
      ann.addAuthInfo("digest", "ann:secret".getBytes());
      ann.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      ann.setData(root, null, -1);
      fails(KeeperException.NoAuthException.class, () -> nobody.getData(root, false, null));
      List<ACL> readable = Arrays.asList(new ACL(Perms.ALL, Ids.AUTH_IDS), new ACL(Perms.READ, Ids.ANYONE_ID_UNSAFE));
      equal(1, ann.setACL(root, readable, 0).getAversion());
      nobody.getData(root, false, null);
      fails(KeeperException.NoAuthException.class, () -> nobody.setData(root, null, -1));
      equal("the digest is hidden", "ann:x", nobody.getACL(root, new Stat()).get(0).getId().getId());
    }
  }

  private static void unknownScheme(String root) throws Exception {
    Client zk = Client.open();
    zk.addAuthInfo("no-such-scheme", "x".getBytes());
    zk.events.awaitState(KeeperState.AuthFailed);
    equal(States.AUTH_FAILED, zk.getState());
    zk.close();
  }

  private static void chroot(String root) throws Exception {
    try (Client outside = Client.open()) {
      outside.make(root);
      try (Client inside = Client.open(TestServer.connect() + root, Client.TIMEOUT_MS)) {
        equal("/a", inside.make("/a"));
        that(outside.has(root + "/a"), "it lies below the chroot");
        Client.Events seen = new Client.Events();
        inside.getData("/a", seen, null);
        outside.setData(root + "/a", null, -1);
        seen.expect(EventType.NodeDataChanged, "/a");
      }
    }
  }

  private static void pipeline(String root) throws Exception {
    int requests = 1_000;
    try (Client zk = Client.open()) {
      zk.make(root);
      LinkedBlockingQueue<String> order = new LinkedBlockingQueue<>();
      CountDownLatch done = new CountDownLatch(2 * requests);
      for (int i = 0; i < requests; i++) {
        String name = "n" + i;
        zk.create(root + "/" + name, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, created) -> {
          order.add(rc + " create " + name);
          done.countDown();
        }, null);
        zk.exists(root + "/" + name, false, (rc, path, context, stat) -> {
          order.add(rc + " exists " + name);
          done.countDown();
        }, null);
      }
      that(done.await(30, TimeUnit.SECONDS), done.getCount() + " replies are missing");
      for (int i = 0; i < requests; i++) {
        equal("0 create n" + i, order.take());
        equal("0 exists n" + i, order.take());
      }
    }
  }

  private static void reconnectKeepsTheSession(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS)) {
      long id = zk.getSessionId();
      zk.make(root, "", CreateMode.EPHEMERAL);
      link.cut();
      zk.events.awaitState(KeeperState.Disconnected);
      zk.events.awaitState(KeeperState.SyncConnected);
      equal(id, zk.getSessionId());
      equal(id, zk.exists(root, false).getEphemeralOwner());
    }
  }

  private static void sessionIsTakenOver(String root) throws Exception {
    try (Link link = new Link(); Client observer = Client.open()) {
      Client first = Client.open(link.connect(), Client.TIMEOUT_MS);
      first.make(root, "", CreateMode.EPHEMERAL);
      link.down();
      first.events.awaitState(KeeperState.Disconnected);
      Client second = Client.resume(TestServer.connect(), first.getSessionId(), first.getSessionPasswd());
      second.events.awaitState(KeeperState.SyncConnected);
      equal(first.getSessionId(), second.getSessionId());
      second.close();
      that(!observer.has(root), "the session was closed by its new handle");
      link.up();
      first.events.awaitState(KeeperState.Expired);
    }
  }

  private static void wrongPassword(String root) throws Exception {
    try (Client zk = Client.open()) {
      Client thief = Client.resume(TestServer.connect(), zk.getSessionId(), new byte[16]);
      thief.events.awaitState(KeeperState.Expired);
    }
  }

  private static void killAndStart(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "x", CreateMode.EPHEMERAL);
      Client.Events seen = new Client.Events();
      zk.getData(root, seen, null);
      TestServer.killAndStart();
      zk.events.awaitState(KeeperState.Disconnected);
      zk.events.awaitState(KeeperState.SyncConnected);
      equal("x", zk.text(root));
      zk.setData(root, null, -1);
      seen.expect(EventType.NodeDataChanged, root);
    }
  }
}
