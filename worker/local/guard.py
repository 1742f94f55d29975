"""A guard runs one child process for a parent, so that the child never outlives the parent.
`python -m worker.local.guard [--grace SECONDS] [--signal NAME] [--user NAME] [--pid-file PATH] -- COMMAND ARGS…`

The parent starts the guard with a pipe as its standard input and keeps the other end. When that end closes, however the
parent ended (kill -9 included), or when the guard gets SIGTERM, SIGINT or SIGHUP, the guard sends the stop signal to the
child only, and SIGKILL after the grace period. Once the child has ended, the rest of its process group is killed.

The child has its own process group: a Ctrl-C in the terminal, or a signal to the guard's group, reaches it once, through
the guard, and not a second time from the kernel.

When the guard itself is killed with -9, Linux kills the child at once (PR_SET_PDEATHSIG; not the child's own children).
Other systems have no such call: a child whose guard was killed keeps running. The parent's death is noticed everywhere.

A parent that forks without exec shares its end of the pipe with the fork. The guard then waits for both to end.

Standard library only, one thread: the guard is the one process that must not fail.
"""

import argparse
import contextlib
import ctypes
import os
import pwd
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_KILLED_BY = 128  # exit codes from here up name a signal, as in a shell


class Child(Protocol):
    """What a guard needs of its child, as `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def send_signal(self, number: int, /) -> None: ...


def start_child(command: Sequence[str], user: str | None) -> Child:
    """Execute the command."""
    account = pwd.getpwnam(user) if user else None
    return subprocess.Popen(  # noqa: S603  a guard runs the command it is given
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=parent_death_signal(),
    )


def main(
    arguments: Sequence[str] | None = None, *, start: Callable[[Sequence[str], str | None], Child] = start_child
) -> int:
    """Run the command behind the guard and return its exit code.

    As in a shell: 128 + the signal's number when a signal ended the child, 127 when the command does not exist, 126
    when it may not be run. A wrong option exits with 2 and the usage.
    """
    options = _options(arguments)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (*STOPPING, signal.SIGCHLD):
        signal.signal(number, _only_wake)

    inputs = selectors.DefaultSelector()
    inputs.register(wake, selectors.EVENT_READ)
    _watch_parent(inputs)
    try:
        child = start(options.command, options.user)
    except FileNotFoundError as missing:
        sys.stderr.write(f"No such command: {missing.filename}\n")
        return 127
    except PermissionError as refused:
        sys.stderr.write(f"Not allowed to run {refused.filename}: {refused.strerror}\n")
        return 126
    if options.pid_file:
        _write_at_once(options.pid_file, f"{child.pid}\n")

    _wait(child, inputs, wake)
    if child.poll() is None:
        child.send_signal(options.signal)
        _wait(child, inputs, wake, grace=options.grace)
    _kill_group(child.pid)  # the child if its grace period is over, and whatever it left running
    code = child.wait()
    return code if code >= 0 else _KILLED_BY - code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m worker.local.guard", description="Run a command that ends with its parent."
    )
    parser.add_argument(
        "--grace", type=float, default=10.0, metavar="SECONDS", help="between stop signal and SIGKILL (10)"
    )
    parser.add_argument(
        "--signal", type=_signal, default=signal.SIGTERM, metavar="NAME", help="the stop signal (SIGTERM)"
    )
    parser.add_argument("--user", metavar="NAME", help="run the command as this user (needs root)")
    parser.add_argument("--pid-file", type=Path, metavar="PATH", help="write the command's process id here")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the command and its arguments, after --")
    return parser.parse_args(arguments)


def _signal(name: str) -> signal.Signals:
    try:
        return signal.Signals[name]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{name} is not the name of a signal, such as SIGTERM or SIGINT") from None


def parent_death_signal() -> Callable[[], None] | None:
    """What the child runs between fork and exec so that the kernel kills it with us; None where no kernel does.

    It runs after the change of user, which would clear the setting. The library is loaded here, before the fork.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    guard = os.getpid()

    def set_parent_death_signal() -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != guard:  # the guard died in between, so no signal will come
            os._exit(_KILLED_BY + signal.SIGKILL)

    return set_parent_death_signal


def _watch_parent(inputs: selectors.BaseSelector) -> None:
    try:
        inputs.register(sys.stdin.fileno(), selectors.EVENT_READ)
    except PermissionError:  # a file or /dev/null cannot be watched, and reveals nothing about a parent
        sys.stderr.write(
            "The guard's standard input is not a pipe, so it watches for signals but not for its parent.\n"
        )


def _wait(child: Child, inputs: selectors.BaseSelector, wake: int, grace: float | None = None) -> None:
    """Return when the child has ended. Without a grace period also return when asked to stop, otherwise when it is over.

    Further stop requests during the grace period change nothing: a second signal would interrupt running work.
    """
    until = None if grace is None else time.monotonic() + grace
    while child.poll() is None:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            return
        for key, _ in inputs.select(left):
            received = os.read(key.fd, 4096)
            parent_gone = key.fd != wake and not received
            if parent_gone:
                inputs.unregister(key.fd)
            asked = key.fd == wake and any(number in received for number in STOPPING)
            if until is None and (parent_gone or asked):
                return


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: not permitted when only the dead are left
        os.killpg(group, signal.SIGKILL)


def _write_at_once(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


def _only_wake(_number: int, _frame: object) -> None:
    """Do nothing: the signal's number arrives in the wake-up pipe."""


if __name__ == "__main__":
    sys.exit(main())
