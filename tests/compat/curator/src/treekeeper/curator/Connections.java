package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.curator.Framework.has;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.api.CuratorEvent;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.ZooDefs;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** The states of a connection, and the tracker of the ensemble. */
final class Connections {
  private Connections() {}

  static void addTo(Suite suite) {
    suite.add("suspended-then-reconnected", Connections::suspended);
    suite.add("lost-then-reconnected", Connections::lost);
    suite.add("background-operation-waits-for-the-connection", Connections::backgroundWaits);
    // It changes what every client of the server believes the ensemble to be, so it runs alone.
    suite.addAlone("ensemble-tracker", Connections::ensembleTracker);
  }

  private static void suspended(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework client = Framework.open(link.connect(), Framework.SESSION_TIMEOUT_MS)) {
      client.create().withMode(CreateMode.EPHEMERAL).forPath(root);
      long session = client.getZookeeperClient().getZooKeeper().getSessionId();
      Framework.States states = Framework.states(client);
      link.cut();
      states.expect(ConnectionState.SUSPENDED);
      states.expect(ConnectionState.RECONNECTED);
      equal(session, client.checkExists().forPath(root).getEphemeralOwner());
    }
  }

  private static void lost(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework client = Framework.open(link.connect(), 1_500)) {
      client.create().withMode(CreateMode.EPHEMERAL).forPath(root);
      Framework.States states = Framework.states(client);
      link.down();
      states.expect(ConnectionState.SUSPENDED);
      states.expect(ConnectionState.LOST);
      link.up();
      states.expect(ConnectionState.RECONNECTED);
      eventually("the ephemeral of the old session is gone", () -> !has(client, root));
      client.create().withMode(CreateMode.EPHEMERAL).forPath(root);
    }
  }

  private static void backgroundWaits(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework client = Framework.open(link.connect(), Framework.SESSION_TIMEOUT_MS)) {
      Framework.States states = Framework.states(client);
      link.down();
      states.expect(ConnectionState.SUSPENDED);
      BlockingQueue<CuratorEvent> events = new LinkedBlockingQueue<>();
      client.create().inBackground((source, event) -> events.add(event)).forPath(root, bytes("1"));
      link.up();
      CuratorEvent event = events.poll(25, TimeUnit.SECONDS);
      that(event != null, "the answer comes");
      equal(0, event.getResultCode());
      that(has(client, root), "it is done");
    }
  }

  private static void ensembleTracker(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework client = Framework.open(link.connect(), Framework.SESSION_TIMEOUT_MS);
        CuratorFramework admin = Framework.start(Framework.builder(TestServer.connect(), Framework.SESSION_TIMEOUT_MS)
            .ensembleTracker(false).authorization("digest", bytes("super:secret")))) {
      byte[] before = admin.getData().forPath(ZooDefs.CONFIG_NODE);
      equal("a single server names no other", link.connect(), client.getZookeeperClient().getCurrentConnectionString());
      String config = "server.1=127.0.0.1:2888:3888:participant;" + TestServer.connect() + "\nversion=100000000";
      admin.setData().forPath(ZooDefs.CONFIG_NODE, bytes(config));
      eventually("the client follows the config", () -> client.getZookeeperClient().getCurrentConnectionString().equals(TestServer.connect()));
      equal(0x100000000L, client.getCurrentConfig().getVersion());
      // Without its first way to the server it takes the one that the config names.
      Framework.States states = Framework.states(client);
      link.down();
      states.expect(ConnectionState.SUSPENDED);
      states.expect(ConnectionState.RECONNECTED);
      client.create().forPath(root);
      admin.setData().forPath(ZooDefs.CONFIG_NODE, before);
    }
  }
}
