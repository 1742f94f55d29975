"""The first jobs of a process run before the others, which do not wait for long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from handlers.services import Services
from portal_db.states import JobState
from portal_db.tables import Job
from tests.making import job as row_of
from tests.servers.waiting import wait_until
from tests.worker.runner.running import only_job, runner, stub
from tests.world import World
from worker.runner import first


class Awaited(threading.Event):
    """An event that tells whether somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.is_awaited.set()
        return super().wait(timeout)


def run_while_the_first_runs(world: World, meanwhile: Callable[[UUID, Awaited], object]) -> list[UUID]:
    """Run two jobs in threads of one process. Returns those that ran.

    Args:
        meanwhile: called with the second while the first runs.
    """
    one, other = (only_job(world, world.ask(uuid4())).id for _ in range(2))
    awaited, ran = Awaited(), list[UUID]()

    def fetch(_: Services, job: Job) -> None:
        ran.append(job.id)
        if job.id == one:
            second.start()
            meanwhile(other, awaited)

    process = runner(world, kinds=stub(fetch))
    process._first._has_ended = awaited
    second = threading.Thread(target=process.run, args=[other], daemon=True)
    process.run(one)
    second.join(30)
    assert {row_of(world, each).state for each in (one, other)} == {JobState.SUCCEEDED}
    return ran


def test_the_others_wait_for_the_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "FIRST_SECONDS", 60.0)

    def meanwhile(other: UUID, awaited: Awaited) -> None:
        assert awaited.is_awaited.wait(30)
        assert row_of(world, other).state is JobState.QUEUED

    assert len(run_while_the_first_runs(world, meanwhile)) == 2


def test_they_do_not_wait_for_one_that_takes_long(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "FIRST_SECONDS", 0.01)

    def meanwhile(other: UUID, _: Awaited) -> None:
        wait_until(lambda: row_of(sqlite_world, other).state is JobState.SUCCEEDED, "the other is done", 20)

    assert len(run_while_the_first_runs(sqlite_world, meanwhile)) == 2


def test_a_first_one_that_fails_holds_nobody_back() -> None:
    turn = first.First()
    with pytest.raises(RuntimeError), turn.alone():
        raise RuntimeError
    assert turn._has_ended.is_set()
