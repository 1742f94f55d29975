"""How long a path takes at worst: asked again and again by a process of its own, which the attackers do not hold up."""

from __future__ import annotations

import http.client
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from urllib.parse import urlsplit

LONGEST_SECONDS = 30.0


@contextmanager
def watching(
    url: str, path: str, headers: Mapping[str, str] | None = None, *, every_seconds: float
) -> Iterator[Synchronized[float]]:
    """Ask until the block ends. Yields the worst answer so far, in milliseconds; infinite if one failed."""
    context = multiprocessing.get_context("spawn")
    worst, begun, stopping = context.Value("d", 0.0), context.Event(), context.Event()
    process = context.Process(
        target=ask, args=(url, path, dict(headers or {}), every_seconds, worst, begun, stopping), daemon=True
    )
    process.start()
    begun.wait(LONGEST_SECONDS)
    try:
        yield worst
    finally:
        stopping.set()
        process.join(LONGEST_SECONDS + 5)


def ask(
    url: str,
    path: str,
    headers: Mapping[str, str],
    every_seconds: float,
    worst: Synchronized[float],
    begun: Event,
    stopping: Event,
) -> None:
    """What the process does."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=LONGEST_SECONDS)
    while not stopping.wait(every_seconds):
        began = time.monotonic()
        try:
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            answer.read()
            is_well = answer.status == 200
        except (OSError, http.client.HTTPException):
            is_well = False
            connection.close()
        worst.value = max(worst.value, (time.monotonic() - began) * 1000 if is_well else float("inf"))
        begun.set()
