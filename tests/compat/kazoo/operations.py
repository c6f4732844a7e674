"""Znodes: create, read, write, delete, and what their Stat says."""

from harness import case, equal, eventually, raises

from kazoo.exceptions import ConnectionLoss, NoNodeError


@case
def connect_and_close(scene):
    client = scene.client(start=False)
    client.start(timeout=10)
    equal(client.state, "CONNECTED")
    session_id, password = client.client_id
    assert session_id != 0, "session id 0"
    equal(len(password), 16, "password length")
    client.stop()
    equal(client.state, "LOST")


@case
def restart_of_the_client_gives_a_new_session(scene):
    client = scene.client()
    first = client.client_id[0]
    client.restart()
    assert client.client_id[0] != first, "the closed session came back"


@case
def create_get_set_delete(scene):
    client = scene.rooted()
    path = scene.root + "/a"
    equal(client.create(path, b"one"), path)
    data, stat = client.get(path)
    equal(data, b"one")
    equal(stat.version, 0, "version")
    equal(client.set(path, b"two", version=0).version, 1, "version after set")
    equal(client.get(path)[0], b"two")
    client.delete(path, version=1)
    equal(client.exists(path), None)


@case
def stat_of_a_znode_and_its_parent(scene):
    client = scene.rooted()
    path = scene.root + "/a"
    client.create(path, b"1234")
    born = client.exists(path)
    equal(born.czxid, born.mzxid, "mzxid at birth")
    equal(born.czxid, born.pzxid, "pzxid at birth")
    equal(born.ctime, born.mtime, "mtime at birth")
    equal((born.version, born.cversion, born.aversion), (0, 0, 0), "versions at birth")
    equal((born.ephemeralOwner, born.dataLength, born.numChildren), (0, 4, 0))
    parent = client.exists(scene.root)
    equal(parent.pzxid, born.czxid, "parent's pzxid")
    equal((parent.cversion, parent.numChildren, parent.version), (1, 1, 0), "parent")

    changed = client.set(path, b"12")
    assert changed.mzxid > born.mzxid, "mzxid did not grow"
    assert changed.mtime >= born.mtime, "mtime went back"
    equal((changed.czxid, changed.pzxid, changed.dataLength), (born.czxid, born.pzxid, 2))
    equal(client.exists(scene.root).pzxid, born.czxid, "a child's set changed the parent")

    client.delete(path)
    parent = client.exists(scene.root)
    equal((parent.cversion, parent.numChildren), (2, 0), "parent after delete")
    assert parent.pzxid > changed.mzxid, "pzxid did not grow with the delete"


@case
def create_with_stat(scene):
    client = scene.rooted()
    path, stat = client.create(scene.root + "/a", b"xyz", include_data=True)
    equal(path, scene.root + "/a")
    equal(stat, client.exists(path), "stat")
    path, stat = client.create(
        scene.root + "/e-", ephemeral=True, sequence=True, include_data=True
    )
    equal(path, scene.root + "/e-0000000001")
    equal(stat.ephemeralOwner, client.client_id[0], "owner")


@case
def null_data_is_not_empty_data(scene):
    client = scene.rooted()
    client.create(scene.root + "/null", None)
    client.create(scene.root + "/empty", b"")
    equal(client.get(scene.root + "/null")[0], None)
    equal(client.get(scene.root + "/empty")[0], b"")
    client.set(scene.root + "/empty", None)
    equal(client.get(scene.root + "/empty")[0], None)
    equal(client.exists(scene.root + "/null").dataLength, 0, "dataLength of null")


@case
def create_with_missing_parents(scene):
    client = scene.client()
    deep = scene.root + "/a/b/c"
    raises(NoNodeError, client.create, deep)
    equal(client.create(deep, b"x", makepath=True), deep)
    equal(client.get(deep)[0], b"x")
    client.ensure_path(deep + "/d/e")
    assert client.exists(deep + "/d/e"), "ensure_path made nothing"
    client.delete(scene.root, recursive=True)
    equal(client.exists(scene.root), None)


@case
def children_with_and_without_stat(scene):
    client = scene.rooted()
    for name in "cab":
        client.create(f"{scene.root}/{name}")
    equal(sorted(client.get_children(scene.root)), ["a", "b", "c"])
    names, stat = client.get_children(scene.root, include_data=True)
    equal(sorted(names), ["a", "b", "c"])
    equal((stat.numChildren, stat.cversion), (3, 3))


@case
def sequence_numbers_count_creations(scene):
    client = scene.rooted()
    create = lambda: client.create(scene.root + "/s-", sequence=True)  # noqa: E731
    equal(create(), scene.root + "/s-0000000000")
    equal(create(), scene.root + "/s-0000000001")
    client.delete(scene.root + "/s-0000000001")
    client.create(scene.root + "/plain")
    equal(create(), scene.root + "/s-0000000003")
    equal(client.create(scene.root + "/", sequence=True), scene.root + "/0000000004")


@case
def ephemeral_ends_with_its_session(scene):
    client = scene.rooted()
    owner = scene.client()
    path = owner.create(scene.root + "/e", b"x", ephemeral=True)
    equal(client.exists(path).ephemeralOwner, owner.client_id[0], "owner")
    owner.stop()
    client.sync(path)
    equal(client.exists(path), None)


@case
def unicode_paths_and_binary_data(scene):
    client = scene.rooted()
    data = bytes(range(256))
    for name in ("žluťoučký kůň", "服务提供者", "a%2Fb?c=d&e", " spaced "):
        path = f"{scene.root}/{name}"
        equal(client.create(path, data), path)
        equal(client.get(path)[0], data)
        assert name in client.get_children(scene.root), name


@case
def long_names(scene):
    client = scene.rooted()
    path = scene.root + "/" + "dubbo%3A%2F%2F" * 400
    client.create(path, b"x")
    equal(client.get(path)[0], b"x")


@case
def data_close_to_the_limit(scene):
    client = scene.rooted()
    data = b"\x00\x01\x02\xff" * 250_000
    client.create(scene.root + "/big", data)
    equal(client.get(scene.root + "/big")[0] == data, True, "data came back")


@case
def data_over_the_limit_drops_the_connection_only(scene):
    client = scene.rooted()
    raises(ConnectionLoss, client.create, scene.root + "/big", b"x" * 1_100_000)
    equal(client.retry(client.exists, scene.root + "/big"), None)


@case
def many_children_made_in_a_pipeline(scene):
    client = scene.rooted()
    names = [f"child-{n:04}" for n in range(2000)]
    pending = [client.create_async(f"{scene.root}/{name}", b"") for name in names]
    for result in pending:
        result.get(timeout=15)
    equal(sorted(client.get_children(scene.root)), names)
    equal(client.exists(scene.root).numChildren, 2000, "numChildren")


@case
def pipelined_requests_keep_their_order(scene):
    client = scene.rooted()
    writes, reads = [], []
    for n in range(300):
        writes.append(client.set_async(scene.root, str(n).encode()))
        reads.append(client.get_async(scene.root))
    for n, (write, read) in enumerate(zip(writes, reads)):
        equal(write.get(timeout=10).version, n + 1, "version")
        equal(read.get(timeout=10)[0], str(n).encode(), "read behind its own write")


@case
def sync_returns_the_path(scene):
    client = scene.rooted()
    equal(client.sync(scene.root), scene.root)
    equal(client.sync("/no-such-znode"), "/no-such-znode")


@case
def chroot(scene):
    outside = scene.rooted()
    inside = scene.client(hosts=f"{scene.client().hosts[0][0]}:{_port(outside)}{scene.root}")
    equal(inside.create("/a", b"x"), "/a")
    equal(outside.get(scene.root + "/a")[0], b"x")
    equal(inside.create("/s-", sequence=True), "/s-0000000001")
    equal(inside.sync("/a"), "/a")
    seen = []
    inside.get("/a", watch=seen.append)
    outside.set(scene.root + "/a", b"y")
    eventually(lambda: seen, "an event")
    equal([event.path for event in seen], ["/a"], "event paths")


@case
def chroot_is_never_made_by_the_server(scene):
    client = scene.client()
    inside = scene.client(hosts=f"127.0.0.1:{_port(client)}{scene.root}")
    raises(NoNodeError, inside.create, "/a")
    inside.ensure_path("/a")
    assert client.exists(scene.root + "/a"), "ensure_path made nothing"


def _port(client):
    return client.hosts[0][1]
