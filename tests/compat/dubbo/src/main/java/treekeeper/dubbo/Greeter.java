package treekeeper.dubbo;

/** The service that providers offer and the consumer calls. */
public interface Greeter {
    /** The name of the provider that answers. */
    String answeredBy();
}
