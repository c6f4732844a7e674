package treekeeper.dubbo;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A process of ours: started, listened to, killed. None outlives this process. */
final class Child implements AutoCloseable {
    private static final Path LOGS = Path.of(System.getProperty("logs"));

    /**
     * The host name under which providers listen and register. Dubbo refuses every spelling of 127.0.0.1, and would
     * else listen on a network card; so our Java processes have a hosts file of their own.
     */
    private static final String HOST = "loopback";

    private final String name;
    private final Process process;

    private Child(String name, Process process) {
        this.name = name;
        this.process = process;
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    }

    /** Starts {@code command}; each line it says goes to {@code listener}, its errors to a log named after it. */
    static Child start(String name, List<String> command, Consumer<String> listener) throws IOException {
        Files.createDirectories(LOGS);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("DUBBO_IP_TO_BIND", HOST);
        builder.environment().put("DUBBO_IP_TO_REGISTRY", HOST);
        builder.redirectError(ProcessBuilder.Redirect.appendTo(log(name).toFile()));
        Process process = builder.start();
        Thread reader = new Thread(() -> listen(process, listener), name + "-output");
        reader.setDaemon(true);
        reader.start();
        return new Child(name, process);
    }

    /** Starts the {@code main} of a class of ours in a Java process of its own. */
    static Child startJava(String name, Class<?> main, Consumer<String> listener, String... arguments)
            throws IOException {
        Files.createDirectories(LOGS);
        Path hosts = Files.writeString(LOGS.resolve("hosts"), "127.0.0.1 localhost " + HOST + "\n");
        // Dubbo keeps copies of lists in the home folder; ours must not meet those of another process.
        Path home = Files.createTempDirectory(LOGS, "home-");
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + File.separator + "bin" + File.separator + "java",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx192m",
                "-Djdk.net.hosts.file=" + hosts,
                "-Duser.home=" + home,
                "-cp",
                System.getProperty("java.class.path"),
                main.getName()));
        command.addAll(List.of(arguments));
        return start(name, command, listener);
    }

    private static void listen(Process process, Consumer<String> listener) {
        try (BufferedReader lines = process.inputReader()) {
            lines.lines().forEach(listener);
        } catch (IOException | UncheckedIOException e) {
            // The pipe of a killed process breaks; who killed it knows.
        }
    }

    /** Ends it with SIGKILL; returns when it is gone. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** Ends it with SIGTERM; returns when it is gone. */
    void stop() throws InterruptedException {
        // Not Process.destroy, which also closes the child's input and so tells it that its parent is gone.
        process.toHandle().destroy();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new CaseFailed(name + " does not end on SIGTERM");
        }
    }

    /** Whether it still runs. */
    boolean alive() {
        return process.isAlive();
    }

    /** The file its errors and log lines go to. */
    static Path log(String name) {
        return LOGS.resolve(name + ".log");
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
