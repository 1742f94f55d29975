"""Suspected killers run in a process of their own: who dies there is poison, who does not is innocent."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from handlers.registry import HANDLERS
from portal_db.states import ErrorClass, ImportState, JobState
from portal_db.work.jobs import LOST_LEASES_BEFORE_ISOLATION, MOST_LOST_LEASES
from tests.handlers.given import requeue
from tests.making import claimed, importable, job, set_job, take_back
from tests.servers.waiting import wait_until
from tests.worker.runner.running import only_job, outcomes, runner
from tests.world import World
from worker.runner.isolation import IsolatedRunner
from xpm.simulator.serve import SimulatorHandle

KILLER = (sys.executable, str(Path(__file__).with_name("killer.py")))


@pytest.fixture
def alone_world(world: World, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose settings a child process finds in its environment."""
    for name, value in environment(world, redis_url).items():
        monkeypatch.setenv(name, value)
    return world


def environment(world: World, redis_url: str) -> Mapping[str, str]:
    settings = world.services.settings
    return {
        "DATABASE_URL": settings.database_url,
        "XPM_API_URL": settings.xpm_api_url,
        "XPM_QUOTA_TIME_SCALE": "1000",  # a fresh Redis gives no permits for two renewals
        "SMTP_URL": settings.smtp_url,
        "TOKEN_KEYS": ",".join(key.get_secret_value() for key in settings.token_keys),
        "REDIS_URL": redis_url,
    }


def twice_lost(world: World, xpm_uuid: UUID) -> UUID:
    """An import whose first job has taken two processes down."""
    import_id = world.ask(xpm_uuid)
    for _ in range(2):
        claimed(world, only_job(world, import_id).id, owner="gone")
        world.pass_time(11)
        take_back(world)
    return import_id


def test_who_dies_alone_is_poison(alone_world: World) -> None:
    world = alone_world
    import_id = twice_lost(world, uuid4())
    alone = IsolatedRunner(world.services, HANDLERS, "worker-1", KILLER)
    runner(world, run_isolated=alone.run).run(only_job(world, import_id).id)
    found = only_job(world, import_id)
    assert (found.state, found.error_class, found.error_code) == (JobState.DEAD, ErrorClass.PERMANENT, "poison")
    assert outcomes(world, found.id) == ["lease_lost", "lease_lost", "permanent"]
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.FAILED, "poison")


def test_who_takes_its_worker_along_is_buried_without_another_run(sqlite_world: World) -> None:
    # Given a job whose own process has ended the worker's too, again and again, as when a machine's memory is used up
    world = sqlite_world
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    for _ in range(MOST_LOST_LEASES):
        claimed(world, job_id, owner="gone/isolated")
        world.pass_time(11)
        take_back(world)
    # When a worker takes it once more, then it starts no process
    alone = IsolatedRunner(world.services, HANDLERS, "worker-1", ("/no/such/program",))
    runner(world, run_isolated=alone.run).run(job_id)
    # And it is a dead letter, of which its import knows
    assert (job(world, job_id).state, job(world, job_id).error_code) == (JobState.DEAD, "poison")
    assert world.import_row(import_id).state is ImportState.FAILED
    # And requeued, it gets one more run, by itself
    requeue(world, import_id, "validate_import")
    assert job(world, job_id).lost_leases == LOST_LEASES_BEFORE_ISOLATION


def test_an_innocent_neighbour_does_its_work_alone(alone_world: World, simulator: SimulatorHandle) -> None:
    world = alone_world
    import_id = twice_lost(world, importable(simulator)[0].uuid)
    alone = IsolatedRunner(world.services, HANDLERS, "worker-1")
    runner(world, run_isolated=alone.run).run(only_job(world, import_id).id)
    states = world.states_of(import_id)
    assert states["validate_import"] is states["create_client"] is JobState.SUCCEEDED
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_a_child_that_never_took_the_job_proves_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    import_id = twice_lost(world, uuid4())
    broken = IsolatedRunner(world.services, HANDLERS, "worker-1", (sys.executable, "-c", "raise SystemExit(1)"))
    runner(world, run_isolated=broken.run).run(only_job(world, import_id).id)
    assert only_job(world, import_id).state is JobState.QUEUED


def test_a_job_that_somebody_else_has_is_not_buried(sqlite_world: World) -> None:
    world = sqlite_world
    import_id = twice_lost(world, uuid4())
    job_id = only_job(world, import_id).id
    claimed(world, job_id, owner="worker-2")
    IsolatedRunner(world.services, HANDLERS, "worker-1", (sys.executable, "-c", "raise SystemExit(1)")).run(job_id)
    assert job(world, job_id).state is JobState.RUNNING


def test_a_child_that_hangs_is_ended_and_its_job_buried(sqlite_world: World) -> None:
    """The parent waits ten seconds longer than the hard deadline; here that is a second in all."""
    world = sqlite_world
    import_id = twice_lost(world, uuid4())
    job_id = only_job(world, import_id).id
    claimed(world, job_id, owner="worker-1/isolated")
    set_job(world, job_id, deadline_seconds=-9)
    IsolatedRunner(world.services, HANDLERS, "worker-1", (sys.executable, "-c", "import time; time.sleep(60)")).run(
        job_id
    )
    assert (job(world, job_id).state, job(world, job_id).error_code) == (JobState.DEAD, "poison")


def test_a_job_that_is_gone_needs_no_child(sqlite_world: World) -> None:
    IsolatedRunner(sqlite_world.services, HANDLERS, "worker-1", ("/no/such/program",)).run(uuid4())


HARDY = (sys.executable, str(Path(__file__).with_name("killer.py")), "SIGTERM")


def test_a_signal_to_stop_is_not_for_the_child(alone_world: World, simulator: SimulatorHandle) -> None:
    """As when a service manager signals every process that it finds: the job goes on and is no poison."""
    world = alone_world
    import_id = twice_lost(world, importable(simulator)[0].uuid)
    job_id = only_job(world, import_id).id
    runner(world, run_isolated=IsolatedRunner(world.services, HANDLERS, "worker-1", HARDY).run).run(job_id)
    assert outcomes(world, job_id) == ["lease_lost", "lease_lost", "succeeded"]


def waiting_child(said: Path) -> tuple[str, ...]:
    """The command of a child that says in a file that it runs."""
    said.touch()
    code = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(60)"
    return sys.executable, "-c", code, str(said)


def test_who_is_cut_off_at_our_end_goes_back_to_the_queue(sqlite_world: World, tmp_path: Path) -> None:
    world, children = sqlite_world, tmp_path / "children"
    job_id = only_job(world, twice_lost(world, uuid4())).id
    alone = IsolatedRunner(world.services, HANDLERS, "worker-1", waiting_child(children))
    thread = threading.Thread(target=alone.run, args=(job_id,), daemon=True)
    claimed(world, job_id, owner="worker-1/isolated")
    thread.start()
    wait_until(children.read_text, "the child has said that it runs")
    alone.stop()
    thread.join(10)
    assert not thread.is_alive()
    found = job(world, job_id)
    assert (found.state, found.attempts, found.lost_leases) == (JobState.QUEUED, 0, 2)


def test_a_job_rung_again_while_its_child_starts_gets_no_second_one(sqlite_world: World, tmp_path: Path) -> None:
    """Under load a child takes longer to start than the relay waits before it rings again."""
    job_id = only_job(sqlite_world, twice_lost(sqlite_world, uuid4())).id
    children = tmp_path / "children"
    alone = IsolatedRunner(sqlite_world.services, HANDLERS, "worker-1", waiting_child(children))
    thread = threading.Thread(target=alone.run, args=(job_id,), daemon=True)
    thread.start()
    wait_until(children.read_text, "the child has said that it runs")
    alone.run(job_id)
    alone.stop()
    thread.join(10)
    assert children.read_text() == "x"


def test_a_ring_too_many_starts_no_child(sqlite_world: World) -> None:
    job_id = only_job(sqlite_world, twice_lost(sqlite_world, uuid4())).id
    claimed(sqlite_world, job_id, owner="worker-2/isolated")
    started: list[object] = []
    runner(sqlite_world, run_isolated=started.append).run(job_id)
    assert started == []
