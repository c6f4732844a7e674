package treekeeper.harness;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A link to the server that can be cut: a client that connects through it loses its connection, not its session.
 *
 * <p>While the link is down, connections are accepted and closed at once.
 */
public final class Link implements AutoCloseable {
  private final ServerSocket listener;
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
  private volatile boolean up = true;

  public Link() throws IOException {
    listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    start(this::acceptAll);
  }

  /** The connect string of a client that uses this link. */
  public String connect() {
    return "127.0.0.1:" + listener.getLocalPort();
  }

  /** Cuts all connections and refuses new ones. */
  public synchronized void down() {
    up = false;
    sockets.forEach(Link::closeQuietly);
    sockets.clear();
  }

  /** Accepts connections again. */
  public synchronized void up() {
    up = true;
  }

  /** Cuts all connections; new ones are accepted. */
  public synchronized void cut() {
    down();
    up();
  }

  @Override
  public void close() throws IOException {
    listener.close();
    down();
  }

  private void acceptAll() {
    while (!listener.isClosed()) {
      try {
        join(listener.accept());
      } catch (IOException closed) {
        // The link was closed, or the server is down; a client tries again.
      }
    }
  }

  private void join(Socket client) throws IOException {
    if (!up) {
      client.close();
      return;
    }
    Socket server;
    try {
      server = new Socket("127.0.0.1", TestServer.port());
    } catch (IOException refused) {
      client.close();
      throw refused;
    }
    client.setTcpNoDelay(true);
    server.setTcpNoDelay(true);
    synchronized (this) {
      sockets.add(client);
      sockets.add(server);
      if (!up) {
        down();
      }
    }
    start(() -> copy(client, server));
    start(() -> copy(server, client));
  }

  private void copy(Socket from, Socket to) {
    byte[] buffer = new byte[64 * 1024];
    try (from; to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        out.write(buffer, 0, n);
      }
    } catch (IOException cut) {
      // Either end may go at any time: that is what a link is for.
    }
    sockets.remove(from);
    sockets.remove(to);
  }

  private static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException ignored) {
      // It is closed either way.
    }
  }

  private static void start(Runnable body) {
    Thread thread = new Thread(body, "link");
    thread.setDaemon(true);
    thread.start();
  }
}
