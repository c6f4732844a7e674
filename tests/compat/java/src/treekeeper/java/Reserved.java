package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.List;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Quotas;
import org.apache.zookeeper.StatsTrack;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.cli.DelQuotaCommand;
import org.apache.zookeeper.cli.ListQuotaCommand;
import org.apache.zookeeper.cli.SetQuotaCommand;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** What lies below /zookeeper: configuration and quotas. */
final class Reserved {
  private Reserved() {}

  static void addTo(Suite suite) {
    suite.add("reserved-znodes-exist", Reserved::exist);
    suite.add("config-is-read-only", Reserved::configIsReadOnly);
    suite.add("config-watch", Reserved::configWatch);
    suite.add("reconfig-is-disabled", Reserved::reconfigIsDisabled);
    suite.add("quota-counts-what-there-is", Reserved::quotaCounts);
    suite.add("quota-hard-limit-of-znodes", Reserved::hardLimitOfZnodes);
    suite.add("quota-hard-limit-of-bytes", Reserved::hardLimitOfBytes);
    suite.add("quota-soft-limit-only-warns", Reserved::softLimit);
    suite.add("quota-is-removed", Reserved::quotaIsRemoved);
  }

  private static void exist(String root) throws Exception {
    try (Client zk = Client.open()) {
      equal(List.of("config", "quota"), zk.list("/zookeeper"));
      equal(Ids.OPEN_ACL_UNSAFE, zk.getACL("/zookeeper", null));
      equal(Ids.OPEN_ACL_UNSAFE, zk.getACL("/zookeeper/quota", null));
      equal(Ids.READ_ACL_UNSAFE, zk.getACL(ZooDefs.CONFIG_NODE, null));
      equal(0L, zk.stat("/").getCzxid());
      equal(0L, zk.stat("/zookeeper").getCtime());
    }
  }

  private static void configIsReadOnly(String root) throws Exception {
    try (Client zk = Client.open()) {
      Stat stat = new Stat();
      byte[] config = zk.getConfig(false, stat);
      equal(config, zk.getData(ZooDefs.CONFIG_NODE, false, null));
      fails(KeeperException.NoAuthException.class, () -> zk.setData(ZooDefs.CONFIG_NODE, Client.bytes("x"), -1));
      fails(KeeperException.BadArgumentsException.class, () -> zk.delete(ZooDefs.CONFIG_NODE, -1));
    }
  }

  private static void configWatch(String root) throws Exception {
    try (Client zk = Client.open(); Client admin = Client.open()) {
      Events seen = new Events();
      byte[] config = zk.getConfig(seen, null);
      admin.addAuthInfo("digest", Client.bytes("super:secret"));
      admin.setData(ZooDefs.CONFIG_NODE, config, -1);
      seen.expect(EventType.NodeDataChanged, ZooDefs.CONFIG_NODE);
    }
  }

  private static void reconfigIsDisabled(String root) throws Exception {
    Events events = new Events();
    try (ZooKeeperAdmin admin = new ZooKeeperAdmin(TestServer.connect(), Client.TIMEOUT_MS, events)) {
      events.awaitState(org.apache.zookeeper.Watcher.Event.KeeperState.SyncConnected);
      admin.addAuthInfo("digest", Client.bytes("super:secret"));
      fails(KeeperException.ReconfigDisabledException.class, () -> admin.reconfigure("server.9=127.0.0.1:1:2;3", null, null, -1, new Stat()));
      fails(KeeperException.ReconfigDisabledException.class, () -> admin.reconfigure((String) null, "1", null, -1, new Stat()));
      that(admin.exists("/", false) != null, "the session goes on");
    }
  }

  private static StatsTrack usage(Client zk, String path) throws Exception {
    return new StatsTrack(zk.getData(Quotas.statPath(path), false, null));
  }

  private static StatsTrack limits() {
    StatsTrack limits = new StatsTrack();
    limits.setCount(-1);
    limits.setBytes(-1);
    return limits;
  }

  private static void quotaCounts(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "12345");
      zk.make(root + "/a", "123");
      StatsTrack limits = limits();
      limits.setCount(1_000);
      that(SetQuotaCommand.createQuota(zk, root, limits), "the quota was set");
      equal("the znode itself counts", 2L, usage(zk, root).getCount());
      equal(8L, usage(zk, root).getBytes());
      Stat before = zk.stat(Quotas.statPath(root));

      zk.make(root + "/a/b", "12");
      equal(3L, usage(zk, root).getCount());
      equal(10L, usage(zk, root).getBytes());
      zk.setData(root + "/a/b", Client.bytes("1234567"), -1);
      equal(15L, usage(zk, root).getBytes());
      zk.delete(root + "/a/b", -1);
      equal(2L, usage(zk, root).getCount());
      equal(8L, usage(zk, root).getBytes());
      try (Client owner = Client.open()) {
        owner.make(root + "/e", "1", CreateMode.EPHEMERAL);
        equal(3L, usage(owner, root).getCount());
      }
      equal("ephemerals count until they go", 2L, usage(zk, root).getCount());
      zk.make(root + "-beside", "x");
      equal("a name is no prefix", 2L, usage(zk, root).getCount());
      equal("usage is written without a version", before.getVersion(), zk.stat(Quotas.statPath(root)).getVersion());
      equal(before.getMzxid(), zk.stat(Quotas.statPath(root)).getMzxid());
      equal(1_000L, ListQuotaCommand.listQuota(zk, root).get(0).getCount());
    }
  }

  private static final Class<KeeperException.QuotaExceededException> EXCEEDED = KeeperException.QuotaExceededException.class;

  private static void hardLimitOfZnodes(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      StatsTrack limits = limits();
      limits.setCountHardLimit(3);
      SetQuotaCommand.createQuota(zk, root, limits);
      zk.make(root + "/a");
      zk.make(root + "/b");
      fails(EXCEEDED, () -> zk.make(root + "/c"));
      fails(EXCEEDED, () -> zk.make(root + "/a/c", "", CreateMode.EPHEMERAL_SEQUENTIAL));
      zk.setData(root + "/a", Client.bytes("x".repeat(1_000)), -1);
      zk.delete(root + "/b", -1);
      zk.make(root + "/c");
    }
  }

  private static void hardLimitOfBytes(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      StatsTrack limits = limits();
      limits.setByteHardLimit(10);
      SetQuotaCommand.createQuota(zk, root, limits);
      zk.make(root + "/a", "12345");
      zk.make(root + "/b", "12345");
      fails(EXCEEDED, () -> zk.make(root + "/c", "1"));
      zk.make(root + "/c", "");
      fails(EXCEEDED, () -> zk.setData(root + "/a", Client.bytes("123456"), -1));
      equal("12345", zk.text(root + "/a"));
      zk.setData(root + "/a", Client.bytes("54321"), -1);
      zk.setData(root + "/a", Client.bytes("1"), -1);
      zk.setData(root + "/b", Client.bytes("123456789"), -1);
    }
  }

  private static void softLimit(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      StatsTrack limits = limits();
      limits.setCount(1);
      limits.setBytes(1);
      SetQuotaCommand.createQuota(zk, root, limits);
      zk.make(root + "/a", "12345");
      zk.make(root + "/b", "12345");
      equal(3L, usage(zk, root).getCount());
      equal(10L, usage(zk, root).getBytes());
    }
  }

  private static void quotaIsRemoved(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      StatsTrack limits = limits();
      limits.setCountHardLimit(1);
      SetQuotaCommand.createQuota(zk, root, limits);
      fails(EXCEEDED, () -> zk.make(root + "/a"));
      DelQuotaCommand.delQuota(zk, root, null);
      zk.make(root + "/a");
      equal(null, zk.stat(Quotas.limitPath(root)));
    }
  }
}
