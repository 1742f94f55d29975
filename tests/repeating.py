"""Something that goes on beside a test or a measurement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(act: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do something again and again in a thread, with so many seconds between."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=go_on, name="repeated", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
