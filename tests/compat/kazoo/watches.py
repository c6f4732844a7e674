"""One-shot watches and the helpers kazoo builds on them."""

from harness import case, equal, eventually, raises

from kazoo.exceptions import NoNodeError
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.watchers import PatientChildrenWatch


@case
def watch_of_exists(scene):
    client = scene.rooted()
    path, seen = scene.root + "/a", []
    client.exists(path, watch=seen.append)
    client.create(path)
    client.exists(path, watch=seen.append)
    client.set(path, b"x")
    client.exists(path, watch=seen.append)
    client.delete(path)
    eventually(lambda: len(seen) == 3, "three events")
    equal([(e.type, e.path) for e in seen], [(t, path) for t in ("CREATED", "CHANGED", "DELETED")])


@case
def watch_of_get_is_one_shot(scene):
    client = scene.rooted()
    seen = []
    client.get(scene.root, watch=seen.append)
    client.set(scene.root, b"1")
    client.set(scene.root, b"2")
    client.sync(scene.root)
    eventually(lambda: seen, "an event")
    equal([e.type for e in seen], ["CHANGED"])


@case
def watch_of_get_on_a_missing_znode_is_none(scene):
    client = scene.rooted()
    seen, path = [], scene.root + "/a"
    raises(NoNodeError, client.get, path, watch=seen.append)
    client.create(path)
    client.get(scene.root, watch=seen.append)
    client.set(scene.root, b"")
    eventually(lambda: seen, "the second watch's event")
    equal([e.path for e in seen], [scene.root])


@case
def watch_of_children(scene):
    client = scene.rooted()
    seen = []
    client.get_children(scene.root, watch=seen.append)
    client.create(scene.root + "/a")
    eventually(lambda: len(seen) == 1, "created child")
    client.get_children(scene.root, watch=seen.append)
    client.set(scene.root + "/a", b"x")
    client.set(scene.root, b"x")
    client.create(scene.root + "/a/grandchild")
    client.delete(scene.root + "/a/grandchild")
    client.delete(scene.root + "/a")
    eventually(lambda: len(seen) == 2, "deleted child")
    client.get_children(scene.root, watch=seen.append)
    client.delete(scene.root)
    eventually(lambda: len(seen) == 3, "deleted znode")
    equal([e.type for e in seen], ["CHILD", "CHILD", "DELETED"])
    equal([e.path for e in seen], [scene.root] * 3)


@case
def watches_of_many_clients(scene):
    writer = scene.rooted()
    seen = []
    for _ in range(10):
        scene.client().get(scene.root, watch=seen.append)
    writer.set(scene.root, b"x")
    eventually(lambda: len(seen) == 10, "an event for each client")


@case
def watch_fires_for_an_ephemeral_of_a_closed_session(scene):
    client, owner = scene.rooted(), scene.client()
    seen = []
    path = owner.create(scene.root + "/e", ephemeral=True)
    client.exists(path, watch=seen.append)
    client.get_children(scene.root, watch=seen.append)
    owner.stop()
    eventually(lambda: len(seen) == 2, "both events")
    equal({(e.type, e.path) for e in seen}, {("DELETED", path), ("CHILD", scene.root)})


@case
def data_watch(scene):
    client, writer = scene.rooted(), scene.client()
    path, seen = scene.root + "/a", []

    @client.DataWatch(path)
    def _(data, stat):
        seen.append((data, stat.version if stat else None))

    eventually(lambda: len(seen) == 1, "the call for the missing znode")
    for step, change in enumerate(
        (
            lambda: writer.create(path, b"1"),
            lambda: writer.set(path, b"2"),
            lambda: writer.delete(path),
            lambda: writer.create(path, b"3"),
        )
    ):
        change()
        eventually(lambda: len(seen) == step + 2, f"call {step + 2}")
    equal(seen, [(None, None), (b"1", 0), (b"2", 1), (None, None), (b"3", 0)])


@case
def data_watch_ends_when_it_says_so(scene):
    client = scene.rooted()
    seen = []

    @client.DataWatch(scene.root)
    def _(data, stat):
        seen.append(data)
        return data != b"last"

    client.set(scene.root, b"last")
    eventually(lambda: len(seen) == 2, "the second call")
    client.set(scene.root, b"unseen")
    client.sync(scene.root)
    equal(seen, [b"", b"last"])


@case
def children_watch(scene):
    client, writer = scene.rooted(), scene.client()
    seen = []

    @client.ChildrenWatch(scene.root, send_event=True)
    def _(children, event):
        seen.append((sorted(children), event and event.type))

    writer.create(scene.root + "/a")
    eventually(lambda: len(seen) == 2, "first child")
    writer.create(scene.root + "/b")
    eventually(lambda: len(seen) == 3, "second child")
    writer.delete(scene.root + "/a")
    eventually(lambda: len(seen) == 4, "deleted child")
    equal(seen, [([], None), (["a"], "CHILD"), (["a", "b"], "CHILD"), (["b"], "CHILD")])


@case
def patient_children_watch(scene):
    client, writer = scene.rooted(), scene.client()
    watching = PatientChildrenWatch(client, scene.root, time_boundary=0.4)
    result = watching.start()
    writer.create(scene.root + "/a")
    writer.create(scene.root + "/b")
    children, changed = result.get(timeout=10)
    equal(sorted(children), ["a", "b"])
    writer.create(scene.root + "/c")
    changed.get(timeout=10)


@case
def tree_cache(scene):
    client, writer = scene.rooted(), scene.client()
    writer.create(scene.root + "/before", b"0")
    cache = TreeCache(client, scene.root)
    events = []
    cache.listen(lambda event: events.append((event.event_type, event.event_data)))
    cache.start()
    scene.on_end(cache.close)
    kinds = lambda: [kind for kind, _ in events]  # noqa: E731
    eventually(lambda: TreeEvent.INITIALIZED in kinds(), "initialized")
    equal(cache.get_data(scene.root + "/before").data, b"0")

    writer.create(scene.root + "/a/b/c", b"1", makepath=True)
    eventually(lambda: cache.get_data(scene.root + "/a/b/c"), "the deep znode")
    writer.set(scene.root + "/a/b/c", b"2")
    eventually(lambda: cache.get_data(scene.root + "/a/b/c").data == b"2", "its new data")
    equal(cache.get_children(scene.root), frozenset(["before", "a"]))
    writer.delete(scene.root + "/a", recursive=True)
    eventually(lambda: cache.get_data(scene.root + "/a") is None, "the deleted subtree")
    eventually(lambda: kinds().count(TreeEvent.NODE_REMOVED) == 3, "three removals")
    equal(cache.get_data(scene.root + "/a", default="none"), "none")
