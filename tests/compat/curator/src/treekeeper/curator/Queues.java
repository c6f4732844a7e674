package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;
import treekeeper.harness.Suite;

/** Queues. */
final class Queues {
  private Queues() {}

  static void addTo(Suite suite) {
    suite.add("queue", Queues::queue);
    suite.add("queue-of-two-consumers", Queues::twoConsumers);
    suite.add("queue-with-a-lock", Queues::queueWithALock);
    suite.add("priority-queue", Queues::priorityQueue);
    suite.add("delay-queue", Queues::delayQueue);
    suite.add("id-queue", Queues::idQueue);
    suite.add("simple-queue", Queues::simpleQueue);
  }

  private static final QueueSerializer<String> TEXT = new QueueSerializer<>() {
    @Override
    public byte[] serialize(String item) {
      return bytes(item);
    }

    @Override
    public String deserialize(byte[] data) {
      return new String(data);
    }
  };

  private interface Take {
    void take(String item) throws Exception;
  }

  private static QueueConsumer<String> consumer(Take take) {
    return new QueueConsumer<>() {
      @Override
      public void consumeMessage(String item) throws Exception {
        take.take(item);
      }

      @Override
      public void stateChanged(CuratorFramework client, ConnectionState state) {}
    };
  }

  private static List<String> items(int count) {
    return IntStream.range(0, count).mapToObj(i -> String.format("item-%03d", i)).toList();
  }

  private static List<String> take(BlockingQueue<String> from, int count) throws InterruptedException {
    List<String> taken = new ArrayList<>();
    while (taken.size() < count) {
      String item = from.poll(20, TimeUnit.SECONDS);
      that(item != null, "only " + taken.size() + " of " + count + " items came");
      taken.add(item);
    }
    return taken;
  }

  private static void queue(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      BlockingQueue<String> taken = new LinkedBlockingQueue<>();
      try (DistributedQueue<String> in = QueueBuilder.builder(a, null, TEXT, root).buildQueue();
          DistributedQueue<String> out = QueueBuilder.builder(b, consumer(taken::add), TEXT, root).buildQueue()) {
        in.start();
        for (String item : items(50)) {
          in.put(item);
        }
        that(in.flushPuts(20, TimeUnit.SECONDS), "all are in the queue");
        out.start();
        equal(Set.copyOf(items(50)), Set.copyOf(take(taken, 50)));
        eventually("the queue is empty", () -> a.getChildren().forPath(root).isEmpty());
      }
    }
  }

  private static void twoConsumers(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open(); CuratorFramework c = Framework.open()) {
      BlockingQueue<String> taken = new LinkedBlockingQueue<>();
      try (DistributedQueue<String> in = QueueBuilder.builder(a, null, TEXT, root).buildQueue();
          DistributedQueue<String> one = QueueBuilder.builder(b, consumer(taken::add), TEXT, root).buildQueue();
          DistributedQueue<String> two = QueueBuilder.builder(c, consumer(taken::add), TEXT, root).buildQueue()) {
        in.start();
        one.start();
        two.start();
        for (String item : items(60)) {
          in.put(item);
        }
        equal("each item once", items(60), take(taken, 60).stream().sorted().toList());
        eventually("the queue is empty", () -> a.getChildren().forPath(root).isEmpty());
        that(taken.isEmpty(), "nothing came twice");
      }
    }
  }

  private static void queueWithALock(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      Set<String> failedOnce = new ConcurrentSkipListSet<>();
      BlockingQueue<String> taken = new LinkedBlockingQueue<>();
      QueueConsumer<String> failing = consumer(item -> {
        if (failedOnce.add(item)) {
          throw new IllegalStateException("the first try fails, so the item stays");
        }
        taken.add(item);
      });
      try (DistributedQueue<String> queue = QueueBuilder.builder(client, failing, TEXT, root).lockPath(root + "-locks").buildQueue()) {
        queue.start();
        for (String item : items(5)) {
          queue.put(item);
        }
        equal(items(5), take(taken, 5).stream().sorted().toList());
      }
    }
  }

  private static void priorityQueue(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      BlockingQueue<String> taken = new LinkedBlockingQueue<>();
      CountDownLatch go = new CountDownLatch(1);
      QueueConsumer<String> consumer = consumer(item -> {
        go.await();
        taken.add(item);
      });
      try (DistributedPriorityQueue<String> queue = QueueBuilder.builder(client, consumer, TEXT, root).executor(Runnable::run).buildPriorityQueue(0)) {
        // The queue holds everything before its consumer looks at it for the first time.
        DistributedPriorityQueue<String> in = QueueBuilder.builder(client, null, TEXT, root).buildPriorityQueue(0);
        in.start();
        int[] priorities = {5, 1, 9, -3, 7, 0};
        for (int priority : priorities) {
          in.put("p" + priority, priority);
        }
        that(in.flushPuts(20, TimeUnit.SECONDS), "all are in the queue");
        queue.start();
        go.countDown();
        equal(List.of("p-3", "p0", "p1", "p5", "p7", "p9"), take(taken, 6));
        in.close();
      }
    }
  }

  private static void delayQueue(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      BlockingQueue<String> taken = new LinkedBlockingQueue<>();
      QueueConsumer<String> consumer = consumer(item -> {
        long due = Long.parseLong(item);
        taken.add(System.currentTimeMillis() >= due ? "in time" : "early");
      });
      try (DistributedDelayQueue<String> queue = QueueBuilder.builder(client, consumer, TEXT, root).buildDelayQueue()) {
        queue.start();
        long now = System.currentTimeMillis();
        for (int delay : new int[] {1_500, 300, 900}) {
          queue.put("" + (now + delay), now + delay);
        }
        equal(List.of("in time", "in time", "in time"), take(taken, 3));
      }
    }
  }

  private static void idQueue(String root) throws Exception {
    try (CuratorFramework a = Framework.open()) {
      BlockingQueue<String> taken = new LinkedBlockingQueue<>();
      try (DistributedIdQueue<String> in = QueueBuilder.builder(a, null, TEXT, root).buildIdQueue();
          DistributedIdQueue<String> out = QueueBuilder.builder(a, consumer(taken::add), TEXT, root).buildIdQueue()) {
        in.start();
        in.put("one", "id-1");
        in.put("two", "id-2");
        in.put("three", "id-3");
        that(in.flushPuts(20, TimeUnit.SECONDS), "all are in the queue");
        equal(1, in.remove("id-2"));
        equal(0, in.remove("id-2"));
        out.start();
        equal(Set.of("one", "three"), Set.copyOf(take(taken, 2)));
      }
    }
  }

  private static void simpleQueue(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      SimpleDistributedQueue in = new SimpleDistributedQueue(a, root);
      SimpleDistributedQueue out = new SimpleDistributedQueue(b, root);
      for (String item : items(10)) {
        in.offer(bytes(item));
      }
      equal(bytes("item-000"), out.peek());
      for (String item : items(10)) {
        equal(bytes(item), out.poll(20, TimeUnit.SECONDS));
      }
      equal(null, out.poll());
      Framework.<Void>together(List.of(
          () -> {
            equal(bytes("late"), out.take());
            return null;
          },
          () -> {
            in.offer(bytes("late"));
            return null;
          }));
    }
  }
}
