package treekeeper.dubbo;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A running {@link Provider}, seen from outside. */
record ProviderProcess(String name, int port, Child child) implements AutoCloseable {
    /** Starts a provider on a free port; returns when it says that it is registered. */
    static ProviderProcess start(Dubbo dubbo, String name) throws IOException, InterruptedException {
        return start(dubbo, name, FreePort.pick());
    }

    /** Starts a provider on {@code port}; returns when it says that it is registered. */
    static ProviderProcess start(Dubbo dubbo, String name, int port) throws IOException, InterruptedException {
        CountDownLatch registered = new CountDownLatch(1);
        Child child = Child.startJava(
                dubbo.logName(name),
                Provider.class,
                line -> registered.countDown(),
                dubbo.connect(),
                dubbo.registration().name(),
                String.valueOf(dubbo.sessionTimeout().toMillis()),
                name,
                String.valueOf(port));
        if (!registered.await(Await.LONG.toMillis(), TimeUnit.MILLISECONDS)) {
            child.close();
            throw new CaseFailed(name + " does not start, see " + Child.log(dubbo.logName(name)));
        }
        return new ProviderProcess(name, port, child);
    }

    /** Starts it again, on the same port and under the same name, after it was killed. */
    ProviderProcess startAgain(Dubbo dubbo) throws IOException, InterruptedException {
        return start(dubbo, name, port);
    }

    @Override
    public void close() {
        child.close();
    }
}
