package treekeeper.dubbo;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/** Ports for servers that are killed and come back on the same port. */
final class FreePort {
    /** Below the ports that Linux gives to clients, one of which could else take ours while its server is away. */
    private static final int FROM = 20_000;
    private static final int BEFORE = 30_000;

    private static final int TRIES_MAX = 1_000;

    private FreePort() {}

    /** A port of the loopback address that nobody uses now. */
    static int pick() throws IOException {
        for (int attempt = 0; attempt < TRIES_MAX; attempt++) {
            int port = ThreadLocalRandom.current().nextInt(FROM, BEFORE);
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (IOException e) {
                // Taken; another one will do.
            }
        }
        throw new IOException("no free port between " + FROM + " and " + BEFORE);
    }
}
