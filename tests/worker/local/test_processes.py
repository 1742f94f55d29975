"""Supervised processes: ready when they say so, missed when they crash, stopped in reverse order."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.waiting import wait_until
from worker.local import processes as processes_of_ours
from worker.local.processes import LOOPBACK, ProcessFailed, Supervised, free_port, log_line, port_open

UP = log_line("up")


def program(text: str) -> list[str]:
    return [sys.executable, "-u", "-c", text]


WAITS = program("import signal; print('up'); signal.pause()")


def notes_its_end(name: str, notes: Path) -> list[str]:
    return program(
        "import signal, sys\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(notes)!r}, 'a').write('{name} '), sys.exit()))\n"
        "print('up')\n"
        "signal.pause()"
    )


def test_a_process_is_started_when_its_port_is_open(tmp_path: Path) -> None:
    port = free_port()
    listens = program(f"import socket, signal; s = socket.create_server(('{LOOPBACK}', {port})); signal.pause()")
    with Supervised(tmp_path) as processes:
        processes.start("server", listens, ready=port_open(port))
        socket.create_connection((LOOPBACK, port)).close()


def test_a_process_is_started_when_what_it_is_waited_for_has_come(tmp_path: Path) -> None:
    writes = program(f"import signal; open({str(tmp_path / 'there')!r}, 'w'); signal.pause()")
    with Supervised(tmp_path) as processes:
        processes.start("writer", writes, ready=lambda _: (tmp_path / "there").exists())
        assert (tmp_path / "there").exists()


def test_the_log_and_the_environment_belong_to_the_process(tmp_path: Path) -> None:
    says = program("import os, signal; print('up in', os.environ['PLACE']); signal.pause()")
    with Supervised(tmp_path) as processes:
        assert processes.start("one", says, ready=UP, env={"PLACE": "Perth"}).log() == "up in Perth\n"
        assert processes.start("two", says, ready=UP, env={"PLACE": "Hobart"}).log() == "up in Hobart\n"


def test_a_process_that_ends_at_once_is_named_with_its_last_words(tmp_path: Path) -> None:
    fails = program("print('the disk is full'); raise SystemExit(4)")
    with (
        Supervised(tmp_path) as processes,
        pytest.raises(ProcessFailed, match=r"store ended with exit code 4 before it was ready(.|\n)*the disk is full"),
    ):
        processes.start("store", fails, ready=log_line("never"))


def test_a_process_that_is_not_ready_in_time_is_stopped(tmp_path: Path) -> None:
    with (
        Supervised(tmp_path) as processes,
        pytest.raises(ProcessFailed, match=r"slow was not ready within 0\.3 seconds"),
    ):
        processes.start("slow", WAITS, ready=log_line("never"), within=0.3)
    wait_until(lambda: is_gone(tmp_path / "slow.pid"), "the slow process is stopped")


def test_a_crash_is_noticed(tmp_path: Path) -> None:
    with Supervised(tmp_path) as processes:
        crashing = processes.start("crashing", WAITS, ready=UP)
        processes.start("other", WAITS, ready=UP)
        processes.check()
        os.kill(crashing.pid, signal.SIGKILL)
        assert crashing.ended_within(10)
        with pytest.raises(ProcessFailed, match=r"crashing ended by itself with exit code 137(.|\n)*up"):
            processes.check()


def test_an_ended_process_can_be_started_again_and_its_log_starts_anew(tmp_path: Path) -> None:
    with Supervised(tmp_path) as processes:
        first = processes.start("server", WAITS, ready=UP)
        os.kill(first.pid, signal.SIGKILL)
        assert first.ended_within(10)
        assert processes.start("server", WAITS, ready=UP).log() == "up\n"
        processes.check()


def test_a_name_is_used_once(tmp_path: Path) -> None:
    with Supervised(tmp_path) as processes:
        processes.start("server", WAITS, ready=UP)
        with pytest.raises(ValueError, match="A process named server is already running"):
            processes.start("server", WAITS, ready=UP)


def test_processes_stop_in_reverse_order(tmp_path: Path) -> None:
    with Supervised(tmp_path) as processes:
        for name in ("database", "worker", "web"):
            processes.start(name, notes_its_end(name, tmp_path / "notes"), ready=UP)
    assert (tmp_path / "notes").read_text() == "web worker database "


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    with Supervised(tmp_path) as processes:
        process = processes.start("server", WAITS, ready=UP)
        processes.stop("server")
        processes.stop("server")
        processes.stop()
        process.stop()
        assert process.exit_code == 128 + signal.SIGTERM
        processes.check()


def test_nothing_is_left_running_when_the_supervising_process_is_killed(tmp_path: Path) -> None:
    supervising = program(
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from worker.local.processes import Supervised, log_line\n"
        f"processes = Supervised(Path({str(tmp_path)!r}))\n"
        f"processes.start('server', {WAITS!r}, ready=log_line('up'))\n"
        "print('up')\n"
        "signal.pause()"
    )
    with subprocess.Popen(supervising, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert not is_gone(tmp_path / "server.pid")
        process.kill()
    wait_until(lambda: is_gone(tmp_path / "server.pid"), "the supervised process ends")


def test_an_interruption_between_the_start_of_a_process_and_its_entry_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a process, and a stop signal that comes just after it was started
    executed, guards = processes_of_ours._execute_guard, []

    def executed_and_interrupted(*args: Any, **named: Any) -> Any:
        guards.append(executed(*args, **named))
        signal.raise_signal(signal.SIGHUP)
        return guards[0]

    monkeypatch.setattr(processes_of_ours, "_execute_guard", executed_and_interrupted)
    before = signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        # When it is started
        with Supervised(tmp_path) as processes, pytest.raises(KeyboardInterrupt):
            processes.start("server", WAITS, ready=UP)
        # Then it was stopped, and the signal's handler is the one that was there
        assert guards[0].poll() is not None
        assert signal.getsignal(signal.SIGHUP) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGHUP, before)


def is_gone(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return True
    return False
