package treekeeper.curator;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.eventually;
import static treekeeper.harness.Check.that;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.curator.x.discovery.strategies.RoundRobinStrategy;
import treekeeper.harness.Link;
import treekeeper.harness.Suite;

/** Service discovery. */
final class Discovery {
  private Discovery() {}

  /** What an instance says about itself. */
  public static final class Details {
    public String zone = "";
    public int weight;
  }

  static void addTo(Suite suite) {
    suite.add("service-is-registered-and-found", Discovery::registeredAndFound);
    suite.add("service-changes-its-registration", Discovery::changesItsRegistration);
    suite.add("service-provider", Discovery::provider);
    suite.add("service-cache", Discovery::cache);
    suite.add("service-of-a-lost-session", Discovery::lostSession);
    suite.add("service-types", Discovery::types);
  }

  private static ServiceDiscovery<Details> discovery(CuratorFramework client, String root) throws Exception {
    ServiceDiscovery<Details> discovery = ServiceDiscoveryBuilder.builder(Details.class).client(client).basePath(root).watchInstances(true).build();
    discovery.start();
    return discovery;
  }

  private static ServiceInstance<Details> instance(String name, int port) throws Exception {
    return instance(name, port, ServiceType.DYNAMIC);
  }

  private static ServiceInstance<Details> instance(String name, int port, ServiceType type) throws Exception {
    Details details = new Details();
    details.zone = "zone-" + port;
    details.weight = port;
    return ServiceInstance.<Details>builder().name(name).address("10.0.0.1").port(port).payload(details)
        .serviceType(type).uriSpec(new UriSpec("http://{address}:{port}/")).build();
  }

  private static Set<Integer> ports(Iterable<ServiceInstance<Details>> instances) {
    Set<Integer> ports = new HashSet<>();
    instances.forEach(instance -> ports.add(instance.getPort()));
    return ports;
  }

  private static void registeredAndFound(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open();
        ServiceDiscovery<Details> provider = discovery(a, root); ServiceDiscovery<Details> consumer = discovery(b, root)) {
      ServiceInstance<Details> one = instance("greeter", 1);
      ServiceInstance<Details> two = instance("greeter", 2);
      provider.registerService(one);
      provider.registerService(two);
      provider.registerService(instance("counter", 3));
      equal(Set.of("greeter", "counter"), Set.copyOf(consumer.queryForNames()));
      equal(Set.of(1, 2), ports(consumer.queryForInstances("greeter")));
      ServiceInstance<Details> found = consumer.queryForInstance("greeter", one.getId());
      equal("zone-1", found.getPayload().zone);
      equal("http://10.0.0.1:1/", found.buildUriSpec());
      provider.unregisterService(one);
      equal(Set.of(2), ports(consumer.queryForInstances("greeter")));
      equal(null, consumer.queryForInstance("greeter", one.getId()));
    }
  }

  private static void changesItsRegistration(String root) throws Exception {
    try (CuratorFramework client = Framework.open(); ServiceDiscovery<Details> discovery = discovery(client, root)) {
      ServiceInstance<Details> before = instance("greeter", 1);
      discovery.registerService(before);
      ServiceInstance<Details> after = ServiceInstance.<Details>builder().name("greeter").id(before.getId()).address("10.0.0.2").port(9).payload(new Details()).build();
      discovery.updateService(after);
      equal(9, discovery.queryForInstance("greeter", before.getId()).getPort());
    }
  }

  private static void provider(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open();
        ServiceDiscovery<Details> registry = discovery(a, root); ServiceDiscovery<Details> consumer = discovery(b, root)) {
      ServiceInstance<Details> one = instance("greeter", 1);
      registry.registerService(one);
      try (ServiceProvider<Details> provider = consumer.serviceProviderBuilder().serviceName("greeter").providerStrategy(new RoundRobinStrategy<>()).build()) {
        provider.start();
        eventually("the first is known", () -> provider.getInstance() != null);
        registry.registerService(instance("greeter", 2));
        eventually("the second is known", () -> ports(provider.getAllInstances()).equals(Set.of(1, 2)));
        equal("they take turns", Set.of(1, 2), ports(List.of(provider.getInstance(), provider.getInstance())));
        registry.unregisterService(one);
        eventually("the first is forgotten", () -> ports(provider.getAllInstances()).equals(Set.of(2)));
      }
    }
  }

  private static void cache(String root) throws Exception {
    try (CuratorFramework a = Framework.open(); CuratorFramework b = Framework.open();
        ServiceDiscovery<Details> registry = discovery(a, root); ServiceDiscovery<Details> consumer = discovery(b, root);
        ServiceCache<Details> cache = consumer.serviceCacheBuilder().name("greeter").build()) {
      cache.start();
      equal(List.of(), cache.getInstances());
      for (int port = 1; port <= 20; port++) {
        registry.registerService(instance("greeter", port));
      }
      eventually("all are known", () -> cache.getInstances().size() == 20);
      for (ServiceInstance<Details> gone : List.copyOf(registry.queryForInstances("greeter")).subList(0, 15)) {
        registry.unregisterService(gone);
      }
      eventually("five are left", () -> cache.getInstances().size() == 5);
      equal(ports(registry.queryForInstances("greeter")), ports(cache.getInstances()));
    }
  }

  private static void lostSession(String root) throws Exception {
    try (Link link = new Link(); CuratorFramework a = Framework.open(link.connect(), 1_500); CuratorFramework b = Framework.open();
        ServiceDiscovery<Details> registry = discovery(a, root); ServiceDiscovery<Details> consumer = discovery(b, root);
        ServiceCache<Details> cache = consumer.serviceCacheBuilder().name("greeter").build()) {
      registry.registerService(instance("greeter", 1));
      cache.start();
      eventually("it is known", () -> cache.getInstances().size() == 1);
      link.down();
      eventually("it goes with its session", () -> cache.getInstances().isEmpty());
      link.up();
      eventually("it registers again", () -> cache.getInstances().size() == 1);
      that(consumer.queryForInstances("greeter").size() == 1, "once");
    }
  }

  private static void types(String root) throws Exception {
    try (CuratorFramework observer = Framework.open(); ServiceDiscovery<Details> consumer = discovery(observer, root)) {
      try (CuratorFramework client = Framework.open()) {
        ServiceDiscovery<Details> registry = discovery(client, root);
        registry.registerService(instance("kept", 1, ServiceType.PERMANENT));
        registry.registerService(instance("lost", 2, ServiceType.DYNAMIC));
        registry.registerService(instance("queue", 3, ServiceType.DYNAMIC_SEQUENTIAL));
        equal(Set.of("kept", "lost", "queue"), Set.copyOf(consumer.queryForNames()));
        // The session ends without a word to the registry.
      }
      eventually("the dynamic ones are gone", () -> consumer.queryForInstances("lost").isEmpty() && consumer.queryForInstances("queue").isEmpty());
      equal(Set.of(1), ports(consumer.queryForInstances("kept")));
    }
  }
}
