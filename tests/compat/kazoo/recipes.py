"""kazoo's other recipes: barriers, counter, parties, queues, partitioner, leases."""

import datetime
import threading

from harness import case, equal, eventually
from locks import run_threads

from kazoo.recipe.partitioner import PartitionState


@case
def barrier(scene):
    client = scene.rooted()
    gate = client.Barrier(scene.root + "/gate")
    gate.create()
    equal(scene.client().Barrier(scene.root + "/gate").wait(0.2), False)
    passed = []
    waiting = threading.Thread(
        target=lambda: passed.append(scene.client().Barrier(scene.root + "/gate").wait(10)),
        daemon=True,
    )
    waiting.start()
    equal(gate.remove(), True)
    waiting.join()
    equal(passed, [True])
    equal(gate.remove(), False)


@case
def double_barrier(scene):
    clients = [scene.client() for _ in range(4)]
    inside, outside = [], []

    def pass_through(n):
        both = clients[n].DoubleBarrier(scene.root, 4, identifier=f"n{n}")
        both.enter()
        inside.append(n)
        eventually(lambda: len(inside) == 4, "all are inside")
        assert not outside, "somebody left before all were inside"
        both.leave()
        outside.append(n)

    run_threads([lambda n=n: pass_through(n) for n in range(4)])
    equal(sorted(outside), [0, 1, 2, 3])


@case(seconds=30)
def counter_of_many_writers(scene):
    clients = [scene.client() for _ in range(4)]

    def count(client):
        counter = client.Counter(scene.root)
        for _ in range(25):
            counter += 1

    run_threads([lambda c=client: count(c) for client in clients])
    equal(clients[0].Counter(scene.root).value, 100)


@case
def counter_keeps_its_type(scene):
    client = scene.rooted()
    counter = client.Counter(scene.root + "/float", default=1.5)
    counter += 2.0
    counter -= 0.5
    equal((counter.value, counter.pre_value, counter.post_value), (3.0, 3.5, 3.0))
    curator = client.Counter(scene.root + "/curator", support_curator=True)
    curator += 7
    equal(client.get(scene.root + "/curator")[0], b"\x00\x00\x00\x07")


@case
def party(scene):
    clients = [scene.client() for _ in range(3)]
    parties = [client.Party(scene.root, f"n{n}") for n, client in enumerate(clients)]
    for one in parties:
        one.join()
    equal(sorted(parties[0]), ["n0", "n1", "n2"])
    equal(len(parties[1]), 3)
    parties[1].leave()
    clients[2].stop()
    equal(list(parties[0]), ["n0"])


@case
def shallow_party(scene):
    clients = [scene.client() for _ in range(3)]
    parties = [client.ShallowParty(scene.root, f"n{n}") for n, client in enumerate(clients)]
    for one in parties:
        one.join()
    equal(sorted(parties[0]), ["n0", "n1", "n2"])
    parties[0].leave()
    equal(sorted(parties[1]), ["n1", "n2"])


@case
def queue(scene):
    clients = [scene.client() for _ in range(3)]
    queue = clients[0].Queue(scene.root)
    queue.put(b"later", priority=200)
    for n in range(30):
        queue.put(b"%d" % n)
    equal(len(queue), 31)
    taken = []

    def consume(client):
        mine = client.Queue(scene.root)
        while (item := mine.get()) is not None:
            taken.append(item)

    run_threads([lambda c=client: consume(c) for client in clients])
    equal(sorted(taken), sorted([b"later", *(b"%d" % n for n in range(30))]))
    equal(len(queue), 0)


@case
def queue_order(scene):
    client = scene.client()
    queue = client.Queue(scene.root)
    for item, priority in ((b"b", 100), (b"c", 100), (b"d", 150), (b"a", 1)):
        queue.put(item, priority=priority)
    equal([queue.get() for _ in range(5)], [b"a", b"b", b"c", b"d", None])


@case
def locking_queue(scene):
    one, two = scene.client().LockingQueue(scene.root), scene.client().LockingQueue(scene.root)
    equal(one.get(timeout=0.2), None)
    one.put_all([b"1", b"2", b"3"])
    equal(one.get(timeout=5), b"1")
    equal((one.holds_lock(), two.holds_lock()), (True, False))
    equal(two.get(timeout=5), b"2")
    equal(one.consume(), True)
    equal(two.release(), True)
    equal(one.get(timeout=5), b"2")
    equal(two.get(timeout=5), b"3")
    equal((one.consume(), two.consume()), (True, True))
    equal(len(one), 0)


@case
def locking_queue_returns_what_a_lost_consumer_held(scene):
    consumer, other = scene.client(), scene.client()
    queue = consumer.LockingQueue(scene.root)
    queue.put(b"item")
    equal(queue.get(timeout=5), b"item")
    taken = []
    waiting = threading.Thread(
        target=lambda: taken.append(other.LockingQueue(scene.root).get(timeout=10)), daemon=True
    )
    waiting.start()
    consumer.stop()
    waiting.join()
    equal(taken, [b"item"])


@case(seconds=40)
def set_partitioner(scene):
    clients = [scene.client() for _ in range(3)]
    items = tuple(range(9))
    shares = {}

    def drive(n, until):
        share = shares.get(n) or clients[n].SetPartitioner(
            scene.root, items, identifier=f"n{n}", time_boundary=0.3
        )
        shares[n] = share

        def step():
            if share.state == PartitionState.RELEASE:
                share.release_set()
            elif share.state == PartitionState.ALLOCATING:
                share.wait_for_acquire(timeout=0.2)
            elif share.state == PartitionState.FAILURE:
                raise AssertionError("partitioner failed")
            return share.state == PartitionState.ACQUIRED and until(list(share))

        eventually(step, f"the share of n{n}", seconds=15)

    run_threads([lambda n=n: drive(n, lambda mine: len(mine) == 3) for n in range(3)])
    equal(sorted(item for share in shares.values() for item in share), list(items))

    shares.pop(2).finish()
    clients[2].stop()
    run_threads([lambda n=n: drive(n, lambda mine: len(mine) >= 4) for n in range(2)])
    equal(sorted(item for share in shares.values() for item in share), list(items))


@case
def lease(scene):
    one, two = scene.client(), scene.client()
    hour = datetime.timedelta(hours=1)
    clock = [datetime.datetime(2020, 1, 1)]
    take = lambda client, name: bool(  # noqa: E731
        client.NonBlockingLease(scene.root, hour, identifier=name, utcnow=lambda: clock[0])
    )
    equal(take(one, "one"), True)
    equal(take(two, "two"), False)
    equal(take(one, "one"), True)
    clock[0] += 2 * hour
    equal(take(two, "two"), True)
    equal(take(one, "one"), False)


@case
def lease_of_several_places(scene):
    clients = [scene.client() for _ in range(3)]
    hour = datetime.timedelta(hours=1)
    taken = [
        bool(client.MultiNonBlockingLease(2, scene.root, hour, identifier=f"n{n}"))
        for n, client in enumerate(clients)
    ]
    equal(taken, [True, True, False])
