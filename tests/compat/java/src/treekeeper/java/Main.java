package treekeeper.java;

import treekeeper.harness.Suite;

/** The cases of ZooKeeper's Java client, by subject. */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws Exception {
    Suite suite = new Suite("java");
    Sessions.addTo(suite);
    Znodes.addTo(suite);
    CreateModes.addTo(suite);
    ErrorCodes.addTo(suite);
    Multis.addTo(suite);
    Watches.addTo(suite);
    LastingWatches.addTo(suite);
    WatchRemoval.addTo(suite);
    Rearming.addTo(suite);
    Acls.addTo(suite);
    Reserved.addTo(suite);
    Monitoring.addTo(suite);
    Restarts.addTo(suite);
    suite.runAndExit();
  }
}
