"""The guard: whatever happens to the parent or to the guard, the child does not outlive it.
The proof is the end of a pipe: each child holds the guard's standard output, which ends with its last holder only."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

WAITS = "import signal; print('up', flush=True); signal.pause()"
IGNORES_SIGTERM = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)
SAYS_GOODBYE = """
import signal, sys
def stop(number, frame):
    print("asked to stop", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
signal.pause()
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child whose parent is gone")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")


@contextmanager
def guarded(*command: str, options: tuple[str, ...] = ()) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """A guard, its standard input (the parent's end) and the output that it shares with its child."""
    with subprocess.Popen(
        [sys.executable, "-m", "worker.local.guard", *options, "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        try:
            yield guard, guard.stdin, guard.stdout
        finally:
            guard.terminate()


def python(program: str) -> tuple[str, ...]:
    return sys.executable, "-c", textwrap.dedent(program)


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", 128 + signal.SIGKILL),
    ],
)
def test_the_exit_code_passes_through(program: str, code: int) -> None:
    with guarded(*python(program)) as (guard, _, _):
        assert guard.wait() == code


def test_a_command_that_does_not_exist_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with guarded("/no/such/command") as (guard, _, _):
        assert guard.wait() == 127
    assert "No such command: /no/such/command" in capfd.readouterr().err


def test_the_child_is_asked_to_stop_when_the_guards_input_ends() -> None:
    with guarded(*python(SAYS_GOODBYE)) as (guard, parents_end, output):
        assert output.readline() == "up\n"
        parents_end.close()
        assert output.read() == "asked to stop\n"
        assert guard.wait() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_child_is_asked_to_stop_when_the_guard_is(number: signal.Signals) -> None:
    with guarded(*python(SAYS_GOODBYE)) as (guard, _, output):
        assert output.readline() == "up\n"
        guard.send_signal(number)
        assert output.read() == "asked to stop\n"
        assert guard.wait() == 3


def test_the_stop_signal_can_be_chosen() -> None:
    with guarded(*python(WAITS), options=("--signal", "SIGINT")) as (guard, parents_end, output):
        assert output.readline() == "up\n"
        parents_end.close()
        assert guard.wait() == 128 + signal.SIGINT


def test_a_child_that_will_not_stop_is_killed_with_all_it_started() -> None:
    grandchild = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {IGNORES_SIGTERM!r}])\n"
    with guarded(*python(grandchild + IGNORES_SIGTERM), options=("--grace", "0.1")) as (guard, parents_end, output):
        assert [output.readline() for _ in range(2)] == ["up\n", "up\n"]
        parents_end.close()
        assert output.read() == ""
        assert guard.wait() == 128 + signal.SIGKILL


def test_what_a_child_leaves_behind_is_killed() -> None:
    leaves = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {IGNORES_SIGTERM!r}])\nsys.stdin.read()"
    with guarded(*python(leaves)) as (guard, _, output):
        assert output.read() in {"", "up\n"}
        assert guard.wait() == 0


def test_further_requests_to_stop_do_not_reach_a_child_that_is_stopping(tmp_path: Path) -> None:
    counts = f"""
        import os, signal
        asked = 0
        def stop(number, frame):
            global asked
            asked += 1
            print("asked to stop", flush=True)
        signal.signal(signal.SIGTERM, stop)
        print("up", flush=True)
        open({str(tmp_path / "may-end")!r}).read()
        print(asked, flush=True)
    """
    os.mkfifo(tmp_path / "may-end")
    with guarded(*python(counts)) as (guard, parents_end, output):
        assert output.readline() == "up\n"
        guard.terminate()
        assert output.readline() == "asked to stop\n"
        guard.terminate()
        parents_end.close()
        (tmp_path / "may-end").write_text("")
        assert output.read() == "1\n"


def test_a_signal_to_the_guards_group_reaches_the_child_through_the_guard_only(tmp_path: Path) -> None:
    with guarded(*python(WAITS), options=("--pid-file", str(tmp_path / "pid"))) as (guard, _, output):
        assert output.readline() == "up\n"
        child = int((tmp_path / "pid").read_text())
        assert os.getpgid(child) == child
        assert os.getpgid(guard.pid) != child


def test_the_child_ends_when_the_parent_is_killed() -> None:
    parent = f"""
        import subprocess, sys, signal
        guard = [sys.executable, "-m", "worker.local.guard", "--", sys.executable, "-c", {WAITS!r}]
        subprocess.Popen(guard, stdin=subprocess.PIPE)
        signal.pause()
    """
    with subprocess.Popen(python(parent), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()
        assert process.stdout.read() == ""


@linux
def test_the_child_ends_when_the_guard_is_killed() -> None:
    with guarded(*python(WAITS)) as (guard, _, output):
        assert output.readline() == "up\n"
        guard.kill()
        assert output.read() == ""


@linux
@root
def test_a_child_of_another_user_ends_when_the_guard_is_killed() -> None:
    with guarded("sh", "-c", "id -un; exec sleep 1000", options=("--user", "nobody")) as (guard, _, output):
        assert output.readline() == "nobody\n"
        guard.kill()
        assert output.read() == ""
