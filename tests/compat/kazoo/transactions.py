"""multi: all or nothing, and what each operation is answered."""

from harness import case, equal, eventually, raises

from kazoo.exceptions import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import ZnodeStat


@case
def transaction_success(scene):
    client = scene.rooted()
    client.create(scene.root + "/old")
    transaction = client.transaction()
    transaction.create(scene.root + "/new", b"x")
    transaction.set_data(scene.root + "/new", b"y", version=0)
    transaction.check(scene.root + "/new", version=1)
    transaction.create(scene.root + "/s-", sequence=True, ephemeral=True)
    transaction.delete(scene.root + "/old")
    results = transaction.commit()
    equal(results[0], scene.root + "/new")
    equal(type(results[1]), ZnodeStat)
    equal(results[1].version, 1, "version")
    equal(results[2:], [True, scene.root + "/s-0000000002", True])
    equal(client.get(scene.root + "/new")[0], b"y")
    equal(sorted(client.get_children(scene.root)), ["new", "s-0000000002"])


@case
def transaction_has_one_zxid(scene):
    client = scene.rooted()
    with client.transaction() as transaction:
        for name in "abc":
            transaction.create(f"{scene.root}/{name}")
    zxids = {client.exists(f"{scene.root}/{name}").czxid for name in "abc"}
    equal(len(zxids), 1, "number of zxids")
    equal(client.exists(scene.root).pzxid, zxids.pop(), "parent's pzxid")


@case
def transaction_failure_changes_nothing(scene):
    client = scene.rooted()
    transaction = client.transaction()
    transaction.create(scene.root + "/a")
    transaction.set_data(scene.root, b"changed")
    transaction.delete(scene.root + "/missing")
    transaction.create(scene.root + "/b")
    transaction.check(scene.root, version=0)
    results = transaction.commit()
    expected = [
        RolledBackError,
        RolledBackError,
        NoNodeError,
        RuntimeInconsistency,
        RuntimeInconsistency,
    ]
    equal([type(result) for result in results], expected)
    equal(client.get_children(scene.root), [])
    data, stat = client.get(scene.root)
    equal((data, stat.version, stat.cversion), (b"", 0, 0))


@case
def transaction_failures_by_kind(scene):
    client = scene.rooted()
    transaction = client.transaction()
    transaction.check(scene.root, version=5)
    equal([type(result) for result in transaction.commit()], [BadVersionError])
    transaction = client.transaction()
    transaction.create(scene.root)
    equal([type(result) for result in transaction.commit()], [NodeExistsError])


@case
def transaction_sees_its_own_earlier_operations(scene):
    client = scene.rooted()
    client.create(scene.root + "/a", b"old")
    transaction = client.transaction()
    transaction.delete(scene.root + "/a")
    transaction.create(scene.root + "/a", b"new")
    transaction.create(scene.root + "/a/b")
    transaction.delete(scene.root + "/a/b")
    equal(transaction.commit(), [True, scene.root + "/a", scene.root + "/a/b", True])
    equal(client.get(scene.root + "/a")[0], b"new")


@case
def transaction_empty_and_committed_twice(scene):
    client = scene.rooted()
    transaction = client.transaction()
    equal(transaction.commit(), [])
    raises(ValueError, transaction.commit)


@case
def transaction_of_many_operations(scene):
    client = scene.rooted()
    transaction = client.transaction()
    for n in range(1000):
        transaction.create(f"{scene.root}/n{n:04}", b"x" * 100)
    equal(len(transaction.commit()), 1000, "results")
    equal(client.exists(scene.root).numChildren, 1000, "numChildren")


@case
def failed_transaction_fires_no_watch(scene):
    client = scene.rooted()
    seen = []
    client.get_children(scene.root, watch=seen.append)
    for name in ("/a", "/b"):
        client.exists(scene.root + name, watch=seen.append)
    transaction = client.transaction()
    transaction.create(scene.root + "/a")
    transaction.delete(scene.root + "/missing")
    transaction.commit()
    client.create(scene.root + "/b")
    # In their order, on a thread of kazoo's own: an event of the failed one would be the first.
    eventually(lambda: len(seen) >= 2, "both events")
    expected = [("CREATED", scene.root + "/b"), ("CHILD", scene.root)]
    equal([(event.type, event.path) for event in seen], expected, "events")
