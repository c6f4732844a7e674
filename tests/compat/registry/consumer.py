"""A consumer process: `consumer.py HOSTS`.

Watches the providers' znode and says `list NAME,NAME…` each time it is told of a change, and once at the start.
"""

import sys
import threading

from provider import end_with_parent
from session import SERVICE, connect


def main() -> None:
    """Watches for ever."""
    client = connect(sys.argv[1])
    client.ensure_path(SERVICE)

    @client.ChildrenWatch(SERVICE)
    def told(providers):  # kazoo keeps the watch as long as this does not return False
        print("list " + ",".join(sorted(providers)), flush=True)

    end_with_parent()
    threading.Event().wait()


if __name__ == "__main__":
    main()
