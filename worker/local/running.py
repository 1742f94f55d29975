"""The embedded shape for a command: its folder, its signals, and whatever goes wrong with it as a line for its reader."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from worker.cli.exits import ExitCode, Problem
from worker.cli.imports.progress import busy
from worker.local.processes import ProcessFailed
from worker.local.stack import EmbeddedShape, FolderInUse, Plan
from worker.local.valkey import NoValkey
from xpm.errors import XpmError

LOG_LINES = 8
"""Of a process that failed, so much of its log is shown."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def housed(plan: Plan, *, kept: bool, what: str) -> Iterator[Plan]:
    """A plan whose folder is there while the block runs; signals to stop interrupt the block once.

    Args:
        plan: with the folder that keeps the state; only its parent is used unless `kept`.
        kept: whether the folder stays.
        what: whose processes they are: `the demo`.

    Raises:
        Problem: what the block tried could not be done, or was interrupted.
    """
    try:
        with _interruptible(), _folder(plan, kept=kept) as folder:
            yield replace(plan, folder=folder)
    except KeyboardInterrupt:
        raise Problem(f"Interrupted: all processes of {what} were stopped.", ExitCode.INTERRUPTED) from None
    except FolderInUse as error:
        raise Problem(str(error)) from None
    except ProcessFailed as error:
        first, *tail = str(error).splitlines()
        raise Problem(first, details=tuple(line.strip() for line in tail[-LOG_LINES:])) from None
    except NoValkey as error:
        raise Problem(str(error).replace("set REDIS_URL to it", "give its address with --redis-url")) from None
    except XpmError as error:
        raise Problem(f"The simulator did not answer as it should. {error}") from None


@contextmanager
def started(plan: Plan) -> Iterator[EmbeddedShape]:
    """The processes, with a word while they come up and while they are stopped."""
    shape = EmbeddedShape(plan)
    with busy("Starting"):
        shape.__enter__()
    try:
        yield shape
    finally:
        for ending in _ENDINGS:
            signal.signal(ending, signal.SIG_IGN)  # we are ending as it is
        with busy("Stopping"):
            shape.__exit__(None, None, None)


@contextmanager
def _folder(plan: Plan, *, kept: bool) -> Iterator[Path]:
    if not kept:
        with tempfile.TemporaryDirectory(prefix="portal-sync-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"--data {plan.folder}: {error.strerror}.", ExitCode.MISUSED) from None
    yield plan.folder.absolute()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Every signal to stop interrupts once, as Ctrl-C does; from then to our end, more of them change nothing."""

    def interrupt(_number: int, _frame: object) -> None:
        for ending in _ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {ending: signal.signal(ending, interrupt) for ending in _ENDINGS}
    yield
    for ending, handler in before.items():
        signal.signal(ending, handler)
