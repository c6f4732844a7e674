package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.that;

import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.x.async.AsyncCuratorFramework;
import org.apache.curator.x.async.AsyncEventException;
import org.apache.curator.x.async.AsyncStage;
import org.apache.curator.x.async.api.CreateOption;
import org.apache.curator.x.async.api.DeleteOption;
import org.apache.curator.x.async.modeled.JacksonModelSerializer;
import org.apache.curator.x.async.modeled.ModelSpec;
import org.apache.curator.x.async.modeled.ModeledFramework;
import org.apache.curator.x.async.modeled.ZPath;
import org.apache.curator.x.async.modeled.cached.CachedModeledFramework;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.data.Stat;
import treekeeper.harness.Check;
import treekeeper.harness.Suite;

/** Curator's asynchronous face and its typed one. */
final class Async {
  private Async() {}

  /** A value that is stored as JSON. */
  public static final class Person {
    public String id = "";
    public int age;
  }

  static void addTo(Suite suite) {
    suite.add("async-operations", Async::operations);
    suite.add("async-failure", Async::failure);
    suite.add("async-watched", Async::watched);
    suite.add("async-transaction", Async::transaction);
    suite.add("modeled", Async::modeled);
    suite.add("modeled-and-cached", Async::modeledAndCached);
  }

  private static <T> T wait(CompletionStage<T> stage) throws Exception {
    return stage.toCompletableFuture().get(20, TimeUnit.SECONDS);
  }

  private static void operations(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      AsyncCuratorFramework async = AsyncCuratorFramework.wrap(client);
      equal(root + "/a/b", wait(async.create().withOptions(Set.of(CreateOption.createParentsIfNeeded)).forPath(root + "/a/b", bytes("1"))));
      Stat stat = new Stat();
      equal(bytes("1"), wait(async.getData().storingStatIn(stat).forPath(root + "/a/b")));
      equal(1, wait(async.setData().withVersion(stat.getVersion()).forPath(root + "/a/b", bytes("2"))).getVersion());
      equal(List.of("b"), wait(async.getChildren().forPath(root + "/a")));
      equal(null, wait(async.checkExists().forPath(root + "/missing")));
      wait(async.sync().forPath(root));
      wait(async.delete().withOptions(Set.of(DeleteOption.deletingChildrenIfNeeded)).forPath(root));
      equal(null, wait(async.checkExists().forPath(root)));
    }
  }

  private static void failure(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      AsyncStage<byte[]> stage = AsyncCuratorFramework.wrap(client).getData().forPath(root);
      ExecutionException failure = Check.fails(ExecutionException.class, () -> wait(stage));
      equal(KeeperException.Code.NONODE, ((KeeperException) failure.getCause()).code());
    }
  }

  private static void watched(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      AsyncCuratorFramework async = AsyncCuratorFramework.wrap(client);
      AsyncStage<Stat> absent = async.watched().checkExists().forPath(root);
      equal(null, wait(absent));
      client.create().forPath(root);
      WatchedEvent created = wait(absent.event());
      equal("NodeCreated " + root, created.getType() + " " + created.getPath());
      AsyncStage<byte[]> data = async.watched().getData().forPath(root);
      wait(data);
      client.delete().forPath(root);
      try {
        equal("NodeDeleted", wait(data.event()).getType().name());
      } catch (ExecutionException failure) {
        that(!(failure.getCause() instanceof AsyncEventException), "the connection was lost");
        throw failure;
      }
    }
  }

  private static void transaction(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      AsyncCuratorFramework async = AsyncCuratorFramework.wrap(client);
      List<CuratorTransactionResult> results = wait(async.transaction().forOperations(List.of(
          async.transactionOp().create().forPath(root, bytes("1")),
          async.transactionOp().create().forPath(root + "/a", bytes("2")),
          async.transactionOp().check().withVersion(0).forPath(root))));
      equal(3, results.size());
      equal(root + "/a", results.get(1).getResultPath());
    }
  }

  private static ModelSpec<Person> spec(String root) {
    return ModelSpec.builder(ZPath.parseWithIds(root + "/{id}"), JacksonModelSerializer.build(Person.class)).build();
  }

  private static Person person(String id, int age) {
    Person person = new Person();
    person.id = id;
    person.age = age;
    return person;
  }

  private static void modeled(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      AsyncCuratorFramework async = AsyncCuratorFramework.wrap(client);
      ModeledFramework<Person> ann = ModeledFramework.wrap(async, spec(root).resolved("ann"));
      ModeledFramework<Person> bob = ModeledFramework.wrap(async, spec(root).resolved("bob"));
      wait(ann.set(person("ann", 30)));
      wait(bob.set(person("bob", 40)));
      equal(30, wait(ann.read()).age);
      wait(ann.update(person("ann", 31)));
      equal(31, wait(ann.read()).age);
      equal(2, client.getChildren().forPath(root).size());
      wait(bob.delete());
      equal(null, wait(bob.checkExists()));
    }
  }

  private static void modeledAndCached(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open()) {
      ModelSpec<Person> spec = ModelSpec.builder(ZPath.parse(root), JacksonModelSerializer.build(Person.class)).build();
      CachedModeledFramework<Person> cached = ModeledFramework.wrap(AsyncCuratorFramework.wrap(client), spec).cached();
      BlockingQueue<String> events = new LinkedBlockingQueue<>();
      cached.listenable().addListener((type, path, stat, model) -> events.add(type + " " + path.nodeName()));
      cached.start();
      ModeledFramework<Person> people = ModeledFramework.wrap(AsyncCuratorFramework.wrap(writer), spec);
      wait(people.child("ann").set(person("ann", 30)));
      Check.eventually("the cache has it", () -> {
        try {
          return wait(cached.child("ann").readThrough()).age == 30;
        } catch (ExecutionException notYet) {
          return false;
        }
      });
      Check.eventually("it was told", () -> events.contains("NODE_ADDED ann"));
      cached.close();
    }
  }
}
