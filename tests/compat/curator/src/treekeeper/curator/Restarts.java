package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.curator.Framework.has;
import static treekeeper.curator.Framework.text;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.ArrayList;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.zookeeper.CreateMode;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** The server is killed with -9 and started again under the recipes. */
final class Restarts {
  private Restarts() {}

  static void addTo(Suite suite) {
    suite.addAlone("kill-suspends-and-reconnects", Restarts::suspendsAndReconnects);
    suite.addAlone("kill-leaves-the-mutex-held", Restarts::mutexIsHeld);
    suite.addAlone("kill-leaves-the-persistent-node", Restarts::persistentNodeStays);
    suite.addAlone("kill-then-the-latch-leads-again", Restarts::latchLeadsAgain);
    suite.addAlone("kill-then-the-cache-goes-on", Restarts::cacheGoesOn);
    suite.addAlone("kill-then-services-are-found", Restarts::servicesAreFound);
    suite.addAlone("kill-under-a-contended-mutex", Restarts::contendedMutex);
    suite.addAlone("kill-under-a-counter", Restarts::counter);
  }

  private static void killAndStart(Framework.States states) throws Exception {
    TestServer.kill();
    // At once: one thread tells all listeners of a client, and one of them may still be busy with an earlier state. It
    // may need the server to come to an end.
    TestServer.start();
    states.expect(ConnectionState.SUSPENDED);
    states.expect(ConnectionState.RECONNECTED);
  }

  private static void suspendsAndReconnects(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      client.create().withMode(CreateMode.EPHEMERAL).forPath(root, bytes("1"));
      long session = client.getZookeeperClient().getZooKeeper().getSessionId();
      Framework.States states = Framework.states(client);
      for (int i = 0; i < 2; i++) {
        killAndStart(states);
        equal("1", text(client, root));
        equal(session, client.checkExists().forPath(root).getEphemeralOwner());
      }
    }
  }

  private static void mutexIsHeld(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      InterProcessMutex holder = new InterProcessMutex(a, root);
      InterProcessMutex other = new InterProcessMutex(b, root);
      holder.acquire();
      List<String> before = List.copyOf(holder.getParticipantNodes());
      killAndStart(Framework.states(a));
      equal(before, List.copyOf(other.getParticipantNodes()));
      that(!other.acquire(500, TimeUnit.MILLISECONDS), "it is still taken");
      holder.release();
      that(other.acquire(20, TimeUnit.SECONDS), "and then free");
      other.release();
    }
  }

  private static void persistentNodeStays(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework other = Framework.open();
        PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, root, bytes("1"))) {
      node.start();
      that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "it is made");
      long czxid = other.checkExists().forPath(root).getCzxid();
      killAndStart(Framework.states(client));
      equal("it is the same one", czxid, other.checkExists().forPath(root).getCzxid());
      other.delete().forPath(root);
      eventually("it still comes back", () -> has(other, root));
    }
  }

  private static void latchLeadsAgain(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      LeaderLatch first = new LeaderLatch(a, root, "first");
      LeaderLatch second = new LeaderLatch(b, root, "second");
      first.start();
      that(first.await(20, TimeUnit.SECONDS), "the first leads");
      second.start();
      killAndStart(Framework.states(a));
      eventually("exactly one leads", () -> first.hasLeadership() != second.hasLeadership());
      eventually("and both take part", () -> first.getParticipants().size() == 2);
      first.close();
      that(second.await(20, TimeUnit.SECONDS), "the second leads");
      second.close();
    }
  }

  private static void cacheGoesOn(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open()) {
      writer.create().creatingParentsIfNeeded().forPath(root + "/a", bytes("1"));
      try (CuratorCache cache = CuratorCache.build(client, root)) {
        cache.start();
        eventually("the cache is filled", () -> cache.get(root + "/a").isPresent());
        killAndStart(Framework.states(client));
        writer.setData().forPath(root + "/a", bytes("2"));
        writer.create().forPath(root + "/b", bytes("3"));
        eventually("it sees what comes after", () -> cache.get(root + "/b").isPresent() && new String(cache.get(root + "/a").orElseThrow().getData()).equals("2"));
      }
    }
  }

  private static void servicesAreFound(String root) throws Exception {
    try (CuratorFramework client = Framework.open();
        ServiceDiscovery<Void> discovery = ServiceDiscoveryBuilder.builder(Void.class).client(client).basePath(root).build()) {
      discovery.start();
      discovery.registerService(ServiceInstance.<Void>builder().name("greeter").address("10.0.0.1").port(1).build());
      killAndStart(Framework.states(client));
      eventually("it is found, once", () -> discovery.queryForInstances("greeter").size() == 1);
    }
  }

  private static void contendedMutex(String root) throws Exception {
    AtomicBoolean stop = new AtomicBoolean();
    AtomicInteger holders = new AtomicInteger();
    AtomicInteger turns = new AtomicInteger();
    List<Callable<Void>> bodies = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      bodies.add(() -> {
        try (CuratorFramework client = Framework.open()) {
          InterProcessMutex mutex = new InterProcessMutex(client, root);
          while (!stop.get()) {
            mutex.acquire();
            equal("holders", 1, holders.incrementAndGet());
            turns.incrementAndGet();
            holders.decrementAndGet();
            mutex.release();
          }
          return null;
        }
      });
    }
    bodies.add(() -> {
      try {
        for (int i = 0; i < 2; i++) {
          int before = turns.get();
          eventually("they take turns", () -> turns.get() >= before + 10);
          TestServer.killAndStart();
        }
        int after = turns.get();
        eventually("they still take turns", () -> turns.get() >= after + 10);
      } finally {
        stop.set(true);
      }
      return null;
    });
    Framework.together(bodies);
  }

  private static void counter(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      DistributedAtomicLong number = new DistributedAtomicLong(client, root, new RetryNTimes(50, 20));
      long added = 0;
      for (int i = 0; i < 60; i++) {
        if (i == 20 || i == 40) {
          TestServer.killAndStart();
        }
        added += number.increment().succeeded() ? 1 : 0;
      }
      long value = number.get().postValue();
      // An addition whose reply was lost may have been done twice by the retry, but none may be missing.
      that(value >= added, added + " were added, but it is " + value);
    }
  }
}
