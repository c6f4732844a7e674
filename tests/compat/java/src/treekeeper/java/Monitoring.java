package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.client.FourLetterWordMain;
import treekeeper.harness.Suite;
import treekeeper.harness.TestServer;

/** What monitoring asks: four-letter words, the AdminServer, and ZooKeeper's own command line. */
final class Monitoring {
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private Monitoring() {}

  static void addTo(Suite suite) {
    suite.add("four-letter-ruok-and-isro", Monitoring::ruokAndIsro);
    suite.add("four-letter-srvr", Monitoring::srvr);
    suite.add("four-letter-stat", Monitoring::stat);
    suite.add("four-letter-mntr", Monitoring::mntr);
    suite.add("four-letter-conf", Monitoring::conf);
    suite.add("four-letter-cons", Monitoring::cons);
    suite.add("four-letter-dump", Monitoring::dump);
    suite.add("four-letter-watches", Monitoring::watches);
    suite.add("four-letter-others", Monitoring::others);
    suite.add("admin-server-commands", Monitoring::adminCommands);
    suite.add("admin-server-stats", Monitoring::adminStats);
    suite.add("admin-server-monitor", Monitoring::adminMonitor);
    suite.add("admin-server-connections", Monitoring::adminConnections);
    suite.add("admin-server-watches", Monitoring::adminWatches);
    suite.add("admin-server-unknown-command", Monitoring::adminUnknown);
    suite.add("command-line", Monitoring::commandLine);
  }

  private static String ask(String word) throws Exception {
    return FourLetterWordMain.send4LetterWord("127.0.0.1", TestServer.port(), word);
  }

  private static void matches(String text, String regex) {
    that(Pattern.compile(regex, Pattern.MULTILINE).matcher(text).find(), "no " + regex + " in: " + text);
  }

  private static void ruokAndIsro(String root) throws Exception {
    equal("imok", ask("ruok").strip());
    equal("rw", ask("isro").strip());
  }

  private static void srvr(String root) throws Exception {
    String answer = ask("srvr");
    String[] lines = {
      "Zookeeper version: \\d+\\.\\d+\\.\\d+.*", "Latency min/avg/max: \\d+/[\\d.]+/\\d+", "Received: \\d+", "Sent: \\d+",
      "Connections: \\d+", "Outstanding: \\d+", "Zxid: 0x[0-9a-f]+", "Mode: " + TestServer.mode(), "Node count: \\d+"
    };
    String[] given = answer.strip().split("\n");
    equal("lines of " + answer, lines.length, given.length);
    for (int i = 0; i < lines.length; i++) {
      that(given[i].matches(lines[i]), given[i] + " is not " + lines[i]);
    }
  }

  private static void stat(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.stat("/");
      String answer = ask("stat");
      matches(answer, "^Zookeeper version: \\d+\\.\\d+\\.\\d+");
      matches(answer, "^Clients:$");
      matches(answer, "^ /127\\.0\\.0\\.1:\\d+\\[\\d+\\]\\(queued=\\d+,recved=\\d+,sent=\\d+\\)$");
      matches(answer, "^Latency min/avg/max: ");
      matches(answer, "^Mode: " + TestServer.mode() + "$");
    }
  }

  private static void mntr(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "", CreateMode.EPHEMERAL);
      Map<String, String> values = new TreeMap<>();
      for (String line : ask("mntr").strip().split("\n")) {
        String[] pair = line.split("\t");
        equal("tab in " + line, 2, pair.length);
        values.put(pair[0], pair[1]);
      }
      equal(TestServer.mode(), values.get("zk_server_state"));
      matches(values.get("zk_version"), "^\\d+\\.\\d+\\.\\d+");
      for (String key : List.of("avg_latency", "max_latency", "min_latency", "packets_received", "packets_sent", "num_alive_connections",
          "outstanding_requests", "znode_count", "watch_count", "ephemerals_count", "approximate_data_size",
          "open_file_descriptor_count", "max_file_descriptor_count", "uptime", "global_sessions")) {
        String value = values.get("zk_" + key);
        that(value != null && value.matches("-?[\\d.]+"), "zk_" + key + " is " + value);
      }
      that(Double.parseDouble(values.get("zk_znode_count")) >= 5, "znode_count " + values.get("zk_znode_count"));
      that(Double.parseDouble(values.get("zk_ephemerals_count")) >= 1, "ephemerals_count " + values.get("zk_ephemerals_count"));
      that(Double.parseDouble(values.get("zk_num_alive_connections")) >= 1, "num_alive_connections " + values.get("zk_num_alive_connections"));
    }
  }

  private static void conf(String root) throws Exception {
    String answer = ask("conf");
    matches(answer, "^clientPort=" + TestServer.port() + "$");
    matches(answer, "^tickTime=500$");
    matches(answer, "^maxClientCnxns=0$");
    matches(answer, "^minSessionTimeout=1000$");
    matches(answer, "^maxSessionTimeout=60000$");
    matches(answer, "^dataDir=.+$");
    matches(answer, "^dataLogDir=.+$");
    matches(answer, "^serverId=\\d+$");
  }

  private static void cons(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.getChildren("/", false);
      matches(ask("cons"), "^ /127\\.0\\.0\\.1:\\d+\\[\\d+\\]\\(queued=\\d+,recved=\\d+,sent=\\d+,sid=0x" + Long.toHexString(zk.getSessionId())
          + ",lop=GETC,est=\\d+,to=" + Client.TIMEOUT_MS + ",lcxid=0x[0-9a-f]+,lzxid=0x[0-9a-f]+,lresp=\\d+,llat=\\d+,minlat=\\d+,avglat=\\d+,maxlat=\\d+\\)$");
    }
  }

  private static void dump(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "", CreateMode.EPHEMERAL);
      String id = "0x" + Long.toHexString(zk.getSessionId());
      String answer = ask("dump");
      matches(answer, "^SessionTracker dump:$");
      // Only who expires sessions knows when; the others tell their time-outs.
      matches(answer, TestServer.mode().equals("standalone") ? "^\t" + id + "$" : "^" + id + "\t30000ms$");
      matches(answer, "^ephemeral nodes dump:$");
      matches(answer, "^Sessions with Ephemerals \\(\\d+\\):$");
      that(Pattern.compile("^" + id + ":\n\t" + Pattern.quote(root) + "$", Pattern.MULTILINE).matcher(answer).find(), "the ephemeral in " + answer);
    }
  }

  private static void watches(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.exists(root, true);
      String id = "0x" + Long.toHexString(zk.getSessionId());
      matches(ask("wchs"), "^\\d+ connections watching \\d+ paths$");
      matches(ask("wchs"), "^Total watches:\\d+$");
      that(ask("wchc").contains(id + "\n\t" + root + "\n"), "the session's watch in wchc");
      that(ask("wchp").contains(root + "\n\t" + id + "\n"), "the path's watch in wchp");
    }
  }

  private static void others(String root) throws Exception {
    matches(ask("envi"), "^Environment:$");
    matches(ask("envi"), "^zookeeper\\.version=\\d+\\.\\d+\\.\\d+");
    matches(ask("envi"), "^os\\.name=.+$");
    matches(ask("dirs"), "^datadir_size: \\d+$");
    matches(ask("dirs"), "^logdir_size: \\d+$");
    matches(ask("crst"), "^Connection stats reset\\.$");
    matches(ask("srst"), "^Server stats reset\\.$");
    matches(ask("gtmk"), "^\\d+$");
  }

  private static HttpResponse<String> get(String path) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + TestServer.admin() + path)).timeout(Duration.ofSeconds(20)).build();
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
  }

  private static JsonNode command(String name) throws Exception {
    HttpResponse<String> response = get("/commands/" + name);
    equal("status of " + name, 200, response.statusCode());
    matches(response.headers().firstValue("Content-Type").orElse(""), "^application/json");
    JsonNode json = new ObjectMapper().readTree(response.body());
    that(json.has("error") && json.get("error").isNull(), name + " has an error: " + json.get("error"));
    that(json.has("command"), name + " says its name");
    return json;
  }

  private static void adminCommands(String root) throws Exception {
    HttpResponse<String> list = get("/commands");
    equal(200, list.statusCode());
    for (String name : List.of("ruok", "stats", "monitor", "configuration", "connections", "environment", "is_read_only", "server_stats",
        "stat_reset", "connection_stat_reset", "dump", "dirs", "watches", "watches_by_path", "watch_summary", "hash", "get_trace_mask", "system_properties", "last_snapshot", "initial_configuration")) {
      equal(name, command(name).get("command").asText());
      that(list.body().contains("/commands/" + name), name + " is in the list of commands");
    }
    equal("an alias", "monitor", command("mntr").get("command").asText());
    equal(false, command("isro").get("read_only").asBoolean());
    JsonNode conf = command("conf");
    equal(TestServer.port(), conf.get("client_port").asInt());
    equal(500, conf.get("tick_time").asInt());
    equal(1_000, conf.get("min_session_timeout").asInt());
    equal(60_000, conf.get("max_session_timeout").asInt());
    equal(0, conf.get("max_client_cnxns").asInt());
    that(command("dirs").get("datadir_size").asLong() >= 0, "datadir_size");
    matches(command("environment").get("zookeeper.version").asText(), "^\\d+\\.\\d+");
  }

  private static void adminStats(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      JsonNode answer = command("stats");
      matches(answer.get("version").asText(), "^\\d+\\.\\d+\\.\\d+");
      equal(false, answer.get("read_only").asBoolean());
      that(answer.get("node_count").asLong() >= 5, "node_count");
      that(answer.get("connections").isArray() && !answer.get("connections").isEmpty(), "connections");
      JsonNode stats = answer.get("server_stats");
      for (String key : List.of("packets_sent", "packets_received", "last_processed_zxid", "outstanding_requests", "avg_latency", "max_latency",
          "min_latency", "num_alive_client_connections", "uptime", "data_dir_size", "log_dir_size")) {
        that(stats.has(key) && stats.get(key).isNumber(), key + " in " + stats);
      }
      equal(TestServer.mode(), stats.get("server_state").asText());
      that(stats.get("last_processed_zxid").asLong() >= zk.stat(root).getCzxid(), "last_processed_zxid is up to date");
    }
  }

  private static void adminMonitor(String root) throws Exception {
    JsonNode answer = command("monitor");
    for (String key : List.of("avg_latency", "max_latency", "min_latency", "packets_received", "packets_sent", "num_alive_connections",
        "outstanding_requests", "znode_count", "watch_count", "ephemerals_count", "approximate_data_size", "open_file_descriptor_count", "uptime")) {
      that(answer.has(key), "monitor has no " + key);
    }
    equal(TestServer.mode(), answer.get("server_state").asText());
  }

  private static void adminConnections(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.getChildren("/", false);
      for (JsonNode connection : command("connections").get("connections")) {
        if (connection.get("session_id").asText().equals("0x" + Long.toHexString(zk.getSessionId())) || connection.get("session_id").asLong() == zk.getSessionId()) {
          for (String key : List.of("remote_socket_address", "outstanding_requests", "packets_received", "packets_sent", "last_operation",
              "established", "session_timeout", "last_latency", "min_latency", "avg_latency", "max_latency", "last_zxid", "last_cxid")) {
            that(connection.has(key), "no " + key + " in " + connection);
          }
          equal(Client.TIMEOUT_MS, connection.get("session_timeout").asInt());
          return;
        }
      }
      throw new AssertionError("our connection is not in the list");
    }
  }

  private static void adminWatches(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root, "", CreateMode.EPHEMERAL);
      zk.getData(root, true, null);
      JsonNode byPath = command("watches_by_path").get("path_to_session_ids");
      that(byPath.has(root), "our path in " + byPath);
      that(command("watch_summary").get("num_total_watches").asInt() >= 1, "num_total_watches");
      JsonNode ephemerals = command("dump").get("session_id_to_ephemeral_paths");
      that(ephemerals.toString().contains("\"" + root + "\""), "our ephemeral in " + ephemerals);
    }
  }

  private static void adminUnknown(String root) throws Exception {
    HttpResponse<String> response = get("/commands/no_such_command");
    equal(200, response.statusCode());
    equal("Unknown command: no_such_command", new ObjectMapper().readTree(response.body()).get("error").asText());
  }

  /** ZooKeeper's zkCli reads its commands from a pipe. */
  private static void commandLine(String root) throws Exception {
    Path out = Files.createTempFile("command-line", ".txt");
    String commands = String.join("\n",
        "create " + root + " hello", "create -e " + root + "/e x", "create -s " + root + "/s y", "create -c " + root + "/c", "create -t 60000 " + root + "/t",
        "ls " + root, "ls -R " + root, "get -s " + root, "set " + root + " world", "get " + root, "stat " + root, "getAcl " + root,
        "getAllChildrenNumber " + root, "getEphemerals " + root, "whoami", "sync " + root, "config", "setquota -n 50 " + root, "listquota " + root,
        "deleteall " + root, "ls " + root, "quit", "");
    Process process = new ProcessBuilder(
        System.getProperty("java.home") + File.separator + "bin" + File.separator + "java", "-Xmx128m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "-cp", System.getProperty("java.class.path"), "org.apache.zookeeper.ZooKeeperMain", "-server", TestServer.connect())
        .redirectErrorStream(true).redirectOutput(out.toFile()).start();
    try {
      process.getOutputStream().write(Client.bytes(commands));
      process.getOutputStream().close();
      that(process.waitFor(30, TimeUnit.SECONDS), "it ends");
      String answer = Files.readString(out);
      for (String line : List.of("Created " + root, "Created " + root + "/e", "Created " + root + "/s0000000001", "Created " + root + "/c", "Created " + root + "/t",
          "[c, e, s0000000001, t]", "hello", "world", "dataLength = 5", "numChildren = 4", "'world,'anyone", ": cdrwa", "ip: 127.0.0.1",
          "Sync is OK", "Node does not exist: " + root)) {
        that(answer.contains(line), "no " + line + " in: " + answer);
      }
      try (Client zk = Client.open()) {
        eventually("it was deleted", () -> !zk.has(root));
      }
    } finally {
      process.destroyForcibly();
      Files.deleteIfExists(out);
    }
  }
}
