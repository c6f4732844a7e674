"""Sessions over lost links and dead servers: kept, moved, refused, expired."""

import time

from control import CONNECT, Link
from harness import case, equal, eventually

from kazoo.protocol.states import KazooState, KeeperState
from kazoo.security import CREATOR_ALL_ACL


def states_of(client):
    """The list that every state change of the client is appended to."""
    states = []
    client.add_listener(states.append)
    return states


def _survives(scene, down):
    client = scene.rooted(hosts=scene.control.address_over_restarts())
    states = states_of(client)
    session = client.client_id
    path = client.create(scene.root + "/e", b"x", ephemeral=True)
    data, children = [], []
    client.DataWatch(scene.root + "/d", lambda value, stat: data.append(value))
    client.ChildrenWatch(scene.root, lambda names: children.append(sorted(names)))
    down()
    eventually(lambda: client.state == KazooState.SUSPENDED, "suspended")
    scene.control.start()
    eventually(lambda: client.state == KazooState.CONNECTED, "connected again")
    equal(client.client_id, session, "session")
    eventually(lambda: states[-1] == KazooState.CONNECTED, "the listeners are told")
    equal(states, [KazooState.SUSPENDED, KazooState.CONNECTED])
    equal(client.retry(client.exists, path).ephemeralOwner, session[0], "owner")

    writer = scene.client()
    writer.create(scene.root + "/d", b"after")
    eventually(lambda: data and data[-1] == b"after", "the data watch is armed again")
    eventually(lambda: children[-1] == ["d", "e"], "the children watch is armed again")
    client.stop()
    writer.sync(path)
    equal(writer.exists(path), None, "the ephemeral ends with the session")


@case(seconds=40)
def session_survives_kill_of_the_server(scene):
    _survives(scene, scene.control.kill)


@case(seconds=40)
def session_survives_stop_of_the_server(scene):
    _survives(scene, scene.control.stop)


@case(seconds=40)
def acknowledged_writes_survive_kill_of_the_server(scene):
    client = scene.rooted(hosts=scene.control.address_over_restarts())
    pending = [client.create_async(f"{scene.root}/n{n:04}", b"%d" % n) for n in range(500)]
    for result in pending:
        result.get(timeout=15)
    last = client.last_zxid
    scene.control.kill()
    scene.control.start()
    names = client.retry(client.get_children, scene.root)
    equal(len(names), 500, "children")
    for name in names[::50]:
        equal(client.get(f"{scene.root}/{name}")[0], b"%d" % int(name[1:]))
    assert client.create(scene.root + "/after", include_data=True)[1].czxid > last, "zxid went back"


@case(seconds=40)
def auth_is_given_again_after_kill_of_the_server(scene):
    hosts = scene.control.address_over_restarts()
    client = scene.client(hosts=hosts, auth_data=[("digest", "ann:pw")])
    client.create(scene.root, b"x", acl=CREATOR_ALL_ACL)
    scene.control.kill()
    scene.control.start()
    equal(client.retry(client.get, scene.root)[0], b"x")


@case(seconds=40)
def lock_is_held_over_kill_of_the_server(scene):
    hosts = scene.control.address_over_restarts()
    holder, other = scene.client(hosts=hosts), scene.client(hosts=hosts)
    lock = holder.Lock(scene.root, "holder")
    lock.acquire()
    scene.control.kill()
    scene.control.start()
    eventually(lambda: holder.connected and other.connected, "connected again")
    equal(other.retry(other.Lock(scene.root, "other").acquire, blocking=False), False)
    equal(holder.retry(lock.contenders), ["holder"])


@case(seconds=30)
def paused_server_is_noticed_and_used_again(scene):
    client = scene.rooted(timeout=4.0)
    scene.control.pause()
    eventually(lambda: client.state == KazooState.SUSPENDED, "suspended")
    scene.control.resume()
    eventually(lambda: client.state == KazooState.CONNECTED, "connected again")
    assert client.retry(client.exists, scene.root), "the tree is there"


@case(seconds=30)
def session_survives_a_lost_link(scene):
    link = Link()
    scene.on_end(link.close)
    client = scene.client(hosts=link.address)
    session = client.client_id
    client.create(scene.root, ephemeral=True)
    states = states_of(client)
    for _ in range(3):
        link.cut()
        eventually(lambda: states[-1:] == [KazooState.SUSPENDED], "suspended")
        link.mend()
        eventually(lambda: states[-1] == KazooState.CONNECTED, "connected again")
    equal(states, [KazooState.SUSPENDED, KazooState.CONNECTED] * 3)
    equal(client.client_id, session, "session")
    equal(client.retry(client.exists, scene.root).ephemeralOwner, session[0], "owner")


@case(seconds=30)
def session_expires(scene):
    link = Link()
    scene.on_end(link.close)
    observer = scene.rooted()
    client = scene.client(hosts=link.address, timeout=1.0)
    session = client.client_id
    states, events = states_of(client), []
    path = client.create(scene.root + "/e", ephemeral=True)
    observer.exists(path, watch=events.append)
    cut_at = time.monotonic()
    link.cut()
    eventually(lambda: events, "the ephemeral is deleted")
    lived = time.monotonic() - cut_at
    # The last ping was at most a third of the time-out ago; two ticks of rounding follow.
    assert 0.5 < lived < 5.0, f"the session ended after {lived:.1f} s"
    equal(events[0].type, "DELETED")
    link.mend()
    eventually(lambda: states[-1] == KazooState.CONNECTED, "connected with a new session")
    equal(states, [KazooState.SUSPENDED, KazooState.LOST, KazooState.CONNECTED])
    assert client.client_id[0] != session[0], "the expired session came back"
    equal(client.retry(client.exists, path), None)


@case(seconds=30)
def idle_session_lives_by_its_pings(scene):
    observer = scene.rooted()
    idle = scene.client(timeout=1.0)
    session = idle.client_id
    path = idle.create(scene.root + "/e", ephemeral=True)
    before = time.monotonic()
    eventually(lambda: time.monotonic() - before > 4, "four time-outs pass")
    equal(observer.exists(path).ephemeralOwner, session[0], "owner")
    equal(idle.client_id, session, "session")


@case(seconds=30)
def session_is_taken_over_by_its_id_and_password(scene):
    link = Link()
    scene.on_end(link.close)
    first = scene.client(hosts=link.address)
    first.create(scene.root, b"x", ephemeral=True)
    session = first.client_id
    link.cut()
    second = scene.client(client_id=session)
    equal(second.client_id, session, "session")
    equal(second.exists(scene.root).ephemeralOwner, session[0], "owner")
    second.set(scene.root, b"y")
    second.stop()
    equal(scene.client().exists(scene.root), None, "the ephemeral ends with the session")


@case(seconds=30)
def session_with_a_wrong_password_is_refused(scene):
    first = scene.client()
    first.create(scene.root, ephemeral=True)
    session_id, _ = first.client_id
    thief = scene.client(client_id=(session_id, b"\x01" * 16))
    assert thief.client_id[0] not in (0, session_id), "the thief got the session"
    eventually(lambda: first.connected, "the owner is connected")
    equal(first.retry(first.exists, scene.root).ephemeralOwner, session_id, "owner")


@case(seconds=30)
def unknown_and_closed_sessions_are_refused(scene):
    closed = scene.client()
    session = closed.client_id
    closed.stop()
    for stale in (session, (0x1234567890ABCD, b"\x02" * 16)):
        client = scene.client(client_id=stale, start=False)
        states = states_of(client)
        client.start(timeout=10)
        eventually(lambda: states[-1:] == [KazooState.CONNECTED], "connected")
        assert client.client_id[0] not in (0, stale[0]), "a dead session came back"


@case
def read_only_client_gets_a_full_server(scene):
    client = scene.rooted(read_only=True)
    equal(client.client_state, KeeperState.CONNECTED)
    client.create(scene.root + "/a")


@case
def address_list_with_a_dead_server(scene):
    link = Link()
    link.close()
    client = scene.client(hosts=f"{link.address},{CONNECT}", randomize_hosts=False)
    equal(client.state, KazooState.CONNECTED)


@case(seconds=30)
def many_clients_at_once(scene):
    clients = [scene.client(start=False) for _ in range(40)]
    started = [client.start_async() for client in clients]
    for event in started:
        event.wait(10)
    equal(len({client.client_id[0] for client in clients}), 40, "distinct sessions")
    clients[0].ensure_path(scene.root)
    for client in clients:
        client.create(scene.root + "/e-", ephemeral=True, sequence=True)
    equal(len(clients[0].get_children(scene.root)), 40, "ephemerals")
