package treekeeper.dubbo;

import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** What a server says of itself in reply to {@code srvr}, the one four-letter word that is always allowed. */
record ServerStatus(String zxid, String nodeCount) {
    private static final int ANSWER_WITHIN_MS = 2_000;

    /** Asks the server at {@code connect}; empty when it does not serve. */
    static Optional<ServerStatus> of(String connect) {
        int colon = connect.lastIndexOf(':');
        try (Socket socket = new Socket(connect.substring(0, colon), Integer.parseInt(connect.substring(colon + 1)))) {
            socket.setSoTimeout(ANSWER_WITHIN_MS);
            socket.getOutputStream().write("srvr".getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return value(answer, "Zxid").flatMap(
                    zxid -> value(answer, "Node count").map(nodeCount -> new ServerStatus(zxid, nodeCount)));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static Optional<String> value(String answer, String key) {
        return answer.lines()
                .filter(line -> line.startsWith(key + ": "))
                .map(line -> line.substring(key.length() + 2))
                .findFirst();
    }
}
