package treekeeper.dubbo;

import java.nio.charset.StandardCharsets;
import java.net.URLDecoder;
import org.apache.dubbo.common.URL;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.RegistryConfig;

/** The two ways in which Dubbo 3 registers a provider: the settings that choose one, and the znodes it makes. */
enum Registration {
    /** One znode per interface and provider: {@code /dubbo/INTERFACE/providers/URL}. */
    INTERFACE("interface", "FORCE_INTERFACE", "/dubbo/" + Greeter.class.getName() + "/providers") {
        @Override
        int portOf(String znode) {
            return URL.valueOf(URLDecoder.decode(znode, StandardCharsets.UTF_8)).getPort();
        }
    },

    /** One znode per application instance: {@code /services/APPLICATION/HOST:PORT}, and metadata beside it. */
    APPLICATION("instance", "FORCE_APPLICATION", "/services/" + Registration.PROVIDERS) {
        @Override
        int portOf(String znode) {
            return Integer.parseInt(znode.substring(znode.lastIndexOf(':') + 1));
        }
    };

    /** Application name of the providers. */
    static final String PROVIDERS = "greeter-provider";

    /** Application name of the consumer. */
    static final String CONSUMER = "greeter-consumer";

    /** Where Dubbo notes which applications offer the interface; used by {@link #APPLICATION} only. */
    static final String MAPPING = "/dubbo/mapping/" + Greeter.class.getName();

    /** Where Dubbo keeps what an application offers, by revision; used by {@link #APPLICATION} only. */
    static final String METADATA = "/dubbo/metadata/" + PROVIDERS;

    /** Path of the znode whose children are the providers. */
    final String list;

    private final String registerMode;
    private final String subscribeMode;

    Registration(String registerMode, String subscribeMode, String list) {
        this.registerMode = registerMode;
        this.subscribeMode = subscribeMode;
        this.list = list;
    }

    /** The port of the provider that a child of {@link #list} stands for. */
    abstract int portOf(String znode);

    /** Settings of an application that registers, or subscribes, in this way. */
    ApplicationConfig application(String name) {
        ApplicationConfig application = new ApplicationConfig(name);
        application.setRegisterMode(registerMode);
        application.setMetadataType("remote");
        application.setQosEnable(false);
        System.setProperty("dubbo.application.service-discovery.migration", subscribeMode);
        return application;
    }

    /** Settings of the registry at {@code connect}, with the session time-out of its client. */
    RegistryConfig registry(String connect, int sessionTimeoutMs) {
        // Parameters of the address go on to the config center and the metadata center, which share the client.
        // A provider that got a new session registers again after the retry period: by default 5 s, well below the
        // default session time-out of 60 s, and well below it must stay, or the list is empty for a while.
        RegistryConfig registry = new RegistryConfig(
                "zookeeper://" + connect + "?session=" + sessionTimeoutMs + "&retry.period=" + sessionTimeoutMs / 12);
        registry.setRegisterMode(registerMode);
        // Dubbo replaces entries by deleting and creating them; a list read in between may be empty, and is not meant.
        registry.setEnableEmptyProtection(true);
        return registry;
    }
}
