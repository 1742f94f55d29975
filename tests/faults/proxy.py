"""A proxy to PostgreSQL that cuts connections at COMMIT: half before the server receives it, half before the answer.

Plain TCP, without TLS. It counts the connections that it cut.
"""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from worker.local.processes import LOOPBACK

_COMMIT = b"COMMIT\x00"  # as the client sends it (Query) and as the server confirms it (CommandComplete)


class Cutter:
    """Accepts connections on its own port and forwards them until it cuts them."""

    def __init__(self, listener: socket.socket, port: int, chance: random.Random) -> None:
        self.port: int = listener.getsockname()[1]
        self.before = 0
        self.after = 0
        self._listener = listener
        self._target = port
        self._random = chance
        self._left = 0
        self._lock = threading.Lock()

    def cut(self, times: int) -> None:
        """Cut this many of the next COMMITs, one in four."""
        with self._lock:
            self._left = times

    @property
    def left(self) -> int:
        return self._left

    def serve(self) -> None:
        """Forward connections until the listener is closed."""
        while True:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            try:
                theirs = socket.create_connection((LOOPBACK, self._target), timeout=10)
            except OSError:
                ours.close()
                continue
            theirs.settimeout(None)
            unheard = threading.Event()
            for step in (self._forward, self._back):
                threading.Thread(target=step, args=(ours, theirs, unheard), daemon=True).start()

    def _forward(self, ours: socket.socket, theirs: socket.socket, unheard: threading.Event) -> None:
        with suppress(OSError):
            while data := ours.recv(65_536):
                if _COMMIT in data and self._is_wanted():
                    if self._random.random() < 0.5:
                        self.before += 1
                        break
                    unheard.set()
                theirs.sendall(data)
        _close(ours, theirs)

    def _back(self, ours: socket.socket, theirs: socket.socket, unheard: threading.Event) -> None:
        with suppress(OSError):
            while data := theirs.recv(65_536):
                if unheard.is_set() and _COMMIT in data:
                    self.after += 1
                    break
                ours.sendall(data)
        _close(ours, theirs)

    def _is_wanted(self) -> bool:
        with self._lock:
            wanted = self._left > 0 and self._random.random() < 0.25
            self._left -= wanted
            return wanted


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def cutting(port: int, chance: random.Random) -> Iterator[Cutter]:
    """A proxy in front of the PostgreSQL at this loopback port, while the block runs."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        cutter = Cutter(listener, port, chance)
        threading.Thread(target=cutter.serve, daemon=True).start()
        yield cutter
