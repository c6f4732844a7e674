"""Registers cases, bounds each by its own time-out, and prints the result lines.

In: functions marked with `@case`. Out: `ok NAME` or `not ok NAME # reason` on stdout.
Not here: what a case checks.
"""

import faulthandler
import os
import sys
import threading
import time
import traceback

from kazoo.client import KazooClient

from control import CONNECT, Control

WAIT_SECONDS_MAX = 10.0
"""Longest that one condition is awaited inside a case."""

CASES = []


def case(function=None, *, seconds=20):
    """Marks a function as a case; its name, with dashes, is the case's name."""
    if function is None:
        return lambda f: case(f, seconds=seconds)
    CASES.append((function.__name__.replace("_", "-"), function, seconds))
    return function


def eventually(condition, what, seconds=WAIT_SECONDS_MAX):
    """Waits until `condition()` is true and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def equal(actual, expected, what="value"):
    """Asserts equality, naming both sides."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def raises(error, function, *args, **kwargs):
    """Asserts that exactly `error` is raised, and returns it."""
    try:
        value = function(*args, **kwargs)
    except Exception as raised:
        if type(raised) is not error:
            raise AssertionError(
                f"expected {error.__name__}, got {type(raised).__name__}: {raised}"
            ) from raised
        return raised
    raise AssertionError(f"expected {error.__name__}, got {value!r}")


class Scene:
    """What one case works with: a root znode of its own, clients, and the server's control."""

    def __init__(self, name):
        self.root = f"/kazoo-{name}-{os.getpid()}"
        self.control = Control()
        self._clients = []
        self._closers = []

    def client(self, *, timeout=20.0, hosts=CONNECT, start=True, **options):
        """A client that is stopped when the case ends; it reconnects without long back-offs."""
        retry = {"max_tries": -1, "delay": 0.05, "backoff": 1, "max_delay": 0.2}
        options.setdefault("connection_retry", dict(retry))
        options.setdefault("command_retry", dict(retry))
        client = KazooClient(hosts=hosts, timeout=timeout, **options)
        self._clients.append(client)
        if start:
            client.start(timeout=WAIT_SECONDS_MAX)
        return client

    def rooted(self, **options):
        """A started client, and the case's root znode made by it."""
        client = self.client(**options)
        client.ensure_path(self.root)
        return client

    def on_end(self, close):
        """Runs `close` when the case ends."""
        self._closers.append(close)

    def end(self):
        """Stops what the case started and brings the server back if the case left it down."""
        self.control.heal()
        for client in self._clients:
            client.stop()
            client.close()
        for close in self._closers:
            close()
        self.control.close()


def run_all(only=()):
    """Runs the registered cases in order; `only` names the ones to run, all when empty."""
    for name, function, seconds in CASES:
        if only and name not in only:
            continue
        print(_outcome(name, function, seconds), flush=True)


def _outcome(name, function, seconds):
    scene = Scene(name)
    result = []

    def body():
        try:
            function(scene)
            result.append(f"ok {name}")
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            result.append(f"not ok {name} # {reason}")

    for work, bound in ((body, seconds), (scene.end, WAIT_SECONDS_MAX)):
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        thread.join(bound)
        if thread.is_alive():
            faulthandler.dump_traceback(file=sys.stderr)
            if work is scene.end:
                break
            result.append(f"not ok {name} # still running after {seconds} s")
    return result[0]
