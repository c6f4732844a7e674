package treekeeper.dubbo;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** The list of providers as the server has it, read by a plain ZooKeeper client that Dubbo knows nothing of. */
final class ProviderList implements AutoCloseable {
    /** Longer than the server is ever away, so that this client keeps its session. */
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(60);

    /** One registered provider. */
    record Entry(String path, int port, long ephemeralOwner) {}

    private final Registration registration;
    private final ZooKeeper client;

    ProviderList(String connect, Registration registration) throws IOException {
        this.registration = registration;
        client = new ZooKeeper(connect, (int) SESSION_TIMEOUT.toMillis(), event -> {});
    }

    /** All entries. */
    List<Entry> entries() throws KeeperException, InterruptedException {
        List<Entry> entries = new ArrayList<>();
        try {
            for (String child : client.getChildren(registration.list, false)) {
                String path = registration.list + "/" + child;
                Stat stat = client.exists(path, false);
                if (stat != null) {
                    entries.add(new Entry(path, registration.portOf(child), stat.getEphemeralOwner()));
                }
            }
        } catch (KeeperException.NoNodeException e) {
            // No list yet is an empty list.
        }
        return entries;
    }

    /** The entries of one provider: one, or two while that of a killed predecessor is still there. */
    List<Entry> of(ProviderProcess provider) throws KeeperException, InterruptedException {
        return entries().stream().filter(entry -> entry.port() == provider.port()).toList();
    }

    /** Whether the list is exactly {@code providers}, one ephemeral entry each. */
    boolean isExactly(List<ProviderProcess> providers) throws KeeperException, InterruptedException {
        List<Entry> entries = entries();
        return entries.stream().allMatch(entry -> entry.ephemeralOwner() != 0)
                && entries.stream().map(Entry::port).sorted().toList()
                        .equals(providers.stream().map(ProviderProcess::port).sorted().toList());
    }

    /** Whether a znode of this path is there. */
    boolean exists(String path) throws KeeperException, InterruptedException {
        return client.exists(path, false) != null;
    }

    /** The data of a znode as text. */
    Optional<String> text(String path) throws KeeperException, InterruptedException {
        try {
            byte[] data = client.getData(path, false, null);
            return Optional.ofNullable(data).map(bytes -> new String(bytes, StandardCharsets.UTF_8));
        } catch (KeeperException.NoNodeException e) {
            return Optional.empty();
        }
    }

    /** Names of the children of a znode that is there. */
    List<String> children(String path) throws KeeperException, InterruptedException {
        return client.getChildren(path, false);
    }

    @Override
    public void close() {
        try {
            client.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
