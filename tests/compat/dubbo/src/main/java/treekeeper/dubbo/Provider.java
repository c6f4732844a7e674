package treekeeper.dubbo;

import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * A provider process. Arguments: connect string, registration, session time-out in ms, its name, its port.
 * Says {@code registered} when Dubbo has registered it. Ends on SIGTERM as Dubbo does, and with its parent.
 */
public final class Provider {
    private Provider() {}

    /** Registers and serves until stopped. */
    public static void main(String[] arguments) {
        String connect = arguments[0];
        Registration registration = Registration.valueOf(arguments[1]);
        int sessionTimeoutMs = Integer.parseInt(arguments[2]);
        String name = arguments[3];
        int port = Integer.parseInt(arguments[4]);

        ServiceConfig<Greeter> service = new ServiceConfig<>();
        service.setInterface(Greeter.class);
        service.setRef(() -> name);
        // A provider that has just started gets its full share of the calls.
        service.setWarmup(0);

        DubboBootstrap.getInstance()
                .application(registration.application(Registration.PROVIDERS))
                .registry(registration.registry(connect, sessionTimeoutMs))
                .protocol(new ProtocolConfig("dubbo", port))
                .service(service)
                .start();
        System.out.println("registered");
        Parent.endWithIt();
    }
}
