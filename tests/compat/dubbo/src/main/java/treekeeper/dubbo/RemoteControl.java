package treekeeper.dubbo;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** The server of the suite's runner, which obeys one command a line at the address {@code TK_CONTROL}. */
final class RemoteControl implements ServerControl {
    private static final int ANSWER_WITHIN_MS = 60_000;

    private final String host;
    private final int port;

    RemoteControl(String address) {
        int colon = address.lastIndexOf(':');
        host = address.substring(0, colon);
        port = Integer.parseInt(address.substring(colon + 1));
    }

    @Override
    public String name() {
        return "the server";
    }

    @Override
    public void kill() throws IOException {
        command("kill");
    }

    @Override
    public void start() throws IOException {
        command("start");
    }

    private void command(String word) throws IOException {
        try (Socket socket = new Socket(host, port)) {
            socket.setSoTimeout(ANSWER_WITHIN_MS);
            socket.getOutputStream().write((word + "\n").getBytes(StandardCharsets.UTF_8));
            String answer = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8))
                    .readLine();
            if (!"done".equals(answer)) {
                throw new IOException("the control answered " + answer + " to " + word);
            }
        }
    }

    @Override
    public void close() {
        // The runner owns the server.
    }
}
