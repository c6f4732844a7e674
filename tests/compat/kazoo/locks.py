"""kazoo's locks: Lock, ReadLock, WriteLock, Semaphore, Election."""

import threading

from harness import case, equal, eventually, raises

from kazoo.exceptions import LockTimeout

CONTENDERS = 8
ROUNDS = 5


class Guarded:
    """Counts who is inside at the same time."""

    def __init__(self):
        self.inside = 0
        self.inside_max = 0
        self.entries = 0
        self._lock = threading.Lock()

    def __enter__(self):
        with self._lock:
            self.inside += 1
            self.entries += 1
            self.inside_max = max(self.inside_max, self.inside)

    def __exit__(self, *_):
        with self._lock:
            self.inside -= 1


def run_threads(functions):
    """Runs the functions at once, waits for all, and raises the first error of any."""
    errors = []

    def guarded(function):
        try:
            function()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(f,), daemon=True) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@case(seconds=30)
def lock_of_many_contenders(scene):
    guarded = Guarded()
    clients = [scene.client() for _ in range(CONTENDERS)]

    def contend(client):
        lock = client.Lock(scene.root, "contender")
        for _ in range(ROUNDS):
            with lock, guarded:
                client.exists(scene.root)

    run_threads([lambda c=client: contend(c) for client in clients])
    equal((guarded.inside_max, guarded.entries), (1, CONTENDERS * ROUNDS))
    equal(clients[0].get_children(scene.root), [])


@case
def lock_waits_in_line(scene):
    clients = [scene.client() for _ in range(4)]
    locks = [client.Lock(scene.root, f"n{i}") for i, client in enumerate(clients)]
    order = []
    locks[0].acquire()
    threads = []
    for n in (1, 2, 3):
        thread = threading.Thread(target=lambda n=n: (locks[n].acquire(), order.append(n)))
        thread.daemon = True
        thread.start()
        threads.append(thread)
        eventually(lambda: len(locks[0].contenders()) == n + 1, f"contender {n} in line")
    equal(locks[0].contenders(), ["n0", "n1", "n2", "n3"])
    for n in (1, 2, 3):
        equal(order, list(range(1, n)))
        locks[n - 1].release()
        threads[n - 1].join()
    equal(order, [1, 2, 3])


@case
def lock_without_waiting_and_with_a_timeout(scene):
    one, two = scene.client().Lock(scene.root), scene.client().Lock(scene.root)
    equal(one.acquire(), True)
    equal(two.acquire(blocking=False), False)
    raises(LockTimeout, two.acquire, timeout=0.3)
    equal(one.contenders(), [""])
    one.release()
    equal(two.acquire(timeout=5), True)


@case
def lock_passes_on_when_the_holder_closes(scene):
    holder, other = scene.client(), scene.client()
    holder.Lock(scene.root).acquire()
    waiting = threading.Thread(target=other.Lock(scene.root).acquire, daemon=True)
    waiting.start()
    eventually(lambda: len(other.retry(other.get_children, scene.root)) == 2, "two in line")
    holder.stop()
    waiting.join()


@case
def read_and_write_locks(scene):
    readers = [scene.client().ReadLock(scene.root, f"r{n}") for n in range(3)]
    writer = scene.client().WriteLock(scene.root, "w")
    for reader in readers[:2]:
        equal(reader.acquire(timeout=5), True)
    equal(writer.acquire(blocking=False), False)
    entered = []
    waiting = threading.Thread(target=lambda: entered.append(writer.acquire()), daemon=True)
    waiting.start()
    eventually(lambda: "w" in writer.contenders(), "the writer in line")
    raises(LockTimeout, readers[2].acquire, timeout=0.3)
    readers[0].release()
    readers[1].release()
    waiting.join()
    equal(entered, [True])
    equal(readers[2].acquire(blocking=False), False)
    writer.release()
    equal(readers[2].acquire(timeout=5), True)


@case(seconds=30)
def semaphore_of_many_contenders(scene):
    guarded = Guarded()
    clients = [scene.client() for _ in range(6)]

    def contend(client):
        semaphore = client.Semaphore(scene.root, max_leases=3)
        for _ in range(3):
            with semaphore, guarded:
                client.exists(scene.root)

    run_threads([lambda c=client: contend(c) for client in clients])
    assert guarded.inside_max <= 3, f"{guarded.inside_max} inside"
    equal(guarded.entries, 18)


@case
def semaphore_leases(scene):
    clients = [scene.client() for _ in range(3)]
    semaphores = [
        client.Semaphore(scene.root, identifier=f"n{n}", max_leases=2)
        for n, client in enumerate(clients)
    ]
    equal([semaphores[n].acquire() for n in (0, 1)], [True, True])
    equal(semaphores[2].acquire(blocking=False), False)
    equal(sorted(semaphores[2].lease_holders()), ["n0", "n1"])
    clients[0].stop()
    equal(semaphores[2].acquire(timeout=10), True)
    raises(ValueError, clients[2].Semaphore(scene.root, max_leases=9).acquire)


@case
def election_of_one_leader_after_the_other(scene):
    clients = [scene.client() for _ in range(4)]
    elections = [c.Election(scene.root, f"n{n}") for n, c in enumerate(clients)]
    guarded = Guarded()
    led = []

    def lead(name):
        with guarded:
            eventually(lambda: len(elections[0].contenders()) == 4 - len(led), "all others wait")
            led.append(name)

    run_threads(
        [lambda e=e, n=n: e.run(lead, f"n{n}") for n, e in enumerate(elections)]
    )
    equal(guarded.inside_max, 1, "leaders at once")
    equal(sorted(led), ["n0", "n1", "n2", "n3"])
