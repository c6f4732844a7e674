package treekeeper.curator;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import treekeeper.harness.Suite;

/** Barriers. */
final class Barriers {
  private Barriers() {}

  static void addTo(Suite suite) {
    suite.add("barrier", Barriers::barrier);
    suite.add("double-barrier", Barriers::doubleBarrier);
    suite.add("double-barrier-with-one-missing", Barriers::oneMissing);
  }

  private static void barrier(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      DistributedBarrier keeper = new DistributedBarrier(a, root);
      keeper.setBarrier();
      DistributedBarrier waiter = new DistributedBarrier(b, root);
      that(!waiter.waitOnBarrier(300, TimeUnit.MILLISECONDS), "it is closed");
      Framework.<Void>together(List.of(
          () -> {
            that(waiter.waitOnBarrier(20, TimeUnit.SECONDS), "it opens");
            return null;
          },
          () -> {
            keeper.removeBarrier();
            return null;
          }));
    }
  }

  private static void doubleBarrier(String root) throws Exception {
    int members = 5;
    AtomicInteger entered = new AtomicInteger();
    AtomicInteger leaving = new AtomicInteger();
    List<Callable<Void>> bodies = new ArrayList<>();
    for (int i = 0; i < members; i++) {
      bodies.add(() -> {
        try (CuratorFramework client = Framework.open()) {
          DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(client, root, members);
          entered.incrementAndGet();
          that(barrier.enter(25, TimeUnit.SECONDS), "all come in");
          equal("nobody is in before all have come", members, entered.get());
          leaving.incrementAndGet();
          that(barrier.leave(25, TimeUnit.SECONDS), "all go out");
          equal("nobody is out before all want to go", members, leaving.get());
          return null;
        }
      });
    }
    Framework.together(bodies);
  }

  private static void oneMissing(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(client, root, 2);
      that(!barrier.enter(500, TimeUnit.MILLISECONDS), "it waits in vain");
    }
  }
}
