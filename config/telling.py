"""Whether the log, the metrics and the traces are told of what happens: a rehearsal is not part of what they count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IS_TOLD = ContextVar("is_told", default=True)


def is_told() -> bool:
    """Whether what this thread does is told of."""
    return _IS_TOLD.get()


@contextmanager
def untold() -> Iterator[None]:
    """Tell nobody of the jobs and spans of the block."""
    before = _IS_TOLD.set(False)
    try:
        yield
    finally:
        _IS_TOLD.reset(before)
