package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;

/** A watcher that keeps what it is told: states of the session apart from events of znodes. */
final class Events implements Watcher {
  private static final int PATIENCE_S = 20;

  private final BlockingQueue<Event.KeeperState> states = new LinkedBlockingQueue<>();
  private final BlockingQueue<WatchedEvent> events = new LinkedBlockingQueue<>();

  @Override
  public void process(WatchedEvent event) {
    if (event.getType() == Event.EventType.None) {
      states.add(event.getState());
    } else {
      events.add(event);
    }
  }

  /** Takes states until the wanted one comes. */
  void awaitState(Event.KeeperState wanted) throws InterruptedException {
    List<Event.KeeperState> seen = new ArrayList<>();
    while (true) {
      Event.KeeperState state = states.poll(PATIENCE_S, TimeUnit.SECONDS);
      that(state != null, "no state " + wanted + " within " + PATIENCE_S + " s, only " + seen);
      if (state == wanted) {
        return;
      }
      seen.add(state);
    }
  }

  /** The next event is this one. */
  WatchedEvent expect(Event.EventType type, String path) throws InterruptedException {
    WatchedEvent event = events.poll(PATIENCE_S, TimeUnit.SECONDS);
    that(event != null, "no event within " + PATIENCE_S + " s, expected " + type + " " + path);
    equal(type + " " + path, event.getType() + " " + event.getPath());
    return event;
  }

  /** No event waits; ask after {@link Client#fence}. */
  void expectNone() {
    WatchedEvent event = events.poll();
    that(event == null, "an event that nobody asked for: " + event);
  }

  /** No state waits: the connection has not moved. */
  void expectNoState() {
    Event.KeeperState state = states.poll();
    that(state == null, "a state that nobody asked for: " + state);
  }

  /** All events so far, in order, as {@code TYPE PATH}. */
  List<String> drain() {
    List<WatchedEvent> taken = new ArrayList<>();
    events.drainTo(taken);
    return taken.stream().map(event -> event.getType() + " " + event.getPath()).toList();
  }
}
