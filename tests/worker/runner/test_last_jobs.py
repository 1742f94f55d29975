"""Two last jobs of an import that end at the same moment: the import is closed, once, with one event."""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

import worker.runner.failures
import worker.runner.runner
from handlers.errors import Rejected
from handlers.imports.settle import settle, settle_all
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.database import Tx
from portal_db.states import ImportState, JobState
from portal_db.tables import Import, Job
from tests.handlers.one_job import fetch_one
from tests.making import importable
from tests.racing import at_once, failures
from tests.worker.runner.running import changed, count, runner
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

BRANCHES = ("import_details", "import_relationships")


def with_both_branches_left(world: World, simulator: SimulatorHandle) -> Any:
    """An import whose client is made and whose two branches are still to be run."""
    import_id = world.ask(importable(simulator)[0].uuid)

    def stop(services: Services, row: Job) -> Any:
        world.stopping.set()
        return fetch_one(HANDLERS["create_client"], services, row)

    runner(world, kinds=changed(create_client={"fetch": stop})).run(world.jobs_of(import_id)["validate_import"].id)
    world.stopping.clear()
    return import_id


@pytest.mark.parametrize("one_fails", [False, True])
def test_of_two_last_jobs_one_closes_the_import(
    world: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch, one_fails: bool
) -> None:
    """Both wait for each other once they have looked at the import's jobs and before they commit: without the lock on the
    import each would have seen the other running, and neither would close it. With the lock they cannot meet, and stop
    waiting."""
    import_id = with_both_branches_left(world, simulator)
    fetched_both, meeting = threading.Barrier(2), threading.Barrier(2)

    def fetch(services: Services, row: Job) -> Any:
        found = fetch_one(HANDLERS[row.kind], services, row)
        fetched_both.wait(10)
        return found

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            meeting.wait(1)

    def settle_and_meet(tx: Tx, row: Import) -> ImportState:
        state = settle(tx, row)
        meet()
        return state

    def settle_all_and_meet(tx: Tx, rows: Collection[Import], **known: Any) -> dict[UUID, ImportState]:
        states = settle_all(tx, rows, **known)
        meet()
        return states

    def refuse(*_: object) -> Any:
        raise Rejected("not_connected", "Not connected any more.")

    monkeypatch.setattr(worker.runner.runner, "settle_all", settle_all_and_meet)
    monkeypatch.setattr(worker.runner.failures, "settle", settle_and_meet)
    details = {"fetch": fetch, **({"apply": refuse} if one_fails else {})}
    kinds = changed(import_details=details, import_relationships={"fetch": fetch})
    jobs = world.jobs_of(import_id)
    runs = [
        lambda job_id=jobs[name].id, name=name: runner(world, kinds=kinds, owner=name).run(job_id) for name in BRANCHES
    ]
    assert failures(at_once(*runs)) == []
    expected = ImportState.PARTLY_SUCCEEDED if one_fails else ImportState.SUCCEEDED
    assert world.import_row(import_id).state is expected
    assert count(world, "import_events") == 1
    assert world.states_of(import_id)["import_relationships"] is JobState.SUCCEEDED


def test_of_two_last_jobs_claimed_at_once_neither_blocks_the_other(world: World, simulator: SimulatorHandle) -> None:
    import_id = with_both_branches_left(world, simulator)
    together = threading.Barrier(2)

    def fetch(services: Services, row: Job) -> Any:
        together.wait(10)
        return fetch_one(HANDLERS[row.kind], services, row)

    kinds = changed(**{name: {"fetch": fetch} for name in BRANCHES})
    jobs = world.jobs_of(import_id)

    def run(name: str) -> Any:
        return lambda: runner(world, kinds=kinds, owner=name).run(jobs[name].id)

    assert failures(at_once(*[run(name) for name in BRANCHES])) == []
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert count(world, "import_events") == 1
