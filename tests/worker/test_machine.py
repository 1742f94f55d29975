"""What a machine may run out of: descriptors, and a disk's room under SQLite. Real processes; what is asked for is done
once, and nothing has to be started again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.making import importable
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.worker.runner.running import count
from tests.worker.test_processes import start
from tests.world import World, building
from worker.local.mail_catcher import MailCatcher
from worker.local.processes import Supervised
from worker.queue.door import QUEUE
from xpm.simulator.serve import SimulatorHandle

#: A disk that is full while a file is there: SQLite may use no page more than it has.
_FILLS = """
from pathlib import Path
from sqlalchemy import Engine, event
@event.listens_for(Engine, "begin")
def _(connection):
    connection.exec_driver_sql(f"PRAGMA max_page_count = {{1 if Path({disk!r}).exists() else 2**30}}")
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(tmp_path / "logs") as supervised:
        yield supervised


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open descriptors are counted in /proc")
def test_finished_jobs_leave_no_descriptor_open(
    postgres_url: str, redis_url: str, simulator: SimulatorHandle, mail_catcher: MailCatcher, processes: Supervised
) -> None:
    """`python -m bench endurance` counts them, and the memory, after 10,000 jobs."""
    with building(postgres_url, simulator.api_url, simulator.config.access_token, mail_catcher) as world:
        people = importable(simulator)
        worker, _ = (start(processes, Desk.at(world, redis_url), name) for name in ("worker-1", "relay"))

        def held_after(batch: int) -> int:
            wanted = [
                world.request(person.uuid, send_welcome_email=True) for person in people[8 * (batch - 1) : 8 * batch]
            ]
            world.ask_batch(wanted, f"batch {batch}")
            wait_until(lambda: count(world, "import_events") == 8 * batch, "all are closed")
            return len(list(Path(f"/proc/{worker.pid}/fd").iterdir()))

        # Given the connections of a worker that has done all that it does
        before = held_after(1)
        # When it has run many more jobs, then it holds no more than those
        assert held_after(2) <= before + 4


def test_a_full_disk_under_sqlite_loses_nothing_and_needs_no_restart(
    sqlite_world: World, redis_url: str, processes: Supervised, simulator: SimulatorHandle, tmp_path: Path
) -> None:
    world, desk = sqlite_world, Desk.at(sqlite_world, redis_url)
    people = importable(simulator)
    disk = tmp_path / "full"
    # Given a worker and a relay that have worked
    for name in ("worker-1", "relay"):
        start(processes, desk, name, first=_FILLS.format(disk=str(disk)))
    first = desk.ask(people[0].uuid)
    wait_until(partial(desk.is_closed, first), "the first is closed")
    # When the disk is full, and requests come, at the queue door and by the portal
    disk.touch()
    requests = [world.request(person.uuid, send_welcome_email=True) for person in people[1:7]]
    for number, request in enumerate(requests):
        desk.post(request.model_dump(), f"m-{number}")
    words = ("database_unavailable", "database_away", "OperationalError")  # whoever needs a new page first
    wait_until(lambda: any(word in processes["worker-1"].log() for word in words), "the worker has met it")
    # Then each is accepted and done once there is room again
    disk.unlink()
    wait_until(lambda: count(world, "import_events") == 7, "all are closed")
    assert {(desk.receipt(request.request_id) or {}).get("status") for request in requests} == {"accepted"}
    assert [count(world, table) for table in ("clients", "malformed_messages")] == [7, 0]
    assert world.scalar("SELECT count(*) FROM imports WHERE state = 'succeeded'") == 7
    assert len(world.mail.deliveries()) == 6
    assert not desk.unacknowledged(QUEUE)
    assert all(processes[name].exit_code is None for name in ("worker-1", "relay"))
