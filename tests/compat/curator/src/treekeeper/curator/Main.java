package treekeeper.curator;

import treekeeper.harness.Suite;

/** The cases of Curator, by recipe. */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws Exception {
    Suite suite = new Suite("curator");
    Basics.addTo(suite);
    Locks.addTo(suite);
    Leaders.addTo(suite);
    Caches.addTo(suite);
    Presence.addTo(suite);
    Barriers.addTo(suite);
    Counters.addTo(suite);
    Queues.addTo(suite);
    Discovery.addTo(suite);
    Async.addTo(suite);
    Connections.addTo(suite);
    Restarts.addTo(suite);
    suite.runAndExit();
  }
}
