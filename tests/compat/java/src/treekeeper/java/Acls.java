package treekeeper.java;

import static treekeeper.harness.Check.equal;
import static treekeeper.harness.Check.fails;
import static treekeeper.harness.Check.that;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper.States;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;
import treekeeper.harness.Suite;

/** Permissions, schemes, what getACL shows and what addAuth does. */
final class Acls {
  private Acls() {}

  static void addTo(Suite suite) {
    suite.add("acl-permissions", Acls::permissions);
    suite.add("acl-digest", Acls::digest);
    suite.add("acl-creator-all", Acls::creatorAll);
    suite.add("acl-creator-with-several-identities", Acls::severalIdentities);
    suite.add("acl-creator-without-identity", Acls::withoutIdentity);
    suite.add("acl-ip", Acls::ip);
    suite.add("acl-super", Acls::superUser);
    suite.add("acl-invalid", Acls::invalid);
    suite.add("acl-duplicates-are-dropped", Acls::duplicates);
    suite.add("acl-is-not-inherited", Acls::notInherited);
    suite.add("acl-of-a-new-znode-is-open", Acls::getAcl);
    suite.add("get-acl-hides-digests", Acls::getAclHidesDigests);
    suite.add("get-acl-without-permission", Acls::getAclWithoutPermission);
    suite.add("set-acl-with-versions", Acls::setAclWithVersions);
    suite.add("acl-read-guards-every-read", Acls::readGuards);
    suite.add("auth-of-an-unknown-scheme-fails", Acls::unknownScheme);
    suite.add("auth-with-another-password-is-another-identity", Acls::anotherPassword);
    suite.add("auth-counts-from-the-next-request", Acls::authCountsAtOnce);
    suite.add("auth-added-later-shows-events", Acls::authShowsEvents);
  }

  private static Client openAs(String userAndPassword) throws Exception {
    Client zk = Client.open();
    zk.addAuthInfo("digest", Client.bytes(userAndPassword));
    return zk;
  }

  private static String digestOf(String userAndPassword) throws Exception {
    return DigestAuthenticationProvider.generateDigest(userAndPassword);
  }

  private static final Class<KeeperException.NoAuthException> NO_AUTH = KeeperException.NoAuthException.class;

  private static void permissions(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      String[] names = {"read", "write", "create", "delete", "admin"};
      for (int bit = 0; bit < names.length; bit++) {
        String path = zk.create(root + "/" + names[bit], null, Client.acl(1 << bit, "world", "anyone"), CreateMode.PERSISTENT);
        boolean admin = names[bit].equals("admin");
        check(names[bit].equals("read"), () -> zk.getData(path, false, null));
        check(names[bit].equals("read"), () -> zk.getChildren(path, false));
        check(names[bit].equals("read"), () -> zk.exists(path, false));
        check(names[bit].equals("read") || admin, () -> zk.getACL(path, null));
        check(names[bit].equals("write"), () -> zk.setData(path, null, -1));
        check(names[bit].equals("create"), () -> zk.make(path + "/child"));
        // Without CREATE there is no child, and the right is asked for before the child.
        if (names[bit].equals("delete")) {
          fails(KeeperException.NoNodeException.class, () -> zk.delete(path + "/child", -1));
        } else {
          fails(NO_AUTH, () -> zk.delete(path + "/child", -1));
        }
        check(admin, () -> zk.setACL(path, Ids.OPEN_ACL_UNSAFE, -1));
      }
      String none = zk.create(root + "/none", null, Client.acl(0, "world", "anyone"), CreateMode.PERSISTENT);
      check(false, () -> zk.getData(none, false, null));
      check(false, () -> zk.getACL(none, null));
      zk.delete(none, -1);
    }
  }

  private static void check(boolean allowed, treekeeper.harness.Check.Body body) throws Exception {
    if (allowed) {
      try {
        body.run();
      } catch (Throwable failure) {
        throw new AssertionError(failure);
      }
    } else {
      fails(NO_AUTH, body);
    }
  }

  private static void digest(String root) throws Exception {
    try (Client ann = openAs("ann:secret"); Client bob = openAs("bob:secret"); Client nobody = Client.open()) {
      nobody.create(root, Client.bytes("x"), Client.acl(Perms.ALL, "digest", digestOf("ann:secret")), CreateMode.PERSISTENT);
      equal("x", ann.text(root));
      ann.setData(root, null, -1);
      fails(NO_AUTH, () -> bob.getData(root, false, null));
      fails(NO_AUTH, () -> nobody.getData(root, false, null));
      fails(NO_AUTH, () -> nobody.setData(root, null, -1));
      fails(NO_AUTH, () -> bob.make(root + "/a"));
      ann.make(root + "/a");
    }
  }

  private static void creatorAll(String root) throws Exception {
    try (Client ann = openAs("ann:secret"); Client again = openAs("ann:secret"); Client nobody = Client.open()) {
      ann.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      equal(Client.acl(Perms.ALL, "digest", digestOf("ann:secret")), ann.getACL(root, null));
      again.setData(root, null, -1);
      fails(NO_AUTH, () -> nobody.getData(root, false, null));
    }
  }

  private static void severalIdentities(String root) throws Exception {
    try (Client both = openAs("ann:secret"); Client bob = openAs("bob:secret")) {
      both.addAuthInfo("digest", Client.bytes("bob:secret"));
      both.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      List<String> ids = both.getACL(root, null).stream().map(entry -> entry.getId().getId()).sorted().toList();
      equal(List.of(digestOf("ann:secret"), digestOf("bob:secret")), ids);
      bob.setData(root, null, -1);
    }
  }

  private static void withoutIdentity(String root) throws Exception {
    try (Client zk = Client.open()) {
      fails(KeeperException.InvalidACLException.class, () -> zk.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
      zk.make(root);
      fails(KeeperException.InvalidACLException.class, () -> zk.setACL(root, Ids.CREATOR_ALL_ACL, -1));
    }
  }

  private static void ip(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      for (String id : List.of("127.0.0.1", "127.0.0.1/32", "127.0.0.0/8", "127.1.2.3/8", "0.0.0.0/0")) {
        String path = zk.create(root + "/n", null, Client.acl(Perms.ALL, "ip", id), CreateMode.PERSISTENT_SEQUENTIAL);
        zk.setData(path, Client.bytes(id), -1);
        equal(Client.acl(Perms.ALL, "ip", id), zk.getACL(path, null));
      }
      for (String id : List.of("127.0.0.2", "10.0.0.0/8", "126.0.0.0/8", "::1")) {
        String path = zk.create(root + "/n", null, Client.acl(Perms.ALL, "ip", id), CreateMode.PERSISTENT_SEQUENTIAL);
        fails(NO_AUTH, () -> zk.setData(path, null, -1));
      }
    }
  }

  private static void superUser(String root) throws Exception {
    try (Client zk = openAs("super:secret"); Client nobody = Client.open(); Client wrong = openAs("super:wrong")) {
      nobody.create(root, Client.bytes("x"), Client.acl(Perms.ALL, "digest", "nobody:x"), CreateMode.PERSISTENT);
      fails(NO_AUTH, () -> wrong.getData(root, false, null));
      equal("x", zk.text(root));
      zk.setData(root, null, -1);
      zk.make(root + "/a");
      zk.delete(root + "/a", -1);
      equal("nothing is hidden from it", Client.acl(Perms.ALL, "digest", "nobody:x"), zk.getACL(root, null));
      zk.setACL(root, Ids.OPEN_ACL_UNSAFE, -1);
      nobody.setData(root, null, -1);
    }
  }

  private static void invalid(String root) throws Exception {
    try (Client zk = Client.open()) {
      List<List<ACL>> lists = List.of(
          Client.acl(Perms.ALL, "world", "someone"),
          Client.acl(Perms.ALL, "no-such-scheme", "x"),
          Client.acl(Perms.ALL, "digest", "no-colon"),
          Client.acl(Perms.ALL, "digest", "too:many:colons"),
          Client.acl(Perms.ALL, "ip", "127.0.0.1/33"),
          Client.acl(Perms.ALL, "ip", "127.0.0.1/-1"),
          Client.acl(Perms.ALL, "ip", "127.0.0.1/x"),
          Client.acl(Perms.ALL, "ip", "1.2.3"),
          Client.acl(Perms.ALL, "ip", "localhost"));
      for (List<ACL> list : lists) {
        fails(KeeperException.InvalidACLException.class, () -> zk.create(root, null, list, CreateMode.PERSISTENT));
        List<ACL> withGood = new ArrayList<>(Ids.OPEN_ACL_UNSAFE);
        withGood.addAll(list);
        fails(KeeperException.InvalidACLException.class, () -> zk.create(root, null, withGood, CreateMode.PERSISTENT));
      }
      equal(null, zk.stat(root));
    }
  }

  private static void duplicates(String root) throws Exception {
    ACL world = new ACL(Perms.ALL, Ids.ANYONE_ID_UNSAFE);
    ACL ip = new ACL(Perms.READ, new Id("ip", "127.0.0.1"));
    try (Client zk = Client.open()) {
      zk.create(root, null, Arrays.asList(ip, world, ip, world), CreateMode.PERSISTENT);
      equal(List.of(ip, world), zk.getACL(root, null));
    }
  }

  private static void notInherited(String root) throws Exception {
    try (Client ann = openAs("ann:secret"); Client nobody = Client.open()) {
      ann.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      ann.make(root + "/open", "x");
      equal("x", nobody.text(root + "/open"));
      nobody.make(root + "/open/a");
      fails(NO_AUTH, () -> nobody.delete(root + "/open", -1));
      fails(NO_AUTH, () -> nobody.getChildren(root, false));
    }
  }

  private static void getAcl(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      Stat stat = new Stat();
      equal(Ids.OPEN_ACL_UNSAFE, zk.getACL(root, stat));
      equal(zk.stat(root), stat);
      equal(Ids.OPEN_ACL_UNSAFE, zk.getACL("/", null));
    }
  }

  private static void getAclHidesDigests(String root) throws Exception {
    List<ACL> acl = Arrays.asList(
        new ACL(Perms.ALL, new Id("digest", digestOf("ann:secret"))),
        new ACL(Perms.READ, Ids.ANYONE_ID_UNSAFE),
        new ACL(Perms.READ, new Id("ip", "127.0.0.1")));
    try (Client ann = openAs("ann:secret"); Client nobody = Client.open()) {
      ann.create(root, null, acl, CreateMode.PERSISTENT);
      equal(acl, ann.getACL(root, null));
      List<ACL> shown = nobody.getACL(root, null);
      equal(new ACL(Perms.ALL, new Id("digest", "ann:x")), shown.get(0));
      equal(acl.subList(1, 3), shown.subList(1, 3));
    }
  }

  private static void getAclWithoutPermission(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.create(root, null, Client.acl(Perms.WRITE | Perms.CREATE | Perms.DELETE, "world", "anyone"), CreateMode.PERSISTENT);
      fails(NO_AUTH, () -> zk.getACL(root, null));
    }
  }

  private static void setAclWithVersions(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.make(root);
      equal(1, zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 0).getAversion());
      fails(KeeperException.BadVersionException.class, () -> zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 0));
      equal(2, zk.setACL(root, Ids.READ_ACL_UNSAFE, -1).getAversion());
      equal(Ids.READ_ACL_UNSAFE, zk.getACL(root, null));
      fails(NO_AUTH, () -> zk.setACL(root, Ids.OPEN_ACL_UNSAFE, 2));
    }
  }

  private static void readGuards(String root) throws Exception {
    try (Client ann = openAs("ann:secret"); Client nobody = Client.open()) {
      ann.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      fails(NO_AUTH, () -> nobody.getData(root, false, null));
      fails(NO_AUTH, () -> nobody.exists(root, false));
      fails(NO_AUTH, () -> nobody.getChildren(root, false));
      fails(NO_AUTH, () -> nobody.getChildren(root, false, new Stat()));
      fails(NO_AUTH, () -> nobody.getAllChildrenNumber(root));
      fails(NO_AUTH, () -> nobody.multi(List.of(Op.check(root, -1))));
    }
  }

  private static void unknownScheme(String root) throws Exception {
    for (String scheme : List.of("no-such-scheme", "world")) {
      Client zk = Client.open();
      zk.addAuthInfo(scheme, Client.bytes("x"));
      zk.events.awaitState(KeeperState.AuthFailed);
      equal(States.AUTH_FAILED, zk.getState());
      fails(KeeperException.AuthFailedException.class, () -> zk.stat("/"));
      zk.close();
    }
  }

  private static void anotherPassword(String root) throws Exception {
    try (Client ann = openAs("ann:secret"); Client wrong = openAs("ann:wrong")) {
      ann.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      fails(NO_AUTH, () -> wrong.getData(root, false, null));
      wrong.addAuthInfo("digest", Client.bytes("ann:secret"));
      wrong.getData(root, false, null);
      wrong.addAuthInfo("digest", Client.bytes("no colon at all"));
      wrong.getData(root, false, null);
      wrong.addAuthInfo("ip", Client.bytes(""));
      wrong.getData(root, false, null);
      equal(States.CONNECTED, wrong.getState());
    }
  }

  private static void authCountsAtOnce(String root) throws Exception {
    try (Client zk = Client.open()) {
      zk.create(root, null, Client.acl(Perms.ALL, "digest", digestOf("ann:secret")), CreateMode.PERSISTENT);
      fails(NO_AUTH, () -> zk.getData(root, false, null));
      zk.addAuthInfo("digest", Client.bytes("ann:secret"));
      zk.getData(root, false, null);
    }
  }

  private static void authShowsEvents(String root) throws Exception {
    try (Client ann = openAs("ann:secret"); Client zk = Client.open()) {
      ann.create(root, null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
      Events seen = new Events();
      zk.addWatch(root, seen, AddWatchMode.PERSISTENT);
      ann.setData(root, null, -1);
      zk.fence();
      seen.expectNone();
      zk.addAuthInfo("digest", Client.bytes("ann:secret"));
      zk.getData(root, false, null);
      ann.setData(root, null, -1);
      seen.expect(EventType.NodeDataChanged, root);
      that(zk.has(root), "it can be read now");
    }
  }
}
