"""Starting a program. What is imported stays; to look for garbage in it meanwhile took half of the time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """For imports at the start of a process: the block's objects are never looked at as garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
