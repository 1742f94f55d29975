"""The listener beside a process's work: fixed paths, a port that no other process has, and which loops have stalled."""

from __future__ import annotations

import json

import httpx
import pytest

from config.listener import PORTS, Answer, Answers, listening, liveness_answer
from config.liveness import Liveness
from config.logging import set_up_logging
from config.settings import Settings
from tests.test_logging import as_it_was
from worker.local.processes import free_port

__all__ = ["as_it_was"]


def failing() -> Answer:
    raise ValueError("jane@example.com")


ANSWERS: Answers = {"/livez": lambda: Answer.of_json(200, {"status": "ok"}), "/broken": failing}


def get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=5)


@pytest.fixture
def some_port() -> int:
    """A port that is free, below others that exist."""
    return min(free_port(), 65_535 - PORTS)


def test_without_a_port_nothing_listens() -> None:
    with listening(Settings(), ANSWERS) as port:
        assert port is None


@pytest.mark.usefixtures("as_it_was")
def test_it_answers_its_paths_and_no_others(some_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(Settings())
    with listening(Settings(metrics_port=some_port), ANSWERS) as port:
        assert port is not None
        found = get(port, "/livez?from=jane@example.com")
        assert (found.status_code, found.json(), found.headers["server"]) == (200, {"status": "ok"}, "portal-sync")
        assert get(port, "/").json() == {"status": "unknown", "paths": ["/broken", "/livez"]}
        broken = get(port, "/broken")
        assert (broken.status_code, broken.json()) == (500, {"status": "failed"})
    out = capsys.readouterr()
    assert "jane" not in out.out + out.err
    with pytest.raises(httpx.ConnectError):
        get(port, "/livez")


def test_processes_with_the_same_settings_take_different_ports(some_port: int) -> None:
    settings = Settings(metrics_port=some_port)
    with listening(settings, ANSWERS) as first, listening(settings, ANSWERS) as second:
        assert first is not None
        assert second is not None
        assert some_port <= first < second < some_port + PORTS
        assert [get(port, "/livez").status_code for port in (first, second)] == [200, 200]


def test_a_process_without_a_free_port_works_on(monkeypatch: pytest.MonkeyPatch, some_port: int) -> None:
    monkeypatch.setattr("config.listener.PORTS", 1)
    settings = Settings(metrics_port=some_port)
    with listening(settings, ANSWERS) as first, listening(settings, ANSWERS) as second:
        assert first is not None
        assert second is None


def test_a_loop_that_does_not_go_round_in_time_has_stalled() -> None:
    now = 0.0
    liveness = Liveness(lambda: now)
    heartbeat = liveness.expect("heartbeat", within_seconds=30)
    liveness.expect("relay", within_seconds=10)
    now = 10.0
    assert liveness_answer(liveness).status == 200
    now = 29.0
    heartbeat()
    now = 59.0
    answer = liveness_answer(liveness)
    assert (answer.status, json.loads(answer.body)) == (503, {"status": "stalled", "stalled": ["relay"]})
    now = 59.1
    assert liveness.stalled() == ["heartbeat", "relay"]
