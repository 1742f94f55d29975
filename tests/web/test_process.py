"""`python -m web` as a process: it refuses what it cannot serve with, and stops in good order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

import httpx
import pytest

from tests.servers.waiting import wait_until
from tests.web.desk import API, Desk
from worker.local.processes import LOOPBACK, free_port


def environment(desk: Desk, **changed: str) -> Mapping[str, str]:
    settings = desk.world.services.settings
    port = free_port()
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "TOKEN_KEYS": settings.token_keys[0].get_secret_value(),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "WEB_PORT": str(port),
        "PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        **changed,
    }


def run(env: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "web", *arguments]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_signal_ends_streams_and_the_process_in_good_order(desk: Desk) -> None:
    """Redis is away: a request is accepted all the same, because the record holds the work."""
    env = environment(desk)
    with run(env) as process:
        program = desk.program(base_url=env["PUBLIC_URL"])

        def answers() -> bool:
            with suppress(httpx.TransportError):
                return program.get("/readyz").status_code == 200
            return False

        wait_until(answers, "the web process to answer", within=60)
        wishes = {"xpm_uuid": str(desk.world.practice_id), "kind": "entity"}
        asked = program.post(f"{API}/imports", json=wishes, headers={"Idempotency-Key": "one"})
        assert asked.status_code == 202
        with program.stream("GET", f"{asked.headers['location']}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines)
            process.send_signal(signal.SIGTERM)
            assert list(lines)  # to the end of the stream, which is a whole one
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "web.stopped" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"TOKEN_KEYS": ""}, "TOKEN_KEYS"),
        ({"PUBLIC_URL": "http://portal.example"}, "PUBLIC_URL"),
        ({"WEB_PORT": "nonsense"}, "WEB_PORT"),
        ({"FORWARDED_ALLOW_IPS": "*"}, "FORWARDED_ALLOW_IPS"),
        ({"WEB_HOST": "192.0.2.1"}, "WEB_HOST"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line(desk: Desk, changed: dict[str, str], named: str) -> None:
    with run(environment(desk, **changed)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.count("\n") == 1
    assert named in err


def test_a_port_that_is_taken_is_one_line(desk: Desk) -> None:
    with run(environment(desk, WEB_PORT=desk.url.rpartition(":")[2])) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "cannot listen" in err
