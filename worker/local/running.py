"""Runs the local system for a command: its folder, its signals, and every failure as a `Problem` to act on."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from worker.cli.exits import ExitCode, Problem
from worker.cli.imports.progress import busy
from worker.local.guard import STOPPING
from worker.local.processes import ProcessFailed
from worker.local.stack import KEYS, FolderInUse, LocalStack, Plan
from worker.local.valkey import NoValkey
from xpm.errors import XpmError

#: After this time a stop signal that came at a bad moment is repeated.
REPEAT_SECONDS = 0.02
LOG_LINES = 8
"""How many log lines of a failed process are shown."""


@contextmanager
def prepared(plan: Plan, *, kept: bool, what: str) -> Iterator[Plan]:
    """The plan with a folder that exists while the block runs. A stop signal interrupts the block once.

    Args:
        kept: whether the plan's folder is used and stays; otherwise a temporary folder is.
        what: whose processes they are: `the demo`.

    Raises:
        Problem: the block failed or was interrupted.
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
        raise Problem(f"The XPM simulator failed. {error}") from None


@contextmanager
def started(plan: Plan) -> Iterator[LocalStack]:
    """The running processes. Shows that they are starting, and stopping."""
    stack = LocalStack(plan)
    try:
        with busy("Starting"):
            stack.__enter__()
        yield stack
    finally:
        _ignore_stop_signals()
        with busy("Stopping"):
            stack.__exit__(None, None, None)


@contextmanager
def _folder(plan: Plan, *, kept: bool) -> Iterator[Path]:
    if not kept:
        with tempfile.TemporaryDirectory(prefix="portal-sync-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (plan.folder / KEYS).exists():  # ours, and perhaps of an earlier release, which let others read it
            plan.folder.chmod(0o700)
    except OSError as error:
        raise Problem(f"--data {plan.folder}: {error.strerror}.", ExitCode.MISUSED) from None
    yield plan.folder.absolute()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Every stop signal interrupts once, as Ctrl-C does; while we stop, further ones are ignored. One that comes while an
    object is destroyed is repeated: Python drops what is raised there, and nobody would be interrupted any more."""

    def interrupt(_number: int, _frame: object) -> None:
        _ignore_stop_signals()
        raise KeyboardInterrupt

    def drop(dropped: sys.UnraisableHookArgs) -> None:
        if isinstance(dropped.exc_value, KeyboardInterrupt):
            for number in STOPPING:
                signal.signal(number, interrupt)
            threading.Timer(REPEAT_SECONDS, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
        else:
            hook(dropped)

    hook, sys.unraisablehook = sys.unraisablehook, drop
    before = {number: signal.signal(number, interrupt) for number in STOPPING}
    try:
        yield
    finally:
        sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


def _ignore_stop_signals() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
