"""A provider process: `provider.py HOSTS NAME`.

Registers NAME as an ephemeral znode, again whenever it has a new session, and says `registered` each time.
Ends in order on SIGTERM, and at once when its parent is gone.
"""

import os
import signal
import sys
import threading

from kazoo.exceptions import NodeExistsError, NoNodeError
from kazoo.protocol.states import KazooState

from session import SERVICE, connect


def register(client, name: str) -> None:
    """Creates the znode; one left by an earlier process of this name is replaced, as its session will end."""
    path = f"{SERVICE}/{name}"
    while True:
        try:
            client.create(path, name.encode(), ephemeral=True, makepath=True)
            print("registered", flush=True)
            return
        except NodeExistsError:
            try:
                client.delete(path)
            except NoNodeError:
                pass  # It ended in between.


def main() -> None:
    """Registers and waits for the end."""
    _, hosts, name = sys.argv
    stop = threading.Event()
    lost = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    client = connect(hosts)

    def on_state(state: str) -> None:
        if state == KazooState.LOST:
            lost.set()
        elif state == KazooState.CONNECTED and lost.is_set():
            lost.clear()
            client.handler.spawn(register, client, name)

    client.add_listener(on_state)
    register(client, name)
    end_with_parent()
    stop.wait()
    client.stop()


def end_with_parent() -> None:
    """Ends this process when its input does: nobody outlives the suite."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
