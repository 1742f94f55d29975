"""What a worker may use up: a machine's memory and descriptors. Real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.making import importable
from tests.servers.held import TOLD, held
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.worker.runner.running import count
from tests.worker.test_processes import start
from tests.world import building
from worker.local.mail_catcher import MailCatcher
from worker.local.processes import Supervised
from xpm.simulator.serve import SimulatorConfig, running

#: A process that tells how many objects it keeps of those that a job is made of: rows, messages, ids, what handlers make and
#: read. It writes them into a file when a signal asks. What libraries keep of statements comes at any time, and once.
_TELLS = """
import gc, signal
from pathlib import Path
def _tell(*_):
    gc.collect()
    made_of = ("portal_db", "handlers", "worker", "xpm", "dramatiq", "uuid", "email", "httpx", "traceback")
    kept = [each for each in gc.get_objects() if str(type(each).__module__).split(".")[0] in made_of]
    Path({file!r} + ".part").write_text(str(len(kept)))
    Path({file!r} + ".part").rename({file!r})
signal.signal(signal.SIGUSR1, _tell)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(tmp_path / "logs", loaded=["worker.process"]) as supervised:
        yield supervised


@dataclass(frozen=True)
class Held:
    """What a worker holds, and how many jobs have ended by then."""

    jobs: int
    objects: int
    descriptors: int


@pytest.mark.skipif(not TOLD, reason="open descriptors are counted in /proc")
def test_finished_jobs_leave_no_descriptor_open_and_nothing_in_memory(
    postgres_url: str, redis_url: str, mail_catcher: MailCatcher, processes: Supervised, tmp_path: Path
) -> None:
    """`python -m bench endurance` counts them, and the memory, after 10,000 jobs."""
    told = tmp_path / "objects"
    with (
        running(SimulatorConfig(clients=300, seed=7, port=0, enforce_quota=False)) as simulator,
        building(postgres_url, simulator.api_url, simulator.config.access_token, mail_catcher) as world,
    ):
        desk, people = Desk.at(world, redis_url), importable(simulator)
        worker = start(processes, desk, "worker-1", first=_TELLS.format(file=str(told)))
        start(processes, desk, "relay")

        def held_after(imports: int, asked: int) -> Held:
            wanted = people[asked:imports]
            world.ask_batch(
                [world.request(person.uuid, send_welcome_email=True) for person in wanted], f"until {imports}"
            )
            wait_until(lambda: count(world, "import_events") == imports, "all are closed")
            told.unlink(missing_ok=True)
            os.kill(worker.pid, signal.SIGUSR1)
            wait_until(told.exists, "it tells")
            jobs = world.scalar("SELECT count(*) FROM jobs")
            return Held(int(str(jobs)), int(told.read_text()), held(worker.pid)[1])

        # Given a worker that has done all that it does, so that its connections are open and its caches filled
        held_after(20, 0)
        before = held_after(40, 20)
        # When it has run many more jobs
        after = held_after(80, 40)
    assert after.jobs - before.jobs >= 200
    # Then it holds no more descriptors, and nothing that most jobs were made of
    assert after.descriptors <= before.descriptors + 4
    assert after.objects - before.objects < (after.jobs - before.jobs) / 4
