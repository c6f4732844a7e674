"""The server under test as seen from outside: where it is, how to kill it, how to cut a link to it."""

import os
import socket
import threading

CONNECT = os.environ["TK_CONNECT"]


class Control:
    """Commands to the runner that owns the server process."""

    def __init__(self):
        self._up = True
        self._paused = False
        self._shelter = None

    def address_over_restarts(self):
        """Where clients connect that are to see the server go down and come back.

        Apache ZooKeeper never answers and never closes a connection that it accepts while it
        starts: NIOServerCnxn.close fails there, as there is no database yet. kazoo then waits
        for a whole session time-out, and its session expires. So its clients are kept out until
        it serves. treekeeper's may come at any moment.
        """
        if os.environ.get("TK_SERVER") != "zookeeper":
            return CONNECT
        if self._shelter is None:
            self._shelter = Link()
        return self._shelter.address

    def kill(self):
        """SIGKILL."""
        self._down("kill")

    def stop(self):
        """SIGTERM, and waits for the process to end."""
        self._down("stop")

    def start(self):
        """Starts the server again on the same port and data; returns once it serves."""
        self._command("start")
        self._up = True
        if self._shelter:
            self._shelter.mend()

    def pause(self):
        """SIGSTOP."""
        self._command("pause")
        self._paused = True

    def resume(self):
        """SIGCONT."""
        self._command("resume")
        self._paused = False

    def heal(self):
        """Leaves the server running, whatever was done to it."""
        if self._paused:
            self.resume()
        if not self._up:
            self.start()

    def close(self):
        """Ends the shelter, if there was one."""
        if self._shelter:
            self._shelter.close()

    def _down(self, word):
        self._command(word)
        self._up = False
        if self._shelter:
            self._shelter.cut()

    @staticmethod
    def _command(word):
        host, port = os.environ["TK_CONTROL"].rsplit(":", 1)
        with socket.create_connection((host, int(port)), 60) as connection:
            connection.sendall(word.encode() + b"\n")
            answer = connection.makefile().readline().strip()
        if answer != "done":
            raise AssertionError(f"control {word}: {answer}")


class Link:
    """A TCP forwarder to the server that can be cut and mended: a client's network."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._open = []
        self._is_cut = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Closes every connection and refuses new ones until `mend`."""
        with self._lock:
            self._is_cut = True
            self._close_all()

    def mend(self):
        """Lets connections through again."""
        with self._lock:
            self._is_cut = False

    def close(self):
        """Ends the forwarder."""
        self._listener.close()
        self.cut()

    def _close_all(self):
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The other side was faster.
            connection.close()
        self._open.clear()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # Closed.
            with self._lock:
                if self._is_cut:
                    near.close()
                    continue
                host, port = CONNECT.rsplit(":", 1)
                try:
                    far = socket.create_connection((host, int(port)), 5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass  # Cut.
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # Closed already.
