package treekeeper.dubbo;

import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.zookeeper.KeeperException;

/**
 * The life of a Dubbo registry, step by step: providers join, die, come back and leave, and the server dies, while a
 * consumer calls all the time. No call may fail in any step.
 *
 * <p>In: the server, and a way to register. Out: steps to run in order. Not here: who prints what of them.
 */
final class Walkthrough implements AutoCloseable {
    /** The server's {@code tickTime}: it may notice a dead session that much later, and once more to be fair. */
    private static final Duration TICK = Duration.ofMillis(500);

    /** Calls that a provider must answer before it counts as used. */
    private static final int ENOUGH = 20;

    private final Dubbo dubbo;
    private final ServerControl server;
    private final Narrator narrator;
    private final ProviderList list;

    private ProviderProcess first;
    private ProviderProcess second;
    private ProviderProcess third;
    private ConsumerProcess consumer;

    Walkthrough(Dubbo dubbo, ServerControl server, Narrator narrator) throws IOException {
        this.dubbo = dubbo;
        this.server = server;
        this.narrator = narrator;
        this.list = new ProviderList(dubbo.connect(), dubbo.registration());
    }

    /** What happens while the server is up. */
    List<Step> providersComeAndGo() {
        return List.of(
                new Step("provider-registers", this::providerRegisters),
                new Step("consumer-calls", this::consumerCalls),
                new Step("second-provider-joins", this::secondProviderJoins),
                new Step("killed-provider-leaves", this::killedProviderLeaves),
                new Step("killed-provider-comes-back", this::killedProviderComesBack));
    }

    /** What happens when the server dies; needs the providers of {@link #providersComeAndGo}. */
    List<Step> serverIsKilled() {
        return List.of(
                new Step("server-killed-calls-go-on", this::serverKilledCallsGoOn),
                new Step("server-back-registrations-stand", this::serverBackRegistrationsStand),
                new Step("provider-joins-after-restart", this::providerJoinsAfterRestart),
                new Step("killed-after-restart-leaves", this::killedAfterRestartLeaves));
    }

    /** A provider that is back before its old session has expired. */
    List<Step> providerRestartsQuickly() {
        return List.of(new Step("quick-restart-keeps-new-registration", this::quickRestartKeepsNewRegistration));
    }

    /** A provider that ends in order. */
    List<Step> providerStops() {
        return List.of(new Step("stopped-provider-leaves-at-once", this::stoppedProviderLeavesAtOnce));
    }

    /** An outage in which every client gives its session up. */
    List<Step> serverIsAwayForLong() {
        return List.of(new Step("long-outage-registers-again", this::longOutageRegistersAgain));
    }

    private void providerRegisters() throws Exception {
        first = ProviderProcess.start(dubbo, "provider 1");
        awaitList(first);
        ProviderList.Entry entry = list.of(first).get(0);
        narrator.say("provider 1 registered at " + shortened(entry.path()));
        if (dubbo.registration() == Registration.APPLICATION) {
            Await.until("the interface is mapped to the application", () -> list.text(Registration.MAPPING)
                    .filter(Registration.PROVIDERS::equals)
                    .isPresent());
            Await.until("there is metadata", () -> list.exists(Registration.METADATA)
                    && !list.children(Registration.METADATA).isEmpty());
        }
    }

    private void consumerCalls() throws Exception {
        consumer = new ConsumerProcess(dubbo);
        consumer.awaitAnswers(ENOUGH, names(first));
        consumer.assertNoFailure();
        narrator.say("the consumer found it and called it " + consumer.answered() + " times");
    }

    private void secondProviderJoins() throws Exception {
        second = ProviderProcess.start(dubbo, "provider 2");
        awaitList(first, second);
        consumer.awaitAnswers(ENOUGH, names(first, second));
        consumer.assertNoFailure();
        narrator.say("provider 2 registered, the consumer was told and calls both");
    }

    private void killedProviderLeaves() throws Exception {
        killAndAwaitGone(first);
        awaitList(second);
        consumer.awaitAnswers(ENOUGH, names(second));
        consumer.assertNoFailure();
    }

    private void killedProviderComesBack() throws Exception {
        first = first.startAgain(dubbo);
        awaitList(first, second);
        consumer.awaitAnswers(ENOUGH, names(first, second));
        consumer.assertNoFailure();
        narrator.say("provider 1 started again: registered and called again");
    }

    private void serverKilledCallsGoOn() throws Exception {
        server.kill();
        narrator.say("killed " + server.name() + " with -9");
        long before = consumer.answered();
        consumer.awaitAnswers(2 * ENOUGH, names(first, second));
        consumer.assertNoFailure();
        narrator.say("without it the consumer goes on calling: " + (consumer.answered() - before) + " ok, 0 failed");
    }

    private void serverBackRegistrationsStand() throws Exception {
        long start = System.nanoTime();
        server.start();
        double serves = secondsSince(start);
        ServerStatus.of(dubbo.connect()).ifPresent(status -> narrator.say(String.format(
                Locale.ROOT,
                "started %s again: recovered up to zxid %s, %s znodes, in %.1f s",
                server.name(), status.zxid(), status.nodeCount(), serves)));
        awaitList(first, second);
        consumer.awaitAnswers(ENOUGH, names(first, second));
        consumer.assertNoFailure();
        narrator.say("both providers are still registered and called");
    }

    private void providerJoinsAfterRestart() throws Exception {
        third = ProviderProcess.start(dubbo, "provider 3");
        awaitList(first, second, third);
        consumer.awaitAnswers(ENOUGH, names(first, second, third));
        consumer.assertNoFailure();
        narrator.say("provider 3 joined, and the consumer, which watched all along, calls it");
    }

    private void killedAfterRestartLeaves() throws Exception {
        killAndAwaitGone(first);
        awaitList(second, third);
        consumer.awaitAnswers(ENOUGH, names(second, third));
        consumer.assertNoFailure();
    }

    private void quickRestartKeepsNewRegistration() throws Exception {
        Set<Long> before = owners(third);
        third.child().kill();
        third = third.startAgain(dubbo);
        Duration expired = expired();
        Await.until(
                "the old session's entry is gone",
                expired,
                () -> owners(third).stream().noneMatch(before::contains));
        // By then the old session has expired, whether Dubbo replaced its entry or waited for the end of it.
        long start = System.nanoTime();
        Await.until("the old session has expired", () -> {
            if (owners(third).isEmpty()) {
                throw new CaseFailed("the new registration was removed with the old session");
            }
            return System.nanoTime() - start > expired.toNanos();
        });
        awaitList(second, third);
        // Whether the consumer gets its own connection to the same port back is between the two of them.
        consumer.awaitAnswers(ENOUGH, names(second));
        consumer.assertNoFailure();
    }

    private void stoppedProviderLeavesAtOnce() throws Exception {
        third.child().stop();
        // It takes itself off the list before it ends, so there is nothing to wait for.
        if (!list.isExactly(List.of(second))) {
            throw new CaseFailed("stopped, but the list is " + list.entries());
        }
        consumer.awaitAnswers(ENOUGH, names(second));
        consumer.assertNoFailure();
        narrator.say("stopped provider 3: it left the list at once");
    }

    private void longOutageRegistersAgain() throws Exception {
        first = first.startAgain(dubbo);
        awaitList(first, second);
        consumer.awaitAnswers(ENOUGH, names(first, second));
        Set<Long> before = owners(first, second);
        server.kill();
        long start = System.nanoTime();
        // One that expires just while its client registers anew would take the entry from under Curator, which gives up.
        Duration outage = expired().plus(dubbo.sessionTimeout().dividedBy(4));
        Await.until("the outage is longer than the sessions", () -> System.nanoTime() - start > outage.toNanos());
        consumer.assertNoFailure();
        server.start();
        Await.until("every provider is registered by a new session", () -> {
            Set<Long> now = owners(first, second);
            return list.isExactly(List.of(first, second)) && now.stream().noneMatch(before::contains);
        });
        // To register anew Dubbo deletes the old entry first. A consumer that reads the list meanwhile may miss that
        // provider for a while, so here the calls need only go on, not reach both.
        consumer.awaitAnswers(ENOUGH);
    }

    /** Calls that were answered and that failed in all. */
    String calls() {
        return consumer.answered() + " ok, " + consumer.failed() + " failed";
    }

    /** Kills a provider; its entry must go when its session expires, neither earlier nor later. */
    private void killAndAwaitGone(ProviderProcess provider) throws Exception {
        Duration timeout = dubbo.sessionTimeout();
        long start = System.nanoTime();
        provider.child().kill();
        narrator.say("killed " + provider.name() + " with -9");
        Await.until(
                provider.name() + " is gone from the list",
                expired(),
                () -> list.of(provider).isEmpty());
        double gone = secondsSince(start);
        // Its last ping may be a third of the time-out old when it dies; half of it is too early in any case.
        if (gone * 1000 < timeout.toMillis() / 2.0) {
            throw new CaseFailed("gone after " + gone + " s, before its session can have expired");
        }
        narrator.say(String.format(
                Locale.ROOT,
                "%s gone from the list after %.1f s (its session time-out is %d s), the calls go to the others",
                provider.name(), gone, timeout.toSeconds()));
    }

    /** When a session that nobody feeds must be gone: a new leader gives it its whole time-out once more. */
    private Duration expired() {
        boolean alone = System.getenv().getOrDefault("TK_MODE", "standalone").equals("standalone");
        return dubbo.sessionTimeout().plus(TICK.multipliedBy(2)).multipliedBy(alone ? 1 : 2);
    }

    private void awaitList(ProviderProcess... providers) throws InterruptedException {
        List<ProviderProcess> expected = List.of(providers);
        Await.until("the list is exactly " + names(providers), () -> list.isExactly(expected));
    }

    private Set<Long> owners(ProviderProcess... providers) throws KeeperException, InterruptedException {
        Set<Long> owners = new HashSet<>();
        for (ProviderProcess provider : providers) {
            list.of(provider).forEach(entry -> owners.add(entry.ephemeralOwner()));
        }
        return owners;
    }

    private static List<String> names(ProviderProcess... providers) {
        return Stream.of(providers).map(ProviderProcess::name).toList();
    }

    private static double secondsSince(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    private static String shortened(String path) {
        return path.length() <= 80 ? path : path.substring(0, 77) + "...";
    }

    @Override
    public void close() {
        for (AutoCloseable part : new AutoCloseable[] {consumer, first, second, third, list}) {
            try {
                if (part != null) {
                    part.close();
                }
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
