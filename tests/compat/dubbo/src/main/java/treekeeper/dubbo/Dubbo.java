package treekeeper.dubbo;

import java.time.Duration;

/** What every Dubbo process of one walk-through shares: the server, the way to register, the session time-out. */
record Dubbo(String connect, Registration registration, Duration sessionTimeout) {
    /** Name of the log of a process. */
    String logName(String process) {
        return registration.name().toLowerCase() + "-" + process.replace(' ', '-');
    }
}
