"""The pipeline as it is deployed: workers and a relay as processes of their own, a real Redis and PostgreSQL.

Processes are told to stop, and one is killed in the middle of a job; what was asked for is done once all the same.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from portal_db.states import ImportState, JobState
from tests.making import importable
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import ALL_QUEUES, Desk
from tests.worker.runner.running import count, outcomes
from tests.world import World, building
from worker.local.mail_catcher import MailCatcher
from worker.local.processes import Process, Supervised, free_port, log_line
from worker.parts import Parts
from worker.process import run_worker
from xpm.simulator.faults import FaultRule
from xpm.simulator.serve import SimulatorHandle

WORKER = "import sys; from worker.process import run_worker; sys.exit(run_worker({}, threads=2))"
RELAY = "import sys; from worker.process import run_relay; sys.exit(run_relay())"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def postgres_world(postgres_url: str, simulator: SimulatorHandle, mail_catcher: MailCatcher) -> Iterator[World]:
    with building(postgres_url, simulator.api_url, simulator.config.access_token, mail_catcher) as made:
        yield made


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(tmp_path / "logs", loaded=["worker.process"]) as supervised:
        yield supervised


def start(
    processes: Supervised,
    desk: Desk,
    name: str,
    *,
    first: str = "",
    queues: Iterable[str] = ALL_QUEUES,
    **more: str,
) -> Process:
    """Start `relay`, or a worker, with the settings of a desk.

    Args:
        first: Python that the process runs before it begins.
        queues: the worker's.
        more: for its environment.
    """
    settings = desk.settings
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "XPM_API_URL": settings.xpm_api_url,
        "XPM_QUOTA_TIME_SCALE": "100",  # a new Redis keeps calls back for seconds, and batches are spaced
        "SMTP_URL": settings.smtp_url,
        "UNSIGNED_REQUESTS": "true",
        "TOKEN_KEYS": ",".join(key.get_secret_value() for key in settings.token_keys),
        "LOG_FORMAT": "json",
        **more,
    }
    program, ready = (RELAY, "relay.ready") if name == "relay" else (WORKER.format(sorted(queues)), "worker.ready")
    command = [sys.executable, "-c", first + program]
    return processes.start(name, command, ready=log_line(ready), env=environment, cwd=ROOT)


def stopped(process: Process) -> int | None:
    """Tell a process to stop, and its exit code once it has."""
    os.kill(process.pid, signal.SIGTERM)
    assert process.ended_within(60), process.log()
    return process.exit_code


def looked_at(process: Process) -> tuple[int, int, str]:
    """What a process answers to those who ask whether it, and whether the system, does its work; and its metrics."""
    lines = [json.loads(line) for line in process.log().splitlines()]
    [port] = [line["port"] for line in lines if line["event"] == "metrics.listening"]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:
        return client.get("/livez").status_code, client.get("/status").status_code, client.get("/metrics").text


def failing(process: Process) -> set[str]:
    """The names of the checks that fail, as `/status` of a process answers."""
    [port] = [
        line["port"] for line in map(json.loads, process.log().splitlines()) if line["event"] == "metrics.listening"
    ]
    answer = httpx.get(f"http://127.0.0.1:{port}/status", trust_env=False, timeout=5).json()
    return {check["name"] for check in answer["checks"] if not check["ok"]}


def total(scrapes: Sequence[str], name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels, over several processes."""
    return sum(
        sample.value
        for scrape in scrapes
        for family in text_string_to_metric_families(scrape)
        for sample in family.samples
        if sample.name == f"portal_sync_{name}" and labels.items() <= sample.labels.items()
    )


def test_two_workers_and_a_relay_do_what_is_asked_once_and_stop_when_told(
    postgres_world: World, redis_url: str, processes: Supervised, simulator: SimulatorHandle
) -> None:
    world, desk = postgres_world, Desk.at(postgres_world, redis_url)
    people = importable(simulator)
    ports = {"METRICS_PORT": str(free_port())}
    started = [start(processes, desk, name, **ports) for name in ("worker-1", "worker-2", "relay")]
    assert all("worker.rehearsed" in worker.log().partition("worker.ready")[0] for worker in started[:2])
    imports = [desk.ask(person.uuid, send_welcome_email=True) for person in people[:2]]
    imports += world.ask_batch([world.request(person.uuid, send_welcome_email=True) for person in people[2:5]])
    request = world.request(people[5].uuid)
    desk.post(request.model_dump())
    wait_until(lambda: count(world, "import_events") == 6, "all six are closed", 90)
    assert {world.import_row(import_id).state for import_id in imports} == {ImportState.SUCCEEDED}
    assert [count(world, table) for table in ("clients", "xpm_links", "imports")] == [6, 6, 6]
    assert len(world.mail.deliveries()) == 5
    found = [looked_at(process) for process in started]
    assert [answers[:2] for answers in found] == 3 * [(200, 200)]
    scrapes = [answers[2] for answers in found]
    assert total(scrapes, "job_attempts_total", kind="create_client", outcome="succeeded") == 6
    assert total(scrapes, "job_duration_seconds_count", kind="create_client") == 6
    assert total(scrapes, "job_wait_seconds_count") >= 6
    assert total(scrapes, "import_duration_seconds_count", kind="individual", state="succeeded") == 6
    assert total(scrapes, "email_sends_total", outcome="sent") == 5
    assert total(scrapes, "door_messages_total", result="accepted") == 1
    calls = total(scrapes, "xpm_requests_total", operation="getClient", status_class="2xx")
    assert 6 <= calls <= total(scrapes, "xpm_permits_total", result="given")
    assert [total([scrape], "relay_leader") for scrape in scrapes] == [0, 0, 1]
    assert total(scrapes[:2], "jobs") == 0
    assert total(scrapes, "connections", state="connected") == 1
    text = "\n".join(scrapes)
    assert not any(word in text for person in people[:6] for word in (person.email, person.name) if word)
    assert str(world.practice_id) not in text
    assert [stopped(process) for process in started] == [0, 0, 0]
    logs = "\n".join(process.log() for process in started)
    assert not any(person.email in logs for person in people[:6] if person.email), "nobody is named in a log"


def test_status_notices_that_redis_took_rights_away_from_a_running_worker(
    sqlite_world: World, own_redis: RedisServer, processes: Supervised
) -> None:
    # Given a worker on every lane, as a user of its own
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("ACL", "SETUSER", "portal", "on", ">secret", "~portal:*", "+@all", "-@dangerous")
        desk = Desk.at(sqlite_world, own_redis.url.replace("redis://", "redis://portal:secret@"))
        worker = start(processes, desk, "worker", METRICS_PORT=str(free_port()), HEARTBEAT_SECONDS="0.2")
        wait_until(lambda: failing(worker) == {"relay"}, "it consumes every lane", 30)
        # When its user may no longer fetch
        admin.execute_command("ACL", "SETUSER", "portal", "-evalsha", "-eval", "-blmove")
        # Then `/status` says that no worker takes jobs, until the user may again
        wait_until(lambda: failing(worker) == {"relay", "workers"}, "that is noticed", 30)
        admin.execute_command("ACL", "SETUSER", "portal", "+evalsha", "+eval", "+blmove")
        wait_until(lambda: failing(worker) == {"relay"}, "it consumes every lane again", 30)
    assert stopped(worker) == 0


def test_a_killed_workers_job_is_done_by_another(
    postgres_world: World, redis_url: str, processes: Supervised, simulator: SimulatorHandle
) -> None:
    """The killed worker hangs in a call to XPM when it dies; within a lease the relay hands its job to the other."""
    world, desk = postgres_world, Desk.at(postgres_world, redis_url)
    person = importable(simulator)[6]
    simulator.simulator.faults.add(FaultRule("hang", uuid=person.uuid, count=1, seconds=30))
    try:
        for name in ("worker-1", "worker-2", "relay"):
            start(processes, desk, name)
        import_id = desk.ask(person.uuid)
        wait_until(lambda: not simulator.simulator.faults.rules, "a worker hangs in its call")
        [hanging] = world.jobs_of(import_id).values()
        assert hanging.lease_owner is not None
        os.kill(int(hanging.lease_owner.split("/")[1]), signal.SIGKILL)
        wait_until(partial(desk.is_closed, import_id), "the other has done it")
    finally:
        simulator.simulator.faults.clear()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    ends = [outcome for outcome in outcomes(world, hanging.id) if outcome != "deferred"]  # a new quota counts afresh
    assert ends == ["lease_lost", "succeeded"]
    assert world.jobs_of(import_id)["create_client"].state is JobState.SUCCEEDED
    assert [count(world, table) for table in ("clients", "import_events")] == [1, 1]
    assert sum(process.exit_code is not None for process in (processes["worker-1"], processes["worker-2"])) == 1


def test_a_worker_finds_rows_by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def from_environment(**given: Any) -> Parts:
        asked.update(given)
        raise KeyError

    monkeypatch.setattr(Parts, "from_environment", from_environment)
    with pytest.raises(KeyError):
        run_worker(["import"], threads=1, stopping=threading.Event())
    assert asked["by_index"]
