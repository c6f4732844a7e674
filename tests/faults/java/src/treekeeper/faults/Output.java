package treekeeper.faults;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;

/** What is said: one JSON object a line; tests/src/faults/stock.rs tells their meaning. */
final class Output {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Output() {}

  static synchronized void say(Map<String, ?> line) {
    try {
      System.out.println(JSON.writeValueAsString(line));
    } catch (JsonProcessingException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Seconds of CLOCK_MONOTONIC, by which the JVM of Linux counts. */
  static double now() {
    return System.nanoTime() / 1e9;
  }
}
