package treekeeper.curator;

import static treekeeper.curator.Framework.bytes;
import static treekeeper.curator.Framework.text;
import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.recipes.shared.SharedCount;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;

/** Locks and semaphores. */
final class Locks {
  private Locks() {}

  static void addTo(Suite suite) {
    suite.add("mutex", Locks::mutex);
    suite.add("mutex-of-many-contenders", Locks::mutexOfManyContenders);
    suite.add("mutex-is-revoked", Locks::mutexIsRevoked);
    suite.add("mutex-of-a-lost-session-is-free", Locks::mutexOfALostSession);
    suite.add("semaphore-mutex", Locks::semaphoreMutex);
    suite.add("multi-lock", Locks::multiLock);
    suite.add("read-write-lock", Locks::readWriteLock);
    suite.add("read-write-lock-under-load", Locks::readWriteLockUnderLoad);
    suite.add("semaphore", Locks::semaphore);
    suite.add("semaphore-of-many-contenders", Locks::semaphoreOfManyContenders);
    suite.add("semaphore-with-a-shared-count", Locks::semaphoreWithASharedCount);
  }

  private static void mutex(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      InterProcessMutex first = new InterProcessMutex(a, root);
      InterProcessMutex second = new InterProcessMutex(b, root);
      first.acquire();
      first.acquire();
      that(!second.acquire(300, TimeUnit.MILLISECONDS), "it is taken");
      equal(1, first.getParticipantNodes().size());
      first.release();
      that(!second.acquire(300, TimeUnit.MILLISECONDS), "it was taken twice");
      first.release();
      that(second.acquire(20, TimeUnit.SECONDS), "it is free");
      that(second.isAcquiredInThisProcess() && !first.isAcquiredInThisProcess(), "who has it");
      second.release();
      equal(0, first.getParticipantNodes().size());
    }
  }

  private static void mutexOfManyContenders(String root) throws Exception {
    int contenders = 8;
    int rounds = 15;
    try (CuratorFramework observer = Framework.open()) {
      observer.create().forPath(root + "-value", bytes("0"));
      AtomicInteger holders = new AtomicInteger();
      List<Callable<Void>> bodies = new ArrayList<>();
      for (int i = 0; i < contenders; i++) {
        bodies.add(() -> {
          try (CuratorFramework client = Framework.open()) {
            InterProcessMutex mutex = new InterProcessMutex(client, root);
            for (int round = 0; round < rounds; round++) {
              mutex.acquire();
              equal("holders", 1, holders.incrementAndGet());
              // No version is given: without the lock, additions would get lost.
              int value = Integer.parseInt(text(client, root + "-value"));
              client.setData().forPath(root + "-value", bytes("" + (value + 1)));
              holders.decrementAndGet();
              mutex.release();
            }
            return null;
          }
        });
      }
      Framework.together(bodies);
      observer.sync().forPath(root);
      equal("" + contenders * rounds, text(observer, root + "-value"));
    }
  }

  private static void mutexIsRevoked(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      InterProcessMutex holder = new InterProcessMutex(a, root);
      CountDownLatch asked = new CountDownLatch(1);
      holder.makeRevocable(lock -> asked.countDown());
      holder.acquire();
      InterProcessMutex other = new InterProcessMutex(b, root);
      Collection<String> participants = other.getParticipantNodes();
      equal(1, participants.size());
      Revoker.attemptRevoke(b, participants.iterator().next());
      that(asked.await(20, TimeUnit.SECONDS), "the holder is asked");
      holder.release();
      that(other.acquire(20, TimeUnit.SECONDS), "the other has it");
    }
  }

  private static void mutexOfALostSession(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework lost = Framework.open(link.connect(), 1_500); CuratorFramework other = Framework.open()) {
      new InterProcessMutex(lost, root).acquire();
      InterProcessMutex waiting = new InterProcessMutex(other, root);
      that(!waiting.acquire(200, TimeUnit.MILLISECONDS), "it is taken");
      link.down();
      that(waiting.acquire(25, TimeUnit.SECONDS), "it is free when the holder's session has expired");
      waiting.release();
    }
  }

  private static void semaphoreMutex(String root) throws Exception {
    try (CuratorFramework client = Framework.open()) {
      InterProcessSemaphoreMutex first = new InterProcessSemaphoreMutex(client, root);
      InterProcessSemaphoreMutex second = new InterProcessSemaphoreMutex(client, root);
      first.acquire();
      that(!second.acquire(300, TimeUnit.MILLISECONDS), "it is taken");
      first.release();
      that(second.acquire(20, TimeUnit.SECONDS), "it is free");
    }
  }

  private static void multiLock(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); CuratorFramework other = Framework.open()) {
      InterProcessLock one = new InterProcessMutex(client, root + "-1");
      InterProcessLock two = new InterProcessMutex(client, root + "-2");
      InterProcessMultiLock both = new InterProcessMultiLock(List.of(one, two));
      InterProcessMutex blocker = new InterProcessMutex(other, root + "-2");
      blocker.acquire();
      that(!both.acquire(300, TimeUnit.MILLISECONDS), "one of them is taken");
      that(!one.isAcquiredInThisProcess(), "so the other was given back");
      blocker.release();
      that(both.acquire(20, TimeUnit.SECONDS), "both are free");
      both.release();
    }
  }

  private static void readWriteLock(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      InterProcessReadWriteLock first = new InterProcessReadWriteLock(a, root);
      InterProcessReadWriteLock second = new InterProcessReadWriteLock(b, root);
      first.readLock().acquire();
      that(second.readLock().acquire(20, TimeUnit.SECONDS), "readers share");
      that(!second.writeLock().acquire(300, TimeUnit.MILLISECONDS), "a writer waits for readers");
      second.readLock().release();
      first.readLock().release();
      that(second.writeLock().acquire(20, TimeUnit.SECONDS), "a writer has it alone");
      that(!first.readLock().acquire(300, TimeUnit.MILLISECONDS), "a reader waits for the writer");
      that(second.readLock().acquire(20, TimeUnit.SECONDS), "the writer may read");
      second.writeLock().release();
      that(first.readLock().acquire(20, TimeUnit.SECONDS), "and become a reader among others");
    }
  }

  private static void readWriteLockUnderLoad(String root) throws Exception {
    AtomicInteger readers = new AtomicInteger();
    AtomicInteger writers = new AtomicInteger();
    List<Callable<Void>> bodies = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      boolean writes = i % 3 == 0;
      bodies.add(() -> {
        try (CuratorFramework client = Framework.open()) {
          InterProcessReadWriteLock lock = new InterProcessReadWriteLock(client, root);
          for (int round = 0; round < 10; round++) {
            InterProcessMutex mine = writes ? lock.writeLock() : lock.readLock();
            mine.acquire();
            (writes ? writers : readers).incrementAndGet();
            that(writers.get() <= (writes ? 1 : 0), writers + " writers beside " + readers + " readers");
            that(!writes || readers.get() == 0, readers + " readers beside a writer");
            (writes ? writers : readers).decrementAndGet();
            mine.release();
          }
          return null;
        }
      });
    }
    Framework.together(bodies);
  }

  private static void semaphore(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open()) {
      InterProcessSemaphoreV2 first = new InterProcessSemaphoreV2(a, root, 3);
      InterProcessSemaphoreV2 second = new InterProcessSemaphoreV2(b, root, 3);
      Collection<Lease> two = first.acquire(2);
      Lease third = second.acquire();
      equal(3, second.getParticipantNodes().size());
      equal(null, second.acquire(300, TimeUnit.MILLISECONDS));
      equal(null, first.acquire(2, 300, TimeUnit.MILLISECONDS));
      first.returnAll(two);
      Lease another = second.acquire(20, TimeUnit.SECONDS);
      that(another != null, "a lease came back");
      second.returnLease(another);
      second.returnLease(third);
      equal(0, second.getParticipantNodes().size());
    }
  }

  private static void semaphoreOfManyContenders(String root) throws Exception {
    int leases = 3;
    AtomicInteger holders = new AtomicInteger();
    List<Callable<Void>> bodies = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      bodies.add(() -> {
        try (CuratorFramework client = Framework.open()) {
          InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, root, leases);
          for (int round = 0; round < 8; round++) {
            Lease lease = semaphore.acquire();
            int now = holders.incrementAndGet();
            that(now <= leases, now + " leases are out");
            holders.decrementAndGet();
            semaphore.returnLease(lease);
          }
          return null;
        }
      });
    }
    Framework.together(bodies);
  }

  private static void semaphoreWithASharedCount(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); SharedCount count = new SharedCount(client, root + "-count", 1)) {
      count.start();
      InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, root, count);
      Lease one = semaphore.acquire();
      equal(null, semaphore.acquire(300, TimeUnit.MILLISECONDS));
      count.setCount(2);
      eventually("the count is known", () -> count.getCount() == 2);
      Lease two = semaphore.acquire(20, TimeUnit.SECONDS);
      that(two != null, "a second lease");
      semaphore.returnAll(List.of(one, two));
    }
  }
}
