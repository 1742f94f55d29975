"""A fork server is a process that has loaded the product and forks guards (`worker.local.guard`), each with its child: what
takes each of them a second is done once. Linux only.

`python -P -m worker.local.fork_server FD MODULE…` loads the modules, then takes requests from the socket FD until that
ends. A guard and its child are what they would be without it: their sessions, signals and exit codes, and their end when the
parent ends. Only what is decided when an interpreter starts is the fork server's: its options and the variables `PYTHON…`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, NoReturn, Self

from config.loading import loading
from worker.local import guard

_LONGEST_REQUEST = 1 << 20


class ForkServer:
    """The parent's side."""

    def __init__(self, modules: Sequence[str], log: Path) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @staticmethod
    def suits(command: Sequence[str], env: Mapping[str, str]) -> bool:
        """Whether a command is a program for this interpreter that needs no interpreter of its own."""
        is_python = command[0] == sys.executable and _of_program(command)[:1] in (["-m"], ["-c"])
        return is_python and all(env[name] == os.environ.get(name) for name in env if name.startswith("PYTHON"))

    def start(
        self, arguments: Sequence[str], *, log: BinaryIO, env: Mapping[str, str], cwd: Path | None
    ) -> ForkedGuard:
        """Have a guard forked once the product is loaded. If the fork server has ended by then, so has the guard."""
        stdin, parents_end = os.pipe()
        status, told = os.pipe()
        request = _Request(arguments, dict(env), str(cwd or Path.cwd()))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._control, [json.dumps(vars(request)).encode()], [stdin, log.fileno(), told])
        os.close(stdin)
        os.close(told)
        return ForkedGuard(parents_end, status)

    def close(self) -> None:
        """End it. Guards that are running stay."""
        self._control.close()
        self._process.wait()


class ForkedGuard:
    """A guard that a fork server has forked, as `subprocess.Popen` has one that it has started."""

    def __init__(self, parents_end: int, status: int) -> None:
        self.stdin = open(parents_end, "wb", buffering=0)  # noqa: SIM115 -- closed by who stops it
        self._status = open(status, "rb", buffering=0)  # noqa: SIM115 -- closed when it has ended
        self._told = b""
        self._code: int | None = None

    @property
    def pid(self) -> int:
        while b"\n" not in self._told and self._code is None:
            self._listen(None)
        if not self._told:
            raise ProcessLookupError("the fork server has ended before it forked the guard")
        return int(self._told.partition(b"\n")[0])

    def poll(self) -> int | None:
        while self._code is None and self._listen(0):
            pass
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while self._code is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left < 0:
                raise subprocess.TimeoutExpired("the guard", timeout or 0)
            self._listen(left)
        return self._code

    def kill(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _listen(self, seconds: float | None) -> bool:
        """Hear what the guard says within this time: its id, its exit code, and by the end of the pipe that it has ended."""
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        if not poll.poll(None if seconds is None else seconds * 1000):
            return False
        said = self._status.read(64)
        self._told += said
        if not said:
            self._status.close()
            _, _, code = self._told.partition(b"\n")
            self._code = int(code) if code else -signal.SIGKILL
        return True


@dataclass(frozen=True)
class _Request:
    """A guard's arguments, and what else it has of its own. With it come its standard input, its output, and the pipe on
    which it tells its id and its exit code."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    cwd: str


def main() -> None:
    """Load the modules and fork guards. Returns in a child whose module has ended, too."""
    descriptor, *modules = sys.argv[1:]
    with loading():
        for module in modules:
            import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended guards are not waited for: they tell themselves
    with socket.socket(fileno=int(descriptor)) as control:
        forked = _serve(control)
    if forked is None:
        return
    request, told = forked
    _tell(told, f"{os.getpid()}\n")
    try:
        code = guard.main(request.arguments, start=_Forked.start)
    except _InTheChild as child:
        os.close(told)
        option, program, *arguments = child.options
    else:
        _tell(told, str(code))
        os._exit(code)
    sys.argv = [option, *arguments]
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.modules["__main__"] = main_module = ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), vars(main_module))  # noqa: S102 -- as the interpreter does


def _serve(control: socket.socket) -> tuple[_Request, int] | None:
    """Fork a guard for each request.

    Returns:
        In a guard, its request and where it tells its end; `None` in the fork server when its parent has ended.
    """
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _LONGEST_REQUEST, 3)
        if not message:
            return None
        sys.stdout.flush()
        if os.fork() == 0:
            os.setsid()
            stdin, log, told = descriptors
            for number, descriptor in enumerate((stdin, log, log)):
                os.dup2(descriptor, number)
            for descriptor in (stdin, log):
                os.close(descriptor)
            os.set_inheritable(told, False)
            request = _Request(**json.loads(message))
            os.chdir(request.cwd)
            os.environ.clear()
            os.environ.update(request.env)
            return request, told
        for descriptor in descriptors:
            os.close(descriptor)


def _tell(told: int, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent has ended
        os.write(told, text.encode())


class _InTheChild(BaseException):
    """Raised in a forked child, to leave the guard's code. `options` are its interpreter's: `-m` or `-c`, and the rest."""

    def __init__(self, options: Sequence[str]) -> None:
        super().__init__(options)
        self.options = options


@dataclass
class _Forked:
    """A guard's child, as `subprocess.Popen` has one."""

    pid: int
    returncode: int | None = None

    @classmethod
    def start(cls, command: Sequence[str], _user: str | None) -> Self:
        """Fork the child of a guard, for a command that `suits`.

        Raises:
            _InTheChild: this is the child.
        """
        end_with_guard = guard.parent_death_signal()
        pid = os.fork()
        if pid == 0:
            _be_the_child(command, end_with_guard)
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)  # as the child does itself, whichever of them comes first
        return cls(pid)

    def poll(self) -> int | None:
        return self._ended(os.WNOHANG)

    def wait(self) -> int:
        code = self._ended(0)
        assert code is not None  # noqa: S101 -- it was waited for
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _be_the_child(command: Sequence[str], end_with_guard: Callable[[], None] | None) -> NoReturn:
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in (*guard.STOPPING, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if end_with_guard is not None:
        end_with_guard()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    random.seed()  # or each child would draw the same
    time.tzset()
    options = _of_program(command)
    if command[1] != "-P":
        sys.path.insert(0, "" if options[0] == "-c" else str(Path.cwd()))
    raise _InTheChild(options)


def _of_program(command: Sequence[str]) -> Sequence[str]:
    """The interpreter's options that say which program it runs, and the program's own."""
    return command[2:] if command[1:2] == ["-P"] else command[1:]


if __name__ == "__main__":
    main()
