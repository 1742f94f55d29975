"""Processes forked from a fork server are what processes of their own would be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.waiting import wait_until
from tests.worker.local.test_processes import is_gone
from worker.local.processes import ProcessFailed, Supervised, log_line

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a fork server")

UP = log_line("up")
WAITS = (sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()")
TELLS = """
import json, os, random, signal, sys
import fractions
found = {"argv": sys.argv, "path": sys.path[0], "cwd": os.getcwd(), "place": os.environ.get("PLACE")}
found |= {"session": os.getsid(0), "group": os.getpgrp(), "pid": os.getpid(), "parent": os.getppid()}
found |= {"drawn": random.random(), "ignored": signal.getsignal(signal.SIGTERM) == signal.SIG_IGN}
found |= {"stdin": sys.stdin.read(), "zone": __import__("time").tzname[0], "main": __name__, "file": "__file__" in globals()}
found |= {"descriptors": sorted(os.listdir("/proc/self/fd"), key=int)}
print(json.dumps(found), "up", flush=True)
signal.pause()
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(tmp_path / "logs", loaded=["fractions"]) as supervised:
        yield supervised


def told(processes: Supervised, name: str, tmp_path: Path, *options: str, **env: str) -> dict[str, object]:
    command = [sys.executable, *options, "one", "two words"]
    process = processes.start(name, command, ready=UP, env=env, cwd=tmp_path)
    found: dict[str, object] = json.loads(process.log().removesuffix(" up\n"))
    return found


def test_a_process_has_all_that_one_of_its_own_has(processes: Supervised, tmp_path: Path) -> None:
    # Given a program as a module and as text
    (tmp_path / "tells.py").write_text(TELLS)
    for name, options in (("module", ("-m", "tells")), ("text", ("-c", TELLS))):
        # When it is forked, and when it is executed, as what a variable PYTHON… has to do with must be
        forked = told(processes, f"{name}-forked", tmp_path, *options, PLACE="Perth", TZ="Australia/Perth")
        executed = told(
            processes, f"{name}-executed", tmp_path, *options, PLACE="Perth", TZ="Australia/Perth", PYTHONHASHSEED="0"
        )
        # Then it cannot tell the difference, other than by what differs at each start
        assert forked["pid"] == processes[f"{name}-forked"].pid == forked["group"]
        assert forked["parent"] == processes[f"{name}-forked"].guard_pid == forked["session"]
        assert executed["parent"] == executed["session"]
        for each in (forked, executed):
            for differs in ("pid", "group", "session", "parent", "drawn", "descriptors"):
                del each[differs]
        assert forked == executed
        assert forked["place"] == "Perth"
        assert forked["zone"] == "AWST"
        assert forked["stdin"] == ""


def test_processes_are_forked_and_share_nothing_that_is_drawn(processes: Supervised, tmp_path: Path) -> None:
    one, two = (told(processes, name, tmp_path, "-c", TELLS) for name in ("one", "two"))
    assert b"worker.local.fork_server" in Path(f"/proc/{one['pid']}/cmdline").read_bytes()
    assert one["drawn"] != two["drawn"]
    # Neither the other's pipes nor the fork server's socket are left open
    assert one["descriptors"] == two["descriptors"]


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("print('the disk is full'); raise RuntimeError", 1),
        ("import os; os.kill(os.getpid(), 9)", 128 + signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 15)", 128 + signal.SIGTERM),
    ],
)
def test_the_exit_code_passes_through(processes: Supervised, program: str, code: int) -> None:
    command = [sys.executable, "-c", program]
    process = processes.start("short", command, ready=lambda _: True)
    assert process.ended_within(10)
    assert process.exit_code == code


def test_what_a_process_has_to_say_at_its_end_is_written(processes: Supervised) -> None:
    says = "import atexit; atexit.register(print, 'goodbye'); print('half a line', end=' ')"
    process = processes.start("says", [sys.executable, "-c", says], ready=lambda _: True)
    assert process.ended_within(10)
    assert process.log() == "half a line goodbye\n"


def test_a_process_that_does_not_start_is_named_with_its_last_words(processes: Supervised) -> None:
    with pytest.raises(ProcessFailed, match=r"web ended with exit code 1 before it was ready(.|\n)*No module named"):
        processes.start("web", [sys.executable, "-m", "no_such_module"], ready=UP)


def test_a_process_is_asked_to_stop_then_killed(processes: Supervised) -> None:
    polite = "import signal, sys; signal.signal(15, lambda *_: sys.exit(3)); print('up', flush=True); signal.pause()"
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
    for name, program, code in (("polite", polite, 3), ("deaf", deaf, 128 + signal.SIGKILL)):
        process = processes.start(name, [sys.executable, "-c", program], ready=UP, grace=0.3)
        process.stop()
        assert process.exit_code == code


def test_a_killed_guard_takes_its_child_with_it(processes: Supervised, tmp_path: Path) -> None:
    process = processes.start("server", WAITS, ready=UP)
    os.kill(process.guard_pid, signal.SIGKILL)
    assert process.ended_within(10)
    assert process.exit_code == -signal.SIGKILL
    wait_until(lambda: is_gone(tmp_path / "logs/server.pid"), "the child ends")


def test_what_runs_goes_on_without_the_fork_server_and_what_would_start_has_ended(
    processes: Supervised, tmp_path: Path
) -> None:
    # Given a process, and a fork server that was killed
    running = processes.start("running", WAITS, ready=UP)
    server = _parent_of(running.guard_pid)
    os.kill(int(server), signal.SIGKILL)
    wait_until(lambda: _state_of(server) in "ZX", "the fork server ends")
    # When another is started, then that fails and the first goes on
    with pytest.raises(ProcessFailed, match=r"late ended with exit code -9 before it was ready"):
        processes.start("late", WAITS, ready=UP)
    processes.check()
    running.stop()
    assert running.exit_code == 128 + signal.SIGTERM
    assert is_gone(tmp_path / "logs/running.pid")


def test_nothing_is_left_running_when_the_supervising_process_is_killed(tmp_path: Path) -> None:
    supervising = (
        "import signal\n"
        "from pathlib import Path\n"
        "from worker.local.processes import Supervised, log_line\n"
        f"processes = Supervised(Path({str(tmp_path)!r}), loaded=['fractions']).__enter__()\n"
        f"guard = processes.start('server', {list(WAITS)!r}, ready=log_line('up')).guard_pid\n"
        "print(guard, flush=True)\n"
        "signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", supervising], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        guard = process.stdout.readline().decode().strip()
        server = _parent_of(guard)
        process.kill()
    wait_until(lambda: is_gone(tmp_path / "server.pid"), "the supervised process ends")
    wait_until(lambda: _state_of(server) in "ZX", "the fork server ends")
    wait_until(lambda: _state_of(guard) in "ZX", "the guard ends")
    assert (tmp_path / "server.log").read_text() == "up\n"


def _parent_of(pid: object) -> str:
    return Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0]


def _state_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return "X"
