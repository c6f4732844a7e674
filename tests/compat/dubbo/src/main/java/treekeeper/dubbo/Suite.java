package treekeeper.dubbo;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/** The suite: the walk-through in full, for each way to register. A line per case on stdout, progress on stderr. */
public final class Suite {
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(4);

    private Suite() {}

    /** Runs every case; ends with 0 whatever their results. */
    public static void main(String[] arguments) throws Exception {
        String connect = System.getenv("TK_CONNECT");
        try (ServerControl server = new RemoteControl(System.getenv("TK_CONTROL"))) {
            for (Registration registration : Registration.values()) {
                run(new Dubbo(connect, registration, SESSION_TIMEOUT), server);
            }
        }
        // Threads of the client libraries do not keep us.
        System.exit(0);
    }

    private static void run(Dubbo dubbo, ServerControl server) throws Exception {
        String prefix = dubbo.registration().name().toLowerCase() + "-";
        try (Walkthrough walkthrough = new Walkthrough(dubbo, server, System.err::println)) {
            List<Step> steps = Stream.of(
                            walkthrough.providersComeAndGo(),
                            walkthrough.serverIsKilled(),
                            walkthrough.providerRestartsQuickly(),
                            walkthrough.providerStops(),
                            walkthrough.serverIsAwayForLong())
                    .flatMap(List::stream)
                    .toList();
            String failed = null;
            for (Step step : steps) {
                if (failed != null) {
                    System.out.println("not ok " + prefix + step.name() + " # not reached, " + failed + " failed");
                    continue;
                }
                long start = System.nanoTime();
                try {
                    step.action().run();
                    System.out.println("ok " + prefix + step.name());
                } catch (Exception e) {
                    failed = step.name();
                    String reason = e instanceof CaseFailed ? e.getMessage() : e.toString();
                    System.out.println("not ok " + prefix + step.name() + " # " + reason.replace('\n', ' '));
                }
                System.err.printf("%s%s: %d ms%n", prefix, step.name(), (System.nanoTime() - start) / 1_000_000);
            }
        }
    }
}
