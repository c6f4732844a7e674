package treekeeper.dubbo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A treekeeper of our own, on a free port, with its data in a temporary folder that goes with it. */
final class OwnServer implements ServerControl {
    private final String binary;
    private final Path data;
    private final int port;
    private Child child;

    OwnServer(String binary) throws IOException, InterruptedException {
        this.binary = binary;
        this.data = Files.createTempDirectory("treekeeper-demo-");
        this.port = FreePort.pick();
        Runtime.getRuntime().addShutdownHook(new Thread(this::close));
        start();
    }

    /** Where it serves. */
    String connect() {
        return "127.0.0.1:" + port;
    }

    @Override
    public String name() {
        return "treekeeper";
    }

    @Override
    public void start() throws IOException, InterruptedException {
        child = Child.start(
                "treekeeper",
                List.of(binary, "serve", "--data-dir", data.toString(), "--client-port", String.valueOf(port),
                        "--set", "tickTime=500", "--set", "admin.enableServer=false"),
                line -> {});
        Await.until("treekeeper serves (see " + Child.log("treekeeper") + ")", () -> {
            if (!child.alive()) {
                throw new CaseFailed("treekeeper has ended, see " + Child.log("treekeeper"));
            }
            return ServerStatus.of(connect()).isPresent();
        });
    }

    @Override
    public void kill() throws InterruptedException {
        child.kill();
    }

    @Override
    public void close() {
        try {
            if (child != null) {
                child.kill();
            }
            if (Files.exists(data)) {
                try (Stream<Path> files = Files.walk(data)) {
                    for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(file);
                    }
                }
            }
        } catch (IOException | InterruptedException e) {
            System.err.println("could not remove " + data + ": " + e);
        }
    }
}
