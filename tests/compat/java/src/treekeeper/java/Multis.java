package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.OpResult.CheckResult;
import org.apache.zookeeper.OpResult.CreateResult;
import org.apache.zookeeper.OpResult.DeleteResult;
import org.apache.zookeeper.OpResult.ErrorResult;
import org.apache.zookeeper.OpResult.GetChildrenResult;
import org.apache.zookeeper.OpResult.GetDataResult;
import org.apache.zookeeper.OpResult.SetDataResult;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.OpCode;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Check;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** Transactions: multi and multiRead. */
final class Multis {
  private static final List<ACL> NOBODY = Client.acl(Perms.ALL, "digest", "nobody:x");

  private Multis() {}

  static void addTo(Suite suite) {
    suite.add("multi-of-every-kind", Multis::everyKind);
    suite.add("multi-has-one-zxid", Multis::oneZxid);
    suite.add("multi-failure-changes-nothing", Multis::failureChangesNothing);
    suite.add("multi-results-of-a-failure", Multis::resultsOfAFailure);
    suite.add("multi-with-each-error", Multis::eachError);
    suite.add("multi-sees-its-own-operations", Multis::seesItsOwnOperations);
    suite.add("multi-of-checks", Multis::checks);
    suite.add("multi-without-operations", Multis::withoutOperations);
    suite.add("multi-of-a-thousand", Multis::thousand);
    suite.add("multi-creates-containers-and-ttl", Multis::containersAndTtl);
    suite.add("multi-ephemerals-and-sequences", Multis::ephemeralsAndSequences);
    suite.add("multi-in-a-chroot", Multis::inAChroot);
    suite.add("multi-fires-watches-in-order", Multis::firesWatchesInOrder);
    suite.add("multi-asynchronous", Multis::asynchronous);
    suite.add("transaction-builder", Multis::transactionBuilder);
    suite.add("multi-read", Multis::multiRead);
    suite.add("multi-read-with-failures", Multis::multiReadWithFailures);
  }

  private static Op create(String path) {
    return create(path, CreateMode.PERSISTENT);
  }

  private static Op create(String path, CreateMode mode) {
    return Op.create(path, Client.bytes("new"), Ids.OPEN_ACL_UNSAFE, mode);
  }

  private static void everyKind(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      zk.make(root + "/old");
      List<OpResult> results = zk.multi(List.of(
          Op.check(root, 0), create(root + "/a"), Op.setData(root + "/a", Client.bytes("12345"), 0), Op.delete(root + "/old", 0), Op.check(root + "/a", 1)));
      equal(5, results.size());
      equal(OpCode.check, ((CheckResult) results.get(0)).getType());
      equal(root + "/a", ((CreateResult) results.get(1)).getPath());
      Stat set = ((SetDataResult) results.get(2)).getStat();
      equal(zk.stat(root + "/a"), set);
      equal(5, set.getDataLength());
      equal(OpCode.delete, ((DeleteResult) results.get(3)).getType());
      equal(OpCode.check, ((CheckResult) results.get(4)).getType());
      equal(List.of("a"), zk.list(root));
    }
  }

  private static void oneZxid(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.multi(List.of(create(root), create(root + "/a"), create(root + "/b"), Op.setData(root, null, 0)));
      long zxid = zk.stat(root).getCzxid();
      equal(zxid, zk.stat(root).getMzxid());
      equal(zxid, zk.stat(root).getPzxid());
      equal(zxid, zk.stat(root + "/a").getCzxid());
      equal(zxid, zk.stat(root + "/b").getCzxid());
    }
  }

  private static void failureChangesNothing(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "before");
      Stat before = zk.stat(root);
      fails(KeeperException.BadVersionException.class, () -> zk.multi(List.of(
          create(root + "/a"), create(root + "/s", CreateMode.EPHEMERAL_SEQUENTIAL), Op.setData(root, Client.bytes("after"), 0), Op.check(root, 7))));
      equal(before, zk.stat(root));
      equal("before", zk.text(root));
      equal(List.of(), zk.list(root));
      equal(List.of(), zk.getEphemerals());
      equal("the sequence has not moved either", root + "/n0000000000", zk.make(root + "/n", "", CreateMode.PERSISTENT_SEQUENTIAL));
    }
  }

  private static List<Integer> errors(List<OpResult> results) {
    return results.stream().map(result -> ((ErrorResult) result).getErr()).toList();
  }

  private static void resultsOfAFailure(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      KeeperException failure = fails(KeeperException.NodeExistsException.class, () -> zk.multi(List.of(
          create(root + "/a"), Op.check(root, -1), create(root), Op.delete(root + "/missing", -1), create(root + "/b"))));
      int later = Code.RUNTIMEINCONSISTENCY.intValue();
      equal(List.of(0, 0, Code.NODEEXISTS.intValue(), later, later), errors(failure.getResults()));
    }
  }

  private static void eachError(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      zk.make(root + "/full");
      zk.make(root + "/full/a");
      zk.make(root + "/ephemeral", "", CreateMode.EPHEMERAL);
      zk.create(root + "/closed", null, NOBODY, CreateMode.PERSISTENT);
      Op invalidAcl = Op.create(root + "/x", null, Client.acl(Perms.ALL, "no-such-scheme", ""), CreateMode.PERSISTENT);

      expect(zk, KeeperException.NoNodeException.class, create(root + "/missing/a"));
      expect(zk, KeeperException.NoNodeException.class, Op.delete(root + "/missing", -1));
      expect(zk, KeeperException.NoNodeException.class, Op.setData(root + "/missing", null, -1));
      expect(zk, KeeperException.NoNodeException.class, Op.check(root + "/missing", -1));
      expect(zk, KeeperException.NodeExistsException.class, create(root));
      expect(zk, KeeperException.NotEmptyException.class, Op.delete(root + "/full", -1));
      expect(zk, KeeperException.BadVersionException.class, Op.delete(root + "/full", 3));
      expect(zk, KeeperException.BadVersionException.class, Op.setData(root, null, 3));
      expect(zk, KeeperException.BadVersionException.class, Op.check(root, 3));
      expect(zk, KeeperException.NoChildrenForEphemeralsException.class, create(root + "/ephemeral/a"));
      expect(zk, KeeperException.NoAuthException.class, create(root + "/closed/a"));
      expect(zk, KeeperException.NoAuthException.class, Op.setData(root + "/closed", null, -1));
      expect(zk, KeeperException.NoAuthException.class, Op.check(root + "/closed", -1));
      expect(zk, KeeperException.InvalidACLException.class, invalidAcl);
      expect(zk, KeeperException.BadArgumentsException.class, Op.delete("/", -1));
    }
  }

  private static <E extends KeeperException> void expect(Client zk, Class<E> error, Op op) throws Exception {
    E failure = fails(error, () -> zk.multi(List.of(Op.check("/", -1), op)));
    equal(List.of(0, failure.code().intValue()), errors(failure.getResults()));
  }

  private static void seesItsOwnOperations(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.multi(List.of(
          create(root), create(root + "/a"), Op.setData(root + "/a", null, 0), Op.check(root + "/a", 1),
          Op.delete(root + "/a", 1), create(root + "/a"), Op.check(root + "/a", 0)));
      equal(0, zk.stat(root + "/a").getVersion());
      equal("two creates and a delete", 3, zk.stat(root).getCversion());
      KeeperException failure = fails(KeeperException.NoNodeException.class, () -> zk.multi(List.of(
          Op.delete(root + "/a", -1), Op.setData(root + "/a", null, -1))));
      equal(List.of(0, Code.NONODE.intValue()), errors(failure.getResults()));
      that(zk.has(root + "/a"), "the deletion was undone");
    }
  }

  private static void checks(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Stat before = zk.stat(root);
      equal(2, zk.multi(List.of(Op.check(root, 0), Op.check(root, -1))).size());
      equal(before, zk.stat(root));
    }
  }

  private static void withoutOperations(String root) throws Exception {
    try (Client zk = Client.open()) {
      equal(List.of(), zk.multi(List.of()));
      equal(List.of(), zk.transaction().commit());
    }
  }

  private static void thousand(String root) throws Exception {
    try (Client zk = Client.open()) {
      List<Op> ops = new ArrayList<>();
      ops.add(create(root));
      for (int i = 0; i < 999; i++) {
        ops.add(create(root + "/" + i));
      }
      equal(1_000, zk.multi(ops).size());
      equal(999, zk.list(root).size());
      equal(999, zk.stat(root).getCversion());

      List<Op> deletes = new ArrayList<>();
      for (int i = 0; i < 999; i++) {
        deletes.add(Op.delete(root + "/" + i, 0));
      }
      deletes.add(Op.delete(root, 0));
      zk.multi(deletes);
      equal(null, zk.stat(root));
    }
  }

  private static void containersAndTtl(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      List<OpResult> results = zk.multi(List.of(
          create(root + "/container", CreateMode.CONTAINER),
          create(root + "/container/a"),
          Op.create(root + "/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 500)));
      equal(root + "/container", ((CreateResult) results.get(0)).getPath());
      equal(root + "/ttl", ((CreateResult) results.get(2)).getPath());
      equal(zk.stat(root + "/container").getCzxid(), ((CreateResult) results.get(0)).getStat().getCzxid());
      zk.delete(root + "/container/a", -1);
      Check.eventually("both are gone", () -> zk.list(root).isEmpty());
    }
  }

  private static void ephemeralsAndSequences(String root) throws Exception {
    try (Client observer = Client.open()) {
      observer.make(root);
      try (Client zk = Client.open()) {
        List<OpResult> results = zk.multi(List.of(
            create(root + "/s", CreateMode.PERSISTENT_SEQUENTIAL), create(root + "/plain"), create(root + "/e", CreateMode.EPHEMERAL_SEQUENTIAL), create(root + "/f", CreateMode.EPHEMERAL)));
        equal(root + "/s0000000000", ((CreateResult) results.get(0)).getPath());
        equal(root + "/e0000000002", ((CreateResult) results.get(2)).getPath());
        equal(zk.getSessionId(), zk.stat(root + "/f").getEphemeralOwner());
        equal(2, zk.getEphemerals().size());
      }
      equal(List.of("plain", "s0000000000"), observer.list(root));
    }
  }

  private static void inAChroot(String root) throws Exception {
    try (Client outside = Client.open()) {
      outside.make(root);
      try (Client zk = Client.open(TestServer.connect() + root, Client.TIMEOUT_MS)) {
        List<OpResult> results = zk.multi(List.of(create("/a"), create("/a/s", CreateMode.PERSISTENT_SEQUENTIAL), Op.check("/a", 0)));
        // The client strips no chroot from the results of a multi.
        equal(root + "/a", ((CreateResult) results.get(0)).getPath());
        equal(root + "/a/s0000000000", ((CreateResult) results.get(1)).getPath());
        that(outside.has(root + "/a/s0000000000"), "it lies below the chroot");
        fails(KeeperException.NodeExistsException.class, () -> zk.multi(List.of(create("/a"))));
      }
    }
  }

  private static void firesWatchesInOrder(String root) throws Exception {
    try (Client zk = Client.open(); Client writer = Client.open()) {
      zk.make(root);
      Events one = new Events();
      zk.getChildren(root, one);
      zk.exists(root + "/a", one);
      Events lasting = new Events();
      zk.addWatch(root, lasting, org.apache.zookeeper.AddWatchMode.PERSISTENT_RECURSIVE);
      writer.multi(List.of(create(root + "/a"), Op.setData(root + "/a", null, 0), Op.delete(root + "/a", 1), create(root + "/b"), Op.setData(root, null, 0)));
      zk.fence();
      equal("one-shot watches see their first operation", List.of("NodeCreated " + root + "/a", "NodeChildrenChanged " + root), one.drain());
      equal(List.of("NodeCreated " + root + "/a", "NodeDataChanged " + root + "/a", "NodeDeleted " + root + "/a", "NodeCreated " + root + "/b", "NodeDataChanged " + root), lasting.drain());

      Events quiet = new Events();
      zk.exists(root, quiet);
      fails(KeeperException.NoNodeException.class, () -> writer.multi(List.of(Op.setData(root, null, -1), Op.delete(root + "/missing", -1))));
      zk.fence();
      quiet.expectNone();
      writer.setData(root, null, -1);
      quiet.expect(EventType.NodeDataChanged, root);
    }
  }

  private static void asynchronous(String root) throws Exception {
    try (Client zk = Client.open()) {
      CompletableFuture<List<OpResult>> good = new CompletableFuture<>();
      zk.multi(List.of(create(root), create(root + "/a")), (rc, path, context, results) -> good.complete(results), null);
      equal(2, good.get(20, TimeUnit.SECONDS).size());

      CompletableFuture<Integer> code = new CompletableFuture<>();
      CompletableFuture<List<OpResult>> bad = new CompletableFuture<>();
      zk.multi(List.of(create(root + "/b"), create(root + "/a")), (rc, path, context, results) -> {
        code.complete(rc);
        bad.complete(results);
      }, null);
      equal(Code.NODEEXISTS.intValue(), code.get(20, TimeUnit.SECONDS));
      equal(List.of(0, Code.NODEEXISTS.intValue()), errors(bad.get()));
    }
  }

  private static void transactionBuilder(String root) throws Exception {
    try (Client zk = Client.open()) {
      List<OpResult> results = zk.transaction()
          .create(root, Client.bytes("t"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT)
          .setData(root, Client.bytes("u"), 0)
          .check(root, 1)
          .commit();
      equal(3, results.size());
      equal("u", zk.text(root));
    }
  }

  private static void multiRead(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "r");
      zk.make(root + "/a", "1");
      zk.create(root + "/null", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
      List<OpResult> results = zk.multi(List.of(Op.getData(root), Op.getChildren(root), Op.getData(root + "/a"), Op.getChildren(root + "/a"), Op.getData(root + "/null")));
      equal(Client.bytes("r"), ((GetDataResult) results.get(0)).getData());
      equal(zk.stat(root), ((GetDataResult) results.get(0)).getStat());
      equal(List.of("a", "null"), ((GetChildrenResult) results.get(1)).getChildren().stream().sorted().toList());
      equal(Client.bytes("1"), ((GetDataResult) results.get(2)).getData());
      equal(List.of(), ((GetChildrenResult) results.get(3)).getChildren());
      equal(null, ((GetDataResult) results.get(4)).getData());
    }
  }

  private static void multiReadWithFailures(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "r");
      zk.create(root + "/closed", null, NOBODY, CreateMode.PERSISTENT);
      List<OpResult> results = zk.multi(List.of(Op.getData(root + "/missing"), Op.getData(root), Op.getChildren(root + "/closed"), Op.getChildren(root)));
      equal(Code.NONODE.intValue(), ((ErrorResult) results.get(0)).getErr());
      equal(Client.bytes("r"), ((GetDataResult) results.get(1)).getData());
      equal(Code.NOAUTH.intValue(), ((ErrorResult) results.get(2)).getErr());
      equal(List.of("closed"), ((GetChildrenResult) results.get(3)).getChildren());
    }
  }
}
