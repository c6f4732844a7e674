package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.curator.Framework.has;
import static treekeeper.curator.Framework.text;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.zookeeper.CreateMode;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;

/** Znodes that say "I am here". */
final class Presence {
  private Presence() {}

  static void addTo(Suite suite) {
    suite.add("persistent-node", Presence::persistentNode);
    suite.add("persistent-node-comes-back-after-expiry", Presence::afterExpiry);
    suite.add("persistent-ttl-node", Presence::persistentTtlNode);
    suite.add("group-member", Presence::groupMember);
  }

  private static void persistentNode(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework other = Framework.open()) {
      PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, root, bytes("1"));
      node.start();
      that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "it is made");
      equal(client.getZookeeperClient().getZooKeeper().getSessionId(), other.checkExists().forPath(root).getEphemeralOwner());
      long first = other.checkExists().forPath(root).getCzxid();
      other.delete().forPath(root);
      eventually("it comes back", () -> has(other, root) && other.checkExists().forPath(root).getCzxid() > first);
      node.setData(bytes("2"));
      eventually("it has new data", () -> text(other, root).equals("2"));
      node.close();
      that(!has(other, root), "it goes when it is closed");
    }
  }

  private static void afterExpiry(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework client = Framework.open(link.connect(), 1_500); CuratorFramework other = Framework.open();
        PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, root, bytes("1"))) {
      node.start();
      that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "it is made");
      long owner = other.checkExists().forPath(root).getEphemeralOwner();
      link.down();
      eventually("it goes with its session", () -> !has(other, root));
      link.up();
      eventually("it comes back", () -> has(other, root));
      that(other.checkExists().forPath(root).getEphemeralOwner() != owner, "with a new session");
    }
  }

  private static void persistentTtlNode(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework other = Framework.open()) {
      PersistentTtlNode node = new PersistentTtlNode(client, root, 1_500, bytes("1"));
      node.start();
      that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "it is made");
      equal("1", text(other, root));
      // A TTL znode without anyone who touches it is the clock.
      other.create().withTtl(3_000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath(root + "-clock");
      eventually("the clock goes", () -> !has(other, root + "-clock"));
      that(has(other, root), "it is touched and stays");
      node.close();
      eventually("it goes when nobody touches it any more", () -> !has(other, root));
    }
  }

  private static void groupMember(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open(link.connect(), 1_500);
        GroupMember first = new GroupMember(a, root, "first", bytes("1"))) {
      GroupMember second = new GroupMember(b, root, "second", bytes("2"));
      first.start();
      second.start();
      eventually("they see each other", () -> first.getCurrentMembers().keySet().equals(Set.of("first", "second")));
      eventually("from both sides", () -> second.getCurrentMembers().size() == 2);
      equal(bytes("2"), first.getCurrentMembers().get("second"));
      link.down();
      eventually("a lost member is gone", () -> first.getCurrentMembers().keySet().equals(Set.of("first")));
      link.up();
      eventually("it comes back", () -> first.getCurrentMembers().size() == 2);
      second.close();
      eventually("a closed one is gone", () -> first.getCurrentMembers().keySet().equals(Set.of("first")));
    }
  }
}
