package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;

/** Copies of parts of the tree that keep themselves up to date. */
final class Caches {
  private Caches() {}

  static void addTo(Suite suite) {
    suite.add("curator-cache", Caches::curatorCache);
    suite.add("curator-cache-of-a-single-znode", Caches::singleZnode);
    suite.add("curator-cache-catches-up-after-a-reconnect", Caches::catchesUp);
    suite.add("curator-cache-of-many-znodes", Caches::manyZnodes);
    suite.add("path-children-cache", Caches::pathChildrenCache);
    suite.add("path-children-cache-catches-up", Caches::pathChildrenCacheCatchesUp);
    suite.add("tree-cache", Caches::treeCache);
    suite.add("tree-cache-catches-up", Caches::treeCacheCatchesUp);
    suite.add("node-cache", Caches::nodeCache);
  }

  private static Map<String, String> content(CuratorCache cache) {
    Map<String, String> content = new TreeMap<>();
    cache.stream().forEach(data -> content.put(data.getPath(), new String(data.getData())));
    return content;
  }

  private static void curatorCache(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open()) {
      writer.create().creatingParentsIfNeeded().forPath(root + "/old/deep", bytes("1"));
      BlockingQueue<String> events = new LinkedBlockingQueue<>();
      CountDownLatch initialized = new CountDownLatch(1);
      try (CuratorCache cache = CuratorCache.build(client, root)) {
        cache.listenable().addListener(CuratorCacheListener.builder()
            .forCreates(data -> events.add("+ " + data.getPath()))
            .forChanges((before, after) -> events.add("= " + after.getPath() + " " + new String(before.getData()) + ">" + new String(after.getData())))
            .forDeletes(data -> events.add("- " + data.getPath()))
            .forInitialized(initialized::countDown)
            .build());
        cache.start();
        that(initialized.await(20, TimeUnit.SECONDS), "the cache is filled");
        equal("1", new String(cache.get(root + "/old/deep").orElseThrow().getData()));
        equal(3, cache.size());
        events.clear();

        writer.create().forPath(root + "/new", bytes("a"));
        equal("+ " + root + "/new", events.poll(20, TimeUnit.SECONDS));
        writer.setData().forPath(root + "/new", bytes("b"));
        equal("= " + root + "/new a>b", events.poll(20, TimeUnit.SECONDS));
        writer.create().forPath(root + "/new/deeper", bytes("c"));
        equal("+ " + root + "/new/deeper", events.poll(20, TimeUnit.SECONDS));
        writer.delete().deletingChildrenIfNeeded().forPath(root + "/new");
        equal("- " + root + "/new/deeper", events.poll(20, TimeUnit.SECONDS));
        equal("- " + root + "/new", events.poll(20, TimeUnit.SECONDS));
        equal(3, cache.size());
      }
    }
  }

  private static void singleZnode(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open()) {
      BlockingQueue<String> events = new LinkedBlockingQueue<>();
      try (CuratorCache cache = CuratorCache.build(client, root, CuratorCache.Options.SINGLE_NODE_CACHE)) {
        CountDownLatch initialized = new CountDownLatch(1);
        cache.listenable().addListener(CuratorCacheListener.builder()
            .forAll((type, before, after) -> events.add(type.name()))
            .forInitialized(initialized::countDown)
            .build());
        cache.start();
        that(initialized.await(20, TimeUnit.SECONDS), "the cache is filled");
        writer.create().forPath(root, bytes("1"));
        equal("NODE_CREATED", events.poll(20, TimeUnit.SECONDS));
        writer.create().forPath(root + "/child");
        writer.setData().forPath(root, bytes("2"));
        equal("NODE_CHANGED", events.poll(20, TimeUnit.SECONDS));
        equal(Map.of(root, "2"), content(cache));
        writer.delete().deletingChildrenIfNeeded().forPath(root);
        equal("NODE_DELETED", events.poll(20, TimeUnit.SECONDS));
      }
    }
  }

  private static void catchesUp(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework client = Framework.open(link.connect(), Framework.SESSION_TIMEOUT_MS); CuratorFramework writer = Framework.open()) {
      for (String name : List.of("/kept", "/changed", "/deleted")) {
        writer.create().creatingParentsIfNeeded().forPath(root + name, bytes("1"));
      }
      writer.setData().forPath(root, bytes(""));
      try (CuratorCache cache = CuratorCache.build(client, root)) {
        cache.start();
        eventually("the cache is filled", () -> cache.size() == 4);
        link.down();
        writer.setData().forPath(root + "/changed", bytes("2"));
        writer.delete().forPath(root + "/deleted");
        writer.create().forPath(root + "/created", bytes("3"));
        link.up();
        Map<String, String> expected = new TreeMap<>(Map.of(root, "", root + "/kept", "1", root + "/changed", "2", root + "/created", "3"));
        eventually("it has caught up", () -> content(cache).equals(expected));
        writer.create().forPath(root + "/later", bytes("4"));
        eventually("it still listens", () -> cache.get(root + "/later").isPresent());
      }
    }
  }

  private static void manyZnodes(String root) throws Exception {
    int count = 500;
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open()) {
      writer.create().forPath(root, bytes(""));
      try (CuratorCache cache = CuratorCache.build(client, root)) {
        cache.start();
        for (int i = 0; i < count; i++) {
          writer.create().inBackground().forPath(root + "/" + i, bytes("" + i));
        }
        for (int i = 0; i < count; i++) {
          writer.setData().inBackground().forPath(root + "/" + i, bytes("new" + i));
        }
        Map<String, String> expected = new TreeMap<>(Map.of(root, ""));
        for (int i = 0; i < count; i++) {
          expected.put(root + "/" + i, "new" + i);
        }
        eventually("all of them, with their last data", () -> content(cache).equals(expected));
      }
    }
  }

  @SuppressWarnings("deprecation") // Older programs use it, which is why it is here.
  private static PathChildrenCache childrenOf(CuratorFramework client, String path) {
    return new PathChildrenCache(client, path, true);
  }

  private static List<String> names(PathChildrenCache cache) {
    return cache.getCurrentData().stream().map(ChildData::getPath).map(path -> path.substring(path.lastIndexOf('/') + 1)).sorted().toList();
  }

  private static void pathChildrenCache(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open()) {
      writer.create().creatingParentsIfNeeded().forPath(root + "/old", bytes("1"));
      try (PathChildrenCache cache = childrenOf(client, root)) {
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        cache.getListenable().addListener((source, event) -> events.add(event.getType() + " " + (event.getData() == null ? "" : event.getData().getPath())));
        cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        equal(List.of("old"), names(cache));
        writer.create().forPath(root + "/new", bytes("2"));
        equal("CHILD_ADDED " + root + "/new", events.poll(20, TimeUnit.SECONDS));
        writer.setData().forPath(root + "/old", bytes("3"));
        equal("CHILD_UPDATED " + root + "/old", events.poll(20, TimeUnit.SECONDS));
        writer.delete().forPath(root + "/old");
        equal("CHILD_REMOVED " + root + "/old", events.poll(20, TimeUnit.SECONDS));
        equal(List.of("new"), names(cache));
        equal("2", new String(cache.getCurrentData(root + "/new").getData()));
      }
    }
  }

  private static void pathChildrenCacheCatchesUp(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework client = Framework.open(link.connect(), Framework.SESSION_TIMEOUT_MS); CuratorFramework writer = Framework.open()) {
      writer.create().creatingParentsIfNeeded().forPath(root + "/a", bytes("1"));
      try (PathChildrenCache cache = childrenOf(client, root)) {
        cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        link.down();
        writer.delete().forPath(root + "/a");
        writer.create().forPath(root + "/b", bytes("2"));
        link.up();
        eventually("it has caught up", () -> names(cache).equals(List.of("b")));
      }
    }
  }

  @SuppressWarnings("deprecation") // Older programs use it, which is why it is here.
  private static TreeCache treeOf(CuratorFramework client, String path) {
    return new TreeCache(client, path);
  }

  private static void treeCache(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open(); TreeCache cache = treeOf(client, root)) {
      writer.create().creatingParentsIfNeeded().forPath(root + "/a/b", bytes("1"));
      BlockingQueue<String> events = new LinkedBlockingQueue<>();
      cache.getListenable().addListener((source, event) -> events.add(event.getType() + " " + (event.getData() == null ? "" : event.getData().getPath())));
      cache.start();
      for (String event : List.of("NODE_ADDED " + root, "NODE_ADDED " + root + "/a", "NODE_ADDED " + root + "/a/b", "INITIALIZED ")) {
        equal(event, events.poll(20, TimeUnit.SECONDS));
      }
      writer.create().forPath(root + "/a/c", bytes("2"));
      equal("NODE_ADDED " + root + "/a/c", events.poll(20, TimeUnit.SECONDS));
      writer.setData().forPath(root + "/a/b", bytes("3"));
      equal("NODE_UPDATED " + root + "/a/b", events.poll(20, TimeUnit.SECONDS));
      equal("3", new String(cache.getCurrentData(root + "/a/b").getData()));
      writer.delete().forPath(root + "/a/b");
      equal("NODE_REMOVED " + root + "/a/b", events.poll(20, TimeUnit.SECONDS));
      equal(java.util.Set.of("c"), cache.getCurrentChildren(root + "/a").keySet());
    }
  }

  private static void treeCacheCatchesUp(String root) throws Exception {
    try (Link link = new Link();
        CuratorFramework client = Framework.open(link.connect(), Framework.SESSION_TIMEOUT_MS);
        CuratorFramework writer = Framework.open();
        TreeCache cache = treeOf(client, root)) {
      writer.create().creatingParentsIfNeeded().forPath(root + "/a/b", bytes("1"));
      cache.start();
      eventually("the cache is filled", () -> cache.getCurrentData(root + "/a/b") != null);
      link.down();
      writer.delete().forPath(root + "/a/b");
      writer.create().forPath(root + "/a/c", bytes("2"));
      link.up();
      eventually("it has caught up", () -> cache.getCurrentData(root + "/a/b") == null && cache.getCurrentData(root + "/a/c") != null);
    }
  }

  @SuppressWarnings("deprecation") // Older programs use it, which is why it is here.
  private static void nodeCache(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework writer = Framework.open(); NodeCache cache = new NodeCache(client, root)) {
      BlockingQueue<String> events = new LinkedBlockingQueue<>();
      cache.getListenable().addListener(() -> events.add(cache.getCurrentData() == null ? "none" : new String(cache.getCurrentData().getData())));
      cache.start();
      writer.create().forPath(root, bytes("1"));
      equal("1", events.poll(20, TimeUnit.SECONDS));
      writer.setData().forPath(root, bytes("2"));
      equal("2", events.poll(20, TimeUnit.SECONDS));
      writer.delete().forPath(root);
      equal("none", events.poll(20, TimeUnit.SECONDS));
    }
  }
}
