"""Commands that run until they are stopped, as real processes: they say where they are and end when they are told to."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis
from cryptography.fernet import Fernet
from rich.cells import cell_len

from portal_db.database import Database
from portal_db.migrate import upgrade
from tests.servers.redis import RedisServer
from tests.test_demo import judge
from tests.worker.cli.conftest import NOBODY_LISTENS
from worker.local.processes import free_port

ROOT = Path(__file__).parents[3]
CLI = (sys.executable, "-m", "worker.cli")


@contextmanager
def started(*arguments: object, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command as a process, killed at the end if it is still there."""
    process = subprocess.Popen(
        [*CLI, *map(str, arguments)],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def alive_with(mark: str) -> list[int]:
    """Processes, other than ours, that have a mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_the_simulator_says_where_it_is_and_how_it_is_spoken_to() -> None:
    port = free_port()
    with started("simulator", "--port", port, "--clients", 5) as simulator:
        assert simulator.stdout is not None
        told = dict(simulator.stdout.readline().strip().split("  ", 1) for _ in range(3))
        headers = {
            "Authorization": f"Bearer {told['access token'].strip()}",
            "xero-tenant-id": told["tenant id"].strip(),
            "Accept": "application/json",
        }
        address = told["XPM_API_URL"].strip() + "/client.api/list"

        def answers() -> bool:
            try:
                return httpx.get(address, headers=headers, trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        until(answers)
        # And its port is taken: a second one says so
        second = subprocess.run([*CLI, "simulator", "--port", str(port)], capture_output=True, text=True)
        assert (second.returncode, second.stdout) == (3, "")
        assert f"Cannot listen on 127.0.0.1:{port}" in second.stderr


def test_the_mail_catcher_keeps_what_it_gets(tmp_path: Path) -> None:
    port = free_port()
    with started("mail-catcher", "--port", port, "--dir", tmp_path / "mail") as catcher:
        assert catcher.stdout is not None
        catcher.stdout.readline()
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("a@practice.example", ["b@client.example"], "Subject: hello\n\nyou")
        assert "b@client.example" in (tmp_path / "mail" / "deliveries.jsonl").read_text()
        catcher.send_signal(signal.SIGTERM)
        assert catcher.wait(20) == 0


@pytest.mark.parametrize("command", [("worker", "--lanes", "email"), ("relay",)], ids=["worker", "relay"])
def test_worker_and_relay_wait_for_redis_and_end_with_0_when_told_to(sqlite_url: str, command: tuple[str, ...]) -> None:
    # Given a migrated database and a Redis that is away
    database = Database(sqlite_url)
    upgrade(database)
    database.close()
    env = {"DATABASE_URL": sqlite_url, "REDIS_URL": NOBODY_LISTENS, "TOKEN_KEYS": Fernet.generate_key().decode()}
    with started(*command, env=env) as process:
        assert process.stderr is not None
        # When the process is up
        while ".ready" not in (line := process.stderr.readline()):
            assert line, "it ended before it was ready"
        # Then it stays, and ends well when told to
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize("command", [("worker", "--lanes", "email"), ("relay",)], ids=["worker", "relay"])
def test_worker_and_relay_refuse_a_redis_that_they_cannot_work_with(
    sqlite_tables: str, own_redis: RedisServer, command: tuple[str, ...]
) -> None:
    # Given a Redis whose user lacks a right
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command(
            "ACL", "SETUSER", "portal", "on", ">secret", "~portal:*", "+@all", "-@dangerous", "-blmove"
        )
    url = own_redis.url.replace("redis://", "redis://portal:secret@")
    env = {"DATABASE_URL": sqlite_tables, "REDIS_URL": url, "TOKEN_KEYS": Fernet.generate_key().decode()}
    # When the process starts, it ends at once
    with started(*command, env=env) as process:
        _, err = process.communicate(timeout=60)
    # And says in one line what to change
    assert process.returncode == 3
    [line] = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert "Give its user ~portal:* +@all -@dangerous" in line
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    # Given a demo with its processes up
    mark = f"MARK={uuid4()}"
    env = dict([mark.split("=")])
    with started("demo", "--clients", 300, "--data", tmp_path / "demo", env=env) as demo:
        until(lambda: (tmp_path / "demo" / "logs" / "worker-background.pid").exists())
        assert len(alive_with(mark)) > 5
        # When it is interrupted, more than once
        demo.send_signal(number)
        time.sleep(0.2)
        demo.send_signal(number)
        _, err = demo.communicate(timeout=60)
        # Then it ends with 130 and says so, and no process is left
        assert demo.returncode == 130, err
        assert err.splitlines()[-1] == "Error: Interrupted: all processes of the demo were stopped."
        assert alive_with(mark) == []


def figures_in(shown: str) -> dict[str, Any]:
    """A demo's figures, from what it tells people."""
    rows = re.findall(r" (?:individual|entity) +([a-z]+) *([a-z_]*) *$", shown.split("Results\n")[1], re.MULTILINE)
    named = re.search(r"\nLeft out, because .*\n((?:  .*: .*\n)+)", shown)
    left_out = [line.rpartition(": ")[2].split(", ") for line in named[1].splitlines()] if named else []
    imported = re.search(
        r"(\d+) clients? and (\d+) entit(?:y|ies); (\d+) with details; (\d+) review items?;", " ".join(shown.split())
    )
    calls = re.search(r"(\d+) calls?, .* (\d+) rate-limited", shown)
    assert imported
    assert calls
    names = ("clients_created", "entities_created", "details_imported", "relationships_found")
    return {
        **dict(zip(names, map(int, imported.groups()), strict=True)),
        "imports": dict(Counter(state for state, _ in rows)),
        "rejections": dict(Counter(code for _, code in rows if code)),
        "left_out": dict(Counter(name for names in left_out for name in names)),
        "welcome_emails": int(shown.split("Welcome emails\n")[1].split()[0]),
        "xpm_calls": int(calls[1]),
        "xpm_429": int(calls[2]),
        "unfinished": len(rows) - len([state for state, _ in rows if state in ("succeeded", "rejected")]),
        "dead": 0,  # a dead letter is neither
    }


def test_the_demo_tells_people_what_became_of_each_client_within_80_columns(tmp_path: Path) -> None:
    # When the smallest practice that has every oddity is imported, and XPM writes it oddly, with nobody at a terminal
    command = [*CLI, "demo", "--clients", "40", "--odd", "20%", "--data", "demo"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    # Then each client is there, the rejections with what to do, the mail, the calls, and what to do next
    assert ran.returncode == 0, ran.stderr
    table = ran.stdout.split("Results\n")[1].split("\n\n")[0]
    assert len(table.splitlines()) == 41
    for words in (
        "Rejected, and what to do",
        "x email_missing",
        "Add the client's own email address in XPM",
        "Left out, because XPM has it in a form that cannot be read",
        "caught",
        "Welcome to the client portal of Demo Accountants, to ",
        "0 rate-limited",
        "portal-sync imports list --state rejected",
    ):
        assert words in ran.stdout
    # And all that is importable was imported, as the truth has it
    judge(figures_in(ran.stdout), tmp_path / "demo", odd_percent=20)
    # And it is plain text that fits
    assert max(map(cell_len, ran.stdout.splitlines())) <= 80
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_folder_serves_one_demo_at_a_time(tmp_path: Path) -> None:
    with started("demo", "--clients", 3000, "--data", tmp_path) as first:
        until(lambda: any((tmp_path / "logs").glob("*.log")))  # which is later than its lock
        second = subprocess.run([*CLI, "demo", "--data", tmp_path, "--json"], capture_output=True, text=True)
        assert (second.returncode, second.stdout) == (1, "")
        assert f"is already using {tmp_path}." in second.stderr
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)


def test_a_demo_that_cannot_have_its_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = subprocess.run([*CLI, "demo", "--data", tmp_path / "file" / "x"], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [f"Error: --data {tmp_path / 'file' / 'x'}: Not a directory."]
