package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.CachedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import treekeeper.harness.Suite;

/** Numbers and values that many share. */
final class Counters {
  private Counters() {}

  static void addTo(Suite suite) {
    suite.add("shared-count", Counters::sharedCount);
    suite.add("shared-value", Counters::sharedValue);
    suite.add("atomic-long", Counters::atomicLong);
    suite.add("atomic-long-of-many", Counters::atomicLongOfMany);
    suite.add("atomic-integer-and-cached-long", Counters::others);
  }

  private static void sharedCount(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open();
        SharedCount first = new SharedCount(a, root, 5); SharedCount second = new SharedCount(b, root, 7)) {
      first.start();
      second.start();
      equal("whoever comes first sets the start", 5, second.getCount());
      BlockingQueue<Integer> heard = new LinkedBlockingQueue<>();
      second.addListener(new SharedCountListener() {
        @Override
        public void countHasChanged(SharedCountReader count, int value) {
          heard.add(value);
        }

        @Override
        public void stateChanged(CuratorFramework client, ConnectionState state) {}
      });
      var seen = second.getVersionedValue();
      first.setCount(10);
      equal(10, heard.poll(20, TimeUnit.SECONDS));
      that(!second.trySetCount(seen, 11), "it has changed since");
      eventually("a new try with the new version", () -> second.trySetCount(second.getVersionedValue(), 12));
      eventually("the first hears of it", () -> first.getCount() == 12);
    }
  }

  private static void sharedValue(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open();
        SharedValue first = new SharedValue(a, root, bytes("start")); SharedValue second = new SharedValue(b, root, bytes("other"))) {
      first.start();
      second.start();
      equal(bytes("start"), second.getValue());
      first.setValue(bytes("next"));
      eventually("the second hears of it", () -> new String(second.getValue()).equals("next"));
    }
  }

  private static void atomicLong(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      DistributedAtomicLong number = new DistributedAtomicLong(client, root, new RetryNTimes(10, 10));
      that(number.initialize(5L), "it is new");
      that(!number.initialize(6L), "it is not new any more");
      AtomicValue<Long> added = number.add(37L);
      that(added.succeeded(), "it was added");
      equal(List.of(5L, 42L), List.of(added.preValue(), added.postValue()));
      equal(41L, number.decrement().postValue());
      that(!number.compareAndSet(1L, 2L).succeeded(), "it is not 1");
      that(number.compareAndSet(41L, Long.MIN_VALUE).succeeded(), "it was 41");
      equal(Long.MIN_VALUE, number.get().postValue());
    }
  }

  private static void atomicLongOfMany(String root) throws Exception {
    int contenders = 5;
    int rounds = 25;
    List<Callable<Void>> bodies = new ArrayList<>();
    for (int i = 0; i < contenders; i++) {
      bodies.add(() -> {
        try (CuratorFramework client = Framework.open()) {
          PromotedToLock lock = PromotedToLock.builder().lockPath(root + "-lock").retryPolicy(new RetryNTimes(50, 10)).build();
          DistributedAtomicLong number = new DistributedAtomicLong(client, root, new RetryNTimes(3, 1), lock);
          for (int done = 0; done < rounds; ) {
            done += number.increment().succeeded() ? 1 : 0;
          }
          return null;
        }
      });
    }
    Framework.together(bodies);
    try (CuratorFramework client = Framework.open()) {
      equal((long) contenders * rounds, new DistributedAtomicLong(client, root, new RetryNTimes(1, 1)).get().postValue());
    }
  }

  private static void others(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      DistributedAtomicInteger integer = new DistributedAtomicInteger(client, root + "-integer", new RetryNTimes(10, 10));
      equal(1, integer.increment().postValue());
      equal(-4, integer.subtract(5).postValue());

      DistributedAtomicLong number = new DistributedAtomicLong(client, root + "-long", new RetryNTimes(10, 10));
      CachedAtomicLong cached = new CachedAtomicLong(number, 10);
      for (long i = 1; i <= 25; i++) {
        equal(i, cached.next().postValue());
      }
      equal("it took three tens", 30L, number.get().postValue());
    }
  }
}
