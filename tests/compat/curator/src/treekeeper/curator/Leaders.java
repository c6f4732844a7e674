package treekeeper.curator;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.leader.Participant;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;

/** Leader election. */
final class Leaders {
  private Leaders() {}

  static void addTo(Suite suite) {
    suite.add("leader-latch", Leaders::latch);
    suite.add("leader-latch-of-a-lost-session", Leaders::latchOfALostSession);
    suite.add("leader-latch-of-many", Leaders::latchOfMany);
    suite.add("leader-selector-takes-turns", Leaders::selectorTakesTurns);
    suite.add("leader-selector-is-interrupted", Leaders::selectorIsInterrupted);
  }

  private static void latch(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      LeaderLatch first = new LeaderLatch(a, root, "first");
      LeaderLatch second = new LeaderLatch(b, root, "second");
      first.start();
      that(first.await(20, TimeUnit.SECONDS), "the first leads");
      second.start();
      eventually("both take part", () -> first.getParticipants().size() == 2);
      that(!second.await(300, TimeUnit.MILLISECONDS), "the second waits");
      equal("first", second.getLeader().getId());
      equal(Set.of("first", "second"), Set.copyOf(second.getParticipants().stream().map(Participant::getId).toList()));
      first.close();
      that(second.await(20, TimeUnit.SECONDS), "the second leads");
      second.close();
    }
  }

  private static void latchOfALostSession(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework lost = Framework.open(link.connect(), 1_500); CuratorFramework other = Framework.open()) {
      CountDownLatch deposed = new CountDownLatch(1);
      LeaderLatch first = new LeaderLatch(lost, root, "first");
      first.addListener(new LeaderLatchListener() {
        @Override
        public void isLeader() {}

        @Override
        public void notLeader() {
          deposed.countDown();
        }
      });
      LeaderLatch second = new LeaderLatch(other, root, "second");
      first.start();
      that(first.await(20, TimeUnit.SECONDS), "the first leads");
      second.start();
      link.down();
      that(deposed.await(20, TimeUnit.SECONDS), "it stops without a connection");
      that(second.await(25, TimeUnit.SECONDS), "the second leads");
      link.up();
      eventually("the first takes part again", () -> second.getParticipants().size() == 2);
      that(!first.hasLeadership() && second.hasLeadership(), "the second still leads");
      second.close();
      that(first.await(20, TimeUnit.SECONDS), "the first leads again");
      first.close();
    }
  }

  private static void latchOfMany(String root) throws Exception {
    List<CuratorFramework> clients = new ArrayList<>();
    List<LeaderLatch> waiting = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      clients.add(Framework.open());
      waiting.add(new LeaderLatch(clients.get(i), root, "latch-" + i));
      waiting.get(i).start();
    }
    while (!waiting.isEmpty()) {
      eventually("one leads", () -> waiting.stream().anyMatch(LeaderLatch::hasLeadership));
      List<LeaderLatch> leaders = waiting.stream().filter(LeaderLatch::hasLeadership).toList();
      equal("leaders", 1, leaders.size());
      waiting.removeAll(leaders);
      leaders.get(0).close();
    }
    clients.forEach(CuratorFramework::close);
  }

  private static void selectorTakesTurns(String root) throws Exception {
    int turnsWanted = 12;
    Set<String> led = ConcurrentHashMap.newKeySet();
    AtomicInteger leaders = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    CountDownLatch turns = new CountDownLatch(turnsWanted);
    List<CuratorFramework> clients = new ArrayList<>();
    List<LeaderSelector> selectors = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      String id = "selector-" + i;
      CuratorFramework client = Framework.open();
      clients.add(client);
      LeaderSelector selector = new LeaderSelector(client, root, new LeaderSelectorListenerAdapter() {
        @Override
        public void takeLeadership(CuratorFramework source) {
          most.accumulateAndGet(leaders.incrementAndGet(), Math::max);
          led.add(id);
          leaders.decrementAndGet();
          turns.countDown();
        }
      });
      selector.setId(id);
      selector.autoRequeue();
      selectors.add(selector);
    }
    selectors.forEach(LeaderSelector::start);
    that(turns.await(30, TimeUnit.SECONDS), turns.getCount() + " turns are missing");
    eventually("each had a turn", () -> led.size() == 3);
    equal("leaders at once", 1, most.get());
    selectors.forEach(LeaderSelector::close);
    clients.forEach(CuratorFramework::close);
  }

  private static void selectorIsInterrupted(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      CountDownLatch interrupted = new CountDownLatch(1);
      CountDownLatch secondLeads = new CountDownLatch(1);
      CountDownLatch end = new CountDownLatch(1);
      LeaderSelector first = new LeaderSelector(a, root, new LeaderSelectorListenerAdapter() {
        @Override
        public void takeLeadership(CuratorFramework client) throws Exception {
          try {
            end.await();
          } catch (InterruptedException asExpected) {
            interrupted.countDown();
          }
        }
      });
      LeaderSelector second = new LeaderSelector(b, root, new LeaderSelectorListenerAdapter() {
        @Override
        public void takeLeadership(CuratorFramework client) throws Exception {
          secondLeads.countDown();
          end.await();
        }
      });
      first.start();
      eventually("the first leads", first::hasLeadership);
      second.start();
      eventually("both take part", () -> first.getParticipants().size() == 2);
      first.interruptLeadership();
      that(interrupted.await(20, TimeUnit.SECONDS), "the first is interrupted");
      that(secondLeads.await(20, TimeUnit.SECONDS), "the second leads");
      that(second.hasLeadership() && !first.hasLeadership(), "who leads");
      end.countDown();
      first.close();
      second.close();
    }
  }
}
