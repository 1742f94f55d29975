"""Waiting for a condition, in place of sleeping and hoping."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], what: str, within: float = 60.0) -> None:
    """Return once the condition holds. AssertionError, saying `what` did not happen, after `within` seconds."""
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, f"Not within {within:g} seconds: {what}"
        time.sleep(0.01)
