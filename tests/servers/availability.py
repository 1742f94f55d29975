"""What happens when a machine lacks a server that a test needs: locally the test is skipped and the terminal summary
says what is missing and how to get it; under CI=true the test fails, so that nothing goes untested unnoticed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_MARK = "Missing here: "


class Missing(Exception):
    """A server can be neither found nor started. The message says what is missing and what to do."""


@contextmanager
def required() -> Iterator[None]:
    """Within the block a Missing ends the asking test: failed when CI=true, skipped otherwise."""
    try:
        yield
    except Missing as missing:
        end = pytest.fail if os.environ.get("CI", "").lower() in {"true", "1"} else pytest.skip
        end(f"{_MARK}{missing}")


def summary(terminal: pytest.TerminalReporter) -> None:
    """Write what was missing, each thing once, with the number of tests that went without it."""
    tests_without: dict[str, int] = {}
    for report in terminal.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        _, marked, what = reason.partition(_MARK)
        if marked:
            tests_without[what] = tests_without.get(what, 0) + 1
    if tests_without:
        terminal.section("not tested on this machine", yellow=True)
    for what, count in tests_without.items():
        terminal.line(f"{count} skipped. {what}")
