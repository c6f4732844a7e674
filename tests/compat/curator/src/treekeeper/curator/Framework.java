package treekeeper.curator;

import static treekeeper.harness.Check.that;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import treekeeper.harness.TestServer;

/** Curator clients and the few words that every case needs. */
final class Framework {
  static final int SESSION_TIMEOUT_MS = 30_000;
  private static final int PATIENCE_S = 25;

  private Framework() {}

  /** A started and connected client. */
  static CuratorFramework open() throws Exception {
    return open(TestServer.connect(), SESSION_TIMEOUT_MS);
  }

  static CuratorFramework open(String connect, int sessionTimeoutMs) throws Exception {
    return start(builder(connect, sessionTimeoutMs));
  }

  /** A client that retries for as long as a server's restart may take. */
  static CuratorFrameworkFactory.Builder builder(String connect, int sessionTimeoutMs) {
    return CuratorFrameworkFactory.builder()
        .connectString(connect)
        .sessionTimeoutMs(sessionTimeoutMs)
        .connectionTimeoutMs(10_000)
        .retryPolicy(new RetryNTimes(200, 100));
  }

  static CuratorFramework start(CuratorFrameworkFactory.Builder builder) throws Exception {
    CuratorFramework client = builder.build();
    client.start();
    that(client.blockUntilConnected(PATIENCE_S, TimeUnit.SECONDS), "the client connects");
    return client;
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String text(CuratorFramework client, String path) throws Exception {
    return new String(client.getData().forPath(path), StandardCharsets.UTF_8);
  }

  static boolean has(CuratorFramework client, String path) throws Exception {
    return client.checkExists().forPath(path) != null;
  }

  /** The states that a client's connection goes through from now on. */
  static States states(CuratorFramework client) {
    States states = new States();
    client.getConnectionStateListenable().addListener((source, state) -> {
      // Listeners are told of the first connection in their own time, which may be after blockUntilConnected.
      if (state != ConnectionState.CONNECTED) {
        states.seen.add(state);
      }
    });
    return states;
  }

  static final class States {
    private final BlockingQueue<ConnectionState> seen = new LinkedBlockingQueue<>();

    /** The next state is this one. */
    void expect(ConnectionState wanted) throws InterruptedException {
      ConnectionState state = seen.poll(PATIENCE_S, TimeUnit.SECONDS);
      that(state == wanted, "expected " + wanted + " but was " + state);
    }
  }

  /** Runs bodies side by side, each in a thread of its own, and fails with the first that fails. */
  static <T> List<T> together(List<Callable<T>> bodies) throws Exception {
    ExecutorService threads = Executors.newCachedThreadPool(body -> {
      Thread thread = new Thread(body);
      thread.setDaemon(true);
      return thread;
    });
    try {
      List<T> results = new ArrayList<>();
      for (Future<T> future : threads.invokeAll(bodies)) {
        results.add(future.get());
      }
      return results;
    } catch (ExecutionException failure) {
      throw failure.getCause() instanceof Exception cause ? cause : failure;
    } finally {
      threads.shutdownNow();
    }
  }
}
