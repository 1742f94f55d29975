"""A thread of its own for the endpoints that hash passwords, with a bounded queue.

A hash takes a fifth of a second of several processors, and 64 MiB. In the threads that all endpoints share, sixty people who
sign in at once would stop everybody else for seconds.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from handlers import refusals

P = ParamSpec("P")
T = TypeVar("T")

#: A hash keeps up to four processors busy by itself; a second one beside it would take as much memory again.
THREADS = 1
#: Requests that wait for a thread; at a tenth to a fifth of a second each, the last waits for six to twelve.
WAITING = 60
RETRY_SECONDS = 10.0


class HashingPool:
    """Runs calls in a few threads of its own. Used from the event loop only."""

    def __init__(self, *, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._threads = anyio.CapacityLimiter(threads)
        self._room = threads + waiting

    @property
    def is_full(self) -> bool:
        return self._room == 0

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in one of the threads.

        Raises:
            RequestRefused: `too_many_at_once`: as many as may wait are waiting.
        """
        if self.is_full:
            raise refusals.TOO_MANY_AT_ONCE().after(RETRY_SECONDS)
        self._room -= 1
        try:
            return await anyio.to_thread.run_sync(call, limiter=self._threads)
        finally:
            self._room += 1


def hashes_passwords(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """An endpoint that takes `portal`, made to run in its pool."""

    @functools.wraps(endpoint)
    async def in_the_pool(*args: P.args, **named: P.kwargs) -> T:
        portal = named["portal"]
        pool: HashingPool = portal.hashing  # type: ignore[attr-defined]  # the endpoint declares it
        return await pool.run(functools.partial(endpoint, *args, **named))

    return in_the_pool
