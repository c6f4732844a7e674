"""How every client of this suite connects."""

import logging

from kazoo.client import KazooClient

SESSION_TIMEOUT_S = 3.0

TICK_S = 0.5
"""The server's tickTime."""

SERVICE = "/svc/greeter/providers"
"""The znode whose children are the providers."""

EVERY_100_MS = {"max_tries": -1, "delay": 0.1, "backoff": 1, "max_jitter": 0}
"""How a client tries again while the server is away. With jitter kazoo's delay would shrink from try to try."""


def connect(hosts: str) -> KazooClient:
    """A client that is connected when this returns. It says nothing of broken connections: we break them."""
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    client = KazooClient(
        hosts=hosts, timeout=SESSION_TIMEOUT_S, connection_retry=dict(EVERY_100_MS), command_retry=dict(EVERY_100_MS)
    )
    client.start(timeout=60)
    return client
