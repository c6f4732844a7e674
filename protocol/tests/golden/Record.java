// Does with the stock Java client everything that the protocol has, so that `record` can write it down.

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.Stat;

public class Record {
    interface Call {
        void run() throws Exception;
    }

    static void fails(KeeperException.Code code, Call call) throws Exception {
        try {
            call.run();
        } catch (KeeperException e) {
            if (e.code() == code) {
                return;
            }
            throw e;
        }
        throw new AssertionError("expected " + code);
    }

    static void await(CountDownLatch latch) throws Exception {
        if (!latch.await(30, TimeUnit.SECONDS)) {
            throw new AssertionError("an event is missing");
        }
    }

    public static void main(String[] args) throws Exception {
        var disconnected = new CountDownLatch(1);
        var connected = new CountDownLatch(2);
        Watcher session = event -> {
            switch (event.getState()) {
                case Disconnected -> disconnected.countDown();
                case SyncConnected -> {
                    if (event.getType() == Watcher.Event.EventType.None) {
                        connected.countDown();
                    }
                }
                default -> { }
            }
        };
        var fired = new CountDownLatch(4);
        Watcher watcher = event -> {
            if (event.getType() != Watcher.Event.EventType.None) {
                fired.countDown();
            }
        };

        var zk = new ZooKeeperAdmin(args[0], 6000, session);
        zk.addAuthInfo("digest", "golden:secret".getBytes());
        zk.create("/golden", "one".getBytes(), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/golden/null", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT, new Stat());
        zk.create("/golden/container", new byte[0], Ids.READ_ACL_UNSAFE, CreateMode.CONTAINER, new Stat());
        zk.create("/golden/ttl-", new byte[] {0, -1}, Ids.OPEN_ACL_UNSAFE,
            CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, new Stat(), 600_000);
        zk.create("/golden/grüße", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        fails(KeeperException.Code.NODEEXISTS,
            () -> zk.create("/golden", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));

        zk.exists("/golden/absent", watcher);
        zk.getData("/golden", watcher, new Stat());
        zk.getChildren("/golden", watcher);
        zk.getChildren("/golden", false, new Stat());
        zk.addWatch("/golden/null", watcher, AddWatchMode.PERSISTENT);
        zk.addWatch("/golden", watcher, AddWatchMode.PERSISTENT_RECURSIVE);
        zk.setData("/golden", "two".getBytes(), 0);
        zk.create("/golden/absent", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.delete("/golden/absent", -1);
        await(fired);
        fails(KeeperException.Code.BADVERSION, () -> zk.setData("/golden", null, 0));

        zk.setACL("/golden", Ids.OPEN_ACL_UNSAFE, -1);
        zk.getACL("/golden/null", new Stat());
        zk.getAllChildrenNumber("/");
        zk.getEphemerals("/golden");
        zk.whoAmI();
        var synced = new CountDownLatch(1);
        zk.sync("/golden", (rc, path, context) -> synced.countDown(), null);
        await(synced);
        fails(KeeperException.Code.RECONFIGDISABLED, () -> zk.reconfigure("server.2=a:1:2;3", "1", null, 5, null));

        zk.multi(List.of(
            Op.check("/golden", 1),
            Op.create("/golden/multi", "m".getBytes(), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.create("/golden/multi/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
            Op.create("/golden/multi/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 600_000),
            Op.setData("/golden/multi", null, 0),
            Op.delete("/golden/multi/c", -1)));
        fails(KeeperException.Code.NONODE, () -> zk.multi(List.of(
            Op.check("/golden", -1), Op.delete("/golden/nothing", -1), Op.delete("/golden", -1))));
        zk.multi(List.of(
            Op.getData("/golden"), Op.getChildren("/golden/multi"), Op.getData("/golden/nothing")));

        // Lost and found: the proxy cuts the connection when it sees this.
        zk.exists("/golden/once", watcher);
        zk.getData("/golden", watcher, new Stat());
        zk.getChildren("/golden/multi", watcher);
        fails(KeeperException.Code.NONODE, () -> zk.getData("/cut-the-connection", false, null));
        await(disconnected);
        await(connected);
        zk.removeWatches("/golden/once", watcher, Watcher.WatcherType.Data, false);
        zk.removeAllWatches("/golden", Watcher.WatcherType.Any, false);
        zk.removeAllWatches("/golden/null", Watcher.WatcherType.Any, false);
        // Long enough for a ping, which is due after a third of the session's time.
        TimeUnit.MILLISECONDS.sleep(3000);
        zk.close();

        // Without persistent watches the older operation sets watches again.
        var lost = new CountDownLatch(1);
        var found = new CountDownLatch(2);
        var old = new ZooKeeper(args[0], 6000, event -> {
            if (event.getState() == Watcher.Event.KeeperState.Disconnected) {
                lost.countDown();
            } else if (event.getType() == Watcher.Event.EventType.None) {
                found.countDown();
            }
        });
        old.exists("/golden/once", watcher);
        fails(KeeperException.Code.NONODE, () -> old.getData("/cut-the-connection", false, null));
        await(lost);
        await(found);
        old.getData("/golden", false, null);
        old.close();
    }
}
