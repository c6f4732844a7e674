package treekeeper.harness;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** The server that the suite meets, and what the suite may do to its process. */
public final class TestServer {
  private TestServer() {}

  /** {@code 127.0.0.1:PORT} for clients. */
  public static String connect() {
    return variable("TK_CONNECT");
  }

  /** The port for clients. */
  public static int port() {
    return Integer.parseInt(connect().substring(connect().indexOf(':') + 1));
  }

  /** {@code 127.0.0.1:PORT} of the AdminServer. */
  public static String admin() {
    return variable("TK_ADMIN");
  }

  /** Whether it is treekeeper, for the few places where it differs on purpose. */
  public static boolean isTreekeeper() {
    return variable("TK_SERVER").equals("treekeeper");
  }

  /** Its part, as {@code srvr} tells it. */
  public static String mode() {
    return variable("TK_MODE");
  }

  /** SIGKILL. */
  public static void kill() throws IOException {
    command("kill");
  }

  /** SIGTERM; returns when the process is gone. */
  public static void stop() throws IOException {
    command("stop");
  }

  /** Returns when the server serves again. */
  public static void start() throws IOException {
    command("start");
  }

  /** SIGKILL and a new start on the same data. */
  public static void killAndStart() throws IOException {
    kill();
    start();
  }

  /** SIGSTOP. */
  public static void pause() throws IOException {
    command("pause");
  }

  /** SIGCONT. */
  public static void resume() throws IOException {
    command("resume");
  }

  private static void command(String word) throws IOException {
    String[] address = variable("TK_CONTROL").split(":");
    try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
      socket.getOutputStream().write((word + "\n").getBytes(StandardCharsets.UTF_8));
      String answer = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8)).readLine();
      if (!"done".equals(answer)) {
        throw new IOException("the control port answers " + answer + " to " + word);
      }
    }
  }

  private static String variable(String name) {
    String value = System.getenv(name);
    if (value == null) {
      throw new IllegalStateException(name + " is not set: start the suites with `make compat`");
    }
    return value;
  }
}
