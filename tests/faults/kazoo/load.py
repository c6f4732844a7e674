"""kazoo as a client of an ensemble under faults: what it calls and what comes of it, one JSON object a line on stdout.

    load.py HOSTS START REGISTERS PHASE_SECONDS REGISTERS_AT_ONCE SEED

START is the run's beginning in CLOCK_MONOTONIC, which all processes share; REGISTERS znodes /registerN take turns, so
many at once, for so many seconds each. A line on stdin ends the work; the end of stdin ends the process, which leaves
its last session to its fate. The meaning of the lines: tests/src/faults/stock.rs.
"""
import json
import logging
import os
import random
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState

HOSTS, START, REGISTERS, PHASE, AT_ONCE, SEED = sys.argv[1], *map(float, sys.argv[2:])
# How long a call may take before it counts as unknown, and an event to come.
CALL_MAX = 20
EVENT_MAX = 30
AFTER_FAILURE = 0.05

stop = threading.Event()
output = threading.Lock()


def say(**line):
    with output:
        print(json.dumps(line), flush=True)


class Session:
    """A session; a new one when it is over. Its calls are made one after another, and recorded."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.order = 0
        self.client = None
        self.is_lost = False
        self.open()

    def open(self):
        while True:
            self.is_lost = False
            self.client = KazooClient(
                HOSTS,
                timeout=self.timeout,
                connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.5},
                command_retry={"max_tries": 0},
                randomize_hosts=True,
            )
            self.client.add_listener(self.listen)
            try:
                self.client.start(timeout=10)
                return
            except (KazooTimeoutError, KazooException):
                self.end()

    def listen(self, state):
        # kazoo would go on with a new session under the same client.
        if state == KazooState.LOST:
            self.is_lost = True

    def end(self):
        try:
            self.client.stop()
            self.client.close()
        except Exception:  # it is thrown away
            pass

    def renew(self):
        """True if the session is a new one now."""
        if not self.is_lost:
            return False
        say(expired=self.id())
        self.end()
        self.open()
        return True

    def id(self):
        # client_id tells nothing while no server is connected.
        return self.client._session_id or 0

    def call(self, action, call, outcome):
        """What the call gives, or None; only a call of a session that was the same before and after is recorded as known."""
        session = self.id()
        self.order += 1
        start = time.monotonic()
        value = None
        try:
            value = call()
            known = outcome(value)
        except BadVersionError:
            known = {"refused": "bad version"}
        except NoNodeError:
            known = {"refused": "no node"}
        except Exception as error:  # whatever it is, nobody knows what came of the call
            known = {"unknown": repr(error)}
            time.sleep(AFTER_FAILURE)
        if session != self.id() or not session:
            known = {"unknown": "another session"}
            value = None
        say(session=session, order=self.order, action=action, start=start, end=time.monotonic(), outcome=known)
        return value

    def read(self, register, watch=None):
        """Behind a sync, unless it sets a watch."""
        path = "/register%d" % register
        client = self.client

        def synced():
            client.sync_async(path).get(timeout=CALL_MAX)
            return client.get_async(path).get(timeout=CALL_MAX)

        def watched():
            return client.get_async(path, watch=watch).get(timeout=CALL_MAX)

        seen = lambda got: {"read": [got[0].decode(), got[1].version]}
        return self.call({"read": [register, watch is None]}, watched if watch else synced, seen)

    def set(self, register, value, expected):
        path = "/register%d" % register
        client = self.client
        version = -1 if expected is None else expected
        set = lambda: client.set_async(path, value.encode(), version=version).get(timeout=CALL_MAX)
        action = {"set": [register, value, expected]}
        return self.call(action, set, lambda stat: {"set": stat.version})


def register_now(random):
    phase = int((time.monotonic() - START) / PHASE)
    first = min(phase * int(AT_ONCE), int(REGISTERS - AT_ONCE))
    return first + random.randrange(int(AT_ONCE))


def registers(worker):
    choice = random.Random("%d-%d" % (SEED, worker))
    session = Session(choice.uniform(4, 15))
    count = 0
    while not stop.is_set():
        session.renew()
        register = register_now(choice)
        count += 1
        got = session.read(register)
        if got is not None and choice.random() < 0.7:
            expected = got[1].version if choice.random() < 0.5 else None
            session.set(register, "kazoo%d-%d" % (worker, count), expected)
        time.sleep(choice.uniform(0.01, 0.05))
    session.end()


def appends():
    choice = random.Random("%d-append" % SEED)
    session = Session(choice.uniform(4, 15))
    count = 0
    while not stop.is_set():
        session.renew()
        count += 1
        value = "kazoo-append-%d" % count
        client = session.client
        create = lambda: client.create_async("/list/item-", value.encode(), sequence=True).get(timeout=CALL_MAX)
        session.call({"append": value}, create, lambda path: {"appended": int(path.rsplit("-", 1)[1])})
        time.sleep(choice.uniform(0.02, 0.06))
    session.end()


def follow():
    """Every change of a watched znode that is seen has its event, unless the session is over."""
    choice = random.Random("%d-follow" % SEED)
    session = Session(10)
    while not stop.is_set():
        session.renew()
        register = register_now(choice)
        event = threading.Event()
        got = session.read(register, watch=lambda _: event.set())
        if got is None:
            continue
        if event.wait(1) or stop.is_set():
            continue
        again = session.read(register)
        if again is None or again[1].version <= got[1].version:
            continue
        deadline = time.monotonic() + EVENT_MAX
        while not event.wait(0.1) and not session.is_lost:
            if time.monotonic() > deadline:
                text = "kazoo's session %#x watched /register%d at version %d, read version %d, and got no event"
                say(violation=text % (session.id(), register, got[1].version, again[1].version))
                break
    session.end()


def ephemerals():
    """Sessions that own ephemerals, which live as long as they do; the last one stays."""
    choice = random.Random("%d-own" % SEED)
    turn = 0
    while True:
        is_last = stop.is_set()
        turn += 1
        session = Session(choice.uniform(4, 8))
        owner = session.id()
        mine = []
        for index in range(choice.randrange(1, 4)):
            path = "/ephemerals/kazoo-%d-%d" % (turn, index)
            client = session.client
            create = lambda: client.create_async(path, b"", ephemeral=True).get(timeout=CALL_MAX)
            if session.call({"other": "create the ephemeral " + path}, create, lambda _: "done"):
                mine.append(path)
        if is_last:
            if session.id() == owner and not session.is_lost:
                say(live=owner, ephemerals=mine)
            return session
        stop.wait(choice.uniform(0.1, 2))
        for path in mine:
            client = session.client
            exists = lambda: (client.exists_async(path).get(timeout=CALL_MAX),)
            found = session.call({"other": "look for " + path}, exists, lambda _: "done")
            # Another session may have taken its place before the call.
            if found == (None,) and session.id() == owner and not session.is_lost:
                say(violation="%s is gone though kazoo's session %#x lives" % (path, owner))
        session.end()


def main():
    logging.disable(logging.CRITICAL)
    works = [lambda: registers(0), lambda: registers(1), appends, follow]
    threads = [threading.Thread(target=work) for work in works]
    last = []
    threads.append(threading.Thread(target=lambda: last.append(ephemerals())))
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    stop.set()
    for thread in threads:
        thread.join()
    say(finished=True)
    sys.stdin.read()
    # Without closing the session.
    os._exit(0)


main()
