package org.apache.zookeeper.client;

import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Collection;
import java.util.List;

/**
 * Stands in for the class of the same name in ZooKeeper 3.4.14, which cuts the host out of the text of an address and
 * so finds no host since Java 14 changed that text. Everything that goes over the wire is the old client's own.
 */
public final class StaticHostProvider implements HostProvider {
  private final List<InetSocketAddress> servers;
  private int next;
  private int triedSinceConnected;

  public StaticHostProvider(Collection<InetSocketAddress> servers) throws UnknownHostException {
    this.servers = List.copyOf(servers);
  }

  @Override
  public int size() {
    return servers.size();
  }

  @Override
  public InetSocketAddress next(long spinDelay) {
    // As in the original: a delay after each round through all of the servers.
    if (triedSinceConnected == servers.size()) {
      triedSinceConnected = 0;
      try {
        Thread.sleep(spinDelay);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    triedSinceConnected++;
    InetSocketAddress server = servers.get(next);
    next = (next + 1) % servers.size();
    return new InetSocketAddress(server.getHostString(), server.getPort());
  }

  @Override
  public void onConnected() {
    triedSinceConnected = 0;
  }
}
