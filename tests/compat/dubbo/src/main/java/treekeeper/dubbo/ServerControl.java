package treekeeper.dubbo;

import java.io.IOException;

/** A server that can be killed and started again on the same port and data. */
interface ServerControl extends AutoCloseable {
    /** What to call it. */
    String name();

    /** SIGKILL; returns when it is gone. */
    void kill() throws IOException, InterruptedException;

    /** Starts it again; returns when it serves. */
    void start() throws IOException, InterruptedException;

    @Override
    void close();
}
