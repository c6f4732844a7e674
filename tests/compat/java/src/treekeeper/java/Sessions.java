package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper.States;
import org.apache.zookeeper.client.ZKClientConfig;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** Handshake, time-outs, reconnects, expiry, take-over, chroot and the order of replies. */
final class Sessions {
  private Sessions() {}

  static void addTo(Suite suite) {
    suite.add("connect-and-close", Sessions::connectAndClose);
    suite.add("timeout-is-negotiated", Sessions::timeoutIsNegotiated);
    suite.add("chroot", Sessions::chroot);
    suite.add("chroot-that-does-not-exist", Sessions::chrootThatDoesNotExist);
    suite.add("several-hosts-one-dead", Sessions::severalHostsOneDead);
    suite.add("reconnect-keeps-the-session", Sessions::reconnectKeepsTheSession);
    suite.add("wrong-password-is-expired", Sessions::wrongPasswordIsExpired);
    suite.add("unknown-session-is-expired", Sessions::unknownSessionIsExpired);
    suite.add("closed-session-stays-closed", Sessions::closedSessionStaysClosed);
    suite.add("session-is-taken-over", Sessions::sessionIsTakenOver);
    suite.add("take-over-cuts-the-old-connection", Sessions::takeOverCutsTheOldConnection);
    suite.add("silent-session-expires", Sessions::silentSessionExpires);
    suite.add("idle-session-lives-by-pings", Sessions::idleSessionLivesByPings);
    suite.add("ephemerals-go-on-close", Sessions::ephemeralsGoOnClose);
    suite.add("ephemerals-are-listed", Sessions::ephemeralsAreListed);
    suite.add("who-am-i", Sessions::whoAmI);
    suite.add("read-only-flag-gets-a-full-session", Sessions::readOnlyFlagGetsAFullSession);
    suite.add("many-sessions", Sessions::manySessions);
    suite.add("pipeline-keeps-its-order", Sessions::pipelineKeepsItsOrder);
    suite.add("a-session-reads-its-own-writes", Sessions::readsItsOwnWrites);
    suite.add("zxid-rises", Sessions::zxidRises);
    suite.add("session-ids-differ", Sessions::sessionIdsDiffer);
  }

  private static void connectAndClose(String root) throws Exception {
    Client zk = Client.open();
    equal(States.CONNECTED, zk.getState());
    that(zk.getSessionId() != 0, "a session has an id");
    equal("length of the password", 16, zk.getSessionPasswd().length);
    zk.close();
    equal(States.CLOSED, zk.getState());
    fails(KeeperException.SessionExpiredException.class, () -> zk.stat("/"));
  }

  private static void timeoutIsNegotiated(String root) throws Exception {
    int[][] wantedAndGiven = {{900, 1_000}, {1_000, 1_000}, {7_001, 7_001}, {60_000, 60_000}, {10_000_000, 60_000}};
    for (int[] pair : wantedAndGiven) {
      try (Client zk = Client.open(TestServer.connect(), pair[0])) {
        equal("time-out for " + pair[0], pair[1], zk.getSessionTimeout());
      }
    }
  }

  private static void chroot(String root) throws Exception {
    try (Client outside = Client.open()) {
      outside.make(root);
      try (Client inside = Client.open(TestServer.connect() + root, Client.TIMEOUT_MS)) {
        equal("/a", inside.make("/a", "1"));
        equal("1", outside.text(root + "/a"));
        equal("/a/s0000000000", inside.make("/a/s", "", CreateMode.EPHEMERAL_SEQUENTIAL));
        equal(List.of("a"), inside.list("/"));
        // The client strips no chroot here.
        equal(List.of(root + "/a/s0000000000"), inside.getEphemerals());
        equal(2, inside.getAllChildrenNumber("/"));

        Events seen = new Events();
        inside.exists("/b", seen);
        inside.getChildren("/", seen);
        outside.make(root + "/b");
        seen.expect(EventType.NodeCreated, "/b");
        seen.expect(EventType.NodeChildrenChanged, "/");
      }
    }
  }

  private static void chrootThatDoesNotExist(String root) throws Exception {
    try (Client zk = Client.open(TestServer.connect() + root + "/missing", Client.TIMEOUT_MS)) {
      fails(KeeperException.NoNodeException.class, () -> zk.make("/a"));
      equal(null, zk.stat("/"));
    }
  }

  private static void severalHostsOneDead(String root) throws Exception {
    try (Link dead = new Link()) {
      dead.down();
      String hosts = dead.connect() + "," + TestServer.connect() + "," + dead.connect();
      for (int i = 0; i < 3; i++) {
        try (Client zk = Client.open(hosts, Client.TIMEOUT_MS)) {
          equal(null, zk.stat(root));
        }
      }
    }
  }

  private static void reconnectKeepsTheSession(String root) throws Exception {
    try (Link link = new Link(); Client zk = Client.open(link.connect(), Client.TIMEOUT_MS)) {
      long id = zk.getSessionId();
      byte[] password = zk.getSessionPasswd();
      zk.make(root, "1", CreateMode.EPHEMERAL);
      link.cut();
      zk.events.awaitState(KeeperState.Disconnected);
      zk.events.awaitState(KeeperState.SyncConnected);
      equal(id, zk.getSessionId());
      equal(password, zk.getSessionPasswd());
      equal(id, zk.stat(root).getEphemeralOwner());
    }
  }

  private static void wrongPasswordIsExpired(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "", CreateMode.EPHEMERAL);
      byte[] wrong = zk.getSessionPasswd().clone();
      wrong[7] ^= 1;
      Client thief = Client.resume(TestServer.connect(), Client.TIMEOUT_MS, zk.getSessionId(), wrong);
      thief.events.awaitState(KeeperState.Expired);
      equal(States.CLOSED, thief.getState());
      // Apache ZooKeeper cuts the rightful owner's connection too; its session goes on either way.
      eventually("the owner goes on", () -> {
        try {
          return zk.stat(root).getEphemeralOwner() == zk.getSessionId();
        } catch (KeeperException.ConnectionLossException cut) {
          return false;
        }
      });
    }
  }

  private static void unknownSessionIsExpired(String root) throws Exception {
    Client zk = Client.resume(TestServer.connect(), Client.TIMEOUT_MS, 0x1234_5678_9abcL, new byte[16]);
    zk.events.awaitState(KeeperState.Expired);
    fails(KeeperException.SessionExpiredException.class, () -> zk.stat("/"));
  }

  private static void closedSessionStaysClosed(String root) throws Exception {
    Client zk = Client.open();
    zk.close();
    Client again = Client.resume(TestServer.connect(), Client.TIMEOUT_MS, zk.getSessionId(), zk.getSessionPasswd());
    again.events.awaitState(KeeperState.Expired);
  }

  private static void sessionIsTakenOver(String root) throws Exception {
    try (Link link = new Link(); Client observer = Client.open()) {
      Client first = Client.open(link.connect(), Client.TIMEOUT_MS);
      first.make(root, "", CreateMode.EPHEMERAL);
      link.down();
      first.events.awaitState(KeeperState.Disconnected);

      Client second = Client.resume(TestServer.connect(), Client.TIMEOUT_MS, first.getSessionId(), first.getSessionPasswd());
      second.events.awaitState(KeeperState.SyncConnected);
      equal(first.getSessionId(), second.getSessionId());
      equal(List.of(root), second.getEphemerals());
      second.setData(root, Client.bytes("2"), 0);
      equal(second.getSessionId(), observer.stat(root).getEphemeralOwner());
      second.close();
      equal(null, observer.stat(root));

      link.up();
      first.events.awaitState(KeeperState.Expired);
    }
  }

  private static void takeOverCutsTheOldConnection(String root) throws Exception {
    try (Client observer = Client.open()) {
      try (Client first = Client.open()) {
        first.make(root, "", CreateMode.EPHEMERAL);
        try (Client second = Client.resume(TestServer.connect(), Client.TIMEOUT_MS, first.getSessionId(), first.getSessionPasswd())) {
          second.events.awaitState(KeeperState.SyncConnected);
          first.events.awaitState(KeeperState.Disconnected);
          // From here on the two handles take the session from each other.
        }
      }
      eventually("whichever handle had it has closed the session", () -> !observer.has(root));
    }
  }

  private static void silentSessionExpires(String root) throws Exception {
    try (Link link = new Link(); Client observer = Client.open()) {
      observer.make(root);
      Client silent = Client.open(link.connect(), 1_000);
      silent.make(root + "/a", "", CreateMode.EPHEMERAL);
      silent.make(root + "/b-", "", CreateMode.EPHEMERAL_SEQUENTIAL);
      Events seen = new Events();
      observer.exists(root + "/a", seen);
      link.down();
      seen.expect(EventType.NodeDeleted, root + "/a");
      equal(List.of(), observer.list(root));
      link.up();
      silent.events.awaitState(KeeperState.Expired);
    }
  }

  private static void idleSessionLivesByPings(String root) throws Exception {
    try (Link link = new Link(); Client idle = Client.open(TestServer.connect(), 3_000); Client observer = Client.open()) {
      idle.make(root, "", CreateMode.EPHEMERAL);
      // A silent session with a longer time-out is the clock: when it has expired, the idle one is older than its own.
      Client clock = Client.open(link.connect(), 4_000);
      clock.make(root + "-clock", "", CreateMode.EPHEMERAL);
      link.down();
      eventually("the clock's session expires", () -> !observer.has(root + "-clock"));
      equal(idle.getSessionId(), observer.stat(root).getEphemeralOwner());
      idle.events.expectNoState();
      clock.close();
    }
  }

  private static void ephemeralsGoOnClose(String root) throws Exception {
    try (Client observer = Client.open()) {
      observer.make(root);
      Client owner = Client.open();
      for (int i = 0; i < 100; i++) {
        owner.make(root + "/e", "", CreateMode.EPHEMERAL_SEQUENTIAL);
      }
      long pzxidBefore = observer.stat(root).getPzxid();
      Events seen = new Events();
      observer.getChildren(root, seen);
      observer.exists(root + "/e0000000042", seen);
      owner.close();
      // The reply to a close comes when all is gone.
      equal(List.of(), observer.list(root));
      observer.fence();
      equal(List.of("NodeChildrenChanged " + root, "NodeDeleted " + root + "/e0000000042"), seen.drain().stream().sorted().toList());
      that(observer.stat(root).getPzxid() > pzxidBefore, "the parent's pzxid shows the close");
      equal("cversion: one for each create and delete", 200, observer.stat(root).getCversion());
    }
  }

  private static void ephemeralsAreListed(String root) throws Exception {
    try (Client zk = Client.open(); Client other = Client.open()) {
      zk.make(root);
      zk.make(root + "/a", "", CreateMode.EPHEMERAL);
      zk.make(root + "/ab", "", CreateMode.EPHEMERAL);
      zk.make(root + "/b", "", CreateMode.PERSISTENT);
      other.make(root + "/c", "", CreateMode.EPHEMERAL);
      equal(List.of(root + "/a", root + "/ab"), zk.getEphemerals().stream().sorted().toList());
      equal(List.of(root + "/a", root + "/ab"), zk.getEphemerals(root + "/a").stream().sorted().toList());
      equal(List.of(root + "/ab"), zk.getEphemerals(root + "/ab"));
      equal(List.of(), zk.getEphemerals(root + "/c"));
      equal(List.of(root + "/c"), other.getEphemerals("/"));
    }
  }

  private static void whoAmI(String root) throws Exception {
    try (Client zk = Client.open()) {
      equal(List.of("ip:127.0.0.1"), identities(zk));
      zk.addAuthInfo("digest", Client.bytes("ann:secret"));
      zk.addAuthInfo("digest", Client.bytes("bob:secret"));
      equal(List.of("digest:ann", "digest:bob", "ip:127.0.0.1"), identities(zk));
      zk.addAuthInfo("digest", Client.bytes("super:secret"));
      equal(List.of("digest:ann", "digest:bob", "digest:super", "ip:127.0.0.1", "super:"), identities(zk));
    }
  }

  private static List<String> identities(Client zk) throws Exception {
    return zk.whoAmI().stream().map(info -> info.getAuthScheme() + ":" + info.getUser()).sorted().toList();
  }

  private static void readOnlyFlagGetsAFullSession(String root) throws Exception {
    try (Client zk = Client.open(TestServer.connect(), Client.TIMEOUT_MS, true, new ZKClientConfig())) {
      equal(States.CONNECTED, zk.getState());
      zk.make(root, "", CreateMode.EPHEMERAL);
    }
  }

  private static void manySessions(String root) throws Exception {
    List<Client> clients = new ArrayList<>();
    try (Client observer = Client.open()) {
      observer.make(root);
      for (int i = 0; i < 60; i++) {
        clients.add(Client.open());
        clients.get(i).make(root + "/" + i, "", CreateMode.EPHEMERAL);
      }
      equal(60, observer.list(root).size());
      equal(60L, clients.stream().map(Client::getSessionId).distinct().count());
      for (Client client : clients) {
        client.close();
      }
      equal(List.of(), observer.list(root));
    }
  }

  private static void pipelineKeepsItsOrder(String root) throws Exception {
    int requests = 3_000;
    try (Client zk = Client.open()) {
      zk.make(root);
      LinkedBlockingQueue<String> order = new LinkedBlockingQueue<>();
      CountDownLatch done = new CountDownLatch(3 * requests);
      for (int i = 0; i < requests; i++) {
        String name = "n" + i;
        zk.create(root + "/" + name, Client.bytes(name), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, created) -> {
          order.add(rc + " create " + name);
          done.countDown();
        }, null);
        zk.getData(root + "/" + name, false, (rc, path, context, data, stat) -> {
          order.add(rc + " get " + (data == null ? null : new String(data)));
          done.countDown();
        }, null);
        // An error keeps its place as well.
        zk.delete(root + "/missing" + i, -1, (rc, path, context) -> {
          order.add(rc + " delete " + name);
          done.countDown();
        }, null);
      }
      that(done.await(30, TimeUnit.SECONDS), done.getCount() + " replies are missing");
      for (int i = 0; i < requests; i++) {
        equal("0 create n" + i, order.take());
        equal("0 get n" + i, order.take());
        equal("-101 delete n" + i, order.take());
      }
    }
  }

  private static void readsItsOwnWrites(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "");
      for (int i = 0; i < 300; i++) {
        zk.setData(root, Client.bytes("" + i), i);
        equal("" + i, zk.text(root));
      }
    }
  }

  private static void zxidRises(String root) throws Exception {
    try (Client a = Client.open(); Client b = Client.open()) {
      a.make(root);
      long last = a.stat(root).getCzxid();
      for (int i = 0; i < 50; i++) {
        Client writer = i % 2 == 0 ? a : b;
        long zxid = writer.setData(root, Client.bytes("" + i), -1).getMzxid();
        that(zxid > last, "zxid " + zxid + " after " + last);
        last = zxid;
      }
      equal(last, b.stat(root).getMzxid());
    }
  }

  private static void sessionIdsDiffer(String root) throws Exception {
    long last = 0;
    for (int i = 0; i < 10; i++) {
      try (Client zk = Client.open()) {
        that(zk.getSessionId() != last, "a session id came twice");
        last = zk.getSessionId();
      }
    }
  }
}
