"""Processes of ours, killed and frozen; and the server, through the runner."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable

HERE = Path(__file__).parent
WAIT_S = 30.0
"""More than any step takes on a busy machine; reaching it is a failure."""


class CaseFailed(Exception):
    """A case's reason to fail, as one line."""


def wait_until(what: str, condition: Callable[[], bool], within_s: float = WAIT_S) -> float:
    """Returns how many seconds it took until `condition` held."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > within_s:
            raise CaseFailed(f"not within {within_s} s: {what}")
        time.sleep(0.01)
    return time.monotonic() - start


class Process:
    """A Python process of this folder, listened to line by line. Ends with this one."""

    def __init__(self, script: str, *arguments: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM; returns when it is gone."""
        self._process.terminate()
        try:
            self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise CaseFailed("a process does not end on SIGTERM") from None

    def freeze(self) -> None:
        """SIGSTOP: alive, and silent."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self._process.pid, signal.SIGCONT)


class Server:
    """The server under test, which the runner kills and starts on request."""

    def __init__(self, control: str) -> None:
        host, port = control.rsplit(":", 1)
        self._address = (host, int(port))

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._command("kill")

    def start(self) -> None:
        """Starts it again on the same port and data; returns when it serves."""
        self._command("start")

    def _command(self, word: str) -> None:
        with socket.create_connection(self._address, timeout=60) as connection:
            connection.sendall(word.encode() + b"\n")
            answer = connection.makefile().readline().strip()
        if answer != "done":
            raise CaseFailed(f"the control answered {answer!r} to {word}")
