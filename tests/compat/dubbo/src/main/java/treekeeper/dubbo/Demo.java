package treekeeper.dubbo;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The walk-through for a person: each step told in a line. Argument: the treekeeper binary, unless TK_CONNECT is set. */
public final class Demo {
    private static final Duration SESSION_TIMEOUT = Duration.ofSeconds(4);

    private static final long START = System.nanoTime();

    private Demo() {}

    /** Ends with 0 only when every step went well. */
    public static void main(String[] arguments) {
        try {
            String connect = System.getenv("TK_CONNECT");
            if (connect == null) {
                withOwnServer(arguments[0]);
            } else {
                withRunningServer(connect, System.getenv("TK_CONTROL"));
            }
        } catch (Exception e) {
            say("FAILED: " + (e instanceof CaseFailed ? e.getMessage() : e.toString()));
            System.exit(1);
        }
        System.exit(0);
    }

    private static void withOwnServer(String binary) throws Exception {
        try (OwnServer server = new OwnServer(binary)) {
            say("treekeeper serves on " + server.connect());
            tell(server.connect(), server);
        }
    }

    private static void withRunningServer(String connect, String control) throws Exception {
        say("using the server at " + connect);
        if (control == null) {
            say("TK_CONTROL is not set, so the server is not killed");
            tell(connect, null);
            return;
        }
        try (ServerControl server = new RemoteControl(control)) {
            tell(connect, server);
        }
    }

    /** Tells the story; {@code server} is null when nobody may kill it. */
    private static void tell(String connect, ServerControl server) throws Exception {
        Dubbo dubbo = new Dubbo(connect, Registration.APPLICATION, SESSION_TIMEOUT);
        try (Walkthrough walkthrough = new Walkthrough(dubbo, server, Demo::say)) {
            List<Step> steps = new ArrayList<>(walkthrough.providersComeAndGo());
            if (server != null) {
                steps.addAll(walkthrough.serverIsKilled());
                steps.addAll(walkthrough.providerStops());
            }
            for (Step step : steps) {
                step.action().run();
            }
            say("all went well, calls in all: " + walkthrough.calls());
        }
    }

    private static void say(String line) {
        System.out.printf(Locale.ROOT, "%5.1f s  %s%n", (System.nanoTime() - START) / 1e9, line);
    }
}
