"""Named child processes: started one after another as each becomes ready, watched, and stopped in reverse order.
Each runs behind a guard (`worker.local.guard`), so none outlives this process, and writes its own log file."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeAlias

from worker.local.fork_server import ForkedGuard, ForkServer
from worker.local.guard import STOPPING

LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.02
_TAIL = 20  # log lines shown with a failure
_Guard: TypeAlias = subprocess.Popen[bytes] | ForkedGuard


class ProcessFailed(RuntimeError):
    """A process ended unexpectedly or was not ready in time. The message names it and ends with its last log lines."""

    def __init__(self, process: "Process", what: str) -> None:
        tail = process.log().splitlines()[-_TAIL:] or ["(nothing)"]
        super().__init__("\n  ".join([f"{process.name} {what}. The end of its log, {process.log_file}:", *tail]))
        self.name = process.name


class Process:
    """One running child behind its guard. Made by `Supervised.start`."""

    def __init__(self, name: str, guard: _Guard, log_file: Path, pid_file: Path, grace: float) -> None:
        self.name = name
        self.log_file = log_file
        self._guard = guard
        self._pid_file = pid_file
        self._grace = grace
        self._log_start = log_file.stat().st_size

    @property
    def pid(self) -> int:
        """The process id of the child itself, for sending it a signal. FileNotFoundError if it never started."""
        return int(self._pid_file.read_text())

    @property
    def guard_pid(self) -> int:
        return self._guard.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + n when signal n ended it."""
        return self._guard.poll()

    def log(self) -> str:
        """What it has written since it started, both streams together."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def ended_within(self, seconds: float) -> bool:
        """Wait for it to end, at most this long."""
        try:
            self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Ask it to stop, kill it after its grace period, and return once it is gone. Harmless if it already is."""
        assert self._guard.stdin is not None  # noqa: S101  for the type checker: it was opened as a pipe
        self._guard.stdin.close()
        if not self.ended_within(self._grace + 5):
            self._guard.kill()
            self._guard.wait()


Ready = Callable[[Process], bool]
"""A condition that holds once a process can be used. It is polled until it holds."""


def port_open(port: int) -> Ready:
    """Ready once something accepts connections on this loopback port."""

    def ready(_process: Process) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((LOOPBACK, port)) == 0

    return ready


def log_line(text: str) -> Ready:
    """Ready once a line of the log written since the start contains the text."""
    return lambda process: any(text in line for line in process.log().splitlines())


def free_port() -> int:
    """A loopback TCP port that nobody listens on. Use it soon: another process may take it first."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


class Supervised:
    """The child processes of this process. Leaving the `with` block stops them all.

        with Supervised(folder / "logs") as processes:
            processes.start("mail", [sys.executable, "-m", "worker.local.mail_catcher", …], ready=port_open(port))
            while serving:
                processes.check()

    Every guard has its own session, so a Ctrl-C reaches only us and we stop the processes in order.
    """

    def __init__(self, logs: Path, *, loaded: Sequence[str] = ()) -> None:
        """`logs` is the folder for `<name>.log` (appended to) and `<name>.pid`; created if missing. `loaded` are modules
        that most of the processes need: on Linux a fork server (`worker.local.fork_server`) loads them once for all.
        """
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._processes: dict[str, Process] = {}
        self._loaded = tuple(loaded) if sys.platform.startswith("linux") else ()
        self._fork_server: ForkServer | None = None

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        ready: Ready,
        within: float = 60.0,
        grace: float = 10.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: str | None = None,
    ) -> Process:
        """Start a process and return when it is ready.

        `within` and `grace` are seconds: to become ready, and between the stop signal and SIGKILL. `env` is added to
        our environment. `user` runs it as another user, which needs root. The name of an ended process can be reused.

        Raises ProcessFailed if it ends or is not ready in time (then it is stopped), ValueError if the name is in use.
        """
        if name in self._processes and self._processes[name].exit_code is None:
            raise ValueError(f"A process named {name} is already running.")
        self.stop(name)
        log_file, pid_file = self._logs / f"{name}.log", self._logs / f"{name}.pid"
        pid_file.unlink(missing_ok=True)
        options = ["--grace", str(grace), "--signal", stop_signal.name, "--pid-file", str(pid_file.absolute())]
        if user is not None:
            options += ["--user", user]
        words, server, whole = [str(word) for word in command], self._fork_server, {**os.environ, **(env or {})}
        start: Callable[..., _Guard] = _execute_guard
        if server is not None and user is None and server.suits(words, whole):
            start = server.start
        try:
            with _undivided(), log_file.open("ab") as log:
                guard = start([*options, "--", *words], log=log, env=whole, cwd=cwd)
                process = self._processes[name] = Process(name, guard, log_file, pid_file, grace)
            _wait_until(process, ready, within)
        except BaseException:
            self.stop(name)
            raise
        return process

    def __getitem__(self, name: str) -> Process:
        """The process started under this name and not stopped since. Raises KeyError."""
        return self._processes[name]

    def check(self) -> None:
        """Raise ProcessFailed for the first process that has ended unexpectedly."""
        for process in self._processes.values():
            if process.exit_code is not None:
                raise ProcessFailed(process, f"ended by itself with exit code {process.exit_code}")

    def stop(self, name: str | None = None) -> None:
        """Stop the named process, or all of them, the last started first. Harmless for what is not running."""
        for each in [name] if name is not None else list(reversed(self._processes)):
            process = self._processes.get(each)
            if process is not None:
                process.stop()
                self._processes.pop(each, None)  # not before, or an interruption would forget it
        if name is None and self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = None

    def __enter__(self) -> Self:
        try:
            with _undivided():
                if self._loaded:
                    self._fork_server = ForkServer(self._loaded, self._logs / "fork-server.log")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def _undivided() -> Iterator[None]:
    """Hold back stop signals that come meanwhile, whose handlers may raise: between its start and its entry, a process would
    be forgotten. They are not blocked, because children would inherit that."""
    if threading.current_thread() is not threading.main_thread():  # which alone runs handlers
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda came, _: held.append(came)) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for came in held:
            signal.raise_signal(came)


def _wait_until(process: Process, ready: Ready, within: float) -> None:
    until = time.monotonic() + within
    while True:
        if process.ended_within(_POLL_SECONDS):
            raise ProcessFailed(process, f"ended with exit code {process.exit_code} before it was ready")
        if ready(process):
            return
        if time.monotonic() > until:
            raise ProcessFailed(process, f"was not ready within {within:g} seconds")


def _execute_guard(
    arguments: Sequence[str], *, log: BinaryIO, env: Mapping[str, str], cwd: Path | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  the commands are our own servers
        [sys.executable, "-P", "-m", "worker.local.guard", *arguments],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )
