package treekeeper.harness;

/** What a case does; it has passed when it returns. */
@FunctionalInterface
public interface TestCase {
  /**
   * @param root a path that no other case uses; the znode does not exist yet
   * @throws Throwable when the server did not do what the case asks
   */
  void run(String root) throws Throwable;
}
