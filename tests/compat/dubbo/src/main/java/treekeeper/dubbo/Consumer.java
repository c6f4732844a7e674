package treekeeper.dubbo;

import java.util.concurrent.locks.LockSupport;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * A consumer process that calls all the time. Arguments: connect string, registration, session time-out in ms.
 * Says {@code answered PROVIDER} or {@code failed REASON} for every call. Ends on SIGTERM, and with its parent.
 */
public final class Consumer {
    /** Between two calls: many enough that each provider is met soon, few enough for a busy machine. */
    private static final long PAUSE_NANOS = 20_000_000;

    private Consumer() {}

    /** Calls until stopped. */
    public static void main(String[] arguments) {
        String connect = arguments[0];
        Registration registration = Registration.valueOf(arguments[1]);
        int sessionTimeoutMs = Integer.parseInt(arguments[2]);

        ReferenceConfig<Greeter> reference = new ReferenceConfig<>();
        reference.setInterface(Greeter.class);
        reference.setTimeout(5_000);
        DubboBootstrap.getInstance()
                .application(registration.application(Registration.CONSUMER))
                .registry(registration.registry(connect, sessionTimeoutMs))
                .reference(reference)
                .start();
        Greeter greeter = reference.get();

        Thread calls = new Thread(() -> callForEver(greeter), "calls");
        calls.setDaemon(true);
        calls.start();
        Parent.endWithIt();
    }

    private static void callForEver(Greeter greeter) {
        while (true) {
            try {
                System.out.println("answered " + greeter.answeredBy());
            } catch (RuntimeException e) {
                System.out.println("failed " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
            }
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }
}
